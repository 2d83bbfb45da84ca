"""Write ``docs/results.md`` and its figures from the stored runs."""

import re
from pathlib import Path

import figures
import numpy as np
import store
from scores import MANDATORY, SOLVED, Table, mean_and_interval, ranks
from suites import SUITES

DOCS = Path(__file__).parent.parent.parent / "docs"
COSTS = (0.1, 1.0, 10.0)
"""Seconds of an evaluation at which optimizers are compared by time."""


def write():
    """Write everything."""
    runs = {
        name: {key: run for key, run in store.load(name).items() if key[0].half == "reporting"}
        for name in SUITES
    }
    tables = {name: Table(found) for name, found in runs.items() if found}
    tables = {name: table for name, table in tables.items() if table.cells and len(table.optimizers) > 1}
    figures.ranks(tables, DOCS / "figures" / "race-ranks.png")
    figures.curves(tables, DOCS / "figures" / "race-curves.png")
    figures.ask_times(runs, DOCS / "figures" / "race-ask-times.png")
    (DOCS / "results.md").write_text(_page(tables, runs))
    print(f"wrote docs/results.md: {sum(len(table.cells) for table in tables.values())} cells")


def _page(tables, runs):
    parts = [INTRODUCTION, _versions(runs), "## Mean ranks\n", _ranks(tables)]
    parts += [
        "![mean ranks](figures/race-ranks.png)\n",
        "## Normalised regret\n",
        NORMALISED,
        _regrets(tables),
    ]
    parts += ["![curves](figures/race-curves.png)\n", "## By the clock\n", CLOCK, _clock(tables)]
    parts += ["## Time to ask\n", TIMES, _times(runs), "![ask times](figures/race-ask-times.png)\n"]
    parts += ["## What earns its place\n", ABLATIONS, _ablations()]
    parts += ["## Other optimizers\n", OTHERS, _others(runs), "## What went wrong\n", _errors(runs)]
    return "\n".join(parts)


def overall(tables, score):
    """Return ``score(table)`` (optimizers, cells) of all suites side by side, and groups (cells,)."""
    everybody = [name for name in MANDATORY if all(name in table.optimizers for table in tables.values())]
    values, groups = [], []
    for suite, table in tables.items():
        rows = [table.optimizers.index(name) for name in everybody]
        values.append(score(table)[rows])
        groups += [f"{suite} {cell.problem}" for cell in table.cells]
    return everybody, np.hstack(values), groups


def groups_of(table):
    """Return what is drawn as a whole in a bootstrap: the problems."""
    return [cell.problem for cell in table.cells]


def _ranks(tables):
    return _by_suite(tables, lambda table: ranks(table.at()), "{:.2f}")


def _regrets(tables):
    return _by_suite(tables, lambda table: table.normalised(table.at()), "{:.3f}")


def _clock(tables):
    parts = []
    for cost in COSTS:
        scored = overall(tables, lambda table, cost=cost: ranks(table.at_wall(cost)))
        parts.append((f"{cost:g} s", *_cells(scored[1], scored[2], "{:.2f}")))
        names = scored[0]
    return _markdown(["an evaluation takes", *names], parts)


def _by_suite(tables, score, form):
    rows = []
    names = [name for name in MANDATORY if any(name in table.optimizers for table in tables.values())]
    for suite, table in tables.items():
        values = dict(zip(table.optimizers, _cells(score(table), groups_of(table), form), strict=True))
        rows.append((f"{suite} ({len(table.cells)})", *(values.get(name, "") for name in names)))
    if len(tables) > 1:
        everybody, values, groups = overall(tables, score)
        found = dict(zip(everybody, _cells(values, groups, form), strict=True))
        rows.append((f"**all ({len(groups)})**", *(found.get(name, "") for name in names)))
    return _markdown(["suite (cells)", *names], rows)


def _cells(values, groups, form):
    means, intervals = mean_and_interval(values, groups)
    lowest = means.min()
    return [
        f"{'**' if mean == lowest else ''}{form.format(mean)}{'**' if mean == lowest else ''} "
        f"[{form.format(low)}, {form.format(high)}]"
        for mean, (low, high) in zip(means, intervals, strict=True)
    ]


def _times(runs):
    marks = (10, 20, 50, 80, 120)
    rows = []
    for name in _optimizers(runs):
        found = {mark: [] for mark in marks}
        for run in _all(runs):
            if run.optimizer == name and run.cell.batch == 1:
                for mark in marks:
                    found[mark] += run.seconds[mark - 1 : mark]
        rows.append((name, *(f"{np.median(found[mark]):.2g}" if found[mark] else "" for mark in marks)))
    return _markdown(["median seconds at evaluation", *map(str, marks)], rows)


def _ablations():
    """Return what changing one thing costs, in pairs of runs of the tuning half."""
    rows = []
    for suite in SUITES:
        runs = {key: run for key, run in store.load(suite).items() if key[0].half == "tuning"}
        for name in sorted({name for _, name in runs if name.startswith("bbopt:")}):
            table = Table(runs, ("bbopt", name))
            if len(table.optimizers) < 2 or not table.cells:
                continue
            ours, other = np.clip(table.at(), SOLVED, 1e100)
            gain = np.log10(other / ours)
            (mean,), ((low, high),) = mean_and_interval(gain[None], groups_of(table))
            better, worse = int((gain > 0).sum()), int((gain < 0).sum())
            what = name.removeprefix("bbopt:")
            rows.append((what, suite, better, worse, f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"))
    header = ["changed", "suite", "default better", "worse", "decades of regret that the change costs"]
    return _markdown(header, sorted(rows)) if rows else "None was run.\n"


def _others(runs):
    rows = []
    for name in _optimizers(runs):
        if name in MANDATORY:
            continue
        for suite, found in runs.items():
            table = Table(found, (*MANDATORY, name))
            if name not in table.optimizers or len(table.optimizers) < 3 or not table.cells:
                continue
            score = ranks(table.at())
            means, intervals = mean_and_interval(score, groups_of(table))
            k, ours = table.optimizers.index(name), table.optimizers.index("bbopt")
            interval = f"[{intervals[k][0]:.2f}, {intervals[k][1]:.2f}]"
            rank = f"{means[k]:.2f} {interval}"
            rows.append((name, suite, len(table.cells), rank, f"{means[ours]:.2f}", len(table.optimizers)))
    header = ["optimizer", "suite", "cells", "mean rank", "bbopt's there", "among"]
    return _markdown(header, rows) if rows else "None was run.\n"


def _errors(runs):
    found = {}
    for run in _all(runs):
        if run.error:
            why = re.sub(r"\d+ CPU", "600 CPU", run.error.strip().splitlines()[-1])[:120]
            found.setdefault((run.optimizer, run.cell.suite, why), []).append(run)
    rows = [(*key, len(several)) for key, several in sorted(found.items())]
    return _markdown(["optimizer", "suite", "why the run ended", "runs"], rows) if rows else "Nothing.\n"


def _versions(runs):
    found = {}
    for run in _all(runs):
        if not run.optimizer.startswith("bbopt"):
            found.update(run.versions)
    found.pop("source", None)
    return "Versions: " + ", ".join(f"{name} {number}" for name, number in sorted(found.items())) + ".\n"


def _optimizers(runs):
    names = {run.optimizer for run in _all(runs)}
    return [name for name in MANDATORY if name in names] + sorted(names - set(MANDATORY))


def _all(runs):
    return [run for found in runs.values() for run in found.values()]


def _markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


INTRODUCTION = """# Results

bbopt with default settings beside its peers with theirs: the best value found in so many evaluations, and
the time that it took to suggest them. This page and its figures are written by
`python benchmarks/compare report` from the runs stored under `benchmarks/results/race/`;
[benchmarks/README.md](../benchmarks/README.md) says how to run any of them again.

Everything here is the reporting half: odd seeds, and with them instances of the problems that nobody tuned
on. A cell is one instance of a problem. Square brackets hold 95% bootstrap intervals over problems. Where a
problem is noisy, what counts is the best point evaluated, judged without noise.
"""
NORMALISED = """0: solved. 1: what random search reaches in the median. Clipped at 2.
"""
CLOCK = """Mean ranks over all suites when time is up: as soon as somebody who suggests at once would have
spent the budget. Who takes long to suggest gets fewer evaluations.
"""
TIMES = """CPU seconds of one ask and one tell, one thread, medians over all runs without batches.
"""
ABLATIONS = """bbopt with one thing changed (`bbopt:NAME` as optimizer; `optimizers/with_bbopt.py` says
what), against itself on the same cells of the tuning half; 95% bootstrap intervals. In the suite `tuning`,
where no optimum is known, regrets are above the best value that either has seen.
"""
OTHERS = """Optimizers that were run on some suites only: their mean rank among the mandatory ones and
themselves.
"""
