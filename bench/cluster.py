#!/usr/bin/python3
"""What bench/scale.py takes from a real log: bytes of a user in Redis, the cost of a load.

    bench/cluster.py BUILD_FOLDER [--log FILE]

vqlctl imports the log through one vqld into a Redis Cluster of six on this machine. Then a new vqld
scores each user twice, so many calls at a time: the first time it has to load the user.
"""

import argparse
import csv
import gzip
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests/redis"), str(ROOT / "tests/interop")]

from redis_cluster import RedisCluster, used_bytes  # noqa: E402
from vqld import Vqld  # noqa: E402

MODEL = ROOT / "examples/retail/model.safetensors"
AT_ONCE = 64
CANDIDATES = range(1, 101)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    parser.add_argument("--log", type=pathlib.Path, default=ROOT / "examples/retail/events.tsv.gz")
    return parser.parse_args()


def users_of(log):
    with gzip.open(log, "rt", encoding="utf-8") as lines:
        return sorted({int(row["user_id"]) for row in csv.DictReader(lines, delimiter="\t")})


def cpu_s(server):
    """The seconds of processor time that a server has had."""
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def score_all(server, users):
    """Scores each user once; the seconds that it took, and those of the server's processor."""
    import grpc
    from vql.v1 import scoring_pb2, scoring_pb2_grpc
    stub = scoring_pb2_grpc.ScoringStub(grpc.insecure_channel(server.address))
    room = threading.Semaphore(AT_ONCE)
    calls = []
    begun, used = time.monotonic(), cpu_s(server)
    for user in users:
        room.acquire()
        call = stub.Score.future(scoring_pb2.ScoreRequest(user_id=user, item_ids=CANDIDATES))
        call.add_done_callback(lambda _: room.release())
        calls.append(call)
    assert all(call.result().sequence > 0 for call in calls)
    return time.monotonic() - begun, cpu_s(server) - used


def main():
    arguments = parse_arguments()
    sys.path.insert(0, os.fspath(arguments.build / "tests/interop/python"))
    users = users_of(arguments.log)

    def serve():
        return Vqld(arguments.build / "vqld", MODEL, 1, store=cluster.url)
    with RedisCluster() as cluster:
        before, begun = used_bytes(cluster), time.monotonic()
        with serve() as server:
            subprocess.run([arguments.build / "vqlctl", "--server", server.address, "import",
                            arguments.log], check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - begun
        grown = used_bytes(cluster) - before
        print(f"import: {took:.1f} s; {grown:,} bytes more in Redis, "
              f"{grown / len(users):,.0f} for each of {len(users):,} users")
        with serve() as server:
            loaded, again = score_all(server, users), score_all(server, users)
        for what, (wall, cpu) in (("first scores", loaded), ("again", again)):
            print(f"{what}: {wall:.2f} s, {cpu:.2f} s of the server's processor")
        print(f"a user's load: {(loaded[1] - again[1]) / len(users) * 1e6:.0f} µs")


if __name__ == "__main__":
    main()
