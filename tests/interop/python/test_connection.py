"""What a connection may ask for and has to bear: compression, an age, pings."""

import os
import threading
import time

import grpc
from client import CALL_S, Client, InteropTest, Requests, fresh_user, in_memory, score_request
from golden import known_items
from vqld import Vqld

AGE_MS = 500
GRACE_MS = 500
KEEPALIVE_MS = 100


@in_memory
class ConnectionTest(InteropTest):
    def start(self, *options):
        server = self.enterContext(Vqld(os.environ["INTEROP_VQLD"], os.environ["INTEROP_MODEL"],
                                        os.environ["INTEROP_THREADS"], *options))
        return server, self.connect(server.address)

    def stop(self, server):
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())

    def test_gzip_both_ways(self):
        server, client = self.start("--compress-above", "1KiB")
        items = (known_items() * 100)[:5000]
        user = fresh_user()
        plain = client.scoring.Score(score_request(user, items), timeout=CALL_S)
        packed, call = client.scoring.Score.with_call(
            score_request(user, items), timeout=CALL_S, compression=grpc.Compression.Gzip)
        self.assertEqual(packed.scores, plain.scores)
        self.assertEqual(call.code(), grpc.StatusCode.OK)
        self.stop(server)

    def test_an_age(self):
        """Calls go on over any number of connections, one after the other; none is lost."""
        server, client = self.start("--max-connection-age-ms", AGE_MS,
                                    "--max-connection-age-grace-ms", GRACE_MS)
        end = time.monotonic() + 5 * AGE_MS / 1000
        calls = 0
        while time.monotonic() < end:
            client.score(fresh_user(), [1])
            calls += 1
        self.assertGreater(calls, 5)
        self.stop(server)

    def test_a_stream_that_outlives_its_connection(self):
        server, client = self.start("--max-connection-age-ms", AGE_MS,
                                    "--max-connection-age-grace-ms", GRACE_MS)
        requests = Requests()
        self.addCleanup(requests.close)
        answers = client.score_stream(requests)
        requests.put(score_request(fresh_user(), [1]))
        next(answers)
        with self.assert_refused(grpc.StatusCode.UNAVAILABLE):
            next(answers)
        self.stop(server)

    def test_pings_of_the_server(self):
        """A client that is there answers, and its stream goes on."""
        server, client = self.start("--keepalive-ms", KEEPALIVE_MS, "--keepalive-timeout-ms", 5000)
        requests = Requests()
        self.addCleanup(requests.close)
        answers = client.score_stream(requests)
        for _ in range(3):
            requests.put(score_request(fresh_user(), [1]))
            next(answers)
            time.sleep(5 * KEEPALIVE_MS / 1000)
        requests.close()
        self.assertEqual(list(answers), [])
        self.stop(server)

    def test_pings_of_the_client(self):
        """A client may ping as often as it likes, with a call or without."""
        server, _ = self.start()
        client = Client(server.address, [
            ("grpc.keepalive_time_ms", 20), ("grpc.keepalive_timeout_ms", 5000),
            ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0),
        ])
        self.addCleanup(client.close)
        states = []
        lost = threading.Event()

        def watch(state):
            states.append(state)
            if grpc.ChannelConnectivity.READY in states and \
                    state is not grpc.ChannelConnectivity.READY:
                lost.set()

        client.channel.subscribe(watch)
        client.score(fresh_user(), [1])
        self.assertFalse(lost.wait(1), states)
        client.score(fresh_user(), [1])
        self.stop(server)
