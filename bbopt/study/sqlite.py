"""The journal as an SQLite file: one row an event, for any number of processes on one machine.

Write-ahead logging with a sync at every commit: what was appended survives a killed process and a power
cut, and readers wait for nobody. The row's text is the very line that a .jsonl journal holds, checksum
included, because SQLite itself has none.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self, TypeVar

from bbopt.errors import Conflict, JournalError
from bbopt.study.journal import RESCUE, Event
from bbopt.study.locks import first_free, lock_file, watch_forks
from bbopt.study.wire import decode, encode, seal

APPLICATION_ID = int.from_bytes(b"bbop", "big")
VERSION = 1
"""Of the table; kept in ``PRAGMA user_version``. Raise it when older code could not read the file."""

_PATIENCE = 60.0  # seconds to wait for other writers
_PAGE = 2**22  # bytes of events fetched at a time
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT
"""

_T = TypeVar("_T")
_jitter = SystemRandom()  # leaves the user's seeded generators alone, and differs between forked processes


class SqliteJournal:
    """Events in a table of an SQLite file.

    Parameters
    ----------
    path : str or Path
        The file; beside it live ``-wal`` and ``-shm`` (SQLite's own), ``-queue`` (where writers wait
        for their turn) and ``.lock`` (the ask lock).
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

    def __init__(self, path: str | Path, create: bool = True, durable: bool = True) -> None:
        self._path = os.path.realpath(path)
        self._queue = self._path + "-queue"
        self._synchronous = "FULL" if durable else "NORMAL"
        self._db: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None
        self._closed = False
        self._mutex = threading.Lock()  # one thread at a time on the connection, none during a fork
        watch_forks(self)
        with self._mutex:
            ready = self._patiently(self._is_ready, create)
        if not ready:
            # Makers queue here. Not with the mutex held, which forks wait for: this may take long.
            with lock_file(self._queue), self._mutex:
                self._patiently(self._make)

    @property
    def where(self) -> str:
        """The path of the file."""
        return self._path

    def read(self, after: int) -> Iterator[Event]:
        """Yield all events with ``seq > after``; see :meth:`Journal.read`."""
        more = True
        while more:
            with self._mutex:
                rows, more = self._patiently(self._page, after)
            for seq, record in rows:
                try:
                    event = decode(record)
                except ValueError as error:
                    raise JournalError(f"{self._path}: event {seq} is damaged: {error}; {RESCUE}") from error
                if not seq == event["seq"] == after + 1:
                    raise JournalError(f"event {after + 1} in {self._path} is missing; {RESCUE}")
                yield event
                after = seq

    def append(self, events: Sequence[Event], expect: int | None = None) -> int:
        """Store the events in one transaction; see :meth:`Journal.append`."""
        bodies = [(encode(event), event["kind"]) for event in events]
        # The queue is fair; with SQLite's own waiting alone, some of many writers wait for minutes.
        with self._mutex, lock_file(self._queue):
            try:
                return self._store(bodies, expect)
            except sqlite3.Error as error:
                if _code(error) != sqlite3.SQLITE_FULL:
                    raise self._explain(error) from error
            # The log may be what fills the disk: empty it, and from now on after every append.
            with suppress(sqlite3.Error):
                self._connection().execute("PRAGMA wal_autocheckpoint = 1")
                self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            try:
                return self._store(bodies, expect)
            except sqlite3.Error as error:
                raise self._explain(error) from error

    def lock(self) -> AbstractContextManager[object]:
        """Return the ask lock: a lock on the file ``<path>.lock``."""
        return lock_file(self._path + ".lock")

    def seat(self) -> AbstractContextManager[int]:
        """Return the lowest free seat: a lock on the file ``<path>.seat-0`` or ``<path>.seat-1`` or ..."""
        return first_free(self._path + ".seat")

    def close(self) -> None:
        """Close the connection."""
        with self._mutex:
            self._closed = True
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_mutex"):
            self._disconnect()

    def before_fork(self) -> None:
        """Close the connection: no SQLite connection may cross a fork.

        Not even unused: the child inherits SQLite's table of the locks that its process holds, takes
        none of its own for that file, and loses commits when the parent closes and deletes the log.
        """
        self._mutex.acquire()
        self._disconnect()

    def after_fork(self) -> None:
        """Go on; the connection is opened at the next use."""
        self._mutex.release()

    def _disconnect(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"{Path(self._path).as_uri()}?mode={mode}"
        # timeout=0: SQLite's own waiting is unfair, see _patiently. isolation_level=None: we say BEGIN.
        db = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA synchronous = {self._synchronous}")
        db.execute("PRAGMA wal_autocheckpoint = 100")  # pages in the log, some 400 KB
        db.text_factory = bytes
        return db

    def _connection(self) -> sqlite3.Connection:
        """Return the connection, opened if need be, to the file that it has always been."""
        if self._closed:
            raise JournalError(f"the journal {self._path} was closed")
        try:
            file = os.stat(self._path)
        except FileNotFoundError:
            raise JournalError(f"{self._path} was deleted while it was in use") from None
        if self._file is None:
            self._file = file
        elif not os.path.samestat(file, self._file):
            raise JournalError(f"{self._path} was replaced while it was in use: open the study anew")
        if self._db is None:
            self._db = self._connect("rw")
        return self._db

    def _begin(self) -> sqlite3.Connection:
        db = self._connection()
        if not db.in_transaction:  # an interrupt may have come between BEGIN and what follows it
            db.execute("BEGIN IMMEDIATE")
        return db

    def _store(self, bodies: list[tuple[bytes, str]], expect: int | None) -> int:
        db = self._patiently(self._begin)
        try:
            (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
            if expect is not None and expect != last:
                raise Conflict(f"{self._path}: the last event is {last}, not {expect}: read on and try again")
            db.executemany(
                "INSERT INTO events VALUES (?, ?, CAST(? AS TEXT))",
                [(seq, kind, seal(seq, body)) for seq, (body, kind) in enumerate(bodies, last + 1)],
            )
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
        return int(last) + len(bodies)

    def _page(self, after: int) -> tuple[list[tuple[int, bytes]], bool]:
        """Return the next events, and whether there may be more."""
        rows, size = [], 0
        with closing(self._connection().cursor()) as cursor:
            for row in cursor.execute("SELECT seq, body FROM events WHERE seq > ? ORDER BY seq", (after,)):
                rows.append(row)
                size += len(row[1])
                if size > _PAGE:
                    return rows, True
        return rows, False

    def _stamp(self) -> tuple[int, int] | None:
        """Return (application id, version) of the file, None if it is empty or missing.

        ``immutable`` makes SQLite touch nothing, so that a foreign file stays as it is. (Not read with
        ``open``: closing that would drop the locks that other connections of this process hold.)
        """
        try:
            if os.path.getsize(self._path) == 0:
                return None
        except FileNotFoundError:
            return None
        with closing(self._connect("ro&immutable=1")) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
        return application, version

    def _is_ready(self, create: bool = True) -> bool:
        """Return whether the file is a journal, made to the end; refuse one that is not ours to use."""
        stamp = self._stamp()
        if stamp is None:
            if not create:
                raise JournalError(f"there is no study at {self._path!r}")
            return False
        application, version = stamp
        if application != APPLICATION_ID:
            raise JournalError(f"{self._path} is an SQLite file of another program; it was left untouched")
        if version != VERSION:
            raise JournalError(
                f"{self._path} is from a newer bbopt: journal version {version}, this one reads {VERSION}"
            )
        return bool(self._connection().execute("PRAGMA journal_mode").fetchone() == (b"wal",))

    def _make(self) -> None:
        """Make of an empty or half-made file a journal, unless somebody was faster."""
        if self._is_ready():
            return
        if self._db is None:
            self._db = self._connect("rwc")
        # The stamp comes before the switch to WAL: it must stand in the file itself, where _stamp looks.
        self._db.execute("BEGIN EXCLUSIVE")
        try:
            self._db.execute(_SCHEMA)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        if self._db.execute("PRAGMA journal_mode = WAL").fetchone() != (b"wal",):
            raise JournalError(
                f"{self._path}: SQLite's log cannot live in this file system; use a .jsonl file"
            )

    def _patiently(self, action: Callable[..., _T], *arguments: object) -> _T:
        """Do the action; while another connection is in the way, try again at random times."""
        start = time.monotonic()
        while True:
            try:
                return action(*arguments)
            except sqlite3.Error as error:
                busy = _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() - start > _PATIENCE:
                    raise self._explain(error) from error
            time.sleep(_jitter.uniform(0, 0.01))

    def _explain(self, error: sqlite3.Error) -> JournalError:
        advice = {
            sqlite3.SQLITE_FULL: "the disk is full: free some space and go on",
            sqlite3.SQLITE_NOTADB: "this is not an SQLite file",
            sqlite3.SQLITE_CORRUPT: f"the file is damaged: {RESCUE}",
            sqlite3.SQLITE_BUSY: f"another process was writing for more than {_PATIENCE:.0f} s",
        }.get(_code(error), "")
        return JournalError("; ".join(filter(None, [f"{self._path}: nothing was stored: {error}", advice])))


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code; 0 if the error is Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
