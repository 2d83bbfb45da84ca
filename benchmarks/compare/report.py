"""Write ``docs/results.md`` and its figures from the stored runs."""

from pathlib import Path

import figures
import numpy as np
import store
from scores import MANDATORY, SOLVED, Table, mean_and_interval, ranks, scales_of, seconds_at
from suites import SUITES, has_instances
from words import ABLATIONS, CLOCK, ERRORS, INTRODUCTION, LEADS, NORMALISED, OTHERS, RANKS, TIMES, TOLD

DOCS = Path(__file__).parent.parent.parent / "docs"
NOT_FIRST = Path(__file__).parent / "not-first.md"
"""Written by hand: where bbopt is not first, why, and what was tried."""
COSTS = (0.1, 1.0, 10.0)
"""Seconds of an evaluation at which optimizers are compared by time."""


def write():
    """Write everything."""
    tables, runs = collect()
    figures.ranks(tables, DOCS / "figures" / "race-ranks.png")
    figures.curves(tables, DOCS / "figures" / "race-curves.png")
    figures.ask_times(shared(tables, runs), DOCS / "figures" / "race-ask-times.png")
    (DOCS / "results.md").write_text(page(tables, runs))
    print(f"wrote docs/results.md: {sum(len(table.cells) for table in tables.values())} cells")


def collect():
    """Return the tables of the reporting half, suite -> Table, and its runs, suite -> mapping."""
    tables, runs = {}, {}
    for suite in SUITES:
        stored = store.load(suite)
        runs[suite] = {key: run for key, run in stored.items() if key[0].half == "reporting"}
        table = Table(runs[suite], scales={**scales_of(stored), **store.load_scales(suite)})
        if table.cells and len(table.optimizers) > 1:
            tables[suite] = table
    return tables, runs


def page(tables, runs):
    """Return the text of the page."""
    names = {cell.problem for table in tables.values() for cell in table.cells}
    single = ", ".join(sorted(name for name in names if not has_instances(name))) or "there are none"
    parts = [INTRODUCTION.format(single=single), _missing(tables), "## Mean ranks\n", RANKS]
    parts += [_by_suite(tables, lambda table: ranks(table.at()), "{:.2f}")]
    parts += ["![mean ranks](figures/race-ranks.png)\n", "## How clear it is\n", LEADS, _leads(tables)]
    parts += [NOT_FIRST.read_text(), "## Normalised regret\n", NORMALISED]
    parts += [_by_suite(tables, lambda table: table.normalised(table.at()), "{:.2f}")]
    parts += ["![curves](figures/race-curves.png)\n", "## By the clock\n", CLOCK, _clock(tables)]
    parts += ["## Time to ask\n", TIMES, _times(tables, runs), "![ask times](figures/race-ask-times.png)\n"]
    parts += ["## What earns its place\n", ABLATIONS, _ablations()]
    parts += ["## Other optimizers\n", OTHERS, _others(runs), "## What went wrong\n", ERRORS, _errors(runs)]
    parts += ["## What was told, and versions\n", TOLD, _versions(runs)]
    return "\n".join(parts)


def everybody(tables):
    """Return who is in the table of every suite."""
    return [name for name in MANDATORY if all(name in table.optimizers for table in tables.values())]


def overall(tables, score):
    """Return ``score(table)`` (optimizers, cells) of all suites side by side, and groups (cells,).

    Scores are computed among those alone who are in all suites, so that ranks mean the same in each.
    """
    names, values, groups = everybody(tables), [], []
    for suite, table in tables.items():
        shared = table.among(names)
        values.append(score(shared))
        groups += [f"{suite} {cell.problem}" for cell in shared.cells]
    return names, np.hstack(values), groups


def groups_of(table):
    """Return what is drawn as a whole in a bootstrap: the problems."""
    return [cell.problem for cell in table.cells]


def shared(tables, runs):
    """Return runs one point at a time on cells that everybody has, and those of others on these cells."""
    names = everybody(tables)
    cells = {cell for table in tables.values() for cell in table.among(names).cells if cell.batch == 1}
    return [run for run in _all(runs) if run.cell in cells]


def _missing(tables):
    """Say who is missing where, and how many cells are left out."""
    lines = []
    for name in MANDATORY:
        lacking = [
            f"{suite} ({table.few[name]} of {table.n_wanted} cells run)"
            for suite, table in tables.items()
            if name in table.few
        ]
        if len(lacking) == len(tables):
            has, of = (
                sum(counts)
                for counts in zip(*((t.few[name], t.n_wanted) for t in tables.values()), strict=True)
            )
            lines.append(f"- {name} is in no table: it has run {has} of {of} cells.")
        elif lacking:
            lines.append(
                f"- {name} is not in {', '.join(lacking)}, and so neither in *all* nor by the clock."
            )
    left_out = [f"{table.left_out} of {suite}" for suite, table in tables.items() if table.left_out]
    if left_out:
        lines.append(f"- Cells left out because somebody in the table lacks them: {', '.join(left_out)}.")
    unseen = [suite for suite in SUITES if suite not in tables]
    if unseen:
        lines.append(f"- Suites that too few have run to be shown: {', '.join(unseen)}.")
    return "\n".join(["What is missing:\n", *(lines or ["- nothing."])]) + "\n"


def _clock(tables):
    names, rows = everybody(tables), []
    if len(names) < 2:
        return "Fewer than two are in every suite.\n"
    for cost in COSTS:
        _, values, groups = overall(tables, lambda table, cost=cost: ranks(table.at_wall(cost)))
        rows.append((f"{cost:g} s", *_cells(values, groups, "{:.2f}")))
    return _markdown([f"an evaluation takes ({len(groups)} cells)", *names], rows)


def _by_suite(tables, score, form):
    rows = []
    names = [name for name in MANDATORY if any(name in table.optimizers for table in tables.values())]
    for suite, (optimizers, values, groups) in _scored(tables, score).items():
        known = ~np.isnan(values).any(axis=0)
        groups = [group for group, is_known in zip(groups, known, strict=True) if is_known]
        if groups:
            found = dict(zip(optimizers, _cells(values[:, known], groups, form), strict=True))
            rows.append((f"{suite} ({len(groups)})", *(found.get(name, "") for name in names)))
    return _markdown(["suite (cells)", *names], rows)


def _scored(tables, score):
    """Return who was scored, ``score(table)`` and its groups, for every suite and for all together."""
    scored = {suite: (table.optimizers, score(table), groups_of(table)) for suite, table in tables.items()}
    if len(tables) > 1 and len(everybody(tables)) > 1:
        scored["**all**"] = overall(tables, score)
    return scored


def _cells(values, groups, form):
    means, intervals = mean_and_interval(values, groups)
    lowest = means.min()
    return [
        f"{'**' if mean == lowest else ''}{form.format(mean)}{'**' if mean == lowest else ''} "
        f"[{form.format(low)}, {form.format(high)}]"
        for mean, (low, high) in zip(means, intervals, strict=True)
    ]


def _times(tables, runs):
    marks = (10, 20, 50, 80, 120)
    several, rows = shared(tables, runs), []
    n_cells = len({run.cell for run in several})
    for name in _optimizers(runs):
        mine = [run for run in several if run.optimizer == name]
        found = [seconds_at(mine, mark) for mark in marks]
        medians = [f"{np.median(some):.2g} ({len(some)})" if some else "" for some in found]
        if mine:
            rows.append((name, f"{len(mine)} of {n_cells}", *medians))
    return _markdown(["seconds at evaluation (runs)", "cells", *map(str, marks)], rows)


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
            better, worse = (ours < other).sum(), (ours > other).sum()
            time = f"{_seconds(table, name) / _seconds(table, 'bbopt'):.1f}"
            what = name.removeprefix("bbopt:") + ("" if _same_source(table, name) else " \\*")
            rows.append((what, suite, better, worse, _decades(table, ours, other), time))
    header = ["changed", "suite", "default better", "worse", "decades that it costs (cells)", "times the CPU"]
    return _markdown(header, sorted(rows)) if rows else "None was run.\n"


def _same_source(table, name):
    """Whether the same code ran both of every pair."""
    ours, others = (
        [table.runs[cell, one].versions.get("source") for cell in table.cells] for one in ("bbopt", name)
    )
    return ours == others


def _seconds(table, name):
    """Return the CPU seconds that an optimizer took on all cells of a table."""
    return sum(sum(table.runs[cell, name].seconds) for cell in table.cells)


def _decades(table, ours, other):
    """Return the mean of log10(other / ours) over cells whose optimum is known: else ratios mean nothing."""
    known = np.array([table.runs[cell, "bbopt"].optimum_known for cell in table.cells])
    if not known.any():
        return ""
    groups = [group for group, is_known in zip(groups_of(table), known, strict=True) if is_known]
    (mean,), ((low, high),) = mean_and_interval(np.log10(other / ours)[None, known], groups)
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}] ({known.sum()})"


def _leads(tables):
    """Return how far bbopt is ahead of the best other one in mean rank, in pairs of runs."""
    scored = {
        suite: (table.optimizers, ranks(table.at()), groups_of(table)) for suite, table in tables.items()
    }
    if len(tables) > 1 and len(everybody(tables)) > 1:
        scored["**all**"] = overall(tables, lambda table: ranks(table.at()))
    rows = []
    for suite, (optimizers, found, groups) in scored.items():
        if "bbopt" not in optimizers:
            continue
        means, ours = found.mean(axis=1), optimizers.index("bbopt")
        rival = min((k for k in range(len(optimizers)) if k != ours), key=lambda k: means[k])
        (mean,), ((low, high),) = mean_and_interval((found[rival] - found[ours])[None], groups)
        place = 1 + int((means < means[ours]).sum())
        rows.append((suite, place, optimizers[rival], f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"))
    return _markdown(["suite", "place of bbopt", "the best other one", "ranks ahead of it"], rows)


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
            why = run.error.strip().splitlines()[-1][:120] if run.is_accident else "its time was up"
            found.setdefault((run.optimizer, run.cell.suite, why), []).append(run)
    rows = []
    for key, several in sorted(found.items()):
        shares = sorted(len(run.regrets) / run.cell.budget for run in several)
        seconds = sorted(sum(run.seconds) for run in several)
        rows.append((*key, len(several), _range(shares, "{:.0%}"), _range(seconds, "{:.0f}")))
    header = ["optimizer", "suite", "why the run ended", "runs", "of the budget", "CPU seconds"]
    return _markdown(header, rows) if rows else "Nothing.\n"


def _range(values, form):
    ends = dict.fromkeys(form.format(value) for value in (values[0], values[-1]))
    return " to ".join(ends)


def _versions(runs):
    rows = []
    for name in _optimizers(runs):
        counts = {}
        for run in _all(runs):
            if run.optimizer == name:
                for package, number in run.versions.items():
                    of_package = counts.setdefault(package, {})
                    of_package[number] = of_package.get(number, 0) + 1
        said = [f"{package} {_numbers(counts[package])}" for package in counts]
        rows.append((name, ", ".join(said)))
    return _markdown(["optimizer", "versions"], rows)


def _numbers(counts):
    """Say the only number, or all with their runs."""
    if len(counts) == 1:
        return next(iter(counts))
    return " / ".join(f"{number} ({n} runs)" for number, n in sorted(counts.items()))


def _optimizers(runs):
    names = {run.optimizer for run in _all(runs)}
    return [name for name in MANDATORY if name in names] + sorted(names - set(MANDATORY))


def _all(runs):
    return [run for found in runs.values() for run in found.values()]


def _markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
