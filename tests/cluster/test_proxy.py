"""Which users go to which server, as HAProxy with deploy/haproxy/haproxy.cfg sends them there."""

import contextlib
import os
import random
import time
import unittest

import grpc

from client import Client, append_request, event, score_request
from proxy import SERVERS, Proxy
from vqld import Vqld

PROGRAM = os.environ["INTEROP_VQLD"]
MODEL = os.environ["INTEROP_MODEL"]
USERS = 4000

# Of a share or of the users who move: four standard deviations of 4,000 draws are 0.028, and the
# ring's shares differ by 0.01.
TOLERANCE = 0.04

WINDOW = 200  # calls under way at once


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.servers = [self.enterContext(Vqld(PROGRAM, MODEL, 1)) for _ in range(SERVERS)]
        self.proxy = self.enterContext(Proxy([s.address for s in self.servers]))
        dice = random.Random(5)
        self.users = [dice.getrandbits(dice.choice((16, 32, 64))) for _ in range(USERS)]

    def connect(self, address):
        return self.enterContext(contextlib.closing(Client(address)))

    def homes(self, users=None):
        """Which server each user is sent to, over a new connection."""
        with contextlib.closing(Client(self.proxy.address)) as client:
            found = {}
            users = users or self.users
            for i in range(0, len(users), WINDOW):
                calls = {u: client.scoring.Score.future(score_request(u, [1]), timeout=30,
                                                        metadata=(("x-vql-user", str(u)),))
                         for u in users[i:i + WINDOW]}
                for user, call in calls.items():
                    call.result()
                    found[user] = dict(call.initial_metadata())["x-vql-server"]
            return found

    def check_share(self, found, expected):
        self.assertLess(abs(found / len(set(self.users)) - expected), TOLERANCE)

    def test_a_user_has_one_server(self):
        homes = self.homes()
        for i in range(SERVERS):
            self.check_share(sum(h == f"vqld-{i + 1}" for h in homes.values()), 1 / SERVERS)
        self.assertEqual(self.homes(), homes)
        # It is where HAProxy says: only that server knows what was appended.
        client = self.connect(self.proxy.address)
        direct = [self.connect(server.address) for server in self.servers]
        for user in self.users[:30]:
            metadata = (("x-vql-user", str(user)),)
            client.history.Append(append_request(user, [event(1)]), metadata=metadata, timeout=30)
            found = [bool(c.get(user).sequence) for c in direct]
            self.assertEqual(found, [homes[user] == f"vqld-{i + 1}" for i in range(SERVERS)])
        # Another proxy's ring is the same ring.
        with Proxy([s.address for s in self.servers]) as self.proxy:
            self.assertEqual(self.homes(), homes)

    def test_a_server_more_and_again_one_less(self):
        before = self.homes()
        with Vqld(PROGRAM, MODEL, 1) as fourth:
            self.proxy.add(4, fourth.address)
            after = self.homes()
            moved = {user for user in before if after[user] != before[user]}
            self.assertEqual({after[user] for user in moved}, {"vqld-4"})
            self.check_share(len(moved), 1 / (SERVERS + 1))
            self.proxy.drain(4)
            self.assertEqual(self.homes(), before)
        print(f"3 servers to 4: {len(moved) / len(before):.3f} of the users moved ", end="")

    def test_a_killed_server_moves_its_users_alone(self):
        before = self.homes()
        self.servers[1].kill()
        self.proxy.wait_for({"vqld-2": "DOWN"})
        after = self.homes()
        for user, home in before.items():
            if home == "vqld-2":
                self.assertNotEqual(after[user], "vqld-2")
            else:
                self.assertEqual(after[user], home)
        self.check_share(sum(after[u] != before[u] for u in before), 1 / SERVERS)

    def test_a_server_that_drains_gets_no_more_calls(self):
        """It says so by its health; no call on the way is lost."""
        user = next(u for u, home in self.homes(self.users[:50]).items() if home == "vqld-3")
        client = self.connect(self.proxy.address)
        self.servers[2].terminate()
        for _ in range(500):
            client.scoring.Score(score_request(user, [1]), timeout=5,
                                 metadata=(("x-vql-user", str(user)),))
        self.proxy.wait_for({"vqld-3": "DOWN"})
        self.assertEqual(self.servers[2].wait(), 0)

    def test_a_server_that_hangs_holds_no_call_for_long(self):
        homes = self.homes(self.users[:100])
        user = next(u for u, home in homes.items() if home == "vqld-1")
        client = self.connect(self.proxy.address)
        self.servers[0].pause()
        self.addCleanup(self.servers[0].resume)
        begun = time.monotonic()
        with self.assertRaises(grpc.RpcError) as caught:
            client.history.Append(append_request(user, [event(1)]), timeout=20, metadata=(("x-vql-user", str(user)),))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        print(f"a hanging server's call ended after {time.monotonic() - begun:.1f} s ", end="")
        self.proxy.wait_for({"vqld-1": "DOWN"})
        answer = client.history.Append(append_request(user, [event(1)]), timeout=20,
                                       metadata=(("x-vql-user", str(user)),))
        self.assertEqual(answer.sequence, 1)

    def test_what_has_no_user_takes_turns(self):
        client = self.connect(self.proxy.address)
        names = set()
        for _ in range(6):
            call = client.scoring.Score.with_call(score_request(1, [1]), timeout=30)[1]
            names.add(dict(call.initial_metadata())["x-vql-server"])
        self.assertEqual(names, {"vqld-1", "vqld-2", "vqld-3"})

    def test_nobody_left_is_unavailable(self):
        for i, server in enumerate(self.servers):
            server.kill()
            self.proxy.wait_for({f"vqld-{i + 1}": "DOWN"})
        client = self.connect(self.proxy.address)
        with self.assertRaises(grpc.RpcError) as caught:
            client.score(1, [1])
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
