"""Refining good starts: moves in the columns that glide and sweeps over those with levels, in turn.

A start is a set of q points that are worth something together, X (r, q, d); for an acquisition of single
points, q = 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bbopt.maximizers.climb import climb, gliding, wander
from bbopt.maximizers.discrete import MINIMAL_GAIN, Score, exchange, sweep
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import FloatArray, IntArray

ROUNDS = 4
"""The most alternations between gliding and sweeps."""
EXCHANGED = 2
"""So many of the best starts try changes of two columns at once, where all columns have levels."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is maximised.

    Attributes
    ----------
    value : callable
        Values (b,) of snapped points X (b, q, d); -inf where they cannot be asked.
    value_and_grad : callable or None
        Values (b,) and gradients (b, q, d) of points X (b, q, d) anywhere; None where there are none.
    scale : array (d,)
        A length over which the value changes, a column each.
    """

    value: Callable[[FloatArray], FloatArray]
    value_and_grad: Callable[[FloatArray], tuple[FloatArray, FloatArray]] | None
    scale: FloatArray


def refine(
    goal: Goal,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    fixed: FloatArray | None,
    donors: FloatArray,
    rng: Key,
) -> tuple[FloatArray, FloatArray]:
    """Return better starts X (r, q, d) and their values (r,), never worse.

    Parameters
    ----------
    goal : Goal
    space : Space
    X : array (r, q, d)
        Feasible snapped points.
    values : array (r,)
    fixed : array (d,) or None
        Values to keep; nan where free.
    donors : array (k, d)
        Good points, best first, see :func:`~bbopt.maximizers.discrete.sweep`.
    rng : Key
    """
    if len(X) == 0:
        return X, values
    levels, draw = space.n_levels > 0, rng.child("sweep").generator()
    X, values, moving = X.copy(), values.copy(), np.arange(len(X))
    for k in range(ROUNDS):
        X[moving], values[moving] = _glide(goal, space, X[moving], values[moving], fixed, rng.child(k))
        if not levels.any():
            break
        before = values[moving]
        for i in range(X.shape[1]):
            score = _with_member(goal, X[moving], i)
            X[moving, i], values[moving] = sweep(
                score, space, X[moving, i], values[moving], fixed, donors, draw
            )
        moving = moving[values[moving] > before + MINIMAL_GAIN]
        if levels.all():  # sweeps are all there is to do: go on with the better half
            moving = np.intersect1d(moving, _best(values, max(len(X) >> (k + 1), EXCHANGED)))
        if len(moving) == 0:
            break
    if levels.all():
        best = _best(values, EXCHANGED)
        X[best], values[best] = _exchange(goal, space, X[best], values[best], fixed, donors, draw)
    return X, values


def _glide(
    goal: Goal,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    fixed: FloatArray | None,
    rng: Key,
) -> tuple[FloatArray, FloatArray]:
    """Move in the columns that glide, and keep what got better."""
    free = gliding(space, X.reshape(-1, space.d), fixed).reshape(X.shape)
    if not free.any():
        return X, values
    if goal.value_and_grad is None:
        return wander(goal.value, goal.scale, space, X, values, free, rng)
    moved = climb(goal.value_and_grad, goal.scale, space, X, free)
    found = goal.value(moved)
    better = found > values
    return np.where(better[:, None, None], moved, X), np.where(better, found, values)


def _exchange(
    goal: Goal,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    fixed: FloatArray | None,
    donors: FloatArray,
    draw: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Change two columns at once, then each in turn again, until nothing is gained."""
    X, values, moving = X.copy(), values.copy(), np.arange(len(X))
    for _ in range(ROUNDS):
        before = values[moving]
        for i in range(X.shape[1]):
            for change in exchange, sweep:
                score = _with_member(goal, X[moving], i)
                X[moving, i], values[moving] = change(
                    score, space, X[moving, i], values[moving], fixed, donors, draw
                )
        moving = moving[values[moving] > before + MINIMAL_GAIN]
        if len(moving) == 0:
            break
    return X, values


def _with_member(goal: Goal, X: FloatArray, i: int) -> Score:
    """Return the values of points in the place of member i of each start X (r, q, d)."""

    def score(T: FloatArray, rows: IntArray) -> FloatArray:
        sets = np.repeat(X[rows, None], T.shape[1], axis=1)
        sets[:, :, i] = T
        return goal.value(sets.reshape(-1, *X.shape[1:])).reshape(T.shape[:2])

    return score


def _best(values: FloatArray, count: int) -> IntArray:
    return np.argsort(-values, kind="stable")[:count]
