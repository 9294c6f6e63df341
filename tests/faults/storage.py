"""The base of the tests: users' histories in a folder, and a vqld that keeps them there."""

import os
import random
import tempfile
import time
import unittest

from client import Client
from vqld import Vqld
from writer import FIRST_MS, ITEMS, History, Writer

PROGRAM = os.environ["INTEROP_VQLD"]
MODEL = os.environ["INTEROP_MODEL"]
SEED = int(os.environ.get("FAULTS_SEED", "1"))
WRITERS = 6
USERS = 8  # of each writer
CANDIDATES = list(ITEMS[:40])
AT_MS = FIRST_MS + 10_000_000_000
PAGE = 10_000
THREADS = 2

# Between a cache of 8 bits that was filled at once and one that was filled in parts.
TOLERANCE = 4e-3


class StorageTest(unittest.TestCase):
    def setUp(self):
        self.dice = random.Random(SEED)
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="vql-faults-"))
        self.store = f"{self.folder}/store"
        self.histories = [[History(1 + w * USERS + u) for u in range(USERS)]
                          for w in range(WRITERS)]
        self.variables = {}
        self.acknowledged = 0

    def start(self, *options):
        return Vqld(PROGRAM, MODEL, THREADS, "--memory", "2MiB", "--durability", "sync", *options,
                    store=f"rocksdb:{self.store}", variables=self.variables)

    def connect(self, server):
        client = Client(server.address)
        self.addCleanup(client.close)
        return client

    def all_histories(self):
        return [history for histories in self.histories for history in histories]

    def write(self, server, seconds, end):
        """Has the writers write for a while, until end() makes them fail."""
        writers = [Writer(server.address, histories, self.dice.random())
                   for histories in self.histories]
        for writer in writers:
            writer.start()
        time.sleep(seconds)
        end()
        for writer in writers:
            writer.join()
            self.assertIsNone(writer.error)
            self.acknowledged += writer.acknowledged

    def write_until_killed(self, server):
        self.write(server, self.dice.uniform(0.01, 0.4), server.kill)

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

    def check(self, client, history):
        """The history is one that the answers allow, and its ids are known."""
        found = self.read(client, history.user)
        self.assertTrue(history.settle(found),
                        f"user {history.user}: {len(found)} events, acknowledged were "
                        f"{len(history.events)}, asked {history.asked}")
        if found:
            again = client.append(history.user, found[-300:])
            self.assertEqual(again.appended, 0)
            self.assertEqual(again.sequence, len(found))

    def check_all(self, server):
        client = self.connect(server)
        for history in self.all_histories():
            self.check(client, history)

    def check_scores(self, server):
        """Every user's scores are those of a server that has only ever had these events."""
        client = self.connect(server)
        with Vqld(PROGRAM, MODEL, THREADS) as other:
            mirror = self.connect(other)
            for history in self.all_histories():
                for i in range(0, len(history.events), PAGE):
                    mirror.append(history.user, history.events[i:i + PAGE])
                expected = mirror.score(history.user, CANDIDATES, time_ms=AT_MS)
                found = client.score(history.user, CANDIDATES, time_ms=AT_MS)
                self.assertEqual(found.sequence, expected.sequence)
                worst = max(abs(a - b) for a, b in zip(found.scores, expected.scores))
                self.assertLessEqual(worst, TOLERANCE, f"user {history.user}")
