"""The journal: the one truth about a study, a numbered list of events that only ever grows."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

from bbopt.errors import Conflict

Event: TypeAlias = dict[str, Any]
"""JSON data and arrays (float64, int64, int8, bool) with a string ``"kind"``; journals add ``"seq"``."""

RESCUE = "bbopt.study.storage.salvage(path) returns the intact events before it"
"""What error messages about damaged files advise."""


class Journal(Protocol):
    """An append-only list of events, numbered 1, 2, 3, ...; several processes and threads may share it.

    Events that :meth:`read` yields belong to the journal: look, do not change them.
    """

    @property
    def where(self) -> str:
        """The place, for messages: a path, or ``"memory"``."""
        ...

    def read(self, after: int) -> Iterator[Event]:
        """Yield all events with ``seq > after`` in order; cheap when there are none.

        Raises JournalError at the first damaged event, after all intact ones before it were yielded.
        """
        ...

    def append(self, events: Sequence[Event], expect: int | None = None) -> int:
        """Store the events, all or none, and return the last number; they are safe once it returns.

        Parameters
        ----------
        events : sequence of Event
            A ``"seq"`` in them is ignored.
        expect : int or None
            The last number that the caller has read, if it matters.

        Raises
        ------
        Conflict
            The journal's last number is not ``expect``: somebody was faster. Nothing was written.
        JournalError
            The events cannot be stored (disk full, damaged file, not JSON data). Nothing was written.
        """
        ...

    def lock(self) -> AbstractContextManager[object]:
        """Return the ask lock: held by one thread of one process at a time, and not reentrant.

        The system frees it when its holder dies. :meth:`read` and :meth:`append` never wait for it.
        """
        ...

    def seat(self) -> AbstractContextManager[int]:
        """Return the lowest seat number, from 0, that nobody holds; it is held inside the ``with`` block.

        The system frees the seat when its holder dies, so whoever comes next sits where the dead one
        sat: how a restarted worker finds its own unfinished trials.
        """
        ...

    def close(self) -> None:
        """Let go of the file; closing twice is nothing, any other use afterwards a JournalError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class MemoryJournal:
    """Events in a list: fast, seen by the threads of this process only, gone with it."""

    where = "memory"

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._appending = threading.Lock()
        self._asking = threading.Lock()
        self._seats: set[int] = set()

    def read(self, after: int) -> Iterator[Event]:
        """Yield all events with ``seq > after``."""
        return iter(self._events[after:])

    def append(self, events: Sequence[Event], expect: int | None = None) -> int:
        """Store copies of the events; see :meth:`Journal.append`."""
        kept = [_copy(event) for event in events]
        with self._appending:
            last = len(self._events)
            if expect is not None and expect != last:
                raise Conflict(f"memory: the last event is {last}, not {expect}: read on and try again")
            for seq, event in enumerate(kept, last + 1):
                event["seq"] = seq
            self._events += kept
            return last + len(kept)

    def lock(self) -> AbstractContextManager[object]:
        """Return the ask lock."""
        return self._asking

    @contextmanager
    def seat(self) -> Iterator[int]:
        """Return the lowest free seat."""
        with self._appending:
            number = next(k for k in count() if k not in self._seats)
            self._seats.add(number)
        try:
            yield number
        finally:
            self._seats.discard(number)

    def close(self) -> None:
        """Do nothing: the events stay readable as long as somebody holds the journal."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _copy(value: Any) -> Any:
    """Copy containers and arrays, so that what the caller changes later stays outside the journal."""
    if isinstance(value, dict):
        if _MUTABLE.isdisjoint(map(type, value.values())):
            return value.copy()
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.flags.writeable or not value.flags.owndata:
        value = value.copy()
        value.flags.writeable = False
    return value


_MUTABLE = frozenset((dict, list, np.ndarray))
