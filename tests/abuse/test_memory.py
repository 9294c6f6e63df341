"""Messages that never end, and those that are small until they are inflated."""

import gzip
import struct
import unittest

import frames
from abuse import AbuseTest
from attacker import flood

APPEND = b"/vql.v1.History/Append"
SCORES = b"/vql.v1.Scoring/ScoreStream"


class MemoryTest(AbuseTest):
    OPTIONS = ("--max-connection-bytes", "8MiB")

    def test_unfinished_messages(self):
        """4 MB promised on each of 200 streams, and all but the last byte of them sent."""
        prefix = struct.pack("!BI", 0, 4_000_000)
        piece = bytes(16000)

        def burst(number):
            if number == 0:
                return b"".join(frames.call(stream, APPEND) + frames.frame(
                    frames.DATA, 0, stream, prefix) for stream in range(1, 401, 2))
            stream = 1 + 2 * (number % 200)
            return frames.frame(frames.DATA, 0, stream, piece)
        self.attacked(flood(burst), seconds=4)

    def test_gzip_bombs(self):
        """Each 4 KB of a stream that ends with it become 4 MB that are no message."""
        bomb = frames.message(gzip.compress(bytes(4_000_000)), compressed=True)
        field = frames.field(b"grpc-encoding", b"gzip")

        def burst(number):
            stream = 1 + 2 * number
            return frames.call(stream, SCORES, field) + frames.frame(
                frames.DATA, frames.END_STREAM, stream, bomb)
        self.assert_calmed(flood(burst))


if __name__ == "__main__":
    unittest.main()
