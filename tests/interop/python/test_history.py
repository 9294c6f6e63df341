"""History: sequence numbers, event ids, order of arrival, paging, deletion; and Models."""

import os
import random
import time

from client import NOW_MS, UNKNOWN_ITEM, InteropTest, event, fresh_user
from golden import TOLERANCE, golden_requests, known_items
from vql.v1.history_pb2 import Durability

DURABILITY = Durability.Value(os.environ["INTEROP_DURABILITY"])
HOUR_MS = 3600 * 1000
CLOCK_SLACK_MS = 1000  # a server may keep the time of its loop's last turn


class HistoryTest(InteropTest):
    def setUp(self):
        super().setUp()
        self.user = fresh_user()
        self.items = known_items()
        self.model = self.client.list_models()[0]

    def page_back(self, size):
        """The user's events, oldest first, read in pages of that size."""
        stored, before = [], 0
        while page := self.client.get(self.user, max_events=size, before_sequence=before).events:
            self.assertLessEqual(len(page), size)
            stored.extend(page)
            before = page[-1].sequence
        return stored[::-1]

    def test_sequence_numbers(self):
        self.assertEqual(self.client.append(self.user, []).sequence, 0)
        for count, sequence in ((1, 1), (3, 4), (0, 4), (200, 204)):
            response = self.client.append(self.user, [event(self.items[0])] * count)
            self.assertEqual(response.sequence, sequence)
            self.assertEqual(response.appended, count)
            self.assertEqual(response.duplicates, 0)
            self.assertEqual(response.durability, DURABILITY)

    def test_user_ids_have_64_bits(self):
        low, high = self.user & 0xFFFF_FFFF, self.user | 2**63
        self.client.append(high, [event(self.items[0])] * 3)
        self.assertEqual(self.client.get(high).sequence, 3)
        self.assertEqual(self.client.get(low).sequence, 0)
        self.assertEqual(self.client.get(self.user).sequence, 0)
        for user in (0, 2**64 - 1):
            self.assertEqual(len(self.client.score(user, self.items[:1]).tasks),
                             len(self.model.tasks))

    def test_read_your_writes(self):
        """A reader on any other connection sees the sequence that the writer was told."""
        readers = [self.connect() for _ in range(4)]
        for number in range(50):
            sequence = self.client.append(self.user, [event(self.items[number])]).sequence
            reader = readers[number % len(readers)]
            response = reader.score(self.user, self.items[:1], min_sequence=sequence)
            self.assertEqual(response.sequence, sequence)

    def test_event_ids_are_applied_once(self):
        item = self.items[0]
        first = self.client.append(self.user, [event(item, event_id=7), event(item, event_id=8)])
        self.assertEqual((first.appended, first.duplicates, first.sequence), (2, 0, 2))
        again = self.client.append(self.user, [event(item, event_id=8), event(item, event_id=9),
                                               event(item, event_id=9), event(item)])
        self.assertEqual((again.appended, again.duplicates, again.sequence), (2, 2, 4))
        other = self.client.append(fresh_user(), [event(item, event_id=7)])
        self.assertEqual((other.appended, other.duplicates), (1, 0))
        self.assertEqual([stored.event.id for stored in self.page_back(10)], [7, 8, 9, 0])

    def test_repeated_append_changes_nothing(self):
        events = [event(item, event_id=2**64 - 1 - i) for i, item in enumerate(self.items[:50])]
        self.client.append(self.user, events)
        before = self.client.score(self.user, self.items, time_ms=NOW_MS)
        again = self.client.append(self.user, events)
        self.assertEqual((again.appended, again.duplicates, again.sequence), (0, 50, 50))
        self.assertEqual(self.client.score(self.user, self.items, time_ms=NOW_MS), before)

    def test_event_ids_count_in_a_score_too(self):
        """Events of a request are scored as if appended: one applied before is left out."""
        self.client.append(self.user, [event(self.items[0], event_id=5)])
        plain = self.client.score(self.user, self.items, time_ms=NOW_MS)
        repeated = self.client.score(self.user, self.items, time_ms=NOW_MS,
                                     events=[event(self.items[1], event_id=5)])
        self.assertEqual(repeated.scores, plain.scores)

    def test_get_pages_back(self):
        rng = random.Random(2)
        events = [event(rng.choice([*self.items, UNKNOWN_ITEM]),
                        rng.randrange(len(self.model.event_types)),
                        NOW_MS - rng.randrange(10**9), number) for number in range(1, 251)]
        for start in range(0, 250, 50):
            self.client.append(self.user, events[start:start + 50])
        for size in (1, 7, 100, 250, 1000):
            stored = self.page_back(size)
            self.assertEqual([one.sequence for one in stored], list(range(1, 251)))
            self.assertEqual([one.event for one in stored], events)
        self.assertEqual(len(self.client.get(self.user).events), 0)
        self.assertEqual(len(self.client.get(self.user, max_events=5, before_sequence=1).events), 0)

    def test_get_describes_the_cache(self):
        empty = self.client.get(self.user, max_events=10)
        self.assertEqual((empty.sequence, empty.first_time_ms, empty.last_time_ms), (0, 0, 0))
        self.assertEqual(sum(empty.occupied), 0)
        times = [NOW_MS - 5, NOW_MS - 9 * HOUR_MS, NOW_MS - 3]
        self.client.append(self.user, [event(self.items[0], time_ms=ms) for ms in times])
        state = self.client.get(self.user)
        self.assertEqual((state.first_time_ms, state.last_time_ms), (min(times), max(times)))
        self.assertEqual(list(state.occupied), [1] * len(state.codewords))
        self.assertGreater(state.cache_bytes, 0)
        self.assertGreater(state.event_bytes, 0)
        self.assertEqual(state.model, self.model.name)
        self.client.append(self.user, [event(item) for item in self.items])
        state = self.client.get(self.user)
        self.assertTrue(all(1 < used <= most
                            for used, most in zip(state.occupied, state.codewords, strict=True)))

    def test_time_zero_is_now(self):
        before_ms = time.time() * 1000 - CLOCK_SLACK_MS
        self.client.append(self.user, [event(self.items[0], time_ms=0)])
        state = self.client.get(self.user, max_events=1)
        self.assertTrue(before_ms <= state.last_time_ms <= time.time() * 1000 + CLOCK_SLACK_MS)
        self.assertEqual(state.events[0].event.time_ms, state.last_time_ms)
        self.assertEqual(len(self.client.score(self.user, self.items).scores),
                         len(self.items) * len(self.model.tasks))

    def test_score_before_the_last_event_is_as_at_it(self):
        self.client.append(self.user, [event(item, time_ms=NOW_MS - i * HOUR_MS)
                                       for i, item in enumerate(self.items[:20])])
        at_last = self.client.score(self.user, self.items, time_ms=NOW_MS)
        earlier = self.client.score(self.user, self.items, time_ms=NOW_MS - 5 * HOUR_MS)
        self.assertEqual(earlier.scores, at_last.scores)
        later = self.client.score(self.user, self.items, time_ms=NOW_MS + 500 * HOUR_MS)
        self.assertNotEqual(later.scores, at_last.scores)

    def test_late_events_in_any_order(self):
        """Event by event, newest first, oldest first and shuffled: the same scores."""
        request = max(golden_requests(), key=lambda r: len(r.events) if len(r.events) < 100 else 0)
        shuffled = random.Random(3).sample(request.events, len(request.events))
        for events in (request.events, request.events[::-1], shuffled):
            user = fresh_user()
            for one in events:
                self.client.append(user, [one])
            response = self.client.score(user, request.candidates, time_ms=request.time_ms)
            self.assert_close(response.scores, request.scores, TOLERANCE)

    def test_delete(self):
        self.client.append(self.user, [event(item, event_id=item) for item in self.items[:30]])
        self.assertEqual(self.client.delete(self.user).events, 30)
        self.assertEqual(self.client.delete(self.user).events, 0)
        self.assertEqual(self.client.get(self.user, max_events=10).sequence, 0)
        response = self.client.score(self.user, self.items, time_ms=NOW_MS)
        self.assertTrue(response.unknown_user)
        self.assertEqual(response, self.client.score(fresh_user(), self.items, time_ms=NOW_MS))
        again = self.client.append(self.user, [event(self.items[0], event_id=self.items[0])])
        self.assertEqual((again.sequence, again.appended), (1, 1))


class ModelsTest(InteropTest):
    def test_list(self):
        models = self.client.list_models()
        self.assertEqual([model.active for model in models], [True])
        model = models[0]
        self.assertGreater(model.items, len(known_items()))
        self.assertGreater(model.bytes, 0)
        self.assertGreater(len(model.event_types), 0)
        named = self.client.score(1, known_items()[:1], model=model.name)
        self.assertEqual((named.model, named.tasks), (model.name, model.tasks))
        self.assertEqual(named.scores, self.client.score(1, known_items()[:1]).scores)
