"""Torn, dirty, foreign and newer files."""

import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from bbopt.errors import JournalError
from bbopt.study import wire
from bbopt.study.jsonl import HEADER, JsonlJournal
from bbopt.study.locks import lock_file
from bbopt.study.sqlite import SqliteJournal
from bbopt.study.storage import open_journal, salvage


def told(*numbers):
    return [{"kind": "told", "i": i, "x": [0.1 * i], "name": "°C"} for i in numbers]


@pytest.fixture
def text(tmp_path):
    """A JSONL journal of five events, the last two appended together."""
    path = tmp_path / "study.jsonl"
    with JsonlJournal(path, durable=False) as journal:
        for i in range(3):
            journal.append(told(i))
        journal.append(told(3, 4))
    return path


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "study.db"
    with SqliteJournal(path, durable=False) as journal:
        journal.append(told(*range(5)))
    return path


def read(path):
    with open_journal(path, create=False) as journal:
        return [event["i"] for event in journal.read(0)]


def goes_on(path, kept):
    """Check that the file holds what it should, takes one more event, and is sound afterwards."""
    assert read(path) == kept
    with JsonlJournal(path, durable=False) as journal:
        assert journal.append(told(99), expect=len(kept)) == len(kept) + 1
        assert [event["i"] for event in journal.read(0)] == [*kept, 99]
    assert read(path) == [*kept, 99]
    for seq, line in enumerate(path.read_bytes().splitlines()):
        assert wire.is_whole(line)
        assert line.startswith(b'{"seq":%d,' % seq)


class TestJsonl:
    def test_one_readable_line_an_event(self, text):
        lines = text.read_text(encoding="utf-8").splitlines()
        assert lines[2].startswith('{"seq":2,"kind":"told","i":1,"x":[0.1],"name":"°C","crc":"')
        assert lines[4].startswith('{"seq":4,"more":1,"kind":"told",')
        assert len(lines) == 6

    def test_torn_at_every_byte_of_the_last_append(self, text):
        whole = text.read_bytes()
        begin = sum(map(len, whole.splitlines(keepends=True)[:4]))
        for cut in range(begin, len(whole)):
            text.write_bytes(whole[:cut])
            goes_on(text, [0, 1, 2])

    @pytest.mark.parametrize(
        "dirt",
        [
            b"\0" * 512,
            b"\0" * 5000,
            b'{"seq":6,"kind":"\xc3',
            b"\0" * 40 + b',"crc":"00000000"}\n',
            b'{"seq":6',
            b"{",
        ],
        ids=["nul", "many nul", "partial utf-8", "hole", "torn", "brace"],
    )
    def test_dirty_end(self, text, dirt):
        text.write_bytes(text.read_bytes() + dirt)
        goes_on(text, [0, 1, 2, 3, 4])

    def test_torn_end_is_passed_over_by_a_reader_and_removed_by_the_next_append(self, text):
        with JsonlJournal(text) as reader, JsonlJournal(text) as writer:
            assert len(list(reader.read(0))) == 5
            with open(text, "ab") as file:
                file.write(b'{"seq":6,"kind":"told","i":5,"pad":"' + b"x" * 500)
            assert list(reader.read(5)) == []
            writer.append(told(5))
            assert [event["i"] for event in reader.read(5)] == [5]

    def test_torn_at_every_byte_of_the_header(self, text):
        for cut in range(len(HEADER)):
            for zeros in (0, 7, 512):
                text.write_bytes(HEADER[:cut] + b"\0" * zeros)
                with JsonlJournal(text, durable=False) as journal:
                    assert journal.append(told(0)) == 1
                assert text.read_bytes().startswith(HEADER)
                assert read(text) == [0]

    def test_every_flipped_bit_is_reported_with_its_line(self, text):
        whole = text.read_bytes()
        lines = whole.splitlines(keepends=True)
        rng = np.random.default_rng(0)
        for position in range(len(HEADER), len(whole)):
            number = 1 + whole[:position].count(b"\n")
            before = [0, 1, 2][: number - 2]
            damaged = bytearray(whole)
            damaged[position] ^= 1 << rng.integers(8)
            text.write_bytes(damaged)
            with JsonlJournal(text, create=False) as journal:
                found = []
                with pytest.raises(JournalError, match=f"line {number} of .* is damaged .*salvage"):
                    found.extend(event["i"] for event in journal.read(0))
                with pytest.raises(JournalError, match=f"line {number} "):
                    journal.append(told(9))
            assert [event["i"] for event in salvage(text)] == before
            assert text.read_bytes() == damaged
        assert len(lines) == 6

    def test_salvaged_events_make_a_new_journal(self, text, tmp_path):
        text.write_bytes(text.read_bytes().replace(b'"i":2', b'"i":7'))
        with open_journal(tmp_path / "new.db") as journal:
            journal.append(salvage(text))
        assert read(tmp_path / "new.db") == [0, 1]

    def test_doubled_lines_are_skipped(self, text):
        lines = text.read_bytes().splitlines(keepends=True)
        for i in range(6):
            text.write_bytes(b"".join([*lines[: i + 1], *lines[i:]]))
            assert read(text) == [0, 1, 2, 3, 4]
            with JsonlJournal(text) as journal:
                assert journal.append(told(5), expect=5) == 6
            assert read(text) == [0, 1, 2, 3, 4, 5]

    def test_missing_and_swapped_lines_are_reported(self, text):
        lines = text.read_bytes().splitlines(keepends=True)
        for wrong in (
            lines[:2] + lines[3:],
            [*lines[:2], lines[3], lines[2], *lines[4:]],
            lines[:4] + lines[5:],
        ):
            text.write_bytes(b"".join(wrong))
            with JsonlJournal(text) as journal, pytest.raises(JournalError, match="out of order"):
                list(journal.read(0))

    def test_zeros_in_the_middle_are_reported(self, text):
        lines = text.read_bytes().splitlines(keepends=True)
        lines[2] = b"\0" * (len(lines[2]) - 1) + b"\n"
        text.write_bytes(b"".join(lines))
        with JsonlJournal(text) as journal, pytest.raises(JournalError, match=r"line 3 .* checksum"):
            list(journal.read(0))

    @pytest.mark.parametrize(
        "content", [b"hello", b'{"a": 1}\n' * 3, b"SQLite format 3\0", b"\xff\xfe", b"\n"]
    )
    def test_foreign_file_is_left_untouched(self, tmp_path, content):
        path = tmp_path / "data.jsonl"
        path.write_bytes(content)
        with pytest.raises(JournalError, match="no bbopt journal"):
            open_journal(path)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["data.jsonl"]

    def test_newer_version_is_refused(self, text):
        header = wire.seal(0, b'{"kind":"bbopt journal","version":12,"extra":[]}')
        text.write_bytes(header + b"\n")
        with pytest.raises(JournalError, match="newer bbopt: journal version 12, this one reads 1"):
            open_journal(text)
        assert text.read_bytes() == header + b"\n"


class TestSqlite:
    @pytest.mark.parametrize("wal", [False, True])
    def test_foreign_file_is_left_untouched(self, tmp_path, wal):
        path = tmp_path / "music.db"
        with closing(sqlite3.connect(path)) as db:
            if wal:
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE events (seq, kind, body)")
            db.commit()
        before = path.read_bytes()
        with pytest.raises(JournalError, match="another program"):
            open_journal(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["music.db"]

    @pytest.mark.parametrize("content", [b"hello", b"\0" * 5000, HEADER * 100])
    def test_a_file_that_is_not_sqlite_is_left_untouched(self, tmp_path, content):
        path = tmp_path / "study.db"
        path.write_bytes(content)
        with pytest.raises(JournalError, match=r"another program|not an SQLite file"):
            open_journal(path)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["study.db"]

    def test_newer_version_is_refused(self, database):
        with closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA user_version = 12")
        with pytest.raises(JournalError, match="newer bbopt: journal version 12, this one reads 1"):
            open_journal(database)

    def test_killed_while_making_the_file(self, tmp_path):
        path = tmp_path / "study.db"
        with closing(sqlite3.connect(path)) as db:  # made up to the switch to WAL
            db.executescript("CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT, body TEXT) STRICT")
            db.execute(f"PRAGMA application_id = {int.from_bytes(b'bbop', 'big')}")
            db.execute("PRAGMA user_version = 1")
        with open_journal(path) as journal:
            assert journal.append(told(0)) == 1
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_a_changed_row_and_a_missing_row_are_reported(self, database):
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("UPDATE events SET body = replace(body, '\"i\":3', '\"i\":7') WHERE seq = 4")
        with (
            open_journal(database) as journal,
            pytest.raises(JournalError, match="event 4 is damaged"),
        ):
            list(journal.read(0))
        assert [event["i"] for event in salvage(database)] == [0, 1, 2]
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("DELETE FROM events WHERE seq = 2")
        with open_journal(database) as journal, pytest.raises(JournalError, match=r"event 2 .* is missing"):
            list(journal.read(0))

    def test_flipped_bits_never_give_wrong_events(self, tmp_path):
        path = tmp_path / "study.db"
        events = [{"kind": "told", "i": i, "X": np.arange(50.0) + i} for i in range(40)]
        with SqliteJournal(path, durable=False) as journal:
            journal.append(events)
        whole, rng = path.read_bytes(), np.random.default_rng(0)
        noticed = 0
        for _ in range(300):
            damaged = bytearray(whole)
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            try:
                found = salvage(path)
            except JournalError:
                found = []
            noticed += len(found) < len(events)
            for event, sent in zip(found, events, strict=False):
                assert event["i"] == sent["i"]
                assert np.array_equal(event["X"], sent["X"])
        assert noticed > 100

    def test_the_table_can_be_queried(self, database):
        with closing(sqlite3.connect(database)) as db:
            rows = db.execute("SELECT seq, kind, json_extract(body, '$.i') FROM events").fetchall()
        assert rows == [(i + 1, "told", i) for i in range(5)]

    def test_an_interrupted_append_leaves_no_transaction_open(self, database, monkeypatch):
        with open_journal(database) as journal, open_journal(database) as other:

            def interrupt(*arguments):
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr("bbopt.study.sqlite.seal", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    journal.append(told(5))
            assert other.append(told(6)) == 6
            assert journal.append(told(7)) == 7


@pytest.mark.parametrize("name", ["study.jsonl", "study.db"])
class TestInUse:
    def test_deleted_replaced_and_cut_files_are_noticed(self, tmp_path, name):
        path = tmp_path / name
        with open_journal(path) as journal, open_journal(tmp_path / f"other-{name}") as other:
            journal.append(told(0, 1))
            other.append(told(2))
            if path.suffix == ".jsonl":
                whole = path.read_bytes()
                path.write_bytes(whole[:-10])
                with pytest.raises(JournalError, match="cut"):
                    journal.append(told(2))
                path.write_bytes(whole)
                assert len(list(journal.read(0))) == 2
            os.replace(tmp_path / f"other-{name}", path)
            for use in (lambda: journal.append(told(2)), lambda: list(journal.read(0))):
                with pytest.raises(JournalError, match="replaced"):
                    use()
            path.unlink()
            for use in (lambda: journal.append(told(2)), lambda: list(journal.read(0))):
                with pytest.raises(JournalError, match=r"deleted|No such file"):
                    use()
            assert not path.exists()

    def test_a_failed_sync_stores_nothing(self, tmp_path, name, monkeypatch):
        if name == "study.db":
            pytest.skip("SQLite syncs by itself")
        with open_journal(tmp_path / name) as journal:
            journal.append(told(0))

            def fail(descriptor):
                raise OSError(5, "Input/output error")

            with monkeypatch.context() as patch:
                patch.setattr("bbopt.study.jsonl.os.fsync", fail)
                with pytest.raises(JournalError, match=r"nothing was stored: .*Input/output error"):
                    journal.append(told(1))
            assert [event["i"] for event in journal.read(0)] == [0]
            assert journal.append(told(1)) == 2

    def test_a_journal_nobody_closes_leaves_no_warning(self, tmp_path, name):
        journal = open_journal(tmp_path / name)
        journal.append(told(0))
        del journal
        assert read(tmp_path / name) == [0]


def test_lock_file_may_be_removed_while_others_wait(tmp_path):
    path = str(tmp_path / "study.db.lock")
    with lock_file(path):
        os.unlink(path)
        with lock_file(path):  # a new file, a new lock
            pass
    with lock_file(path):
        assert os.path.exists(path)
