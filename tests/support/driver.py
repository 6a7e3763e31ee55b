"""
Programs that drive libfetchpool under a test's command.

    program = compile_against_library(ROOT / "tests/support/libdriver.c", directory / "libdriver")
    runner = Runner(program, path); lines = runner("get", URL); process = runner.start("get", URL)
"""

import re
import subprocess

from .daemon import BUILD, ROOT
from .timing import scaled

MAX_ATTEMPTS = 10  # CLIENT_MAX_ATTEMPTS of client-lib/client.h


def compile_against_library(source, program, *libraries):
    """With the library's compiler and sanitizer, which its undefined symbols give away."""
    library = BUILD / "libfetchpool.so"
    symbols = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True).stdout
    needed = subprocess.run(["ldd", library], capture_output=True, text=True).stdout
    sanitizer = re.search(r"__(asan|tsan)_init\b", symbols)
    flags = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"], None: []}
    is_clang = sanitizer and not re.search(r"lib[at]san", needed)
    is_c = source.suffix == ".c"
    compiler = ("clang" if is_c else "clang++") if is_clang else ("gcc" if is_c else "g++")
    subprocess.run([compiler, "-std=c11" if is_c else "-std=c++11", "-D_GNU_SOURCE", "-Wall",
                    "-Wextra", "-Werror", "-g", *flags[sanitizer and sanitizer[1]],
                    "-I", ROOT / "include", source, "-o", program, library, *libraries, "-pthread",
                    f"-Wl,-rpath,{BUILD}"], check=True)
    return program


class Runner:
    """Starts the driver against the daemon at `path`: see its comment for the steps."""

    def __init__(self, program, path, **options):
        self.program, self.path, self.options = program, path, options  # of Popen
        self.processes = []

    def start(self, *steps):
        process = subprocess.Popen([self.program, self.path, *map(str, steps)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, **self.options)
        self.processes.append(process)
        return process

    def finish(self, process, words="", seconds=25):
        """The lines that it prints, but for the descriptors' ."""
        out, err = process.communicate(words, timeout=scaled(seconds))
        assert process.returncode == 0, (process.returncode, out, err)
        assert err == ""  # it never prints, and no sanitizer has
        *lines, last = out.splitlines()
        _, before, after = last.split()
        assert before == after
        return lines

    def __call__(self, *steps, seconds=25):
        return self.finish(self.start(*steps), seconds=seconds)

    def close(self):
        for process in self.processes:
            process.kill()
            process.communicate()


def code_and_class(line):
    code, kind = line.split()[:2]
    return int(code), int(kind)
