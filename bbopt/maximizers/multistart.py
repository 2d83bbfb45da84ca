"""Maximise an acquisition over a space: many raw points, a few good ones refined together.

Continuous columns move by L-BFGS with the others held, along linear known constraints; columns with
levels are swept in turn, until nothing changes. Ordered columns with more levels than can all be tried
move with the continuous ones first, are rounded, and only what is rounded is compared. Small finite spaces
are scored completely.
"""

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.data.history import keys
from bbopt.errors import FitError, SpaceExhausted
from bbopt.maximizers.candidates import candidates, spread_out
from bbopt.maximizers.refine import Goal, refine
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import FloatArray

EXHAUSTIVE = 4096
"""Finite spaces up to this size are scored completely."""
RAW = 128
"""Sampled points; more find the best basin no more often, more points near the incumbents do."""
RESTARTS = 10, 16
"""Points that are refined: in up to ten columns, some of them continuous, and in other spaces."""


def maximize(
    acquisition: Acquisition,
    space: Space,
    n: int,
    starts: FloatArray,
    fixed: FloatArray | None,
    rng: Key,
    *,
    exclude: FloatArray | None = None,
    restarts: int | None = None,
    raw: int = RAW,
) -> FloatArray:
    """Return the n best distinct points found, best first, shape (n, d).

    Parameters
    ----------
    acquisition : Acquisition
    space : Space
    n : int
    starts : array (k, d)
        Snapped points worth starting from: incumbents, previous winners; may be empty.
    fixed : array (d,) or None
        Encoded values to keep; nan where free.
    rng : Key
        The result is a pure function of it and the other arguments.
    exclude : array (e, d), optional
        Snapped points never to return.
    restarts : int, optional
        How many points are refined; see :data:`RESTARTS`. Where all columns have levels, half of them are
        given up after each sweep.
    raw : int
        How many points are sampled.

    Raises
    ------
    FitError
        When the acquisition has no values.
    SpaceExhausted
        When fewer than n points that are not excluded were found: exact for small finite spaces, after
        a bounded search in others.
    """
    if space.size is not None and space.size <= EXHAUSTIVE:
        X = space.enumerate()
        if fixed is not None:
            X = X[np.all(np.isnan(fixed) | (X == fixed), axis=1)]
        return _best_distinct(X, _values(acquisition, X), n, exclude)

    X = candidates(space, acquisition.scale, starts, fixed, rng, raw)
    values = _values(acquisition, X)
    restarts = restarts or RESTARTS[space.d > 10 or bool((space.n_levels > 0).all())]
    chosen = spread_out(X, values, acquisition.scale, restarts)
    goal = _goal(acquisition, space, exclude)
    first = goal.value(X[chosen, None]) if (space.n_levels > 0).all() else values[chosen]
    refined, refined_values = refine(goal, space, X[chosen, None], first, fixed, X[chosen], rng)
    pool, pool_values = np.concatenate([refined[:, 0], X]), np.concatenate([refined_values, values])
    return _best_distinct(pool, pool_values, n, exclude)


def _values(acquisition: Acquisition, X: FloatArray) -> FloatArray:
    """Return the values (b,) at points X (b, d), some of which are numbers if there are any."""
    values = acquisition.value(X) if len(X) else np.empty(0)
    if len(X) and np.isnan(values).all():
        raise FitError(f"the acquisition {type(acquisition).__name__} is nan at all of {len(X)} points")
    return values


def _goal(acquisition: Acquisition, space: Space, exclude: FloatArray | None) -> Goal:
    """Return the value of single points.

    Where all columns have levels, points never to return have none: there the acquisition is often
    largest at points that were asked, and the search has to look past them.
    """
    seen = frozenset(keys(exclude)) if exclude is not None and (space.n_levels > 0).all() else frozenset()

    def value(X: FloatArray) -> FloatArray:
        X = X[:, 0]
        good = space.feasible(X)
        if seen:
            good &= [key not in seen for key in keys(X)]
        if good.all():
            return acquisition.value(X)
        values = np.full(len(X), -np.inf)
        if good.any():
            values[good] = acquisition.value(X[good])
        return values

    def value_and_grad(X: FloatArray) -> tuple[FloatArray, FloatArray]:
        values, gradients = acquisition.value_and_grad(X[:, 0])
        return values, gradients[:, None]

    return Goal(value, value_and_grad if acquisition.is_smooth else None, acquisition.scale)


def _best_distinct(X: FloatArray, values: FloatArray, n: int, exclude: FloatArray | None) -> FloatArray:
    """Return the n best rows that differ from each other and from the excluded ones."""
    seen = set() if exclude is None else set(keys(exclude))
    rows, names = [], keys(X)
    for i in np.argsort(-values, kind="stable"):  # nan comes last
        if not values[i] > -np.inf:
            break
        key = names[i]
        if key not in seen:
            seen.add(key)
            rows.append(i)
            if len(rows) == n:
                return np.asarray(X[rows])
    raise SpaceExhausted(f"found only {len(rows)} of {n} points that were not asked before")
