"""Completion offers every option, and the words that an option or a program takes."""

import os
import shutil
import subprocess
import unittest

import programs

SCRIPT = programs.ROOT / "deploy/completion/vql.bash"
ZSH = programs.ROOT / "deploy/completion/vql.zsh"
ASK = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_vql "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""

# What zsh's completion would add, on a line each.
ASK_ZSH = """
compadd() { shift; print -l -- "$@" }
_files() { }
words=("${@[2,-1]}"); CURRENT=$#words
. "$1"
"""


def environment():
    return os.environ | {"PATH": f"{programs.FOLDER}:{os.environ['PATH']}"}


def offered(*words):
    """What bash offers for the last of the words."""
    made = subprocess.run(["bash", "-c", ASK, "ask", SCRIPT, *words], env=environment(),
                          capture_output=True, text=True, check=True)
    assert not made.stderr, made.stderr
    return set(made.stdout.split())


class Completion(unittest.TestCase):
    def test_options(self):
        for command in programs.COMMANDS:
            with self.subTest(command):
                expected = {f"--{name}" for name in programs.options(command)}
                self.assertEqual(offered(*command.split(), "--"), expected)

    def test_beginnings(self):
        self.assertEqual(offered("vqld", "--kernel"), {"--kernel"})
        self.assertEqual(offered("vqlctl", "--server", "host:1", "he"), {"health"})

    def test_values(self):
        self.assertEqual(offered("vqld", "--durability", ""), {"auto", "memory", "async", "sync"})
        self.assertEqual(offered("vqld", "--check", "t"), {"true"})
        self.assertEqual(offered("vqlctl", "score", "--format", ""), {"table", "json"})
        self.assertEqual(offered("vqlbench", "--arrivals", "p"), {"poisson"})

    def test_commands(self):
        for program in ("vqlctl", "vql-train"):
            expected = {c.split()[1] for c in programs.COMMANDS if c.startswith(program + " ")}
            self.assertEqual(offered(program, ""), expected)

    def test_a_path_is_left_to_the_shell(self):
        self.assertEqual(offered("vqld", "--model", ""), set())

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        for command in ("vqld", "vqlctl score", "vql-train evaluate"):
            made = subprocess.run(["zsh", "-f", "-c", ASK_ZSH, "ask", ZSH, *command.split(), "--"],
                                  env=environment(), capture_output=True, text=True, check=True)
            expected = {f"--{name}" for name in programs.options(command)}
            self.assertEqual(set(made.stdout.split()), expected, made.stderr)
