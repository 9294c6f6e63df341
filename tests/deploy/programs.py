"""The programs that are deployed, and what they say of themselves."""

import functools
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ["DEPLOY_PROGRAMS"])
MODEL = ROOT / "examples/retail/model.safetensors"

# Everything that has a --help of its own.
COMMANDS = (
    "vqld", "vqlbench", "vql-train", "vql-train evaluate", "vql-train generate", "vqlctl",
    "vqlctl score", "vqlctl append", "vqlctl get", "vqlctl delete", "vqlctl models",
    "vqlctl import", "vqlctl items", "vqlctl token", "vqlctl health",
)


def run(program, *arguments, **more):
    """The program's run, its output as text."""
    command = [FOLDER / program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


@functools.cache
def options(command):
    """The options of 'PROGRAM [COMMAND]', without their hyphens."""
    program, *words = command.split()
    text = run(program, *words, "--help", check=True).stdout
    return set(re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE))
