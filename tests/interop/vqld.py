"""A vqld process under test: started on a free port, stopped by SIGTERM."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

MAX_CANDIDATES = 10_000
MAX_EVENTS = 10_000
MAX_MESSAGE_BYTES = 4 << 20
MAX_FUTURE_MS = 24 * 3600 * 1000
DRAIN_MS = 1000

START_S = 60
STOP_S = 60


class Vqld:
    """Starts vqld and waits until it serves; a context manager that leaves no process behind."""

    def __init__(self, program, model, threads, *options, listen=("127.0.0.1:0",), store="memory",
                 variables=None):
        """store: as --store takes it, with {folder} for a folder that goes with the server."""
        self._folder = tempfile.TemporaryDirectory(prefix="vql-interop-")
        folder = pathlib.Path(self._folder.name)
        self.log_file = folder / "log"
        port_file = folder / "address"
        command = [
            program, "--model", model, "--listen", ",".join(listen), "--port-file", port_file,
            "--threads", threads, "--log-level", "info", "--store", store.format(folder=folder),
            "--max-candidates", MAX_CANDIDATES, "--max-events", MAX_EVENTS,
            "--max-message-bytes", MAX_MESSAGE_BYTES, "--max-future-ms", MAX_FUTURE_MS,
            "--drain-ms", DRAIN_MS, *options,
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VQL_")}
        environment |= variables or {}
        with open(self.log_file, "wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command], env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT)
        try:
            self.addresses = self._wait_for_address(port_file).split()
            self.address = self.addresses[0]
        except BaseException:
            self.__exit__()
            raise

    def _wait_for_address(self, port_file):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if port_file.exists():
                return port_file.read_text().strip()
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        raise RuntimeError(f"vqld does not serve (exit code {self._process.poll()}):\n{self.log()}")

    @property
    def pid(self):
        return self._process.pid

    def terminate(self):
        """Asks the server to stop, without waiting for it."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self):
        """Ends the server without its doing."""
        self._process.kill()
        self._process.wait(STOP_S)

    def pause(self):
        """Stops the process where it is, until resume."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def hang_up(self):
        """Asks the server to read its certificates and tokens again."""
        self._process.send_signal(signal.SIGHUP)

    def wait_for_log(self, text, count=1):
        """Waits until the log has the text so many times."""
        deadline = time.monotonic() + START_S
        while self.log().count(text) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text} is not in the log:\n{self.log()}")
            time.sleep(0.02)

    def wait(self):
        """Waits until the server has stopped; its exit code."""
        return self._process.wait(STOP_S)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
