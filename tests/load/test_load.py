"""vqlbench against a real vqld: every call is counted, once and where it belongs."""

import hashlib
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import hdr_log
from bench import Bench, MODEL, VQLD, run
from vqld import Vqld

ITEMS = 3000
STALL_S = 1.2


def latency(result, since="since_due"):
    return result["result"]["latency_ns"][since]


class Load(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vql-load-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def serve(self, *options, **more):
        server = Vqld(VQLD, MODEL, 1, *options, **more)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def check_counts(self, result):
        """What was due is somewhere; the intervals are the whole."""
        calls = result["calls"]
        self.assertEqual(calls["due"], calls["sent"] + calls["skipped"])
        self.assertEqual(calls["sent"], sum(calls["statuses"].values()) + calls["unanswered"])
        ok = calls["statuses"].get("OK", 0)
        self.assertEqual(result["latency_ns"]["since_due"]["count"], ok)
        self.assertEqual(result["latency_ns"]["since_sent"]["count"], ok)
        for name in ("due", "sent", "skipped", "unanswered"):
            self.assertEqual(sum(p["calls"][name] for p in result["timeline"]), calls[name])
        return calls

    def test_everything_at_once(self):
        server = self.serve()
        log = self.folder / "log"
        page = self.folder / "page.html"
        code, result, errors = run(
            server.address, self.folder, rate=1000, duration=2, warmup=0.3, items=ITEMS,
            users="zipf:500", candidates=20, events=3, arrivals="poisson", verify=True,
            mix="score=5,append=2,score-stream=2,append-stream=1", hdr_log=log, html=page)
        self.assertEqual(code, 0, errors)
        calls = self.check_counts(result["result"])
        self.assertEqual(calls["statuses"], {"OK": calls["due"]})
        self.assertAlmostEqual(calls["due"], 2000, delta=250)  # five standard deviations
        kinds = result["result"]["latency_ns"]["kinds"]
        self.assertEqual(set(kinds), {"score", "append", "score-stream", "append-stream"})
        self.assertEqual(sum(k["since_due"]["count"] for k in kinds.values()), calls["due"])
        self.assertEqual(result["verify"]["wrong"], 0)
        self.assertGreater(result["verify"]["compared"], 20)
        self.check_log(log, result)
        text = page.read_text()
        self.assertEqual(text.count("<svg"), 3)
        self.assertEqual(re.findall(r"(?:src|href)=", text), [])

    def check_log(self, path, result):
        intervals = hdr_log.read(path)
        for tag, since in (("due", "since_due"), ("sent", "since_sent")):
            mine = [i for i in intervals if i.tag == tag]
            self.assertEqual(sum(sum(i.counts) for i in mine), latency(result, since)["count"])
            for percent in ("50", "90", "99", "99.9"):
                expected = latency(result, since)["percentiles"][percent]
                found = hdr_log.percentile(mine, float(percent))
                self.assertLessEqual(abs(found - expected), max(expected // 1000, 1), percent)
            longest = max(i.longest for i in mine)
            self.assertAlmostEqual(longest, latency(result, since)["max"] / 1e6, places=3)

    def test_a_stalled_server_is_seen_by_all_calls_that_were_due(self):
        server = self.serve("--shed-target-ms", 60000, "--shed-interval-ms", 60000)
        bench = Bench(server.address, self.folder, rate=500, duration=4, warmup=0.2, items=ITEMS,
                      candidates=1, connections=1, streams=4)
        time.sleep(1.5)
        server.pause()
        time.sleep(STALL_S)
        server.resume()
        code, result = bench.finish()
        self.assertEqual(code, 0, bench.errors)
        calls = self.check_counts(result["result"])
        self.assertEqual(calls["statuses"], {"OK": 2000})
        due, sent = latency(result), latency(result, "since_sent")
        # Of 2,000 calls, those of the first 0.8 s of the stall waited 0.4 s at least; four had
        # been sent.
        self.assertGreater(due["percentiles"]["90"], 0.4e9)
        self.assertLess(sent["percentiles"]["99"], due["percentiles"]["90"] / 2)
        self.assertGreater(sent["max"], 0.8 * STALL_S * 1e9)

    def test_what_is_not_sent_is_skipped_and_what_is_not_answered_counted(self):
        server = self.serve()
        bench = Bench(server.address, self.folder, rate=500, duration=2, warmup=0.2, items=ITEMS,
                      candidates=1, connections=2, streams=3, backlog=10, drain_ms=200)
        time.sleep(1)
        server.pause()
        code, result = bench.finish()
        server.resume()
        self.assertEqual(code, 0, bench.errors)
        calls = self.check_counts(result["result"])
        self.assertEqual(calls["due"], 1000)
        self.assertEqual(calls["unanswered"], 6)
        self.assertGreater(calls["skipped"], 100)

    def test_refusals_are_counted_by_status(self):
        server = self.serve()
        code, result, _ = run(server.address, self.folder, rate=100, duration=1, warmup=0,
                              candidates=10001, items=ITEMS)
        self.assertEqual(code, 3)
        calls = self.check_counts(result["result"])
        self.assertEqual(calls["statuses"], {"RESOURCE_EXHAUSTED": 100})
        code, result, _ = run(server.address, self.folder, rate=200, duration=1, warmup=0,
                              model="none", items=ITEMS, mix="score=1,append=1")
        self.assertEqual(code, 0)
        calls = self.check_counts(result["result"])
        self.assertEqual(set(calls["statuses"]), {"NOT_FOUND", "OK"})
        self.assertEqual(sum(calls["statuses"].values()), 200)

    def test_a_lost_server_is_unavailable_until_it_is_back(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{listener.getsockname()[1]}"
        server = self.serve(listen=(address,))
        bench = Bench(server.address, self.folder, rate=300, duration=4, warmup=0, items=ITEMS,
                      candidates=500, streams=8)
        time.sleep(1)
        server.kill()
        self.serve(listen=(address,))
        code, result = bench.finish()
        self.assertEqual(code, 0, bench.errors)
        calls = self.check_counts(result["result"])
        self.assertEqual(calls["due"], 1200)
        self.assertLessEqual(set(calls["statuses"]), {"OK", "UNAVAILABLE"})
        self.assertGreater(calls["statuses"]["OK"], 300)
        self.assertGreater(result["result"]["connections"], 8)

    def test_a_closed_loop(self):
        server = self.serve()
        code, result, errors = run(server.address, self.folder, arrivals="closed", duration=1,
                                   warmup=0.2, items=ITEMS, candidates=10, connections=2, streams=2)
        self.assertEqual(code, 0, errors)
        calls = self.check_counts(result["result"])
        self.assertEqual(calls["statuses"], {"OK": calls["due"]})

    def test_wrong_answers_are_found(self):
        server = self.serve()
        other = self.serve()
        options = dict(rate=300, duration=1, warmup=0, users=50, items=ITEMS)
        code, _, errors = run(other.address, self.folder, mix="append=1", **options)
        self.assertEqual(code, 0, errors)
        code, result, _ = run(server.address, self.folder, verify=True,
                              verify_server=other.address, **options)
        self.assertEqual(code, 2)
        self.check_counts(result["result"])
        self.assertEqual(result["result"]["calls"]["statuses"]["DATA_LOSS"],
                         result["verify"]["wrong"])
        self.assertIn("score", result["verify"]["first_wrong"])

    def test_a_search_ends_with_a_rate_that_held(self):
        server = self.serve()
        code, result, errors = run(server.address, self.folder, search=2000, search_step=90,
                                   rate=50, duration=0.4, warmup=0.1, items=ITEMS,
                                   html=self.folder / "page", max_failed=1)
        self.assertEqual(code, 0, errors)
        rates = [trial["rate"] for trial in result["trials"]]
        self.assertIn(result["result"]["rate"], rates)
        self.assertLess(result["result"]["rate"], max(rates))
        self.assertIn("against the rate", (self.folder / "page").read_text())

    def test_an_interrupt_ends_it_with_what_there_is(self):
        server = self.serve()
        bench = Bench(server.address, self.folder, rate=200, duration=50, warmup=0, items=ITEMS)
        time.sleep(1.5)
        bench.process.send_signal(signal.SIGINT)
        code, result = bench.finish()
        self.assertEqual(code, 0, bench.errors)
        self.assertTrue(result["result"]["interrupted"])
        self.assertGreater(self.check_counts(result["result"])["due"], 100)

    def test_tls_and_a_token(self):
        cert, key, tokens = (self.folder / name for name in ("cert", "key", "tokens"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
        token = "vql_" + "5" * 64
        tokens.write_text(f"web shop score {hashlib.sha256(token.encode()).hexdigest()}\n")
        server = self.serve("--tls-cert", cert, "--tls-key", key, "--tokens", tokens)
        name = server.address.replace("127.0.0.1", "localhost")
        options = dict(rate=500, duration=1, warmup=0, items=ITEMS, tls_ca=cert, candidates=200)
        code, result, errors = run(name, self.folder, token=token, verify=True, **options)
        self.assertEqual(code, 0, errors)
        self.assertEqual(self.check_counts(result["result"])["statuses"], {"OK": 500})
        self.assertGreater(result["verify"]["compared"], 20)
        code, result, _ = run(name, self.folder, token=token, mix="append=1", **options)
        self.assertEqual(code, 3)
        self.assertEqual(result["result"]["calls"]["statuses"], {"PERMISSION_DENIED": 500})
        code, result, _ = run(name, self.folder, **options)
        self.assertEqual(result["result"]["calls"]["statuses"], {"UNAUTHENTICATED": 500})

    def test_a_unix_socket(self):
        server = self.serve(listen=(f"unix:{self.folder}/socket",))
        code, result, errors = run(server.address, self.folder, rate=500, duration=1, warmup=0,
                                   items=ITEMS)
        self.assertEqual(code, 0, errors)
        self.assertEqual(self.check_counts(result["result"])["statuses"], {"OK": 500})

    def test_nobody_there(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{listener.getsockname()[1]}"
        code, result, errors = run(address, self.folder, duration=1)
        self.assertEqual(code, 3)
        self.assertIsNone(result)
        self.assertIn("refused", errors)


if __name__ == "__main__":
    unittest.main()
