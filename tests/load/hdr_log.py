"""Reads HdrHistogram's logs, from its format's description alone."""

import base64
import struct
import zlib


def counts_of(payload):
    """The counts of a histogram in the encoding V2."""
    cookie, length, offset, digits, lowest, highest, _ = struct.unpack(">iiiiqqd", payload[:40])
    assert (cookie & ~0xF0) == 0x1C849303 and offset == 0, hex(cookie)
    assert (digits, lowest, highest) == (3, 1, 3_600_000_000_000)
    at, counts = 40, []
    while at < 40 + length:
        bits = shift = 0
        for place in range(9):
            byte = payload[at]
            at += 1
            bits |= (byte if place == 8 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        count = (bits >> 1) ^ -(bits & 1)
        counts += [0] * -count if count < 0 else [count]
    return counts


def value_at(index):
    """The highest value that counts there."""
    bucket = max(index // 1024 - 1, 0)
    return ((index - bucket * 1024 + 1) << bucket) - 1


class Interval:
    """A line of the log."""

    def __init__(self, line):
        tag, start, length, longest, text = line.split(",")
        self.tag = tag.removeprefix("Tag=")
        self.start, self.length, self.longest = float(start), float(length), float(longest)
        packed = base64.b64decode(text, validate=True)
        cookie, size = struct.unpack(">ii", packed[:8])
        assert (cookie & ~0xF0) == 0x1C849304 and size == len(packed) - 8, hex(cookie)
        self.counts = counts_of(zlib.decompress(packed[8:]))


def read(path):
    """The log's intervals."""
    lines = path.read_text().splitlines()
    assert any(line.startswith("#[StartTime: ") for line in lines)
    return [Interval(line) for line in lines if line.startswith("Tag=")]


def percentile(intervals, percent):
    """As HdrHistogram has it, over all intervals."""
    counts = [sum(column) for column in zip(*(
        i.counts + [0] * (max(len(j.counts) for j in intervals) - len(i.counts))
        for i in intervals))]
    wanted, seen = max(round(sum(counts) * percent / 100 + 0.4999), 1), 0
    for index, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return value_at(index)
    raise AssertionError("there are no counts")
