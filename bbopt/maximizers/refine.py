"""Refining good starts: moves in the columns that glide and sweeps over those with levels, in turn.

A start is a set of q points that are worth something together, X (r, q, d); for an acquisition of single
points, q = 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bbopt.maximizers.climb import climb, gliding, wander
from bbopt.maximizers.discrete import MINIMAL_GAIN, Score, exchange, sweep
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import FloatArray, IntArray

ROUNDS = 4
"""The most alternations between gliding and sweeps."""
EXCHANGED = 2
"""So many of the best starts try changes of two columns with levels at once."""

Change: TypeAlias = Callable[..., tuple[FloatArray, FloatArray]]
"""One of :func:`~bbopt.maximizers.discrete.sweep` and :func:`~bbopt.maximizers.discrete.exchange`."""


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
    search = _Search(goal, space, fixed, donors, rng.child("sweep").generator(), rng)
    X, values = search.alternate(X, values)
    if not (space.n_levels > 0).any():
        return X, values
    best = _best(values, EXCHANGED)
    for _ in range(ROUNDS):
        before = values[best]
        X[best], values[best] = search.change(exchange, X[best], before)
        best = best[values[best] > before + MINIMAL_GAIN]
        if len(best) == 0:
            break
        X[best], values[best] = search.alternate(X[best], values[best])
    return X, values


@dataclass(frozen=True, slots=True)
class _Search:
    """The arguments of :func:`refine`, shared by its steps."""

    goal: Goal
    space: Space
    fixed: FloatArray | None
    donors: FloatArray
    draw: np.random.Generator
    rng: Key

    def alternate(self, X: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Glide and sweep in turn, with those that still gain."""
        levels = self.space.n_levels > 0
        X, values, moving = X.copy(), values.copy(), np.arange(len(X))
        for k in range(ROUNDS):
            X[moving], values[moving] = self.glide(X[moving], values[moving], self.rng.child(k))
            if not levels.any():
                break
            before = values[moving]
            X[moving], values[moving] = self.change(sweep, X[moving], before)
            moving = moving[values[moving] > before + MINIMAL_GAIN]
            if levels.all():  # sweeps are all there is to do: go on with the better half
                moving = np.intersect1d(moving, _best(values, max(len(X) >> (k + 1), EXCHANGED)))
            if len(moving) == 0:
                break
        return X, values

    def glide(self, X: FloatArray, values: FloatArray, rng: Key) -> tuple[FloatArray, FloatArray]:
        """Move in the columns that glide, and keep what got better."""
        goal, space = self.goal, self.space
        free = gliding(space, X.reshape(-1, space.d), self.fixed).reshape(X.shape)
        if not free.any():
            return X, values
        if goal.value_and_grad is None:
            return wander(goal.value, goal.scale, space, X, values, free, rng)
        moved, stopped = climb(goal.value_and_grad, goal.scale, space, X, free)
        found = goal.value(moved)
        better = found > values
        X, values = np.where(better[:, None, None], moved, X), np.where(better, found, values)
        if stopped.any():  # by a constraint that gradients know nothing of: random steps lead along it
            start = X[stopped], values[stopped], free[stopped]
            X[stopped], values[stopped] = wander(goal.value, goal.scale, space, *start, rng)
        return X, values

    def change(self, how: Change, X: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Change levels, in one member of each start after the other."""
        X, values = X.copy(), values.copy()
        for i in range(X.shape[1]):
            score = _with_member(self.goal, X, i)
            X[:, i], values = how(score, self.space, X[:, i], values, self.fixed, self.donors, self.draw)
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
