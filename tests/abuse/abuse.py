"""The base of the tests: a vqld, an honest client beside an attack, and what neither may suffer."""

import os
import pathlib
import threading
import time
import unittest

from grpc import RpcError

from attacker import Attack
from client import Client, event
from frames import ENHANCE_YOUR_CALM
from vqld import Vqld

PROGRAM = os.environ["INTEROP_VQLD"]
MODEL = os.environ["INTEROP_MODEL"]
ATTACK_S = 2.5
GROWTH_BYTES = 96 << 20  # of the server's memory, under any attack: far below what is sent
HONEST_S = 20  # an honest call that takes longer counts as harmed
PUSHBACK = "grpc-retry-pushback-ms"
USER = 7
ITEMS = list(range(1, 101))


class Honest(threading.Thread):
    """Scores, one call after the other, on a connection of its own.

    As gRPC's retry policies do, it comes back when the server asks it to (gRFC A6): a thread that
    the machine holds up may ask once in a while, and no more often than the tests allow.
    """

    def __init__(self, address):
        super().__init__()
        self._client = Client(address)
        self._stopped = threading.Event()
        self.served = 0
        self.asked_back = 0
        self.errors = []

    def run(self):
        while not self._stopped.is_set():
            try:
                scores = self._client.score(USER, ITEMS, timeout=HONEST_S).scores
                self.served += len(scores) >= len(ITEMS)
            except Exception as error:  # whatever it is, the test is to show it
                self._note(error)
            time.sleep(0.002)

    def _note(self, error):
        metadata = dict(error.trailing_metadata() or ()) if isinstance(error, RpcError) else {}
        if PUSHBACK not in metadata:
            self.errors.append(error)
            return
        self.asked_back += 1
        time.sleep(int(metadata[PUSHBACK]) / 1000)

    def stop(self):
        self._stopped.set()
        self.join()
        self._client.close()


class AbuseTest(unittest.TestCase):
    OPTIONS = ()

    def setUp(self):
        self.server = Vqld(PROGRAM, MODEL, 1, *self.OPTIONS)
        self.addCleanup(self.server.__exit__)
        self.address = self.server.address
        client = Client(self.address)
        self.addCleanup(client.close)
        client.append(USER, [event(item) for item in ITEMS])
        client.score(USER, ITEMS)

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def attacked(self, attack, processes=2, seconds=ATTACK_S):
        """Attacks beside an honest client, which must not notice; the attackers' results."""
        honest = Honest(self.address)
        before = most = self.resident_bytes()
        with Attack(attack, self.address, processes) as attackers:
            honest.start()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.02)
                most = max(most, self.resident_bytes())
            honest.stop()
        self.assertEqual(honest.errors, [])
        self.assertGreater(honest.served, 10)
        self.assertLess(honest.asked_back, 1 + honest.served / 10)
        self.assertLess(most - before, GROWTH_BYTES)
        results = attackers.results()
        self.assertFalse([result for result in results if isinstance(result, str)])
        return results

    def assert_calmed(self, attack, **how):
        """The attack is ended by GOAWAYs that say why."""
        results = self.attacked(attack, **how)
        self.assertIn(ENHANCE_YOUR_CALM, results)
