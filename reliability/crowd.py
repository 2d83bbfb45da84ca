"""Eight processes work on one study that none of them finds: all create or open it at the same moment.

In the open space each makes 25 trials: all must be there, each once, numbered without a gap, with the
value told. In the grid of 200 points without noise they ask until there is nothing left: every point once
among all of them, and each is told that the space is exhausted. (On fewer cores than processes,
latencies are mostly waiting for the processor.)
"""

import json
from statistics import median

from harness import STORES, Table, begin, command_line, exactly, numbering, scratch, wait_until_ready, worker
from worker import GRID

from bbopt import Study

PROCESSES = 8


def main(quick: bool) -> Table:
    """Run the crowds."""
    print(f"{PROCESSES} processes; latencies in milliseconds, median / largest\n")
    table = Table(
        "store", "space", "strategy", "round", "trials", "open         ", "ask          ", "tell         "
    )
    for store in STORES:
        for number in range(1 if quick else 5):
            crowd(table, store, "open", "random", number, 25)
            crowd(table, store, "grid", "random", number, 1000)
        crowd(table, store, "open", "bo", 0, 6 if quick else 25)
        if not quick:
            crowd(table, store, "grid", "sobol", 0, 1000)
    return table


def crowd(
    table: Table, store: str, space: str, strategy: str, number: int, count: int, processes: int = PROCESSES
) -> None:
    """Let one crowd in; compare the study with what its members say."""
    with scratch() as directory:
        path = directory / STORES[store]
        members = [worker("crowd", path, strategy, space, f"w{k}", count) for k in range(processes)]
        for member in members:
            wait_until_ready(member)
        for member in members:
            begin(member)
        reports, problems = [], []
        for member in members:
            output, errors = member.communicate()
            if member.returncode:
                problems.append(f"a member died: {errors.decode()}")
            else:
                reports.append(json.loads(output))
        problems += numbering(path)
        with Study.open(path) as study:
            trials = list(study.trials)
    acknowledged = sorted(trial for report in reports for trial in report["trials"])
    stored = [[trial.number, dict(trial.params), trial.value] for trial in trials]
    if exactly(stored) != exactly(acknowledged):
        problems.append(
            f"{len(acknowledged)} trials were acknowledged, {len(stored)} are stored, or they differ"
        )
    if space == "grid":
        if len({exactly(params) for _, params, _ in stored}) != GRID.size or len(stored) != GRID.size:
            problems.append(f"{len(stored)} trials on a grid of {GRID.size} points")
        if any(report["end"] != "exhausted" for report in reports):
            problems.append("a member was not told that the space is exhausted")
    elif len(stored) != processes * count:
        problems.append(f"{len(stored)} trials instead of {processes * count}")
    waits = [_latency([report["open"] for report in reports])]
    waits += [_latency([t for report in reports for t in report[word]]) for word in ("ask", "tell")]
    table.row(store, space, strategy, number, len(stored), *waits, problems=problems)


def _latency(seconds: list[float]) -> str:
    return f"{1e3 * median(seconds):.1f} / {1e3 * max(seconds):.0f}".ljust(13) if seconds else "-".ljust(13)


if __name__ == "__main__":
    command_line(__doc__, main)
