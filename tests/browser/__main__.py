"""Runs every test_*.py beside this file; the last line says how many passed and failed."""

import pathlib
import sys
import unittest


def main():
    tests = unittest.defaultTestLoader.discover(pathlib.Path(__file__).parent)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
