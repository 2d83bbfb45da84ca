"""What the journal tests run in processes of their own: python journal_worker.py COMMAND PATH [ARGUMENT ...].

A worker says "ready" and waits for a line before it begins, so that many begin at the same moment.
"""

import os
import signal
import sys
import time

from bbopt.errors import Conflict, JournalError
from bbopt.study.storage import open_journal


def say(text):
    os.write(1, f"{text}\n".encode())


def start():
    say("ready")
    sys.stdin.readline()


def create(path, name):
    start()
    with open_journal(path) as journal:
        journal.append([{"kind": "hello", "worker": name}])


def append(path, name, count):
    """Append without conditions, two events at a time every third time."""
    with open_journal(path) as journal:
        start()
        i = 0
        while i < int(count):
            batch = [{"kind": "count", "worker": name, "i": i + k} for k in range(2 if i % 3 == 0 else 1)]
            journal.append(batch)
            i += len(batch)


def compete(path, name, count):
    """Append only on top of what was read."""
    with open_journal(path) as journal:
        start()
        seq = 0
        for i in range(int(count)):
            while True:
                for event in journal.read(seq):
                    assert event["seq"] == seq + 1
                    seq += 1
                try:
                    journal.append([{"kind": "count", "worker": name, "i": i, "after": seq}], expect=seq)
                    break
                except Conflict:
                    pass


def acknowledge(path, name):
    """Append for ever; say what is safe."""
    i = 0
    with open_journal(path) as journal:
        start()
        while True:
            seq = journal.append([{"kind": "told", "worker": name, "i": i, "pad": "x" * (i * 37 % 600)}])
            say(f"{seq} {i}")
            i += 1


def hold(path):
    """Hold the ask lock until killed."""
    with open_journal(path) as journal, journal.lock():
        start()
        time.sleep(60)


def hold_and_fork(path):
    """Hold the ask lock and have a child, forked meanwhile, that lives on for a while."""
    with open_journal(path) as journal, journal.lock():
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        say(child)
        start()
        time.sleep(60)


def fork(path):
    """Parent and forked child both go on with one journal object; the parent closes first."""
    journal = open_journal(path)
    journal.append([{"kind": "before"}])
    go, done = os.pipe()
    child = os.fork()
    if child == 0:
        journal.append([{"kind": "child", "n": 1}])
        os.read(go, 1)  # the parent has closed
        journal.append([{"kind": "child", "n": 2}])
        journal.close()
        os._exit(0)
    journal.append([{"kind": "parent", "n": 1}])
    journal.close()
    os.write(done, b"x")
    assert os.waitpid(child, 0)[1] == 0
    kinds = [event["kind"] for event in open_journal(path, create=False).read(0)]
    assert kinds[0] == "before"
    assert sorted(kinds[1:]) == ["child", "child", "parent"], kinds


def fill(path):
    """Append until no more may be written, lift the limit, and go on."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    stored = 0
    with open_journal(path) as journal:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        for _attempt in range(3):
            try:
                while True:
                    journal.append([{"kind": "told", "i": stored, "pad": "x" * 997}, {"kind": "second"}])
                    stored += 1
            except JournalError as error:
                say(error)
            assert len(list(journal.read(0))) == 2 * stored
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert journal.append([{"kind": "last"}], expect=2 * stored) == 2 * stored + 1
    say(stored)  # the last line


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
