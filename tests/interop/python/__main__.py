"""Runs every test_*.py beside this file; the last line says how many passed and failed."""

import os
import pathlib
import sys
import unittest

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # a server is started by exec; nothing else forks


def main():
    loader = unittest.TestLoader()
    loader.testNamePatterns = [os.environ.get("INTEROP_TESTS", "*")]
    tests = loader.discover(pathlib.Path(__file__).parent)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    passed = result.testsRun - failed - len(result.skipped)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
