"""Users whose histories are written while the server is killed, and what must be left of them."""

import random
import threading

import grpc

from client import Client, event

SYNC = 3
MOST_EVENTS = 2000  # of a user before it is deleted: a round's checks stay short, however many were
ITEMS = range(1, 3001)
FIRST_MS = 1_600_000_000_000


class History:
    """What one user's history has to be: what was acknowledged, and what may be there."""

    def __init__(self, user):
        self.user = user
        self.events = []
        self.asked = None  # a list of events, or "delete", that was sent and not answered
        self.next_id = 1

    def new_events(self, dice):
        events = []
        for _ in range(dice.choice((1, 1, 2, 5, 20, 300))):
            events.append(event(dice.choice(ITEMS), time_ms=FIRST_MS + self.next_id * 1000,
                                event_id=self.next_id))
            self.next_id += 1
        return events

    def allowed(self):
        """The histories that may be there."""
        if self.asked is None:
            return [self.events]
        return [self.events, [] if self.asked == "delete" else self.events + self.asked]

    def settle(self, found):
        """Takes what is there for what is to be there from now on; False when it must not be."""
        if found not in self.allowed():
            return False
        self.events = found
        self.asked = None
        return True


class Writer(threading.Thread):
    """Appends to its users' histories, and now and then deletes one, until the server is gone."""

    def __init__(self, address, histories, seed):
        super().__init__()
        self._client = Client(address)
        self._histories = histories
        self._dice = random.Random(seed)
        self.acknowledged = 0
        self.error = None

    def run(self):
        try:
            while True:
                self._write(self._dice.choice(self._histories))
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                self.error = error
        except Exception as error:  # whatever it is, the test is to show it
            self.error = error
        finally:
            self._client.close()

    def _write(self, history):
        long = len(history.events) > MOST_EVENTS
        if history.asked is None and (long or self._dice.random() < 0.01):
            history.asked = "delete"
            answer = self._client.delete(history.user)
            assert answer.events == len(history.events), answer
            history.events = []
        else:
            history.asked = history.new_events(self._dice)
            answer = self._client.append(history.user, history.asked)
            assert answer.durability == SYNC, answer
            assert answer.sequence == len(history.events) + len(history.asked), answer
            history.events = history.events + history.asked
            self.acknowledged += answer.appended
        history.asked = None
