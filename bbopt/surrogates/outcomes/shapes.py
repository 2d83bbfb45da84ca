"""The bends of outcome transforms: strictly increasing maps s(t) of roughly scaled outcomes.

Each can be called, and has an ``inverse`` and ``log_stretch``, the logarithm of dt/ds at s.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bbopt.types import FloatArray

FAR = 3.0
"""Where the second logarithm of a :class:`Tail` begins."""
_LEAST = 5e-324


@dataclass(frozen=True, slots=True)
class Tail:
    """A logarithm above a knee, and another one far above.

    s = t up to the knee, knee + width u above it, u = log(1 + (t - knee) / width); what is left of u
    above 3 is replaced by log(1 + u - 3). ``largest`` is the largest magnitude told.
    """

    knee: float
    width: float
    largest: float

    def __call__(self, t: FloatArray) -> FloatArray:
        """Return s."""
        u = np.log1p(np.maximum(t - self.knee, 0.0) / self.width)
        u = np.where(u > FAR, FAR + np.log1p(np.maximum(u - FAR, 0.0)), u)
        return np.asarray(np.minimum(t, self.knee) + self.width * u)

    def inverse(self, s: FloatArray) -> FloatArray:
        """Return t, at most about ten times the largest told."""
        u, _ = self._once(s)
        return np.asarray(np.minimum(s, self.knee) + self.width * np.expm1(u))

    def log_stretch(self, s: FloatArray) -> FloatArray:
        """Return log dt/ds at s."""
        u, twice = self._once(s)
        return np.asarray(u + twice)

    def _once(self, s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return u, and the log slope of the second logarithm."""
        v = np.maximum(s - self.knee, 0.0) / self.width
        twice = np.minimum(np.maximum(v - FAR, 0.0), 6.6)
        u = np.where(v > FAR, FAR + np.expm1(twice), v)
        most = min(float(np.log1p(10.0 * self.largest / self.width)), 700.0)
        return np.minimum(u, most), twice


@dataclass(frozen=True, slots=True)
class YeoJohnson:
    """The power transform of the whole line (Yeo and Johnson 2000, eq. 2.1).

    s = ((1 + t)^p - 1) / p for t >= 0, -((1 - t)^(2 - p) - 1) / (2 - p) below, and the logarithm where
    an exponent is 0. ``reach`` is log(1 + 10 |t|) of the largest |t| told: t returns from no further.
    """

    power: float
    reach: float

    def __call__(self, t: FloatArray) -> FloatArray:
        """Return s."""
        return yeo_johnson(t, np.array(self.power))

    def inverse(self, s: FloatArray) -> FloatArray:
        """Return t, at most ten times the largest magnitude told."""
        above = _unraise(np.maximum(s, 0.0), self.power)
        below = _unraise(np.maximum(-s, 0.0), 2.0 - self.power)
        return np.asarray(np.expm1(np.minimum(above, self.reach)) - np.expm1(np.minimum(below, self.reach)))

    def log_stretch(self, s: FloatArray) -> FloatArray:
        """Return log dt/ds at s."""
        t = self.inverse(s)
        return np.asarray((1.0 - self.power) * np.sign(t) * np.log1p(np.abs(t)))


@dataclass(frozen=True, slots=True)
class PowerTail:
    """A :class:`YeoJohnson` map, and a :class:`Tail` on what it gives.

    A power takes the skew out of smooth outcomes; the tail takes the gap below a cliff, to which no power
    is an answer. ``power`` and ``reach`` are the former's numbers, the others the latter's.
    """

    power: float
    reach: float
    knee: float
    width: float
    largest: float

    def __call__(self, t: FloatArray) -> FloatArray:
        """Return s."""
        return self._tail(self._power(t))

    def inverse(self, s: FloatArray) -> FloatArray:
        """Return t, at most ten times the largest magnitude told."""
        return self._power.inverse(self._tail.inverse(s))

    def log_stretch(self, s: FloatArray) -> FloatArray:
        """Return log dt/ds at s."""
        return self._tail.log_stretch(s) + self._power.log_stretch(self._tail.inverse(s))

    @property
    def _power(self) -> YeoJohnson:
        return YeoJohnson(self.power, self.reach)

    @property
    def _tail(self) -> Tail:
        return Tail(self.knee, self.width, self.largest)


@dataclass(frozen=True, slots=True)
class BoxCox:
    """The power transform of positive numbers (Box and Cox 1964, eq. 1): s = (t^p - 1) / p, or log t.

    ``low`` and ``high`` bound log t on the way back: a factor of ten beyond what was told.
    """

    power: float
    low: float
    high: float

    def __call__(self, t: FloatArray) -> FloatArray:
        """Return s; what is not positive counts as the least positive number."""
        return box_cox(t, np.array(self.power))

    def inverse(self, s: FloatArray) -> FloatArray:
        """Return t, which is positive."""
        return np.asarray(np.exp(self._log(s)))

    def log_stretch(self, s: FloatArray) -> FloatArray:
        """Return log dt/ds at s."""
        return (1.0 - self.power) * self._log(s)

    def _log(self, s: FloatArray) -> FloatArray:
        return np.clip(_unraise(s, self.power), self.low, self.high)


@dataclass(frozen=True, slots=True)
class Piecewise:
    """Straight lines between knots (t_k, s_k), both increasing, with given slopes beyond the ends."""

    t: tuple[float, ...]
    s: tuple[float, ...]
    below: float
    above: float

    def __call__(self, t: FloatArray) -> FloatArray:
        """Return s."""
        return _lines(t, self.t, self.s, self.below, self.above)

    def inverse(self, s: FloatArray) -> FloatArray:
        """Return t."""
        return _lines(s, self.s, self.t, 1.0 / self.below, 1.0 / self.above)

    def log_stretch(self, s: FloatArray) -> FloatArray:
        """Return log dt/ds at s; at a knot that of the line above it."""
        inner = np.maximum(np.diff(self.t), _LEAST) / np.diff(self.s)
        stretches = np.maximum(np.concatenate([[1.0 / self.below], inner, [1.0 / self.above]]), _LEAST)
        return np.asarray(np.log(stretches)[np.searchsorted(self.s, s, side="right")])


Shape: TypeAlias = Tail | YeoJohnson | PowerTail | BoxCox | Piecewise


def yeo_johnson(t: FloatArray, power: FloatArray) -> FloatArray:
    """Return the transform of t for powers in [0, 2], arrays that broadcast; see :class:`YeoJohnson`."""
    return np.copysign(_raise(np.log1p(np.abs(t)), np.where(t < 0.0, 2.0 - power, power)), t)


def box_cox(t: FloatArray, power: FloatArray) -> FloatArray:
    """Return the transform of t for any powers, arrays that broadcast; see :class:`BoxCox`."""
    return _raise(np.log(np.maximum(t, _LEAST)), power)


def _raise(x: FloatArray, power: FloatArray) -> FloatArray:
    """Return (exp(p x) - 1) / p, which is x for p = 0."""
    p = np.where(power == 0.0, 1.0, power)
    return np.asarray(np.where(power == 0.0, x, np.expm1(p * x) / p))


def _unraise(s: FloatArray, power: float) -> FloatArray:
    """Return x of :func:`_raise`; where no x is that far, about 37 / |p|."""
    if power == 0.0:
        return s
    return np.asarray(np.log1p(np.maximum(power * s, -1.0 + 1e-16)) / power)


def _lines(
    x: FloatArray, knots: tuple[float, ...], values: tuple[float, ...], below: float, above: float
) -> FloatArray:
    beyond = below * np.minimum(x - knots[0], 0.0) + above * np.maximum(x - knots[-1], 0.0)
    return np.asarray(np.interp(x, knots, values) + beyond)
