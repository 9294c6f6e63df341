"""The base of the tests: a Redis Cluster, servers that share it, and what must be in it."""

import os
import random
import threading
import time
import unittest

import grpc
from client import Client, event
from redis_cluster import RedisCluster, wait_for
from vqld import Vqld

PROGRAM = os.environ["INTEROP_VQLD"]
MODEL = os.environ["INTEROP_MODEL"]
THREADS = 2
FIRST_MS = 1_600_000_000_000
AT_MS = FIRST_MS + 10_000_000_000
CANDIDATES = list(range(1, 41))
ITEMS = 3000
PAGE = 10_000

# Between a cache of 8 bits that was filled at once and one that was filled in parts.
TOLERANCE = 4e-3

FAILING_OVER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED,
                grpc.StatusCode.DEADLINE_EXCEEDED)


class SharedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(RedisCluster())

    def setUp(self):
        for node in self.cluster.primaries():
            node.call("FLUSHALL")

    def serve(self, *options, store=None):
        return self.enterContext(
            Vqld(PROGRAM, MODEL, THREADS, *options, store=store or self.cluster.url))

    def connect(self, server):
        client = Client(server.address)
        self.addCleanup(client.close)
        return client

    def read(self, client, user):
        """The user's events; their sequence numbers must have no gaps."""
        events, before = [], 0
        while page := client.get(user, max_events=PAGE, before_sequence=before).events:
            last = before - 1 if before else page[0].sequence
            self.assertEqual([stored.sequence for stored in page],
                             list(range(last, last - len(page), -1)))
            events += [stored.event for stored in page]
            before = page[-1].sequence
        return events[::-1]

    def check_scores(self, clients, users):
        """Every server's scores are those of one that has only ever had these events."""
        with Vqld(PROGRAM, MODEL, THREADS) as other:
            mirror = self.connect(other)
            for user in users:
                events = self.read(clients[0], user)
                for i in range(0, len(events), PAGE):
                    mirror.append(user, events[i:i + PAGE])
                expected = mirror.score(user, CANDIDATES, time_ms=AT_MS)
                for client in clients:
                    found = client.score(user, CANDIDATES, time_ms=AT_MS)
                    self.assertEqual(found.sequence, expected.sequence)
                    worst = max(abs(a - b) for a, b in zip(found.scores, expected.scores))
                    self.assertLessEqual(worst, TOLERANCE, f"user {user}")


class Writer(threading.Thread):
    """Appends events with ids of its own until it is stopped, and tries again what failed."""

    def __init__(self, address, users, number, scores=True):
        super().__init__()
        self._client = Client(address)
        self._users = users
        self._dice = random.Random(number)
        self._next = number << 32
        self._ended = threading.Event()
        self._scores = scores
        self.acknowledged = {user: set() for user in users}
        self.refusals = []  # when calls failed
        self.error = None

    def run(self):
        try:
            while not self._ended.is_set():
                self._write(self._dice.choice(self._users))
        except Exception as error:  # whatever it is, the test is to show it
            self.error = error
        finally:
            self._client.close()

    def _write(self, user):
        events = []
        for _ in range(self._dice.choice((1, 1, 2, 5, 40))):
            self._next += 1
            events.append(event(self._dice.randint(1, ITEMS), event_id=self._next,
                                time_ms=FIRST_MS + (self._next & 0xffffffff) * 1000))
        while not self._ended.is_set():
            if self._call(lambda: self._client.append(user, events)):
                self.acknowledged[user].update(e.id for e in events)
                break
        if self._scores:
            self._call(lambda: self._client.score(user, CANDIDATES, time_ms=AT_MS))

    def _call(self, call):
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in FAILING_OVER:
                raise
            self.refusals.append(time.monotonic())
            time.sleep(0.02)
            return None

    def stop(self):
        self._ended.set()
        self.join()


def write_with(writers, work):
    """Has writers write while work() is done."""
    for writer in writers:
        writer.start()
    try:
        work()
    finally:
        for writer in writers:
            writer.stop()
    for writer in writers:
        if writer.error:
            raise writer.error


def acknowledged(writers, user):
    return set().union(*(writer.acknowledged.get(user, set()) for writer in writers))


__all__ = ["AT_MS", "CANDIDATES", "FIRST_MS", "SharedTest", "Writer", "acknowledged", "event",
           "wait_for", "write_with"]
