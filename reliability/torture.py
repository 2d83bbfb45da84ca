"""Numbers that break optimizers: nothing raises, nothing warns, nothing leaves the bounds, it still finds.

One easy problem and the same in hard clothes (cases.py), 30 asks, 10 seeds, by bbopt or a peer (peers.py).
A row shows the median regret (the quadratic at the trial with the best value told: 0 is the optimum, 0.1
what a random point has), its ratio to the regret of the clean problem where there is one, how many values
told were not finite, the fewest different points asked, the longest run. Below stands what went wrong.

Required of bbopt: nothing goes wrong, what cannot be done is refused in words that name the limit, and the
regret is at most 3 times the clean one in 90 % of the rows that have one; the last is judged with 10 seeds
or more, since medians over fewer scatter by that much. Peers are shown, not judged; several libraries also
side by side.
"""

import argparse
import math
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from cases import CASES, Case, quadratic, unit
from harness import ONE_THREAD, Table
from peers import LIBRARIES, NotOffered, described

from bbopt import SpaceError

ASKS, SEEDS = 30, 10
TOLERANCE = 3.0  # times the regret of the clean problem
SOLVED = 1e-6  # shown, not judged: 1e-5 of a random point's regret
SHARE = 0.9  # of the rows with a clean problem
PATIENCE = 100.0  # seconds of one run; then no further ask is made


@dataclass
class Outcome:
    """What one run gave.

    A finding is a kind (raised, warned, outside, slow, not offered, taken) and a text; "taken" is what should
    have been refused. A refusal is what the case asks for, and no finding.
    """

    regret: float = math.inf
    asked: int = 0
    failed: int = 0
    distinct: int = 0
    seconds: float = 0.0
    findings: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""


def run(library: str, name: str, seed: int, asks: int = ASKS) -> Outcome:
    """Run one case once; whatever goes wrong is a finding, not an exception."""
    outcome, start = Outcome(), time.monotonic()
    required = CASES[name].refusal if library == "bbopt" else ()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            _go(library, CASES[name], seed, asks, outcome)
            if required:
                outcome.findings.append(("taken", "what should have been refused"))
        except NotOffered as error:
            outcome.findings.append(("not offered", str(error)))
        except Exception as error:
            if required and not outcome.asked and _is_refusal(error, required):
                outcome.refusal = _line(error)
            else:
                outcome.findings.append(("raised", f"after {outcome.asked} asks: {_told(error)}"))
    texts = {
        f"{one.category.__name__}: {_line(one.message)}" for one in warned if _is_of_numbers(one.category)
    }
    outcome.findings.extend(("warned", text) for text in sorted(texts))
    outcome.seconds = time.monotonic() - start
    return outcome


def _go(library: str, case: Case, seed: int, asks: int, outcome: Outcome) -> None:
    """Open, add, ask and tell; note in the outcome how far it came."""
    draw = np.random.default_rng(seed)
    optimizer = LIBRARIES[library](case, seed)
    start = time.monotonic()  # the first run of a process also imports the library
    if case.added:
        optimizer.add([(params, case.outcome(unit(case.dimensions, params), draw)) for params in case.added])
    points, best = set(), math.inf
    for _ in range(asks):
        if time.monotonic() - start > PATIENCE:
            outcome.findings.append(("slow", f"{PATIENCE:g} s were over after {outcome.asked} asks"))
            break
        params = optimizer.ask()
        outcome.asked += 1
        if bad := [one.name for one in case.dimensions if not one.holds(params[one.name])]:
            outcome.findings.append(("outside", ", ".join(f"{name} = {params[name]!r}" for name in bad)))
        u = unit(case.dimensions, params)
        values = case.outcome(u, draw)
        points.add(tuple(params.items()))
        outcome.distinct = len(points)
        if not all(math.isfinite(value) for value in values):
            outcome.failed += 1
        elif len(values) == 1 and (loss := -values[0] if case.maximize else values[0]) < best:
            best, outcome.regret = loss, quadratic(u)
        optimizer.tell(values, sd=case.sd)
    optimizer.close()


def _is_refusal(error: Exception, required: Sequence[str]) -> bool:
    """Whether an exception is the one for spaces that cannot be, and names all that is required."""
    return isinstance(error, SpaceError) and all(word in str(error) for word in required)


def _told(error: Exception) -> str:
    """Return an exception's type, message and place in one line."""
    where = error.__traceback__
    while where.tb_next is not None:
        where = where.tb_next
    return f"{type(error).__name__}: {_line(error)} ({where.tb_frame.f_code.co_filename}:{where.tb_lineno})"


def _line(text: object) -> str:
    return " ".join(str(text).split())[:240]


def _is_of_numbers(category: type[Warning]) -> bool:
    """Whether a warning is about what happens, and not about the library's versions."""
    of_versions = issubclass(category, DeprecationWarning | FutureWarning)
    return not of_versions and "Experimental" not in category.__name__


@dataclass(frozen=True)
class Row:
    """One case with its runs."""

    case: Case
    outcomes: Sequence[Outcome]

    @property
    def regret(self) -> float:
        """The median over the seeds."""
        return median(outcome.regret for outcome in self.outcomes)

    @property
    def refusal(self) -> str:
        """The refusal, where every run was refused as the case asks; else empty."""
        return self.outcomes[0].refusal if all(outcome.refusal for outcome in self.outcomes) else ""

    def ratio(self, rows: dict[str, "Row"]) -> float | None:
        """Return the regret in units of the clean problem's; None without one, and where nothing was run."""
        if self.case.clean not in rows or self.refusal or "not offered" in self.findings():
            return None
        clean = rows[self.case.clean].regret
        return self.regret / max(clean, 1e-300) if math.isfinite(clean) else math.nan

    def findings(self) -> dict[str, tuple[int, str]]:
        """Return for every kind of finding in how many runs it is, and the first text."""
        kinds: dict[str, tuple[int, str]] = {}
        for outcome in self.outcomes:
            for kind, text in dict(reversed(outcome.findings)).items():
                count, first = kinds.get(kind, (0, text))
                kinds[kind] = count + 1, first
        return kinds


def examine(library: str, seeds: range, asks: int, processes: int) -> Iterator[Row]:
    """Run all cases of a library, in processes of their own if there are to be several."""
    jobs = [(library, name, seed, asks) for name in CASES for seed in seeds]
    if processes == 1:
        results = (run(*job) for job in jobs)
        yield from _rows(results, seeds)
        return
    os.environ.update(ONE_THREAD)  # read by the processes when they load BLAS
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from _rows(pool.map(run, *zip(*jobs, strict=True)), seeds)


def _rows(results: Iterator[Outcome], seeds: range) -> Iterator[Row]:
    for case in CASES.values():
        yield Row(case, [next(results) for _ in seeds])


def show(library: str, seeds: range, asks: int, processes: int) -> tuple[Table, dict[str, Row]]:
    """Print the table of one library; return it, and its rows by name."""
    print(f"\n{described(library)}\n")
    table = Table(" " * 28, "regret", "x clean", "failed", "distinct", "s")
    rows: dict[str, Row] = {}
    for row in examine(library, seeds, asks, processes):
        rows[row.case.name] = row
        table.row(
            row.case.name.ljust(28),
            _number(row.regret),
            _number(row.ratio(rows)),
            sum(outcome.failed for outcome in row.outcomes),
            min(outcome.distinct for outcome in row.outcomes),
            f"{max(outcome.seconds for outcome in row.outcomes):.1f}",
        )
        if row.refusal:
            print(f"    refused, as it should be: {row.refusal}", flush=True)
        for kind, (count, text) in row.findings().items():
            print(f"    {kind} in {count} of {len(seeds)}: {text}", flush=True)
            table.failures.append(f"{row.case.name}: {kind}")
    compared = {name: ratio for name, row in rows.items() if (ratio := row.ratio(rows)) is not None}
    worse = [name for name, ratio in compared.items() if not ratio <= TOLERANCE]
    unsolved = [name for name in worse if not rows[name].regret <= SOLVED]
    clear = sum(not row.findings() for row in rows.values())
    refused = sum(bool(row.refusal) for row in rows.values())
    among = f" ({refused} of them refused, as it should be)" if refused else ""
    print(
        f"\n{library}: {clear} of {len(rows)} rows without a finding{among}; regret within {TOLERANCE:g} "
        f"times that of the clean problem in {len(compared) - len(worse)} of {len(compared)} rows with one "
        f"(or below {SOLVED:g}: {len(compared) - len(unsolved)})"
        + "".join(f"\n    not within {TOLERANCE:g} times: {name}" for name in worse)
    )
    if len(seeds) >= SEEDS and len(worse) > (1 - SHARE) * len(compared):
        table.failures.append("too many rows are worse than their clean problem")
    return table, rows


def side_by_side(rows: dict[str, dict[str, Row]]) -> None:
    """Print regret, ratio and kinds of findings of several libraries, a column each."""
    print("\nregret (times the clean one); what went wrong\n")
    table = Table(" " * 28, *(library.ljust(32) for library in rows))
    for name in CASES:
        cells = []
        for one in rows.values():
            ratio = one[name].ratio(one)
            times = "" if ratio is None else f" (x {_number(ratio)})"
            words = ["refused"] if one[name].refusal else one[name].findings()
            cells.append(f"{_number(one[name].regret)}{times} {', '.join(words)}")
        table.row(name.ljust(28), *cells)


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2g}"


def main() -> None:
    """Run what the command line asks for; exit with status 1 if bbopt failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two seeds in one process, in about a minute")
    parser.add_argument("--library", nargs="+", choices=LIBRARIES, default=["bbopt"])
    parser.add_argument("--seeds", type=int, help=f"{SEEDS}, or 2 with --quick")
    parser.add_argument("--asks", type=int, default=ASKS)
    options = parser.parse_args()
    seeds = range(options.seeds or (2 if options.quick else SEEDS))
    processes = 1 if options.quick else min(os.cpu_count() or 1, len(seeds))
    start = time.monotonic()
    print(f"{len(CASES)} cases, {options.asks} asks, {len(seeds)} seeds, {processes} processes")
    rows, failures = {}, []
    for library in options.library:
        table, rows[library] = show(library, seeds, options.asks, processes)
        if library == "bbopt":
            failures = table.failures
    if len(rows) > 1:
        side_by_side(rows)
    verdict = "shown" if "bbopt" not in rows else f"{len(failures)} FAILED" if failures else "passed"
    print(f"\n{verdict} in {time.monotonic() - start:.0f} s ({'quick' if options.quick else 'full'} form)")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
