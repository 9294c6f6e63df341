"""A real Redis Cluster of six nodes on free ports of 127.0.0.1, in a folder that goes with it.

Nodes 0 to PRIMARIES - 1 begin as primaries, node i + PRIMARIES as the replica of node i.

    with RedisCluster() as cluster:
        Vqld(..., store=cluster.url) ...
        cluster.kill(0)
"""

import pathlib
import socket
import subprocess
import tempfile
import time

PRIMARIES = 3
NODES = 2 * PRIMARIES
SLOTS = 16384
NODE_TIMEOUT_MS = 1000  # after which a primary that is silent is replaced
START_S = 60


def free_ports(count):
    """Ports that nobody has at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(what, condition, seconds=START_S):
    """Waits until a condition holds, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (OSError, RedisError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class RedisError(Exception):
    """An error that Redis answered with."""


class Connection:
    """A connection to one node: call("GET", "key")."""

    def __init__(self, port, timeout_s=10):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._file = self._socket.makefile("rb")

    def call(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) +
                             b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self._read()

    def _read(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the node is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            return self._file.read(int(rest) + 2)[:-2]
        return [self._read() for _ in range(int(rest))]

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RedisNode:
    """One redis-server process."""

    def __init__(self, folder, port, *options):
        self.port = port
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(exist_ok=True)
        self._options = options
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    def start(self):
        """Starts the process and waits until it answers."""
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir",
                   self._folder, "--logfile", "log", "--save", "", *self._options]
        self._process = subprocess.Popen([str(word) for word in command],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(f"redis-server on port {self.port}", lambda: self._answers())

    def _answers(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"redis-server ended:\n{self.log()}")
        with self.connect() as connection:
            return connection.call("PING")

    def connect(self):
        return Connection(self.port)

    def call(self, *words):
        with self.connect() as connection:
            return connection.call(*words)

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def log(self):
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""


class RedisCluster:
    """Three primaries and their replicas; a context manager that leaves no process behind."""

    def __init__(self, *options):
        self._folder = tempfile.TemporaryDirectory(prefix="vql-redis-")
        ports = free_ports(2 * NODES)
        self.ports = ports[:NODES]
        self.nodes = [
            RedisNode(f"{self._folder.name}/{i}", self.ports[i], "--cluster-enabled", "yes",
                      "--cluster-port", ports[NODES + i], "--cluster-node-timeout",
                      NODE_TIMEOUT_MS, "--cluster-require-full-coverage", "no",
                      "--appendonly", "yes", "--repl-diskless-sync-delay", 0, *options)
            for i in range(NODES)]

    @property
    def url(self):
        """What vqld's --store takes."""
        return "redis://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self):
        """Starts all nodes, and waits until each knows all slots and every replica follows."""
        for node in self.nodes:
            node.start()
        for i in range(PRIMARIES):
            self.nodes[i].call("CLUSTER", "ADDSLOTSRANGE", SLOTS * i // PRIMARIES,
                               SLOTS * (i + 1) // PRIMARIES - 1)
            self.nodes[i].call("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            bus = int(node.call("CONFIG", "GET", "cluster-port")[1])
            self.nodes[0].call("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        wait_for("the cluster's nodes", lambda: all(self._known(n) == NODES for n in self.nodes))
        for i in range(PRIMARIES):
            primary = self.nodes[i].call("CLUSTER", "MYID")
            wait_for("a replica", lambda i=i, p=primary: self.nodes[i + PRIMARIES].call(
                "CLUSTER", "REPLICATE", p))
        self.wait_until_ready()

    @staticmethod
    def _known(node):
        return sum(b"handshake" not in line
                   for line in node.call("CLUSTER", "NODES").splitlines())

    def wait_until_ready(self):
        """Waits until every slot is served, and every replica that lives follows its primary."""
        wait_for("the cluster", lambda: all(self._is_ready(n) for n in self.living()))

    def _is_ready(self, node):
        state = node.call("CLUSTER", "INFO")
        role = node.call("ROLE")
        follows = role[0] == b"master" or role[3] == b"connected"
        return b"cluster_state:ok" in state and b"cluster_slots_ok:16384" in state and follows

    def living(self):
        return [n for n in self.nodes if n._process and n._process.poll() is None]

    def primaries(self):
        """The nodes that are primaries now."""
        return [n for n in self.living() if n.call("ROLE")[0] == b"master"]

    def primary_of(self, slot):
        """The node that serves a slot now."""
        for node in self.primaries():
            for first, last, *owners in node.call("CLUSTER", "SLOTS"):
                if first <= slot <= last and owners[0][1] == node.port:
                    return node
        raise LookupError(f"nobody serves slot {slot}")

    def move(self, slot, target, pause=lambda: None):
        """Moves a slot to another primary, key by key, while it is used; pause() comes between."""
        source = self.primary_of(slot)
        source_id, target_id = source.call("CLUSTER", "MYID"), target.call("CLUSTER", "MYID")
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            pause()
        for node in (target, source):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def kill(self, i):
        """Ends node i without its doing."""
        self.nodes[i].kill()

    def restart(self, i):
        """Starts node i again, with what it had on disk."""
        self.nodes[i].start()

    def stop(self):
        for node in self.nodes:
            node.kill()
        self._folder.cleanup()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()


def used_bytes(cluster):
    """The bytes that the primaries have in use."""
    total = 0
    for node in cluster.primaries():
        lines = node.call("INFO", "memory").decode().splitlines()
        total += int(next(x for x in lines if x.startswith("used_memory:")).partition(":")[2])
    return total
