"""File locks that die with their holder, and nothing shared with forked children.

The locks are ``flock`` locks: they belong to an open file, so two threads that each open the lock
file exclude one another like two processes do, and the system frees them when the last descriptor of
that open file is gone. The catch: a forked child (a ProcessPoolExecutor worker, say) inherits the
descriptor and would keep the lock after its parent was killed; therefore every file that may carry a
lock is a :class:`PrivateFile`, which a fork hook closes in the child. The other
family, POSIX record locks, is owned by the process and needs no hook, but it does not exclude threads,
vanishes when any descriptor of the file is closed (a backup tool in the same process is enough), and
reports deadlocks that are none when threads wait on several studies.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Protocol
from weakref import WeakSet

from bbopt.errors import JournalError

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
_opening = threading.RLock()  # held while a private file is opened or closed
_files: set["PrivateFile"] = set()
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
    for file in list(_files):
        file.close()
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )


class PrivateFile:
    """A file whose descriptor neither forked nor executed children keep."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = -1
        """-1 while the file is closed."""

    def open(self, flags: int) -> None:
        """Open the file like ``os.open``."""
        with _opening:
            self.descriptor = os.open(self.path, flags | _BINARY, 0o666)
            _files.add(self)

    def close(self) -> None:
        """Close the file if it is open, and thereby free its lock."""
        with _opening:
            if self.descriptor >= 0:
                os.close(self.descriptor)
                self.descriptor = -1
                _files.discard(self)

    @contextmanager
    def locked(self, wait: bool = True) -> Iterator[None]:
        """Hold the lock of the open file; waits as long as it takes, or raises BlockingIOError."""
        _acquire(self.descriptor, wait)
        try:
            yield
        finally:
            if self.descriptor >= 0:  # not so in a child forked meanwhile: the lock is its parent's
                _release(self.descriptor)

    def is_at_its_path(self) -> bool:
        """Return whether the path still leads to the open file."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    _FAR = 2**40  # Windows locks bytes against reading too: lock one beyond any data

    def _acquire(descriptor: int, wait: bool) -> None:
        while True:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:  # msvcrt gives up after ten seconds
                if not wait:
                    raise BlockingIOError("the lock is held") from error

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(descriptor: int, wait: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def lock_file(path: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock that the file ``path`` stands for; the file is made if need be and stays behind.

    Excludes threads and processes alike, is freed when the holder dies, and is not reentrant. Raises
    JournalError if the file cannot be opened and, without ``wait``, BlockingIOError if it is held.
    """
    file = PrivateFile(path)
    while True:
        try:
            file.open(os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise JournalError(f"the lock file {path} cannot be opened: {error}") from error
        try:
            with file.locked(wait):
                if file.is_at_its_path():  # else somebody removed it while we waited: begin anew
                    yield
                    return
        finally:
            file.close()


@contextmanager
def first_free(path: str) -> Iterator[int]:
    """Hold the first free one of the locks ``<path>-0``, ``<path>-1``, ...; yield its number.

    Its file is removed at the end; a holder that is killed leaves the file, and frees the lock.
    """
    for number in count():
        with ExitStack() as stack:
            try:
                stack.enter_context(lock_file(f"{path}-{number}", wait=False))
            except BlockingIOError:
                continue
            try:
                yield number
            finally:
                with suppress(OSError):
                    os.unlink(f"{path}-{number}")
            return
