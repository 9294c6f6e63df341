"""Model files that differ from a given one in what they score, and in nothing else."""

import array
import json
import struct

HEADER = struct.Struct("<Q")


def _tensor(header, name):
    entry = header[name]
    assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
    return entry["data_offsets"]


def write_variant(source, target):
    """Writes the model to target with its values negated and its last bias raised."""
    with open(source, "rb") as file:
        content = bytearray(file.read())
    data_at = HEADER.size + HEADER.unpack_from(content)[0]
    header = json.loads(content[HEADER.size:data_at])
    biases = sorted(name for name in header if name.startswith("head.") and name.endswith(".bias"))
    for name, change in (("attention.value.weight", lambda number: -number),
                         (biases[-1], lambda number: number + 0.7)):
        begin, end = _tensor(header, name)
        numbers = array.array("f", bytes(content[data_at + begin:data_at + end]))
        content[data_at + begin:data_at + end] = array.array("f", map(change, numbers)).tobytes()
    with open(target, "wb") as file:
        file.write(content)
