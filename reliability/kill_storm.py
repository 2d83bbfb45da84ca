"""kill -9 at random moments loses nothing that was acknowledged.

Two workers at a time share a study and are killed, each at its own uniformly random moment: while they
open the study, ask, evaluate or tell. Each keeps a synced diary of what the study acknowledged. After
every round the study is reopened and compared with the diaries: every trial asked is there with its
params, every result told is there with its value, no number is used twice, reopening takes less than
two seconds, and a trial that a dead worker had in hand is the first that it is given again.
"""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

from harness import STORES, Table, begin, command_line, numbering, scratch, wait_until_ready, worker
from worker import evaluate, open_study

from bbopt import Status, Study

TRIALS_A_LIFE = 10  # the longest life lasts about as long as these take
SLOWEST_OPEN = 2.0  # seconds


def main(quick: bool) -> Table:
    """Run the storms."""
    print(
        "killed while: opening / asking or telling / with a trial in hand (told, not yet acknowledged, too)\n"
    )
    table = Table(
        "strategy", "store", "kills", "killed while  ", "asked", "told", "lost", "slowest open", "open trials"
    )
    for strategy in ("random", "bo"):
        for store in STORES:
            storm(table, strategy, store, 8 if quick else 50)
    return table


def storm(table: Table, strategy: str, store: str, kills: int) -> None:
    """Kill workers on one study; compare the study with their diaries after every round."""
    names = ("a", "b")
    problems: list[str] = []
    died: Counter[str] = Counter()
    slowest, in_hand = 0.0, 0
    longest = _lifetime(strategy, store)
    with scratch() as directory:
        path = directory / STORES[store]
        expected: dict[str, int] = {}  # by worker: the trial that it must be given first
        for _ in range(0, kills, len(names)):
            died.update(_round(path, strategy, names, longest))
            start = time.perf_counter()
            study = open_study(path, strategy)
            slowest = max(slowest, time.perf_counter() - start)
            with study:
                diaries = {name: read_diary(path, name) for name in names}
                for name, diary in diaries.items():
                    problems += _compare(study, name, diary)
                    problems += _handed_back(name, diary, expected.get(name))
                expected = {str(trial.worker): trial.number for trial in study.pending}
                in_hand += len(expected)
                if len(expected) < len(study.pending):
                    problems.append(f"a worker has several open trials: {study.pending}")
        problems += numbering(path)
        with open_study(path, strategy) as study:
            for name in names:  # who comes back is given what it left
                trial = study.ask(worker=name)
                if trial.number != expected.get(name, trial.number):
                    problems.append(f"{name} was given trial {trial.number} instead of {expected[name]}")
                study.tell(trial, evaluate(trial.params))
            if study.pending:
                problems.append(f"left open in the end: {study.pending}")
        asked = sum(word == "asked" for diary in diaries.values() for word, _, _ in diary)
        told = sum(word == "told" for diary in diaries.values() for word, _, _ in diary)
    if slowest >= SLOWEST_OPEN:
        problems.append(f"reopening took {slowest:.1f} s")
    lost = sum("lost" in problem for problem in problems)
    moments = " / ".join(str(died[word]) for word in ("began", "opened", "asked"))
    table.row(
        strategy,
        store,
        sum(died.values()),
        moments.ljust(14),
        asked,
        told,
        lost,
        slowest,
        in_hand,
        problems=problems,
    )


def _lifetime(strategy: str, store: str) -> float:
    """Return the seconds in which two workers, left alone, tell ``TRIALS_A_LIFE`` trials each."""
    with scratch() as directory:
        path = directory / STORES[store]
        workers = [worker("storm", path, strategy, name, directory / name) for name in "ab"]
        for process in workers:
            wait_until_ready(process)
        for process in workers:
            begin(process)
        start = time.monotonic()
        while min(sum(w == "told" for w, _, _ in read_diary(path, name)) for name in "ab") < TRIALS_A_LIFE:
            time.sleep(0.01)
        for process in workers:
            process.kill()
            process.communicate()
        return time.monotonic() - start


def _round(path: Path, strategy: str, names: tuple[str, ...], longest: float) -> list[str]:
    """Start the workers, kill each at its moment; return what each did last, in the words of its diary."""
    workers = {name: worker("storm", path, strategy, name, path.with_name(name)) for name in names}
    for process in workers.values():
        wait_until_ready(process)
    start = time.monotonic()
    for process in workers.values():
        begin(process)
    for life, name in sorted((random.uniform(0, longest), name) for name in names):
        time.sleep(max(0.0, start + life - time.monotonic()))
        workers[name].send_signal(signal.SIGKILL)
    for process in workers.values():
        _, errors = process.communicate()
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"a worker died by itself: {errors.decode()}")
    last = [(read_diary(path, name) or [["began"]])[-1][0] for name in names]
    return ["opened" if word == "told" else word for word in last]


def read_diary(path: Path, name: str) -> list[list[object]]:
    """Return the whole lines of a worker's diary: [word, number, facts]."""
    diary = path.with_name(name)
    lines = diary.read_bytes().split(b"\n")[:-1] if diary.exists() else []
    return [json.loads(line) for line in lines]


def _compare(study: Study, name: str, diary: list[list[object]]) -> list[str]:
    problems = []
    for word, number, facts in diary:
        if word not in ("asked", "told"):
            continue
        if number >= len(study):
            problems.append(f"lost: trial {number}, {word} by {name}")
            continue
        trial = study.trials[number]
        if word == "asked" and dict(trial.params) != facts["params"]:
            problems.append(f"lost: trial {number} of {name} has other params now: {trial.params}")
        if word == "told" and (trial.status.name, dict(trial.values)) != (facts["status"], facts["values"]):
            problems.append(
                f"lost: trial {number} told {facts} by {name} is now {trial.status.name} {trial.values}"
            )
        if trial.status == Status.COMPLETE and trial.value != evaluate(trial.params):
            problems.append(f"changed: trial {number} has the value {trial.value}")
    return problems


def _handed_back(name: str, diary: list[list[object]], expected: int | None) -> list[str]:
    """Check the first trial that a worker was given in its newest life."""
    newest = max((k for k, (word, _, _) in enumerate(diary) if word == "began"), default=0)
    first = next((number for word, number, _ in diary[newest:] if word == "asked"), None)
    if None in (first, expected) or first == expected:
        return []
    return [f"{name} had trial {expected} in hand and was given {first}"]


if __name__ == "__main__":
    command_line(__doc__, main)
