"""What libvqlclient-dev installs is all that a program of its needs."""

import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["DEPLOY_MANUALS"]).parent
PROGRAM = pathlib.Path(__file__).with_name("program.c")


class Library(unittest.TestCase):
    def test_a_program_is_made_with_what_is_installed(self):
        with tempfile.TemporaryDirectory(prefix="vql-deploy-") as folder:
            subprocess.run(["cmake", "--install", BUILD, "--component", "libvqlclient-dev",
                            "--prefix", folder], check=True, stdout=subprocess.DEVNULL)
            found = next(pathlib.Path(folder).rglob("vqlclient.pc")).parent
            flags = subprocess.run(
                ["pkg-config", f"--define-variable=prefix={folder}", "--cflags", "--libs",
                 "vqlclient"], env=os.environ | {"PKG_CONFIG_PATH": str(found)}, check=True,
                capture_output=True, text=True).stdout.split()
            program = pathlib.Path(folder, "program")
            subprocess.run(["cc", "-Wall", "-Werror", "-o", program, PROGRAM, *flags], check=True)
            said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
            self.assertEqual(said.strip(), "UNAVAILABLE")


if __name__ == "__main__":
    unittest.main()
