"""vqlbench as a process, and what it says."""

import json
import os
import pathlib
import subprocess

VQLBENCH = os.environ["LOAD_VQLBENCH"]
VQLD = os.environ["LOAD_VQLD"]
MODEL = os.environ["LOAD_MODEL"]

RUN_S = 60


class Bench:
    """vqlbench against a server, started; options as --name value, True for one without a value."""

    def __init__(self, server, folder, **options):
        self.folder = pathlib.Path(folder)
        self.json_file = self.folder / "result.json"
        command = [VQLBENCH, "--server", server, "--json", self.json_file]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(value)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VQL_")}
        self.process = subprocess.Popen([str(word) for word in command], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self):
        """Waits for the end: the exit code, and the JSON, None when there is none."""
        self.output, self.errors = self.process.communicate(timeout=RUN_S)
        result = None
        if self.json_file.exists():
            result = json.loads(self.json_file.read_text())
        return self.process.returncode, result


def run(server, folder, **options):
    """A whole run: the exit code, the JSON, and what it wrote to standard error."""
    bench = Bench(server, folder, **options)
    code, result = bench.finish()
    return code, result, bench.errors
