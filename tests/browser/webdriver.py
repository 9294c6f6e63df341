"""Chromium without a display, by the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import base64
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

START_S = 60
WAIT_S = 30


class Browser:
    """A session of chromedriver; a context manager that leaves no process behind."""

    def __init__(self, driver, *arguments):
        self._process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL, text=True)
        self._session = None
        try:
            for line in self._process.stdout:
                found = re.search(r"started successfully on port (\d+)", line)
                if found:
                    break
            else:
                raise RuntimeError("chromedriver does not start")
            self._base = f"http://127.0.0.1:{found[1]}/session"
            self._session = self._start(arguments)
        except BaseException:
            self.__exit__()
            raise

    def _start(self, arguments):
        options = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *arguments]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        answer = self._ask("POST", "", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": options},
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        return "/" + answer["sessionId"]

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(
            self._base + (self._session or "") + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=START_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """What a function body of JavaScript returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments):
        """Waits until it returns something that is true, and returns it."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"in vain: {script}\n{self.run('return document.body.innerText')}")

    def text(self, element_id):
        return self.run("return document.getElementById(arguments[0]).innerText", element_id)

    def resize(self, width, height):
        self._ask("POST", "/window/rect", {"width": width, "height": height})

    def log(self):
        """What the console had to say since the last call."""
        return [entry["level"] + " " + entry["message"]
                for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def alert(self):
        """The text of an open dialogue; None: there is none."""
        try:
            return self._ask("GET", "/alert/text")
        except RuntimeError:
            return None

    def save_screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._session:
            self._ask("DELETE", "")
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
