"""One client process: load.py ADDRESS FIRST_USER USERS SEED, until SIGTERM.

Appends to its users' histories, one event after the other until each is acknowledged, and scores.
Then it prints as JSON what it was told: {"users": {user: [[item, time, id]...]}, "calls":
[[when, what, status, ms]...], "stale": scores of a history older than what was acknowledged}.
"""

import json
import random
import signal
import sys
import time

import grpc

from client import Client, append_request, event, score_request

DEADLINE_S = 1
PAUSE_S = 0.01
AGAIN_S = 0.1
ITEMS = range(1, 3001)
FIRST_MS = 1_600_000_000_000

# A channel that lost its server tries again soon.
OPTIONS = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100),
           ("grpc.max_reconnect_backoff_ms", 500)]


class Load:
    def __init__(self, address, first, count, seed):
        self._client = Client(address, options=OPTIONS)
        self._dice = random.Random(seed)
        self.users = {user: [] for user in range(first, first + count)}
        self._sequences = dict.fromkeys(self.users, 0)
        self.calls = []
        self.stale = 0
        self.going = True

    def stop(self, *_):
        self.going = False

    def _call(self, what, method, request):
        """The answer, or None: then the status is in the notes."""
        begun = time.time()
        metadata = (("x-vql-user", str(request.user_id)),)
        try:
            answer = method(request, timeout=DEADLINE_S, metadata=metadata)
            status = "OK"
        except grpc.RpcError as error:
            answer, status = None, error.code().name
        self.calls.append([begun, what, status, round((time.time() - begun) * 1000, 1)])
        return answer

    def _append(self, user):
        number = len(self.users[user]) + 1
        new = (self._dice.choice(ITEMS), FIRST_MS + number * 1000, number)
        request = append_request(user, [event(new[0], time_ms=new[1], event_id=number)])
        while (answer := self._call("append", self._client.history.Append, request)) is None:
            time.sleep(AGAIN_S)  # whether or not it was applied: its id says so
        self.users[user].append(new)
        self._sequences[user] = answer.sequence

    def _score(self, user):
        answer = self._call("score", self._client.scoring.Score, score_request(user, ITEMS[:20]))
        if answer is not None and answer.sequence < self._sequences[user]:
            self.stale += 1

    def run(self):
        while self.going:
            user = self._dice.choice(list(self.users))
            self._append(user)
            self._score(user)
            time.sleep(PAUSE_S)


def main():
    load = Load(sys.argv[1], *map(int, sys.argv[2:5]))
    signal.signal(signal.SIGTERM, load.stop)
    load.run()
    json.dump({"users": load.users, "calls": load.calls, "stale": load.stale}, sys.stdout)


if __name__ == "__main__":
    main()
