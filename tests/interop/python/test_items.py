"""Items that are added and changed while the server serves: UpsertItems, and vqlctl items."""

import array
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import threading
import time

from grpc import StatusCode
from vql.v1 import history_pb2, models_pb2

from client import CALL_S, NOW_MS, InteropTest, event, fresh_user, unhurried
from vqld import Vqld

ROOM = 500
NEW = 5_000_000_000  # ids from here on are no model's
CANDIDATES = 6000
FLIPS = 60
PATIENT = ("--shed-target-ms", 60000, "--shed-interval-ms", 60000)


class ModelFile:
    """What a model file says of its items, of which row 0 is the unknown one."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        (size,) = struct.unpack_from("<Q", data)
        self._header = json.loads(data[8:8 + size])
        self._data = data[8 + size:]
        names = self._header["__metadata__"]["fields"]
        self.fields = names.split(",") if names else []
        self.ids = self._read("item.id", "q")
        embedding = self._read("item.embedding", "f")
        self.width = len(embedding) // len(self.ids)
        self._embedding = embedding
        self._values = {f: (self._read(f"field.{f}.offsets", "i"),
                            self._read(f"field.{f}.indices", "i")) for f in self.fields}

    def _read(self, name, code):
        begin, end = self._header[name]["data_offsets"]
        return array.array(code, self._data[begin:end])

    def item(self, row, item_id):
        """An item like the one of a row."""
        fields = []
        for name, (offsets, indices) in self._values.items():
            values = indices[offsets[row]:offsets[row + 1]]
            fields.append(models_pb2.ItemField(name=name, values=values))
        begin = row * self.width
        return models_pb2.Item(id=item_id, fields=fields,
                               embedding=self._embedding[begin:begin + self.width])


@unhurried
class ItemsTest(InteropTest):
    def setUp(self):
        self.model = ModelFile(os.environ["INTEROP_MODEL"])

    def serve(self, *options, **arguments):
        server = self.enterContext(
            Vqld(os.environ["INTEROP_VQLD"], os.environ["INTEROP_MODEL"],
                 os.environ["INTEROP_THREADS"], "--max-new-items", ROOM, *PATIENT, *options,
                 **arguments))
        return server, self.connect(server.address)

    def upsert(self, client, *items, model=""):
        request = models_pb2.UpsertItemsRequest(model=model, items=items)
        return client.models.UpsertItems(request, timeout=CALL_S)

    def check_refused(self, status, text, client, *items, model=""):
        with self.assert_refused(status, text):
            self.upsert(client, *items, model=model)

    def scores_of(self, answer, index):
        tasks = len(answer.tasks)
        return list(answer.scores[index * tasks:(index + 1) * tasks])

    def check_same(self, client, user, item, other):
        """Two items have the same scores, and not those of the unknown item."""
        answer = client.score(user, [item, other, NEW - 1], time_ms=NOW_MS)
        self.assertEqual(answer.unknown_items, 1)
        self.assertEqual(self.scores_of(answer, 0), self.scores_of(answer, 1))
        self.assertNotEqual(self.scores_of(answer, 0), self.scores_of(answer, 2))

    def user_of(self, client, rows):
        user = fresh_user()
        client.append(user, [event(self.model.ids[row], time_ms=NOW_MS - row) for row in rows])
        return user

    def test_a_new_item_is_scored_like_one_known_from_the_start(self):
        server, client = self.serve()
        user = self.user_of(client, range(1, 40))
        before = client.score(user, [NEW], time_ms=NOW_MS)
        self.assertEqual(before.unknown_items, 1)
        answer = self.upsert(client, self.model.item(7, NEW), self.model.item(8, NEW + 1))
        self.assertEqual(answer.durability, history_pb2.MEMORY)
        self.assertEqual(list(answer.models), [client.list_models()[0].name])
        self.assertEqual((answer.room, answer.sequence), (ROOM - 2, 1))
        for one in (client, *(self.connect(server.address) for _ in range(8))):
            self.check_same(one, user, NEW, self.model.ids[7])
            self.check_same(one, user, NEW + 1, self.model.ids[8])

    def test_events_of_a_new_item_count(self):
        _, client = self.serve()
        self.upsert(client, self.model.item(9, NEW))
        users = fresh_user(), fresh_user()
        for user, item in zip(users, (NEW, self.model.ids[9])):
            client.append(user, [event(item, time_ms=NOW_MS - i) for i in range(40)])
        candidates = self.model.ids[1:50].tolist()
        answers = [client.score(user, candidates, time_ms=NOW_MS) for user in users]
        for one, other in zip(*(list(answer.scores) for answer in answers)):
            self.assertAlmostEqual(one, other, delta=1e-6)

    def test_changed_features(self):
        _, client = self.serve()
        user = self.user_of(client, range(1, 40))
        item, other = self.model.ids[3], self.model.ids[4]
        before = client.score(user, [item, other], time_ms=NOW_MS)
        self.assertNotEqual(self.scores_of(before, 0), self.scores_of(before, 1))
        self.upsert(client, self.model.item(4, item))
        self.check_same(client, user, item, other)
        after = client.score(user, [item, other], time_ms=NOW_MS)
        self.assertEqual(self.scores_of(after, 1), self.scores_of(before, 1))
        self.upsert(client, models_pb2.Item(id=item))  # nothing is said: nothing changes
        self.check_same(client, user, item, other)
        self.upsert(client, self.model.item(3, item))
        again = client.score(user, [item, other], time_ms=NOW_MS)
        self.assertEqual(list(again.scores), list(before.scores))

    def test_what_does_not_fit_is_refused_whole(self):
        _, client = self.serve()
        good = self.model.item(5, NEW)
        wrong = models_pb2.Item(id=NEW + 1, embedding=[1.0])
        field = models_pb2.Item(id=NEW + 1, fields=[models_pb2.ItemField(name="no such")])
        self.check_refused(StatusCode.INVALID_ARGUMENT, "items[1].embedding: item 5000000001 has 1",
                           client, good, wrong)
        self.check_refused(StatusCode.INVALID_ARGUMENT, 'has no field "no such"', client, good,
                           field)
        self.check_refused(StatusCode.INVALID_ARGUMENT, "items: none", client)
        self.check_refused(StatusCode.NOT_FOUND, "is not loaded", client, good, model="another")
        many = [models_pb2.Item(id=NEW + i) for i in range(ROOM + 1)]
        self.check_refused(StatusCode.RESOURCE_EXHAUSTED, "max-new-items", client, *many)
        user = fresh_user()
        self.assertEqual(client.score(user, [NEW, NEW + 1]).unknown_items, 2)
        self.upsert(client, *many[1:])
        self.check_refused(StatusCode.RESOURCE_EXHAUSTED, "max-new-items", client, many[0])

    def test_a_restart_has_them_again(self):
        with tempfile.TemporaryDirectory(prefix="vql-interop-") as folder:
            store = f"rocksdb:{folder}/store"
            user = fresh_user()
            server, client = self.serve(store=store)
            for i in range(20):
                answer = self.upsert(client, self.model.item(10 + i, NEW + i))
            self.assertEqual(answer.durability, history_pb2.SYNC)
            self.upsert(client, self.model.item(40, self.model.ids[41]))
            client.append(user, [event(NEW + i, time_ms=NOW_MS - i) for i in range(20)])
            candidates = [NEW + i for i in range(20)] + self.model.ids[1:60].tolist()
            before = client.score(user, candidates, time_ms=NOW_MS)
            self.assertEqual(before.unknown_items, 0)
            server.kill()
            server, client = self.serve(store=store)
            after = client.score(user, candidates, time_ms=NOW_MS)
            self.assertEqual(list(after.scores), list(before.scores))
            self.check_same(client, user, self.model.ids[41], self.model.ids[40])
            self.assertEqual(self.upsert(client, self.model.item(1, NEW)).sequence, 22)
            server.terminate()
            self.assertEqual(server.wait(), 0)
            check = subprocess.run(
                [os.environ["INTEROP_VQLD"], "--model", os.environ["INTEROP_MODEL"], "--store",
                 store, "--check"], capture_output=True, text=True, check=True)
            self.assertIn("upserts=22", check.stderr)

    def test_a_request_sees_one_state(self):
        server, client = self.serve()
        user = self.user_of(client, range(1, 40))
        done = threading.Event()
        kinds = [self.model.item(row, NEW) for row in (50, 51)]
        self.upsert(client, kinds[0])
        seen = set()
        torn = []

        def ask(one):
            filler = (self.model.ids[1:].tolist() * 2)[:CANDIDATES]
            while not done.is_set():
                answer = one.score(user, [NEW, *filler, NEW], time_ms=NOW_MS)
                first, last = self.scores_of(answer, 0), self.scores_of(answer, CANDIDATES + 1)
                seen.add(tuple(first))
                if first != last:
                    torn.append((first, last))

        askers = [threading.Thread(target=ask, args=(self.connect(server.address),))
                  for _ in range(4)]
        for asker in askers:
            asker.start()
        for i in range(FLIPS):
            self.upsert(client, kinds[(i + 1) % 2])
            self.check_same(client, user, NEW, self.model.ids[50 + (i + 1) % 2])
            time.sleep(0.005)
        done.set()
        for asker in askers:
            asker.join()
        self.assertEqual(torn, [])
        self.assertEqual(len(seen), 2)

    def test_vqlctl_upserts_a_file(self):
        server, client = self.serve()
        rows = range(60, 90)
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
            file.write("\t".join(["item_id", "embedding", *self.model.fields]) + "\n")
            for row in rows:
                item = self.model.item(row, NEW + row)
                columns = [str(item.id), ",".join(repr(x) for x in item.embedding)]
                columns += [",".join(map(str, f.values)) or "-" for f in item.fields]
                file.write("\t".join(columns) + "\n")
            file.flush()
            done = self.ctl(server, "items", "upsert", file.name, "--batch", "7")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"30 items upserted, room for {ROOM - 30} more", done.stdout)
            file.write("17\tnothing\n")
            file.flush()
            done = self.ctl(server, "items", "upsert", file.name)
            self.assertEqual(done.returncode, 1)
            self.assertIn(":32: embedding 'nothing': not numbers", done.stderr)
        user = self.user_of(client, range(1, 40))
        for row in rows:
            self.check_same(client, user, NEW + row, self.model.ids[row])

    def ctl(self, server, *words):
        return subprocess.run([os.environ["INTEROP_VQLCTL"], "--server", server.address, *words],
                              capture_output=True, text=True, check=False)
