"""
Clients of other users, within this process.

    with as_user(NOBODY): ...               what this thread connects meanwhile is that user's
    with as_user(NOBODY, gid=7, groups=[8]): ...     and of these groups; else of root's
    client = client_of(daemon, NOBODY)      a Client; closed with the daemon

The daemon knows a client's user by SO_PEERCRED and its groups by SO_PEERGROUPS, which the kernel takes
from the thread that connects. glibc's setuid() changes all threads; the system call changes only the
one that makes it, so that an origin's threads stay what they are. Needs root.
"""

import contextlib
import ctypes
import os
import platform

import pytest

from .reader import NOBODY, open_to_all

SETRESUID = {"x86_64": 117, "aarch64": 147}.get(platform.machine())
SETRESGID = {"x86_64": 119, "aarch64": 149}.get(platform.machine())
SETGROUPS = {"x86_64": 116, "aarch64": 159}.get(platform.machine())
KEEP = ctypes.c_uint(-1)

needs_root = pytest.mark.skipif(os.getuid() != 0 or SETRESUID is None,
                                reason="only root can be another user")


def _call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")


def _set_effective_user(uid):
    _call(SETRESUID, KEEP, ctypes.c_uint(uid), KEEP)


def _set_groups(gid, groups):
    _call(SETRESGID, KEEP, ctypes.c_uint(gid), KEEP)
    _call(SETGROUPS, ctypes.c_size_t(len(groups)), (ctypes.c_uint * len(groups))(*groups))


@contextlib.contextmanager
def as_user(uid, gid=None, groups=None):
    before, group_before, groups_before = os.geteuid(), os.getegid(), os.getgroups()
    if gid is not None or groups is not None:
        _set_groups(group_before if gid is None else gid,
                    groups_before if groups is None else groups)
    _set_effective_user(uid)
    try:
        yield
    finally:
        _set_effective_user(before)
        _set_groups(group_before, groups_before)


def client_of(daemon, uid, seconds=10, gid=None, groups=None):
    with as_user(uid, gid, groups):
        return daemon.client(seconds)


__all__ = ["NOBODY", "as_user", "client_of", "needs_root", "open_to_all"]
