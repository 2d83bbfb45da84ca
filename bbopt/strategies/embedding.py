"""A nested sparse embedding: every numeric column moves with one of a few bins, up or down with it.

Papenmeier, Nardi & Poloczek, "Increasing the scope as you learn: adaptive Bayesian optimization in nested
subspaces", NeurIPS 2022, section 3.1; the count sketch of Nayebi, Munteanu & Poloczek, ICML 2019. On
[-1, 1]^D the point of coordinates y is x_i = s_i y_{bin(i)} with signs s_i. Where a bin is split, all its
parts take over its coordinate: points stay where they are, and so do their results.

The subspace goes through the middle of the space, or through another point a of it, an anchor:

    x_i = a_i + t (1 - a_i) for t = s_i y_{bin(i)} >= 0,   a_i + t (1 + a_i) for t < 0

which is the paper's for a = 0. Every bin still takes each of its columns from one end to the other.

Binned are real and integer parameters that are always there and decide of no others. The rest, such as
categoricals, keep coordinates of their own.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from bbopt.rng import Key
from bbopt.space import Integer, Real, Space
from bbopt.types import BoolArray, FloatArray, IntArray

INNERMOST = 0.95
"""Anchors lie within +- this: at a face one half of a bin's range would be nothing."""
OUTERMOST = 0.9999
"""The same where an anchor must not leave known constraints."""
NEAR = 0.02
"""Points so near to the subspace count as points of it: machines set what is asked with errors."""


@dataclass(frozen=True)
class Embedding:
    """The view of a space through bins.

    Attributes
    ----------
    whole : Space
    bins : array (p,)
        The bin of every binned column, 0 ... n_bins - 1.
    signs : array (p,)
        Whether it rises with its bin (1) or falls (-1).
    anchor : array (p,)
        Where the bins' middles are, in [-1, 1].
    apart : array (p,), optional
        Columns that somebody else set: whether a point is in the subspace is not judged by them.
    near : float
        Up to this distance in any column points are in the subspace.
    """

    whole: Space
    bins: IntArray
    signs: FloatArray
    anchor: FloatArray
    apart: BoolArray | None = None
    near: float = NEAR

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return int(self.bins.max(initial=-1)) + 1

    @cached_property
    def space(self) -> Space:
        """The space of coordinates: a real number a bin, then the parameters that are in none."""
        return _target(self.whole, self.n_bins)

    @cached_property
    def readers(self) -> IntArray:
        """For each bin the one of its columns from which coordinates are read, that with the most levels.

        One that is apart only where all are.
        """
        levels = self.whole.n_levels[binned(self.whole)]
        coarse = np.where(levels == 0, -np.inf, -levels)
        finest = np.lexsort((coarse, np.zeros(len(levels), np.bool_) if self.apart is None else self.apart))
        return finest[np.unique(self.bins[finest], return_index=True)[1]]

    def up(self, Y: FloatArray, fixed: FloatArray | None) -> FloatArray:
        """Return the snapped points (n, d) of coordinates Y (n, k), with the fixed values."""
        columns, k = binned(self.whole), self.n_bins
        T = self.signs * (2.0 * Y[:, self.bins] - 1.0)
        X = np.empty((len(Y), self.whole.d))
        X[:, columns] = 0.5 * (1.0 + self.anchor + T * np.where(T >= 0, 1.0 - self.anchor, 1.0 + self.anchor))
        X[:, rest(self.whole)] = Y[:, k:]
        X = self.whole.project(X)
        return X if fixed is None else self.whole.project(np.where(np.isnan(fixed), X, fixed))

    def down(self, X: FloatArray) -> FloatArray:
        """Return coordinates (n, k) of points X (n, d), each read off one column of its bin."""
        j = self.readers
        away = 2.0 * X[:, binned(self.whole)[j]] - 1.0 - self.anchor[j]
        T = away / np.where(away >= 0, 1.0 - self.anchor[j], 1.0 + self.anchor[j])
        Y = np.concatenate([0.5 * (1.0 + self.signs[j] * T), X[:, rest(self.whole)]], axis=1)
        return self.space.project(Y)

    def holds(self, X: FloatArray) -> BoolArray:
        """Return which points X (n, d) lie in the subspace, (n,); in columns with levels to within one."""
        levels = self.whole.n_levels
        near = self.near + np.where(levels > 0, 1.0 / np.maximum(levels - 1, 1), 0.0)
        if self.apart is not None:
            near[binned(self.whole)[self.apart]] = np.inf
        return np.asarray(np.all(np.abs(self.up(self.down(X), None) - X) <= near, axis=1))

    def fixed(self, fixed: FloatArray | None) -> FloatArray | None:
        """Return the coordinates that fixed columns hold: those in no bin, and bins that are fixed wholly."""
        if fixed is None:
            return None
        Y: FloatArray = self.down(np.where(np.isnan(fixed), 0.5, fixed)[None])[0]
        columns = binned(self.whole)
        Y[self.bins[np.isnan(fixed[columns])]] = np.nan
        Y[self.n_bins :] = fixed[rest(self.whole)]
        return Y


def first_bins(p: int, n_bins: int, rng: Key) -> tuple[IntArray, FloatArray]:
    """Return bins of p columns, of sizes that differ by 1 at most, and random signs, (p,) each.

    With a bin for every column these are the columns themselves.
    """
    if n_bins >= p:
        return np.arange(p), np.ones(p)
    draw = rng.generator()
    bins = np.empty(p, np.int64)
    for b, columns in enumerate(np.array_split(draw.permutation(p), n_bins)):
        bins[columns] = b
    return bins, draw.choice([-1.0, 1.0], size=p)


def split(bins: IntArray, n_new: int, rng: Key) -> IntArray:
    """Return bins (p,) of which each was divided at random into n_new + 1 parts, or single columns.

    One part keeps the number; the others get new ones.
    """
    draw, bins = rng.generator(), bins.copy()
    for b in range(int(bins.max(initial=-1)) + 1):
        columns = draw.permutation(np.flatnonzero(bins == b))
        for part in np.array_split(columns, min(n_new + 1, len(columns)))[1:]:
            bins[part] = bins.max() + 1
    return bins


@lru_cache(maxsize=64)
def binned(space: Space) -> IntArray:
    """Return the columns that are put into bins."""
    parents = {name for parameter in space.parameters for name in parameter.when}
    varying = [parameter for parameter in space.parameters if not parameter.is_constant]
    return np.array(
        [
            j
            for j, parameter in enumerate(varying)
            if isinstance(parameter, Real | Integer) and not parameter.when and parameter.name not in parents
        ],
        np.int64,
    )


@lru_cache(maxsize=64)
def rest(space: Space) -> IntArray:
    """Return the columns that are in no bin."""
    return np.setdiff1d(np.arange(space.d), binned(space))


@lru_cache(maxsize=64)
def _target(space: Space, n_bins: int) -> Space:
    varying = [parameter for parameter in space.parameters if not parameter.is_constant]
    in_bins = {varying[j].name for j in binned(space)}
    kept = [parameter for parameter in space.parameters if parameter.name not in in_bins]
    word, taken = "bin", {parameter.name for parameter in kept}
    while any(f"{word} {b}" in taken for b in range(n_bins)):
        word += "'"
    return Space([*(Real(f"{word} {b}", -1.0, 1.0) for b in range(n_bins)), *kept])
