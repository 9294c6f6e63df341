"""SIGTERM: the server says so to those who watch, answers what it has begun, and stops."""

import concurrent.futures
import os
import threading

from grpc import StatusCode
from health_pb2 import HealthCheckRequest, HealthCheckResponse

from client import CALL_S, InteropTest, Requests, fresh_user, in_memory, score_request
from golden import known_items
from vqld import Vqld


@in_memory
class DrainTest(InteropTest):
    def setUp(self):
        self.server = self.enterContext(Vqld(os.environ["INTEROP_VQLD"],
                                             os.environ["INTEROP_MODEL"],
                                             os.environ["INTEROP_THREADS"]))
        self.client = self.connect(self.server.address)
        self.items = known_items()

    def stop(self):
        self.assertEqual(self.server.wait(), 0, self.server.log())

    def test_watch_sees_the_drain(self):
        watch = self.client.health.Watch(HealthCheckRequest(), timeout=CALL_S)
        self.assertEqual(next(watch).status, HealthCheckResponse.SERVING)
        self.server.terminate()
        self.assertEqual(next(watch).status, HealthCheckResponse.NOT_SERVING)
        self.stop()

    def test_calls_during_the_drain(self):
        """A call under way or begun too late is answered or told UNAVAILABLE: nothing else."""
        started = threading.Barrier(5)

        def call_until_refused():
            client = self.connect(self.server.address)
            client.score(fresh_user(), self.items)
            started.wait(CALL_S)
            code = StatusCode.OK
            while code is StatusCode.OK:
                request = score_request(fresh_user(), self.items)
                code = client.scoring.Score.future(request, CALL_S).code()
            return code

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            codes = [pool.submit(call_until_refused) for _ in range(4)]
            started.wait(CALL_S)
            self.server.terminate()
            self.assertEqual({code.result() for code in codes}, {StatusCode.UNAVAILABLE})
        self.stop()

    def test_stream_that_stays_open(self):
        """A client that never ends its stream does not keep the server from stopping."""
        requests = Requests()
        self.addCleanup(requests.close)
        answers = self.client.score_stream(requests)
        requests.put(score_request(fresh_user(), self.items))
        next(answers)
        self.server.terminate()
        self.stop()
        with self.assert_refused(StatusCode.UNAVAILABLE):
            next(answers)

    def test_idle_connection(self):
        self.client.score(fresh_user(), self.items)
        self.server.terminate()
        self.stop()
