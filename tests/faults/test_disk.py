"""A disk that forgets what it was not asked to keep, is full, or fails: no loss is silent."""

import contextlib
import os
import pathlib
import time
import unittest

import grpc
from health_pb2 import HealthCheckRequest, HealthCheckResponse

from client import CALL_S, event
from storage import StorageTest
from writer import ITEMS

SHIM = os.environ.get("FAULTS_SHIM", "")
POWER_LOSSES = int(os.environ.get("FAULTS_POWER_LOSSES", "8"))
PUSHBACK = "grpc-retry-pushback-ms"
KEPT = ("LOG", "LOCK", "IDENTITY")  # RocksDB does not sync them, and does without
USER = 12345
WORKING_AGAIN_S = 60


@unittest.skipUnless(SHIM, "a sanitizer's library has to be the first")
class DiskTest(StorageTest):
    def setUp(self):
        super().setUp()
        self.control = pathlib.Path(self.folder, "control")
        self.control.mkdir()
        self.variables = {"LD_PRELOAD": SHIM, "SHIM_STORE": self.store,
                          "SHIM_CONTROL": str(self.control)}

    @contextlib.contextmanager
    def fault(self, name):
        path = self.control / name
        path.touch()
        yield
        path.unlink()

    def lose_power(self):
        """Takes back what was written and not synced."""
        for path in pathlib.Path(self.store).iterdir():
            synced = self.control / f"synced-{path.stat().st_ino}"
            size = int(synced.read_text().split()[0]) if synced.exists() else 0
            if not path.name.startswith(KEPT) and path.stat().st_size > size:
                os.truncate(path, size)

    def assert_unavailable(self, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("the store is unavailable", caught.exception.details())
        self.assertIn(PUSHBACK, dict(caught.exception.trailing_metadata()))

    def serves(self, client, service):
        request = HealthCheckRequest(service=service)
        status = client.health.Check(request, timeout=CALL_S).status
        return status == HealthCheckResponse.SERVING

    def wait_for_health(self, client, **expected):
        """Waits until Scoring and History are said to serve or not; the server is if both do."""
        end = time.monotonic() + WORKING_AGAIN_S
        while True:
            found = {name: self.serves(client, f"vql.v1.{name}") for name in expected}
            if found == expected:
                break
            self.assertLess(time.monotonic(), end, found)
            time.sleep(0.05)
        self.assertEqual(self.serves(client, ""), all(expected.values()))
        self.assertTrue(self.serves(client, "vql.v1.Models"))

    def test_power_loss(self):
        for _ in range(POWER_LOSSES):
            with self.start() as server:
                self.write_until_killed(server)
            self.lose_power()
            with self.start() as server:
                self.check_all(server)
                server.kill()
            self.lose_power()
        with self.start() as server:
            self.check_scores(server)
        self.assertGreater(self.acknowledged, 0)

    def test_failed_sync(self):
        """An append that may not be on disk is not acknowledged, nor is any after it."""
        with self.start() as server:
            self.write(server, 0.2, (self.control / "unsynced").touch)
            client = self.connect(server)
            self.assert_unavailable(lambda: client.append(USER, [event(1)]))
            self.assertIn("the store failed", server.log())
            self.wait_for_health(client, Scoring=True, History=False)
            (self.control / "unsynced").unlink()
            self.assert_unavailable(lambda: client.append(USER, [event(1)]))
            server.kill()
        self.lose_power()
        with self.start() as server:
            self.check_all(server)
            self.assertEqual(self.connect(server).append(USER, [event(1)]).sequence, 1)

    def test_full_disk(self):
        """Reads go on while the disk is full, and writes when it is not any more."""
        with self.start() as server:
            client = self.connect(server)
            client.append(USER, [event(1, event_id=1)])
            with self.fault("full"):
                self.assert_unavailable(lambda: client.append(USER, [event(2, event_id=2)]))
                self.assertEqual(len(client.get(USER, max_events=10).events), 1)
                self.assertEqual(client.score(USER, [1]).sequence, 1)
                self.wait_for_health(client, Scoring=True, History=False)
                self.assertIn("the store is not serving", server.log())
            self.wait_for_health(client, Scoring=True, History=True)
            self.assertIn("the store is serving again", server.log())
            end = time.monotonic() + WORKING_AGAIN_S
            answer = None
            while answer is None:
                try:
                    answer = client.append(USER, [event(2, event_id=2)])
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.2)
            self.assertEqual(answer.sequence, 2)
            server.kill()
        with self.start() as server:
            self.assertEqual(len(self.connect(server).get(USER, max_events=10).events), 2)

    def test_idle_on_a_full_disk(self):
        """Health knows without an append that would be refused."""
        with self.start("--durability", "async") as server:
            client = self.connect(server)
            with self.fault("full"):
                self.wait_for_health(client, Scoring=True, History=False)
            self.wait_for_health(client, Scoring=True, History=True)

    def test_start_on_a_full_disk(self):
        for full_first in (True, False):
            if not full_first:
                with self.start() as server:
                    self.connect(server).append(USER, [event(1)])
                    server.kill()
            with self.fault("full"), self.assertRaises(RuntimeError) as caught:
                self.start()
            self.assertIn("cannot open the store", str(caught.exception))
            self.assertIn("No space left on device", str(caught.exception))
            self.assertIn(self.store, str(caught.exception))
        with self.start() as server:
            self.assertEqual(self.connect(server).get(USER).sequence, 1)

    def test_unreadable_disk(self):
        """Nothing is served from a disk that cannot be read, and no user seems to be unknown."""
        with self.start() as server:
            client = self.connect(server)
            for user in range(100):  # more than the block that is read at the start
                client.append(user, [event(item) for item in ITEMS[:100]])
            client.append(USER, [event(1, event_id=1)])
            server.kill()
        with self.start() as server:  # which puts the log into a sorted file
            server.terminate()
            server.wait()
        with self.start() as server:
            client = self.connect(server)
            with self.fault("unread"):
                self.assert_unavailable(lambda: client.score(USER, [1]))
                self.assert_unavailable(lambda: client.get(USER))
                self.wait_for_health(client, Scoring=False, History=False)
            self.wait_for_health(client, Scoring=True, History=True)
            self.assertEqual(client.score(USER, [1]).sequence, 1)

    def test_broken_disk(self):
        with self.start() as server:
            client = self.connect(server)
            client.append(USER, [event(1, event_id=1)])
            with self.fault("broken"):
                self.assert_unavailable(lambda: client.append(USER, [event(2, event_id=2)]))
                self.assertEqual(client.score(USER, [1]).sequence, 1)
            server.kill()
        with self.start() as server:
            client = self.connect(server)
            self.assertIn(client.get(USER).sequence, (1, 2))
            self.assertEqual(client.append(USER, [event(2, event_id=2)]).sequence, 2)
