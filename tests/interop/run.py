#!/usr/bin/python3
"""Runs one gRPC client's tests against vqld: both models, 1, 2 and 4 threads, both formats,
though not each with each.

The clients know the server by the .proto files and the environment alone:

    INTEROP_SERVER   HOST:PORT of a running vqld
    INTEROP_GOLDEN   golden requests of its model (tests/golden)
    INTEROP_TOLERANCE  how far a score may be from theirs
    INTEROP_VQLD     the program, and INTEROP_MODEL, INTEROP_THREADS: to start another like it
    INTEROP_VQLCTL   the command line's program
    INTEROP_PROTO    the folder of the .proto files
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

from vqld import Vqld

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODELS = {
    "retail": ROOT / "tests/golden/retail.safetensors",
    "kuairand": ROOT / "tests/golden/kuairand.safetensors",
}
THREADS = {1: "int16", 2: "f32", 4: "int16"}  # and the format of scoring with so many
TOLERANCES = {"int16": 1e-3, "f32": 1e-5}  # of a score
CASES = (("retail", 1), ("kuairand", 2), ("retail", 4))
CLIENT_S = 1200
PATIENT = ("--shed-target-ms", 60000, "--shed-interval-ms", 60000)  # slow builds shed soon
SKIPPED = 77
COUNTS = re.compile(r"^(?:# pass )?(\d+)(?: passed, |\n# fail )(\d+)(?: failed)?$", re.MULTILINE)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("client", choices=("python", "node", "cpp"))
    parser.add_argument("--vqld", required=True, help="the server's program")
    parser.add_argument("--vqlctl", help="the command line's program")
    parser.add_argument("--node", default="node", help="Node.js' program")
    parser.add_argument("--stubs", help="the folder of the generated Python modules")
    parser.add_argument("--program", help="the C++ client")
    parser.add_argument("--model", choices=MODELS, action="append", help="only this model")
    parser.add_argument("--on-disk", action="store_true", help="with a store on disk")
    parser.add_argument("--brief", action="store_true", help="without the tests that take long")
    parser.add_argument("--tests", default="*", help="only tests whose name this matches (Python)")
    parser.add_argument("--threads", type=int, action="append", help="only this many threads")
    return parser.parse_args()


def client_command(arguments):
    """The client's command, and what it adds to the environment."""
    if arguments.client == "python":
        path = os.pathsep.join((str(HERE), str(pathlib.Path(arguments.stubs).resolve())))
        return [sys.executable, HERE / "python"], {"PYTHONPATH": path}
    if arguments.client == "node":
        tests = sorted((HERE / "node").glob("*.test.js"))
        return [arguments.node, "--test", "--test-reporter=tap", *tests], {}
    return [arguments.program], {}


def run_client(command, environment):
    """Runs the client's tests; how many passed, and how many failed."""
    done = subprocess.run([str(word) for word in command], env=os.environ | environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=CLIENT_S, check=False)
    counts = COUNTS.findall(done.stdout)
    passed, failed = map(int, counts[-1]) if counts else (0, 0)
    if done.returncode != 0 or not counts:
        failed = max(failed, 1)
        print(done.stdout)
    return passed, failed


def run_case(arguments, model, threads):
    """Runs the client against one server; the server's clean stop counts as one test more."""
    command, environment = client_command(arguments)
    golden = ROOT / f"tests/golden/{model}.golden.jsonl.gz"
    scoring = THREADS.get(threads, "f32")
    store = "rocksdb:{folder}/store" if arguments.on_disk else "memory"
    with Vqld(arguments.vqld, MODELS[model], threads, "--scoring-format", scoring,
              *PATIENT, store=store) as server:
        passed, failed = run_client(command, environment | {
            "INTEROP_SERVER": server.address,
            "INTEROP_GOLDEN": str(golden),
            "INTEROP_TOLERANCE": str(TOLERANCES[scoring]),
            "INTEROP_VQLD": str(arguments.vqld),
            "INTEROP_VQLCTL": str(arguments.vqlctl or ""),
            "INTEROP_MODEL": str(MODELS[model]),
            "INTEROP_THREADS": str(threads),
            "INTEROP_TESTS": arguments.tests,
            "INTEROP_BRIEF": "yes" if arguments.brief else "no",
            "INTEROP_DURABILITY": "SYNC" if arguments.on_disk else "MEMORY",
            "INTEROP_PROTO": str(ROOT / "proto"),
        })
        server.terminate()
        code = server.wait()
        if code != 0:
            print(f"vqld stopped with exit code {code}, not 0")
        if code != 0 or failed:
            print(server.log())
    stopped = code == 0
    return passed + stopped, failed + (not stopped)


def chosen_cases(arguments):
    """The models and numbers of threads to run with."""
    if not arguments.model and not arguments.threads:
        return CASES
    return [(model, threads) for model in arguments.model or MODELS
            for threads in arguments.threads or THREADS]


def main():
    arguments = parse_arguments()
    if arguments.client == "node" and not (HERE / "node/node_modules").exists():
        print("interop node: skipped, for want of: npm ci --prefix tests/interop/node")
        return SKIPPED
    total_passed = total_failed = 0
    for model, threads in chosen_cases(arguments):
        passed, failed = run_case(arguments, model, threads)
        print(f"{model}, {threads} threads: {passed} passed, {failed} failed", flush=True)
        total_passed += passed
        total_failed += failed
    print(f"interop {arguments.client}: {total_passed} passed, {total_failed} failed")
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main())
