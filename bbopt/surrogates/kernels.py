"""Matérn-5/2 with one length-scale a column, on features in which every column is a distance.

Numeric columns enter as they are. A categorical column becomes one indicator a level times 1/sqrt(2),
so that the squared distance of two different levels is 1 (Hamming) and the sum over all columns, the
only thing that the kernel needs, is still one matrix product.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bbopt.space import Space
from bbopt.types import FloatArray, IntArray

_BLOCK = 16384
"""Elements worked on at once: four arrays of this size fit into a core's cache."""


@dataclass(frozen=True)
class Features:
    """The map from encoded points (b, d) to kernel features (b, p).

    Parameters
    ----------
    space : Space
        An inactive categorical column has no indicator set: squared distance 1/2 to every level, 0 to
        another inactive one. An inactive numeric column holds 0.5 on both sides and needs no care.
    """

    space: Space

    @cached_property
    def _numeric(self) -> IntArray:
        return np.flatnonzero(~np.asarray(self.space.is_categorical))

    @cached_property
    def _categorical(self) -> list[tuple[int, int]]:
        """Column and number of levels of each categorical."""
        columns = np.flatnonzero(np.asarray(self.space.is_categorical))
        return [(int(j), int(self.space.n_levels[j])) for j in columns]

    @cached_property
    def column(self) -> IntArray:
        """The column that each feature comes from, (p,)."""
        return np.concatenate([self._numeric, *(np.full(levels, j) for j, levels in self._categorical)])

    def __call__(self, X: FloatArray) -> FloatArray:
        """Return the features of encoded points, (b, p)."""
        if not self._categorical:
            return np.ascontiguousarray(X)
        F = np.zeros((len(X), len(self.column)))
        F[:, : len(self._numeric)] = X[:, self._numeric]
        active = self.space.active(X) if self.space.is_conditional else None
        rows, offset = np.arange(len(X)), len(self._numeric)
        for j, levels in self._categorical:
            level = np.rint(X[:, j] * (levels - 1)).astype(np.int64)
            F[rows, offset + level] = np.sqrt(0.5) if active is None else np.sqrt(0.5) * active[:, j]
            offset += levels
        return F

    def pull(self, dF: FloatArray) -> FloatArray:
        """Turn gradients in the features (b, p) into gradients in the columns (b, d).

        Zero for categorical columns, which are never relaxed.
        """
        if not self._categorical:
            return dF
        dX = np.zeros((len(dF), self.space.d))
        dX[:, self._numeric] = dF[:, : len(self._numeric)]
        return dX


def matern52(
    squared: FloatArray, slope: FloatArray | None = None, *, lower: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Turn 5 times the squared distances (a, b) into the kernel, in place, and return it with its slope.

    With r = sqrt(5) times the distance, k = (1 + r + r²/3) exp(-r), and the slope factor is
    t = (1 + r) exp(-r) = -6 dk/d(r²), which has no singularity at r = 0. The work is done in blocks of
    rows that stay in the cache.

    Parameters
    ----------
    squared : array (a, b)
        Overwritten by the kernel.
    slope : array (a, b), optional
        Where to put t.
    lower : bool
        For a square matrix: compute the lower triangle only, and leave junk elsewhere.
    """
    slope = np.empty_like(squared) if slope is None else slope
    height = _height(squared.shape[1], lower)
    for top in range(0, len(squared), height):
        bottom = top + height
        width = min(bottom, squared.shape[1]) if lower else squared.shape[1]
        k, t = squared[top:bottom, :width], slope[top:bottom, :width]
        np.maximum(k, 0.0, out=k)
        np.sqrt(k, out=t)
        decay = np.negative(t)
        np.exp(decay, out=decay)
        t += 1.0
        t *= decay
        decay *= 1 / 3
        k *= decay
        k += t
    return squared, slope


def data(Z: FloatArray) -> FloatArray:
    """Widen scaled features (n, p) to [Z, 1, \\|z\\|²], so that one product gives squared distances."""
    wide = np.empty((len(Z), Z.shape[1] + 2))
    wide[:, :-2] = Z
    wide[:, -2] = 1.0
    np.einsum("np,np->n", Z, Z, out=wide[:, -1])
    return wide


def query(Z: FloatArray) -> FloatArray:
    """Widen scaled features (b, p) to [-2 Z, \\|z\\|², 1], the partner of :func:`data`."""
    wide = np.empty((len(Z), Z.shape[1] + 2))
    np.multiply(Z, -2.0, out=wide[:, :-2])
    np.einsum("np,np->n", Z, Z, out=wide[:, -2])
    wide[:, -1] = 1.0
    return wide


def multiply_lower(left: FloatArray, right: FloatArray) -> None:
    """Multiply the lower triangle of a square matrix by another's, elementwise and in place."""
    height = _height(len(left), lower=True)
    for top in range(0, len(left), height):
        block = left[top : top + height, : top + height]
        block *= right[top : top + height, : top + height]


def _height(columns: int, lower: bool) -> int:
    """Rows of a block: few enough to stay in the cache and, in a triangle, to skip most of the rest."""
    most = max(16, _BLOCK // max(columns, 1))
    return min(most, max(24, columns // 5)) if lower else most
