"""File locks that die with their holder, and nothing shared with forked children.

The locks are ``flock`` locks: they belong to an open file, so two threads that each open the lock
file exclude one another like two processes do, and the system frees them when the last descriptor of
that open file is gone. The catch: a forked child (a ProcessPoolExecutor worker, say) inherits the
descriptor and would keep the lock after its parent was killed; therefore every descriptor that may
carry a lock is opened with :func:`open_private` and closed in the child by a fork hook. The other
family, POSIX record locks, is owned by the process and needs no hook, but it does not exclude threads,
vanishes when any descriptor of the file is closed (a backup tool in the same process is enough), and
reports deadlocks that are none when threads wait on several studies.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol
from weakref import WeakSet

_BINARY = getattr(os, "O_BINARY", 0)  # Windows only


class Forkable(Protocol):
    """Something that must let go of its file while the process forks."""

    def before_fork(self) -> None:
        """Wait for what runs in other threads, keep new calls out, let go of the file."""
        ...

    def after_fork(self) -> None:
        """Let calls in again, in the parent and in the child."""
        ...


_forking = threading.Lock()  # held from before a fork until after it
_opening = threading.RLock()  # held while a descriptor is opened or closed
_descriptors: set[int] = set()
_forkables: WeakSet[Forkable] = WeakSet()
_after = ExitStack()  # what is to be undone after the fork under way


def watch_forks(journal: Forkable) -> None:
    """Have the journal's fork hooks called from now on, as long as it lives."""
    with _forking:
        _forkables.add(journal)


def _before_fork() -> None:
    # Always in this order: journals open descriptors while they are busy.
    _after.enter_context(_forking)
    for journal in list(_forkables):
        journal.before_fork()
        _after.callback(journal.after_fork)
    _after.enter_context(_opening)


def _after_fork_in_parent() -> None:
    _after.pop_all().close()  # pop_all: once _forking is released, the next fork fills the stack anew


def _after_fork_in_child() -> None:
    for descriptor in _descriptors:
        os.close(descriptor)
    _descriptors.clear()
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )


def open_private(path: str, flags: int) -> int:
    """Open a file like ``os.open`` with a descriptor that neither forked nor executed children keep."""
    with _opening:
        descriptor = os.open(path, flags | _BINARY, 0o666)
        _descriptors.add(descriptor)
    return descriptor


def close_private(descriptor: int) -> None:
    """Close what :func:`open_private` opened; in a forked child, where it is closed already, do nothing."""
    with _opening:
        if descriptor in _descriptors:
            _descriptors.discard(descriptor)
            os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    _FAR = 2**40  # Windows locks bytes against reading too: lock one beyond any data

    def _acquire(descriptor: int) -> None:
        while True:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            with suppress(OSError):  # msvcrt gives up after ten seconds
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Hold the lock of an open file; waits as long as it takes."""
    _acquire(descriptor)
    try:
        yield
    finally:
        if descriptor in _descriptors:  # not so in a child forked meanwhile: the lock is its parent's
            _release(descriptor)


@contextmanager
def lock_file(path: str) -> Iterator[None]:
    """Hold the lock that the file ``path`` stands for; the file is made if need be and stays behind.

    Excludes threads and processes alike, is freed when the holder dies, and is not reentrant.
    """
    while True:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        try:
            with locked(descriptor):
                if _is_at(path, descriptor):  # else somebody removed the file while we waited: begin anew
                    yield
                    return
        finally:
            close_private(descriptor)


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
