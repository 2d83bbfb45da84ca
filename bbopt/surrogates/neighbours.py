"""The results outside of a core: which of them are close to a point, and what the core says of them.

Searches come by the same neighbours again and again, so what was worked out of them is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bbopt.surrogates.factor import factorize, whiten
from bbopt.surrogates.gp import GP, gram
from bbopt.surrogates.kernels.profiles import evaluate
from bbopt.surrogates.kernels.stationary import Scaled
from bbopt.types import FloatArray, IntArray

NEIGHBOURS = 24
"""Of a point, besides the core; see docs/decisions/007-many-results.md."""
CLOSE = 0.5
"""A climb keeps its neighbours while it is no further from where they were found than this, in units of the
distance to the last of them."""
_NUGGET = 1e-8
"""The least noise variance of a neighbour, relative to the output scale."""
_GROUP = 32
"""Values that are compared by their minimum first."""
MOST_ROWS, MOST_HOODS = 16384, 4096
"""So many rows and neighbourhoods are kept, some 150 MB with a core of 1000; then all are forgotten."""


def distances(at: Any, placed: Any) -> FloatArray:
    """Return what rises as the squared correlation of placed points (b,) with others (n,) falls, (b, n)."""
    if isinstance(placed, Scaled):  # a profile falls with the distance, which takes a third of the time
        return np.asarray(at.query @ placed.data.T)
    k, _ = at.cross(placed)
    k *= k
    k /= -np.maximum(placed.diagonal()[0], np.finfo(np.float64).tiny)
    return np.asarray(k)


def lowest(apart: FloatArray, count: int) -> IntArray:
    """Return which columns of (b, n) hold the ``count`` lowest values of each row, rising, (b, count).

    Of many columns first every _GROUP-th: the lowest values lie in the groups that have the lowest minima.
    """
    b, n = apart.shape
    m = n // _GROUP
    if m < 2 * count:
        return np.sort(np.argpartition(apart, count, axis=1)[:, :count], axis=1)
    minima = apart[:, : _GROUP * m].reshape(b, _GROUP, m).min(axis=1)
    groups = np.argpartition(minima, count, axis=1)[:, :count, None] + m * np.arange(_GROUP)
    rest = np.broadcast_to(np.arange(_GROUP * m, n), (b, n - _GROUP * m))
    columns = np.concatenate([groups.reshape(b, -1), rest], axis=1)
    some = np.take_along_axis(apart, columns, axis=1)
    chosen = np.argpartition(some, count, axis=1)[:, :count]
    return np.sort(np.take_along_axis(columns, chosen, axis=1), axis=1)


@dataclass(frozen=True, slots=True)
class Others:
    """Results outside of a core: features F (k, f), placed by the kernel, outcomes y (k,), noise (k,)."""

    F: FloatArray
    placed: Any
    y: FloatArray
    noise: FloatArray

    def __len__(self) -> int:
        return len(self.y)

    def at(self, core: GP, rows: IntArray) -> Any:
        """Return some of them as the kernel sees them."""
        if type(self.placed) is not Scaled:
            return core.covariance.place(core.hyperparameters.theta, self.F[rows])[0]
        return _take(self.placed, rows)

    def within(self, core: GP, sets: IntArray) -> FloatArray:
        """Return prior covariances within sets of them, rows (t, r), as an array (t, r, r)."""
        s = core.hyperparameters.scale
        if type(self.placed) is not Scaled:
            return np.stack([gram(self.at(core, rows), s) for rows in sets])
        u = self.placed.query[sets] @ self.placed.data[sets].transpose(0, 2, 1)
        k, _ = evaluate(self.placed.profile.formula, u.reshape(len(sets), -1))
        k[:, :: sets.shape[1] + 1] = 1.0  # the diagonals: exactly, where differences of squares are not
        return np.asarray(s * k).reshape(u.shape)


class Hoods(NamedTuple):
    """Neighbours of t points: L⁻¹ s k(X, N) of the core, transposed (t, r, c), and given the core the inverse
    factors of S(N, N) + diag(v) (t, r, r) and S(.)⁻¹ (y - mean_C) (t, r, s)."""

    white: FloatArray
    L_inverse: FloatArray
    weights: FloatArray


class Known:
    """What a core says of the others, worked out when they are first looked at."""

    def __init__(self, core: GP, others: Others) -> None:
        self.core, self.others = core, others
        self._white = np.empty((0, len(core.X)))
        self._gap = np.empty((0, core.residual.shape[1]))
        self._held: tuple[Scaled, FloatArray, IntArray] | None = None
        self._forget()

    def _forget(self) -> None:
        self._n = 0
        self._slot = np.full(len(self.others), -1)
        self._hoods: dict[bytes, tuple[FloatArray, FloatArray]] = {}

    def held(self, at: Any) -> IntArray:
        """Return rows of neighbours (b, r) of points on a climb: those of a point passed before, if close.

        With a step wherever neighbours change, a climb took three times as many evaluations.
        """
        is_far = np.ones(len(at), np.bool_)
        rows = np.empty((len(at), NEIGHBOURS), np.int64)
        if self._held is not None:
            points, reaches, known = self._held
            apart = distances(at, points)
            closest = apart.argmin(axis=1)
            is_far = apart[np.arange(len(at)), closest] > reaches[closest]
            rows[:] = known[closest]
        if is_far.any():
            new = _take(at, is_far)
            apart = distances(new, self.others.placed)
            rows[is_far] = found = lowest(apart, NEIGHBOURS)
            reach = CLOSE**2 * np.take_along_axis(apart, found, axis=1).max(axis=1)
            if self._held is None:
                self._held = new, reach, found
            else:
                points, reaches, known = self._held
                reaches, known = np.concatenate([reaches, reach]), np.concatenate([known, found])
                self._held = points.join(new), reaches, known
        return rows

    def hoods(self, sets: IntArray) -> Hoods:
        """Return the neighbourhoods with these rows (t, r)."""
        if self._n > MOST_ROWS or len(self._hoods) > MOST_HOODS:
            self._forget()
        names = [rows.tobytes() for rows in sets]
        new = {name: i for i, name in enumerate(names) if name not in self._hoods}
        i = slice(None) if len(new) == len(sets) else list(new.values())  # views are faster than copies
        self._look_at(np.unique(sets[i]))
        white = self._white[self._slot[sets]]
        if new:
            self._hoods.update(zip(new, self._given_core(sets[i], white[i]), strict=True))
        L_inverse, weights = zip(*(self._hoods[name] for name in names), strict=True)
        return Hoods(white, np.stack(L_inverse), np.stack(weights))

    def _given_core(self, sets: IntArray, white: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield inverse factors and weights of neighbourhoods; see :class:`Hoods`."""
        s = self.core.hyperparameters.scale
        S = self.others.within(self.core, sets)
        S -= white @ white.transpose(0, 2, 1)
        L_inverse = _factorize_each(S, self.others.noise[sets] + _NUGGET * s, s)
        weights = L_inverse.transpose(0, 2, 1) @ (L_inverse @ self._gap[self._slot[sets]])
        return zip(L_inverse, weights, strict=True)

    def _look_at(self, rows: IntArray) -> None:
        rows = rows[self._slot[rows] < 0]
        if not len(rows):
            return
        core, end = self.core, self._n + len(rows)
        k, _ = self.others.at(core, rows).cross(core.placed)
        k *= core.hyperparameters.scale
        if end > len(self._white):
            size = max(end, 2 * self._n)
            self._white, self._gap = (_grown(a, self._n, size) for a in (self._white, self._gap))
        self._gap[self._n : end] = self.others.y[rows, None] - core.mean - k @ core.residual
        self._white[self._n : end] = whiten(k, core.L_inverse)
        self._slot[rows] = np.arange(self._n, end)
        self._n = end


def _take(placed: Scaled, rows: Any) -> Scaled:
    """Return some of the points."""
    data = placed.data[rows]
    return Scaled(placed.profile, data, placed.inverse, placed.selection, data)


def _factorize_each(S: FloatArray, noise: FloatArray, scale: float) -> FloatArray:
    """Return the inverse factor of every S (t, r, r) + diag(noise (t, r)); see :func:`factorize`."""
    i = np.arange(S.shape[1])
    A = S.copy()
    A[:, i, i] += noise
    try:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(A)))
    except np.linalg.LinAlgError:  # jitter for those that need it
        return np.stack([factorize(one, v, scale)[0] for one, v in zip(S, noise, strict=True)])


def _grown(array: FloatArray, used: int, n: int) -> FloatArray:
    """Return an array of n rows that begins with those used."""
    wide = np.empty((n, array.shape[1]))
    wide[:used] = array[:used]
    return wide
