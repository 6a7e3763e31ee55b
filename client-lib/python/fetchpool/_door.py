"""
The daemon's door: where its socket is, whose it may be, and how one gets in.

Whoever has the socket reads all that is sent to it, so nothing is sent unless it is root's, this
user's, or the user's whom $FETCHPOOL_SOCKET_OWNER names. libfetchpool does the same.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
import stat
import struct
import time
from typing import Optional, Union

from ._errors import Code, Error, error_of

SYSTEM_SOCKET = "/run/fetchpool/fetchpool.sock"
PATH_VARIABLE = "FETCHPOOL_SOCKET"
OWNER_VARIABLE = "FETCHPOOL_SOCKET_OWNER"

# How long to wait before another try where the daemon does not accept: a Unix socket cannot be polled
# for that, nothing says when it does.
WAIT_SECONDS = 0.01

# unix(7): sun_path has 108 bytes, with the zero.
_MAX_PATH_BYTES = 107

Path = Union[str, "os.PathLike[str]"]


def find_path(path: Optional[Path] = None) -> str:
    """The path that is given, else $FETCHPOOL_SOCKET, else the session's socket, else the system's."""
    if path is not None:
        return os.fspath(path)
    named = os.environ.get(PATH_VARIABLE)
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        own = os.path.join(runtime, "fetchpool", "fetchpool.sock")
        if os.path.exists(own):
            return own
    return SYSTEM_SOCKET


class WouldWait(Exception):
    """The daemon's backlog is full, or it does not run while systemd holds its socket: try again."""


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _label_of(user: int) -> str:
    return "root" if user == 0 else f"{_name_of(user)} ({user})"


class Door:
    """Knows one path. connect() gives sockets; it holds nothing."""

    def __init__(self, path: Optional[Path] = None) -> None:
        self.path = find_path(path)

    def connect(self, seconds: float) -> socket.socket:
        """As connect_now(), but where the daemon does not accept it tries again for that long."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.connect_now()
            except WouldWait:
                if time.monotonic() >= until:
                    raise self.not_accepted() from None
            time.sleep(WAIT_SECONDS)

    def connect_now(self) -> socket.socket:
        """A connected, non-blocking socket. Does not wait: WouldWait says that it would have."""
        if len(os.fsencode(self.path)) > _MAX_PATH_BYTES:
            raise self._not_reached(
                f"the path is too long for a Unix socket, which takes {_MAX_PATH_BYTES} bytes"
            )
        named = self._named_owner()
        try:
            held = os.open(self.path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise self._not_reached(_reason(error)) from None
        try:
            return self._connect_held(held, named)
        finally:
            os.close(held)

    def _named_owner(self) -> Optional[int]:
        text = os.environ.get(OWNER_VARIABLE)
        if not text:
            return None
        if text.isascii() and text.isdigit() and int(text) < 2**32 - 1:
            return int(text)
        try:
            return pwd.getpwnam(text).pw_uid
        except KeyError:
            raise self._foreign(
                f'is not used: {OWNER_VARIABLE} names "{text[:64]}", and there is no such user'
            ) from None

    # It is the file that is held that is looked at and connected to, whatever takes its place.
    def _connect_held(self, held: int, named: Optional[int]) -> socket.socket:
        about = os.fstat(held)
        if stat.S_ISSOCK(about.st_mode):  # else connect() says so
            self._check(about.st_uid, "belongs to", named)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            is_reached = self._reach(made, held)
            # With systemd's unit the file is root's, and says by that who may serve it.
            if about.st_uid != 0 or not is_reached:
                self._check(_listener_of(made), "is served by", named)
        except BaseException:
            made.close()
            raise
        return made

    # Not in blocking mode: a connect that a signal interrupts would be taken for one that goes on.
    def _reach(self, made: socket.socket, held: int) -> bool:
        """Whether it was by the descriptor: where there is no /proc, the path has to do."""
        made.setblocking(False)
        try:
            try:
                made.connect(f"/proc/thread-self/fd/{held}")
                return True
            except FileNotFoundError:
                made.connect(self.path)
                return False
        except BlockingIOError:
            raise WouldWait from None
        except OSError as error:
            raise self._not_reached(_reason(error)) from None

    def _check(self, user: int, verb: str, named: Optional[int]) -> None:
        own = os.geteuid()
        if user in (0, own, named):
            return
        accepted = ["root"]
        accepted += [_label_of(other) for other in (own, named) if other]
        accepted = list(dict.fromkeys(accepted))
        nor = f"neither {', '.join(accepted[:-1])} nor {accepted[-1]}" if accepted[1:] else "not root"
        raise self._foreign(
            f"{verb} {_label_of(user)}, {nor}; {OWNER_VARIABLE}={_name_of(user)} would allow it"
        )

    def _foreign(self, why: str) -> Error:
        return error_of(Code.FOREIGN_SOCKET, f"the socket {self.path} {why}")

    def not_accepted(self) -> Error:
        return self._not_reached("the daemon did not accept in time")

    def _not_reached(self, why: str) -> Error:
        return error_of(Code.NO_DAEMON, f"connect to fetchpoold at {self.path} failed: {why}")


def _listener_of(made: socket.socket) -> int:
    """The user who called listen(2): SO_PEERCRED, unix(7)."""
    credentials = made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, user, _group = struct.unpack("3I", credentials)
    return int(user)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def is_reset(error: Optional[OSError]) -> bool:
    """Its other end was closed with bytes unread, or before it was accepted."""
    return error is not None and error.errno == errno.ECONNRESET
