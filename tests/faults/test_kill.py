"""A server that is killed at any moment loses nothing that it said was on disk."""

import os

from storage import WRITERS, StorageTest

ROUNDS = int(os.environ.get("FAULTS_KILLS", "30"))


class KillTest(StorageTest):
    def test_kill(self):
        for _ in range(ROUNDS):
            with self.start() as server:
                self.write_until_killed(server)
            with self.start() as server:
                self.check_all(server)
                server.kill()
        with self.start() as server:
            self.check_scores(server)
        self.assertGreater(self.acknowledged, ROUNDS * WRITERS)
        print(f"{ROUNDS * 2} kills, {self.acknowledged} events acknowledged ", end="")
