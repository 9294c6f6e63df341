#!/usr/bin/python3
"""vql-train from end to end: a log made, models trained on it, judged, and served by vqld.

The log has an interest that shows in the old part of the histories alone (train/generate.h): a
model that sees the last 50 events, or the 50 most like the candidate, must not find it, and
attention over the whole history must, exact or over codewords.
"""

import argparse
import gzip
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from vqld import Vqld

programs = None
made = None
WAIT_S = 120
SHAPE = ("--users", "200", "--length", "1000", "--impressions", "40", "--seed", "3")
RECIPE = ("--width", "32", "--codewords", "32", "--batch", "256", "--rate", "3e-3", "--epochs", "6",
          "--warm-epochs", "3", "--embedding-decay", "0", "--threads", "2")
FOUND = 0.87  # of 0.9, the most that there is
CHANCE = 0.06  # 800 impressions: three deviations of AUC by chance alone


def run(*words, code=0):
    """Runs vql-train; returns what it printed on standard output and standard error."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VQL_")}
    done = subprocess.run([programs.vql_train, *map(str, words)], env=environment, text=True,
                          capture_output=True, timeout=WAIT_S, check=False)
    if done.returncode != code:
        raise AssertionError(f"exit status {done.returncode}, not {code}: {done.stderr}")
    return done.stdout, done.stderr


def last_line(path):
    return json.loads(path.read_text(encoding="utf-8").splitlines()[-1])


class Made:
    """What all tests look at: a log, a model of it, and the last line of its metrics."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vql-train-")
        self.path = pathlib.Path(self.folder.name)
        self.data = self.path / "data"
        self.model = self.path / "model.safetensors"
        run("generate", self.data, *SHAPE)
        run("--data", self.data, "--output", self.model, "--metrics", self.path / "vql.jsonl",
            "--report", self.path / "vql.html", *RECIPE)
        self.trained = last_line(self.path / "vql.jsonl")


def setUpModule():
    global made
    made = Made()


def tearDownModule():
    made.folder.cleanup()


class Training(unittest.TestCase):
    def auc_of(self, attention, epochs):
        metrics = made.path / f"{attention.replace(':', '-')}.jsonl"
        run("--data", made.data, "--attention", attention, "--metrics", metrics, *RECIPE,
            "--epochs", epochs)
        return last_line(metrics)["tasks"]["click"]["auc"]

    def test_codewords_find_the_old_interest(self):
        self.assertGreater(made.trained["tasks"]["click"]["auc"], FOUND)

    def test_exact_attention_finds_it(self):
        self.assertGreater(self.auc_of("exact", 4), FOUND)

    def test_the_last_events_do_not(self):
        self.assertAlmostEqual(self.auc_of("recent:50", 4), 0.5, delta=CHANCE)

    def test_the_most_similar_events_do_not(self):
        for attention in ("top:50", "search:50"):
            self.assertAlmostEqual(self.auc_of(attention, 2), 0.5, delta=CHANCE)

    def test_the_attention_error_is_within_its_bound(self):
        errors = made.trained["attention_error"]
        self.assertTrue(errors)
        for error in errors:
            self.assertLessEqual(error["output_error"], error["bound"])
            self.assertLessEqual(error["worst"], 1.0)

    def test_evaluation_agrees_with_training(self):
        printed, _ = run("evaluate", made.model, "--data", made.data, "--json")
        evaluated = json.loads(printed)["tasks"]["click"]
        for figure in ("auc", "gauc", "log_loss"):
            self.assertAlmostEqual(evaluated[figure], made.trained["tasks"]["click"][figure],
                                   delta=1e-4)

    def test_the_report_stands_alone(self):
        page = (made.path / "vql.html").read_text(encoding="utf-8")
        for part in ("Training loss", "AUC by length", "Codewords in use", "Temporal kernel",
                     "Attention over codewords"):
            self.assertIn(part, page)
        self.assertNotIn("<script", page)


class Serving(unittest.TestCase):
    """vqld gives the scores that vql-train evaluate gives."""

    def history(self, user, before_ms):
        """A file of a user's events before a time."""
        path = made.path / f"events-{user}.tsv"
        with gzip.open(made.data / "events.tsv.gz", "rt", encoding="utf-8") as events, \
                open(path, "w", encoding="utf-8") as out:
            out.write(next(events))
            for line in events:
                fields = line.split()
                if int(fields[0]) == user and int(fields[3]) < before_ms:
                    out.write(line)
        return path

    def ask(self, server, *words):
        command = [programs.vqlctl, "--server", server.address, "--format", "json",
                   *map(str, words)]
        return subprocess.run(command, capture_output=True, check=True, text=True,
                              timeout=WAIT_S).stdout

    def test_scores_are_the_same(self):
        scores = made.path / "scores.tsv"
        run("evaluate", made.model, "--data", made.data, "--scores", scores)
        lines = [line.split("\t") for line in scores.read_text(encoding="utf-8").splitlines()]
        self.assertEqual(lines[0], ["user_id", "item_id", "timestamp_ms", "click"])
        with Vqld(programs.vqld, made.model, 1) as server:
            for user, item, time_ms, score in lines[1::160]:
                self.ask(server, "import", self.history(int(user), int(time_ms)))
                answer = json.loads(self.ask(server, "score", user, item, "--time", time_ms))
                self.assertAlmostEqual(score_of(answer), float(score), delta=1e-5)


def score_of(answer):
    """The one score of vqlctl's answer."""
    return answer["candidates"][0]["scores"]["click"]


class Interruption(unittest.TestCase):
    """A training that was stopped and resumed is one that was not."""

    def setUp(self):
        self.output = made.path / f"{self.id()}.safetensors"
        self.checkpoint = pathlib.Path(f"{self.output}.checkpoint")
        self.metrics = made.path / f"{self.id()}.jsonl"
        self.words = ["--data", made.data, "--output", self.output, "--name", "model",
                      "--metrics", self.metrics, *RECIPE]

    def interrupt(self, number, lines):
        """Starts training, and sends a signal when the metrics have so many lines."""
        with subprocess.Popen([programs.vql_train, *map(str, self.words)],
                              stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              text=True) as process:
            deadline = time.monotonic() + WAIT_S
            while time.monotonic() < deadline and process.poll() is None:
                if self.metrics.exists() and self.metrics.read_text().count("\n") >= lines:
                    break
                time.sleep(0.002)
            process.send_signal(number)
            _, error = process.communicate(timeout=WAIT_S)
        self.assertEqual(process.returncode, 2, error)
        self.assertIn("--resume goes on from the checkpoint", error)
        self.assertFalse(self.output.exists())

    def test_resumed_gives_the_same_model(self):
        self.interrupt(signal.SIGINT, 10)
        self.words.append("--resume")
        self.interrupt(signal.SIGTERM, 65)  # with codebooks
        run(*self.words)
        self.assertEqual(self.output.read_bytes(), made.model.read_bytes())
        self.assertFalse(self.checkpoint.exists())
        self.assertEqual(last_line(self.metrics)["tasks"], made.trained["tasks"])

    def test_another_training_is_refused(self):
        self.interrupt(signal.SIGINT, 3)
        before = self.checkpoint.read_bytes()
        _, error = run(*self.words, "--resume", "--seed", 9, code=1)
        self.assertIn('was made with seed "1", now it is "9"', error)
        other = made.path / "other"
        run("generate", other, *SHAPE[:-1], 4)
        _, error = run(*self.words, "--data", other, "--resume", code=1)
        self.assertIn("was made with data's fingerprint", error)
        self.assertEqual(self.checkpoint.read_bytes(), before)
        self.checkpoint.write_bytes(before[:-1])
        _, error = run(*self.words, "--resume", code=1)
        self.assertIn("safetensors.checkpoint: ", error)


class Mistakes(unittest.TestCase):
    def test_they_are_named(self):
        for words, text in (
                (["--data", "/nowhere"], "/nowhere: no file events.tsv.gz or events.tsv"),
                (["evaluate", "/nowhere/model", "--data", made.data],
                 "/nowhere/model: No such file or directory"),
                (["evaluate"], "MODEL: is missing; --help has the usage"),
                (["generate", made.data], "items.tsv.gz: File exists"),
                ([], "data: required: --data FOLDER"),
                (["--data", made.data, "--output", "/nowhere/model"],
                 "output: /nowhere/model: No such file or directory"),
                (["--data", made.data, "--report", made.path], "Is a directory"),
        ):
            _, error = run(*words, code=1)
            self.assertIn(text, error)

    def test_help_lists_every_command(self):
        printed, _ = run("--help")
        for word in ("--attention", "VQL_OUTPUT", "vql-train evaluate", "vql-train generate"):
            self.assertIn(word, printed)
        printed, _ = run("--version")
        self.assertRegex(printed, r"^vql-train \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("vql-train", "vqld", "vqlctl"):
        parser.add_argument(f"--{name}", required=True, help="the program")
    programs, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
