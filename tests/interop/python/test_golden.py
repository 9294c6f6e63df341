"""Scores equal the golden answers, whichever way the history came to the server."""

import random

from client import InteropTest, append_request, fresh_user, score_request
from golden import TOLERANCE, golden_requests


def random_split(events, rng):
    """The events in up to six pieces, in order."""
    cuts = sorted(rng.choices(range(len(events) + 1), k=5)) if events else []
    edges = [0, *cuts, len(events)]
    pieces = [events[a:b] for a, b in zip(edges, edges[1:])]
    return [piece for piece in pieces if piece]


class GoldenTest(InteropTest):
    def check(self, request, response):
        self.assertEqual(response.unknown_items, 1)
        self.assertEqual(response.unknown_user, not request.events)
        self.assert_close(response.scores, request.scores, TOLERANCE)

    def test_appended_history(self):
        """Appended in pieces, every second history shuffled, and scored over another connection."""
        rng = random.Random(1)
        reader = self.connect()
        for number, request in enumerate(golden_requests()):
            with self.subTest(number):
                user, sequence = fresh_user(), 0
                events = list(request.events)
                if number % 2:
                    rng.shuffle(events)
                for piece in random_split(events, rng):
                    sequence += len(piece)
                    self.assertEqual(self.client.append(user, piece).sequence, sequence)
                response = reader.score(user, request.candidates, time_ms=request.time_ms)
                self.assertEqual(response.sequence, len(events))
                self.check(request, response)

    def test_history_in_the_request(self):
        for number, request in enumerate(golden_requests()):
            with self.subTest(number):
                user = fresh_user()
                response = self.client.score(user, request.candidates, time_ms=request.time_ms,
                                             events=request.events)
                self.assertEqual(response.sequence, 0)
                self.check(request, response)
                self.assertEqual(self.client.get(user).sequence, 0)

    def test_history_half_appended_half_in_the_request(self):
        for number, request in enumerate(golden_requests()):
            with self.subTest(number):
                user, half = fresh_user(), len(request.events) // 2
                self.client.append(user, request.events[half:])
                response = self.client.score(user, request.candidates, time_ms=request.time_ms,
                                             events=request.events[:half])
                self.check(request, response)
                self.assertEqual(self.client.get(user).sequence, len(request.events) - half)

    def test_streams(self):
        """All requests over one stream each: appends first, then scores."""
        requests = [(fresh_user(), request) for request in golden_requests()]
        appends = self.client.append_stream(
            append_request(user, request.events) for user, request in requests)
        self.assertEqual([answer.sequence for answer in appends],
                         [len(request.events) for _, request in requests])
        answers = self.client.score_stream(
            score_request(user, request.candidates, time_ms=request.time_ms)
            for user, request in requests)
        for (_, request), answer in zip(requests, answers, strict=True):
            self.check(request, answer)
