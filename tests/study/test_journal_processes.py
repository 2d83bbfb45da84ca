"""Many processes on one journal, and processes that die."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bbopt.study.storage import open_journal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills and forks processes")


@pytest.fixture(params=["study.jsonl", "study.db"])
def path(request, tmp_path):
    return str(tmp_path / request.param)


@pytest.fixture
def work():
    """Start workers of journal_worker.py that wait to begin; end them all afterwards."""
    workers = []

    def start(command, *arguments):
        worker = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                str(Path(__file__).with_name("journal_worker.py")),
                command,
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()
        worker.communicate()


def begin(*workers):
    for worker in workers:
        assert worker.stdout.readline() == b"ready\n", worker.stderr.read().decode()
    for worker in workers:
        worker.stdin.write(b"go\n")
        worker.stdin.flush()


def finish(*workers):
    for worker in workers:
        output, errors = worker.communicate(timeout=60)
        assert (worker.returncode, errors) == (0, b"")
    return output


def events(path):
    with open_journal(path, create=False) as journal:
        found = list(journal.read(0))
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    return found


@pytest.mark.parametrize("command", ["append", "compete"])
def test_nothing_is_lost_or_doubled_when_eight_processes_append(path, work, command):
    workers = [work(command, path, str(name), "50") for name in range(8)]
    begin(*workers)
    finish(*workers)
    found = events(path)
    for name in range(8):
        assert [event["i"] for event in found if event["worker"] == str(name)] == list(range(50))
    if command == "compete":
        assert all(event["after"] == event["seq"] - 1 for event in found)


def test_sixteen_processes_create_one_journal_at_once(path, work):
    workers = [work("create", path, str(name)) for name in range(16)]
    begin(*workers)
    finish(*workers)
    assert sorted(event["worker"] for event in events(path)) == sorted(map(str, range(16)))


def test_kill_of_the_asker_frees_the_ask_lock_at_once(path, work):
    with open_journal(path) as journal:
        holder = work("hold", path)
        begin(holder)
        started = time.monotonic()
        journal.append([{"kind": "told"}])  # waits for no asker
        assert [event["kind"] for event in journal.read(0)] == ["told"]
        assert time.monotonic() - started < 1
        holder.kill()
        with journal.lock():
            assert time.monotonic() - started < 2


def test_forked_child_of_a_killed_asker_does_not_keep_the_lock(path, work):
    with open_journal(path) as journal:
        holder = work("hold_and_fork", path)
        child = int(holder.stdout.readline())
        try:
            begin(holder)
            holder.kill()
            started = time.monotonic()
            with journal.lock():
                assert time.monotonic() - started < 2
            os.kill(child, 0)  # it does live
        finally:
            os.kill(child, signal.SIGKILL)


def test_parent_and_forked_child_share_a_journal(path, work):
    finish(work("fork", path))


def test_kill_while_appending_loses_nothing_acknowledged(path, work):
    acknowledged = {}
    for round_ in range(6):
        workers = [work("acknowledge", path, f"{round_}.{name}") for name in range(2)]
        begin(*workers)
        time.sleep(0.05 + 0.03 * round_)
        for worker in workers:
            worker.kill()
        for name, worker in enumerate(workers):
            *lines, _cut = worker.communicate()[0].split(b"\n")
            for seq, i in (map(int, line.split()) for line in lines):
                acknowledged[seq] = (f"{round_}.{name}", i)
        started = time.monotonic()
        found = events(path)
        assert time.monotonic() - started < 2
        for seq, told in acknowledged.items():
            assert (found[seq - 1]["worker"], found[seq - 1]["i"]) == told
    assert acknowledged


def test_disk_full_stores_nothing_by_halves_and_goes_on_afterwards(path, work):
    *errors, stored = finish(work("fill", path)).decode().splitlines()
    assert len(errors) == 3
    assert all("nothing was stored" in error for error in errors), errors
    stored = int(stored)
    assert stored > 10
    kinds = [event["kind"] for event in events(path)]
    assert kinds == ["told", "second"] * stored + ["last"]
