"""Runs every test_*.py beside this file, or those that VQL_REDIS_TESTS names.

The last line says how many passed and failed.
"""

import os
import pathlib
import sys
import unittest

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # a server is started by exec; nothing else forks


def main():
    pattern = os.environ.get("VQL_REDIS_TESTS", "test_*.py")
    tests = unittest.defaultTestLoader.discover(pathlib.Path(__file__).parent, pattern)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
