"""A server that is killed at any moment loses nothing that it said was on disk."""

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
ROUNDS = int(os.environ.get("FAULTS_KILLS", "30"))
SEED = int(os.environ.get("FAULTS_SEED", "1"))
WRITERS = 6
USERS = 8  # of each writer
CANDIDATES = list(ITEMS[:40])
AT_MS = FIRST_MS + 10_000_000_000
PAGE = 10_000

# Between a cache of 8 bits that was filled at once and one that was filled in parts.
TOLERANCE = 4e-3


class KillTest(unittest.TestCase):
    def setUp(self):
        self.dice = random.Random(SEED)
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="vql-faults-"))
        self.histories = [[History(1 + w * USERS + u) for u in range(USERS)]
                          for w in range(WRITERS)]
        self.acknowledged = 0

    def start(self):
        return Vqld(PROGRAM, MODEL, 2, ["--memory", "2MiB", "--durability", "sync"],
                    store=f"rocksdb:{self.folder}/store")

    def all_histories(self):
        return [history for histories in self.histories for history in histories]

    def write_until_killed(self, server):
        writers = [Writer(server.address, histories, self.dice.random())
                   for histories in self.histories]
        for writer in writers:
            writer.start()
        time.sleep(self.dice.uniform(0.01, 0.4))
        server.kill()
        for writer in writers:
            writer.join()
            self.assertIsNone(writer.error)
            self.acknowledged += writer.acknowledged

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
        found = self.read(client, history.user)
        self.assertTrue(history.settle(found),
                        f"user {history.user}: {len(found)} events, acknowledged were "
                        f"{len(history.events)}, asked {history.asked}")
        if found:
            again = client.append(history.user, found[-300:])
            self.assertEqual(again.appended, 0)
            self.assertEqual(again.sequence, len(found))

    def check_scores(self, client):
        """Every user's scores are those of a server that has only ever had these events."""
        with Vqld(PROGRAM, MODEL, 2) as other:
            mirror = Client(other.address)
            self.addCleanup(mirror.close)
            for history in self.all_histories():
                for i in range(0, len(history.events), PAGE):
                    mirror.append(history.user, history.events[i:i + PAGE])
                expected = mirror.score(history.user, CANDIDATES, time_ms=AT_MS)
                found = client.score(history.user, CANDIDATES, time_ms=AT_MS)
                self.assertEqual(found.sequence, expected.sequence)
                worst = max(abs(a - b) for a, b in zip(found.scores, expected.scores))
                self.assertLessEqual(worst, TOLERANCE, f"user {history.user}")

    def test_kill(self):
        for _ in range(ROUNDS):
            with self.start() as server:
                self.write_until_killed(server)
            with self.start() as server:
                client = Client(server.address)
                self.addCleanup(client.close)
                for history in self.all_histories():
                    self.check(client, history)
                server.kill()
        with self.start() as server:
            client = Client(server.address)
            self.addCleanup(client.close)
            self.check_scores(client)
        self.assertGreater(self.acknowledged, ROUNDS * WRITERS)
        print(f"{ROUNDS * 2} kills, {self.acknowledged} events acknowledged ", end="")
