"""vqlctl health, and what vqld tells whoever started it."""

import json
import os
import pathlib
import socket
import tempfile
import time
import unittest

import programs
from vqld import Vqld

SERVING, USAGE, NOT_SERVING, NO_ANSWER = range(4)
SHIM = os.environ["DEPLOY_SHIM"]
WAIT_S = 30


def health(server, *arguments):
    made = programs.run("vqlctl", "health", "--server", server, "--deadline", 5000, *arguments)
    return made.returncode, made.stdout.strip()


class Health(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vql-deploy-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def serve(self, *options, **more):
        server = Vqld(programs.FOLDER / "vqld", programs.MODEL, 1, *options, **more)
        self.addCleanup(server.__exit__)
        return server

    def wait_for_health(self, expected, *arguments):
        end = time.monotonic() + WAIT_S
        while health(*arguments) != expected:
            self.assertLess(time.monotonic(), end, f"{health(*arguments)} is not {expected}")
            time.sleep(0.1)

    def test_a_server_that_serves(self):
        server = self.serve()
        self.assertEqual(health(server.address), (SERVING, "SERVING"))
        self.assertEqual(health(server.address, "vql.v1.Scoring"), (SERVING, "SERVING"))
        code, text = health(server.address, "--format", "json")
        self.assertEqual((code, json.loads(text)), (0, {"service": "", "status": "SERVING"}))

    def test_what_is_no_answer(self):
        server = self.serve()
        self.assertEqual(health(server.address, "vql.v1.Nothing"), (NOT_SERVING, ""))
        self.assertEqual(health(server.address, "--format", "xml"), (USAGE, ""))
        server.terminate()
        server.wait()
        self.assertEqual(health(server.address), (NO_ANSWER, ""))

    def test_a_server_that_is_silent(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = "127.0.0.1:%d" % silent.getsockname()[1]
            self.assertEqual(health(address, "--deadline", 300), (NO_ANSWER, ""))

    @unittest.skipUnless(SHIM, "there is no shim under a sanitizer")
    def test_a_disk_that_is_full(self):
        control = self.folder / "control"
        control.mkdir()
        store = self.folder / "store"
        server = self.serve("--durability", "async", store=f"rocksdb:{store}", variables={
            "LD_PRELOAD": SHIM, "SHIM_STORE": str(store), "SHIM_CONTROL": str(control)})
        (control / "full").touch()
        self.wait_for_health((NOT_SERVING, "NOT_SERVING"), server.address)
        self.wait_for_health((NOT_SERVING, "NOT_SERVING"), server.address, "vql.v1.History")
        self.assertEqual(health(server.address, "vql.v1.Scoring"), (SERVING, "SERVING"))
        (control / "full").unlink()
        self.wait_for_health((SERVING, "SERVING"), server.address)

    def test_the_supervisor_is_told(self):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.bind(path)
            supervisor.settimeout(WAIT_S)
            server = self.serve(variables={"NOTIFY_SOCKET": path})
            self.assertEqual(supervisor.recv(100), b"READY=1")
            self.assertEqual(health(server.address), (SERVING, "SERVING"))
            server.terminate()
            self.assertEqual(supervisor.recv(100), b"STOPPING=1")
            self.assertEqual(server.wait(), 0)
