"""Primaries that are killed and frozen, while servers that share the cluster are written."""

import signal
import time

from shared import SharedTest, Writer, acknowledged, wait_for, write_with

USERS = list(range(1, 31))
OUTAGE_S = 6


class TestFailover(SharedTest):
    def fail_over(self, durability, hurt, heal):
        """Hurts the three primaries in turn, under load; returns what is missing."""
        servers = [self.serve("--durability", durability) for _ in range(2)]
        writers = [Writer(servers[i % 2].address, USERS, i + 1) for i in range(4)]
        hurt_at = []

        def work():
            time.sleep(1)
            for i in [self.cluster.nodes.index(n) for n in self.cluster.primaries()]:
                hurt_at.append(time.monotonic())
                hurt(i)
                wait_for("failover", lambda: self.others_serve(i), 15)
                time.sleep(1)
                heal(i)
                self.cluster.wait_until_ready()
                time.sleep(1)

        write_with(writers, work)
        refusals = sorted(at for writer in writers for at in writer.refusals)
        outside = [at for at in refusals
                   if not any(begin - 0.1 <= at <= begin + OUTAGE_S for begin in hurt_at)]
        client = self.connect(servers[0])
        missing = total = 0
        for user in USERS:
            ids = [e.id for e in self.read(client, user)]
            self.assertEqual(len(ids), len(set(ids)), f"user {user}")
            wanted = acknowledged(writers, user)
            total += len(wanted)
            missing += len(wanted - set(ids))
        ends = [*hurt_at[1:], float("inf")]
        longest = max(max((r - begin for r in refusals if begin <= r < end), default=0)
                      for begin, end in zip(hurt_at, ends))
        print(f"{durability}: {total} events acknowledged, {missing} missing, "
              f"{len(refusals)} calls refused, the last {longest:.1f} s after the failure",
              end=" ", flush=True)
        self.assertEqual(len(outside), 0, "calls are refused only while failing over")
        time.sleep(1)
        self.check_scores([self.connect(server) for server in servers], USERS)
        return missing

    def others_serve(self, hurt):
        nodes = [n for i, n in enumerate(self.cluster.nodes) if i != hurt]
        return all(b"cluster_state:ok" in n.call("CLUSTER", "INFO") for n in nodes[:1]) and sum(
            n.call("ROLE")[0] == b"master" for n in nodes) == 3

    def restart(self, i):
        self.cluster.restart(i)

    def test_killed_async(self):
        self.fail_over("async", self.cluster.kill, self.restart)

    def test_killed_sync(self):
        self.assertEqual(self.fail_over("sync", self.cluster.kill, self.restart), 0)

    def test_frozen_sync(self):
        missing = self.fail_over("sync", lambda i: self.cluster.nodes[i].signal(signal.SIGSTOP),
                                 lambda i: self.cluster.nodes[i].signal(signal.SIGCONT))
        self.assertEqual(missing, 0)
