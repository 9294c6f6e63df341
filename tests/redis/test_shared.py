"""Servers that share a Redis Cluster: each sees at once what others write."""

import time
import urllib.request

import grpc
import health_pb2
from redis_cluster import free_ports
from shared import (AT_MS, CANDIDATES, FIRST_MS, SharedTest, Writer, acknowledged, event, wait_for,
                    write_with)

USERS = list(range(1, 25))


class TestShared(SharedTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = (self.connect(self.serve()) for _ in range(2))

    def sequence(self, client, user):
        return client.score(user, CANDIDATES, time_ms=AT_MS).sequence

    def test_one_sees_what_the_other_writes(self):
        for user in USERS:
            self.one.append(user, [event(user, time_ms=FIRST_MS)])
            self.assertEqual(self.sequence(self.other, user), 1)
        slowest = 0
        for round_ in range(2, 12):
            for user in USERS:
                writer, reader = (self.one, self.other) if user % 2 else (self.other, self.one)
                self.assertEqual(writer.append(user, [event(user + round_, time_ms=FIRST_MS)])
                                 .sequence, round_)
                began = time.monotonic()
                wait_for("news", lambda: self.sequence(reader, user) == round_, 1)
                slowest = max(slowest, time.monotonic() - began)
        print(f"slowest: {slowest * 1000:.1f} ms", end=" ", flush=True)
        self.check_scores([self.one, self.other], USERS)

    def test_one_sees_what_the_other_deletes(self):
        for user in USERS[:5]:
            self.one.append(user, [event(7, time_ms=FIRST_MS, event_id=9)])
            self.assertEqual(self.sequence(self.other, user), 1)
            self.assertEqual(self.one.delete(user).events, 1)
            wait_for("news", lambda: self.sequence(self.other, user) == 0, 1)
            answer = self.other.append(user, [event(8, time_ms=FIRST_MS, event_id=9)])
            self.assertEqual((answer.appended, answer.sequence), (1, 1))
            wait_for("news", lambda: self.sequence(self.one, user) == 1, 1)
        self.check_scores([self.one, self.other], USERS[:5])

    def test_an_id_is_applied_once(self):
        events = [event(i, time_ms=FIRST_MS, event_id=i) for i in range(1, 400)]
        first = self.one.append(1, events)
        second = self.other.append(1, events + [event(7, time_ms=FIRST_MS, event_id=1000)])
        self.assertEqual((first.appended, first.duplicates), (399, 0))
        self.assertEqual((second.appended, second.duplicates, second.sequence), (1, 399, 400))

    def test_both_write_the_same_users(self):
        users = USERS[:6]
        servers = [self.serve(), self.serve()]
        writers = [Writer(servers[i % 2].address, users, i + 1) for i in range(4)]
        write_with(writers, lambda: time.sleep(2.5))
        clients = [self.connect(server) for server in servers]
        for user in users:
            ids = [e.id for e in self.read(self.one, user)]
            self.assertEqual(len(ids), len(set(ids)))
            self.assertLessEqual(acknowledged(writers, user), set(ids))
        self.assertEqual(sum(len(writer.refusals) for writer in writers), 0)
        time.sleep(0.2)
        self.check_scores(clients, users)

    def test_slots_move_while_users_are_written(self):
        users = [2, 11, 35]
        servers = [self.serve(), self.serve()]
        writers = [Writer(servers[i % 2].address, users, i + 1) for i in range(3)]
        slots = {self.cluster.nodes[0].call("CLUSTER", "KEYSLOT", f"vql:{{{u}}}") for u in users}

        def move():
            for _ in range(3):
                for slot in slots:
                    source = self.cluster.primary_of(slot)
                    target = next(n for n in self.cluster.primaries() if n.port != source.port)
                    self.cluster.move(slot, target, lambda: time.sleep(0.05))
                    time.sleep(0.1)

        write_with(writers, move)
        self.assertEqual(sum(len(writer.refusals) for writer in writers), 0)
        for user in users:
            ids = [e.id for e in self.read(self.one, user)]
            self.assertEqual(len(ids), len(set(ids)))
            self.assertLessEqual(acknowledged(writers, user), set(ids))
        time.sleep(1)
        self.check_scores([self.connect(server) for server in servers], users)

    def test_retention_is_shared(self):
        server = self.serve("--retain-events", 100)
        client = self.connect(server)
        for i in range(0, 300, 50):
            client.append(1, [event(1 + (i + k) % 300, time_ms=FIRST_MS + (i + k) * 1000)
                              for k in range(50)])
        wait_for("retention", lambda: len(self.read(self.one, 1)) <= 112, 10)
        time.sleep(1)
        events = self.read(self.one, 1)
        self.assertEqual(client.get(1, max_events=1).events[0].sequence, 300)
        fresh = self.connect(self.serve(store="memory"))
        fresh.append(1, events)
        expected = fresh.score(1, CANDIDATES, time_ms=AT_MS)
        for one in (self.one, self.other):
            found = one.score(1, CANDIDATES, time_ms=AT_MS)
            self.assertEqual(found.sequence, 300)
            for a, b in zip(found.scores, expected.scores):
                self.assertLessEqual(abs(a - b), 4e-3)


class TestRedisIsGone(SharedTest):
    def test_calls_are_refused_until_it_is_back(self):
        admin = next(iter(free_ports(1)))
        server = self.serve("--admin", f"127.0.0.1:{admin}")
        client = self.connect(server)
        client.append(1, [event(1, time_ms=FIRST_MS)])
        self.assertEqual(self._store(admin), {"vql_store_writable": 1, "vql_store_readable": 1})
        for i in range(6):
            self.cluster.kill(i)
        wait_for("the outage in health", lambda: not self._serves(client), 5)
        wait_for("the outage in metrics", lambda: self._store(admin) == {
            "vql_store_writable": 0, "vql_store_readable": 0}, 5)
        for call in (lambda: client.append(1, [event(2, time_ms=FIRST_MS)]),
                     lambda: client.get(1), lambda: client.score(1, CANDIDATES, time_ms=AT_MS)):
            with self.assertRaises(grpc.RpcError) as caught:
                call()
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertIn("grpc-retry-pushback-ms", dict(caught.exception.trailing_metadata()))
        for i in range(6):
            self.cluster.restart(i)
        self.cluster.wait_until_ready()
        wait_for("health", lambda: self._serves(client), 10)
        wait_for("the store", lambda: self._appends(client), 5)
        self.assertEqual(client.score(1, CANDIDATES, time_ms=AT_MS).sequence, 2)
        server.terminate()
        self.assertEqual(server.wait(), 0)

    @staticmethod
    def _store(port):
        """What the metrics say of the store."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines
                if line.startswith(("vql_store_writable ", "vql_store_readable "))}

    @staticmethod
    def _appends(client):
        try:
            return client.append(1, [event(2, time_ms=FIRST_MS, event_id=5)]).sequence == 2
        except grpc.RpcError:
            return False

    @staticmethod
    def _serves(client):
        return client.health.Check(health_pb2.HealthCheckRequest()).status == 1
