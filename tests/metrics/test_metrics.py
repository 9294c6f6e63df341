"""The admin port of a real vqld under load, the rules and the dashboard."""

import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import grpc
from bench import Bench, MODEL, VQLD, run
from prometheus import Prometheus, free_port
from vqld import Vqld

SOURCE = pathlib.Path(os.environ["METRICS_SOURCE"])
RULES = SOURCE / "deploy/prometheus/vqld.rules.yml"
DASHBOARD = SOURCE / "deploy/grafana/vqld.json"
LIST = SOURCE / "docs/METRICS.md"
WATCHED_S = 6
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SCORE = "/vql.v1.Scoring/Score"


def get(address, path, method="GET", **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request(method, path, headers={"Host": "localhost", **headers})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def parse(text):
    """The families, name: (type, help), and samples, (name, labels): value."""
    helps, types, samples = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, text_of = line[7:].split(" ", 1)
            assert name not in helps, f"{name} has two HELP"
            helps[name] = text_of
        elif line.startswith("# TYPE "):
            name, types_of = line[7:].split(" ")
            types[name] = types_of
        else:
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            assert (name, labels) not in samples, f"{line} is there twice"
            samples[name, labels or ""] = float(value)
    return {n: (types[n], helps[n]) for n in helps | types}, samples


def family_of(name, families):
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if families.get(base, ("",))[0] == "histogram" else name


def panels():
    board = json.loads(DASHBOARD.read_text())
    return [(p["title"], t["expr"]) for p in board["panels"] for t in p.get("targets", [])]


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="vql-metrics-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.admin = f"127.0.0.1:{free_port()}"
        cls.server = Vqld(VQLD, MODEL, 2, "--admin", cls.admin, "--slow-call-ms", 0,
                          store="rocksdb:{folder}/store")
        cls.addClassCleanup(cls.server.__exit__)

    def call(self, path, request=b"", **metadata):
        with grpc.insecure_channel(self.server.address) as channel:
            try:
                channel.unary_unary(path)(request, metadata=list(metadata.items()), timeout=10)
            except grpc.RpcError as error:
                return error.code().name
        return "OK"

    def scrape(self):
        status, text, headers = get(self.admin, "/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return text

    def value(self, name, labels=""):
        return parse(self.scrape())[1].get((name, labels), 0)

    def test_pages(self):
        self.assertEqual(get(self.admin, "/healthz")[:2], (200, "ok\n"))
        self.assertEqual(get(self.admin, "/readyz")[:2], (200, "ready\n"))
        self.assertIn("retail", get(self.admin, "/statusz")[1])
        status = json.loads(get(self.admin, "/statusz?format=json")[1])
        self.assertTrue(status["server"]["serving"])
        self.assertEqual(len(status["shards"]), 2)
        self.assertEqual(status["store"]["durability"], "sync")
        self.assertEqual(get(self.admin, "/healthz", "HEAD")[:2], (200, ""))
        self.assertEqual(get(self.admin, "/healthz", "POST")[0], 405)
        self.assertEqual(get(self.admin, "/nothing")[0], 404)
        self.assertEqual(get(self.admin, "/healthz", Host="rebound.example")[0], 421)

    def test_every_metric_is_described(self):
        """promtool finds nothing to mend; docs/METRICS.md has every family and no other."""
        self.call(SCORE)
        text = self.scrape()
        families, samples = parse(text)
        for name, _ in samples:
            kind, described = families[family_of(name, families)]
            self.assertIn(kind, ("counter", "gauge", "histogram"))
            self.assertGreater(len(described), 5, name)
        listed = set(re.findall(r"^\| `(\w+)", LIST.read_text(), re.MULTILINE))
        self.assertEqual(set(families), listed)
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              capture_output=True, check=False)
        self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ""))

    def test_counts_are_those_of_the_client(self):
        before = parse(self.scrape())[1]
        code, result, errors = run(self.server.address, self.folder, rate=300, duration=1,
                                   items=3000, candidates=20, events=3, mix="score=1,append=1",
                                   users="50")
        self.assertEqual(code, 0, errors)
        after = parse(self.scrape())[1]

        def grown(name, labels=""):
            return after[name, labels] - before.get((name, labels), 0)

        def calls(method, model):
            return grown("rpc_server_call_duration_seconds_count",
                         f'rpc_system_name="grpc",rpc_method="vql.v1.{method}",'
                         f'rpc_response_status_code="OK",vql_model="{model}"')

        scores, appends = calls("Scoring/Score", "retail"), calls("History/Append", "")
        self.assertGreaterEqual(scores + appends, result["result"]["calls"]["sent"])
        self.assertEqual(grown("vql_score_candidates_sum"), scores * 20)
        self.assertEqual(grown("vql_events_appended_total"), appends * 3)
        lookups = sum(grown("vql_cache_lookups_total", f'result="{r}"')
                      for r in ("hit", "miss", "unknown_user"))
        self.assertEqual(lookups, scores)
        self.assertGreater(grown("vql_cache_lookups_total", 'result="hit"'), 0)

    def test_traces(self):
        valid = self.value("vql_traceparents_total", 'result="valid"')
        invalid = self.value("vql_traceparents_total", 'result="invalid"')
        sampled = f"00-{TRACE}-00f067aa0ba902b7-01"
        time.sleep(1)  # a new second, in which lines may be logged
        self.assertEqual(self.call("/vql.v1.Models/List", traceparent=sampled), "OK")
        self.assertEqual(self.call("/vql.v1.Models/List",
                                   traceparent=sampled.replace("-01", "-00")), "OK")
        self.assertEqual(self.call(SCORE, traceparent=f"00-{TRACE}-00f067aa0ba902b8-00"),
                         "INVALID_ARGUMENT")
        self.assertEqual(self.call("/vql.v1.Models/List", traceparent="00-" + 32 * "0"), "OK")
        self.server.wait_for_log("parent_id=00f067aa0ba902b8")
        lines = [line for line in self.server.log().splitlines() if TRACE in line]
        self.assertEqual(len(lines), 2, lines)
        self.assertRegex(lines[0], "msg=call method=/vql.v1.Models/List status=OK")
        self.assertRegex(lines[1], f"status=INVALID_ARGUMENT .* trace_id={TRACE}")
        self.assertEqual(self.value("vql_traceparents_total", 'result="valid"'), valid + 3)
        self.assertEqual(self.value("vql_traceparents_total", 'result="invalid"'), invalid + 1)

    def test_failures_do_not_flood_the_log(self):
        time.sleep(1)
        before = self.server.log().count("msg=call")
        with grpc.insecure_channel(self.server.address) as channel:
            score = channel.unary_unary(SCORE)
            for call in [score.future(b"") for _ in range(300)]:
                self.assertEqual(call.code(), grpc.StatusCode.INVALID_ARGUMENT)
        seconds = 3  # that the calls may have taken, begun ones too
        self.assertLessEqual(self.server.log().count("msg=call") - before, 10 * seconds)

    def test_prometheus_rules_and_dashboard(self):
        subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
        with Prometheus(self.folder, self.admin, RULES) as prometheus:
            prometheus.wait()
            load = Bench(self.server.address, self.folder, rate=300, duration=WATCHED_S,
                         items=3000, candidates=20, mix="score=3,append=1", users="50")
            self.assertEqual(self.call(SCORE), "INVALID_ARGUMENT")
            time.sleep(WATCHED_S / 2)
            self.assertEqual(self.call(SCORE), "INVALID_ARGUMENT")
            self.assertEqual(load.finish()[0], 0, load.errors)
            time.sleep(1.5)  # the last scrape, and an evaluation after it
            self.check_rules(prometheus)
            for title, expression in panels():
                expression = expression.replace("$__rate_interval", "30s")
                expression = expression.replace("$instance", ".*")
                self.assertTrue(prometheus.query(expression), f"{title}: {expression}: no data")

    def check_rules(self, prometheus):
        """Each was evaluated, what an alert compares has data, and none fires."""
        for rule in prometheus.rules():
            self.assertEqual(rule["health"], "ok", rule)
            compared = re.sub(r" (==|>) \S+$", "", rule["query"])
            self.assertNotEqual(compared == rule["query"], rule["type"] == "alerting", rule)
            data = prometheus.query(compared)
            if "UNAVAILABLE" not in compared:  # of which there should be none
                self.assertTrue(data, f"{compared}: no data")
            if rule["type"] == "alerting":
                firing = [a for a in rule["alerts"] if a["state"] == "firing"]
                self.assertEqual(firing, [])  # what is only pending is a slow machine's

    def test_what_is_not_there_is_found(self):
        """A name that vqld does not have would be found, in a rule or a panel."""
        families = parse(self.scrape())[0]
        text = RULES.read_text() + "".join(e for _, e in panels())
        names = set(re.findall(r"\b((?:vql|rpc|process)_\w+)\b(?=[\[{ )/]|$)", text))
        names = {n for n in names if n not in ("rpc_method", "rpc_response_status_code",
                                               "vql_model")}
        self.assertGreater(len(names), 30)
        self.assertEqual({n for n in names if family_of(n, families) not in families}, set())

    def test_a_drain_is_seen(self):
        admin = f"127.0.0.1:{free_port()}"
        with Vqld(VQLD, MODEL, 1, "--admin", admin, "--drain-ms", 5000) as server:
            with grpc.insecure_channel(server.address) as channel:
                stream = channel.stream_stream("/vql.v1.Scoring/ScoreStream")
                held = stream(iter(lambda: time.sleep(3) or b"", None))
                time.sleep(0.2)
                self.assertEqual(get(admin, "/readyz")[0], 200)
                server.terminate()
                status = self.wait_for_change(admin, server)
                held.cancel()
            self.assertIn(status, (503, None))
            self.assertEqual(server.wait(), 0)

    @staticmethod
    def wait_for_change(admin, server):
        """What /readyz says once it does not say 200; None: the server is gone."""
        server.wait_for_log("msg=stopping")
        for _ in range(50):
            try:
                status = get(admin, "/readyz")[0]
            except OSError:
                return None
            if status != 200:
                return status
            time.sleep(0.02)
        return 200


if __name__ == "__main__":
    unittest.main()
