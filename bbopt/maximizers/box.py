"""Candidates in a box about a point, and the climb from the best of them that stays inside."""

from dataclasses import dataclass

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.lbfgs import minimize_batch
from bbopt.maximizers.candidates import spread_out
from bbopt.maximizers.climb import GRADIENT_TOLERANCE, VALUE_TOLERANCE, gliding
from bbopt.rng import Key
from bbopt.sobol import sobol
from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray

TOUCHED = 20
"""About so many columns of a candidate differ from the centre."""
CHANGED = 2
"""About so many categoricals of a candidate do; at most half of them, or their choices could not be kept."""
SHORTEST, LONGEST = 0.005, 2.0
"""Length-scales are cut to these before sides are made of them: longer ones mean the same within the cube."""
STARTS = 8
"""Candidates from which to climb."""


@dataclass(frozen=True, slots=True)
class Box:
    """What lies around a point.

    Attributes
    ----------
    centre : array (d,)
        A snapped point.
    lower, upper : array (d,)
        0 and 1 in categoricals: no choice is nearer than another.
    inactive : array (d,)
        Columns that are inactive at the centre: where they wake up, they may have any value.
    is_categorical : array (d,)
    """

    centre: FloatArray
    lower: FloatArray
    upper: FloatArray
    inactive: BoolArray
    is_categorical: BoolArray

    @classmethod
    def around(cls, space: Space, centre: FloatArray, length: float, lengths: FloatArray) -> "Box":
        """Return the box with sides proportional to length-scales, of which ``length`` is the geometric mean.

        Eriksson et al. 2019, section 2: L_i = w_i L with prod w_i = 1. Cut at the faces of the cube;
        ordered columns with levels reach one level to each side at least.

        Parameters
        ----------
        space : Space
        centre : array (d,)
        length : float
        lengths : array (d,)
            Positive, inf allowed.
        """
        half = 0.5 * length * proportions(lengths, ~space.is_categorical)
        half = np.maximum(half, np.where(space.n_levels > 1, 1.0 / np.maximum(space.n_levels - 1, 1), 0.0))
        inactive = ~space.active(centre[None])[0]
        anywhere = inactive | space.is_categorical
        lower = np.where(anywhere, 0.0, np.maximum(centre - half, 0.0))
        upper = np.where(anywhere, 1.0, np.minimum(centre + half, 1.0))
        return cls(centre, lower, upper, inactive, space.is_categorical)

    def contains(self, X: FloatArray) -> BoolArray:
        """Return which rows of X (n, d) lie inside, (n,)."""
        return np.asarray(np.all((self.lower <= X) & (self.upper >= X), axis=1))

    def candidates(self, space: Space, n: int, rng: Key) -> FloatArray:
        """Return points (n, d): the centre with about TOUCHED of its columns moved within the box.

        Regis & Shoemaker 2013 (DYCORS) and Eriksson et al. 2019, section 3.1, appendix D: each column of a
        Sobol point replaces the centre's with probability min(1, 20 / d), one does in any case. A
        categorical takes one of its other choices, or any where it is inactive at the centre. Points are not
        snapped.
        """
        d = space.d
        U = sobol(0, n, d, rng.child("points"))
        X = self.lower + (self.upper - self.lower) * U
        probability = np.full(d, min(1.0, TOUCHED / d))
        if space.is_categorical.any():
            tops = np.where(space.is_categorical, space.n_levels - 1, 1)
            choices = tops + self.inactive
            others = np.minimum(np.floor(U * choices), choices - 1)
            others += (others >= np.rint(self.centre * tops)) & ~self.inactive
            X = np.where(space.is_categorical, others / tops, X)
            share = min(0.5, CHANGED / np.count_nonzero(space.is_categorical))
            probability[space.is_categorical] *= share
        draw = rng.child("moves").generator()
        moves = draw.random((n, d)) < probability
        one = draw.integers(d, size=n)
        still = np.flatnonzero(~moves.any(axis=1))
        moves[still, one[still]] = True
        return np.where(moves | self.inactive, X, self.centre)

    def shrunk(self, factor: float) -> "Box":
        """Return the box with sides shorter by a factor, except where all is allowed."""
        anywhere = self.inactive | self.is_categorical
        lower = np.where(anywhere, 0.0, self.centre - factor * (self.centre - self.lower))
        upper = np.where(anywhere, 1.0, self.centre + factor * (self.upper - self.centre))
        return Box(self.centre, lower, upper, self.inactive, self.is_categorical)


def proportions(lengths: FloatArray, ordered: BoolArray) -> FloatArray:
    """Return length-scales (d,) divided by the geometric mean of those of ordered columns; 1 elsewhere."""
    logs = np.log(np.clip(lengths, SHORTEST, LONGEST))
    mean = logs[ordered].mean() if ordered.any() else 0.0
    return np.where(ordered, np.exp(logs - mean), 1.0)


def climb_within(
    acquisition: Acquisition,
    space: Space,
    box: Box,
    X: FloatArray,
    values: FloatArray,
    fixed: FloatArray | None,
    starts: int = STARTS,
) -> FloatArray:
    """Return snapped points of the box to which L-BFGS leads from the best of X, shape (<= starts, d).

    Only columns that glide move, along linear known constraints; whether others hold is not looked at.

    Parameters
    ----------
    acquisition : Acquisition
    space : Space
    box : Box
    X : array (n, d)
        Snapped feasible points of the box.
    values : array (n,)
        Their acquisition.
    fixed : array (d,) or None
        Values that X has and must keep; nan where free.
    starts : int
    """
    X = X[spread_out(X, values, acquisition.scale, starts)]
    if len(X) == 0 or not acquisition.is_smooth:
        return X
    free = gliding(space, X, fixed)
    scale = acquisition.scale
    A, b = space.halfspaces(X, np.asarray(free.any(axis=0))) if space.constraints else (None, None)

    def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, gradient = acquisition.value_and_grad(Z * scale)
        return -value, -gradient * scale

    Z, _ = minimize_batch(
        loss,
        X / scale,
        np.where(free, np.minimum(box.lower, X), X) / scale,
        np.where(free, np.maximum(box.upper, X), X) / scale,
        A=None if A is None else A * scale,
        b=b,
        gradient_tolerance=GRADIENT_TOLERANCE,
        value_tolerance=VALUE_TOLERANCE,
        lowest_only=True,
    )
    return space.project(np.where(free, Z * scale, X))
