"""Maximise a sum of functions of a few columns each by consensus: ADMM, one subproblem a factor.

Every factor i has a copy x_i of its columns V_i. With x the consensus, l_i multipliers, eta a penalty::

    x_i <- argmax phi_i(x_i) - l_iᵀ (x_i - x) - eta/2 |x_i - x|²      all factors at once
    x_j <- mean of all copies of column j
    l_i <- l_i + eta (x_i - x)

until the copies agree. In the first round there is no penalty: each factor says what it would like best. The
penalty follows the residuals r = |x_i - x|, s = eta |x - x_before|: it is doubled where r > 10 s and halved
where s > 10 r. Where phi_i depends on what its neighbours have chosen, they tell after every round.

Of concave phi_i the consensus is the maximum of their sum; of others it is a good point that all can live
with, to be compared with each x_i completed by the consensus.

Boyd, Parikh, Chu, Peleato & Eckstein (2011), sections 3.4.1 and 7.2; Bardou, Thiran & Begin (ICLR 2024).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bbopt.lbfgs import minimize_batch
from bbopt.types import BoolArray, FloatArray, IntArray

RATIO, STEP = 10.0, 2.0
"""How far residuals may be apart, and what the penalty is multiplied or divided by then."""
EVALUATIONS = 6_000
"""Of all factors together, when they look for their first starts."""
RESTARTS = 2, 10
"""The fewest and the most starts of a factor in the first round."""
TRIES = 60
"""Climbs in the first round, if each factor has its fewest starts at least."""
ROUNDS = 30
"""The most evaluations of a climb."""


class Factors(Protocol):
    """Functions of a few columns each, larger is better; P of them."""

    members: BoolArray
    """Which columns each factor looks at, (P, d)."""
    copies: FloatArray
    """How often each factor counts, (P,)."""

    def one(self, which: IntArray, X: FloatArray, frozen: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (r,) of one factor a row, which (r,), at points X (r, d), and gradients (r, d)."""
        ...

    def freeze(self, X: FloatArray) -> FloatArray:
        """Return what each factor hears from its neighbours, (P,), when factor i has chosen row i of X."""
        ...


@dataclass(frozen=True, slots=True)
class Consensus:
    """Where ADMM ended.

    Attributes
    ----------
    x : array (d,)
        The mean of the copies.
    X : array (P, d)
        Each factor's copy, completed by the mean in the columns that are not its own.
    rounds : int
    gap : float
        The largest difference between a copy and the mean.
    """

    x: FloatArray
    X: FloatArray
    rounds: int
    gap: float


def agree(
    factors: Factors,
    lower: FloatArray,
    upper: FloatArray,
    points: FloatArray,
    *,
    eta: float = 1.0,
    n_rounds: int = 10,
    tolerance: float = 0.05,
) -> Consensus:
    """Return the consensus of some factors, each column of which at least one looks at.

    Parameters
    ----------
    factors : Factors
    lower, upper : array (d,)
        Bounds, finite; equal bounds hold a column still.
    points : array (b, d)
        Where the factors look for their first starts: a sample, and points known to be good; b >= 1.
    eta : float
        The first penalty, above 0.
    n_rounds : int
        The most rounds, at least 1.
    tolerance : float
        The rounds end when no copy is this far from the mean, in any column.
    """
    search = _Search(factors, lower, upper)
    members, copies = factors.members, factors.copies[:, None]
    counts = (members * copies).sum(axis=0)
    frozen = np.zeros(len(members))
    multipliers = np.zeros(members.shape)
    X = search.first(np.clip(points, lower, upper), frozen)
    x = before = np.zeros(members.shape[1])
    gap, k = np.inf, 0
    for k in range(1, n_rounds + 1):
        if k > 1:
            X = search.next(X, x, multipliers, eta, frozen)
        before, x = x, (members * copies * X).sum(axis=0) / counts
        away = np.where(members, X - x, 0.0)
        gap = float(np.abs(away).max())
        if gap < tolerance:
            break
        multipliers = multipliers + eta * away
        frozen = factors.freeze(X)
        if k > 1:
            r = float(np.sqrt((copies * away**2).sum()))
            s = eta * float(np.linalg.norm(x - before))
            eta *= STEP if r > RATIO * s else 1.0 / STEP if s > RATIO * r else 1.0
    return Consensus(x, np.where(members, X, x), k, gap)


class _Search:
    """The subproblems of all factors, climbed together.

    The climbs of all factors are one batch of L-BFGS searches in as many coordinates as the largest factor
    has columns. Row by row the batch knows nothing but coordinates: so one more of them, held by equal
    bounds, says which factor a row belongs to.
    """

    def __init__(self, factors: Factors, lower: FloatArray, upper: FloatArray) -> None:
        self.factors, self.members, self.base = factors, factors.members, lower
        P, width = len(self.members), int(self.members.sum(axis=1).max())
        order = np.argsort(~self.members, axis=1, kind="stable")[:, :width]
        self.columns = order  # of each factor its own ones first
        self.is_own = np.take_along_axis(self.members, order, axis=1)
        number = np.arange(P)[:, None]
        self.lower = np.hstack([np.where(self.is_own, lower[order], 0.0), number])
        self.upper = np.hstack([np.where(self.is_own, upper[order], 0.0), number])

    def first(self, points: FloatArray, frozen: FloatArray) -> FloatArray:
        """Return what each factor likes best, (P, d): the best climb from the best of the points (b, d)."""
        P = len(self.members)
        count = min(len(points), max(1, EVALUATIONS // P))
        points = points[:count]
        which, rows = np.repeat(np.arange(P), count), np.tile(np.arange(count), P)
        values = self.factors.one(which, points[rows], frozen)[0].reshape(P, count)
        few, many = RESTARTS
        starts = min(count, max(few, min(many, TRIES // P)))
        best = np.argsort(-values, axis=1, kind="stable")[:, :starts]
        nothing = np.zeros(self.members.shape)
        return self._climb(points[best], nothing, nothing, 0.0, frozen)

    def next(
        self, X: FloatArray, x: FloatArray, multipliers: FloatArray, eta: float, frozen: FloatArray
    ) -> FloatArray:
        """Return what each factor likes best now, (P, d), from its last choice and from the consensus."""
        starts = np.stack([X, np.broadcast_to(x, X.shape)], axis=1)
        return self._climb(starts, np.broadcast_to(x, X.shape), multipliers, eta, frozen)

    def _climb(
        self,
        starts: FloatArray,
        centre: FloatArray,
        multipliers: FloatArray,
        eta: float,
        frozen: FloatArray,
    ) -> FloatArray:
        """Return the best of all climbs of each factor, (P, d), from starts (P, k, d)."""
        P, k, _ = starts.shape
        which = np.repeat(np.arange(P), k)
        compact = np.take_along_axis(starts, self.columns[:, None], axis=2).reshape(P * k, -1)
        compact = np.hstack([np.where(self.is_own[which], compact, 0.0), which[:, None]])

        def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
            i = np.rint(Z[:, -1]).astype(np.int64)
            X = self._wide(Z, i)
            away = np.where(self.members[i], X - centre[i], 0.0)
            value, gradient = self.factors.one(i, X, frozen)
            push = multipliers[i] + eta * away
            value = value - (0.5 * (multipliers[i] + push) * away).sum(axis=1)
            G = np.zeros_like(Z)
            G[:, :-1] = np.take_along_axis(push - gradient, self.columns[i], axis=1) * self.is_own[i]
            return -value, G

        Z, lowest = minimize_batch(
            loss,
            compact,
            self.lower[which],
            self.upper[which],
            gradient_tolerance=1e-4,
            value_tolerance=1e-7,
            max_rounds=ROUNDS,
        )
        best = np.argmin(lowest.reshape(P, k), axis=1) + k * np.arange(P)
        return self._wide(Z[best], np.arange(P))

    def _wide(self, Z: FloatArray, which: IntArray) -> FloatArray:
        """Return compact coordinates as points (r, d), the columns of other factors at their bound."""
        X = np.tile(self.base, (len(Z), 1))
        columns = self.columns[which]
        own = np.where(self.is_own[which], Z[:, :-1], self.base[columns])
        np.put_along_axis(X, columns, own, axis=1)
        return X
