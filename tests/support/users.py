"""
Clients of other users, within this process.

    with as_user(NOBODY): ...               what this thread connects meanwhile is that user's
    client = client_of(daemon, NOBODY)      a Client; closed with the daemon

The daemon knows a client's user by SO_PEERCRED, which the kernel takes from the thread that connects.
glibc's setuid() changes all threads; the system call changes only the one that makes it, so that an
origin's threads stay what they are. Needs root.
"""

import contextlib
import ctypes
import os
import platform

import pytest

from .reader import NOBODY, open_to_all

SETRESUID = {"x86_64": 117, "aarch64": 147}.get(platform.machine())
KEEP = ctypes.c_uint(-1)

needs_root = pytest.mark.skipif(os.getuid() != 0 or SETRESUID is None,
                                reason="only root can be another user")


def _set_effective_user(uid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SETRESUID, KEEP, ctypes.c_uint(uid), KEEP) != 0:
        raise OSError(ctypes.get_errno(), "setresuid")


@contextlib.contextmanager
def as_user(uid):
    before = os.geteuid()
    _set_effective_user(uid)
    try:
        yield
    finally:
        _set_effective_user(before)


def client_of(daemon, uid, seconds=10):
    with as_user(uid):
        return daemon.client(seconds)


__all__ = ["NOBODY", "as_user", "client_of", "needs_root", "open_to_all"]
