#!/usr/bin/python3
"""Whether vqlbench's figures are those of h2load (nghttp2-client) on the same server.

    bench/agreement.py BUILD_FOLDER [--runs N] [--seconds S] [--candidates N]

One vqld with a model that costs next to nothing, on one core; both clients at the same time on
another, each with the same number of calls in flight on as many connections (closed loops), so that
whatever else the machine does meets both. Compared are calls a second and the mean latency, as the
medians of the runs. The exit code is 1 when one of them differs by more than 10 %.
"""

import argparse
import contextlib
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from transport import QUIETLY, free_port, request_bytes, running

CONNECTIONS, STREAMS, WARMUP_S = 8, 16, 1
MOST_DIFFERENCE = 0.1
UNITS = {"us": 1e-3, "ms": 1, "s": 1e3}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="the build folder, with VQL_BENCH=ON")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    return parser.parse_args()


def start(command, arguments):
    words = ["taskset", "-c", arguments.client_core, *command]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)


def start_h2load(port, body, arguments):
    return start(["h2load", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{arguments.seconds}",
                  f"--warm-up-time={WARMUP_S}s", "-d", body, "-H", "content-type: application/grpc",
                  "-H", "te: trailers", f"http://127.0.0.1:{port}/vql.v1.Scoring/Score"], arguments)


def start_vqlbench(port, arguments):
    return start([arguments.folder / "vqlbench", "--server", f"127.0.0.1:{port}", "--arrivals",
                  "closed", "--connections", CONNECTIONS, "--streams", STREAMS, "--duration",
                  arguments.seconds, "--warmup", WARMUP_S, "--users", 1, "--items", 20000,
                  "--candidates", arguments.candidates, "--json", "-", "--quiet"], arguments)


def measure(port, body, arguments):
    """Of vqlbench and of h2load: calls a second, and the mean latency in ms."""
    other, own = start_h2load(port, body, arguments), start_vqlbench(port, arguments)
    said, result = other.communicate()[0], json.loads(own.communicate()[0])["result"]
    rate = float(re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", said).group(1))
    mean, unit = re.search(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms|s) ", said).groups()
    return ((result["ok_per_s"], result["latency_ns"]["since_sent"]["mean"] / 1e6),
            (rate, float(mean) * UNITS[unit]))


def compare(name, own, other):
    mine, theirs = statistics.median(own), statistics.median(other)
    ratio = mine / theirs
    print(f"| {name} | {mine:,.3f} | {theirs:,.3f} | {ratio:.3f} |")
    return abs(ratio - 1) <= MOST_DIFFERENCE


def main():
    arguments = parse_arguments()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model, body = folder / "model", folder / "body"
        subprocess.run([arguments.folder / "bench_transport_model", model], check=True)
        body.write_bytes(request_bytes(arguments.candidates))
        port = free_port()
        command = [arguments.folder / "vqld", "--model", model, "--threads", 1, *QUIETLY,
                   "--listen", f"127.0.0.1:{port}"]
        stack.enter_context(running(command, port, arguments.server_core))
        runs = [measure(port, body, arguments) for _ in range(arguments.runs)]
    print("| | vqlbench | h2load | ratio |\n| --- | --- | --- | --- |")
    agree = [compare(name, [own[i] for own, _ in runs], [other[i] for _, other in runs])
             for i, name in enumerate(("calls/s", "mean latency, ms"))]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
