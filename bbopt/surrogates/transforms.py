"""From what was told to what a Gaussian process likes: replicates merged, outcomes tamed and scaled."""

from dataclasses import dataclass

import numpy as np

from bbopt.types import FloatArray

TAIL = 1.0
"""Bad values further than this many best-half spreads above the median are compressed."""
_FAR = 3.0
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Standardizer:
    """The increasing map between outcomes and model units.

    An outcome is divided by ``unit``, the largest magnitude kept, so that 1e300 or 1e-300 do not
    overflow or vanish on the way. What lies above the ``knee`` is compressed, in units of ``width``:
    by u = log(1 + t), and what is left above u = 3 by another logarithm. Then centre and spread are
    taken out. ``largest`` is the largest magnitude told, in units of ``unit``.
    """

    unit: float = 1.0
    knee: float = np.inf
    width: float = 1.0
    largest: float = 1.0
    centre: float = 0.0
    spread: float = 1.0

    def __call__(self, y: FloatArray) -> FloatArray:
        """Return outcomes in model units."""
        return np.asarray((compress(y / self.unit, self.knee, self.width) - self.centre) / self.spread)

    def variance(self, variance: FloatArray, y: FloatArray) -> FloatArray:
        """Return variances of outcomes, measured at y in model units, in model units."""
        sd = np.sqrt(variance) / self.unit / self.spread / self._slope(y * self.spread + self.centre)
        return np.asarray(np.minimum(sd, 1e6) ** 2)

    def inverse(self, y: FloatArray) -> FloatArray:
        """Return model values as outcomes."""
        z = y * self.spread + self.centre
        t = np.maximum(z - self.knee, 0.0) / self.width
        u = np.where(t > _FAR, _FAR + np.expm1(np.minimum(t - _FAR, 6.6)), t)
        above = self.width * np.expm1(np.minimum(u, self._most))
        with np.errstate(over="ignore"):
            y = (np.minimum(z, self.knee) + above) * self.unit
        return np.clip(y, -_LARGEST, _LARGEST)

    def inverse_sd(self, y: FloatArray, sd: FloatArray) -> FloatArray:
        """Return standard deviations in model units, at model values y, as those of outcomes."""
        return np.asarray(sd * self.spread * self._slope(y * self.spread + self.centre) * self.unit)

    def _slope(self, z: FloatArray) -> FloatArray:
        """Return d(outcome)/d(compressed), both in units of ``unit``."""
        t = np.maximum(z - self.knee, 0.0) / self.width
        twice = np.minimum(np.maximum(t - _FAR, 0.0), 6.6)
        u = np.where(t > _FAR, _FAR + np.expm1(twice), t)
        return np.asarray(np.exp(np.minimum(u, self._most) + twice))

    @property
    def _most(self) -> float:
        """Nothing is said of outcomes far beyond the largest told: the most that u may be."""
        return min(float(np.log1p(10.0 * self.largest / self.width)), 700.0)


def standardize(y: FloatArray) -> tuple[FloatArray, Standardizer]:
    """Return finite outcomes (n,), minimised, in model units and the map that led there.

    The bad tail is compressed before mean and deviation are taken: the knee is at
    ``median + TAIL * (median - 10% quantile)``. One 1e20, or a cliff, would otherwise leave no
    resolution where the optimum lies. The good tail is never touched. Constant outcomes become 0.
    """
    largest = float(np.abs(y).max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(y), Standardizer()
    z = y / largest
    knee, width = _knee(z)
    tamed = compress(z, knee, width)
    rest = float(np.abs(tamed).max())  # the tail may have been all of the largest
    tamed /= rest
    unit = largest * rest
    centre = float(tamed.mean())
    spread = float(tamed.std())
    if spread <= 4 * np.finfo(np.float64).eps:  # relative to the unit: all equal up to rounding
        return np.zeros_like(y), Standardizer(unit, centre=centre)
    return (tamed - centre) / spread, Standardizer(unit, knee / rest, width / rest, 1 / rest, centre, spread)


def compress(z: FloatArray, knee: float, width: float) -> FloatArray:
    """Return z with what lies above the knee compressed; see :class:`Standardizer`."""
    if not np.isfinite(knee):
        return z.copy()
    u = np.log1p(np.maximum(z - knee, 0.0) / width)
    u = np.where(u > _FAR, _FAR + np.log1p(np.maximum(u - _FAR, 0.0)), u)
    return np.asarray(np.minimum(z, knee) + width * u)


def _knee(z: FloatArray) -> tuple[float, float]:
    """Return where the bad tail of values (n,) begins, and its unit."""
    if len(z) < 4:
        return np.inf, 1.0
    ordered = np.sort(z)
    low, median = float(ordered[len(z) // 10]), float(ordered[(len(z) - 1) // 2])
    if low == median:  # nearly half of all values are equal: any spread must come from the rest
        return np.inf, 1.0
    return median + TAIL * (median - low), median - low


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
