"""The pages of the admin port as a browser shows them, and what /api/user says behind them."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from vqld import Vqld
from webdriver import Browser

MODEL = os.environ["BROWSER_MODEL"]
DRIVER = os.environ["BROWSER_DRIVER"]
SCREENSHOTS = os.environ.get("BROWSER_SCREENSHOTS")  # a folder to leave pictures in

TOLERANCE = 1e-4
START_MS = 1_290_000_000_000
HOUR_MS = 3_600_000
TIME_MS = START_MS + 2000 * HOUR_MS
USER, LONG_USER = 70017, 18446744073709551557
CANDIDATE = 5
EVENTS, LONG_EVENTS = 300, 5000
MOST_EVENTS = 4096
HOSTILE = "<img src=x onerror=alert(1)>"

# The script of a page that has taken so many samples.
HAS_DRAWN = "return Number(document.body.dataset.looks || 0) >= arguments[0]"
# How many colours a canvas has.
COLOURS = """
    const canvas = document.getElementById(arguments[0]);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(data.buffer)).size;"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Served(unittest.TestCase):
    """A server, with two users' histories."""

    @classmethod
    def setUpClass(cls):
        cls.vqld = Vqld(os.environ["BROWSER_VQLD"], MODEL, 2, "--admin", "127.0.0.1:0",
                        "--memory", "64MiB", store=os.environ.get("BROWSER_STORE", "memory"))
        cls.addClassCleanup(cls.vqld.__exit__)
        cls.admin = "http://" + re.search(r"admin=(\S+)", cls.vqld.log())[1]
        cls.append(USER, EVENTS)
        cls.append(LONG_USER, LONG_EVENTS)

    @classmethod
    def ctl(cls, *words, **options):
        command = [os.environ["BROWSER_VQLCTL"], "--server", cls.vqld.address, *map(str, words)]
        return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout

    @classmethod
    def append(cls, user, count):
        lines = ["item_id\tevent_type\ttimestamp_ms"]
        lines += [f"{1 + i * i % 400}\tpurchase\t{START_MS + i * HOUR_MS // 3}"
                  for i in range(count)]
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            cls.ctl("append", user, file.name)

    @classmethod
    def score(cls, user, item, time_ms):
        answer = json.loads(cls.ctl("--format", "json", "score", user, item, "--time", time_ms))
        return answer["candidates"][0]["scores"]["buy"]

    def get(self, **arguments):
        """Status and JSON of /api/user."""
        url = self.admin + "/api/user?" + urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


class Explained(Served):
    """What the server says."""

    def test_a_score_is_explained(self):
        status, user = self.get(id=USER, candidate=CANDIDATE, time=TIME_MS)
        self.assertEqual(status, 200)
        served = user["candidate"]["scores"][0]
        self.assertAlmostEqual(served, self.score(USER, CANDIDATE, TIME_MS), delta=1e-6)
        comparison = user["comparison"]
        self.assertTrue(comparison["whole"])
        self.assertEqual(comparison["events"], EVENTS)
        self.assertAlmostEqual(served, comparison["quantized_scores"][0], delta=1e-3)
        for head in comparison["heads"]:
            self.assertLessEqual(head["shift"], head["shift_bound"])
            self.assertLessEqual(head["error"], head["error_bound"])
        for group in range(user["model"]["groups"]):
            in_use = [c for c in user["codewords"] if c["group"] == group]
            self.assertEqual(sum(c["events"] for c in in_use), EVENTS)
            self.assertAlmostEqual(sum(c["weights"][0] for c in in_use), 1, delta=1e-6)
            self.assertAlmostEqual(sum(c["memories"][0] for c in in_use), 1, delta=1e-6)
        self.assertEqual(user["recent"][0]["sequence"], str(EVENTS))

    def test_a_long_history_is_looked_at_in_part(self):
        status, user = self.get(id=LONG_USER, candidate=CANDIDATE, time=TIME_MS)
        self.assertEqual(status, 200)
        self.assertEqual(user["user"], str(LONG_USER))
        self.assertEqual(user["cache"]["events"], LONG_EVENTS)
        self.assertFalse(user["comparison"]["whole"])
        self.assertEqual(user["comparison"]["events"], MOST_EVENTS)
        self.assertAlmostEqual(user["candidate"]["scores"][0],
                               self.score(LONG_USER, CANDIDATE, TIME_MS), delta=1e-6)

    def test_without_a_candidate(self):
        status, user = self.get(id=USER)
        self.assertEqual(status, 200)
        self.assertNotIn("candidate", user)
        self.assertGreater(len(user["codewords"]), 0)

    def test_what_is_wrong_is_named(self):
        cases = [
            (400, "id", {}), (400, "id", {"id": "x"}), (400, "id", {"id": 1 << 64}),
            (400, "candidate", {"id": USER, "candidate": -1}),
            (400, "candidate", {"id": USER, "candidate": HOSTILE}),
            (400, "id", {"id": b"\xff\xfe"}),
            (400, "candidate", {"id": USER, "candidate": "é" * 30}),
            (400, "time", {"id": USER, "time": 8_640_000_000_000_001}),
            (400, "model", {"id": USER, "model": "m" * 200}),
            (404, "model", {"id": USER, "model": HOSTILE}),
            (404, "id", {"id": 4711}),
        ]
        for status, name, arguments in cases:
            with self.subTest(arguments):
                found, answer = self.get(**arguments)
                self.assertEqual(found, status)
                self.assertTrue(answer["error"].startswith(name + ":"), answer["error"])

    def test_too_many_are_refused(self):
        statuses = {self.get(id=USER)[0] for _ in range(60)}
        self.assertEqual(statuses, {200, 503})
        time.sleep(1)


class Hidden(unittest.TestCase):
    """Users are not shown to whoever may see figures."""

    def test_users_are_hidden(self):
        for options in ("--inspect", "off"), ():
            address = "0.0.0.0:0" if not options else "127.0.0.1:0"
            with Vqld(os.environ["BROWSER_VQLD"], MODEL, 1, "--admin", address, *options) as vqld:
                port = re.search(r"admin=\S+:(\d+)", vqld.log())[1]
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api/user?id=1", timeout=30)
                with refused.exception as answer:
                    self.assertEqual(answer.code, 403)
                    self.assertIn("--inspect", json.load(answer)["error"])


@unittest.skipUnless(pathlib.Path(DRIVER).is_file(), "for want of chromedriver")
class Shown(Served):
    """What a browser shows of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = Browser(DRIVER, "--window-size=1280,1500")
        cls.addClassCleanup(cls.browser.__exit__)

    def tearDown(self):
        failed = [line for line in self.browser.log() if "status of 40" not in line]
        self.assertEqual(failed, [])

    def look(self, **arguments):
        self.browser.open(self.admin + "/users?" + urllib.parse.urlencode(arguments))
        self.browser.wait("return document.readyState === 'complete' &&"
                          "(!summary.hidden || !error.hidden)")

    def picture(self, name):
        if SCREENSHOTS:
            self.browser.save_screenshot(pathlib.Path(SCREENSHOTS) / name)

    def shown_score(self, which):
        return float(self.browser.text(f"score-{which}-0"))

    def test_the_page_of_a_user(self):
        _, user = self.get(id=USER, candidate=CANDIDATE, time=TIME_MS)
        self.look(id=USER, candidate=CANDIDATE, time=TIME_MS)
        self.picture("users.png")
        self.assertAlmostEqual(self.shown_score("served"),
                               self.score(USER, CANDIDATE, TIME_MS), delta=TOLERANCE)
        for which in "quantized", "exact":
            self.assertAlmostEqual(self.shown_score(which),
                                   user["comparison"][which + "_scores"][0], delta=TOLERANCE)
        self.assertEqual(self.browser.run("return document.querySelectorAll('.codeword').length"),
                         user["codewords_in_use"])
        self.assertEqual(self.browser.run("return document.querySelectorAll('.curve').length"),
                         user["model"]["heads"] + user["model"]["groups"])
        rows = "return document.querySelector('#' + arguments[0]).tBodies[0].rows.length"
        self.assertEqual(self.browser.run(rows, "top-table"), len(user["comparison"]["top"]))
        self.assertEqual(self.browser.run(rows, "bound-table"), user["model"]["heads"])

    def test_an_item_becomes_the_candidate(self):
        self.look(id=USER, time=TIME_MS)
        self.assertTrue(self.browser.run("return score.hidden && !codewords.hidden"))
        item = self.browser.run("const b = document.querySelector('#recent-table button');"
                                "b.click(); return b.innerText")
        self.browser.wait("return !score.hidden")
        self.assertIn(f"candidate={item}", self.browser.run("return location.search"))
        self.assertAlmostEqual(self.shown_score("served"), self.score(USER, item, TIME_MS),
                               delta=TOLERANCE)

    def test_an_error_is_shown(self):
        self.look(id="no number")
        self.assertIn('id: "no number" is no number', self.browser.text("error"))
        self.assertTrue(self.browser.run("return summary.hidden && score.hidden"))
        self.look(id=4711)
        self.assertIn("4711 has no history", self.browser.text("error"))

    def test_hostile_text_stays_text(self):
        for arguments in {"id": HOSTILE}, {"id": USER, "model": HOSTILE}:
            self.look(**arguments)
            self.assertIn(HOSTILE, self.browser.text("error"))
            self.assertIsNone(self.browser.alert())
            self.assertEqual(self.browser.run("return document.images.length"), 0)

    def test_the_live_page(self):
        load = subprocess.Popen(
            [os.environ["BROWSER_VQLBENCH"], "--server", self.vqld.address, "--rate", "400",
             "--duration", "60", "--warmup", "0", "--users", "zipf:200", "--items", "400",
             "--mix", "score=3,append=1", "--connections", "2"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.browser.open(self.admin + "/live")
            self.browser.wait(HAS_DRAWN, 8 if SCREENSHOTS else 4)
            self.picture("live.png")
            self.assertGreater(self.browser.run(COLOURS, "heat"), 3)
            self.assertGreater(self.browser.run(COLOURS, "traffic"), 3)
            for name, told in {"methods": "vql.v1.Scoring/Score", "models": "retail",
                               "shards": "32.0 MiB", "memory": "Resident",
                               "tiles": "Calls a second"}.items():
                self.assertIn(told, self.browser.text(name), name)
            rate = self.browser.run("return document.querySelector('#tiles dd').innerText")
            self.assertGreater(float(rate.replace(",", "")), 50)
            self.assertEqual(self.browser.text("state"), "live")
        finally:
            load.terminate()
            load.wait()

    def test_on_a_phone(self):
        self.browser.resize(500, 900)
        try:
            self.look(id=USER, candidate=CANDIDATE, time=TIME_MS)
            self.picture("users-phone.png")
            self.assertLessEqual(self.browser.run(OVERFLOW), 0)
            self.browser.open(self.admin + "/")
            self.browser.wait(HAS_DRAWN, 2)
            self.assertLessEqual(self.browser.run(OVERFLOW), 0)
        finally:
            self.browser.resize(1280, 1500)


if __name__ == "__main__":
    unittest.main()
