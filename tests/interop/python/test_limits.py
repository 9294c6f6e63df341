"""The largest requests that are served: candidates, bytes, concurrent calls."""

import itertools

from grpc import StatusCode

from client import CALL_S, InteropTest, append_request, event, fresh_user, score_request
from golden import TOLERANCE, golden_requests, known_items
from vqld import MAX_CANDIDATES, MAX_MESSAGE_BYTES

PADDING = b"\xa2\x06"  # the tag of field 100, of bytes, which no message has: to be skipped


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def padded(message, size):
    """The message's bytes with an unknown field behind, to have just that size."""
    encoded = message.SerializeToString()
    spare = size - len(encoded) - len(PADDING)
    length = varint(spare - len(varint(spare)))
    return encoded + PADDING + length + bytes(spare - len(length))


class LimitTest(InteropTest):
    def setUp(self):
        super().setUp()
        self.user = fresh_user()
        self.items = known_items()

    def test_most_candidates(self):
        """Candidates are scored alike wherever they stand, and one by one as all together."""
        request = golden_requests()[-1]
        self.client.append(self.user, request.events)
        count = len(request.candidates)
        candidates = list(itertools.islice(itertools.cycle(request.candidates), MAX_CANDIDATES))
        response = self.client.score(self.user, candidates, time_ms=request.time_ms)
        self.assertEqual(response.unknown_items, MAX_CANDIDATES // count)
        expected = itertools.islice(itertools.cycle(request.scores), len(response.scores))
        self.assert_close(response.scores, list(expected), TOLERANCE)
        self.assertEqual(len(response.scores), MAX_CANDIDATES * len(response.tasks))

    def test_largest_message(self):
        score = padded(score_request(self.user, self.items), MAX_MESSAGE_BYTES)
        append = padded(append_request(self.user, [event(1)]), MAX_MESSAGE_BYTES)
        self.assertEqual(len(score), MAX_MESSAGE_BYTES)
        self.assertTrue(self.client.raw("/vql.v1.Scoring/Score", score))
        self.assertTrue(self.client.raw("/vql.v1.History/Append", append))
        self.assertEqual(self.client.get(self.user).sequence, 1)

    def test_message_too_large(self):
        """Refused as often as it comes, and the connection goes on."""
        score = padded(score_request(self.user, self.items), MAX_MESSAGE_BYTES + 1)
        append = padded(append_request(self.user, [event(1)]), MAX_MESSAGE_BYTES + 1)
        for _ in range(10):
            with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, MAX_MESSAGE_BYTES):
                self.client.raw("/vql.v1.Scoring/Score", score)
            with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, MAX_MESSAGE_BYTES):
                self.client.raw("/vql.v1.History/Append", append)
        self.assertEqual(self.client.get(self.user).sequence, 0)

    def test_message_too_large_in_a_stream(self):
        good = score_request(self.user, self.items).SerializeToString()
        large = padded(score_request(self.user, self.items), MAX_MESSAGE_BYTES + 1)
        stream = self.client.channel.stream_stream("/vql.v1.Scoring/ScoreStream")
        answers = stream(iter([good, good, large, good]), timeout=CALL_S)
        self.assertEqual(next(answers), next(answers))
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, MAX_MESSAGE_BYTES):
            next(answers)

    def test_a_thousand_calls_at_once(self):
        """More than a connection may have open: the client waits for its turn."""
        users = [fresh_user() for _ in range(1000)]
        appends = [self.client.history.Append.future(append_request(user, [event(1)]), CALL_S)
                   for user in users]
        self.assertEqual({call.result().sequence for call in appends}, {1})
        scores = [self.client.scoring.Score.future(score_request(user, self.items[:9]), CALL_S)
                  for user in users]
        self.assertEqual({call.result().sequence for call in scores}, {1})

    def test_metadata(self):
        """A routing header, tracing, and values that are bytes are no concern of the server's."""
        request = score_request(self.user, self.items)
        for number in range(200):
            metadata = (("x-vql-user", str(self.user)), ("x-number", str(number)),
                        ("trace-bin", bytes(range(number % 256))), (f"x-{number % 100}", "y" * 50))
            response = self.client.scoring.Score(request, timeout=CALL_S, metadata=metadata)
            self.assertTrue(response.unknown_user)
