"""Scales: how a range of numbers is laid out over the unit interval.

Each scale maps its low end to 0 and its high end to 1, extrapolates outside of them when encoding,
and never leaves the range when decoding. ``decode`` (one float) and ``decode_column`` (an array)
use the same numpy functions, so that they agree to the last bit.
"""

import sys
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite, lcm
from typing import Protocol

import numpy as np

from bbopt.types import FloatArray

LARGEST_INTEGER = 2**53  # the largest n for which 0 .. n are all exact as float64

_EPS = sys.float_info.epsilon
_LOG_MAX = float(np.log(sys.float_info.max))


class Scale(Protocol):
    """A monotone map between [low, high] and the unit interval."""

    def encode(self, value: float) -> float:
        """Return the place of ``value``: in [0, 1] inside of the range, beyond it outside."""

    def decode(self, u: float) -> float:
        """Return the value at ``u``, clipped to the range."""

    def decode_column(self, u: FloatArray) -> FloatArray:
        """Return the values at every ``u``, clipped to the range."""


def clipped(x: FloatArray, low: float = 0.0, high: float = 1.0) -> FloatArray:
    """Return a copy of x within [low, high]: np.clip, several times faster on a few numbers."""
    return np.minimum(np.maximum(x, low), high)


def _clip(value: float, low: float, high: float) -> float:
    return low if value < low else high if value > high else value


@dataclass(frozen=True, slots=True)
class LinearScale:
    """u = (v - low) / (high - low).

    When ``high - low`` overflows, both sides are halved first, which is exact there.
    """

    low: float
    high: float
    _half: float = field(init=False)
    _origin: float = field(init=False)
    _width: float = field(init=False)

    def __post_init__(self) -> None:
        half = 1.0 if isfinite(self.high - self.low) else 0.5
        object.__setattr__(self, "_half", half)
        object.__setattr__(self, "_origin", self.low * half)
        object.__setattr__(self, "_width", self.high * half - self.low * half)

    def encode(self, value: float) -> float:
        """See :class:`Scale`."""
        return (value * self._half - self._origin) / self._width

    def decode(self, u: float) -> float:
        """See :class:`Scale`."""
        if u <= 0.0:
            return self.low
        if u >= 1.0:
            return self.high
        return _clip((self._origin + u * self._width) / self._half, self.low, self.high)

    def decode_column(self, u: FloatArray) -> FloatArray:
        """See :class:`Scale`."""
        u = clipped(u)
        inside = clipped((self._origin + u * self._width) / self._half, self.low, self.high)
        return np.where(u == 1.0, self.high, inside)


@dataclass(frozen=True, slots=True)
class LogScale:
    """u = log(v / low) / log(high / low), exact for narrow ranges and for hundreds of decades.

    Three regimes keep the rounding error near one ulp of ``log(high / low)``: narrow ranges go
    through log1p and expm1 of the distance from ``low``, ordinary ones through the ratio, and
    those whose ratio overflows through the difference of the logarithms (both are long by then).
    """

    low: float
    high: float
    length: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", self._log_ratio(self.high))

    def _log_ratio(self, value: float) -> float:
        ratio = value / self.low
        if 0.5 < ratio < 2.0:
            return float(np.log1p((value - self.low) / self.low))
        if 0.0 < ratio <= sys.float_info.max:
            return float(np.log(ratio))
        return float(np.log(value) - np.log(self.low))

    def encode(self, value: float) -> float:
        """See :class:`Scale`; ValueError for values that have no logarithm."""
        if not value > 0.0:
            raise ValueError("the logarithm needs a positive value")
        return self._log_ratio(value) / self.length

    def encode_column(self, values: FloatArray) -> FloatArray:
        """Return the places of values in [low, high], for a ratio ``high / low`` that is finite."""
        ratio = values / self.low
        near = np.log1p((values - self.low) / self.low)
        return np.where(ratio < 2.0, near, np.log(ratio)) / self.length

    def decode(self, u: float) -> float:
        """See :class:`Scale`."""
        if u <= 0.0:
            return self.low
        if u >= 1.0:
            return self.high
        t = u * self.length
        if self.length < 1.4:
            value = self.low + self.low * float(np.expm1(t))
        elif self.length < _LOG_MAX:
            value = self.low * float(np.exp(t))
        else:
            value = float(np.exp(min(float(np.log(self.low)) + t, _LOG_MAX)))
        return _clip(value, self.low, self.high)

    def decode_column(self, u: FloatArray) -> FloatArray:
        """See :class:`Scale`."""
        u = clipped(u)
        t = u * self.length
        with np.errstate(over="ignore"):  # high may be the largest float: clipped below
            if self.length < 1.4:
                value = self.low + self.low * np.expm1(t)
            elif self.length < _LOG_MAX:
                value = self.low * np.exp(t)
            else:
                value = np.exp(np.minimum(float(np.log(self.low)) + t, _LOG_MAX))
                value = np.where(u == 0.0, self.low, value)
        return np.where(u == 1.0, self.high, clipped(value, self.low, self.high))


@dataclass(frozen=True, slots=True)
class StepScale:
    """Evenly spaced levels low, low + step, ..., the last one at most ``high``: level k is at k / (K - 1).

    The numbers are read as the decimals that the user wrote (0.1 is one tenth), so that 0 to 1 in
    steps of 0.1 has 11 levels, and the third above 0 is 0.3, not 0.30000000000000004: where
    integers allow it, level k is the correctly rounded quotient ``(base + k * increment) / divisor``.

    Raises
    ------
    ValueError
        When the levels are too close to be told apart in float64.
    """

    low: float
    high: float
    step: float
    top: int = field(init=False)  # the index of the last level
    _line: LinearScale = field(init=False)
    _tolerance: float = field(init=False)
    _base: int = field(init=False)
    _increment: int = field(init=False)
    _divisor: int = field(init=False)  # 0 where integers do not allow it

    def __post_init__(self) -> None:
        low, high, step = (Fraction(repr(number)) for number in (self.low, self.high, self.step))
        top = int((high - low) / step + Fraction(1, 10**9))
        last = min(float(low + top * step), self.high)
        # Rounding moves a level by so much of a step, at most.
        tolerance = 1e-9 + 4 * _EPS * (top + max(abs(self.low), abs(last)) / self.step)
        if top > 0 and tolerance > 0.25:
            raise ValueError("the levels are too close to be told apart")
        divisor = lcm(low.denominator, step.denominator)
        base, increment = int(low * divisor), int(step * divisor)
        if max(abs(base) + top * increment, divisor) > LARGEST_INTEGER:
            base = increment = divisor = 0
        derived = (top, LinearScale(self.low, last), tolerance, base, increment, divisor)
        names = ("top", "_line", "_tolerance", "_base", "_increment", "_divisor")
        for name, value in zip(names, derived, strict=True):
            object.__setattr__(self, name, value)

    def is_level(self, value: float) -> bool:
        """Whether a value is one of the levels, up to rounding."""
        if self.top == 0:
            return value == self.low
        place = self._line.encode(value) * self.top
        return -0.5 < place < self.top + 0.5 and abs(place - round(place)) <= self._tolerance

    def encode(self, value: float) -> float:
        """See :class:`Scale`; a level encodes to exactly k / (K - 1), any other value to its own place."""
        place = self._line.encode(value) * self.top
        if not isfinite(place):
            return place
        level = round(place)
        return (level if abs(place - level) <= self._tolerance else place) / self.top

    def decode(self, u: float) -> float:
        """See :class:`Scale`; the value of the nearest level."""
        level = round(_clip(u, 0.0, 1.0) * self.top)
        if self._divisor:
            return min((self._base + level * self._increment) / self._divisor, self.high)
        return self._line.decode(level / self.top)

    def decode_column(self, u: FloatArray) -> FloatArray:
        """See :class:`Scale`; the values of the nearest levels."""
        level = np.rint(clipped(u) * self.top)
        if self._divisor:
            return np.minimum((self._base + level * self._increment) / self._divisor, self.high)
        return self._line.decode_column(level / self.top)
