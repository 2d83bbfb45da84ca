"""Search in the columns that have levels, on their levels alone: sweeps, batched over starts."""

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.space import Space
from bbopt.types import FloatArray

FEW_LEVELS = 32
"""Up to so many levels are all tried; a column with more is probed near and far."""
MINIMAL_GAIN = 1e-9


def score(acquisition: Acquisition, space: Space, X: FloatArray) -> FloatArray:
    """Return acquisition values (b,) of snapped points, -inf where a known constraint is broken."""
    if not space.constraints:
        return acquisition.value(X)
    values = np.full(len(X), -np.inf)
    feasible = space.feasible(X)
    if feasible.any():
        values[feasible] = acquisition.value(X[feasible])
    return values


def sweep(
    acquisition: Acquisition,
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
    acquisition, space
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
    for j in np.flatnonzero(space.n_levels > 0):
        if held is not None and not np.isnan(held[j]):
            continue
        rows = np.flatnonzero(space.active(X)[:, j]) if space.is_conditional else np.arange(len(X))
        if len(rows) == 0:
            continue
        levels = _levels(space, int(j), X[rows, j], draw)  # (rows, L)
        trial = np.repeat(X[rows], levels.shape[1], axis=0)
        trial[:, j] = levels.ravel()
        trial = settle(space, trial, np.repeat(X[rows], levels.shape[1], axis=0), donors, int(j))
        if held is not None:
            trial = space.project(np.where(np.isnan(held), trial, held))
        found = score(acquisition, space, trial).reshape(levels.shape)
        best = np.argmax(found, axis=1)
        best_value = found[np.arange(len(rows)), best]
        better = best_value > values[rows] + MINIMAL_GAIN
        picked = np.arange(len(rows)) * levels.shape[1] + best
        X[rows[better]] = trial[picked[better]]
        values[rows[better]] = best_value[better]
    return X, values


def settle(space: Space, X: FloatArray, before: FloatArray, donors: FloatArray, j: int) -> FloatArray:
    """Snap points whose column j changed, and fill the columns that this has activated."""
    X = space.project(X)
    if not space.is_conditional:
        return X
    awake = space.active(X) & ~space.active(before)
    for i in np.flatnonzero(awake.any(axis=1)):
        same = np.flatnonzero(donors[:, j] == X[i, j])
        if len(same):
            X[i, awake[i]] = donors[same[0], awake[i]]
    return space.project(X)


def _levels(space: Space, j: int, current: FloatArray, draw: np.random.Generator) -> FloatArray:
    """Return the levels (r, L) to try in column j, given where each start is now."""
    count = int(space.n_levels[j])
    if count <= FEW_LEVELS:
        return np.broadcast_to(space.levels(j), (len(current), count))
    if space.is_categorical[j]:
        picked = draw.integers(count, size=(len(current), FEW_LEVELS)) / (count - 1)
        return np.column_stack([current, picked])
    # Steps of every size in both directions, down to one level, and some levels anywhere; snapped later.
    sizes = 0.5 ** np.arange(1, int(np.ceil(np.log2(count))) + 1)
    jumps = current[:, None] + np.concatenate([sizes, -sizes])
    anywhere = draw.random((len(current), FEW_LEVELS // 2))
    return np.asarray(np.clip(np.column_stack([current, jumps, anywhere]), 0.0, 1.0))
