"""The results outside of a core: which of them are close to a point, and what the core says of them.

Searches come by the same neighbours again and again, so what was worked out of them is kept.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bbopt.surrogates.factor import factorize, whiten
from bbopt.surrogates.gp import GP, gram
from bbopt.surrogates.kernels.stationary import Scaled
from bbopt.types import FloatArray, IntArray

_NUGGET = 1e-8
"""The least noise variance of a neighbour, relative to the output scale."""
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
        return core.covariance.place(core.hyperparameters.theta, self.F[rows])[0]


class Hood(NamedTuple):
    """Neighbours: their rows (r,), the inverse factor of S(N, N) + diag(v), S(.)⁻¹ (y - mean_C) (r, s)."""

    rows: IntArray
    L_inverse: FloatArray
    weights: FloatArray


class Known:
    """What a core says of the others, worked out when they are first looked at."""

    def __init__(self, core: GP, others: Others) -> None:
        self.core, self.others = core, others
        self._white = np.empty((0, len(core.X)))
        self._gap = np.empty((0, core.residual.shape[1]))
        self._forget()

    def _forget(self) -> None:
        self._n = 0
        self._slot = np.full(len(self.others), -1)
        self._hoods: dict[bytes, Hood] = {}

    def white(self, rows: IntArray) -> FloatArray:
        """Return L⁻¹ s k(X, .) of rows that were in the last :meth:`hoods`, transposed, (r, c)."""
        return np.asarray(self._white[self._slot[rows]])

    def hoods(self, sets: IntArray) -> list[Hood]:
        """Return the neighbourhoods with these rows (t, r)."""
        if self._n > MOST_ROWS or len(self._hoods) > MOST_HOODS:
            self._forget()
        names = [rows.tobytes() for rows in sets]
        new = {name: rows for name, rows in zip(names, sets, strict=True) if name not in self._hoods}
        if new:
            self._look_at(np.unique(np.concatenate(list(new.values()))))
            self._hoods.update((name, self._hood(rows)) for name, rows in new.items())
        return [self._hoods[name] for name in names]

    def _hood(self, rows: IntArray) -> Hood:
        s = self.core.hyperparameters.scale
        white = self.white(rows)
        S = gram(self.others.at(self.core, rows), s) - white @ white.T
        L_inverse, _ = factorize(S, self.others.noise[rows] + _NUGGET * s, s)
        return Hood(rows, L_inverse, L_inverse.T @ (L_inverse @ self._gap[self._slot[rows]]))

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


def _grown(array: FloatArray, used: int, n: int) -> FloatArray:
    """Return an array of n rows that begins with those used."""
    wide = np.empty((n, array.shape[1]))
    wide[:used] = array[:used]
    return wide
