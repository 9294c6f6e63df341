"""A disk that forgets what it was not asked to keep, is full, or fails: no loss is silent."""

import contextlib
import os
import pathlib
import time
import unittest

import grpc

from client import event
from storage import StorageTest
from vqld import Vqld

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
            server.kill()
        self.lose_power()
        (self.control / "unsynced").unlink()
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
