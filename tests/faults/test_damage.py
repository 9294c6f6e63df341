"""Files of the store that are changed while no server has it: found, or without effect."""

import os
import pathlib
import shutil
import subprocess

import grpc

from storage import MODEL, PROGRAM, StorageTest

PASSED_OVER = ("LOG", "LOCK", "IDENTITY", "OPTIONS")  # what no event is in
POSITIONS = 6  # of each file
TRUNCATIONS = 3
CHECK_S = 60
REFUSALS = (grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNAVAILABLE)


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ (1 << position % 8)]))


class DamageTest(StorageTest):
    def setUp(self):
        super().setUp()
        with self.start() as server:
            self.write(server, 0.5, server.kill)
        with self.start() as server:  # which puts the log into sorted files
            self.check_all(server)
            server.terminate()
            server.wait()
        with self.start() as server:  # so that there is a log too
            self.write(server, 0.3, server.kill)
        self.whole = self.folder + "/whole"
        shutil.copytree(self.store, self.whole)
        with self.start() as server:  # what became of the last calls, which nobody answered
            client = self.connect(server)
            for history in self.all_histories():
                self.assertTrue(history.settle(self.read(client, history.user)))
            server.kill()

    def verify(self):
        """vqld --check: whether the store is whole, and what it said."""
        done = subprocess.run([PROGRAM, "--model", MODEL, "--store", f"rocksdb:{self.store}",
                               "--check"], capture_output=True, text=True, timeout=CHECK_S,
                              check=False)
        return done.returncode == 0, done.stderr

    def files(self):
        return [path for path in sorted(pathlib.Path(self.whole).iterdir())
                if not path.name.startswith(PASSED_OVER) and path.stat().st_size > 0]

    def restore(self):
        shutil.rmtree(self.store)
        shutil.copytree(self.whole, self.store)

    def serve_what_is_left(self):
        """Whether a server starts; then a user's events are whole, or it says that they are not."""
        try:
            server = self.start()
        except RuntimeError as refusal:
            self.assertIn("cannot open the store", str(refusal))
            self.assertIn(self.store, str(refusal))
            return False
        with server:
            client = self.connect(server)
            for history in self.all_histories():
                try:
                    found = self.read(client, history.user)
                except grpc.RpcError as error:
                    self.assertIn(error.code(), REFUSALS, error)
                    continue
                self.assertIn(found, history.allowed(), f"user {history.user}")
            server.kill()
        return True

    def serve_numbered(self):
        """A server starts, and users' events are numbered without gaps."""
        with self.start() as server:
            client = self.connect(server)
            for history in self.all_histories():
                self.read(client, history.user)
            server.kill()

    def test_flipped_bits(self):
        self.assertEqual(self.verify()[0], True, self.verify()[1])
        names = set()
        for path in self.files():
            names.add(path.suffix or path.name.split("-")[0])
            for i in range(POSITIONS):
                position = self.dice.randrange(path.stat().st_size)
                with self.subTest(file=path.name, position=position):
                    self.restore()
                    flip(os.path.join(self.store, path.name), position)
                    whole, said = self.verify()
                    served = self.serve_what_is_left()
                    if not served:
                        self.assertFalse(whole, said)
        self.assertLessEqual({".log", ".sst", "MANIFEST", "CURRENT"}, names)

    def test_truncated_files(self):
        """A log that ends early is as one whose end was never written; nothing else may."""
        for path in self.files():
            for _ in range(TRUNCATIONS):
                size = self.dice.randrange(path.stat().st_size)
                with self.subTest(file=path.name, size=size):
                    self.restore()
                    os.truncate(os.path.join(self.store, path.name), size)
                    whole, said = self.verify()
                    if path.suffix == ".log":
                        self.assertTrue(whole, said)
                        self.serve_numbered()
                    elif not self.serve_what_is_left():
                        self.assertFalse(whole, said)

    def test_missing_files(self):
        for path in self.files():
            if path.suffix == ".log":
                continue  # a log that is gone altogether is as one that was never written
            with self.subTest(file=path.name):
                self.restore()
                os.unlink(os.path.join(self.store, path.name))
                self.assertFalse(self.verify()[0])
                self.assertTrue(path.suffix == ".blob" or not self.serve_what_is_left())
