#!/usr/bin/python3
"""Runs one client's interoperability cases of gRPC against grpc.testing.TestService.

    INTEROP_SERVER       HOST:PORT of the running service
    INTEROP_TEST_PROTO   the folder of grpc/testing/test.proto
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from run import HERE, SKIPPED, run_client

START_S = 60
STOP_S = 60


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("client", choices=("cpp", "node"))
    parser.add_argument("--testservice", required=True, help="the service's program")
    parser.add_argument("--node", default="node", help="Node.js' program")
    parser.add_argument("--program", help="the C++ client")
    return parser.parse_args()


def wait_for_address(port_file, process):
    deadline = time.monotonic() + START_S
    while not port_file.exists():
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"testservice does not serve (exit code {process.poll()})")
        time.sleep(0.01)
    return port_file.read_text().strip()


def main():
    arguments = parse_arguments()
    command = [arguments.program]
    if arguments.client == "node":
        if not (HERE / "node/node_modules").exists():
            print("interop cases node: skipped, for want of: npm ci --prefix tests/interop/node")
            return SKIPPED
        tests = sorted((HERE / "node/cases").glob("*.test.js"))
        command = [arguments.node, "--test", "--test-reporter=tap", *tests]
    with tempfile.TemporaryDirectory(prefix="vql-interop-") as folder:
        port_file = pathlib.Path(folder) / "address"
        with subprocess.Popen([arguments.testservice, port_file]) as process:
            try:
                passed, failed = run_client(command, {
                    "INTEROP_SERVER": wait_for_address(port_file, process),
                    "INTEROP_TEST_PROTO": str(HERE / "testservice"),
                })
                process.send_signal(signal.SIGTERM)
                stopped = process.wait(STOP_S) == 0
            finally:
                process.kill()
    print(f"interop cases {arguments.client}: {passed + stopped} passed, "
          f"{failed + (not stopped)} failed")
    return 1 if failed or not stopped else 0


if __name__ == "__main__":
    sys.exit(main())
