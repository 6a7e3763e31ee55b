"""
Runs httpx's own tests twice: as they are, and with fetchpool's transport underneath. What passes as it
is has to pass over fetchpool, too, unless httpx_exceptions.txt gives a reason. httpx_suite.sh calls it,
in a network of its own, with the directory into which it has put the tests and the newer release.

A test that is excepted runs all the same: an exception that no failure needs any more is a failure.
Nor may the run be an empty one: see the floors.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
EXCEPTIONS = TESTS / "support" / "httpx_exceptions.txt"

SECONDS = 300  # for one run; it takes 15
LINES = 12  # of a failure that is shown

Release = collections.namedtuple("Release", "name path passed requests variants")

# With the least that is to pass over fetchpool, that the daemon is to see of requests, and that is to
# pass in each of asyncio and trio. Of a release that is older than the tests, fewer do as they are.
RELEASES = [
    Release("installed", None, passed=700, requests=70, variants=80),
    Release("newer", "library", passed=1350, requests=80, variants=80),
]


def run(suite, release, *options):
    """What the plugin wrote down of the run. That tests fail is no error here."""
    path = [TESTS, TESTS.parent / "client-lib" / "python"]
    if release.path:
        path.insert(0, suite / release.path)
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "100"}
    with tempfile.NamedTemporaryFile(prefix="fp-", suffix=".json") as outcomes:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "anyio.pytest_plugin",
             "-p", "support.httpx_under_fetchpool", "--continue-on-collection-errors",
             "--outcomes", outcomes.name, *options, "tests"],
            cwd=suite / "suite", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SECONDS)
        written = outcomes.read()
    if not written:
        sys.exit(f"{done.stdout}\nhttpx_suite: pytest ended with {done.returncode}, without a result")
    return json.loads(written)


def passed(facts):
    return {name for name, said in facts["tests"].items() if said["outcome"] == "passed"}


def read_exceptions():
    """The tests, each with whether it may pass: what stands in a paragraph that begins with a reason."""
    found, has_reason = {}, False
    for line in EXCEPTIONS.read_text().splitlines():
        if line and not line.startswith("#"):
            assert has_reason, f"{EXCEPTIONS}: no reason for {line}"
            found[line.lstrip("? ")] = line.startswith("?")
        has_reason = bool(line)
    return found


def covering(exceptions, test):
    """The exception for the test, which may be for all variants of its function, or None."""
    return next((name for name in (test, test.split("[")[0]) if name in exceptions), None)


def end_of(said):
    """The last lines of what pytest had to say of a test, if it did run."""
    text = said["text"] if said else "it did not run"
    return "".join(f"    {line}\n" for line in text.splitlines()[-LINES:])


def version_of(suite, release):
    path = str(suite / release.path) if release.path else ""
    return subprocess.run([sys.executable, "-c", "import httpx; print(httpx.__version__)"],
                          env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True,
                          text=True).stdout.strip()


def compare(suite, release, exceptions):
    """What is wrong, one a line, and the exceptions that were needed."""
    as_it_is = passed(run(suite, release))
    facts = run(suite, release, "--over-fetchpool")
    over = passed(facts)
    requests = facts["daemons"]["requests"]
    wrong = [f"the daemon: {complaint}" for complaint in facts["daemons"]["complaints"]]
    needed, excepted = set(), 0
    for test in sorted(as_it_is - over):
        exception = covering(exceptions, test)
        if exception:
            needed.add(exception)
            excepted += 1
        else:
            wrong.append(f"{test}\n{end_of(facts['tests'].get(test))}")
    both = as_it_is & over
    for what, count, floor in [
            ("tests passed over fetchpool", len(both), release.passed),
            ("requests went through the daemon", requests, release.requests),
            *((f"tests passed with {loop}", sum(f"[{loop}" in test for test in both), release.variants)
              for loop in ("asyncio", "trio"))]:
        if count < floor:
            wrong.append(f"only {count} {what}, not {floor}: was the suite run?")
    print(f"httpx {version_of(suite, release)} ({release.name}): {len(as_it_is)} of its tests pass as they"
          f" are; over fetchpool {len(both)} of these, {excepted} excepted,"
          f" {requests} requests", flush=True)
    return wrong, needed


def main(suite):
    exceptions = read_exceptions()
    wrong, needed = [], set()
    for release in RELEASES:
        more_wrong, more_needed = compare(suite, release, exceptions)
        wrong += [f"httpx {release.name}: {line}" for line in more_wrong]
        needed |= more_needed
    wrong += [f"{name}: it passes, or did not run; take it from {EXCEPTIONS.name}"
              for name, may_pass in exceptions.items() if name not in needed and not may_pass]
    for line in wrong:
        print(f"FAILED {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
