#!/usr/bin/python3
"""Appends an event to a user's history and scores items: client.py HOST:PORT USER ITEM..."""

import os
import random
import sys
import time

import grpc
from vql.v1 import history_pb2, history_pb2_grpc, scoring_pb2, scoring_pb2_grpc

ATTEMPTS = 5
DEADLINE_S = 1.0  # of one attempt


def metadata_of(user):
    """What goes with a call: whom it is about, for proxies, and the caller's token, if any."""
    token = os.environ.get("VQL_TOKEN")
    return [("x-vql-user", str(user))] + ([("authorization", f"Bearer {token}")] if token else [])


def pushback_s(error):
    """How long the server asks to wait before the next attempt; None: it asks for none."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-retry-pushback-ms" and value.isdecimal():
            return int(value) / 1000
    return None


def call(method, request):
    """Calls a method about one user, again when the server asks for it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return method(request, timeout=DEADLINE_S, metadata=metadata_of(request.user_id))
        except grpc.RpcError as error:
            wait_s = pushback_s(error)
            if wait_s is None or attempt == ATTEMPTS:
                raise
            print(f"{error.code().name}: again in {wait_s * 1000:.0f} ms", file=sys.stderr)
            time.sleep(wait_s)


def main():
    server, user, items = sys.argv[1], int(sys.argv[2]), [int(item) for item in sys.argv[3:]]
    with grpc.insecure_channel(server) as channel:
        # An event with an id is applied once, however often it is sent.
        event = history_pb2.Event(item_id=items[0], time_ms=time.time_ns() // 1_000_000,
                                  id=random.getrandbits(63) | 1)
        append = history_pb2.AppendRequest(user_id=user, events=[event])
        print("sequence", call(history_pb2_grpc.HistoryStub(channel).Append, append).sequence)
        score = scoring_pb2.ScoreRequest(user_id=user, item_ids=items)
        answer = call(scoring_pb2_grpc.ScoringStub(channel).Score, score)
        for i, item in enumerate(items):  # a score for each task
            print(item, *answer.scores[i * len(answer.tasks):(i + 1) * len(answer.tasks)])


try:
    main()
except grpc.RpcError as failure:
    sys.exit(f"{failure.code().name}: {failure.details()}")
