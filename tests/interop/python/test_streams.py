"""ScoreStream and AppendStream: order, refusals, half-close, cancellation, slow readers."""

import concurrent.futures
import itertools

import grpc
from grpc import StatusCode

from client import CALL_S, InteropTest, Requests, append_request, event, fresh_user, score_request
from golden import known_items
from vqld import MAX_CANDIDATES

MESSAGES = 3000
USERS = 64  # of a stream; their ids are spread over all shards


class StreamTest(InteropTest):
    def setUp(self):
        super().setUp()
        self.items = known_items()
        self.users = [fresh_user() for _ in range(USERS)]
        self.tasks = len(self.client.list_models()[0].tasks)

    def open_score_stream(self, client=None, **options):
        """A stream to put requests into, and its answers; its thread ends with the test."""
        requests = Requests()
        self.addCleanup(requests.close)
        return requests, (client or self.client).score_stream(requests, **options)

    def assert_well(self):
        """Another call on the connection, and one on a new one, are answered."""
        for client in (self.client, self.connect()):
            response = client.score(self.users[0], self.items[:2])
            self.assertEqual(len(response.scores), 2 * self.tasks)

    def test_append_stream_in_order(self):
        requests = [append_request(self.users[i * i % USERS], [event(self.items[i % 9])] * (i % 3))
                    for i in range(MESSAGES)]
        sequences = dict.fromkeys(self.users, 0)
        answers = self.client.append_stream(requests)
        for request, answer in zip(requests, answers, strict=True):
            sequences[request.user_id] += len(request.events)
            self.assertEqual(answer.sequence, sequences[request.user_id])
            self.assertEqual(answer.appended, len(request.events))
        for user, sequence in sequences.items():
            self.assertEqual(self.client.get(user).sequence, sequence)

    def test_score_stream_in_order(self):
        """Each user has as many events as no other, so an answer says whose it is."""
        for number, user in enumerate(self.users):
            self.client.append(user, [event(self.items[0])] * number)
        requests = [score_request(self.users[i * i % USERS], self.items[:1 + i % 7])
                    for i in range(MESSAGES)]
        answers = self.client.score_stream(requests)
        for request, answer in zip(requests, answers, strict=True):
            self.assertEqual(answer.sequence, self.users.index(request.user_id))
            self.assertEqual(len(answer.scores), len(request.item_ids) * self.tasks)

    def test_stream_answers_as_unary_does(self):
        for user in self.users:
            self.client.append(user, [event(item) for item in self.items[:user % 20]])
        requests = [score_request(user, self.items[:10], time_ms=1) for user in self.users]
        for request, answer in zip(requests, self.client.score_stream(requests), strict=True):
            self.assertEqual(answer, self.client.scoring.Score(request, timeout=CALL_S))

    def test_answer_before_the_next_request(self):
        requests, answers = self.open_score_stream()
        for user in self.users:
            requests.put(score_request(user, self.items[:1]))
            self.assertEqual(len(next(answers).scores), self.tasks)
        requests.close()
        self.assertEqual(list(answers), [])
        self.assertEqual(answers.code(), StatusCode.OK)

    def test_many_streams_at_once(self):
        """Eight connections append and score the same users at once; no event is lost."""
        def append(client):
            requests = (append_request(user, [event(self.items[0])]) for user in self.users * 5)
            return len(list(client.append_stream(requests)))

        def score(client):
            requests = (score_request(user, self.items[:20]) for user in self.users * 5)
            return sum(len(answer.scores) for answer in client.score_stream(requests))

        clients = [self.connect() for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            appended = [pool.submit(append, client) for client in clients]
            scored = [pool.submit(score, client) for client in clients]
            self.assertEqual({f.result() for f in appended}, {5 * USERS})
            self.assertEqual({f.result() for f in scored}, {5 * USERS * 20 * self.tasks})
        for user in self.users:
            self.assertEqual(self.client.get(user).sequence, 20)

    def test_half_close_without_a_message(self):
        for answers in (self.client.score_stream([]), self.client.append_stream([])):
            self.assertEqual(list(answers), [])
            self.assertEqual(answers.code(), StatusCode.OK)

    def test_refused_score_ends_the_stream(self):
        good = [score_request(user, self.items[:4]) for user in self.users[:5]]
        answers = self.client.score_stream([*good, score_request(1, []), *good])
        for _ in good:
            self.assertEqual(len(next(answers).scores), 4 * self.tasks)
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "item_ids"):
            next(answers)
        self.assert_well()

    def test_refused_append_ends_the_stream(self):
        """What was answered before holds; the refused append and all after it leave no trace."""
        user, good = self.users[0], event(self.items[0])
        bad = event(self.items[0], 4_000_000)
        answers = self.client.append_stream(
            [*[append_request(user, [good])] * 5, append_request(user, [good, bad]),
             *[append_request(user, [good])] * 5])
        self.assertEqual([next(answers).sequence for _ in range(5)], [1, 2, 3, 4, 5])
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "type", 4_000_000):
            next(answers)
        self.assertEqual(self.client.get(user).sequence, 5)

    def test_refused_stream_that_stays_open(self):
        """The status comes although the client has not closed its side."""
        requests, answers = self.open_score_stream()
        requests.put(score_request(self.users[0], self.items[:1], model="missing"))
        with self.assert_refused(StatusCode.NOT_FOUND, "missing"):
            next(answers)

    def test_deadline_of_an_open_stream(self):
        requests, answers = self.open_score_stream(timeout=0.5)
        requests.put(score_request(self.users[0], self.items[:1]))
        with self.assert_refused(StatusCode.DEADLINE_EXCEEDED):
            list(answers)
        self.assert_well()

    def test_cancelled_streams(self):
        """Cancelled with answers on the way, again and again, while the client goes on sending."""
        for count in range(20):
            endless = itertools.cycle([score_request(user, self.items) for user in self.users])
            answers = self.client.score_stream(endless)
            for _ in range(count):
                next(answers)
            answers.cancel()
            with self.assertRaises(grpc.RpcError):
                list(answers)
            self.assertEqual(answers.code(), StatusCode.CANCELLED)
        self.assert_well()

    def test_connections_that_go_away(self):
        """Connections closed under streams in full flow."""
        for _ in range(5):
            client = self.connect()
            endless = itertools.cycle([score_request(user, self.items) for user in self.users])
            answers = client.score_stream(endless)
            next(answers)
            client.close()
            with self.assertRaises((grpc.RpcError, ValueError)):
                list(answers)
        self.assert_well()

    def test_slow_reader(self):
        """Answers nobody reads hold up their own stream alone, and are all there later."""
        candidates = list(itertools.islice(itertools.cycle(self.items), MAX_CANDIDATES))
        request = score_request(self.users[0], candidates)
        answers = self.client.score_stream([request] * 30)
        first = next(answers)
        self.assert_well()
        rest = list(answers)
        self.assertEqual(len(rest), 29)
        self.assertEqual(len(first.scores), MAX_CANDIDATES * self.tasks)
        self.assertTrue(all(answer.scores == first.scores for answer in rest))
