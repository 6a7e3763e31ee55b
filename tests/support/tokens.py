"""
Clients that send requests which can be told apart, one after another, each kind in processes of its
own, and what became of each.

    with Tokens(path, url, directory) as tokens:       url: of an origin that counts what it gets
        tokens.start_library(at_once=0)                through libfetchpool: see tokendriver.c
        tokens.start_command()                         `fetchpool` in a shell's loop
        tokens.start_raw(at_once=8)                    the protocol by hand: see below
        ...
        fates = tokens.stop()                          {token: (code, class)} of those that failed

`fates.sent` are the tokens that were sent. Each is a POST to url + token. A client ends after its
first failure, once all that it has begun have ended.

The raw client is what a careful reader of PROTOCOL.md would write: after `goaway`, 106, or an end of
the connection it connects anew, and sends again what was answered with 106 or could not be written whole.
What was written whole and never answered has the code 0 and the class "maybe processed".
"""

import select
import socket
import subprocess
import sys

import msgpack

from .daemon import FETCHPOOL, ROOT, environment
from .driver import compile_against_library
from .timing import scaled

NOT_SENT, MAYBE = 2, 3

SHELL = """
n=0
while ! [ -e "$STOP" ]; do
    "$FETCHPOOL" -s -d token -o /dev/null "$URL$n" || { echo "$n $?"; n=$((n + 1)); break; }
    [ $n = 0 ] && echo begun
    n=$((n + 1))
done
echo "sent $n"
"""


class Fates(dict):
    """Of those that failed, by token."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def succeeded(self):
        return [token for token in self.sent if token not in self]


class Tokens:
    def __init__(self, path, url, directory):
        self.path, self.url, self.directory = path, url, directory
        self.stop_file = directory / "stop"
        self.processes = {}  # by the beginning of their tokens

    def _start(self, kind, command, **more):
        name = f"{kind}{len(self.processes)}-"
        process = subprocess.Popen([str(word).replace("{URL}", self.url + name) for word in command],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   cwd=ROOT / "tests", env=environment(self.directory, **{
                                       key: value.replace("{URL}", self.url + name)
                                       for key, value in more.items()}))
        self.processes[name] = process

    def start_library(self, at_once=0):
        program = self.directory / "tokendriver"
        if not program.exists():
            compile_against_library(ROOT / "tests/support/tokendriver.c", program)
        self._start("library", [program, self.path, "{URL}", at_once])

    def start_command(self):
        self._start("command", ["sh", "-c", SHELL], STOP=str(self.stop_file), URL="{URL}",
                    FETCHPOOL=str(FETCHPOOL), FETCHPOOL_SOCKET=str(self.path))

    def start_raw(self, at_once=8):
        self._start("raw", [sys.executable, "-B", "-m", "support.tokens", self.path, "{URL}", at_once])

    def await_begun(self):
        """Each has had an answer."""
        for process in self.processes.values():
            assert process.stdout.readline() == "begun\n"

    def stop(self):
        """Ends them all, if they have not ended by themselves."""
        fates = Fates()
        self.stop_file.touch()
        for process in self.processes.values():
            process.stdin.close()
        for name, process in self.processes.items():
            with process.stdout as out:
                lines = out.read().splitlines()
            assert process.wait(scaled(20)) == 0, (name, lines)
            self._collect(name, lines, fates)
        return fates

    @staticmethod
    def _collect(name, lines, fates):
        for line in lines:
            first, *rest = line.split()
            if first == "sent":
                fates.sent += [f"{name}{number}" for number in range(int(rest[0]))]
            elif first == "descriptors":
                assert rest[0] == rest[1], line
            else:
                fates[f"{name}{first}"] = line.partition(" ")[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                stream.close()


# ---- The raw client ------------------------------------------------------------------------------

class Connection:
    """One to the daemon; `open`: tokens' numbers by the id of their request."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(raw=False)
        self.open = {}
        self.is_leaving = False
        self.socket.sendall(msgpack.packb([0, 0, "hello", [{"client": "tokens"}]]))

    def send(self, id, url, number):
        """Whether it was written whole."""
        message = msgpack.packb([0, id, "fetch", [{"url": url, "method": "POST", "body": b"token"}]])
        try:
            self.socket.sendall(message)
        except OSError:
            self.is_leaving = True
            return False
        self.open[id] = number
        return True

    def receive(self):
        """The messages that have come; None at the end."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        self.unpacker.feed(data)
        return list(self.unpacker) if data else None


class RawClient:
    def __init__(self, path, url, at_once):
        self.path, self.url, self.at_once = path, url, at_once
        self.sent, self.next_id, self.has_failed = 0, 1, False
        self.again = []  # numbers of what is known not to have been sent
        self.connections = []

    def connection(self):
        if not self.connections or self.connections[-1].is_leaving:
            self.connections.append(Connection(self.path))
        return self.connections[-1]

    def fail(self, number, code, kind, text):
        print(number, code, kind, text, flush=True)
        self.has_failed = True

    def may_go_on(self):
        return not self.has_failed and not select.select([sys.stdin], [], [], 0)[0]

    def send(self, number):
        while True:
            try:
                connection = self.connection()
            except OSError as error:
                self.fail(number, 900, NOT_SENT, error)
                return
            self.next_id += 1
            if connection.send(self.next_id, f"{self.url}{number}", number):
                return

    def fill(self):
        while self.again:
            self.send(self.again.pop())
        while self.may_go_on() and sum(len(each.open) for each in self.connections) < self.at_once:
            self.sent += 1
            self.send(self.sent - 1)

    def take(self, connection, message):
        if message[0] == 2:
            connection.is_leaving |= message[1] == "goaway"
            return
        _, id, error, result = message
        if id == 0:
            return
        number = connection.open.pop(id)  # a second answer has none
        if error and error[0] == 106:
            connection.is_leaving = True
            self.again.append(number)
        elif error:
            self.fail(number, error[0], MAYBE if error[0] >= 200 else NOT_SENT, error[1])
        elif result["status"] != 200:
            self.fail(number, 0, 0, result["status"])
        if number == 0:
            print("begun", flush=True)

    def listen(self):
        ready, _, _ = select.select([each.socket for each in self.connections], [], [], 0.2)
        for connection in [each for each in self.connections if each.socket in ready]:
            messages = connection.receive()
            for message in messages or []:
                self.take(connection, message)
            if messages is None:
                for number in connection.open.values():
                    self.fail(number, 0, MAYBE, "written, and not answered")
                self.connections.remove(connection)
                connection.socket.close()

    def run(self):
        self.fill()
        while self.again or any(each.open for each in self.connections):
            self.listen()
            self.fill()
        print("sent", self.sent)


if __name__ == "__main__":
    RawClient(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()
