"""Completion of command lines, in a real bash: by its variables, and by the Tab key."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from support.daemon import FETCHPOOL, FETCHPOOLD, ROOT, environment, temporary_directory
from support.timing import scaled

SCRIPTS = {"fetchpool": ROOT / "client-lib" / "cli" / "fetchpool.bash",
           "fetchpoold": ROOT / "daemon" / "fetchpoold.bash"}
ASK = """source "$1"; shift
word=$1; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _"$1" "$1" "$word"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def here():
    directory = temporary_directory()
    (directory / "file one").touch()
    (directory / "file.bin").touch()
    (directory / "dir").mkdir()
    (directory / "dir" / "inner").touch()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def complete(here):
    """complete(word, ...): what bash would offer for the last word, where readline breaks words at = and @."""
    def complete(*words):
        is_file = "@" in words[-1:] + words[-2:-1] or words[-2] == "=@"
        word = "@" + words[-1].strip("@") if is_file else words[-1].strip("=")
        done = subprocess.run(["bash", "--norc", "--noprofile", "-c", ASK, "bash", SCRIPTS[words[0]], word, *words],
                              capture_output=True, text=True, cwd=here, env=environment(here),
                              timeout=scaled(10))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return set(done.stdout.splitlines())
    return complete


def options_of(program):
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    lines = [re.match(r"\s+(-.*?)(?:  |$)", line) for line in shown.splitlines()]
    return {option for line in lines if line for option in re.findall(r"(?:^|[\s,])(-[\w.-]+)", line[1])}


@pytest.mark.parametrize("program", [FETCHPOOL, FETCHPOOLD], ids=lambda each: each.name)
def test_what_is_offered_is_what_help_has(complete, program):
    known = options_of(program)
    assert len(known) > 5 and "--socket" in known
    assert complete(program.name, "-") == known - {"-h", "-V"} | ({"-h", "-V"} & known)


def test_the_words_offered_are_those_that_help_has(complete):
    usage = subprocess.run([FETCHPOOL, "--help"], capture_output=True, text=True).stdout.split("\n\n")[0]
    words = set(re.findall(r"(?:fetchpool|\|) ([a-z]+)", usage)) - {"options"}
    assert {"ping", "decode", "reload"} < words
    assert complete("fetchpool", "") == words
    assert complete("fetchpool", "re") == {"reload"} and complete("fetchpool", "-s", "to") == {"top"}
    assert complete("fetchpool", "http://h/", "re") == set() == complete("fetchpool", "stats", "")


def test_each_word_has_the_options_that_it_takes(complete):
    assert "--interval" in complete("fetchpool", "top", "--") and "-X" not in complete("fetchpool", "top", "-")
    assert complete("fetchpool", "decode", "--f") == {"--full"} and complete("fetchpool", "ping", "--f") == set()
    assert "--json" in complete("fetchpool", "check", "--") and "--json" not in complete("fetchpool", "http://h/", "--")


@pytest.mark.parametrize("word", ["ping", "top", "decode", "check", "config"])
def test_no_option_is_offered_that_the_word_refuses(here, complete, word):
    values = {"--interval": ["1"], "--count": ["1"], "-m": ["1"], "--max-time": ["1"], "--socket": ["none"],
              "-H": ["A: b"], "--max-redirs": ["1"], "--max-filesize": ["1"], "--connect-timeout": ["1"],
              "--header": ["A: b"], "-E": ["file.bin"], "--cert": ["file.bin"]}
    for option in complete("fetchpool", word, "-"):
        given = values.get(option, ["file.bin"] if option in complete("fetchpool", "-O") else [])
        done = subprocess.run([FETCHPOOL, word, *(["http://h/"] if word == "check" else []), option, *given],
                              capture_output=True, text=True, cwd=here, stdin=subprocess.DEVNULL,
                              env=environment(here, FETCHPOOL_SOCKET=str(here / "none")), timeout=scaled(10))
        assert "is for" not in done.stderr and "is not for" not in done.stderr and "unrecognized" not in done.stderr


@pytest.mark.parametrize("words", [
    ("-o", "fi"), ("-T", "fi"), ("--cacert", "fi"), ("--cacert", "=", "fi"), ("-sSo", "fi"), ("decode", "fi"),
    ("decode", "x", "fi"), ("--socket", "fi"), ("-s", "-m", "3", "decode", "fi"), ("-d", "@", "x", "decode", "fi"), ("--data", "=@", "x", "decode", "fi"),
    ("--data", "=", "x", "decode", "fi"), ("-d", "@x", "decode", "fi")], ids=" ".join)
def test_files_are_offered_where_they_are_taken(complete, words):
    assert complete("fetchpool", *words) == {"file one", "file.bin"}


@pytest.mark.parametrize("words, offered", [
    (("-d", "@", "fi"), {"@file one", "@file.bin"}), (("-H", "@", "di"), {"@dir/"}),
    (("--data", "=@", "fi"), {"@file one", "@file.bin"}), (("-w", "@"), {"@file one", "@file.bin", "@dir"}),
    (("-o", "="), {"file one", "file.bin", "dir"}), (("-d", "fi"), set()),
    (("-ofile", "fi"), set()), (("-u", "me", "@", "fi"), set()), (("fi",), set()), (("-X", "P"), {"POST", "PUT", "PATCH"}),
    (("-m", "f"), set()), (("-o", "x", "decode", "dir/"), {"dir/inner"})], ids=str)
def test_and_nothing_else_is(complete, words, offered):
    assert complete("fetchpool", *words) == offered


def test_the_daemons_options_take_files_and_levels(complete):
    assert complete("fetchpoold", "--config", "fi") == {"file one", "file.bin"}
    assert complete("fetchpoold", "--log-level", "=", "") == {"error", "warning", "notice", "info", "debug"}


def test_shellcheck_finds_nothing():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", *SCRIPTS.values()], capture_output=True, text=True)
    assert done.stdout == ""


# ---- The Tab key ---------------------------------------------------------------------------------

class Shell:
    """An interactive bash in which fetchpool prints its arguments in brackets, each line's end as ;"""

    def __init__(self, directory):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave,
                                        stderr=slave, cwd=directory, start_new_session=True,
                                        env={**environment(directory), "TERM": "dumb", "INPUTRC": "/dev/null"})
        os.close(slave)
        self.enter("bind 'set enable-bracketed-paste off'; fetchpool() { printf '<<'; printf '[%s]' \"$@\"; echo '>>'; }\n")
        self.enter(f"source {SCRIPTS['fetchpool']}; fetchpool ready\n")
        assert self.result() == "[ready]"

    def enter(self, keys):
        os.write(self.master, keys.encode())

    def result(self):
        text, end = "", time.monotonic() + scaled(10)
        while not (found := re.search(r"<<(\[.*\])>>", text)):
            assert time.monotonic() < end, text
            if select.select([self.master], [], [], 0.1)[0]:
                text += os.read(self.master, 4096).decode(errors="replace")
        return found[1]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def shell(here):
    shell = Shell(here)
    yield shell
    shell.close()


@pytest.mark.parametrize("keys, arguments", [
    ("dec\tfile.\t", "[decode][file.bin]"), ("--max-f\t1 x", "[--max-filesize][1][x]"), ("-o file\\ \t", "[-o][file one]"),
    ("-d @file.\t", "[-d][@file.bin]"), ("-d @di\tin\t", "[-d][@dir/inner]"), ("--output=file.\t", "[--output=file.bin]"),
    ("-d @file\\ \t", "[-d][@file one]"), ("decode di\tin\t", "[decode][dir/inner]")], ids=repr)
def test_the_tab_key_writes_what_was_meant(shell, keys, arguments):
    shell.enter(f"fetchpool {keys}\n")
    assert shell.result() == arguments
