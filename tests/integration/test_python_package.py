"""
The Python client as a package: its version, its types, the oldest Python that it is for, what pip makes of
it, and what it says in documents.
"""

import ast
import pickle
import re
import shutil
import subprocess

import pytest

from support.daemon import ROOT
from support.python_client import PACKAGE, fetchpool
from support.uvicorn import child_environment

SOURCES = sorted((PACKAGE / "fetchpool").glob("*.py"))
PYTHON = "/usr/bin/python3"
CACHE = ROOT / "build/mypy"


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_version_is_that_of_the_daemon():
    project = re.search(r"project\(fetchpool VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert fetchpool.__version__ == project


def constants(text):
    found = re.findall(r"\b(?:FETCHPOOL|CLIENT)_([A-Z_]+)\s*=?\s+(\d+)", text)
    return {name: int(value) for name, value in found}


def test_codes_and_times_are_those_of_libfetchpool():
    text = (ROOT / "include/fetchpool.h").read_text()
    header = constants(text)
    codes = constants(text[text.index("FETCHPOOL_OK = 0"):text.index("FETCHPOOL_CLASS_NONE = 0")])
    only_in_c = {"OK": 0, "NO_MEMORY": 904, "BAD_ARGUMENT": 905}
    assert {code.name: code.value for code in fetchpool.Code} | only_in_c == codes
    assert fetchpool._patience.GRACE_SECONDS * 1000 == header["GRACE_MS"]
    assert fetchpool._patience.DEFAULT_TIMEOUT_SECONDS * 1000 == header["DEFAULT_TIMEOUT_MS"]
    assert fetchpool._attempts.MAX_ATTEMPTS == constants(
        (ROOT / "client-lib/client.h").read_text())["MAX_ATTEMPTS"]


@pytest.mark.parametrize("code", fetchpool.Code, ids=lambda code: code.name)
def test_each_error_has_the_class_of_its_code_and_can_be_pickled(code):
    error = fetchpool._errors.error_of(code, "what failed")
    own = {900: "not sent", 907: "refused"}
    by_number = "refused" if code < 100 else "not sent" if code < 200 else "maybe processed"
    assert error.error_class == own.get(code, by_number)
    classes = {"refused": fetchpool.Refused, "not sent": fetchpool.NotSent,
               "maybe processed": fetchpool.MaybeProcessed}
    assert [kind for kind in classes.values() if isinstance(error, kind)] == [classes[error.error_class]]
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.message, str(again)) == (
        type(error), code, "what failed", f"what failed ({code.name} {int(code)})")


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_it_can_be_read_by_python_3_9(file):
    ast.parse(file.read_text(), feature_version=(3, 9))


@pytest.mark.long
def test_its_types_are_right():
    assert "no issues" in run(PYTHON, "-m", "mypy", "--cache-dir", CACHE, "fetchpool", cwd=PACKAGE)


def test_what_its_readme_shows_is_python():
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
    assert len(blocks) >= 4
    for block in blocks:
        compile(block, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


USER = """
import asyncio, sys, fetchpool, fetchpool.httpx, fetchpool.requests, httpx, requests
assert fetchpool.__file__.startswith(sys.prefix), fetchpool.__file__
url = sys.argv[1]
with fetchpool.Client() as client:
    print(client.fetch(url).status)
with httpx.Client(transport=fetchpool.httpx.Transport()) as client:
    print(client.get(url).status_code)
with requests.Session() as session:
    session.mount("http://", fetchpool.requests.Adapter())
    print(session.get(url).status_code)
"""

TYPED = """
import fetchpool

def ask(client: fetchpool.Client, url: str) -> bytes:
    answer = client.fetch(url, timeout=5)
    reveal_type(answer.status)
    return answer.body

async def ask_too(client: fetchpool.AsyncClient, url: str) -> int:
    async with client.stream(url) as stream:
        async for piece in stream:
            reveal_type(piece)
        return stream.status
"""


@pytest.mark.long
@pytest.mark.deadline(120)
def test_pip_installs_it_from_its_folder_and_it_works_there(daemon, nginx, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    environment = child_environment(PYTHONPATH="", FETCHPOOL_SOCKET=str(daemon.path), HOME=str(tmp_path))
    run(PYTHON, "-m", "venv", "--system-site-packages", tmp_path / "venv", env=environment)
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-index", source,
        env=environment)
    installed = run(python, "-c", USER, nginx.url("/text", nginx.PLAIN), env=environment, cwd=tmp_path)
    assert installed.split() == ["200"] * 3
    shown = run(python, "-m", "pip", "show", "fetchpool", env=environment)
    assert f"Version: {fetchpool.__version__}\n" in shown and "Requires: msgpack\n" in shown
    (tmp_path / "typed.py").write_text(TYPED)
    said = run(PYTHON, "-m", "mypy", "--strict", "--cache-dir", CACHE, "--python-executable", python,
               tmp_path / "typed.py", env=environment, cwd=tmp_path)
    assert 'note: Revealed type is "builtins.int"' in said and 'is "builtins.bytes"' in said
