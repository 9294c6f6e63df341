#!/usr/bin/python3
"""What a Redis Cluster costs vqld: appends, and scores of users whose caches are not in memory.

    bench/redis.py BUILD_FOLDER [--runs N] [--seconds N] [--users N] [--events N]

Six redis-servers, one vqld and vqlbench run on this machine. The table has medians of the runs.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
sys.path += [str(ROOT / "tests/redis"), str(ROOT / "tests/interop")]

from redis_cluster import RedisCluster, used_bytes  # noqa: E402
from vqld import Vqld  # noqa: E402

MODEL = ROOT / "examples/retail/model.safetensors"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="how long each line is measured")
    parser.add_argument("--users", type=int, default=20000)
    parser.add_argument("--events", type=int, default=1, help="of each append")
    return parser.parse_args()


def load(arguments, server, mix):
    """Calls answered a second, and the latency that half and 99 of 100 of them had, in ms."""
    out = subprocess.run(
        [arguments.build / "vqlbench", "--server", server.address, "--arrivals", "closed",
         "--connections", "4", "--streams", "16", "--duration", str(arguments.seconds),
         "--users", f"uniform:{arguments.users}", "--events", str(arguments.events),
         "--items", "3000", "--mix", mix, "--json", "-", "--quiet"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    result = json.loads(out)["result"]
    latency = result["latency_ns"]["since_sent"]["percentiles"]
    assert set(result["calls"]["statuses"]) == {"OK"}, result["calls"]
    return result["ok_per_s"], latency["50"] / 1e6, latency["99"] / 1e6


def measure(arguments, store, durability):
    """Appends to users, then scores of them by a server that has room for few of their caches."""
    def serve(*options):
        return Vqld(arguments.build / "vqld", MODEL, 1, "--durability", durability,
                    "--shed-target-ms", 60000, "--shed-interval-ms", 60000, *options, store=store)
    with serve() as server:
        yield "append", load(arguments, server, "append=1")
        if store == "memory":
            return
    with serve("--memory", "1MiB") as server:
        yield "score, cold", load(arguments, server, "score=1")


def main():
    arguments = parse_arguments()
    found = {}
    for _ in range(arguments.runs):
        with RedisCluster() as cluster, tempfile.TemporaryDirectory() as folder:
            before = used_bytes(cluster)
            for name, store, durability in (("memory", "memory", "memory"),
                                            ("rocksdb, async", f"rocksdb:{folder}/s", "async"),
                                            ("redis, async", cluster.url, "async"),
                                            ("redis, sync", cluster.url, "sync")):
                for line, figures in measure(arguments, store, durability):
                    found.setdefault((name, line), []).append(figures)
            keys = sum(node.call("DBSIZE") for node in cluster.primaries())
            print(f"{(used_bytes(cluster) - before) / keys:.0f} bytes a user in redis")
    print("| store | calls | a second | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- |")
    for (name, line), runs in found.items():
        rate, p50, p99 = (statistics.median(column) for column in zip(*runs))
        print(f"| {name} | {line} | {rate:.0f} | {p50:.2f} | {p99:.2f} |")


if __name__ == "__main__":
    main()
