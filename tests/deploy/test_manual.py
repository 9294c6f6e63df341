"""The manual pages say every option."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

import programs

PAGES = {"vqld": 8, "vqlctl": 1, "vqlbench": 1, "vql-train": 1}


def page(program):
    return pathlib.Path(os.environ["DEPLOY_MANUALS"], f"{program}.{PAGES[program]}")


class Manual(unittest.TestCase):
    def test_every_option_has_an_entry(self):
        for command in programs.COMMANDS:
            program = command.split()[0]
            text = page(program).read_text(encoding="utf-8").replace("\\-", "-")
            said = set(re.findall(r"^\\fB--([a-z0-9-]+)", text, re.MULTILINE))
            with self.subTest(command):
                self.assertGreater(len(programs.options(command)), 2)
                self.assertLessEqual(programs.options(command), said)

    def test_every_command_has_a_section(self):
        text = page("vqlctl").read_text(encoding="utf-8")
        for command in programs.COMMANDS:
            program, *words = command.split()
            if program == "vqlctl" and words:
                self.assertRegex(text, rf"(?m)^\.SS {words[0]}\b")

    def test_no_request_is_left(self):
        for program in PAGES:
            self.assertNotRegex(page(program).read_text(encoding="utf-8"), r"(?m)^@", program)

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_groff_has_nothing_to_say(self):
        for program in PAGES:
            made = subprocess.run(["groff", "-man", "-ww", "-z", page(program)],
                                  capture_output=True, text=True, check=True)
            self.assertEqual(made.stderr, "", program)
