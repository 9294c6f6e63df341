"""Clients that verify every answer. Each is a process of its own, which may be killed at any time.

    clients.py grpc|ctl NUMBER    until it is killed; prints a line a round: how many answers

A client has users of its own, which it deletes before it uses them: what was left by the one that
was killed before it does not matter. It ends with exit code 3 and a line when an answer is wrong.
Asked while the server says that it is overloaded, it prints `overloaded` and asks again later. The
environment is that of tests/interop, and SOAK_VQLCTL.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

USERS = 3  # of a client
CALL_S = 60
WRONG = 3
TOLERANCE = 1e-3  # of scores, which are computed in 16-bit integers
OVERLOADED = "the server is overloaded"
PUSHBACK_S = 0.1


class Wrong(Exception):
    """An answer is not what it must be."""


class Overloaded(Exception):
    """The server has more to do than it can: what is asked again later."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def expect_scores(served, golden, text):
    expect(len(served) == len(golden), f"{text}: {len(served)} scores, not {len(golden)}")
    for one, other in zip(served, golden):
        expect(abs(one - other) <= TOLERANCE, f"{text}: {one}, not {other}")


class GrpcClient:
    """A new channel each round, made of the .proto files alone."""

    def __init__(self, number, rng):
        from golden import golden_requests
        self._requests = golden_requests()
        self._users = [(number << 16) + i for i in range(USERS)]
        self._rng = rng

    def round(self):
        import grpc
        from client import Client
        client = Client()
        answers = 0
        try:
            for step in (self._history, self._streams, self._cancels, self._errors):
                answers += step(client, self._rng.choice(self._users))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE and OVERLOADED in error.details():
                raise Overloaded from error
            raise Wrong(f"{error.code()}: {error.details()}") from error
        finally:
            client.close()
        return answers

    def _history(self, client, user):
        from vql.v1 import history_pb2
        request = self._rng.choice(self._requests)
        client.history.Delete(history_pb2.DeleteRequest(user_id=user), timeout=CALL_S)
        cut = self._rng.randint(0, len(request.events))
        for piece in (request.events[:cut], request.events[cut:]):
            client.append(user, piece)
        answer = client.score(user, request.candidates, time_ms=request.time_ms)
        expect(answer.sequence == len(request.events), f"sequence {answer.sequence}")
        expect_scores(answer.scores, request.scores, "Score")
        got = client.get(user, max_events=20)
        last = list(reversed(request.events))[:20]
        expect([stored.event for stored in got.events] == last, "Get: other events")
        return 5

    def _streams(self, client, user):
        from client import append_request, score_request
        from vql.v1 import history_pb2
        request = self._rng.choice(self._requests)
        client.history.Delete(history_pb2.DeleteRequest(user_id=user), timeout=CALL_S)
        pieces = [[e] for e in request.events[:30]] + [request.events[30:]]
        answers = list(client.history.AppendStream(
            (append_request(user, piece) for piece in pieces), timeout=CALL_S))
        expect([a.appended for a in answers] == [len(p) for p in pieces], "AppendStream")
        asked = [score_request(user, request.candidates, time_ms=request.time_ms)] * 10
        for answer in client.scoring.ScoreStream(iter(asked), timeout=CALL_S):
            expect_scores(answer.scores, request.scores, "ScoreStream")
        return 12 + len(pieces)

    def _cancels(self, client, user):
        """Calls that are given up: by hand, and by deadlines of any length."""
        import grpc
        from client import score_request
        request = self._rng.choice(self._requests)
        ask = score_request(user, request.candidates * 50)
        calls = [client.scoring.Score.future(ask, timeout=self._rng.choice((1e-4, 1e-2, CALL_S)))
                 for _ in range(10)]
        stream = client.scoring.ScoreStream(iter([ask] * 100), timeout=CALL_S)
        next(stream)
        stream.cancel()
        for call in calls[:5]:
            call.cancel()
        answers = 1
        for call in calls[5:]:
            try:
                expect(len(call.result().scores) > 0, "Score: no scores")
                answers += 1
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
        return answers

    def _errors(self, client, user):
        import grpc
        from client import append_request, event
        try:
            client.history.Append(append_request(user, [event(1, 10_000)]), timeout=CALL_S)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return 1
        raise Wrong("Append: an event type that there is not was taken")


class CtlClient:
    """vqlctl, and libvqlclient in it: a connection a command."""

    def __init__(self, number, rng):
        from golden import golden_requests
        self._requests = [r for r in golden_requests() if 0 < len(r.events) < 2000]
        self._users = [(number << 16) + i for i in range(USERS)]
        self._rng = rng
        self._file = tempfile.NamedTemporaryFile("w", suffix=".tsv")

    def _run(self, *words):
        command = [os.environ["SOAK_VQLCTL"], "--server", os.environ["INTEROP_SERVER"],
                   "--format", "json", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if OVERLOADED in done.stderr:
            raise Overloaded
        expect(done.returncode == 0,
               f"{words[0]}: exit code {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def round(self):
        user = self._rng.choice(self._users)
        request = self._rng.choice(self._requests)
        self._file.seek(0)
        self._file.truncate()
        self._file.write("item_id\tevent_type\ttimestamp_ms\n")
        self._file.writelines(f"{e.item_id}\t{e.type}\t{e.time_ms}\n" for e in request.events)
        self._file.flush()
        self._run("delete", user)
        appended = self._run("append", user, self._file.name)
        expect(appended["sequence"] == len(request.events), f"append: {appended}")
        answer = self._run("score", user, *request.candidates, "--time", request.time_ms)
        scores = {one["item"]: list(one["scores"].values()) for one in answer["candidates"]}
        tasks = len(request.scores) // len(request.candidates)
        for i, item in enumerate(request.candidates):
            expect_scores(scores[item], request.scores[i * tasks:(i + 1) * tasks], "vqlctl score")
        expect(self._run("get", user)["sequence"] == len(request.events), "get")
        return 4


def main():
    kind, number = sys.argv[1], int(sys.argv[2])
    rng = random.Random()
    try:
        client = (GrpcClient if kind == "grpc" else CtlClient)(number, rng)
        while True:
            try:
                print(client.round(), flush=True)
            except Overloaded:
                print("overloaded", flush=True)
                time.sleep(PUSHBACK_S)
    except Wrong as wrong:
        print(f"wrong: {wrong}", flush=True)
        sys.exit(WRONG)


if __name__ == "__main__":
    main()
