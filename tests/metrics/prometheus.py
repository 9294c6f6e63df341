"""A real Prometheus that scrapes a server, and what it answers."""

import json
import pathlib
import socket
import subprocess
import time
import urllib.parse
import urllib.request

START_S = 20
SCRAPE_S = 0.5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Prometheus:
    """Scrapes a target as the job "vqld"; a context manager that leaves no process behind."""

    def __init__(self, folder, target, rules):
        folder = pathlib.Path(folder)
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": f"{int(SCRAPE_S * 1000)}ms",
                       "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "vqld", "static_configs": [{"targets": [target]}]}],
        }))
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._log = open(folder / "prometheus.log", "wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)

    def wait(self):
        """Waits until it has scraped the server."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                if self.query('up{job="vqld"} == 1'):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError("Prometheus does not scrape the server")

    def _get(self, path, **arguments):
        url = f"{self._url}{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The samples that an expression has at present; an OSError if it cannot be evaluated."""
        return self._get("/api/v1/query", query=expression)["result"]

    def rules(self):
        return [r for g in self._get("/api/v1/rules")["groups"] for r in g["rules"]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(START_S)
        self._log.close()
