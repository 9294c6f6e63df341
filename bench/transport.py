#!/usr/bin/python3
"""vqld's transport against gRPC's own C++ server over the same core.

    bench/transport.py BUILD_FOLDER [--pairs N] [--seconds S] [--model FILE] [--candidates N …]
    bench/transport.py BUILD_FOLDER --against VQLD
    bench/transport.py BUILD_FOLDER --allocations
    bench/transport.py BUILD_FOLDER --profile

Each server has one thread on one core, h2load another core. Without --model the scores cost next to
nothing. A pair is a run of each server, one after the other, in turns first; the table has medians
of the pairs and of their ratios, and the CPU time of h2load: a server that takes less than that for
a call waits for it.

--against: beside another vqld instead, to see what a change of the code costs.
--allocations: what vqld asks its allocator for in a call, by jemalloc's own statistics.
--profile: where vqld's CPU time goes, by perf (Debian's linux-perf).
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

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
    parser.add_argument("--against", type=pathlib.Path, help="another vqld")
    parser.add_argument("--allocations", action="store_true", help="count vqld's allocations")
    parser.add_argument("--profile", action="store_true", help="sum up vqld's time by library")
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
    """The CPU time of a process's threads."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) * 1e-9


def children_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def running(command, port, core, **options):
    """A server's process, which answers at the port."""
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **options)
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


def vqld(program, model, port):
    return [program, "--model", model, "--threads", 1, *QUIETLY,
            "--listen", f"127.0.0.1:{port}"]


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
    """Requests a second, and the server's and h2load's CPU µs a request."""
    pid, port = server
    before = cpu_seconds(pid), children_cpu_seconds()
    rate = load(port, body, shape, requests, candidates, arguments.client_core)
    after = cpu_seconds(pid), children_cpu_seconds()
    return rate, *((b - a) * 1e6 / requests for a, b in zip(before, after))


def spread(values):
    ordered = sorted(values)
    return f"{ordered[0]:.2f} – {ordered[-1]:.2f}"


def compare(servers, body, shape, candidates, arguments):
    requests = []
    for server in servers:
        rate, *_ = measure(server, body, shape, 2000, candidates, arguments)  # warms up, too
        requests.append(max(2000, int(rate * arguments.seconds) // 100 * 100))
    results = [[], []]
    for pair in range(arguments.pairs):
        for i in (0, 1) if pair % 2 == 0 else (1, 0):
            results[i].append(
                measure(servers[i], body, shape, requests[i], candidates, arguments))
    return results


def compare_all(arguments, model, temporary):
    """The table of pairs."""
    other = "the other" if arguments.against else "gRPC C++"
    print(f"| connections × streams | candidates | vqld, calls/s | {other}, calls/s | ratio | "
          f"least – most | vqld, CPU µs | {other}, CPU µs | h2load, CPU µs |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with contextlib.ExitStack() as stack:
        servers = []
        for command in (lambda port: vqld(arguments.folder / "vqld", model, port),
                        lambda port: vqld(arguments.against, model, port) if arguments.against
                        else [arguments.folder / "bench_grpc_server", model, port]):
            port = free_port()
            process = stack.enter_context(running(command(port), port, arguments.server_core))
            servers.append((process.pid, port))
        for candidates in arguments.candidates:
            body = write_body(temporary, candidates)
            for shape in SHAPES:
                own, peer = compare(servers, body, shape, candidates, arguments)
                ratios = [a[0] / b[0] for a, b in zip(own, peer)]
                rate, cpu, client_cpu = map(statistics.median, zip(*own))
                peer_rate, peer_cpu, _ = map(statistics.median, zip(*peer))
                print(f"| {shape[0]} × {shape[1]} | {candidates} | {rate:,.0f} | {peer_rate:,.0f} "
                      f"| {statistics.median(ratios):.2f} | {spread(ratios)} "
                      f"| {cpu:.1f} | {peer_cpu:.1f} | {client_cpu:.1f} |", flush=True)


def allocations(arguments, model, body, requests, candidates):
    """By size class: allocations of a whole run, and those that no thread's cache had."""
    port = free_port()
    environment = {**os.environ, "MALLOC_CONF": "stats_print:true,stats_print_opts:J"}
    program = arguments.folder / "vqld"
    with running(vqld(program, model, port), port, arguments.server_core, env=environment,
                 stderr=subprocess.PIPE, text=True) as server:
        load(port, body, SHAPES[0], requests, candidates, arguments.client_core)
        server.send_signal(signal.SIGTERM)
        _, printed = server.communicate(timeout=START_S)
    statistic = json.loads(printed[printed.index("{"):])["jemalloc"]
    arenas = statistic["stats.arenas"]
    counts = arenas.get("merged") or arenas["0"]  # there is no sum of one
    sizes = [size["size"] for size in statistic["arenas"]["bin"]]
    large = max(sizes) + 1  # and more: they are few, if any
    return {size: (count["nrequests"], count["nmalloc"])
            for size, count in zip([*sizes, large], [*counts["bins"], counts["large"]])}


def count_allocations(arguments, model, temporary):
    """The difference of two runs, so that what a start takes is not in it."""
    few, many = 20000, 60000
    print("| candidates | allocations a call | bytes | beyond the thread's cache | sizes |\n"
          "| --- | --- | --- | --- | --- |")
    for candidates in arguments.candidates:
        body = write_body(temporary, candidates)
        before, after = (allocations(arguments, model, body, requests, candidates)
                         for requests in (few, many))
        each = {size: [(b - a) / (many - few) for a, b in zip(before[size], after[size])]
                for size in after}
        sizes = ", ".join(f"{count:.0f} × {size}" for size, (count, _) in each.items()
                          if count > 0.5)
        print(f"| {candidates} | {sum(count for count, _ in each.values()):.1f} "
              f"| {sum(size * count for size, (count, _) in each.items()):,.0f} "
              f"| {sum(beyond for _, beyond in each.values()):.2f} | {sizes} |", flush=True)


def profile(arguments, model, temporary):
    """The shares of vqld's CPU time by what the code belongs to."""
    port = free_port()
    data = temporary / "perf.data"
    print("| candidates | of | % of the time |\n| --- | --- | --- |")
    program = arguments.folder / "vqld"
    with running(vqld(program, model, port), port, arguments.server_core) as server:
        for candidates in arguments.candidates:
            body = write_body(temporary, candidates)
            rate = load(port, body, SHAPES[0], 2000, candidates, arguments.client_core)
            with subprocess.Popen(["perf", "record", "-q", "-F", "1999", "-p", str(server.pid),
                                   "-o", data], stderr=subprocess.DEVNULL) as perf:
                time.sleep(0.5)
                load(port, body, SHAPES[0], max(2000, int(rate * arguments.seconds)), candidates,
                     arguments.client_core)
                perf.send_signal(signal.SIGINT)
            report = subprocess.run(
                ["perf", "report", "-i", data, "--stdio", "--sort", "dso"], capture_output=True,
                text=True, check=True).stdout
            for share, name in re.findall(r"^ +([\d.]+)% +(\S+)", report, re.MULTILINE):
                if float(share) >= 1:
                    print(f"| {candidates} | {name} | {float(share):.0f} |", flush=True)


def write_body(folder, candidates):
    body = folder / f"body-{candidates}"
    body.write_bytes(request_bytes(candidates))
    return body


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        temporary = pathlib.Path(folder)
        model = arguments.model or temporary / "model"
        if not arguments.model:
            subprocess.run([arguments.folder / "bench_transport_model", model], check=True)
        if arguments.allocations:
            count_allocations(arguments, model, temporary)
        elif arguments.profile:
            profile(arguments, model, temporary)
        else:
            compare_all(arguments, model, temporary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
