"""A study killed at any trial goes on exactly as if it had not been killed.

A chain of processes works on one study. Each opens it, does one half of a trial, and kills itself with
SIGKILL: one right after ``ask`` returned, the next one right after ``tell`` returned. So every ask
is decided by a process that knows nothing but the journal, and a trial in hand is taken up again. What
the dead leave behind is copied after every kill, and from every copy a new process runs to the end (in
the quick form from every seventh). All must agree with one run that nobody disturbed, bit for
bit, params and what the strategies noted in the tags alike.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from harness import STORES, Table, command_line, exactly, scratch, worker

TRIALS = 30


def main(quick: bool) -> Table:
    """Run the chains."""
    print(f"{TRIALS} trials, a kill -9 after every ask and every tell\n")
    table = Table("strategy", "store", "kills", "run to end", "identical")
    for strategy in ("bo", "cbo"):
        for store in STORES:
            moments = [(k, moment) for k in range(TRIALS + 1) for moment in ("told", "asked")][:-1]
            check(table, strategy, store, moments, moments[::7] if quick else moments, TRIALS)
    return table


def check(
    table: Table,
    strategy: str,
    store: str,
    kills: Sequence[tuple[int, str]],
    restarts: Sequence[tuple[int, str]],
    trials: int,
) -> None:
    """Kill one study at all the moments (trials told, "told" or "asked"); finish it from some of them."""
    with scratch() as directory:
        straight = finish(directory / "straight", strategy, store, trials)
        chain = directory / "chain"
        chain.mkdir()
        copies = []
        for told, moment in kills:
            _die(chain / STORES[store], strategy, told, moment)
            if (told, moment) in restarts:
                copies.append(shutil.copytree(chain, directory / f"{told}-{moment}"))
        with ThreadPoolExecutor(cpu_count()) as pool:
            ends = list(pool.map(lambda copy: finish(copy, strategy, store, trials), [*copies, chain]))
    names = [f"killed with {told} told, last {moment}" for told, moment in restarts] + ["the chain itself"]
    problems = [
        f"{strategy} on {store}, {name}: differs from trial {_first_difference(straight, end)} on"
        for name, end in zip(names, ends, strict=True)
        if exactly(end) != exactly(straight)
    ]
    if len(straight) != trials:
        problems.append(f"the undisturbed run has {len(straight)} trials instead of {trials}")
    table.row(strategy, store, len(kills), len(ends), len(ends) - len(problems), problems=problems)


def finish(directory: Path, strategy: str, store: str, trials: int) -> list[object]:
    """Run the study in a directory to its end in a new process; return all its trials."""
    directory.mkdir(exist_ok=True)
    process = worker("advance", directory / STORES[store], strategy, trials, "end")
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode())
    found: list[object] = json.loads(output)
    return found


def _die(path: Path, strategy: str, told: int, moment: str) -> None:
    process: subprocess.Popen[bytes] = worker("advance", path, strategy, told, moment)
    _, errors = process.communicate()
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"a worker was to kill itself, and did not: {errors.decode()}")


def _first_difference(a: list[object], b: list[object]) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((k for k, (x, y) in pairs if exactly(x) != exactly(y)), min(len(a), len(b)))


if __name__ == "__main__":
    command_line(__doc__, main)
