#!/usr/bin/python3
"""The style check finds what it is for: each rule on a bad sample, and nothing in a good one."""

import os
import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path

CHECK = Path(__file__).parent / "check"

GOOD_HEADER = """\
/* A noun. */
#ifndef VQL_SERVER_NOUN_H
#define VQL_SERVER_NOUN_H

/* strcpy(a, b) in a comment, "atoi(c)" in a literal: neither is code. */
int noun(void);

#endif
"""


def function(name, lines):
    """A C function of so many lines."""
    return f"void {name}(void)\n{{\n" + "    ;\n" * (lines - 3) + "}\n"


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, place, text):
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run_check(self, *arguments):
        """Exit status and breaches, each as "file:line: rule"."""
        done = subprocess.run([CHECK, *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        *breaches, summary = done.stdout.splitlines()
        self.assertTrue(summary.startswith("style: "), summary)
        return done.returncode, [": ".join(line.split(": ")[:2]) for line in breaches]

    def assert_breaches(self, *expected):
        self.assertEqual(self.run_check(self.root), (1 if expected else 0, list(expected)))

    def test_good_tree(self):
        self.write("server/noun.h", GOOD_HEADER)
        self.write("server/noun.c", '#include "noun.h"\n\n#include "vql/model.h"\n'
                   'static const char text[] = "atoi(x)"; /* system(y) */\n' + function("f", 70))
        self.write("core/include/vql/model.h", "#ifndef VQL_MODEL_H\n#define VQL_MODEL_H\n#endif\n")
        self.write("server/worker.c", "#include <uv.h>\n")
        self.write("tests/node_modules/bad.c", "\tgets(x);\n")
        self.write("build-dev/bad.c", "\tgets(x);\n")
        self.assert_breaches()

    def test_text(self):
        self.write("docs/A.md", "good\ntrailing \n\ttab\nlast line")
        self.assert_breaches("docs/A.md:2: trailing-space", "docs/A.md:3: tab",
                             "docs/A.md:4: last-line")

    def test_forbidden_text(self):
        self.write("README.md", "see /wor" "k/x\nor /hom" "e/me/x\n$HOME/work/x\nTO" "DO later\n"
                   "https://registry.np" "mjs.org/x\n")
        self.assert_breaches("README.md:1: workplace", "README.md:2: workplace",
                             "README.md:4: unfinished", "README.md:5: registry")

    def test_line_length(self):
        for place in ("core/a.c", "tests/a.py", "tests/a.js"):
            self.write(place, "x" * 100 + "\n" + "y" * 101 + "\n")
        self.write("core/b.c", "/* " + "λ" * 94 + " */\n")
        self.write("scripts/run", "#!/bin/bash\n" + "z" * 101 + "\n")
        self.write("README.md", "w" * 101 + "\n")
        self.assert_breaches("core/a.c:2: line-length", "scripts/run:2: line-length",
                             "tests/a.js:2: line-length", "tests/a.py:2: line-length")

    def test_file_length(self):
        self.write("core/a.c", "\n" * 600)
        self.write("core/b.c", "\n" * 601)
        self.assert_breaches("core/b.c:601: file-length")

    def test_function_length(self):
        self.write("core/a.c", "int x;\n" + function("f", 71) + function("g", 70))
        self.write("tests/a.py", "def f():\n" + "    pass\n" * 70)
        self.assert_breaches("tests/a.py:1: function-length", "core/a.c:2: function-length")

    def test_banned_calls(self):
        calls = ("strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof alloca system "
                 "rand srand").split()
        self.write("core/a.c", "".join(f"{name} (x);\n" for name in calls) +
                   "snprintf(x); operand(y); fgets(z);\n")
        self.assert_breaches(*(f"core/a.c:{i}: banned-call" for i in range(1, len(calls) + 1)))

    def test_header_guard(self):
        self.write("core/a_b.h", "#ifndef VQL_CORE_A_B_H\n#define VQL_CORE_A_B_H\n#endif\n")
        self.write("core/c.h", "\n#ifndef VQL_C_H\n#define VQL_C_H\n#endif\n")
        self.write("client/include/d.h", "#pragma once\n")
        self.write("tests/support/e.h", "#ifndef VQL_TESTS_E_H\n#define VQL_TESTS_F_H\n#endif\n")
        self.assert_breaches("client/include/d.h:1: header-guard", "core/c.h:2: header-guard",
                             "tests/support/e.h:1: header-guard")

    def test_include_law(self):
        for place in ("core/a.c", "client/a.c", "server/a.c", "tests/a.c"):
            self.write(place, '#include "s.h"\n#include "c.h"\n#include "own.h"\n')
        for place, guard in (("server/s.h", "SERVER_S"), ("client/include/c.h", "CLIENT_C"),
                             ("core/own.h", "CORE_OWN"), ("client/own.h", "CLIENT_OWN")):
            self.write(place, f"#ifndef VQL_{guard}_H\n#define VQL_{guard}_H\n#endif\n")
        self.assert_breaches("client/a.c:1: include-law", "core/a.c:1: include-law",
                             "core/a.c:2: include-law", "server/a.c:2: include-law")

    def test_include_law_sees_through_paths(self):
        self.write("core/a.c", '#include "../server/s.h"\n')
        self.write("server/s.h", "#ifndef VQL_SERVER_S_H\n#define VQL_SERVER_S_H\n#endif\n")
        self.assert_breaches("core/a.c:1: include-law")

    def test_sans_io(self):
        self.write("server/session.c", "#include <uv.h>\n#include <sys/socket.h>\n")
        self.write("client/connection.c", "#include <uv.h>\n")
        self.assert_breaches("server/session.c:1: sans-io", "server/session.c:2: sans-io")

    def library(self, source):
        """A libvql.a of one object."""
        (self.root / "a.c").write_text(textwrap.dedent(source), encoding="utf-8")
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O0", "-c", "a.c"], cwd=self.root, check=True)
        subprocess.run(["ar", "rc", "libvql.a", "a.o"], cwd=self.root, check=True)
        return self.root / "libvql.a"

    def test_pure_symbols(self):
        library = self.library("""\
            #include <stdlib.h>
            #include <string.h>
            double exp(double);
            double f(const char *s) { void *p = malloc(strlen(s)); free(p); return exp(p != 0); }
            double g(const char *s) { return f(s); }
            """)
        self.assertEqual(self.run_check("--symbols", library), (0, []))

    def test_impure_symbols(self):
        impure = "clock_gettime fopen getenv json_load_file pthread_create socket write".split()
        declarations = "".join(f"void {name}(void);\n" for name in impure)
        calls = "".join(f"{name}();\n" for name in impure)
        library = self.library(declarations + "void f(void)\n{\n" + calls + "}\n")
        status, breaches = self.run_check("--symbols", library)
        self.assertEqual((status, len(breaches)), (1, len(impure)))
        self.assertTrue(all(breach.endswith(": purity") for breach in breaches), breaches)


if __name__ == "__main__":
    unittest.main()
