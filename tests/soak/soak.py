#!/usr/bin/python3
"""A vqld that is used and abused for a while: memory flat, nothing leaked, no wrong answer.

    soak.py --vqld PROGRAM --vqlctl PROGRAM --stubs FOLDER [--minutes M]

Clients of two kinds (clients.py) come and go, most of them killed; other connections are left half
open, reset, or say nothing. Prints a table of what the server takes, and fails when its memory
grows in the second half of the time, when a descriptor or a thread is left, or when an answer was
wrong.
"""

import argparse
import contextlib
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests/interop")]

from server_sample import MALLOC_CONF, growth, take_sample
from vqld import Vqld

MODEL = ROOT / "tests/golden/retail.safetensors"
GOLDEN = ROOT / "tests/golden/retail.golden.jsonl.gz"
THREADS = 2
KINDS = ("grpc", "grpc", "grpc", "ctl", "ctl")
LIFE_S = (2, 20)      # of a client, before it is killed
SILENT_MOST = 40      # connections that say nothing or half of something
SAMPLES = 120
SETTLE_S = 10         # for the server to see that everybody is gone
MOST_GROWTH = 0.03    # of the mean, in the second half
LEAST_BYTES = 4 << 20  # growth that means nothing: an allocator's own


class Clients:
    """Processes of clients.py, each replaced when it was killed."""

    def __init__(self, environment):
        self._environment = environment
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.answers, self.overloaded, self.started, self.wrong = 0, 0, 0, []
        self._threads = [threading.Thread(target=self._keep, args=(kind, number + 1))
                         for number, kind in enumerate(KINDS)]
        for thread in self._threads:
            thread.start()

    def _keep(self, kind, number):
        rng = random.Random(number)
        while not self._stopping.is_set():
            self._live(kind, number, rng.uniform(*LIFE_S))

    def _live(self, kind, number, seconds):
        command = [sys.executable, HERE / "clients.py", kind, str(number)]
        process = subprocess.Popen(command, env=self._environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        self._stopping.wait(seconds)
        with contextlib.suppress(ProcessLookupError):  # its own group: vqlctl goes with it
            os.killpg(process.pid, signal.SIGKILL)
        out, error = process.communicate()
        with self._lock:
            self.started += 1
            self.overloaded += out.count("overloaded\n")
            self.answers += sum(int(line) for line in out.split("\n")[:-1] if line.isdigit())
            if process.returncode != -signal.SIGKILL:
                last = out.splitlines()[-1:] + error.splitlines()[-1:]
                self.wrong.append(f"{kind} client: {last}")

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


class Vandals:
    """Connections that are opened and left, in every state."""

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._stopping = threading.Event()
        self.opened = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        rng = random.Random(0)
        left = []
        while not self._stopping.wait(0.05):
            left.append(socket.create_connection(self._address))
            self.opened += 1
            left[-1].sendall(self.PREFACE[:rng.randint(0, len(self.PREFACE))])
            if rng.random() < 0.3:
                left[-1].sendall(rng.randbytes(rng.randint(1, 2000)))
            if len(left) > SILENT_MOST:
                self._leave(left.pop(rng.randrange(len(left))), rng)
        for connection in left:
            connection.close()

    @staticmethod
    def _leave(connection, rng):
        if rng.random() < 0.5:  # a reset in place of an end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def stop(self):
        self._stopping.set()
        self._thread.join()


def mib(count):
    return f"{count / (1 << 20):9.1f}"


def print_sample(sample, clients):
    print(f"{sample.seconds:8.0f} {mib(sample.rss)} {mib(sample.allocated)} {mib(sample.active)} "
          f"{sample.descriptors:6} {sample.threads:4} {clients.started:6} {clients.answers:9}",
          flush=True)


def verdicts(samples, before, after, clients):
    """What is wrong, a line each."""
    half = samples[len(samples) // 2:]
    for field in ("rss", "allocated"):
        grown = growth(half, field)
        mean = sum(getattr(s, field) for s in half) / len(half)
        if grown > max(LEAST_BYTES, MOST_GROWTH * mean):
            yield f"{field} grew by {mib(grown)} MiB in the second half"
    if not any(s.allocated for s in half):
        yield "jemalloc has said nothing"
    if after.descriptors > before.descriptors:
        yield f"{after.descriptors - before.descriptors} descriptors are left"
    if after.threads != before.threads:
        yield f"{after.threads} threads, {before.threads} at the beginning"
    if clients.answers == 0:
        yield "no answers"
    yield from clients.wrong


def soak(server, log, environment, seconds):
    """The whole of it; the samples, the first and the last look, and the clients."""
    start = time.monotonic()
    before = take_sample(server.pid, log, start)
    clients, vandals = Clients(environment), Vandals(server.address)
    print("       s   RSS MiB allocated    active   fds thr. clients   answers")
    samples = []
    for _ in range(SAMPLES):
        time.sleep(seconds / SAMPLES)
        samples.append(take_sample(server.pid, log, start))
        if len(samples) % 10 == 0:
            print_sample(samples[-1], clients)
    clients.stop()
    vandals.stop()
    time.sleep(SETTLE_S)
    after = take_sample(server.pid, log, start)
    print_sample(after, clients)
    print(f"{vandals.opened} connections were left half open; the server said {clients.overloaded} "
          "times that it was overloaded")
    return list(verdicts(samples, before, after, clients))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vqld", required=True)
    parser.add_argument("--vqlctl", required=True)
    parser.add_argument("--stubs", required=True)
    parser.add_argument("--minutes", type=float, default=30)
    arguments = parser.parse_args()
    os.environ["MALLOC_CONF"] = MALLOC_CONF
    with Vqld(arguments.vqld, MODEL, THREADS) as server:
        path = [ROOT / "tests/interop/python", pathlib.Path(arguments.stubs).resolve()]
        environment = os.environ | {
            "INTEROP_SERVER": server.address,
            "INTEROP_GOLDEN": str(GOLDEN),
            "INTEROP_TOLERANCE": "1e-3",  # of scores in 16-bit integers
            "SOAK_VQLCTL": str(pathlib.Path(arguments.vqlctl).resolve()),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
        }
        del environment["MALLOC_CONF"]
        wrong = soak(server, server.log_file, environment, arguments.minutes * 60)
        server.terminate()
        if server.wait() != 0:
            wrong.append(f"the server ended with an error:\n{server.log()[-2000:]}")
    for line in wrong:
        print(f"FAILED: {line}")
    print("soak: " + ("failed" if wrong else "passed"))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
