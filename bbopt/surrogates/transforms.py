"""From what was told to what a Gaussian process likes: replicates merged, outcomes tamed and scaled."""

from dataclasses import dataclass

import numpy as np

from bbopt.types import FloatArray

TAIL = 5.0
"""Bad values further than this many best-half spreads above the median are pulled in."""


@dataclass(frozen=True, slots=True)
class Standardizer:
    """The affine map between outcomes and model units: outcome = (model * spread + centre) * unit.

    ``unit``, the largest magnitude told, is kept apart so that outcomes of 1e300 or 1e-300 do not
    overflow or vanish on the way.
    """

    unit: float = 1.0
    centre: float = 0.0
    spread: float = 1.0

    def __call__(self, y: FloatArray) -> FloatArray:
        """Return outcomes in model units."""
        return np.asarray((y / self.unit - self.centre) / self.spread)

    def variance(self, variance: FloatArray) -> FloatArray:
        """Return variances of outcomes in model units."""
        sd = np.sqrt(variance) / self.unit / self.spread
        return np.asarray(np.minimum(sd, 1e6) ** 2)

    def inverse(self, y: FloatArray) -> FloatArray:
        """Return model values as outcomes."""
        return np.asarray((y * self.spread + self.centre) * self.unit)

    def inverse_sd(self, sd: FloatArray) -> FloatArray:
        """Return standard deviations in model units as those of outcomes."""
        return np.asarray(sd * self.spread * self.unit)


def standardize(y: FloatArray) -> tuple[FloatArray, Standardizer]:
    """Return finite outcomes (n,), minimised, in model units and the map that led there.

    The bad tail is pulled in before mean and deviation are taken: beyond the cap
    ``median + TAIL * (median - 10% quantile)`` values are clipped. One 1e20, or a cliff, would
    otherwise leave no resolution where the optimum lies. The good tail is never touched. Constant
    outcomes become 0.
    """
    largest = float(np.abs(y).max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(y), Standardizer()
    tamed = winsorize(y / largest)
    rest = float(np.abs(tamed).max())  # the tail may have been all of the largest
    tamed /= rest
    unit = largest * rest
    centre = float(tamed.mean())
    spread = float(tamed.std())
    if spread <= 4 * np.finfo(np.float64).eps:  # relative to the unit: all equal up to rounding
        return np.zeros_like(y), Standardizer(unit, centre, 1.0)
    return (tamed - centre) / spread, Standardizer(unit, centre, spread)


def winsorize(y: FloatArray) -> FloatArray:
    """Clip the bad (large) tail of outcomes (n,); see :func:`standardize`."""
    if len(y) < 4:
        return y.copy()
    ordered = np.sort(y)
    low, median = ordered[len(y) // 10], ordered[(len(y) - 1) // 2]
    if low == median:  # nearly half of all values are equal: any spread must come from the rest
        return y.copy()
    return np.asarray(np.minimum(y, median + TAIL * (median - low)))


@dataclass(frozen=True, slots=True)
class Merged:
    """Observations with all replicates of a point put together.

    Attributes
    ----------
    X : array (n, d)
        Distinct points, in order of first appearance.
    y : array (n,)
        Their mean outcomes, weighted by precision where variances are known.
    variance : array (n,)
        Known variances of these means; nan where the noise is to be learnt.
    counts : array (n,)
        How many outcomes of unknown variance each mean holds.
    scatter : float
        Sum of squared deviations from these means over the outcomes of unknown variance: with the
        counts it is all that the likelihood of the noise needs to know of the single outcomes.
    """

    X: FloatArray
    y: FloatArray
    variance: FloatArray
    counts: FloatArray
    scatter: float


def merge(X: FloatArray, y: FloatArray, variance: FloatArray) -> Merged:
    """Merge rows of X (n, d) that are equal; known and unknown (nan) variances stay apart."""
    known = ~np.isnan(variance)
    group_of: dict[tuple[bytes, bool], int] = {}
    group = np.empty(len(X), np.int64)
    first: list[int] = []
    for i, (row, is_known) in enumerate(zip(np.ascontiguousarray(X) + 0.0, known.tolist(), strict=True)):
        key = (row.tobytes(), is_known)
        if key not in group_of:
            group_of[key] = len(first)
            first.append(i)
        group[i] = group_of[key]
    if len(first) == len(X):
        return Merged(X, y, variance, np.ones(len(X)), 0.0)
    weight = 1.0 / np.maximum(np.where(known, variance, 1.0), 1e-300)
    total = np.bincount(group, weight)
    mean = np.bincount(group, weight * y) / total
    scatter = float((((y - mean[group]) ** 2)[~known]).sum())
    merged_variance = np.where(known[first], 1.0 / total, np.nan)
    return Merged(X[first], mean, merged_variance, np.bincount(group).astype(np.float64), scatter)
