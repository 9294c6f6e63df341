"""Bad input: every row of the error table, its status, and a text that names what was wrong."""

import itertools
import time

from grpc import Compression, StatusCode

from client import CALL_S, UNKNOWN_ITEM, InteropTest, event, fresh_user, score_request
from golden import known_items
from vqld import MAX_CANDIDATES, MAX_EVENTS, MAX_FUTURE_MS

HOUR_MS = 3600 * 1000

UNDECODABLE = {
    "truncated tag": b"\x08\xff",
    "overlong varint": b"\x08" + b"\xff" * 10 + b"\x01",
    "wire type 7": b"\x0f\x01",
    "length beyond the message": b"\x12\x7f\x01",
    "text": b"not a protobuf message",
}


def from_now_ms(delta_ms):
    return int(time.time() * 1000) + delta_ms


class ErrorTest(InteropTest):
    def setUp(self):
        super().setUp()
        self.user = fresh_user()
        self.items = known_items()[:3]
        self.model = self.client.list_models()[0]
        self.last_type = len(self.model.event_types) - 1

    def assert_bad_event(self, bad, *words):
        """The event is refused in an append, which appends nothing, and in a score request."""
        good = event(self.items[0])
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, *words):
            self.client.append(self.user, [good, bad, good])
        self.assertEqual(self.client.get(self.user).sequence, 0)
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, *words):
            self.client.score(self.user, self.items, events=[good, bad])

    def test_undecodable_message(self):
        methods = ("Scoring/Score", "History/Append", "History/Get", "History/Delete")
        for method, (name, message) in itertools.product(methods, UNDECODABLE.items()):
            with self.subTest(f"{method}: {name}"):
                with self.assert_refused(StatusCode.INVALID_ARGUMENT):
                    self.client.raw(f"/vql.v1.{method}", message)

    def test_undecodable_event(self):
        bad_event = b"\x12\x02\x08\xff"
        with self.assert_refused(StatusCode.INVALID_ARGUMENT):
            self.client.raw("/vql.v1.History/Append", b"\x08\x01" + bad_event)

    def test_text_that_is_not_utf8(self):
        with self.assert_refused(StatusCode.INVALID_ARGUMENT):
            self.client.raw("/vql.v1.Scoring/Score", b"\x08\x01\x12\x01\x01\x22\x02\xff\xfe")

    def test_event_type_out_of_range(self):
        for bad in (self.last_type + 1, 4_000_000, 2**32 - 1):
            self.assert_bad_event(event(self.items[0], bad), "events[1].type", bad, self.last_type)
        good = event(self.items[0], self.last_type)
        self.assertEqual(self.client.append(self.user, [good]).appended, 1)

    def test_event_time_negative(self):
        self.assert_bad_event(event(self.items[0], time_ms=-1), "time_ms", -1)
        self.assert_bad_event(event(self.items[0], time_ms=-2**63), "time_ms", -2**63)

    def test_event_time_ahead_of_the_clock(self):
        late = from_now_ms(MAX_FUTURE_MS + HOUR_MS)
        self.assert_bad_event(event(self.items[0], time_ms=late), "time_ms", late, MAX_FUTURE_MS)
        self.assert_bad_event(event(self.items[0], time_ms=2**63 - 1), "time_ms", 2**63 - 1)
        early = event(self.items[0], time_ms=from_now_ms(MAX_FUTURE_MS - HOUR_MS))
        self.assertEqual(self.client.append(self.user, [early]).appended, 1)

    def test_request_time_negative(self):
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "time_ms", -7):
            self.client.score(self.user, self.items, time_ms=-7)

    def test_no_candidates(self):
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "item_ids"):
            self.client.score(self.user, [])

    def test_too_many_candidates(self):
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "item_ids", MAX_CANDIDATES):
            self.client.score(self.user, range(MAX_CANDIDATES + 1))

    def test_too_many_events(self):
        events = [event(self.items[0])] * (MAX_EVENTS + 1)
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "events", MAX_EVENTS):
            self.client.append(self.user, events)
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "events", MAX_EVENTS):
            self.client.score(self.user, self.items, events=events)
        self.assertEqual(self.client.get(self.user).sequence, 0)
        self.assertEqual(self.client.append(self.user, events[1:]).sequence, MAX_EVENTS)

    def test_too_many_events_asked_for(self):
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "max_events", 10_000_000):
            self.client.get(self.user, max_events=10_000_000)

    def test_model_not_loaded(self):
        for name in ("missing", "100% modèle\n"):
            with self.assert_refused(StatusCode.NOT_FOUND, "model", name):
                self.client.score(self.user, self.items, model=name)

    def test_name_that_ends_early(self):
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "model", len(self.model.name)):
            self.client.score(self.user, self.items, model=self.model.name + "\0")

    def test_long_model_name(self):
        """The text has the name's beginning, and no half of a character at its end."""
        for name in ("x" * 100_000, "é" * 100_000, "xé" * 100_000):
            with self.assert_refused(StatusCode.NOT_FOUND, "model", name[:20]):
                self.client.score(self.user, self.items, model=name)

    def test_min_sequence_not_reached(self):
        self.client.append(self.user, [event(self.items[0])] * 2)
        with self.assert_refused(StatusCode.FAILED_PRECONDITION, "min_sequence", 7777, 2):
            self.client.score(self.user, self.items, min_sequence=7777)
        self.assertEqual(self.client.score(self.user, self.items, min_sequence=2).sequence, 2)

    def test_unknown_item_and_user_are_no_errors(self):
        response = self.client.score(self.user, [UNKNOWN_ITEM, self.items[0], 2**64 - 1])
        self.assertEqual(response.unknown_items, 2)
        self.assertTrue(response.unknown_user)
        tasks = len(response.tasks)
        self.assertEqual(response.scores[:tasks], response.scores[2 * tasks:])
        self.assertEqual(self.client.append(self.user, [event(UNKNOWN_ITEM)]).appended, 1)

    def test_unknown_method_and_service(self):
        for method in ("/vql.v1.Scoring/Missing", "/vql.v1.Missing/Score", "/nothing", "/a/b/c",
                       "/vql.v1.Scoring/", "/vql.v1.Scoring/Score/", "/" + "x" * 1000):
            with self.subTest(method), self.assert_refused(StatusCode.UNIMPLEMENTED):
                self.client.raw(method, b"")

    def test_unary_call_without_a_message(self):
        call = self.client.channel.stream_unary("/vql.v1.Scoring/Score")
        with self.assert_refused(StatusCode.UNIMPLEMENTED):
            call(iter([]), timeout=CALL_S)

    def test_unary_call_with_two_messages(self):
        """Refused, or answered before the second one came."""
        message = score_request(self.user, self.items).SerializeToString()
        call = self.client.channel.stream_unary("/vql.v1.Scoring/Score")
        code = call.future(iter([message] * 2), timeout=CALL_S).code()
        self.assertIn(code, (StatusCode.OK, StatusCode.UNIMPLEMENTED))

    def test_compressed_message(self):
        """The server has gzip, and says so to who asks for something else."""
        request = score_request(self.user, self.items * 100)
        self.client.scoring.Score(request, timeout=CALL_S, compression=Compression.Gzip)
        with self.assert_refused(StatusCode.UNIMPLEMENTED, "deflate", "identity and gzip"):
            self.client.scoring.Score(request, timeout=CALL_S, compression=Compression.Deflate)

    def test_deadline_passed(self):
        """Deadlines from hopeless to comfortable: a call is answered, or says that it was not."""
        candidates = (self.items * MAX_CANDIDATES)[:MAX_CANDIDATES]
        events = [event(self.items[0])] * MAX_EVENTS
        request = score_request(self.user, candidates, events=events)
        codes = []
        for timeout_us in (1, 100, 200, 500, 1000, 2000, 5000, 10_000, CALL_S * 1_000_000):
            call = self.client.scoring.Score.future(request, timeout=timeout_us / 1e6)
            codes.append(call.code())
        self.assertEqual(codes[0], StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(codes[-1], StatusCode.OK)
        self.assertLessEqual(set(codes), {StatusCode.OK, StatusCode.DEADLINE_EXCEEDED})
