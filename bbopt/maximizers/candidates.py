"""Where the search for the best acquisition starts: points everywhere, and points near the incumbents."""

import numpy as np

from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import FloatArray, IntArray

PERTURBED = 320
NEAR = (0.05, 0.2, 0.7, 1.5, 3.0)
"""Standard deviations of perturbed incumbents, in turn, in length-scales."""
ALONG = 0.25
"""This share of them lies on lines through two incumbents: in valleys, that is where the next one is."""
BESIDE = 0.01
"""Their standard deviation around the line, in length-scales."""
APART = 0.1
"""Starts are at least this far from a better one, in length-scales times sqrt(d), while there are others."""
TOUCHED = 20
"""About so many columns of an incumbent are perturbed at once."""
RESAMPLED = 0.2
"""How often a perturbed incumbent takes a categorical from elsewhere."""


def candidates(
    space: Space,
    scale: FloatArray,
    incumbents: FloatArray,
    fixed: FloatArray | None,
    rng: Key,
    raw: int,
) -> FloatArray:
    """Return feasible snapped points (N, d): the incumbents, their neighbours, then a raw sample.

    Points next to the incumbents matter more than many starts: the acquisition's best basin is often a
    narrow one beside good points, which a raw sample misses.

    Parameters
    ----------
    space : Space
    scale : array (d,)
        The acquisition's length per column.
    incumbents : array (k, d)
        Snapped points worth starting from; their fixed columns are overwritten.
    fixed : array (d,) or None
        Values to keep; nan where free.
    rng : Key
    raw : int
        How many points to sample.
    """
    X = space.sample(raw, rng.child("raw"), fixed=fixed)
    if len(incumbents) == 0 or len(X) == 0:
        return X
    near = np.concatenate([incumbents, _perturbed(space, scale, incumbents, X, rng)])
    if fixed is not None:
        near = np.where(np.isnan(fixed), near, fixed)
    near = space.project(near)
    return np.concatenate([near[space.feasible(near)], X])


def _perturbed(
    space: Space, scale: FloatArray, incumbents: FloatArray, elsewhere: FloatArray, rng: Key
) -> FloatArray:
    draw, k = rng.child("near").generator(), len(incumbents)
    shape, turn = (PERTURBED, space.d), np.arange(PERTURBED)
    base, width = incumbents[turn % k], np.array(NEAR)[turn // k % len(NEAR), None] * scale
    least = np.where(space.n_levels > 1, 0.5 / np.maximum(space.n_levels - 1, 1), 0.0)  # about a level
    X = base + np.maximum(width, least) * draw.standard_normal(shape)
    other = elsewhere[draw.integers(len(elsewhere), size=PERTURBED)]
    jumps = draw.random(shape) < RESAMPLED
    X = np.where(space.is_categorical, np.where(jumps, other, base), X)
    if space.d > TOUCHED:
        X = np.where(draw.random(shape) < TOUCHED / space.d, X, base)
    if k > 1:
        n = int(ALONG * PERTURBED)
        first = draw.integers(k, size=n)
        step = incumbents[first] - incumbents[(first + draw.integers(1, k, size=n)) % k]
        line = (
            base[-n:]
            + draw.standard_normal((n, 1)) * step
            + BESIDE * scale * draw.standard_normal(step.shape)
        )
        X[-n:] = np.where(space.is_categorical, X[-n:], line)
    return np.clip(X, 0.0, 1.0)


def spread_out(X: FloatArray, values: FloatArray, scale: FloatArray, count: int) -> IntArray:
    """Return up to ``count`` rows by falling value, none next to a better one while others are left.

    A row counts as next to another within APART; the radius shrinks when too few rows remain.
    """
    order = np.argsort(-values, kind="stable")[: 16 * count]
    order = order[np.isfinite(values[order])]
    Z = X[order] / scale
    chosen: list[int] = []
    free = np.ones(len(order), bool)
    radius = APART**2 * X.shape[1]  # squared
    left = np.ones(len(order), bool)
    while len(chosen) < min(count, len(order)):
        open_rows = np.flatnonzero(free & left)
        if len(open_rows) == 0:
            radius /= 16
            free = left.copy()
            if radius > 1e-9:
                for k in chosen:
                    free &= ((Z - Z[k]) ** 2).sum(axis=1) > radius
            continue
        k = int(open_rows[0])
        chosen.append(k)
        left[k] = False
        free &= ((Z - Z[k]) ** 2).sum(axis=1) > radius
    return np.asarray(order[chosen])
