"""Search in the columns that have levels, on their levels alone: sweeps, batched over starts."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from bbopt.space import Space
from bbopt.types import FloatArray, IntArray

FEW_LEVELS = 32
"""Up to so many levels are all tried; a column with more is probed near and far."""
MINIMAL_GAIN = 1e-9
PAIRS = 1024
"""So many changes of two columns at once are tried at most, from each start."""
NEIGHBOURS = 3
"""An ordered column with more other levels than this takes part in pairs one level up and one down."""

Score: TypeAlias = Callable[[FloatArray, IntArray], FloatArray]
"""Values (k, L) of snapped points (k, L, d) that would replace starts number (k,); -inf if infeasible."""


def sweep(
    score: Score,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    held: FloatArray | None,
    donors: FloatArray,
    draw: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Improve each discrete column in turn, all starts at once; return new X (r, d) and values (r,).

    Parameters
    ----------
    score : Score
    space : Space
    X : array (r, d)
        Snapped points, changed one column at a time.
    values : array (r,)
    held : array (d,) or None
        Columns that must not change; nan where free.
    donors : array (k, d)
        Good points, best first: where a new level wakes conditional columns, they take the values of the
        first donor with that level.
    draw : Generator
        For levels of wide columns.
    """
    X, values = X.copy(), values.copy()
    for j in _free_columns(space, held):
        rows = np.flatnonzero(space.active(X)[:, j]) if space.is_conditional else np.arange(len(X))
        if len(rows) == 0:
            continue
        levels = _others(space, j, X[rows, j], draw)  # (rows, L)
        trial = np.repeat(X[rows], levels.shape[1], axis=0)
        trial[:, j] = levels.ravel()
        trial = settle(space, trial, np.repeat(X[rows], levels.shape[1], axis=0), donors, j, held)
        _take_better(score, trial.reshape(*levels.shape, -1), rows, X, values)
    return X, values


def exchange(
    score: Score,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    held: FloatArray | None,
    donors: FloatArray,
    draw: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Take the best change of two discrete columns at once; arguments and results as in :func:`sweep`.

    It leads on where each column alone is at its best, and along constraints that let one column rise
    only when another falls.
    """
    columns = _free_columns(space, held)
    levels = {j: _near(space, j, X[:, j], draw) for j in columns}
    pairs = [
        (j, k, a, b)
        for i, j in enumerate(columns)
        for k in columns[i + 1 :]
        for a in range(levels[j].shape[1])
        for b in range(levels[k].shape[1])
    ]
    if len(pairs) > PAIRS:
        pairs = [pairs[i] for i in np.sort(draw.choice(len(pairs), PAIRS, replace=False))]
    if not pairs:
        return X, values
    X, values = X.copy(), values.copy()
    trial = np.repeat(X[:, None], len(pairs), axis=1)
    for i, (j, k, a, b) in enumerate(pairs):
        trial[:, i, j], trial[:, i, k] = levels[j][:, a], levels[k][:, b]
    flat, before = trial.reshape(-1, space.d), np.repeat(X, len(pairs), axis=0)
    flat = settle(space, flat, before, donors, None, held)
    _take_better(score, flat.reshape(trial.shape), np.arange(len(X)), X, values)
    return X, values


def settle(
    space: Space,
    X: FloatArray,
    before: FloatArray,
    donors: FloatArray,
    j: int | None,
    held: FloatArray | None,
) -> FloatArray:
    """Snap points in which levels changed, and fill the columns that this has activated.

    Column j is the one that changed; without it, donors may have any levels.
    """
    X = space.project(X)
    if space.is_conditional:
        awake = space.active(X) & ~space.active(before)
        for i in np.flatnonzero(awake.any(axis=1)):
            same = np.flatnonzero(donors[:, j] == X[i, j]) if j is not None else np.arange(len(donors))
            if len(same):
                X[i, awake[i]] = donors[same[0], awake[i]]
        X = space.project(X)
    return X if held is None else space.project(np.where(np.isnan(held), X, held))


def _take_better(score: Score, trial: FloatArray, rows: IntArray, X: FloatArray, values: FloatArray) -> None:
    """Replace starts, in place, by the best of their trials (rows, L, d) where that is better."""
    found = score(trial, rows)
    best = np.argmax(found, axis=1)
    best_value = found[np.arange(len(rows)), best]
    better = best_value > values[rows] + MINIMAL_GAIN
    X[rows[better]] = trial[better, best[better]]
    values[rows[better]] = best_value[better]


def _free_columns(space: Space, held: FloatArray | None) -> list[int]:
    is_free = space.n_levels > 0
    return np.flatnonzero(is_free if held is None else is_free & np.isnan(held)).tolist()


def _others(space: Space, j: int, current: FloatArray, draw: np.random.Generator) -> FloatArray:
    """Return the levels (r, L) to try in column j, given where each start is now."""
    count = int(space.n_levels[j])
    if count <= FEW_LEVELS:
        levels = space.levels(j)
        here = np.abs(levels - current[:, None]).argmin(axis=1)
        return np.asarray(levels[(here[:, None] + np.arange(1, count)) % count])
    if space.is_categorical[j]:
        return np.asarray(draw.integers(count, size=(len(current), FEW_LEVELS)) / (count - 1))
    # Steps of every size in both directions, down to one level, and some levels anywhere; snapped later.
    sizes = 0.5 ** np.arange(1, int(np.ceil(np.log2(count))) + 1)
    jumps = current[:, None] + np.concatenate([sizes, -sizes])
    anywhere = draw.random((len(current), FEW_LEVELS // 2))
    return np.asarray(np.clip(np.column_stack([jumps, anywhere]), 0.0, 1.0))


def _near(space: Space, j: int, current: FloatArray, draw: np.random.Generator) -> FloatArray:
    """Return the levels (r, L) of column j that take part in pairs."""
    count = int(space.n_levels[j])
    if space.is_categorical[j] or count <= NEIGHBOURS + 1:
        return _others(space, j, current, draw)
    if count > FEW_LEVELS:
        return np.asarray(np.clip(current[:, None] + np.array([1.0, -1.0]) / (count - 1), 0.0, 1.0))
    levels = space.levels(j)
    here = np.abs(levels - current[:, None]).argmin(axis=1)
    return np.asarray(levels[np.clip(here[:, None] + np.array([1, -1]), 0, count - 1)])
