"""From runs to numbers: ranks, normalised regrets, intervals, at equal evaluations and at equal wall time."""

import numpy as np

MANDATORY = ("bbopt", "Ax", "BoTorch", "Optuna GP", "Optuna TPE", "SMAC3", "pycma", "random")
SOLVED = 1e-8
"""Regrets below this count as equal: the final precision of COCO's targets."""
WORST = 2.0
"""Normalised regrets are clipped here, where a run is twice as bad as random search."""
DRAWS = 10_000
FEWEST = 3
"""So many random searches give a scale where none was measured."""
ENOUGH = 0.8
"""An optimizer enters a table when it has run this share of the cells."""


class Table:
    """The runs of some cells, each of which all optimizers have finished.

    Parameters
    ----------
    runs : mapping of (cell, optimizer) to Run
    optimizers : sequence of str
        Who has run few of the cells is left out (:data:`ENOUGH`), then cells that one of the rest lacks.
    scales : mapping of Cell.place to float
        What random search reaches, for :meth:`normalised`.

    Attributes
    ----------
    cells : list of Cell
    optimizers : list of str
    n_wanted, left_out : int
        Cells that anybody has run, and those of them that somebody here lacks.
    few : dict
        Who is left out, and how many cells they have run.
    """

    def __init__(self, runs, optimizers=MANDATORY, scales=None):
        wanted = sorted({cell for cell, _ in runs})
        counts = {name: sum((cell, name) in runs for cell in wanted) for name in optimizers}
        enough = max(1, ENOUGH * len(wanted))
        self.optimizers = [name for name in optimizers if counts[name] >= enough]
        self.few = {name: count for name, count in counts.items() if count < enough}
        self.cells = [cell for cell in wanted if all((cell, name) in runs for name in self.optimizers)]
        self.n_wanted, self.left_out = len(wanted), len(wanted) - len(self.cells)
        self.runs, self.scales = runs, scales or {}
        self._floor = {}
        for (cell, _), run in runs.items():
            known = [0.0] if run.optimum_known else [value for value in run.regrets if value is not None]
            # Where no optimum is known, the best value that anybody has seen stands for it.
            self._floor[cell.problem] = min([self._floor.get(cell.problem, np.inf), *known])

    def among(self, optimizers):
        """Return the table of some optimizers alone, who may share more cells."""
        return Table(self.runs, optimizers, self.scales)

    def curve(self, cell, optimizer):
        """Return the best regret after 1 .. budget evaluations, infinite before the first success."""
        found = self.runs[cell, optimizer].regrets
        values = np.array([np.inf if value is None else value for value in found], float)
        values = self._above_floor(cell.problem, values)
        best = np.minimum.accumulate(np.append(values, [np.inf] * (cell.budget - len(values))))
        return np.where(best < SOLVED, 0.0, best)

    def at(self, share=1.0):
        """Return regrets (optimizers, cells) after a share of each budget."""
        return np.array(
            [
                [self.curve(cell, name)[max(1, round(share * cell.budget)) - 1] for cell in self.cells]
                for name in self.optimizers
            ]
        )

    def at_wall(self, cost):
        """Return regrets (optimizers, cells) when time is up, where each evaluation takes ``cost`` seconds.

        Time is up when somebody who suggests in no time has spent the budget. The points of a batch are
        evaluated at once.
        """
        rows = []
        for name in self.optimizers:
            row = []
            for cell in self.cells:
                spent = np.cumsum(self.runs[cell, name].seconds)
                n = np.arange(1, len(spent) + 1)
                passed = spent + cost * np.ceil(n / cell.batch)
                done = int(np.count_nonzero(passed <= cost * np.ceil(cell.budget / cell.batch)))
                row.append(self.curve(cell, name)[done - 1] if done else np.inf)
            rows.append(row)
        return np.array(rows)

    def normalised(self, regrets):
        """Return regrets as shares of what random search reaches on the same cell, at most WORST.

        A column is NaN where that is unknown, or random search fails in the median.
        """
        scale = np.array([self._scale(cell) for cell in self.cells])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(regrets == 0, 0.0, regrets / scale)
        return np.where(np.isfinite(scale), np.minimum(share, WORST), np.nan)

    def _scale(self, cell):
        scale = self._above_floor(cell.problem, self.scales.get(cell.place, np.nan))
        return 0.0 if scale < SOLVED else scale

    def _above_floor(self, problem, values):
        # Where nobody succeeded there is no floor, and nothing above it but failures.
        floor = self._floor[problem]
        return values - floor if np.isfinite(floor) else values


def scales_of(runs):
    """Return what random search reaches in the median of the runs there are, place -> regret.

    Runs of all seeds that meet the same problem count, where there are at least :data:`FEWEST`.
    """
    found = {}
    for (cell, name), run in runs.items():
        if name == "random":
            values = [value for value in run.regrets if value is not None]
            found.setdefault(cell.place, []).append(min(values, default=np.inf))
    return {place: float(np.median(best)) for place, best in found.items() if len(best) >= FEWEST}


def seconds_at(runs, n):
    """Return the mean seconds of the ten evaluations up to the n-th, of each run that got so far.

    One evaluation alone would mislead: many optimizers do at some what they leave out at others.
    """
    return [float(np.mean(run.seconds[max(0, n - 10) : n])) for run in runs if len(run.seconds) >= n]


def ranks(regrets):
    """Return ranks (optimizers, cells), 1 the lowest, ties sharing their mean."""
    below = (regrets[:, None] > regrets[None]).sum(axis=1)
    equal = (regrets[:, None] == regrets[None]).sum(axis=1)
    return below + (equal + 1) / 2


def mean_and_interval(values, groups):
    """Return means (k,) of values (k, cells) and 95% bootstrap intervals (k, 2); whole groups are drawn."""
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(values), len(names)))
    np.add.at(sums.T, group, values.T)
    sizes = np.bincount(group, minlength=len(names))
    picks = np.random.default_rng(0).integers(len(names), size=(DRAWS, len(names)))
    means = sums[:, picks].sum(axis=2) / sizes[picks].sum(axis=1)
    return values.mean(axis=1), np.quantile(means, [0.025, 0.975], axis=1).T
