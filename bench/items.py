#!/usr/bin/python3
"""What UpsertItems costs a running vqld, and scores meanwhile.

    bench/items.py BUILD_FOLDER [--threads N] [--store memory|rocksdb:DIR]

One client scores 100 candidates at a time at a steady rate, counted from when each was due; another
upserts items with embeddings, request after request. Needs grpcio; the model is examples/retail's.
"""

import argparse
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIZES = (0, 1, 100, 10_000)
WIDTH = 32  # of the model's embeddings
FIRST = 10_000_000_000  # the id of the first new item


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="the build folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--store", default="memory")
    parser.add_argument("--rate", type=float, default=200, help="scores a second")
    parser.add_argument("--seconds", type=float, default=5, help="for each size")
    return parser.parse_args()


def start(arguments, folder):
    """A vqld, and its address."""
    port_file = folder / "port"
    server = subprocess.Popen(
        [arguments.folder / "vqld", "--model", ROOT / "examples/retail/model.safetensors",
         "--listen", "127.0.0.1:0", "--port-file", port_file, "--threads", str(arguments.threads),
         "--store", arguments.store, "--max-new-items", "2000000", "--log-level", "error"])
    while not port_file.exists():
        time.sleep(0.01)
    return server, port_file.read_text().strip()


def percentile(times, part):
    return sorted(times)[int(part * (len(times) - 1))] * 1000


def score_steadily(channel, arguments, done, times):
    """Scores until done; the times that answers took."""
    from vql.v1 import scoring_pb2, scoring_pb2_grpc
    stub = scoring_pb2_grpc.ScoringStub(channel)
    random.seed(1)
    due = time.monotonic()
    while not done.is_set():
        due += 1 / arguments.rate
        time.sleep(max(0, due - time.monotonic()))
        items = [random.randrange(10_000, 90_000) for _ in range(100)]
        stub.Score(scoring_pb2.ScoreRequest(user_id=random.randrange(100), item_ids=items))
        times.append(time.monotonic() - due)


def upsert_for(stub, size, seconds, first):
    """Upserts of so many items, one after the other; the times that they took."""
    from vql.v1 import models_pb2
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if size == 0:
            time.sleep(0.1)
            continue
        embedding = [0.1] * WIDTH
        request = models_pb2.UpsertItemsRequest(
            items=[models_pb2.Item(id=first + i, embedding=embedding) for i in range(size)])
        first += size
        begin = time.monotonic()
        stub.UpsertItems(request)
        times.append(time.monotonic() - begin)
        time.sleep(times[-1])  # half of the time nothing is upserted
    return times, first


def measure(arguments, address):
    import grpc
    from vql.v1 import models_pb2_grpc
    first = FIRST
    print("| items a request | ms, median | requests | score p50, ms | score p99, ms |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(address, options=options) for _ in range(2)]
        done = threading.Event()
        scores = []
        asker = threading.Thread(target=score_steadily,
                                 args=(channels[0], arguments, done, scores))
        asker.start()
        stub = models_pb2_grpc.ModelsStub(channels[1])
        upserts, first = upsert_for(stub, size, arguments.seconds, first)
        done.set()
        asker.join()
        cost = f"{statistics.median(upserts) * 1000:.2f}" if upserts else "–"
        print(f"| {size} | {cost} | {len(upserts)} | {percentile(scores, 0.5):.2f} "
              f"| {percentile(scores, 0.99):.2f} |", flush=True)


def main():
    arguments = parse_arguments()
    sys.path.insert(0, os.fspath(arguments.folder / "tests/interop/python"))
    with tempfile.TemporaryDirectory() as folder:
        server, address = start(arguments, pathlib.Path(folder))
        try:
            measure(arguments, address)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
