#!/usr/bin/python3
"""What a cluster of vqld would take, from what one was measured to take: a model on paper.

    bench/scale.py [--users-a-server U] [--candidates N] [--core-hour PRICE]

Prints a table for 10 to 1,000 servers. The first constants are of docs/BENCHMARKS.md, the others
are assumed: change them.
"""

import argparse
import dataclasses
import math

# docs/BENCHMARKS.md, of the example's model and its users' histories.
CACHE_BYTES = 1021  # "Memory": counted against --memory, a user, at 91.7 events
REDIS_BYTES = 5914  # "A cluster": a primary's memory, a user, at 91.7 events
CALL_US = 6.7  # "Transport": CPU of a call, 8 x 16
SCORE_US = {100: 121.8, 1000: 522.6}  # "One request of N candidates", int16
LOAD_US = 83  # "A cluster": CPU of vqld to load a user's cache from Redis, beyond its score
LOADS_A_S = 4018  # "A cluster": the same by the clock, one server that is asked for nothing else

# Not measured here.
ACTIVE = 0.2  # of the users have a cache in memory at a time
SCORES_A_DAY = 50  # of an active user
EVENTS_A_DAY = 20  # of an active user
PEAK = 3  # the busiest second over the mean one
BUSY = 0.5  # of a server's cores at the peak
CORES = 16  # of a server
SERVER_GIB = 64  # for caches
REDIS_GIB = 48  # of a primary for data, which leaves room for a fork's copies
REDIS_NODES = 1000  # what Redis' manual names as the most of a cluster
REPLICAS = 1
NEWS_SENT_A_S = 500_000  # by a primary: what was written, to each server that listens
NEWS_HEARD_A_S = 100_000  # by a server's one thread for them
PROXY_CALLS_A_S = 100_000  # of a proxy of 16 cores

DAY_S = 86_400


@dataclasses.dataclass
class Plan:
    servers: int
    users: float
    candidates: int
    core_hour: float

    def rows(self):
        active = self.users * ACTIVE
        calls = active * SCORES_A_DAY / DAY_S * PEAK
        events = active * EVENTS_A_DAY / DAY_S * PEAK
        call_us = CALL_US + SCORE_US[self.candidates]
        caches = active * CACHE_BYTES / self.servers
        primaries = max(3, self.users * REDIS_BYTES / (REDIS_GIB * 2**30))
        moved = active / self.servers
        survivors = max(self.servers - 1, 1)
        yield "users, million", self.users / 1e6
        yield "users of one server's caches, million", moved / 1e6
        yield "caches of one server, GiB", caches / 2**30
        yield "of its memory, %", 100 * caches / (SERVER_GIB * 2**30)
        yield "scores a second at the peak", calls
        yield "cores busy with them, of one server", calls * call_us / 1e6 / self.servers
        yield "of its cores, %", 100 * calls * call_us / 1e6 / self.servers / CORES
        yield "servers that the scores need", math.ceil(calls * call_us / 1e6 / CORES / BUSY)
        yield "servers that the caches need", math.ceil(active * CACHE_BYTES / SERVER_GIB / 2**30)
        yield "core-seconds a million scores", call_us
        yield "price of a million scores", call_us / BUSY / 3600 * self.core_hour
        yield "events a second at the peak", events
        yield "Redis: primaries", primaries
        yield "Redis: all nodes", primaries * (1 + REPLICAS)
        yield "Redis: events a second of a primary", events / primaries
        yield "users who move when a server is lost, million", moved / 1e6
        yield "their caches again, s of all cores left", moved * LOAD_US / 1e6 / survivors / CORES
        yield "the same at the rate measured of one, s", moved / survivors / LOADS_A_S
        yield "news that a primary sends, a second", events / primaries * self.servers
        yield "proxies", max(2, calls / PROXY_CALLS_A_S)
        yield "health checks of one server, a second", max(2, calls / PROXY_CALLS_A_S)


def limits(plan):
    """What is used up, the most first."""
    rows = dict(plan.rows())
    used = {
        "caches of a server": rows["of its memory, %"] / 100,
        "cores of a server": rows["of its cores, %"] / 100 / BUSY,
        "nodes of one Redis Cluster": rows["Redis: all nodes"] / REDIS_NODES,
        "news sent by a primary": rows["news that a primary sends, a second"] / NEWS_SENT_A_S,
        "news heard by a server": rows["events a second at the peak"] / NEWS_HEARD_A_S,
    }
    return sorted(used.items(), key=lambda pair: -pair[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users-a-server", type=float, default=1e6)
    parser.add_argument("--candidates", type=int, choices=SCORE_US, default=100)
    parser.add_argument("--core-hour", type=float, default=0.04, help="a price, with its memory")
    arguments = parser.parse_args()
    plans = [Plan(n, n * arguments.users_a_server, arguments.candidates, arguments.core_hour)
             for n in (10, 100, 1000)]
    print("| | " + " | ".join(f"{p.servers:,} servers" for p in plans) + " |")
    print("| --- |" + " --- |" * len(plans))
    for columns in zip(*(p.rows() for p in plans)):
        values = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for _, value in columns)
        print(f"| {columns[0][0]} | " + " | ".join(values) + " |")
    print()
    for plan in plans:
        print(f"{plan.servers:,} servers:", "; ".join(f"{what} {100 * share:.0f} %"
                                                     for what, share in limits(plan)))


if __name__ == "__main__":
    main()
