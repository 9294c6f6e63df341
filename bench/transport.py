#!/usr/bin/python3
"""vqld's transport against gRPC's own C++ server over the same core.

    bench/transport.py BUILD_FOLDER [--pairs N] [--requests N] [--model FILE] [--candidates N …]

Each server has one thread on one core, h2load another core. Without --model the scores cost next to
nothing. A pair is a run of each server, one after the other, in turns first; the table has medians
of the pairs and of their ratios.
"""

import argparse
import contextlib
import os
import pathlib
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SHAPES = ((8, 16), (32, 1))  # connections, streams of each
START_S = 30
# Nothing is shed: what waits here waits because the client keeps so many requests under way.
QUIETLY = ("--log-level", "error", "--shed-target-ms", 60000, "--shed-interval-ms", 60000)
DONE = re.compile(r"finished in [\d.]+\w+, ([\d.]+) req/s")
SUCCEEDED = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored")
DATA = re.compile(r"\((\d+)\) data")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="the build folder, with VQL_BENCH=ON")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long a run takes")
    parser.add_argument("--model", type=pathlib.Path, help="a model with items 1 to 20,000")
    parser.add_argument("--candidates", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    return parser.parse_args()


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def request_bytes(candidates):
    """A gRPC message: a ScoreRequest of user 1 with so many items, at a time of its own."""
    items = b"".join(varint(1 + 7919 * i % 20000) for i in range(candidates))
    message = b"\x08\x01\x12" + varint(len(items)) + items + b"\x18" + varint(1_700_000_000_000)
    return struct.pack(">BI", 0, len(message)) + message


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


@contextlib.contextmanager
def running(command, port, core):
    """A server's process, which answers at the port."""
    process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} does not answer")
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def load(port, body, shape, requests, candidates, core):
    """Requests a second. h2load does not look at gRPC's status, but a refusal brings no scores."""
    connections, streams = shape
    command = ["taskset", "-c", str(core), "h2load", f"-c{connections}", f"-m{streams}",
               f"-n{requests}", f"-d{body}", "-H", "content-type: application/grpc", "-H",
               "te: trailers", f"http://127.0.0.1:{port}/vql.v1.Scoring/Score"]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    succeeded, failed, errored = map(int, SUCCEEDED.search(done).groups())
    scores = int(DATA.search(done).group(1)) // 4
    if succeeded != requests or failed or errored or scores < requests * candidates:
        raise SystemExit(f"h2load: {done}")
    return float(DONE.search(done).group(1))


def measure(server, body, shape, requests, candidates, arguments):
    """Requests a second, and the server's CPU µs a request."""
    pid, port = server
    before = cpu_seconds(pid)
    rate = load(port, body, shape, requests, candidates, arguments.client_core)
    return rate, (cpu_seconds(pid) - before) * 1e6 / requests


def spread(values):
    ordered = sorted(values)
    return f"{ordered[0]:.2f} – {ordered[-1]:.2f}"


def compare(servers, body, shape, candidates, arguments):
    requests = []
    for server in servers:
        rate, _ = measure(server, body, shape, 2000, candidates, arguments)  # warms up, too
        requests.append(max(2000, int(rate * arguments.seconds) // 100 * 100))
    results = [[], []]
    for pair in range(arguments.pairs):
        for i in (0, 1) if pair % 2 == 0 else (1, 0):
            results[i].append(
                measure(servers[i], body, shape, requests[i], candidates, arguments))
    return results


def main():
    arguments = parse_arguments()
    folder = arguments.folder
    print("| connections × streams | candidates | vqld, calls/s | gRPC C++, calls/s | ratio | "
          "least – most | vqld, CPU µs | gRPC C++, CPU µs |\n| --- | --- | --- | --- | --- | --- | "
          "--- | --- |")
    with contextlib.ExitStack() as stack:
        temporary = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = arguments.model or temporary / "model"
        if not arguments.model:
            subprocess.run([folder / "bench_transport_model", model], check=True)
        servers = []
        for command in (
                lambda port: [folder / "vqld", "--model", model, "--threads", 1, *QUIETLY,
                              "--listen", f"127.0.0.1:{port}"],
                lambda port: [folder / "bench_grpc_server", model, port]):
            port = free_port()
            process = stack.enter_context(running(command(port), port, arguments.server_core))
            servers.append((process.pid, port))
        for candidates in arguments.candidates:
            body = temporary / f"body-{candidates}"
            body.write_bytes(request_bytes(candidates))
            for shape in SHAPES:
                own, peer = compare(servers, body, shape, candidates, arguments)
                ratios = [a[0] / b[0] for a, b in zip(own, peer)]
                print(f"| {shape[0]} × {shape[1]} | {candidates} "
                      f"| {statistics.median(r for r, _ in own):,.0f} "
                      f"| {statistics.median(r for r, _ in peer):,.0f} "
                      f"| {statistics.median(ratios):.2f} | {spread(ratios)} "
                      f"| {statistics.median(c for _, c in own):.1f} "
                      f"| {statistics.median(c for _, c in peer):.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
