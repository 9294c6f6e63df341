"""examples/clients, each run as a program; the last line says how many tests passed and failed."""

import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

from client import Client
from vqld import Vqld
from vql.v1 import history_pb2

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "examples/clients"
PROGRAMS = dict(pair.split("=", 1) for pair in os.environ["CLIENTS_PROGRAMS"].split(","))
MODULES = ROOT / "tests/interop/node/node_modules"
TOKEN = "vql_" + "7" * 64
ITEM = 71
RUN_S = 30
MOST_LINES = 60
ATTEMPTS = 5
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # programs are started by exec; nothing else forks


class Refuser(grpc.GenericRpcHandler):
    """A gRPC server that refuses every call with a pushback, and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, details):
        def refuse(request, context):
            self.asked.append((details.method, dict(details.invocation_metadata), request))
            context.set_trailing_metadata((("grpc-retry-pushback-ms", "10"),))
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return grpc.unary_unary_rpc_method_handler(refuse)

    def stop(self):
        self._server.stop(None)


class ClientsTest(unittest.TestCase):
    command = None  # of the program; subclasses have one

    def run_client(self, address, user, token=None):
        """Runs the program to its end: code, what it printed, what it complained of."""
        environment = os.environ | {"NODE_PATH": str(MODULES)}
        if token:
            environment["VQL_TOKEN"] = token
        return subprocess.run([*self.command, address, str(user), str(ITEM)], env=environment,
                              capture_output=True, text=True, timeout=RUN_S, check=False)

    def serve(self, *options):
        return self.enterContext(Vqld(os.environ["INTEROP_VQLD"], os.environ["INTEROP_MODEL"], 1,
                                      *options))

    def check_output(self, done, sequence, scores):
        self.assertEqual(done.returncode, 0, done.stderr)
        first, *rest = done.stdout.splitlines()
        self.assertEqual(first, f"sequence {sequence}")
        numbers = [float(word) for line in rest for word in line.split()[1:]]
        self.assertEqual(len(numbers), len(scores))
        for number, score in zip(numbers, scores):
            self.assertAlmostEqual(number, score, places=3)

    def test_it_appends_and_scores(self):
        server = self.serve()
        client = Client(server.address)
        self.addCleanup(client.close)
        for sequence in (1, 2):
            done = self.run_client(server.address, 70)
            self.assertEqual(done.stderr, "")
            self.check_output(done, sequence, client.score(70, [ITEM]).scores)
        stored = client.get(70, max_events=10).events
        self.assertEqual([s.event.item_id for s in stored], [ITEM, ITEM])
        self.assertEqual(len({s.event.id for s in stored} - {0}), 2)

    def test_it_waits_as_the_server_asks(self):
        """A tenant has spent its burst: the next call is refused, and welcome in half a second."""
        with tempfile.TemporaryDirectory(prefix="vql-clients-") as folder:
            tokens = pathlib.Path(folder) / "tokens"
            tokens.write_text(f"web shop append,score {hashlib.sha256(TOKEN.encode()).hexdigest()}\n"
                              "quota shop rate=2 burst=1\n")
            server = self.serve("--tokens", tokens)
            done = self.run_client(server.address, 3, TOKEN)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"RESOURCE_EXHAUSTED|status 8")
        self.assertIn("sequence 1\n", done.stdout)

    def test_it_gives_up(self):
        """Every attempt is the same request, about the user that the metadata names."""
        refuser = Refuser()
        done = self.run_client(refuser.address, (1 << 64) - 1)
        refuser.stop()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "not now")
        self.assertEqual(len(refuser.asked), ATTEMPTS)
        for method, metadata, request in refuser.asked:
            self.assertEqual(method, "/vql.v1.History/Append")
            self.assertEqual(metadata["x-vql-user"], str((1 << 64) - 1))
            self.assertEqual(request, refuser.asked[0][2])
        request = history_pb2.AppendRequest.FromString(refuser.asked[0][2])
        self.assertEqual(request.user_id, (1 << 64) - 1)
        self.assertNotEqual(request.events[0].id, 0)

    def test_it_has_a_deadline(self):
        server = self.serve()
        server.pause()
        begun = time.monotonic()
        done = self.run_client(server.address, 5)
        server.resume()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"DEADLINE_EXCEEDED|status 4|UNAVAILABLE|status 14")
        self.assertLess(time.monotonic() - begun, RUN_S / 2)

    def test_it_fits_a_page(self):
        for name in FOLDER.glob("client.*"):
            self.assertLessEqual(len(name.read_text().splitlines()), MOST_LINES, name)


def load_tests(*_):
    """The tests for each program that can run here."""
    commands = {"python": [sys.executable, FOLDER / "client.py"]}
    if "node" in PROGRAMS and MODULES.exists():
        commands["node"] = [PROGRAMS["node"], FOLDER / "client.js"]
    commands |= {name: [PROGRAMS[name]] for name in ("c", "cpp") if name in PROGRAMS}
    suite = unittest.TestSuite()
    for name, command in commands.items():
        case = type(f"{name}_client", (ClientsTest,), {"command": command})
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    return suite


def main():
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(load_tests())
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
