"""Runs every test_*.py beside this file, or those that are named; how many passed and failed."""

import os
import pathlib
import sys
import unittest

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # a server is started by exec; nothing else forks


def main():
    folder = pathlib.Path(__file__).parent
    tests = unittest.TestSuite(
        unittest.defaultTestLoader.discover(folder, pattern=f"{name}.py")
        for name in sys.argv[1:] or ["test_*"])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
