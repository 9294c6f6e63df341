"""TLS, tokens, quotas and listeners, as grpcio, vqlctl and openssl see them."""

import hashlib
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import time

import grpc
from grpc import StatusCode
from health_pb2 import HealthCheckRequest, HealthCheckResponse

from client import CALL_S, NOW_MS, InteropTest, Requests
from client import append_request, event, fresh_user, in_memory, score_request
from golden import known_items
from vqld import Vqld

TOKENS = {"web": "vql-web-token", "load": "vql-load-token", "root": "vql-root-token"}
TOKEN_LINES = {"web": "shop score", "load": "shop append", "root": "ops score,append,admin"}


def token_file(extra=""):
    """The server's file for TOKENS."""
    hashes = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
    lines = [f"{name} {line} {hashes[name]}" for name, line in TOKEN_LINES.items()]
    return "\n".join([*lines, extra, ""])


def bearer(name):
    return [("authorization", f"Bearer {TOKENS.get(name, name)}")]


@in_memory
class SecurityTest(InteropTest):
    """A test case with a folder of certificates, and servers of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vql-interop-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.items = known_items()
        self.make_identity("server")

    def make_identity(self, name, subject="localhost"):
        """NAME.cert and NAME.key, or new ones."""
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={subject}", "-addext",
             f"subjectAltName=DNS:{subject}", "-keyout", self.folder / f"{name}.key.new",
             "-out", self.folder / f"{name}.cert.new"], check=True, capture_output=True)
        for kind in ("key", "cert"):
            (self.folder / f"{name}.{kind}.new").rename(self.folder / f"{name}.{kind}")

    def serve(self, *options, **arguments):
        return self.enterContext(Vqld(os.environ["INTEROP_VQLD"], os.environ["INTEROP_MODEL"],
                                      os.environ["INTEROP_THREADS"], *options, **arguments))

    def serve_tls(self, *options, **arguments):
        return self.serve("--tls-cert", self.folder / "server.cert",
                          "--tls-key", self.folder / "server.key", *options, **arguments)

    def write_tokens(self, text):
        path = self.folder / "tokens"
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)
        return path

    def credentials(self, server="server", client=None):
        def pem(name):
            return (self.folder / name).read_bytes()
        if client:
            return grpc.ssl_channel_credentials(pem(f"{server}.cert"), pem(f"{client}.key"),
                                                pem(f"{client}.cert"))
        return grpc.ssl_channel_credentials(pem(f"{server}.cert"))

    def connect_tls(self, server, **arguments):
        return self.connect(self.name_of(server), self.credentials(**arguments))

    @staticmethod
    def name_of(server):
        return server.address.replace("127.0.0.1", "localhost")

    def score(self, client, token=None):
        return client.scoring.Score(score_request(fresh_user(), self.items[:3]), timeout=CALL_S,
                                    metadata=bearer(token) if token else None)

    def ctl(self, server, *words, environment=None):
        """vqlctl's exit code and what it printed, of a server or its address."""
        done = subprocess.run(
            [os.environ["INTEROP_VQLCTL"], "--server",
             server if isinstance(server, str) else self.name_of(server), *map(str, words)],
            env=os.environ | (environment or {}), capture_output=True, text=True,
            timeout=CALL_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def openssl_client(self, server, *options):
        """What openssl s_client says of a handshake."""
        done = subprocess.run(["openssl", "s_client", "-connect", server.address, *options],
                              input="", capture_output=True, text=True, timeout=CALL_S,
                              check=False)
        return done.stdout + done.stderr


class TlsTest(SecurityTest):
    def test_scores_over_tls(self):
        server = self.serve_tls()
        client = self.connect_tls(server)
        plain = self.serve()
        other = self.connect(plain.address)
        self.assertEqual(self.score(client).scores, self.score(other).scores)
        user = fresh_user()
        client.append(user, [event(self.items[i % 20], 0, NOW_MS - i) for i in range(5000)])
        self.assertEqual(len(client.get(user, max_events=5000).events), 5000)

    def test_streams_over_tls(self):
        client = self.connect_tls(self.serve_tls())
        requests = [score_request(fresh_user(), self.items) for _ in range(200)]
        self.assertEqual(len(list(client.score_stream(requests))), 200)

    def test_plaintext_is_refused(self):
        client = self.connect(self.serve_tls().address)
        with self.assert_refused(StatusCode.UNAVAILABLE):
            self.score(client)

    def test_only_http2(self):
        server = self.serve_tls()
        for options in ((), ("-alpn", "http/1.1"), ("-alpn", "http/1.1", "-tls1_2")):
            self.assertIn("alert no application protocol", self.openssl_client(server, *options))
        said = self.openssl_client(server, "-alpn", "http/1.1,h2")
        self.assertIn("ALPN protocol: h2", said)

    def test_only_good_ciphers(self):
        server = self.serve_tls()
        for options, words in (
                (("-tls1_2", "-cipher", "ECDHE+AES:!AESGCM:!AESCCM"), "handshake failure"),
                (("-tls1_2", "-cipher", "kRSA"), "handshake failure"),
                (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "alert protocol version"),
                (("-tls1_2",), "Cipher is ECDHE-ECDSA-AES256-GCM"),
                (("-tls1_3",), "Cipher is TLS_")):
            self.assertIn(words, self.openssl_client(server, "-alpn", "h2", *options), options)

    def test_client_certificates(self):
        self.make_identity("client")
        self.make_identity("stranger")
        server = self.serve_tls("--tls-client-ca", self.folder / "client.cert")
        self.score(self.connect_tls(server, client="client"))
        for client in (None, "stranger"):
            with self.assert_refused(StatusCode.UNAVAILABLE):
                self.score(self.connect_tls(server, client=client))

    def test_certificates_are_reloaded(self):
        """A new pair is used without a signal; open connections go on; a bad one is refused."""
        server = self.serve_tls()
        early = self.connect_tls(server)
        self.score(early)
        old = self.credentials()
        self.make_identity("server")
        server.wait_for_log("certificate reloaded")
        self.score(early)
        self.score(self.connect_tls(server))
        with self.assert_refused(StatusCode.UNAVAILABLE):
            self.score(self.connect(self.name_of(server), old))

        (self.folder / "server.cert").write_text("nonsense")
        server.hang_up()
        server.wait_for_log("new certificate refused, the old one stays")
        self.score(early)
        self.assertIn("server.cert: no start line", server.log())

    def test_bad_files_stop_the_start(self):
        self.make_identity("other")
        cases = (("other.key", 0o600, "does not belong to"), ("other.key", 0o644, "mode 0644"),
                 ("none.key", None, "none.key: No such file"))
        for key, mode, words in cases:
            if mode:
                (self.folder / key).chmod(mode)
            with self.assertRaises(RuntimeError) as caught:
                self.serve("--tls-cert", self.folder / "server.cert",
                           "--tls-key", self.folder / key)
            self.assertIn(words, str(caught.exception))
            self.assertIn(key, str(caught.exception))

    def test_half_open_handshakes(self):
        """Peers that say nothing lose their place to others, and are gone after the time-out."""
        server = self.serve_tls("--max-handshakes", 4, "--handshake-ms", 1500)
        host, port = server.address.rsplit(":", 1)
        silent = [socket.create_connection((host, int(port))) for _ in range(100)]
        client = self.connect_tls(server)
        self.score(client)
        for peer in silent:
            peer.settimeout(CALL_S)
            self.assertEqual(peer.recv(1), b"")
            peer.close()
        self.score(client)

    def test_handshake_without_http2(self):
        """The time for the handshake goes on behind TLS's, until the client says HTTP/2."""
        server = self.serve_tls("--handshake-ms", 1500)
        host, port = server.address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.folder / "server.cert")
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        begin = time.monotonic()
        with socket.create_connection((host, int(port)), CALL_S) as plain:
            time.sleep(0.7)
            with context.wrap_socket(plain) as peer:
                while peer.recv(4096):
                    pass
        self.assertGreater(time.monotonic() - begin, 1.4)
        client = self.connect_tls(server)
        self.score(client)
        time.sleep(1.6)
        self.score(client)

    def test_drain(self):
        server = self.serve_tls()
        client = self.connect_tls(server)
        watch = client.health.Watch(HealthCheckRequest(), timeout=CALL_S)
        self.assertEqual(next(watch).status, HealthCheckResponse.SERVING)
        server.terminate()
        self.assertEqual(next(watch).status, HealthCheckResponse.NOT_SERVING)
        self.assertEqual(server.wait(), 0, server.log())


class TokenTest(SecurityTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve_tls("--tokens", self.write_tokens(token_file()))
        self.client = self.connect_tls(self.server)

    def append(self, token):
        request = append_request(fresh_user(), [event(self.items[0])])
        return self.client.history.Append(request, timeout=CALL_S, metadata=bearer(token))

    def test_scopes(self):
        self.score(self.client, "web")
        self.append("load")
        self.score(self.client, "root")
        with self.assert_refused(StatusCode.PERMISSION_DENIED, "token load", "scope score"):
            self.score(self.client, "load")
        with self.assert_refused(StatusCode.PERMISSION_DENIED, "token web", "scope append"):
            self.append("web")

    def test_strangers(self):
        with self.assert_refused(StatusCode.UNAUTHENTICATED, "no bearer token", "scope score"):
            self.score(self.client)
        for token in ("stranger-token", "x" * 249, "x" * 4000):
            with self.assert_refused(StatusCode.UNAUTHENTICATED, "not known", "scope score"):
                self.score(self.client, token)
        with self.assert_refused(StatusCode.UNAUTHENTICATED):
            self.client.list_models()
        self.assertNotIn("stranger-token", self.server.log())

    def test_health_needs_none(self):
        answer = self.client.health.Check(HealthCheckRequest(), timeout=CALL_S)
        self.assertEqual(answer.status, HealthCheckResponse.SERVING)

    def test_streams(self):
        requests = [score_request(fresh_user(), self.items[:2])] * 3
        answers = self.client.scoring.ScoreStream(iter(requests), timeout=CALL_S,
                                                  metadata=bearer("web"))
        self.assertEqual(len(list(answers)), 3)
        with self.assert_refused(StatusCode.PERMISSION_DENIED, "scope score"):
            list(self.client.scoring.ScoreStream(iter(requests), timeout=CALL_S,
                                                 metadata=bearer("load")))

    def test_reload(self):
        self.write_tokens(token_file().replace("web ", "# "))
        self.server.hang_up()
        self.server.wait_for_log("tokens reloaded")
        with self.assert_refused(StatusCode.UNAUTHENTICATED, "not known"):
            self.score(self.client, "web")
        self.score(self.client, "root")
        self.write_tokens("nonsense")
        self.server.wait_for_log("new tokens refused, the old ones stay")
        self.score(self.client, "root")

    def test_vqlctl(self):
        ca = ("--tls-ca", self.folder / "server.cert")
        code, said = self.ctl(self.server, *ca, "score", 1, *self.items[:3],
                              environment={"VQL_TOKEN": TOKENS["web"]})
        self.assertEqual(code, 0, said)
        (self.folder / "token").write_text(TOKENS["load"] + "\n")
        code, said = self.ctl(self.server, *ca, "--token-file", self.folder / "token", "score", 1,
                              self.items[0])
        self.assertEqual(code, 2, said)
        self.assertIn("PERMISSION_DENIED: token load: the method needs scope score", said)
        code, said = self.ctl(self.server, *ca, "--tls-server-name", "elsewhere", "models")
        self.assertEqual(code, 3, said)
        self.assertIn("hostname mismatch", said)
        code, said = self.ctl(self.server, "--tls", "models")
        self.assertEqual(code, 3, said)
        self.assertIn("certificate verify failed", said)

    def test_vqlctl_makes_tokens(self):
        code, said = self.ctl(self.server, "token", "new", "shop", "score")
        self.assertEqual(code, 0, said)
        token, line = said.splitlines()
        self.write_tokens(token_file(line))
        self.server.wait_for_log("tokens reloaded")
        self.score(self.client, token)
        code, said = self.ctl(self.server, "token", "new", "shop", "write")
        self.assertEqual(code, 1, said)


class QuotaTest(SecurityTest):
    def start(self, quota):
        self.server = self.serve("--tokens", self.write_tokens(token_file(quota)))
        self.client = self.connect(self.server.address)

    def test_rate(self):
        """A tenant's requests count together, whichever connection and thread they come by."""
        self.start("quota shop rate=2 burst=20")
        clients = [self.connect(self.server.address) for _ in range(8)]
        begin = time.monotonic()
        codes = [client.scoring.Score.future(score_request(fresh_user(), self.items[:1]), CALL_S,
                                             metadata=bearer("web")).code()
                 for _ in range(5) for client in clients]
        seconds = time.monotonic() - begin
        allowed = codes.count(StatusCode.OK)
        self.assertGreaterEqual(allowed, 20)
        self.assertLessEqual(allowed, 20 + 2 * seconds + 1)
        self.assertEqual(set(codes), {StatusCode.OK, StatusCode.RESOURCE_EXHAUSTED})
        self.score(self.client, "root")  # another tenant

    def test_rate_says_when_to_come_back(self):
        self.start("quota shop rate=1 burst=1")
        self.score(self.client, "web")
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in range(3):
                self.score(self.client, "web")
        self.assertEqual(caught.exception.code(), StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("tenant shop: rate", caught.exception.details())
        trailers = dict(caught.exception.trailing_metadata())
        self.assertIn(int(trailers["grpc-retry-pushback-ms"]), range(1, 1001))

    def test_rate_of_a_stream(self):
        """The requests of a stream count one by one; what was allowed is answered."""
        self.start("quota shop rate=1 burst=5")
        requests = [score_request(fresh_user(), self.items[:1])] * 10
        answers = self.client.scoring.ScoreStream(iter(requests), timeout=CALL_S,
                                                  metadata=bearer("web"))
        for _ in range(5):
            next(answers)
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "tenant shop", "rate"):
            list(answers)

    def test_in_flight(self):
        self.start("quota shop in-flight=2")
        streams = []
        for _ in range(2):
            requests = Requests()
            self.addCleanup(requests.close)
            answers = self.client.scoring.ScoreStream(iter(requests), timeout=CALL_S,
                                                      metadata=bearer("web"))
            requests.put(score_request(fresh_user(), self.items[:1]))
            next(answers)
            streams.append((requests, answers))
        with self.assert_refused(StatusCode.RESOURCE_EXHAUSTED, "tenant shop", "in-flight"):
            self.score(self.client, "web")
        requests, answers = streams[0]
        requests.close()
        self.assertEqual(list(answers), [])
        self.score(self.client, "web")


class ListenerTest(SecurityTest):
    def test_several_addresses(self):
        path = self.folder / "socket"
        server = self.serve_tls("--unix-mode", "0600",
                                listen=("127.0.0.1:0", f"unix:{path}", "[::1]:0"))
        self.assertEqual(len(server.addresses), 3)
        self.score(self.connect_tls(server))
        self.score(self.connect(f"unix:{path}"))
        code, printed = self.ctl(f"unix:{path}", "models")
        self.assertEqual(code, 0, printed)
        code, printed = self.ctl(f"unix:{path}", "--tls", "models")
        self.assertEqual(code, 1, printed)
        self.assertIn("unix:/PATH without TLS", printed)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        server.terminate()
        self.assertEqual(server.wait(), 0, server.log())
        self.assertFalse(path.exists())

    def test_second_server_on_a_socket(self):
        path = self.folder / "socket"
        first = self.serve(listen=(f"unix:{path}",))
        with self.assertRaises(RuntimeError) as caught:
            self.serve(listen=(f"unix:{path}",))
        self.assertIn("another server listens there", str(caught.exception))
        self.score(self.connect(first.address))
        first.kill()
        self.assertTrue(path.exists())
        self.score(self.connect(self.serve(listen=(f"unix:{path}",)).address))

    def test_connections_per_address(self):
        server = self.serve("--max-connections-per-address", 3)
        host, port = server.address.rsplit(":", 1)
        peers = [socket.create_connection((host, int(port))) for _ in range(3)]
        for peer in peers:
            self.assertTrue(peer.recv(9))  # the server's SETTINGS
        with socket.create_connection((host, int(port))) as late:
            self.assertEqual(late.recv(9), b"")
        server.wait_for_log("limit=max-connections-per-address")
        from_elsewhere = socket.create_connection((host, int(port)),
                                                  source_address=("127.0.0.2", 0))
        self.assertTrue(from_elsewhere.recv(9))
        for peer in (*peers, from_elsewhere):
            peer.close()
        self.wait_until_scored(server)

    def wait_until_scored(self, server):
        """The places of those that have gone are free again."""
        request = score_request(fresh_user(), self.items[:3])
        self.connect(server.address).scoring.Score(request, timeout=CALL_S, wait_for_ready=True)
