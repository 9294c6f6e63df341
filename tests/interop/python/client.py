"""A gRPC client of vqld, made of the .proto files, and the base of every test case."""

import contextlib
import itertools
import os
import queue
import random
import time
import unittest

import grpc
import health_pb2_grpc
from vql.v1 import history_pb2, history_pb2_grpc, models_pb2, models_pb2_grpc
from vql.v1 import scoring_pb2, scoring_pb2_grpc

SERVER = os.environ["INTEROP_SERVER"]
CALL_S = 180  # a call that takes longer hangs
NOW_MS = int(time.time() * 1000)
UNKNOWN_ITEM = 999_999_999_999

# For tests that take seconds: not where every second is twenty.
BRIEF = os.environ.get("INTEROP_BRIEF") == "yes"
unhurried = unittest.skipIf(BRIEF, "takes too long here")

# For tests that start servers of their own, whose histories are in memory: once is enough.
in_memory = unittest.skipIf(BRIEF or os.environ.get("INTEROP_DURABILITY", "MEMORY") != "MEMORY",
                            "its servers do not have the store")

_users = itertools.count(random.SystemRandom().getrandbits(48) << 15)


def fresh_user():
    """The id of a user that the server has not heard of; their hashes differ, so shards do."""
    return next(_users)


def event(item, event_type=0, time_ms=NOW_MS, event_id=0):
    return history_pb2.Event(item_id=item, type=event_type, time_ms=time_ms, id=event_id)


def score_request(user, items, **fields):
    return scoring_pb2.ScoreRequest(user_id=user, item_ids=items, **fields)


def append_request(user, events):
    return history_pb2.AppendRequest(user_id=user, events=events)


class Requests:
    """The requests of a stream that stays open: sent as they are put, until closed."""

    def __init__(self):
        self._queue = queue.SimpleQueue()

    def put(self, request):
        self._queue.put(request)

    def close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


class Client:
    """A connection of its own: clients do not share one, so they reach different threads."""

    def __init__(self, address=SERVER, options=(), credentials=None):
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        if credentials:
            self.channel = grpc.secure_channel(address, credentials, options=options)
        else:
            self.channel = grpc.insecure_channel(address, options=options)
        self.scoring = scoring_pb2_grpc.ScoringStub(self.channel)
        self.history = history_pb2_grpc.HistoryStub(self.channel)
        self.models = models_pb2_grpc.ModelsStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def close(self):
        self.channel.close()

    def score(self, user, items, timeout=CALL_S, **fields):
        return self.scoring.Score(score_request(user, items, **fields), timeout=timeout)

    def append(self, user, events):
        return self.history.Append(append_request(user, events), timeout=CALL_S)

    def get(self, user, **fields):
        request = history_pb2.GetRequest(user_id=user, **fields)
        return self.history.Get(request, timeout=CALL_S)

    def delete(self, user):
        return self.history.Delete(history_pb2.DeleteRequest(user_id=user), timeout=CALL_S)

    def list_models(self):
        request = models_pb2.ListModelsRequest()
        return self.models.List(request, timeout=CALL_S).models

    def score_stream(self, requests, timeout=CALL_S):
        return self.scoring.ScoreStream(iter(requests), timeout=timeout)

    def append_stream(self, requests, timeout=CALL_S):
        return self.history.AppendStream(iter(requests), timeout=timeout)

    def raw(self, method, message):
        """Calls a method by its path with bytes for a message, and returns bytes."""
        return self.channel.unary_unary(method)(message, timeout=CALL_S)


class InteropTest(unittest.TestCase):
    """A test case with a client; the clients it connects are closed after each test."""

    def setUp(self):
        self.client = self.connect()

    def connect(self, address=SERVER, credentials=None):
        client = Client(address, credentials=credentials)
        self.addCleanup(client.close)
        return client

    @contextlib.contextmanager
    def assert_refused(self, code, *words):
        """Asserts that the calls within end with this status, and its text has all the words."""
        with self.assertRaises(grpc.RpcError) as caught:
            yield
        details = caught.exception.details()
        self.assertEqual(caught.exception.code(), code, details)
        for word in words:
            self.assertIn(str(word), details)

    def assert_close(self, scores, expected, tolerance):
        """Asserts that every score is a number within the tolerance of the expected one."""
        self.assertEqual(len(scores), len(expected))
        errors = [abs(score - other) for score, other in zip(scores, expected)]
        self.assertTrue(all(error <= tolerance for error in errors), f"off by {max(errors)}")
