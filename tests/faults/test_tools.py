"""Copies of the store that serves, and its events as a file."""

import os
import pathlib
import signal
import subprocess
import time

from storage import MODEL, PROGRAM, THREADS, StorageTest
from vqld import Vqld

VQLCTL = os.environ["FAULTS_VQLCTL"]
WAIT_S = 60


class ToolsTest(StorageTest):
    def vqld(self, *options):
        return subprocess.run([PROGRAM, "--model", MODEL, *options], capture_output=True,
                              text=True, timeout=WAIT_S, check=False)

    def wait_for(self, condition):
        end = time.monotonic() + WAIT_S
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def copy(self, server):
        """Has the server copy its store; the copy's folder."""
        os.kill(server.pid, signal.SIGUSR1)
        self.wait_for(lambda: "store copied" in server.log())
        return next(pathlib.Path(self.folder, "copies").iterdir())

    def test_copy_under_load(self):
        """A copy has what was acknowledged before it was asked for."""
        pathlib.Path(self.folder, "copies").mkdir()
        copies = []
        with self.start("--backup", f"{self.folder}/copies") as server:
            self.write(server, 0.3, server.kill)
        with self.start("--backup", f"{self.folder}/copies") as server:
            self.check_all(server)
            before = [list(history.events) for history in self.all_histories()]

            def end():
                copies.append(self.copy(server))
                server.kill()

            self.write(server, 0.3, end)
        done = self.vqld("--store", f"rocksdb:{copies[0]}", "--check")
        self.assertEqual(done.returncode, 0, done.stderr)
        with Vqld(PROGRAM, MODEL, THREADS, store=f"rocksdb:{copies[0]}") as server:
            client = self.connect(server)
            for history, events in zip(self.all_histories(), before):
                found = self.read(client, history.user)
                if found[:len(events)] != events:  # it was deleted in between
                    self.assertNotEqual(history.events[:len(events)], events)

    def test_export_and_import(self):
        with self.start() as server:
            self.write(server, 0.3, server.kill)
        with self.start() as server:
            self.check_all(server)
            path = f"{self.folder}/events.tsv"
            done = self.vqld("--store", f"rocksdb:{self.store}", "--export", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            with Vqld(PROGRAM, MODEL, THREADS) as other:
                subprocess.run([VQLCTL, "--server", other.address, "import", "--no-ids", path],
                               check=True, capture_output=True, timeout=WAIT_S)
                imported = self.connect(other)
                for history in self.all_histories():
                    found = self.read(imported, history.user)
                    self.assertEqual([(e.item_id, e.type, e.time_ms) for e in found],
                                     [(e.item_id, e.type, e.time_ms) for e in history.events])

    def test_a_store_has_one_server(self):
        with self.start():
            done = self.vqld("--store", f"rocksdb:{self.store}", "--listen", "127.0.0.1:0")
            self.assertEqual(done.returncode, 1)
            self.assertIn("LOCK", done.stderr)
