"""HTTP/2 frames by hand (RFC 9113, RFC 7541), so that an attacker may say what no client would."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
CANCEL, ENHANCE_YOUR_CALM = 8, 11
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!BHBBI", len(payload) >> 16, len(payload) & 0xffff, kind, flags,
                       stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", *pair) for pair in pairs))


def integer(number, bits, first=0):
    """An integer with a prefix of so many bits (RFC 7541 §5.1)."""
    most = (1 << bits) - 1
    if number < most:
        return bytes((first | number,))
    out = bytearray((first | most,))
    number -= most
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def text(string):
    return integer(len(string), 7) + string


def field(name, value, first=0x00):
    """A literal field with a new name; 0x40 makes it one of the dynamic table."""
    return bytes((first,)) + text(name) + text(value)


def request(path, *more):
    """The header block of a gRPC call."""
    return b"".join((
        field(b":method", b"POST"), field(b":scheme", b"http"), field(b":path", path),
        field(b":authority", b"vqld"), field(b"te", b"trailers"),
        field(b"content-type", b"application/grpc"), *more))


def call(stream, path, *more, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, request(path, *more))


def message(payload):
    """A gRPC message with its prefix."""
    return struct.pack("!BI", 0, len(payload)) + payload


def parse(data):
    """The whole frames at the front of the bytes, and the bytes behind them."""
    found = []
    while len(data) >= 9:
        high, low, kind, flags, stream = struct.unpack("!BHBBI", data[:9])
        length = high << 16 | low
        if len(data) < 9 + length:
            break
        found.append((kind, flags, stream, data[9:9 + length]))
        data = data[9 + length:]
    return found, data
