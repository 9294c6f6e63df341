"""Frames that are cheap to send: control frames, empty ones, headers without end."""

import struct
import unittest

import frames
from abuse import AbuseTest
from attacker import Connection, flood

STREAM = b"/vql.v1.Scoring/ScoreStream"
BURST = 500  # frames


def after_a_call(burst):
    """The burst on a stream that is open."""
    return lambda number: (frames.call(1, STREAM) if number == 0 else b"") + burst


class FloodTest(AbuseTest):
    def test_ping(self):
        self.assert_calmed(flood(lambda _: frames.frame(frames.PING, 0, 0, bytes(8)) * BURST))

    def test_settings(self):
        self.assert_calmed(flood(lambda _: frames.settings((3, 100)) * BURST))

    def test_settings_that_are_answered(self):
        ack = frames.frame(frames.SETTINGS, frames.ACK, 0)
        results = self.attacked(flood(lambda _: ack * BURST))
        self.assertTrue(any(results))

    def test_priority(self):
        priority = frames.frame(frames.PRIORITY, 0, 5, struct.pack("!IB", 3, 16))
        self.assert_calmed(flood(lambda _: priority * BURST))

    def test_window_update(self):
        update = frames.frame(frames.WINDOW_UPDATE, 0, 1, struct.pack("!I", 1))
        self.assert_calmed(flood(after_a_call(update * BURST)))

    def test_unknown_frames(self):
        self.assert_calmed(flood(lambda _: frames.frame(0x77, 0, 0, b"?") * BURST))

    def test_empty_data(self):
        self.assert_calmed(flood(after_a_call(frames.frame(frames.DATA, 0, 1) * BURST)))

    def test_padding_alone(self):
        padded = frames.frame(frames.DATA, frames.PADDED, 1, bytes((3, 0, 0, 0)))
        self.assert_calmed(flood(after_a_call(padded * BURST)))

    def test_empty_headers(self):
        """A header block of nothing is no request, and one behind a request must end it."""
        empty = frames.frame(frames.HEADERS, frames.END_HEADERS, 1)
        results = self.attacked(flood(after_a_call(empty * BURST)))
        self.assertTrue(any(results))

    def test_continuation(self):
        """A header block without end: empty frames, and full ones."""
        for payload in (b"", frames.field(b"x-pad", b"y" * 16000)):
            with self.subTest(len(payload)):
                rest = frames.frame(frames.CONTINUATION, 0, 1, payload) * 100
                start = frames.frame(frames.HEADERS, 0, 1, frames.request(STREAM))
                results = self.attacked(
                    flood(lambda n, s=start, r=rest: (s if n == 0 else b"") + r), seconds=1.5)
                self.assertTrue(any(results))

    def test_hpack_bomb(self):
        """One field of 4,000 bytes in the table, and then 16,000 times one byte that names it."""
        bomb = frames.field(b"x-bomb", b"y" * 4000, 0x40)
        names = b"\xbe" * 16000

        def burst(number):
            stream = 1 + 2 * number
            return (frames.call(stream, STREAM, bomb, flags=0) +
                    frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream, names))
        self.assert_calmed(flood(burst))

    def test_one_bomb_ends_its_connection(self):
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        bomb = frames.field(b"x-bomb", b"y" * 4000, 0x40)
        connection.send(frames.call(1, STREAM, bomb, flags=0) + frames.frame(
            frames.CONTINUATION, frames.END_HEADERS, 1, b"\xbe" * 16000))
        self.assertTrue(connection.wait_for_end(10))
        self.assertEqual(connection.goaway, frames.ENHANCE_YOUR_CALM)


if __name__ == "__main__":
    unittest.main()
