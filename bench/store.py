#!/usr/bin/python3
"""What a store costs vqld, in memory and on disk with each durability: bench_store, several times.

    bench/store.py BUILD_FOLDER [--runs N] [--seconds N] [--folder FOLDER] [--threads N]

A run has every durability once. The table has medians of the runs, and of their ratios.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

DURABILITIES = ("memory", "async", "sync")
START_S = 30
LINE = re.compile(r"(.+?) +(\d+)/s +p50 +([\d.]+) ms +p99 +([\d.]+) ms")
MODEL = pathlib.Path(__file__).parent.parent / "examples/retail/model.safetensors"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder, with VQL_BENCH=ON")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="how long each line is measured")
    parser.add_argument("--folder", help="where the stores are made; else the system's")
    parser.add_argument("--threads", type=int, default=1, help="of vqld")
    return parser.parse_args()


class Server:
    """A vqld, for as long as the context lasts."""

    def __init__(self, arguments, folder, durability):
        self._port_file = pathlib.Path(folder, "address")
        store = "memory" if durability == "memory" else f"rocksdb:{folder}/store"
        self._command = [arguments.build / "vqld", "--model", MODEL, "--threads",
                         str(arguments.threads), "--listen", "127.0.0.1:0", "--port-file",
                         self._port_file, "--store", store, "--durability", durability,
                         "--log-level", "error"]

    def __enter__(self):
        self._port_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command)
        end = time.monotonic() + START_S
        while not self._port_file.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("vqld does not serve")
            time.sleep(0.01)
        return self._port_file.read_text().strip()

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def bench(arguments, address, *words):
    done = subprocess.run([arguments.build / "bench_store", address, *words], check=True,
                          capture_output=True, text=True)
    return {match[1].strip(): tuple(map(float, match.groups()[1:]))
            for match in map(LINE.match, done.stdout.splitlines()) if match}


def measure(arguments, durability):
    """The lines of one durability: what -> (a second, p50, p99)."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        with Server(arguments, folder, durability) as address:
            lines = bench(arguments, address, folder, str(arguments.seconds))
        if durability != "memory":
            with Server(arguments, folder, durability) as address:
                lines |= bench(arguments, address, "cold")
    return lines


def print_row(what, cells):
    print(f"| {what} | " + " | ".join(cells) + " |", flush=True)


def medians(values):
    """The median of what is there."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def row(runs, what, value, text):
    """A line of the table: value(run's lines of a durability, run) for each durability."""
    cells = (medians(value(run[d], run) for run in runs) for d in DURABILITIES)
    print_row(what, ["–" if cell is None else text.format(cell) for cell in cells])


def rate(name):
    return lambda lines, _: lines[name][0]


def percentile(name, which):
    return lambda lines, _: lines[name][which] if name in lines else None


def ratio(above, below):
    def value(lines, run):
        top, bottom = above(lines, run), below(lines, run)
        return top / bottom if top and bottom else None
    return value


def print_table(runs):
    fsync = "one fsync after the other"
    alone, beside = "scores, 4 clients", "scores beside 64 that append"
    appends, many = rate("appends, 64 clients"), rate("appends, 512 clients")
    print_row("", DURABILITIES)
    print_row("---", ["---"] * len(DURABILITIES))
    row(runs, "one fsync after the other, a second", rate(fsync), "{:,.0f}")
    row(runs, "appends a second, 1 client", rate("appends, 1 client"), "{:,.0f}")
    row(runs, "appends a second, 64 clients", appends, "{:,.0f}")
    row(runs, "… of memory's", ratio(appends, lambda _, run: appends(run["memory"], run)),
        "{:.2f}")
    row(runs, "… of one fsync after the other", ratio(appends, rate(fsync)), "{:.1f}")
    row(runs, "appends a second, 512 clients", many, "{:,.0f}")
    row(runs, "… of memory's", ratio(many, lambda _, run: many(run["memory"], run)), "{:.2f}")
    row(runs, "appends a second, beside 4 clients that score",
        rate("appends beside 4 that score"), "{:,.0f}")
    for which, name in ((1, "p50"), (2, "p99")):
        row(runs, f"score, {name}, ms", percentile(alone, which), "{:.2f}")
        row(runs, f"score beside 64 clients that append, {name}, ms", percentile(beside, which),
            "{:.2f}")
        row(runs, "… of without", ratio(percentile(beside, which), percentile(alone, which)),
            "{:.2f}")
        row(runs, f"first score after a restart, {name}, ms", percentile("first scores", which),
            "{:.2f}")


def main():
    arguments = parse_arguments()
    runs = [{d: measure(arguments, d) for d in DURABILITIES} for _ in range(arguments.runs)]
    print_table(runs)


if __name__ == "__main__":
    main()
