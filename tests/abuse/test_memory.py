"""Messages that never end, on as many streams as there may be: bounded for each connection."""

import struct
import unittest

import frames
from abuse import AbuseTest
from attacker import flood

APPEND = b"/vql.v1.History/Append"


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


if __name__ == "__main__":
    unittest.main()
