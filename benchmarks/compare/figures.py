"""The figures of the report."""

import matplotlib as mpl
import numpy as np
from scores import mean_and_interval, seconds_at
from scores import ranks as ranked

mpl.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {
    "bbopt": "#d1495b",
    "Ax": "#2e4057",
    "BoTorch": "#66a182",
    "Optuna GP": "#edae49",
    "Optuna TPE": "#b8860b",
    "SMAC3": "#7d5ba6",
    "pycma": "#00798c",
    "random": "#999999",
}
SHARES = np.linspace(0.05, 1, 20)


def ranks(tables, path):
    """Mean ranks with their intervals, one panel a suite."""
    figure, axes = _panels(tables, (3.2, 2.4), sharex=True)
    for axis, (suite, table) in zip(axes, tables.items(), strict=False):
        means, intervals = mean_and_interval(ranked(table.at()), [cell.problem for cell in table.cells])
        order = np.argsort(means)[::-1]
        for row, k in enumerate(order):
            name = table.optimizers[k]
            axis.plot(intervals[k], [row, row], color=COLOURS[name], lw=2, solid_capstyle="butt")
            axis.plot(means[k], row, "o", color=COLOURS[name], ms=5)
        axis.set_yticks(range(len(order)), [table.optimizers[k] for k in order], fontsize=8)
        axis.set_title(f"{suite}, {len(table.cells)} cells", fontsize=9)
        axis.grid(axis="x", alpha=0.3)
    _finish(figure, path, "mean rank (1 is best), 95% interval")


def curves(tables, path):
    """Normalised regret over the course of the budget, one panel a suite."""
    figure, axes = _panels(tables, (3.2, 2.6), sharex=True, sharey=True)
    for axis, (suite, table) in zip(axes, tables.items(), strict=False):
        known = ~np.isnan(table.normalised(table.at())[0])
        if not known.any():
            continue
        means = np.array([table.normalised(table.at(share))[:, known].mean(axis=1) for share in SHARES])
        for k, name in enumerate(table.optimizers):
            axis.plot(SHARES, means[:, k], color=COLOURS[name], lw=2 if name == "bbopt" else 1.2, label=name)
        axis.set_title(suite, fontsize=9)
        axis.grid(alpha=0.3)
        axis.set_ylim(0, 2)
    drawn = {}
    for axis in axes[: len(tables)]:
        drawn.update(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    names = [name for name in COLOURS if name in drawn]
    handles = [drawn[name] for name in names]
    figure.legend(handles, names, loc="outside upper center", ncols=8, fontsize=8, frameon=False)
    figure.supylabel("normalised regret", fontsize=9)
    _finish(figure, path, "share of the budget")


def ask_times(everything, path):
    """Seconds to ask over the number of results, and, in the second half of the budget, over dimensions."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for name, colour in COLOURS.items():
        mine = [run for run in everything if run.optimizer == name and run.seconds]
        if not mine:
            continue
        longest = max(len(run.seconds) for run in mine)
        found = {n: seconds_at(mine, n) for n in range(10, longest + 1, 5)}
        counts = [n for n, seconds in found.items() if len(seconds) >= 3]
        left.plot(counts, [np.median(found[n]) for n in counts], color=colour, label=name)
        by_d = {}
        for run in mine:
            if run.n_parameters:
                by_d.setdefault(run.n_parameters, []).append(np.mean(run.seconds[len(run.seconds) // 2 :]))
        right.plot(sorted(by_d), [np.median(by_d[d]) for d in sorted(by_d)], "o-", ms=3, color=colour)
    for axis, label in ((left, "evaluations so far"), (right, "parameters")):
        axis.set(yscale="log", xlabel=label)
        axis.grid(alpha=0.3, which="both")
    right.set_xscale("log")
    left.set_ylabel("CPU seconds to ask and tell")
    figure.legend(loc="outside upper center", ncols=8, fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _panels(tables, size, **shared):
    columns = min(4, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        layout="constrained",
        squeeze=False,
        **shared,
    )
    for axis in axes.flat[len(tables) :]:
        axis.set_visible(False)
    return figure, axes.flat


def _finish(figure, path, label):
    figure.supxlabel(label, fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)
