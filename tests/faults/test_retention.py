"""Events that are not to be kept are gone, from disk and from scores; what is left stays."""

import subprocess
import time

from client import event
from storage import CANDIDATES, MODEL, PROGRAM, THREADS, TOLERANCE, StorageTest
from vqld import Vqld
from writer import ITEMS

DAY_MS = 24 * 3600 * 1000
USERS = range(1, 31)
WAIT_S = 60
KEPT = 100
SLACK = 8  # an eighth more than are kept may be there


class RetentionTest(StorageTest):
    def old_and_new(self, old, new):
        """So many events of a year ago, and of now."""
        now = int(time.time() * 1000)
        times = [now - 365 * DAY_MS + i for i in range(old)] + [now + i for i in range(new)]
        return [event(self.dice.choice(ITEMS), time_ms=t, event_id=i + 1)
                for i, t in enumerate(times)]

    def append(self, server, events):
        client = self.connect(server)
        for user in USERS:
            for i in range(0, len(events), 70):
                client.append(user, events[i:i + 70])

    def wait_for(self, client, least, most):
        """Waits until every user has between so many events, the last ones."""
        end = time.monotonic() + WAIT_S
        for user in USERS:
            while not least <= len(client.get(user, max_events=1000).events) <= most:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)

    def check_kept(self, server, events):
        """Histories and scores are those of a server that was given only what is kept."""
        client = self.connect(server)
        at = int(time.time() * 1000)
        with Vqld(PROGRAM, MODEL, THREADS) as other:
            mirror = self.connect(other)
            for user in USERS:
                answer = client.get(user, max_events=1000)
                found = [stored.event for stored in answer.events][::-1]
                self.assertEqual(found, events[len(events) - len(found):])
                self.assertEqual(answer.sequence, len(events))
                self.assertEqual(answer.events[-1].sequence, len(events) - len(found) + 1)
                self.assertEqual(answer.first_time_ms, min(e.time_ms for e in found))
                mirror.append(user, found)
                expected = mirror.score(user, CANDIDATES, time_ms=at)
                scores = client.score(user, CANDIDATES, time_ms=at)
                self.assertEqual(scores.sequence, len(events))
                for score, other_score in zip(scores.scores, expected.scores):
                    self.assertAlmostEqual(score, other_score, delta=TOLERANCE)

    def check_store(self, users, events):
        done = subprocess.run([PROGRAM, "--model", MODEL, "--store", f"rocksdb:{self.store}",
                               "--check"], capture_output=True, text=True, timeout=WAIT_S,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"users={users} events={events} ", done.stderr)

    def test_by_age(self):
        """An option that is given with a restart holds for what is there."""
        events = self.old_and_new(400, 60)
        with self.start() as server:
            self.append(server, events)
            self.check_kept(server, events)
            server.kill()
        with self.start("--retain-days", "30") as server:
            client = self.connect(server)
            self.wait_for(client, 60, 60)
            self.check_kept(server, events)
            again = client.append(1, events[-60:])
            self.assertEqual((again.appended, again.sequence), (0, len(events)))
            server.kill()
        self.check_store(len(USERS), 60 * len(USERS))
        with self.start() as server:
            self.check_kept(server, events)
            server.kill()

    def test_by_count(self):
        events = self.old_and_new(0, 700)
        for options in ((), ("--store", "memory", "--durability", "memory")):
            with self.start("--retain-events", KEPT, *options) as server:
                self.append(server, events)
                self.wait_for(self.connect(server), KEPT, KEPT + KEPT // SLACK)
                self.check_kept(server, events)
                server.kill()
        with self.start("--retain-events", KEPT) as server:
            self.wait_for(self.connect(server), KEPT, KEPT)
            self.check_kept(server, events)
            server.kill()
        self.check_store(len(USERS), KEPT * len(USERS))

    def test_killed_while_it_deletes(self):
        events = self.old_and_new(600, 100)
        with self.start() as server:
            self.append(server, events)
            server.kill()
        for _ in range(5):
            with self.start("--retain-days", "30") as server:
                time.sleep(self.dice.uniform(0, 0.2))
                server.kill()
            with self.start() as server:
                self.check_kept(server, events)
                server.kill()
        with self.start("--retain-days", "30") as server:
            self.wait_for(self.connect(server), 100, 100)
            server.kill()
        self.check_store(len(USERS), 100 * len(USERS))
