"""Where a study is kept: from what a user gives as ``storage`` to a journal."""

from contextlib import suppress
from os import PathLike
from pathlib import Path

from bbopt.errors import JournalError
from bbopt.study.journal import Event, Journal, MemoryJournal
from bbopt.study.jsonl import JsonlJournal
from bbopt.study.sqlite import SqliteJournal

_FILES = ".jsonl, .db, .sqlite or .sqlite3"


def open_journal(storage: str | PathLike[str] | Journal | None, create: bool = True) -> Journal:
    """Open the journal that ``storage`` names.

    Parameters
    ----------
    storage : str, Path, Journal or None
        None for memory; a path ending in .jsonl (text, one event a line) or .db, .sqlite, .sqlite3
        (SQLite); a journal is returned as it is.
    create : bool
        Whether a file that does not exist is made.

    Raises
    ------
    JournalError
        Unknown ending, missing directory, missing file with ``create=False``, a file that is not a
        journal or was written by a newer bbopt.
    """
    if storage is None:
        return MemoryJournal()
    if not isinstance(storage, (str, PathLike)):
        if not all(hasattr(storage, word) for word in ("read", "append", "lock", "seat")):
            raise JournalError(
                f"storage must be None, a Journal or a path ending in {_FILES}, got {storage!r}"
            )
        return storage
    if "://" in str(storage):
        raise JournalError(
            f"storage must be None, a Journal or a path ending in {_FILES}, got the URL {str(storage)!r}"
        )
    path = Path(storage)
    ending = path.suffix.lower()
    if ending not in (".jsonl", ".db", ".sqlite", ".sqlite3"):
        raise JournalError(f"storage must be None, a Journal or a path ending in {_FILES}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise JournalError(
            f"storage {str(path)!r}: there is no directory {str(path.parent)!r}; make it first"
        )
    if not create and not path.exists():
        raise JournalError(f"there is no study at {str(path)!r}")
    kind = JsonlJournal if ending == ".jsonl" else SqliteJournal
    return kind(path, create=create)


def salvage(storage: str | PathLike[str]) -> list[Event]:
    """Return the intact events of a damaged file, up to the first damaged one.

    ``open_journal("new.db").append(salvage("damaged.db"))`` makes a sound journal of them. Raises
    JournalError if the file cannot be opened at all.
    """
    events: list[Event] = []
    with open_journal(storage, create=False) as journal, suppress(JournalError):
        events.extend(journal.read(0))
    return events
