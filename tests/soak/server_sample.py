"""What a vqld process takes, from outside: the kernel's figures, and jemalloc's from its log."""

import pathlib
import re
import time
from typing import NamedTuple

# jemalloc writes its figures into the log whenever so many bytes were allocated and freed.
MALLOC_CONF = "stats_interval:16777216,stats_interval_opts:gmdablxeh"
ALLOCATED = re.compile(r"^Allocated: (\d+), active: (\d+), .*?resident: (\d+)", re.MULTILINE)
TAIL_BYTES = 16384


class Sample(NamedTuple):
    seconds: float
    rss: int
    descriptors: int
    threads: int
    allocated: int  # 0: jemalloc has said nothing yet
    active: int


def take_sample(pid, log, start):
    """Looks at a process, and at the end of its log."""
    folder = pathlib.Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    allocated, active = 0, 0
    with open(log, "rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        for figures in ALLOCATED.finditer(file.read().decode(errors="replace")):
            allocated, active = int(figures[1]), int(figures[2])
    return Sample(
        seconds=time.monotonic() - start,
        rss=int(status["VmRSS"].split()[0]) * 1024,
        descriptors=len(list((folder / "fd").iterdir())),
        threads=int(status["Threads"]),
        allocated=allocated,
        active=active)


def growth(samples, field):
    """How much a figure grows over the samples, by the line of least squares through them."""
    points = [(s.seconds, getattr(s, field)) for s in samples if getattr(s, field) > 0]
    if len(points) < 3:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    square = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / square
    return slope * (points[-1][0] - points[0][0])
