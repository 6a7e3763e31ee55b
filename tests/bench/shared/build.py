"""A release of this tree, in FETCHPOOL_BUILD or build/release."""

import subprocess
import sys

from support.daemon import BUILD, ROOT


def build():
    for command in (["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release", "-Wno-dev"],
                    ["cmake", "--build", BUILD, "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the build failed:\n{done.stdout}{done.stderr}")
