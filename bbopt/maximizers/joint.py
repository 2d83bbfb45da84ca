"""Maximise an acquisition of q points together, such as the expected improvement of a batch."""

from typing import Protocol

import numpy as np

from bbopt.data.history import keys
from bbopt.errors import SpaceExhausted
from bbopt.maximizers.candidates import candidates, spread_out
from bbopt.maximizers.refine import Goal, refine
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray

RAW = 64
"""Random batches."""
RESTARTS = 4
"""Batches that are refined."""


class JointAcquisition(Protocol):
    """What q points are worth trying for together; larger is better. No state changes."""

    @property
    def scale(self) -> FloatArray:
        """Per column, a length over which the value changes, in (0, 1]; shape (d,)."""
        ...

    @property
    def is_smooth(self) -> bool:
        """Whether there are gradients."""
        ...

    def value(self, X: FloatArray) -> FloatArray:
        """Return values (b,) of batches X (b, q, d) of encoded points."""
        ...

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (b,) and their gradients (b, q, d); zero in columns that are not continuous."""
        ...


def maximize_joint(
    acquisition: JointAcquisition,
    space: Space,
    q: int,
    starts: FloatArray,
    fixed: FloatArray | None,
    rng: Key,
    *,
    exclude: FloatArray | None = None,
    restarts: int = RESTARTS,
    raw: int = RAW,
) -> FloatArray:
    """Return the best batch of q distinct points found, shape (q, d).

    All q d coordinates climb together; levels are swept, the members of a batch in turn.

    Parameters
    ----------
    acquisition : JointAcquisition
    space : Space
    q : int
    starts : array (k, q, d)
        Batches of snapped feasible points, such as those chosen one by one; refined in any case.
    fixed : array (d,) or None
        Encoded values to keep; nan where free.
    rng : Key
        The result is a pure function of it and the other arguments.
    exclude : array (e, d), optional
        Snapped points never to return.
    restarts : int
        How many batches are refined, besides the given ones.
    raw : int
        How many batches are drawn: half of points from everywhere, half given ones with a new member.

    Raises
    ------
    SpaceExhausted
        When every batch found repeats a point, or has one that is excluded.
    """
    starts = np.asarray(starts, np.float64).reshape(-1, q, space.d)
    incumbents = starts.reshape(-1, space.d)
    points = candidates(space, acquisition.scale, incumbents, fixed, rng, max(raw, q))
    drawn = _batches(points, starts, q, raw, rng.child("batches").generator())
    seen = frozenset() if exclude is None else frozenset(keys(exclude))

    def value(X: FloatArray) -> FloatArray:
        feasible = space.feasible(X.reshape(-1, space.d)).reshape(X.shape[:2])
        good = _are_new(X, seen) & feasible.all(axis=1)
        values = np.full(len(X), -np.inf)
        if good.any():
            values[good] = acquisition.value(X[good])
        return values

    values = value(drawn)
    scales = np.tile(acquisition.scale, q)
    chosen = drawn[spread_out(drawn.reshape(len(drawn), -1), values, scales, restarts)]
    X = np.concatenate([starts, chosen])
    goal = Goal(value, acquisition.value_and_grad if acquisition.is_smooth else None, acquisition.scale)
    X, values = refine(goal, space, X, value(X), fixed, points, rng)
    best = int(np.argmax(values)) if len(values) else -1
    if best < 0 or values[best] == -np.inf:
        raise SpaceExhausted(f"found no batch of {q} points that differ and were not asked before")
    return np.asarray(X[best])


def _batches(
    points: FloatArray, starts: FloatArray, q: int, count: int, draw: np.random.Generator
) -> FloatArray:
    """Return batches (count, q, d) of points (N, d); every second one a start with one member replaced."""
    sets = points[draw.integers(len(points), size=(count, q))]
    if len(starts):
        half = np.arange(0, count, 2)
        sets[half], member = starts[half // 2 % len(starts)], draw.integers(q, size=len(half))
        sets[half, member] = points[draw.integers(len(points), size=len(half))]
    return sets


def _are_new(X: FloatArray, seen: frozenset[bytes]) -> BoolArray:
    """Return which batches X (b, q, d) have q different points, none of them seen."""
    names = keys(X.reshape(-1, X.shape[2]))
    sets = [frozenset(names[i : i + X.shape[1]]) for i in range(0, len(names), X.shape[1])]
    return np.array([len(batch) == X.shape[1] and batch.isdisjoint(seen) for batch in sets], np.bool_)
