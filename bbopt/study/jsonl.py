"""The journal as a text file: one line of JSON an event, to read with any tool.

Appends hold a lock on the file, write whole lines, and sync; readers wait for nobody. A power cut or a
kill can leave a torn end, which was never acknowledged: it is ignored, and the next append removes it.
Damage anywhere else is reported, never passed over.
"""

import os
import re
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import pairwise
from types import TracebackType
from typing import Self

from bbopt.errors import Conflict, JournalError
from bbopt.study.journal import RESCUE, Event
from bbopt.study.locks import PrivateFile, first_free, lock_file, watch_forks
from bbopt.study.wire import MAX_BYTES, decode, encode, is_whole, seal

VERSION = 1
"""Of the file format. Raise it when older code could not read the file."""

HEADER = seal(0, b'{"kind":"bbopt journal","version":%d}' % VERSION) + b"\n"
_VERSION = re.compile(rb'\{"seq":0,"kind":"bbopt journal","version":(\d{1,9})[,}]')
_NUMBERS = re.compile(rb'\{"seq":(\d{1,18}),(?:"more":(\d{1,9}),)?')
_CHUNK = 2**20  # bytes read at a time
_PAGE = 2**22  # bytes of events decoded at a time


class JsonlJournal:
    """Events as lines of a text file.

    Parameters
    ----------
    path : str or Path
        The file; beside it lives ``<path>.lock`` (the ask lock).
    create : bool
        Whether a missing file is made.
    durable : bool
        False skips the sync at every append: faster, still safe from killed processes, but a power cut
        may take the last events.

    Raises
    ------
    JournalError
        No such file, not a bbopt journal (the file is left untouched), or of a newer version.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = True, durable: bool = True) -> None:
        self._path = os.path.realpath(path)
        self._durable = durable
        self._file = PrivateFile(self._path)
        self._identity: os.stat_result | None = None
        self._starts = array("q")  # where the records 0 (the header), 1, 2, 3, ... begin
        self._end = 0  # where the last of them ends
        self._closed = False
        self._mutex = threading.Lock()  # one thread at a time on all of the above, none during a fork
        watch_forks(self)
        with self._mutex:
            self._begin(create)

    @property
    def where(self) -> str:
        """The path of the file."""
        return self._path

    def read(self, after: int) -> Iterator[Event]:
        """Yield all events with ``seq > after``; see :meth:`Journal.read`."""
        with self._mutex:
            damage = self._look()
            if damage:
                with self._file.locked():  # was it just an append under way?
                    damage = self._look()
            last = len(self._starts) - 1
        while after < last:
            with self._mutex:
                records = self._page(after, last)
            for record in records:
                after += 1
                try:
                    event = decode(record)
                except ValueError as error:
                    raise JournalError(
                        f"event {after} in {self._path} is damaged: {error}; {RESCUE}"
                    ) from error
                yield event
        if damage:
            raise JournalError(damage)

    def append(self, events: Sequence[Event], expect: int | None = None) -> int:
        """Store the events in one write; see :meth:`Journal.append`."""
        bodies = [encode(event) for event in events]
        with self._mutex:
            self._size()  # opens the file if need be
            with self._file.locked():
                damage = self._look()
                if damage:
                    raise JournalError(damage)
                last = len(self._starts) - 1
                if expect is not None and expect != last:
                    raise Conflict(
                        f"{self._path}: the last event is {last}, not {expect}: read on and try again"
                    )
                count = len(bodies)
                self._write(
                    [seal(last + i, body, more=count - i) + b"\n" for i, body in enumerate(bodies, 1)]
                )
        return last + count

    def lock(self) -> AbstractContextManager[object]:
        """Return the ask lock: a lock on the file ``<path>.lock``."""
        return lock_file(self._path + ".lock")

    def seat(self) -> AbstractContextManager[int]:
        """Return the lowest free seat: a lock on the file ``<path>.seat-0`` or ``<path>.seat-1`` or ..."""
        return first_free(self._path + ".seat")

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self._closed = True
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def before_fork(self) -> None:
        """Close the file, between two appends: a child that kept it open would share its lock."""
        self._mutex.acquire()
        self._file.close()

    def after_fork(self) -> None:
        """Go on; the file is opened at the next use."""
        self._mutex.release()

    def _begin(self, create: bool) -> None:
        """Open the file for the first time; write the header if there is none yet."""
        try:
            self._file.open(os.O_RDWR | (os.O_CREAT if create else 0))
        except FileNotFoundError:
            raise JournalError(f"there is no study at {self._path!r}") from None
        except OSError as error:
            raise JournalError(f"{self._path} cannot be opened: {error}") from error
        self._identity = os.fstat(self._file.descriptor)
        if self._bytes(0, len(HEADER)) != HEADER:
            with self._file.locked():
                self._write_header(create)
        self._starts, self._end = array("q", [0]), len(HEADER)

    def _write_header(self, create: bool) -> None:
        start = self._bytes(0, _CHUNK)
        if start.startswith(HEADER):
            return  # somebody was faster
        if not HEADER.startswith(start.rstrip(b"\0")) or len(start) == _CHUNK:
            found = _VERSION.match(start)
            if found and int(found[1]) > VERSION:
                version = int(found[1])
                raise JournalError(
                    f"{self._path} is from a newer bbopt: journal version {version}, this one reads {VERSION}"
                )
            raise JournalError(
                f"{self._path} is no bbopt journal, or its first line is damaged; left untouched"
            )
        if not start and not create:
            raise JournalError(f"there is no study at {self._path!r}")
        self._write([HEADER])
        if self._durable and os.name == "posix":
            directory = os.open(os.path.dirname(self._path), os.O_RDONLY)
            try:
                os.fsync(directory)  # the name of the file must last as well
            finally:
                os.close(directory)

    def _size(self) -> int:
        """Return the size of the file, opened if need be, which must be the one that it has always been."""
        if self._closed:
            raise JournalError(f"the journal {self._path} was closed")
        try:
            file = os.stat(self._path)
            if self._file.descriptor < 0:
                self._file.open(os.O_RDWR)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be used any more: {error}") from error
        if self._identity is None or not os.path.samestat(file, self._identity) or file.st_size < self._end:
            raise JournalError(f"{self._path} was replaced or cut while it was in use: open the study anew")
        return file.st_size

    def _bytes(self, start: int, stop: int) -> bytes:
        """Return what the file holds from start to stop, or to its end."""
        pieces = []
        try:
            os.lseek(self._file.descriptor, start, os.SEEK_SET)
            while start < stop and (piece := os.read(self._file.descriptor, stop - start)):
                pieces.append(piece)
                start += len(piece)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be read: {error}") from error
        return b"".join(pieces)

    def _lines(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield place and text of the whole lines between start and stop, without their ends."""
        rest, position = b"", start
        while position < stop and len(rest) < 2 * MAX_BYTES:
            chunk = self._bytes(position, min(stop, position + max(_CHUNK, len(rest))))
            if not chunk:
                return
            position += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield start, line
                start += len(line) + 1

    def _look(self) -> str:
        """Index the records added since the last look; say what is wrong after them, or nothing."""
        size = self._size()
        position = self._end
        batch: list[int] = []  # records of one append, which count only once the last of them is there
        more = 0
        for start, line in self._lines(position, size):
            position = start + len(line) + 1
            numbers = _NUMBERS.match(line)
            if numbers is None or not is_whole(line):
                return self._damage(start, line, size)
            seq, follow = int(numbers[1]), int(numbers[2] or 0)
            if seq == len(self._starts) + len(batch) and (not batch or follow == more - 1):
                batch.append(start)
                more = follow
            elif not self._is_again(seq, batch, line):
                return self._damage(start, line, size)
            # else the line was doubled by accident, which does no harm
            if not more:
                self._starts.extend(batch)
                batch = []
                self._end = position
        tail = self._bytes(position, min(size, position + 2 * MAX_BYTES))
        # A torn end lacks its last byte; a whole record with another byte there was overwritten.
        return self._damage(position, tail, size) if is_whole(tail[:-1]) else ""

    def _is_again(self, seq: int, batch: list[int], line: bytes) -> bool:
        """Return whether the line repeats the record of that number."""
        known = len(self._starts)
        if seq >= known + len(batch):
            return False
        start = self._starts[seq] if seq < known else batch[seq - known]
        return self._bytes(start, start + len(line) + 1) == line + b"\n"

    def _damage(self, start: int, line: bytes, size: int) -> str:
        """Say what is wrong with the line; nothing if a power cut may have left it as the torn end."""
        goes_on = any(is_whole(later) for _, later in self._lines(start + len(line) + 1, size))
        if b"\0\0" in line and not goes_on:
            return ""  # blocks that did not reach the disk are zero
        number = 1 + sum(1 for _ in self._lines(0, start))
        why = "it is out of order" if is_whole(line) else "its checksum does not match"
        return f"line {number} of {self._path} is damaged ({why}); {RESCUE}"

    def _page(self, after: int, last: int) -> list[bytes]:
        """Return the records after + 1, ... up to last or as many as make a page."""
        starts, first = self._starts, after + 1
        stop = bisect_right(starts, starts[first] + _PAGE, first + 1, last + 1)
        bounds = [*starts[first:stop], starts[stop] if stop < len(starts) else self._end]
        data = self._bytes(bounds[0], bounds[-1])
        return [data[a - bounds[0] : b - bounds[0]].partition(b"\n")[0] for a, b in pairwise(bounds)]

    def _write(self, records: list[bytes]) -> None:
        """Write the records after the last whole one, over a torn end if there is one."""
        data = memoryview(b"".join(records))
        try:
            if os.lseek(self._file.descriptor, 0, os.SEEK_END) > self._end:
                os.ftruncate(self._file.descriptor, self._end)
            os.lseek(self._file.descriptor, self._end, os.SEEK_SET)
            while data:
                data = data[os.write(self._file.descriptor, data) :]
            if self._durable:
                os.fsync(self._file.descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file.descriptor, self._end)
            raise JournalError(f"{self._path}: nothing was stored: {error}") from error
        for record in records:
            self._starts.append(self._end)
            self._end += len(record)
