"""Attackers of vqld: raw sockets, each in a process of its own, until they are told to stop."""

import multiprocessing
import socket
import struct
import time
import traceback

import frames


class Connection:
    """A connection that says what it is told to, and notes what the server answers."""

    def __init__(self, address, *pairs, silent=False):
        host, port = address.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self.closed = False
        self.goaway = None  # the error code of the server's
        self.frames = []
        if not silent:
            self.send(frames.PREFACE + frames.settings(*pairs))

    def send(self, data):
        """False once the server has closed the connection, or does not read for 10 s."""
        try:
            self._socket.settimeout(10)
            self._socket.sendall(data)
        except OSError:
            self.closed = True
        return not self.closed

    def receive(self, seconds=0.0):
        """Takes what has come. The frames are noted; False once the connection has ended."""
        self._socket.settimeout(max(seconds, 0.0001))
        try:
            data = self._socket.recv(1 << 20)
            self.closed |= not data
        except TimeoutError:
            return not self.closed
        except OSError:
            self.closed = True
            return False
        found, self._rest = frames.parse(self._rest + data)
        for kind, _, _, payload in found:
            if kind == frames.GOAWAY:
                self.goaway = struct.unpack("!I", payload[4:8])[0]
        self.frames += found
        return not self.closed

    def wait_for_end(self, seconds):
        """Reads until the server closes the connection. False: it did not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.receive(0.1):
                return True
        return False

    def close(self):
        self._socket.close()


def _run(attack, address, stop, results):
    """Attacks with one connection after the other; each result that there was, once."""
    found = set()
    try:
        while not stop.is_set():
            found.add(attack(address, stop))
    except BaseException:
        found.add(traceback.format_exc())
        raise
    finally:
        results.put(found)


class Attack:
    """An attack by some processes; a context manager. attack(address, stop) is one connection."""

    def __init__(self, attack, address, processes=2):
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._results = context.SimpleQueue()
        self._processes = [
            context.Process(target=_run, args=(attack, address, self._stop, self._results))
            for _ in range(processes)]

    def __enter__(self):
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for process in self._processes:
            process.join(20)
            if process.is_alive():
                process.kill()
                process.join()

    def results(self):
        """What the connections came to, after the attack."""
        out = set()
        while not self._results.empty():
            out |= self._results.get()
        return out


def flood(burst, *pairs):
    """An attack that sends burst(n), n = 0, 1, …; its result is the code of the GOAWAY, or None."""
    def attack(address, stop):
        connection = Connection(address, *pairs)
        number = 0
        while not stop.is_set() and connection.send(burst(number)) and connection.receive():
            number += 1
        connection.wait_for_end(0.2)
        connection.close()
        return connection.goaway
    return attack
