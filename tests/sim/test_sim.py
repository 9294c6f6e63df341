#!/usr/bin/python3
"""What the simulator promises of itself: a seed is a run, exactly, in any process.

    test_sim.py SIM CANARY    the simulator, and one of a server with a bug
"""

import re
import subprocess
import sys
import unittest

sim, canary = None, None


def run(*command):
    """The exit status, and all that was printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.returncode, done.stdout


def hash_of(*arguments):
    status, text = run(sim, *arguments)
    assert status == 0, text
    return re.search(r"hash ([0-9a-f]{16})", text)[1]


class SimTest(unittest.TestCase):
    def test_a_seed_gives_the_same_trace_in_every_process(self):
        for seed in range(1, 21):
            self.assertEqual(hash_of("--seed", str(seed)), hash_of("--seed", str(seed)))

    def test_the_trace_of_a_seed_does_not_depend_on_the_seeds_before(self):
        both = run(sim, "--seeds", "7-8", "--verbose")[1].splitlines()
        alone = run(sim, "--seed", "8", "--verbose")[1].splitlines()
        self.assertGreater(len(alone), 1000)
        self.assertEqual(both[-len(alone):-1], alone[:-1])

    def test_seeds_differ(self):
        self.assertEqual(len({hash_of("--seed", str(seed)) for seed in range(1, 21)}), 20)

    def test_steps_count(self):
        self.assertNotEqual(hash_of("--seed", "1", "--steps", "10"), hash_of("--seed", "1"))

    def test_a_failing_seed_says_how_to_see_it_again(self):
        status, text = run(canary, "--seeds", "1-300")
        self.assertEqual(status, 1)
        command = re.search(r"to see it again:\n    (.*)", text)[1]
        status, again = run(*command.split())
        self.assertEqual(status, 1)
        self.assertIn(text.strip(), again)

    def test_a_canary_that_is_not_found_is_a_failure(self):
        self.assertEqual(run(sim, "--seed", "1", "--expect-failure")[0], 1)
        self.assertEqual(run(canary, "--seeds", "1-300", "--expect-failure")[0], 0)

    def test_bad_arguments_are_refused(self):
        for arguments in (["--seed", "x"], ["--seeds", "5-4"], ["--seeds", "5"], ["--sed"], ["5"]):
            status, text = run(sim, *arguments)
            self.assertEqual(status, 2, arguments)
            self.assertIn("--seeds A-B", text)


if __name__ == "__main__":
    sim, canary = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
