"""deploy/haproxy/haproxy.cfg in a real HAProxy, on free ports, before up to three servers."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time

CONFIGURATION = pathlib.Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg"
SERVERS = 3
START_S = 30
SERVER_OPTIONS = ("proto h2 weight 256 check inter 1s fastinter 200ms downinter 500ms fall 2 rise 2"
                  " observe layer4 error-limit 1 on-error mark-down"
                  " on-marked-down shutdown-sessions tcp-ut 5s")  # as the file's default-server


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Proxy:
    """A context manager that leaves no process behind; servers are addresses."""

    def __init__(self, servers):
        self._folder = tempfile.TemporaryDirectory(prefix="vql-proxy-")
        self._socket = f"{self._folder.name}/socket"
        self.address = f"127.0.0.1:{free_port()}"
        self._environment = os.environ | {
            "VQL_PROXY_LISTEN": self.address,
            "VQL_PROXY_STATUS": f"127.0.0.1:{free_port()}",
            "VQL_PROXY_SOCKET": self._socket,
        } | {f"VQL_SERVER_{i + 1}": address for i, address in enumerate(servers)}
        assert len(servers) == SERVERS
        self.start()

    def start(self):
        """Starts the program, and waits until all servers have passed their checks."""
        with open(f"{self._folder.name}/log", "ab") as log:
            self._process = subprocess.Popen(
                [os.environ.get("CLUSTER_HAPROXY", "haproxy"), "-db", "-f", CONFIGURATION], env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.wait_for(dict.fromkeys((f"vqld-{i + 1}" for i in range(SERVERS)), "UP"))
        except BaseException:
            print(self.log())
            self.__exit__()
            raise

    def command(self, line):
        """What the running program answers to a line on its socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._socket)
            connection.sendall(f"{line}\n".encode())
            return connection.makefile().read().strip()

    def states(self):
        """The state of each server, "UP" among them, and how its last check ended."""
        head, *rows = self.command("show stat vqld 4 -1").removeprefix("# ").splitlines()
        stats = [dict(zip(head.split(","), row.split(","))) for row in rows]
        return {s["svname"]: (s["status"], s["check_status"], s["last_chk"]) for s in stats}

    def wait_for(self, expected):
        """Waits until the servers have these states, by a check and not for want of one."""
        deadline = time.monotonic() + START_S
        states = {}
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"haproxy ended with {self._process.returncode}")
            try:
                states = self.states()
            except OSError:
                states = {}
            if all(states.get(name, ("",))[0] == state and states[name][1] not in ("INI", "")
                   for name, state in expected.items()):
                return
            time.sleep(0.02)
        raise AssertionError(f"{expected} expected, found {states}")

    def add(self, number, address):
        """One server more, while it runs."""
        name = f"vqld/vqld-{number}"
        said = self.command(f"add server {name} {address} id {number} {SERVER_OPTIONS}")
        if "New server registered" not in said:
            raise RuntimeError(said)
        self.command(f"enable health {name}; enable server {name}")
        self.wait_for({f"vqld-{number}": "UP"})

    def drain(self, number):
        """No new calls for a server; those under way, and streams, go on."""
        self.command(f"set server vqld/vqld-{number} state drain")

    def ready(self, number):
        self.command(f"set server vqld/vqld-{number} state ready")

    def kill(self):
        self._process.kill()
        self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def log(self):
        return pathlib.Path(f"{self._folder.name}/log").read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self.kill()
        self._folder.cleanup()
