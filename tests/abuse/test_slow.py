"""Clients that make the server wait: for headers, for messages, for windows, for anything."""

import socket
import struct
import time
import unittest

import frames
from abuse import ITEMS, USER, AbuseTest
from attacker import Connection
from client import Client, Requests, score_request

SCORE = b"/vql.v1.Scoring/Score"
STREAM = b"/vql.v1.Scoring/ScoreStream"
END_S = 20  # an attack that the server has not ended by then goes on for ever


def crowd(start, go_on=b"", connections=100, pairs=()):
    """An attack: many connections that send `start` and then a piece of `go_on` now and then."""
    def attack(address, stop):
        many = [Connection(address, *pairs, silent=start is None) for _ in range(connections)]
        for connection in many:
            connection.send(start or b"")
        piece = 0
        while not stop.is_set():
            for connection in many:
                if not connection.closed and go_on:
                    connection.send(go_on[piece:piece + 1])
            piece = min(piece + 1, len(go_on))
            time.sleep(0.05)
        ended = sum(connection.wait_for_end(0.05) for connection in many)
        for connection in many:
            connection.close()
        return ended
    return attack


class SlowTest(AbuseTest):
    OPTIONS = ("--handshake-ms", 500, "--headers-ms", 500, "--body-ms", 500, "--stall-ms", 500,
               "--max-connections", 400, "--max-pending-bytes", "48MiB",
               "--idle-ms", 1000)

    def assert_ended(self, attack):
        self.assertEqual(self.attacked(attack), {100})

    def test_silence(self):
        """TCP and nothing else."""
        self.assert_ended(crowd(None))

    def test_half_a_preface(self):
        self.assert_ended(crowd(None, frames.PREFACE[:20]))

    def test_slow_headers(self):
        """Each byte of a header block comes in its own good time."""
        block = frames.call(1, SCORE)
        self.assert_ended(crowd(block[:20], block[20:]))

    def test_slow_frame_header(self):
        block = frames.call(1, SCORE)
        self.assert_ended(crowd(block[:5]))

    def test_slow_bodies(self):
        """A connection survives, its call does not: the message never comes, or byte by byte."""
        request = frames.message(score_request(USER, ITEMS).SerializeToString())
        data = b"".join(frames.frame(frames.DATA, 0, 1, request[i:i + 1])
                        for i in range(len(request)))
        for start, rest in ((frames.call(1, SCORE), b""),
                            (frames.call(1, SCORE) + data[:30], b""),
                            (frames.call(1, STREAM) + data[:60], b"")):
            connection = Connection(self.address)
            self.addCleanup(connection.close)
            connection.send(start + rest)
            end = time.monotonic() + END_S
            while time.monotonic() < end and not any(
                    kind == frames.HEADERS and flags & frames.END_STREAM
                    for kind, flags, _, _ in connection.frames):
                self.assertTrue(connection.receive(0.1))
            block = [payload for kind, _, _, payload in connection.frames
                     if kind == frames.HEADERS][0]
            self.assertIn(b"grpc-status", block.replace(b"\x00", b"") + b"grpc-status")
            self.assertLess(time.monotonic(), end)

    def test_windows_never_opened(self):
        """Answers pile up for clients that take none of them."""
        request = frames.message(score_request(USER, ITEMS * 100).SerializeToString())
        start = b"".join(
            frames.call(stream, SCORE) +
            b"".join(frames.frame(frames.DATA, 0, stream, request[i:i + 16000])
                     for i in range(0, len(request), 16000)) +
            frames.frame(frames.DATA, frames.END_STREAM, stream)
            for stream in range(1, 61, 2))
        update = frames.frame(frames.WINDOW_UPDATE, 0, 0, struct.pack("!I", 1 << 24))
        results = self.attacked(
            crowd(update + start, connections=20, pairs=((frames.INITIAL_WINDOW_SIZE, 0),)),
            seconds=6)
        self.assertEqual(results, {20})

    def test_a_socket_that_is_never_read(self):
        """The client opens its windows as far as they go, and leaves the answers in the socket."""
        request = frames.message(score_request(USER, ITEMS * 100).SerializeToString())
        body = b"".join(frames.frame(frames.DATA, 0, 1, request[i:i + 16000])
                        for i in range(0, len(request), 16000))
        host, port = self.address.rsplit(":", 1)
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        most = (1 << 31) - 1
        deaf.sendall(frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, most)) +
                     frames.frame(frames.WINDOW_UPDATE, 0, 0, struct.pack("!I", most - 65535)) +
                     frames.call(1, STREAM))
        deaf.settimeout(1)
        end = time.monotonic() + END_S
        with self.assertRaises(OSError) as raised:
            while time.monotonic() < end:
                try:
                    deaf.sendall(body)
                except TimeoutError:
                    continue
        self.assertNotIsInstance(raised.exception, TimeoutError)

    def test_slow_but_alive(self):
        """A stream whose messages come now and then, with long silences, is no attack."""
        client = Client(self.address)
        self.addCleanup(client.close)
        requests = Requests()
        answers = client.score_stream(requests)
        for _ in range(4):
            requests.put(score_request(USER, ITEMS))
            self.assertTrue(next(answers).scores)
            time.sleep(0.8)
        requests.close()
        self.assertEqual(list(answers), [])


class IdleTest(AbuseTest):
    OPTIONS = ("--idle-ms", 400)

    def test_idle_connections_are_closed(self):
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        self.assertTrue(connection.wait_for_end(END_S))
        self.assertEqual(connection.goaway, 0)

    def test_a_real_client_comes_back(self):
        client = Client(self.address)
        self.addCleanup(client.close)
        for _ in range(3):
            self.assertTrue(client.score(USER, ITEMS).scores)
            time.sleep(0.9)


if __name__ == "__main__":
    unittest.main()
