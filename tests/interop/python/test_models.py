"""Models that change while the server serves, checked by clients that know two models."""

import os
import pathlib
import random
import shutil
import tempfile
import threading
import time

import grpc
from grpc import StatusCode
from vql.v1 import models_pb2

from client import CALL_S, Client, InteropTest, event, fresh_user, unhurried
from golden import known_items
from model_variant import write_variant
from vqld import Vqld

PROGRAM = os.environ["INTEROP_VQLD"]
MODEL = os.environ["INTEROP_MODEL"]
THREADS = os.environ["INTEROP_THREADS"]
HAMMER_S = float(os.environ.get("MODELS_HAMMER_S", "4"))
CYCLES = int(os.environ.get("MODELS_CYCLES", "12"))
OTHER_MODEL = {"retail": "tests/golden/kuairand.safetensors",
               "kuairand": "tests/golden/retail.safetensors"}

FIRST_MS = 1_600_000_000_000
AT_MS = FIRST_MS + 10_000_000_000
CANDIDATES = 24
STEPS = 12  # appends to a user before it is deleted and begins again
STEP_EVENTS = 40
HAMMERS = 4

# Between caches of 8 bits that were filled at once and in parts, for a score in [0, 1].
TOLERANCE = 6e-3

# What two models' scores of a user differ by, on average: far more than that.
DISTANCE = 5e-2

# How far the level may rise from the third version that came and went to the last: less than one of
# them takes.
KEPT_BYTES = 4 << 20


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("no VmRSS")


@unhurried
class ModelsTest(InteropTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vql-models-")
        cls.addClassCleanup(folder.cleanup)
        cls.originals = pathlib.Path(folder.name)
        shutil.copy(MODEL, cls.originals / "a")
        write_variant(MODEL, cls.originals / "b")
        cls.items = known_items()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vql-models-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.stage = self.folder / ".stage"

    def put(self, name, family):
        """A version appears in the folder at once: of the model a or b."""
        shutil.copy(self.originals / family, self.stage)
        os.utime(self.stage, (FIRST_MS // 1000, FIRST_MS // 1000))
        self.stage.rename(self.folder / f"{name}.safetensors")

    def serve(self, *options, policy="manual", **arguments):
        server = self.enterContext(
            Vqld(PROGRAM, self.folder, THREADS, "--model-policy", policy, *options, **arguments))
        self.client = self.connect(server.address)
        return server

    def load(self, name):
        return self.client.models.Load(models_pb2.LoadModelRequest(name=name), timeout=CALL_S)

    def activate(self, name="", force=False, **weights):
        shares = [models_pb2.ModelShare(name=n, weight=w) for n, w in weights.items()]
        return self.client.models.Activate(models_pb2.ActivateModelRequest(
            name=name, force=force, shares=shares), timeout=CALL_S)

    def unload(self, name):
        return self.client.models.Unload(models_pb2.UnloadModelRequest(name=name), timeout=CALL_S)

    def listed(self):
        return {model.name: model for model in self.client.list_models()}

    def wait_until(self, condition):
        deadline = time.monotonic() + CALL_S
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def wait_ready(self, name):
        self.wait_until(lambda: self.listed()[name].ready)

    def step_events(self, user, step):
        first = step * STEP_EVENTS
        return [event(self.items[(user * 31 + k * 7) % len(self.items)], 0, FIRST_MS + k * 1000)
                for k in range(first, first + STEP_EVENTS)]

    def candidates(self, user):
        return [self.items[(user * 13 + i * 17) % len(self.items)] for i in range(CANDIDATES)]

    def score(self, client, user, model=""):
        return client.score(user, self.candidates(user), time_ms=AT_MS, model=model)

    def expect(self, users):
        """What each model says of each user after each step: expected[family][user][step]."""
        expected = {}
        for family in ("a", "b"):
            with Vqld(PROGRAM, self.originals / family, 1) as server:
                client = Client(server.address)
                expected[family] = {user: self.walk(client, user) for user in users}
                client.close()
        for user in users:
            for a, b in zip(expected["a"][user], expected["b"][user]):
                distance = sum(abs(x - y) for x, y in zip(a, b)) / len(a)
                self.assertGreater(distance, DISTANCE)
        return expected

    def walk(self, client, user):
        scores = [list(self.score(client, user).scores)]
        for step in range(STEPS):
            client.append(user, self.step_events(user, step))
            scores.append(list(self.score(client, user).scores))
        return scores


class Hammer(threading.Thread):
    """Appends to its users and scores them, and checks every answer against what models say."""

    def __init__(self, test, address, users, expected, stop):
        super().__init__()
        self.test, self.address, self.users = test, address, users
        self.expected, self.stop = expected, stop
        self.steps = dict.fromkeys(users, 0)
        self.names = ["v1", "v2", "v3", "v4"]
        self.dice = random.Random(users[0])
        self.answers, self.models, self.error = 0, {}, None

    def run(self):
        client = Client(self.address)
        try:
            while not self.stop.is_set():
                self.turn(client)
        except BaseException as error:  # told by the test
            self.error = error
        client.close()

    def turn(self, client):
        user = self.dice.choice(self.users)
        step = self.steps[user]
        if step == STEPS:
            client.delete(user)
            step = 0
        elif self.dice.random() < 0.3:
            client.append(user, self.test.step_events(user, step))
            step += 1
        self.steps[user] = step
        model = self.dice.choice(["", "", *self.names])
        try:
            answer = self.test.score(client, user, model)
        except grpc.RpcError as error:
            if model and error.code() == StatusCode.NOT_FOUND:
                return
            raise
        self.check(user, step, model, answer)

    def check(self, user, step, model, answer):
        assert answer.model == model or not model, f"{model} was asked, {answer.model} answered"
        family = "ab"[int(answer.model[1:]) % 2 == 0]
        expected = self.expected[family][user][step]
        error = max(abs(x - y) for x, y in zip(answer.scores, expected, strict=True))
        assert error <= TOLERANCE, f"{answer.model}, user {user}, step {step}: off by {error}"
        self.answers += 1
        self.models[answer.model] = True  # a dict: the test copies it while it grows


class TestHammer(ModelsTest):
    """v1, v3, ... are the model a; v2, v4, ... the model b."""

    def hammer(self, change, wanted, *options, **arguments):
        """Runs change() over and over while clients check, until all wanted versions answered."""
        users = [fresh_user() for _ in range(2 * HAMMERS)]
        expected = self.expect(users)
        self.put("v1", "a")
        server = self.serve(*options, **arguments)
        stop = threading.Event()
        hammers = [Hammer(self, server.address, users[i::HAMMERS], expected, stop)
                   for i in range(HAMMERS)]
        for hammer in hammers:
            hammer.start()
        begin = time.monotonic()
        end = begin + HAMMER_S
        try:
            while time.monotonic() < end or (not self.answered(hammers) >= wanted and
                                             time.monotonic() < begin + CALL_S):
                change()
        finally:
            stop.set()
            for hammer in hammers:
                hammer.join()
        for hammer in hammers:
            self.assertIsNone(hammer.error)
        self.assertGreater(sum(hammer.answers for hammer in hammers), 100)
        self.assertLessEqual(wanted, self.answered(hammers))
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())  # ThreadSanitizer's word, too

    def answered(self, hammers):
        """The versions that have answered."""
        return set().union(*(set(hammer.models) for hammer in hammers))

    def swap(self):
        """One version takes over from the other, and the other goes."""
        active = next(name for name, model in self.listed().items() if model.active)
        other = "v1" if active == "v2" else "v2"
        self.put(other, "ab"[other == "v2"])
        self.load(other)
        self.wait_ready(other)
        self.activate(other)
        self.unload(active)

    def split(self):
        """Two versions share the users by turns of weights, then one has them all."""
        listed = self.listed()
        for name, family in (("v1", "a"), ("v2", "b"), ("v3", "a")):
            if name not in listed:
                self.put(name, family)
                self.load(name)
        self.activate(v1=1, v2=1, force=True)
        self.activate(v2=1, v3=3, force=True)
        self.activate("v1", force=True)
        self.unload("v3")

    def test_no_answer_mixes_versions(self):
        self.hammer(self.swap, {"v1", "v2"})

    def test_nor_with_a_store_on_disk_and_little_memory(self):
        self.hammer(self.swap, {"v1", "v2"}, "--memory", f"{int(THREADS)}MiB",
                    "--durability", "async", store="rocksdb:{folder}/store")

    def test_nor_in_a_split(self):
        self.hammer(self.split, {"v1", "v2", "v3"})


class TestModels(ModelsTest):
    def test_refusals_leave_all_as_it_was(self):
        self.put("v1", "a")
        self.put("v2", "b")
        self.serve("--max-models", "3")
        before = self.listed()
        self.assertEqual(set(before), {"v1", "v2"})
        self.assertTrue(before["v2"].active)
        whole = (self.originals / "a").read_bytes()
        (self.folder / "half.safetensors").write_bytes(whole[:len(whole) // 2])
        (self.folder / "empty.safetensors").write_bytes(b"")
        (self.folder / "noise.safetensors").write_bytes(bytes(range(256)) * 100)
        source = pathlib.Path(__file__).parents[3]
        shutil.copy(source / OTHER_MODEL[self.family()], self.folder / "other.safetensors")
        for name in ("half", "empty", "noise"):
            with self.assert_refused(StatusCode.INVALID_ARGUMENT, f"{name}.safetensors"):
                self.load(name)
        with self.assert_refused(StatusCode.FAILED_PRECONDITION, "other", "event_types"):
            self.load("other")
        with self.assert_refused(StatusCode.NOT_FOUND, "nowhere"):
            self.load("nowhere")
        for name in ("", "../v1", ".hidden", "x" * 200):
            with self.assert_refused(StatusCode.INVALID_ARGUMENT, "name"):
                self.load(name)
        with self.assert_refused(StatusCode.ALREADY_EXISTS, "v1"):
            self.load("v1")
        with self.assert_refused(StatusCode.FAILED_PRECONDITION, "v2", "active"):
            self.unload("v2")
        with self.assert_refused(StatusCode.NOT_FOUND, "v9"):
            self.unload("v9")
        with self.assert_refused(StatusCode.NOT_FOUND, "v9"):
            self.activate("v9")
        with self.assert_refused(StatusCode.NOT_FOUND, "v9"):
            self.activate(v1=1, v9=1)
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "name"):
            self.activate()
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "shares", "weight"):
            self.activate(v1=1, v2=0)
        with self.assert_refused(StatusCode.INVALID_ARGUMENT, "v2", "share"):
            self.activate("v2", v1=1)
        with self.assert_refused(StatusCode.NOT_FOUND, "v9", "v1"):
            self.score(self.client, 1, "v9")
        self.assertEqual(self.listed(), before)
        self.put("v3", "a")
        self.put("v4", "a")
        self.load("v3")
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "max-models"):
            self.load("v4")

    def family(self):
        return "retail" if len(self.client.list_models()[0].event_types) == 1 else "kuairand"

    def test_a_file_has_no_folder(self):
        server = self.enterContext(Vqld(PROGRAM, MODEL, 1))
        self.client = self.connect(server.address)
        with self.assert_refused(StatusCode.FAILED_PRECONDITION, "folder"):
            self.load("v2")

    def test_caches_are_made_before_they_are_asked_for(self):
        self.put("v1", "a")
        self.serve()
        users = [fresh_user() for _ in range(60)]
        for user in users:
            for step in range(1 + user % 8):
                self.client.append(user, self.step_events(user, step))
        self.put("v2", "b")
        self.load("v2")
        self.wait_ready("v2")
        model = self.listed()["v2"]
        self.assertEqual((model.users, model.users_done), (len(users), len(users)))
        self.activate("v2")
        self.assertEqual(self.client.get(users[0]).model, "v2")
        for user in users:
            self.assertGreater(self.client.get(user).cache_bytes, 0)

    def test_users_stay_with_their_version(self):
        self.put("v1", "a")
        self.put("v2", "b")
        server = self.serve()
        users = [fresh_user() for _ in range(400)]
        self.activate(v1=1, v2=3)
        given = {user: self.score(self.client, user).model for user in users}
        other = self.connect(server.address)
        for user in users[:50]:
            self.assertEqual(self.score(other, user).model, given[user])
        share = sum(model == "v2" for model in given.values()) / len(users)
        self.assertTrue(0.6 < share < 0.9, share)
        self.activate(v1=1, v2=9)
        moved = [user for user in users if self.score(self.client, user).model != given[user]]
        self.assertTrue(all(given[user] == "v1" for user in moved))
        self.assertTrue(0 < len(moved) < 0.25 * len(users), len(moved))
        with self.assert_refused(StatusCode.FAILED_PRECONDITION, "share"):
            self.unload("v1")

    def test_the_newest_in_the_folder_takes_over(self):
        self.put("v9", "a")
        server = self.serve(policy="latest")
        self.put("v10", "b")
        self.wait_until(lambda: self.listed().get("v10") and self.listed()["v10"].active)
        self.assertEqual(set(self.listed()), {"v9", "v10"})
        whole = (self.originals / "a").read_bytes()
        slow = self.folder / "v11.safetensors"
        slow.write_bytes(whole[:1000])
        server.wait_for_log("cannot load the model")
        self.assertEqual(set(self.listed()), {"v9", "v10"})
        slow.write_bytes(whole)
        self.wait_until(lambda: set(self.listed()) == {"v10", "v11"})
        self.assertTrue(self.listed()["v11"].active)
        self.activate("v10")
        time.sleep(1.5)
        self.assertTrue(self.listed()["v10"].active)

    def test_memory_returns_to_its_level(self):
        self.put("v1", "a")
        server = self.serve(variables={"ASAN_OPTIONS": "quarantine_size_mb=1"})
        for user in (fresh_user() for _ in range(40)):
            self.client.append(user, self.step_events(user, 0))
        self.put("v2", "b")
        levels = []
        for cycle in range(CYCLES):
            self.load("v2")
            self.wait_ready("v2")
            for user in range(40):
                self.score(self.client, user, "v2")
            self.unload("v2")
            time.sleep(0.15)
            levels.append(resident_bytes(server.pid))
        self.assertLessEqual(max(levels[-3:]), min(levels[2:5]) + KEPT_BYTES, levels)

    def test_a_restart_finds_both_versions(self):
        self.put("v1", "a")
        self.put("v2", "b")
        user = fresh_user()
        store = self.enterContext(tempfile.TemporaryDirectory(prefix="vql-models-"))
        found = []
        for _ in range(2):
            server = self.serve(store=f"rocksdb:{store}")
            for step in range(STEPS):
                self.client.append(user, [event(self.items[k % len(self.items)], 0, FIRST_MS + step,
                                                event_id=k + 1)
                                          for k in range(step * 40, step * 40 + 40)])
            found.append([list(self.score(self.client, user, name).scores)
                          for name in ("v1", "v2")])
            server.terminate()
            server.wait()
        self.assertNotEqual(*found[0])
        for before, after in zip(*found):
            self.assert_close(before, after, TOLERANCE)
