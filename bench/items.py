#!/usr/bin/python3
"""What UpsertItems costs a running vqld, and scores meanwhile.

    bench/items.py BUILD_FOLDER [--threads N] [--store memory|rocksdb:DIR]

One client scores 100 candidates at a time at a steady rate, counted from when each was due; another
upserts items with embeddings, request after request. Needs grpcio; the model is examples/retail's.
"""

import argparse
import multiprocessing
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
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


def score_steadily(address, rate, done, times):
    """Scores until done, in a process of its own; the times that answers took."""
    import grpc
    from vql.v1 import scoring_pb2, scoring_pb2_grpc
    stub = scoring_pb2_grpc.ScoringStub(grpc.insecure_channel(address))
    random.seed(1)
    took = []
    due = time.monotonic()
    while not done.is_set():
        due += 1 / rate
        time.sleep(max(0, due - time.monotonic()))
        items = [random.randrange(10_000, 90_000) for _ in range(100)]
        stub.Score(scoring_pb2.ScoreRequest(user_id=random.randrange(100), item_ids=items))
        took.append(time.monotonic() - due)
    times.put(took)


def upsert_for(address, size, seconds, first):
    """Upserts of so many items, one after the other; the times that they took."""
    import grpc
    from vql.v1 import models_pb2, models_pb2_grpc
    stub = models_pb2_grpc.ModelsStub(grpc.insecure_channel(address))
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if size == 0:
            time.sleep(0.1)
            continue
        items = [models_pb2.Item(id=first + i, embedding=[0.1] * WIDTH) for i in range(size)]
        request = models_pb2.UpsertItemsRequest(items=items)
        first += size
        begin = time.monotonic()
        stub.UpsertItems(request)
        times.append(time.monotonic() - begin)
    return times, first


def measure(arguments, address):
    first = FIRST
    print("| items a request | ms, median | requests | score p50, ms | score p99, ms |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        done = multiprocessing.Event()
        results = multiprocessing.Queue()
        asker = multiprocessing.Process(target=score_steadily,
                                        args=(address, arguments.rate, done, results))
        asker.start()
        upserts, first = upsert_for(address, size, arguments.seconds, first)
        done.set()
        scores = results.get()
        asker.join()
        cost = f"{statistics.median(upserts) * 1000:.2f}" if upserts else "–"
        print(f"| {size} | {cost} | {len(upserts)} | {percentile(scores, 0.5):.2f} "
              f"| {percentile(scores, 0.99):.2f} |", flush=True)


def main():
    arguments = parse_arguments()
    multiprocessing.set_start_method("spawn")
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
