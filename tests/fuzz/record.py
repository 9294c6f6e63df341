#!/usr/bin/python3
"""Records conversations of a real gRPC client with a real vqld, as inputs for the fuzz targets.

    record.py --vqld PROGRAM --stubs FOLDER OUT    writes OUT/TARGET/NAME

A relay between the two writes down the bytes of each connection: the client's are inputs of the
session, the server's of the client and of load. The messages and the headers are inputs of their
own. The first byte of an input is what its target reads first; the targets' own comments say what
for.
"""

import argparse
import contextlib
import gzip
import hashlib
import os
import pathlib
import socket
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))

MODEL = ROOT / "examples/retail/model.safetensors"
PIECES = (0, 7, 100)  # of a conversation: whole, in sevens, in hundreds
ITEM = 71_053

HEADERS = [
    ":method:POST\n:scheme:http\n:path:/vql.v1.Scoring/Score\n:authority:localhost:7070\n"
    "te:trailers\ncontent-type:application/grpc\nuser-agent:grpc-python/1.51.1 grpc-c/29.0.0\n"
    "grpc-accept-encoding:identity, deflate, gzip\ngrpc-timeout:999m\nx-vql-user:17\n",
    ":method:GET\n:path:/\ncontent-type:text/html\n",
    ":method:POST\n:path:/grpc.health.v1.Health/Check\ncontent-type:application/grpc+proto\n"
    "grpc-encoding:gzip\ngrpc-timeout:0n\ntrace-bin:AAEC/w==\n",
    "grpc-timeout:99999999H\ngrpc-timeout:1S\ngrpc-timeout:12u\ngrpc-timeout:3M\ngrpc-timeout:\n",
    "grpc-message:100%25 \u00e4 %zz %\ngrpc-status:14\ngrpc-retry-pushback-ms:100\n",
]

CONFIGS = [
    "model = /srv/model.safetensors\nlisten = 127.0.0.1:7070\nthreads = 2\n; a comment\n",
    "model=m\nlisten=[::1]:0\nmax-message-bytes = 4MiB\nmemory = 1 GiB\nlog-level = debug\n",
    "model = m\nmax-events = 0\n", "[section]\nmodel = m\n", "modell = m\n",
    "model = m\nmodel = n\n",
    "model = m\ncheck = yes\nkernel = avx2\ncache-format = int8\ndrain-ms = 10000000000000\n",
]


class Relay:
    """Carries bytes between a client and the server, and writes them down."""

    def __init__(self, server):
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = []  # [from the client, from the server]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._server)
            record = [bytearray(), bytearray()]
            self.connections.append(record)
            for number, ends in enumerate(((client, server), (server, client))):
                threading.Thread(target=self._carry, args=(*ends, record[number]),
                                 daemon=True).start()

    @staticmethod
    def _carry(source, sink, record):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                record.extend(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


TOKENS = [
    f"# name tenant scopes hash\nweb-1 shop score {'9f' * 32}\n"
    f"load\tshop append,score {'60' * 32}\n"
    "quota shop rate=1000 burst=2000 in-flight=64\n",
    f"a t admin {'00' * 32}\r\nb u score,append,admin {'FF' * 32}\n\nquota u in-flight=1",
    f"a t score {'9f' * 32}\na t score {'60' * 32}\n",
    f"a t score {'9f' * 32}\nb t score {'9f' * 32}\n",
    f"a t none {'9f' * 32}\n", "a t score 9f\n", "quota t rate=1\n", "quota t burst=x rate=0\n",
]
PACKED = [
    gzip.compress(b"", mtime=0), gzip.compress(bytes(200_000), mtime=0),
    gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0),
    gzip.compress(b"three", mtime=0) + b"rest", b"AAECAwQ=", b"AA==", b"AAE", b"\x0a\x02hi\x10\x05",
]


class Writer:
    """Inputs, each under the hash of its bytes."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)

    def __call__(self, target, data):
        folder = self._folder / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def unary(client, write):
    """Every unary method, right and wrong."""
    import grpc
    from client import append_request, event, fresh_user, score_request
    from vql.v1 import history_pb2
    user = fresh_user()
    asked = [
        (1, client.history.Append, append_request(user, [event(ITEM, 0, 1_700_000_000_000, 5)])),
        (1, client.history.Append, append_request(user, [event(1, 0, 0), event(2), event(ITEM)])),
        (1, client.history.Append, append_request(user, [event(1, 99)])),
        (1, client.history.Append, append_request(user, [])),
        (0, client.scoring.Score, score_request(user, [ITEM, 1, 2**64 - 1], min_sequence=2)),
        (0, client.scoring.Score, score_request(user, range(1, 300), time_ms=1_800_000_000_000)),
        (0, client.scoring.Score, score_request(user, [1], events=[event(2, 0, 5, 6)])),
        (0, client.scoring.Score, score_request(user, [1], model="other")),
        (0, client.scoring.Score, score_request(user, [])),
        (2, client.history.Get, history_pb2.GetRequest(user_id=user, max_events=10)),
        (2, client.history.Get, history_pb2.GetRequest(user_id=user, before_sequence=2)),
        (3, client.history.Delete, history_pb2.DeleteRequest(user_id=user)),
    ]
    answers = {1: 6, 0: 5, 2: 7, 3: 8}  # by request: what message.c calls their answers
    for number, method, request in asked:
        packed = request.SerializeToString()
        write("message", bytes([number]) + packed)
        write("inflate", packed)
        write("inflate", gzip.compress(packed, mtime=0))
        write("frame", bytes([len(packed) % 64]) + frame(packed) * 2 + frame(b""))
        with contextlib.suppress(grpc.RpcError):
            answer = method(request, timeout=10).SerializeToString()
            write("message", bytes([answers[number]]) + answer)
            write("frame", b"\x05" + frame(answer))


def rest(client, write):
    """Streams, models and health, and calls that are cancelled."""
    import grpc
    import health_pb2
    from client import append_request, event, fresh_user, score_request
    from vql.v1 import models_pb2
    user = fresh_user()
    appends = [append_request(user, [event(i, 0, i)]) for i in range(1, 5)]
    list(client.history.AppendStream(iter(appends)))
    list(client.scoring.ScoreStream(iter([score_request(user, [i, ITEM]) for i in range(1, 4)])))
    models = client.models.List(models_pb2.ListModelsRequest())
    write("message", b"\x09" + models.SerializeToString())
    for service in ("", "vql.v1.Scoring", "none", "\u00e4"):
        request = health_pb2.HealthCheckRequest(service=service)
        write("message", b"\x04" + request.SerializeToString())
        with contextlib.suppress(grpc.RpcError):
            answer = client.health.Check(request)
            write("message", b"\x0a" + answer.SerializeToString())
    watch = client.health.Watch(health_pb2.HealthCheckRequest())
    next(watch)
    watch.cancel()
    with contextlib.suppress(grpc.RpcError):
        client.scoring.Score(score_request(user, [1]), timeout=0.0001)


def frame(message, flag=0):
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def record(vqld, write):
    """All conversations, each on a connection of its own."""
    from vqld import Vqld
    with Vqld(vqld, MODEL, 1) as server:
        relay = Relay(server.address)
        os.environ["INTEROP_SERVER"] = relay.address
        from client import Client
        for conversation in (unary, rest):
            client = Client(relay.address)
            conversation(client, write)
            if conversation is rest:
                server.terminate()
                time.sleep(0.5)
            client.close()
        time.sleep(0.5)
    for said, answered in relay.connections:
        for piece in PIECES:
            write("session", bytes([piece]) + bytes(said))
            for target in ("client", "load"):
                write(target, bytes([piece]) + bytes(answered))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vqld", required=True)
    parser.add_argument("--stubs", required=True)
    parser.add_argument("out")
    arguments = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(arguments.stubs).resolve()))
    sys.path.insert(0, str(ROOT / "tests/interop/python"))
    write = Writer(arguments.out)
    record(arguments.vqld, write)
    write("frame", b"\x01" + frame(b"x", 1) + frame(b"y", 2))
    write("frame", b"\x01" + frame(b"z" * 299) + b"\0\xff\xff\xff\xff")
    for text in HEADERS:
        write("headers", text.encode())
    for text in CONFIGS:
        write("config", text.encode())
    for text in TOKENS:
        write("token", text.encode())
    for data in PACKED:
        write("inflate", data)


if __name__ == "__main__":
    main()
