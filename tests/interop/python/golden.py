"""Golden requests: answers computed in float64 by a program that shares no code with vql."""

import functools
import gzip
import json
import os
from typing import NamedTuple

from client import event

TOLERANCE = float(os.environ["INTEROP_TOLERANCE"])  # of a score, |served - golden|


class GoldenRequest(NamedTuple):
    time_ms: int
    events: list  # of Event, by time
    candidates: list  # of item ids, the last one unknown to the model
    scores: list  # candidate by candidate, task by task


@functools.cache
def golden_requests():
    """Every request of the model's golden file."""
    with gzip.open(os.environ["INTEROP_GOLDEN"], "rt") as lines:
        return [_parse(json.loads(line)) for line in lines]


@functools.cache
def known_items():
    """Ids of items that the model knows."""
    return sorted({i for request in golden_requests() for i in request.candidates[:-1]})


def _parse(line):
    events = [event(item, event_type, time_ms) for item, event_type, time_ms in line["events"]]
    scores = [score for row in line["scores"] for score in row]
    return GoldenRequest(line["at"], events, line["candidates"], scores)
