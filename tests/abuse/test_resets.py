"""Streams opened for nothing: reset by the client, or by the server that it makes do so."""

import struct
import unittest

from grpc import StatusCode, RpcError

import frames
from abuse import ITEMS, USER, AbuseTest
from attacker import flood
from client import Client, score_request

SCORE = b"/vql.v1.Scoring/Score"
REQUEST = frames.message(score_request(USER, ITEMS * 10).SerializeToString())
BURST = 50  # streams


def streams(number):
    """The ids of a burst's streams."""
    first = 1 + 2 * BURST * number
    return range(first, first + 2 * BURST, 2)


def burst_of(one):
    return lambda number: b"".join(one(stream) for stream in streams(number))


def reset(stream):
    """CVE-2023-44487: the client cancels what it has just asked for."""
    code = struct.pack("!I", frames.CANCEL)
    return (frames.call(stream, SCORE) +
            frames.frame(frames.DATA, frames.END_STREAM, stream, REQUEST) +
            frames.frame(frames.RST_STREAM, 0, stream, code))


def open_window_by_nothing(stream):
    return (frames.call(stream, SCORE) +
            frames.frame(frames.WINDOW_UPDATE, 0, stream, struct.pack("!I", 0)))


def open_window_too_far(stream):
    update = frames.frame(frames.WINDOW_UPDATE, 0, stream, struct.pack("!I", (1 << 31) - 1))
    return frames.call(stream, SCORE) + update + update


def depend_on_itself(stream):
    return (frames.call(stream, SCORE) +
            frames.frame(frames.PRIORITY, 0, stream, struct.pack("!IB", stream, 16)))


def short_priority(stream):
    return frames.call(stream, SCORE) + frames.frame(frames.PRIORITY, 0, stream, b"1234")


def data_after_the_end(stream):
    return (frames.call(stream, SCORE) +
            frames.frame(frames.DATA, frames.END_STREAM, stream, REQUEST) +
            frames.frame(frames.DATA, frames.END_STREAM, stream, REQUEST))


def headers_after_the_end(stream):
    return (frames.call(stream, SCORE) +
            frames.frame(frames.DATA, frames.END_STREAM, stream, REQUEST) +
            frames.call(stream, SCORE))


class ResetTest(AbuseTest):
    def test_rapid_reset(self):
        self.assert_calmed(flood(burst_of(reset)))

    def test_made_you_reset(self):
        """CVE-2025-8671. What HTTP/2 calls an error of the connection ends it; the rest is paid."""
        for one in (open_window_by_nothing, open_window_too_far, depend_on_itself, short_priority,
                    data_after_the_end, headers_after_the_end):
            with self.subTest(one.__name__):
                results = self.attacked(flood(burst_of(one)), seconds=1)
                self.assertTrue(results)
                self.assertNotIn(0, results)
                self.assertTrue(any(results))


class TightDeadlineTest(AbuseTest):
    def test_cancellations(self):
        """A client that gives up on hundreds of calls a second keeps its connection."""
        client = Client(self.address)
        self.addCleanup(client.close)
        request = score_request(USER, ITEMS * 100)
        outcomes = set()
        for _ in range(40):
            calls = [client.scoring.Score.future(request, timeout=0.002) for _ in range(50)]
            for call in calls[::5]:
                call.cancel()
            for call in calls:
                try:
                    call.result()
                    outcomes.add(StatusCode.OK)
                except RpcError as error:
                    outcomes.add(error.code())
                except Exception:  # grpc.FutureCancelledError
                    outcomes.add(StatusCode.CANCELLED)
        self.assertIn(StatusCode.DEADLINE_EXCEEDED, outcomes)
        self.assertLessEqual(outcomes, {StatusCode.OK, StatusCode.DEADLINE_EXCEEDED,
                                        StatusCode.CANCELLED})
        self.assertEqual(len(client.score(USER, ITEMS).scores) % len(ITEMS), 0)


if __name__ == "__main__":
    unittest.main()
