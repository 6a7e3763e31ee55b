"""
Row C25: whose socket the library sends to, from both its halves and from the command, and the Python
client, blocking and not. The daemons are scripted ones; mallory's note what they hear.
"""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import threading

import pytest

from support.daemon import BUILD, FETCHPOOL, ROOT, SANITIZED, environment, temporary_directory
from support.driver import Runner, compile_against_library
from support.fakedaemon import ANSWER, FakeDaemon, serves
from support.timing import scaled
from support.users import NOBODY as MALLORY
from support.users import as_user, needs_root
from support.uvicorn import PACKAGE

pytestmark = needs_root

URL = "http://origin.test/?secret"
ALICE = pwd.getpwnam("daemon").pw_uid  # any user that has a name
NAMELESS = 54321
ROOT_USER = 0
FOREIGN_SOCKET = 907

LABELS = {ROOT_USER: "root", ALICE: f"daemon ({ALICE})", MALLORY: f"nobody ({MALLORY})",
          NAMELESS: f"{NAMELESS} ({NAMELESS})"}


# ---- Clients of any user -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def programs():
    """The library, the drivers and the command where every user can run them."""
    directory = temporary_directory()
    os.chmod(directory, 0o755)
    shutil.copy(BUILD / "libfetchpool.so.0", directory)
    built = {"directory": directory, "command": shutil.copy(FETCHPOOL, directory / "fetchpool")}
    for name in ("lib", "async"):
        source = ROOT / f"tests/support/{name}driver.c"
        built[name] = compile_against_library(source, directory / name, f"-Wl,-rpath,{directory}")
    shutil.copytree(PACKAGE / "fetchpool", directory / "python" / "fetchpool")
    yield built
    shutil.rmtree(directory)


@pytest.fixture
def here():
    """A directory in which any user may have a socket, at the default path of this runtime."""
    directory = temporary_directory()
    os.mkdir(directory / "fetchpool")
    for each in (directory, directory / "fetchpool"):
        os.chmod(each, 0o777)
    yield directory
    shutil.rmtree(directory)


PYTHON = """
import asyncio, sys, fetchpool

async def fetch(url):
    async with fetchpool.AsyncClient() as client:
        return await client.fetch(url)

kind, url = sys.argv[1:]
try:
    answer = asyncio.run(fetch(url)) if kind == "asyncio" else fetchpool.Client().fetch(url)
    print(0, 0, answer.status, len(answer.body), "")
except fetchpool.Error as error:
    kinds = ["", "refused", "not sent", "maybe processed"]
    print(error.code, kinds.index(error.error_class), 0, 0, error.message)
"""


class Clients:
    """Each way to ask: refused with a sentence, or served."""

    def __init__(self, programs, here):
        self.programs, self.here = programs, here

    def options(self, user, **more):
        more.setdefault("XDG_RUNTIME_DIR", str(self.here))
        return {"user": user, "group": user, "extra_groups": [], "cwd": self.here,
                "env": environment(self.here, LD_LIBRARY_PATH=str(self.programs["directory"]),
                                   **more)}

    @contextlib.contextmanager
    def runner(self, kind, user, **more):
        runner = Runner(self.programs[kind], "", **self.options(user, **more))
        try:
            yield runner
        finally:
            runner.close()

    def lib(self, user, **more):
        with self.runner("lib", user, **more) as run:
            line, = run("get", URL)
        return line.split(" ", 4)

    def asynchronous(self, user, **more):
        with self.runner("async", user, **more) as run:
            line, = run("down", URL, "run")
        _, code, kind, status, length, _, message = line.split(" ", 6)
        return code, kind, status, length, message

    def python(self, user, kind="sync", **more):
        options = self.options(user, PYTHONPATH=str(self.programs["directory"] / "python"), **more)
        done = subprocess.run(["/usr/bin/python3", "-B", "-c", PYTHON, kind, URL], capture_output=True,
                              text=True, timeout=scaled(20), **options)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return tuple(done.stdout.rstrip("\n").split(" ", 4))

    def python_asyncio(self, user, **more):
        return self.python(user, "asyncio", **more)

    def command(self, user, **more):
        done = subprocess.run([self.programs["command"], URL], capture_output=True, text=True,
                              timeout=scaled(20), **self.options(user, **more))
        if done.returncode == 0:
            assert (done.stdout, done.stderr) == ("hello\n", "")
            return "0", "0", "200", "6", ""
        assert done.returncode == 123 and done.stdout == ""
        message = re.fullmatch(r"fetchpool: \(123\) (.*)\n", done.stderr)[1]
        return str(FOREIGN_SOCKET), "1", "0", "0", message


@pytest.fixture
def clients(programs, here):
    return Clients(programs, here)


@pytest.fixture(params=["lib", "asynchronous", "command", "python", "python_asyncio"])
def ask(request, clients):
    return getattr(clients, request.param)


# ---- Daemons of any user -------------------------------------------------------------------------

@pytest.fixture
def path(here):
    return here / "fetchpool" / "fetchpool.sock"


@contextlib.contextmanager
def daemon_of(listener, path, script=serves, owner=None):
    """One that `listener` runs, at a file that is the owner's."""
    with as_user(listener):
        daemon = FakeDaemon(path, script)
    os.chmod(path, 0o666)
    if owner is not None:
        os.chown(path, owner, -1)
    with daemon:
        yield daemon


@contextlib.contextmanager
def spied_on(path, listener=MALLORY, owner=None):
    """A daemon that must hear nothing."""
    heard = []

    def listens(peer):
        if received := peer.socket.recv(65536):
            heard.append(received)

    with daemon_of(listener, path, listens, owner) as daemon:
        yield daemon
    assert heard == []


def assert_refused(answer, sentence):
    code, kind, status, length, message = answer
    assert (int(code), kind, status, length) == (FOREIGN_SOCKET, "1", "0", "0")
    assert message == sentence


def assert_served(answer):
    assert tuple(answer[:4]) == ("0", "0", "200", "6"), answer


def sentence_for(path, stranger, accepted, verb="belongs to"):
    name = LABELS[stranger].split()[0]
    return (f"the socket {path} {verb} {LABELS[stranger]}, {accepted}; "
            f"FETCHPOOL_SOCKET_OWNER={name} would allow it")


# ---- Refused -------------------------------------------------------------------------------------

@pytest.mark.parametrize("user, accepted", [(ROOT_USER, "not root"),
                                            (ALICE, f"neither root nor {LABELS[ALICE]}")])
@pytest.mark.parametrize("stranger", [MALLORY, NAMELESS])
def test_c25_a_socket_of_another_user_at_the_default_path_is_refused(ask, path, user, accepted,
                                                                     stranger):
    with spied_on(path, stranger) as daemon:
        assert_refused(ask(user), sentence_for(path, stranger, accepted))
        assert daemon.accepted == 0


@pytest.mark.parametrize("listener", [ROOT_USER, ALICE])
def test_c25_a_socket_file_that_was_given_to_another_user_is_refused(ask, path, listener):
    with spied_on(path, listener, owner=MALLORY):
        assert_refused(ask(ALICE), sentence_for(path, MALLORY, f"neither root nor {LABELS[ALICE]}"))


def test_c25_a_listener_of_another_user_at_a_file_of_ones_own_is_refused(ask, path):
    with spied_on(path, MALLORY, owner=ALICE):
        assert_refused(ask(ALICE), sentence_for(path, MALLORY, f"neither root nor {LABELS[ALICE]}",
                                                "is served by"))


def test_c25_a_path_that_is_named_is_looked_at_just_the_same(clients, ask, here):
    path = here / "s"
    with spied_on(path):
        assert_refused(ask(ROOT_USER, FETCHPOOL_SOCKET=str(path)),
                       sentence_for(path, MALLORY, "not root"))


def test_c25_a_link_to_a_socket_of_another_user_is_refused(ask, here, path):
    os.symlink(here / "s", path)
    with spied_on(here / "s"):
        assert_refused(ask(ALICE), sentence_for(path, MALLORY, f"neither root nor {LABELS[ALICE]}"))


def test_c25_a_daemon_that_comes_later_is_looked_at_too(clients, path):
    """A client that was served connects again: after a restart, and in a forked child."""
    with clients.runner("lib", ALICE) as run:
        with daemon_of(ALICE, path):
            process = run.start("get", URL, "wait", "get", URL, "fork", URL)
            assert process.stdout.readline().startswith("0 0 200 ")
            assert process.stdout.readline() == "waiting\n"
        with spied_on(path):
            lines = run.finish(process, "\n")
    sentence = sentence_for(path, MALLORY, f"neither root nor {LABELS[ALICE]}")
    assert len(lines) == 3
    for line in lines:
        assert_refused(line.split(" ", 4), sentence)


def test_c25_a_fork_looks_for_itself(clients, path):
    with spied_on(path), clients.runner("async", ALICE) as run:
        lines = [line for line in run("down", URL, "run", "fork", URL) if "socket" in line]
    assert len(lines) == 2
    assert all(f" {FOREIGN_SOCKET} 1 " in line for line in lines)


# ---- Accepted ------------------------------------------------------------------------------------

@pytest.mark.parametrize("user", [ROOT_USER, ALICE])
def test_c25_the_users_own_socket_and_roots_are_accepted(ask, path, user):
    for listener in {user, ROOT_USER}:
        with daemon_of(listener, path):
            assert_served(ask(user))


def test_c25_a_socket_that_root_has_handed_to_its_daemon_is_accepted(ask, path):
    """As systemd's unit has it: the daemon listens again, with a user of its own."""
    with daemon_of(MALLORY, path, owner=ROOT_USER) as daemon:
        assert_served(ask(ALICE))
        assert daemon.accepted > 0


@pytest.mark.parametrize("owner", ["nobody", str(MALLORY)])
def test_c25_the_user_that_the_environment_names_is_accepted(ask, path, owner):
    with daemon_of(MALLORY, path):
        assert_served(ask(ALICE, FETCHPOOL_SOCKET_OWNER=owner))


def test_c25_an_empty_name_is_none(ask, path):
    with spied_on(path):
        assert_refused(ask(ROOT_USER, FETCHPOOL_SOCKET_OWNER=""),
                       sentence_for(path, MALLORY, "not root"))


# ---- What else the environment says --------------------------------------------------------------

def test_c25_naming_one_user_lets_no_other_in(ask, path):
    with spied_on(path):
        assert_refused(ask(ALICE, FETCHPOOL_SOCKET_OWNER=str(NAMELESS)),
                       sentence_for(path, MALLORY, f"neither root, {LABELS[ALICE]} nor "
                                    f"{LABELS[NAMELESS]}"))
        assert_refused(ask(ROOT_USER, FETCHPOOL_SOCKET_OWNER="daemon"),
                       sentence_for(path, MALLORY, f"neither root nor {LABELS[ALICE]}"))


@pytest.mark.parametrize("owner", ["alicce", "-1", "4294967295", "99999999999999999999", "1 2"])
def test_c25_a_name_that_is_no_users_is_an_error_even_with_ones_own_socket(ask, path, owner):
    with spied_on(path, ALICE) as daemon:
        assert_refused(ask(ALICE, FETCHPOOL_SOCKET_OWNER=owner),
                       f"the socket {path} is not used: FETCHPOOL_SOCKET_OWNER names \"{owner}\", "
                       "and there is no such user")
        assert daemon.accepted == 0


@pytest.fixture
def set_uid(programs, here):
    """set_uid(path, ...): alice's program, which root runs; what it prints."""
    if SANITIZED:
        pytest.skip("LeakSanitizer cannot look into a set-uid process, and takes no options there")
    program = shutil.copy(programs["lib"], here / "set-uid")
    os.chown(program, ALICE, -1)
    os.chmod(program, 0o4755)

    def run(path, **more):
        line, = Runner(program, path, env=environment(here, **more), cwd=here)("get", URL)
        return line.split(" ", 4)
    return run


@pytest.mark.parametrize("variable", ["FETCHPOOL_SOCKET", "XDG_RUNTIME_DIR"])
def test_a_set_uid_program_does_not_go_where_its_caller_wants(clients, set_uid, here, path, variable):
    """The socket is the program's user's own: only where it is says that the caller chose it."""
    place = {variable: str(path if variable == "FETCHPOOL_SOCKET" else here)}
    with daemon_of(ALICE, path) as daemon:
        assert_served(clients.lib(ALICE, **place))
        assert daemon.accepted == 1
        set_uid("", **place)
        assert daemon.accepted == 1


def test_c25_a_set_uid_program_takes_no_owner_from_its_caller(set_uid, path):
    with spied_on(path) as daemon:
        line = set_uid(path, FETCHPOOL_SOCKET_OWNER=str(MALLORY))
        assert_refused(line, sentence_for(path, MALLORY, f"neither root nor {LABELS[ALICE]}"))
        assert daemon.accepted == 0


# ---- Between the look and the connect ------------------------------------------------------------

@pytest.mark.deadline(60)
def test_c25_a_path_that_changes_all_the_time_never_leads_to_another_user(clients, here, path):
    """mallory's link points at a socket of root's, then at his own, and so on."""
    own, roots = here / "own", here / "roots"
    stopping = threading.Event()

    def point_at(target):
        link = here / "link"
        link.symlink_to(target)
        os.replace(link, path)

    def keep_changing():
        while not stopping.is_set():
            point_at(own)
            point_at(roots)

    def serves_once(peer):  # so that the client connects each time
        request_id, _, params = peer.request()
        peer.send([2, "goaway", ["that was all"]])
        peer.answer_fetch(request_id, params, ANSWER)
        peer.socket.recv(1)

    with spied_on(own), daemon_of(ROOT_USER, roots, serves_once):
        point_at(roots)
        thread = threading.Thread(target=keep_changing)
        thread.start()
        try:
            with clients.runner("lib", ALICE) as run:
                codes = {line.split()[0] for line in run(*["get", URL] * 1000, seconds=50)}
        finally:
            stopping.set()
            thread.join()
    assert codes == {"0", str(FOREIGN_SOCKET)}


def without_proc(*command):
    return ["unshare", "-m", "--propagation", "private", "sh", "-c",
            'mount -t tmpfs none /proc && exec "$@"', "sh", *map(str, command)]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer reads /proc")
def test_c25_without_proc_the_listener_has_to_be_trusted_as_well(programs, clients, path):
    """A file cannot be held there: a socket of root's is then taken from root only."""
    def ask():
        return subprocess.run(without_proc(programs["command"], URL), capture_output=True,
                              text=True, timeout=scaled(20), **clients.options(ROOT_USER))

    with daemon_of(ROOT_USER, path):
        done = ask()
        if done.stderr.startswith(("unshare:", "mount:", "sh:")):
            pytest.skip(done.stderr)  # such as in a chroot
        assert (done.stdout, done.stderr) == ("hello\n", "")
    with spied_on(path, MALLORY, owner=ROOT_USER):
        done = ask()
        sentence = sentence_for(path, MALLORY, "not root", "is served by")
        assert (done.returncode, done.stderr) == (123, f"fetchpool: (123) {sentence}\n")
