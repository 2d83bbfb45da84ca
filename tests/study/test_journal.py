"""What every journal promises, and how events are written."""

import copy
import threading
from pathlib import Path

import numpy as np
import pytest

from bbopt.errors import Conflict, JournalError
from bbopt.study import wire
from bbopt.study.journal import MemoryJournal
from bbopt.study.storage import open_journal

JSON = {
    "kind": "told",
    "text": 'Temperatur 90 °C, 温度, \u2028 \x00 \\ " \n 😀',
    "numbers": [0, -1, 2**53, -(2**53), 2**200, 0.1, 5e-324, -0.0, 1.7976931348623157e308, 1e16],
    "others": [None, True, False, [], {}, {"": [[{}]]}, ""],
    "params": {"kind": "rbf", "seq": 3, "crc": "00000000", "more": 1},
}
ARRAYS = {
    "floats": np.array([[np.nan, np.inf, -np.inf], [5e-324, -0.0, 1.7976931348623157e308]]),
    "integers": np.array([-(2**63), 0, 2**63 - 1]),
    "small": np.array([-128, 0, 127], dtype=np.int8),
    "truths": np.array([True, False]),
    "empty": np.empty((0, 3)),
    "scalar": np.array(0.1),
    "strided": np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::2],
}


@pytest.fixture(params=[None, "study.jsonl", "study.db"])
def storage(request, tmp_path):
    return request.param and tmp_path / request.param


@pytest.fixture
def journal(storage):
    with open_journal(storage) as journal:
        yield journal


def numbered(n, start=0):
    return [{"kind": "number", "i": i} for i in range(start, start + n)]


class TestContract:
    def test_json_comes_back_equal(self, journal):
        assert journal.append([JSON]) == 1
        (event,) = journal.read(0)
        assert event == JSON | {"seq": 1}
        assert repr(event["numbers"]) == repr(JSON["numbers"])  # -0.0, and integers as integers

    def test_arrays_come_back_bit_for_bit_and_read_only(self, journal):
        journal.append([{"kind": "block", "arrays": ARRAYS, "list": [ARRAYS["floats"]]}])
        (event,) = journal.read(0)
        for name, array in ARRAYS.items():
            found = event["arrays"][name]
            assert found.shape == array.shape
            assert found.dtype == array.dtype
            assert found.tobytes() == array.tobytes()
            assert not found.flags.writeable
        np.testing.assert_array_equal(event["list"][0], ARRAYS["floats"])

    def test_what_the_caller_changes_afterwards_stays_outside(self, journal):
        event = {"kind": "told", "params": {"x": [1.0]}, "X": np.zeros(3)}
        kept = copy.deepcopy(event)
        journal.append([event])
        event["X"][:] = 7
        event["params"]["x"].append(2.0)
        event["kind"] = "other"
        (found,) = journal.read(0)
        np.testing.assert_array_equal(found.pop("X"), kept.pop("X"))
        assert found == kept | {"seq": 1}
        assert "seq" not in event

    def test_numbers_are_one_two_three(self, journal):
        assert list(journal.read(0)) == []
        assert journal.append([]) == 0
        assert journal.append(numbered(3)) == 3
        assert journal.append(numbered(1, 3)) == 4
        assert [(e["seq"], e["i"]) for e in journal.read(0)] == [(1, 0), (2, 1), (3, 2), (4, 3)]
        for after in range(6):
            assert [event["seq"] for event in journal.read(after)] == list(range(after + 1, 5))

    def test_seq_of_an_event_read_elsewhere_is_ignored(self, journal):
        journal.append(numbered(2))
        journal.append(list(journal.read(0))[::-1])
        assert [(e["seq"], e["i"]) for e in journal.read(0)] == [(1, 0), (2, 1), (3, 1), (4, 0)]

    def test_expect(self, journal):
        assert journal.append(numbered(2), expect=0) == 2
        for wrong in (0, 1, 3):
            with pytest.raises(Conflict, match=f"the last event is 2, not {wrong}"):
                journal.append(numbered(2), expect=wrong)
        assert len(list(journal.read(0))) == 2
        assert journal.append(numbered(1), expect=2) == 3

    def test_two_journals_of_one_file_see_each_other(self, storage):
        if storage is None:
            pytest.skip("memory is not shared")
        with open_journal(storage) as one, open_journal(storage, create=False) as two:
            one.append(numbered(2))
            assert two.append(numbered(1), expect=2) == 3
            with pytest.raises(Conflict):
                one.append(numbered(1), expect=2)
            assert list(one.read(0)) == list(two.read(0))

    def test_many_events_and_large_blocks(self, journal):
        block = np.random.default_rng(0).random((100_000, 8))
        journal.append(numbered(3000))
        journal.append([{"kind": "block", "X": block}, *numbered(1, 3000)])
        found = list(journal.read(0))
        assert [event["seq"] for event in found] == list(range(1, 3003))
        assert np.array_equal(found[3000]["X"], block)
        assert [event["seq"] for event in journal.read(2999)] == [3000, 3001, 3002]

    def test_threads(self, journal):
        def compete(name):
            seq = 0
            for i in range(10):
                while True:
                    seq += len(list(journal.read(seq)))
                    try:
                        journal.append([{"kind": "told", "name": name, "i": i}], expect=seq)
                        break
                    except Conflict:
                        pass

        threads = [threading.Thread(target=compete, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = list(journal.read(0))
        assert [event["seq"] for event in found] == list(range(1, 41))
        for name in range(4):
            assert [event["i"] for event in found if event["name"] == name] == list(range(10))

    def test_ask_lock_excludes_threads_and_nothing_else(self, journal):
        inside, entries = [], []

        def ask():
            for _ in range(20):
                with journal.lock():
                    inside.append(1)
                    entries.append(len(inside))
                    inside.pop()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        with journal.lock():
            for thread in threads:
                thread.start()
            journal.append(numbered(1))
            assert len(list(journal.read(0))) == 1
            assert not entries
        for thread in threads:
            thread.join()
        assert entries == [1] * 80

    def test_reading_while_it_grows(self, journal):
        journal.append(numbered(5))
        reading = journal.read(0)
        first = next(reading)
        journal.append(numbered(5))
        assert [first["seq"], *(event["seq"] for event in reading)][:5] == [1, 2, 3, 4, 5]


class TestOpening:
    def test_memory_and_journals(self):
        journal = open_journal(None)
        assert isinstance(journal, MemoryJournal)
        assert journal.where == "memory"
        assert open_journal(journal) is journal

    @pytest.mark.parametrize(
        "name", ["a.jsonl", "a.db", "a.sqlite", "a.sqlite3", "A.DB", "ü ?#%.db", "ü ?#%.jsonl"]
    )
    def test_endings(self, tmp_path, name):
        with open_journal(str(tmp_path / name)) as journal:
            assert Path(journal.where) == tmp_path.resolve() / name
            journal.append(numbered(1))
        assert (tmp_path / name).exists()

    @pytest.mark.parametrize("name", ["study", "study.json", "study.csv", ".db"])
    def test_unknown_ending(self, tmp_path, name):
        with pytest.raises(JournalError, match=r"\.jsonl, \.db, \.sqlite or \.sqlite3"):
            open_journal(tmp_path / name)
        assert not list(tmp_path.iterdir())

    def test_missing_directory(self, tmp_path):
        with pytest.raises(JournalError, match=r"no directory .*nowhere"):
            open_journal(tmp_path / "nowhere" / "study.db")

    @pytest.mark.parametrize("name", ["study.jsonl", "study.db"])
    def test_missing_file_without_create(self, tmp_path, name):
        with pytest.raises(JournalError, match=r"there is no study at .*study"):
            open_journal(tmp_path / name, create=False)
        assert not list(tmp_path.iterdir())
        (tmp_path / name).touch()
        with pytest.raises(JournalError, match=r"there is no study at .*study"):
            open_journal(tmp_path / name, create=False)

    @pytest.mark.parametrize("name", ["study.jsonl", "study.db"])
    def test_an_empty_file_becomes_a_journal(self, tmp_path, name):
        (tmp_path / name).touch()
        with open_journal(tmp_path / name) as journal:
            assert journal.append(numbered(1)) == 1

    @pytest.mark.parametrize("name", ["study.jsonl", "study.db"])
    def test_a_directory_is_no_journal(self, tmp_path, name):
        (tmp_path / name).mkdir()
        with pytest.raises(JournalError, match="study"):
            open_journal(tmp_path / name)

    def test_a_link_leads_to_the_same_journal_and_lock(self, tmp_path, storage):
        if storage is None:
            pytest.skip("memory has no file")
        link = tmp_path / f"link{storage.suffix}"
        with open_journal(storage) as one:
            link.symlink_to(storage)
            with open_journal(link) as two:
                two.append(numbered(1))
                assert len(list(one.read(0))) == 1
                assert two.where == one.where

    def test_closed(self, storage):
        if storage is None:
            pytest.skip("memory needs no closing")
        journal = open_journal(storage)
        journal.close()
        journal.close()
        with pytest.raises(JournalError, match="closed"):
            journal.append(numbered(1))
        with pytest.raises(JournalError, match="closed"):
            list(journal.read(0))


class TestWire:
    @pytest.mark.parametrize(
        "value",
        [
            float("nan"),
            float("inf"),
            {"a": [float("-inf")]},
            np.float64("nan"),
            np.float32("inf"),
            1j,
            {1, 2},
            b"bytes",
            object(),
            {1: 2},
            {None: 2},
            {"__array__": 1},
            "\ud800",
            10**5000,
            np.array([object()]),
            np.array(["a"]),
            np.zeros(2, dtype=np.float32),
            np.zeros(2, dtype=np.complex128),
            np.ma.array([1.0, 2.0], mask=[True, False]),
            np.datetime64("2020-01-01"),
        ],
        ids=lambda value: type(value).__name__,
    )
    @pytest.mark.parametrize("name", ["study.jsonl", "study.db"])
    def test_what_cannot_be_stored_is_refused_whole(self, tmp_path, name, value):
        with open_journal(tmp_path / name) as journal:
            with pytest.raises(JournalError, match=r"cannot be"):
                journal.append([*numbered(1), {"kind": "bad", "value": value}])
            assert list(journal.read(0)) == []
            assert journal.append(numbered(1), expect=0) == 1

    @pytest.mark.parametrize("event", [{}, {"kind": 3}, {"kind": "a", "more": 1}, {"kind": "a", "crc": ""}])
    def test_events_need_a_kind_and_leave_the_journals_keys_alone(self, event):
        with pytest.raises(JournalError, match=r"kind|the key"):
            wire.encode(event)

    @pytest.mark.parametrize("name", ["study.jsonl", "study.db"])
    def test_an_event_without_kind_is_refused(self, tmp_path, name):
        with open_journal(tmp_path / name) as journal, pytest.raises(JournalError, match="kind"):
            journal.append([{"value": 1}])

    def test_nested_without_end(self):
        deep = []
        deep.append(deep)
        with pytest.raises(JournalError, match="cannot be stored"):
            wire.encode({"kind": "deep", "list": deep})

    def test_numpy_scalars_become_numbers(self):
        event = {
            "kind": "a",
            "v": [np.float64(0.1), np.int64(3), np.bool_(True), np.float32(0.5)],
            "t": (1, 2),
        }
        assert wire.decode(wire.seal(1, wire.encode(event)))["v"] == [0.1, 3, True, 0.5]
        assert wire.decode(wire.seal(1, wire.encode(event)))["t"] == [1, 2]

    def test_foreign_byte_order(self):
        event = {"kind": "a", "X": np.array([1.5, 2.5], dtype=">f8")}
        found = wire.decode(wire.seal(1, wire.encode(event)))["X"]
        assert found.tolist() == [1.5, 2.5]
        assert found.dtype == np.float64

    def test_too_long(self, monkeypatch):
        monkeypatch.setattr(wire, "MAX_BYTES", 1000)
        with pytest.raises(JournalError, match="smaller blocks"):
            wire.encode({"kind": "block", "X": np.zeros(200)})

    def test_any_flipped_bit_is_noticed(self):
        record = wire.seal(7, wire.encode({"kind": "told", "value": 0.1, "X": np.arange(3.0)}))
        assert wire.decode(record)["value"] == 0.1
        for bit in range(8 * len(record)):
            flipped = bytearray(record)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(ValueError, match="checksum"):
                wire.decode(bytes(flipped))

    @pytest.mark.parametrize(
        "body",
        [
            b'{"kind":"a","v":' + b"[" * 10**6 + b"]" * 10**6 + b"}",
            b'{"kind":"a","v":' + b'{"a":' * 10**5 + b"0" + b"}" * 10**5 + b"}",
            b'{"kind":"a","v":' + b"9" * 10**6 + b"}",
            b'{"kind":"a","v":NaN}',
            b'{"kind":"a","v":-Infinity}',
            b'{"kind":3}',
            b'{"value":3}',
            b'{"kind":"\xff"}',
            b'{"kind":"a",}',
            b"{}",
            b'{"kind":"a","v":{"__array__":"","dtype":"O","shape":[0]}}',
            b'{"kind":"a","v":{"__array__":"","dtype":["f8"],"shape":[0]}}',
            b'{"kind":"a","v":{"__array__":"AAAA","dtype":"f8","shape":[1]}}',
            b'{"kind":"a","v":{"__array__":"AA==","dtype":"b1","shape":[1.0]}}',
            b'{"kind":"a","v":{"__array__":"AA==","dtype":"b1","shape":[-1]}}',
            b'{"kind":"a","v":{"__array__":"AAIA","dtype":"b1","shape":[3]}}',
            b'{"kind":"a","v":{"__array__":"A*==","dtype":"b1","shape":[1]}}',
            b'{"kind":"a","v":{"__array__":7,"dtype":"b1","shape":[1]}}',
            b'{"kind":"a","v":{"__array__":"","dtype":"f8","shape":7}}',
            b'{"kind":"a","v":{"__array__":"","dtype":"f8","shape":[0,' + b"9" * 30 + b"]}}",
            b'{"kind":"a","v":{"__array__":"","dtype":"f8","shape":[' + b"0," * 99 + b"0]}}",
            b'{"kind":"a","v":{"__array__":"AA==","dtype":"b1"}}',
        ],
        ids=lambda body: body[:60].decode(errors="replace"),
    )
    def test_hostile_records_with_right_checksums(self, tmp_path, body):
        record = wire.seal(1, body)
        with pytest.raises(ValueError, match=r"\w"):
            wire.decode(record)
        path = tmp_path / "study.jsonl"
        with open_journal(path) as journal:
            path.write_bytes(path.read_bytes() + record + b"\n")
            with pytest.raises(JournalError, match=r"event 1 in .* is damaged"):
                list(journal.read(0))
