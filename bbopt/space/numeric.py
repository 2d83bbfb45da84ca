"""Parameters that are numbers in a range: Real and Integer."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bbopt.errors import DataError, SpaceError
from bbopt.space.parameters import Parameter
from bbopt.space.scales import LARGEST_INTEGER, LinearScale, LogScale, Scale, StepScale, clipped
from bbopt.space.values import BOOLS, is_number, plain
from bbopt.types import FloatArray, IntArray


def _as_finite(value: object) -> float | None:
    """Return a plain value as a finite float, None if it is none."""
    try:
        number = float(value) if is_number(value) else np.nan
    except OverflowError:  # an int beyond the floats
        return None
    return number if isfinite(number) else None


def _as_whole(value: object) -> int | None:
    """Return a plain value as an int, None if it is no whole number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_flag(title: str, name: str, flag: object) -> None:
    if not isinstance(flag, bool):
        raise SpaceError(f"{title}: {name} must be True or False, got {flag!r}")


def _check_order(title: str, low: float, high: float) -> None:
    if low > high:
        raise SpaceError(f"{title}: low must not exceed high, got low={low!r}, high={high!r}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Real(Parameter):
    """A real number: ``Real("lr", 1e-5, 1e-1, log=True)``, ``Real("T", 20, 90, step=0.5, unit="°C")``.

    Parameters
    ----------
    name : str
    low, high : float
        Both ends belong to the range. Equal ends make a constant.
    log : bool
        Lay the range out by its logarithm; needs ``low > 0``.
    step : float, optional
        Only low, low + step, low + 2 step, ... up to the last one that is at most high. A step
        larger than the range leaves one level and makes a constant. Not together with ``log``.
    unit : str, optional
        For reports and plots.
    when : mapping, optional
        See :class:`Parameter`.

    Raises
    ------
    SpaceError
        For ends that are no finite numbers or in the wrong order, and for a log or step that does
        not fit them.
    """

    kind: ClassVar[str] = "real"

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    unit: str | None = field(default=None, kw_only=True)
    _scale: Scale = field(init=False)

    def __post_init__(self) -> None:
        Parameter.__post_init__(self)
        title = self._title
        low, high = self._finite("low"), self._finite("high")
        _check_order(title, low, high)
        _check_flag(title, "log", self.log)
        if self.log and low <= 0:
            raise SpaceError(f"{title}: log=True needs low > 0, got low={low!r}")
        if self.unit is not None and not isinstance(self.unit, str):
            raise SpaceError(f"{title}: unit must be a text, got {self.unit!r}")
        self._set(low=low, high=high)
        n_levels = 1 if low == high else 0
        scale: Scale = LogScale(low, high) if self.log and low < high else LinearScale(low, high)
        if self.step is not None:
            scale = self._steps(low, high)
            n_levels = scale.top + 1
        self._set(n_levels=n_levels, _scale=scale)

    def _finite(self, name: str) -> float:
        number = _as_finite(value := plain(getattr(self, name)))
        if number is None:
            raise SpaceError(f"{self._title}: {name} must be a finite number, got {value!r}")
        return number + 0.0  # turns -0.0 into 0.0

    def _steps(self, low: float, high: float) -> StepScale:
        step = self._finite("step")
        if step <= 0:
            raise SpaceError(f"{self._title}: step must be positive, got {step!r}")
        if self.log:
            raise SpaceError(
                f"{self._title}: log and step exclude each other, got log=True, step={step!r}; "
                "list the values with Ordinal instead"
            )
        self._set(step=step)
        try:
            return StepScale(low, high, step)
        except ValueError as error:
            raise SpaceError(
                f"{self._title}: step must be larger, got {step!r}: between {low!r} and {high!r} {error}"
            ) from error

    def encode(self, value: Any) -> float:
        """Return the place of ``value``; linear (in logs with ``log``) also beyond the ends."""
        if type(value) is not float and isinstance(value, BOOLS):
            raise TypeError("a bool is no number")
        return self._scale.encode(value) if self.n_levels != 1 else 0.5

    def decode(self, u: float) -> float:
        """Return the number at place ``u``, within [low, high], on a level where there are steps."""
        return self._scale.decode(u) if self.n_levels != 1 else self.low

    def decode_column(self, u: FloatArray) -> FloatArray:
        """Return the numbers at the places ``u``."""
        return self._scale.decode_column(u) if self.n_levels != 1 else np.full(len(u), self.low)

    def check(self, value: object, *, strict: bool = True) -> float:
        """Return ``value`` as a float; see :meth:`Parameter.check`."""
        number = _as_finite(value := plain(value))
        if number is None:
            raise DataError(f"parameter {self.name!r} must be {self.describe()}, got {value!r}")
        if strict and not self._fits(number):
            raise DataError(f"parameter {self.name!r} must be {self.describe()}, got {number!r}")
        if self.log and number <= 0:
            raise DataError(f"parameter {self.name!r} is on a log scale and must be positive, got {number!r}")
        return number

    def _fits(self, number: float) -> bool:
        if isinstance(self._scale, StepScale):
            return self._scale.is_level(number)
        return self.low <= number <= self.high

    def describe(self) -> str:
        """Return "a number in [20.0, 90.0] °C in steps of 0.5"."""
        unit = f" {self.unit}" if self.unit else ""
        steps = f" in steps of {self.step!r}" if self.step is not None else ""
        return f"a number in [{self.low!r}, {self.high!r}]{unit}{steps}"

    @property
    def is_numeric(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Integer(Parameter):
    """A whole number: ``Integer("layers", 1, 5)``, ``Integer("n", 1, 10**6, log=True)``.

    Parameters
    ----------
    name : str
    low, high : int
        Both ends belong to the range, which may be 2^53 wide. Equal ends make a constant.
    log : bool
        Lay the range out by its logarithm; needs ``low >= 1``, and levels that stay apart in
        float64 there (from 1 up to about 10^13).
    step : int, optional
        Only low, low + step, ... up to the last one that is at most high. A step larger than the
        range leaves one level and makes a constant. Not together with ``log``: list powers of two
        with :class:`Ordinal`.
    unit : str, optional
        For reports and plots.
    when : mapping, optional
        See :class:`Parameter`.

    Raises
    ------
    SpaceError
        For ends that are no integers or in the wrong order, and for a log or step that does not
        fit them.
    """

    kind: ClassVar[str] = "integer"

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)
    unit: str | None = field(default=None, kw_only=True)
    _logs: LogScale | None = field(init=False)

    def __post_init__(self) -> None:
        Parameter.__post_init__(self)
        title = self._title
        low, high, step = self._whole("low"), self._whole("high"), self._whole("step")
        _check_order(title, low, high)
        _check_flag(title, "log", self.log)
        if step < 1:
            raise SpaceError(f"{title}: step must be at least 1, got {step}")
        if max(-low - 1, high) >= 2**63 or high - low > LARGEST_INTEGER:
            raise SpaceError(
                f"{title}: low and high must be at most 2^53 = {LARGEST_INTEGER} apart and fit 64 bits, "
                f"got low={low}, high={high}; Real has wider ranges"
            )
        if self.unit is not None and not isinstance(self.unit, str):
            raise SpaceError(f"{title}: unit must be a text, got {self.unit!r}")
        self._set(low=low, high=high, step=step, n_levels=(high - low) // step + 1)
        self._set(_logs=self._log_scale() if self.log else None)

    def _whole(self, name: str) -> int:
        whole = _as_whole(value := plain(getattr(self, name)))
        if whole is None:
            raise SpaceError(f"{self._title}: {name} must be an integer, got {value!r}")
        return whole

    def _log_scale(self) -> LogScale | None:
        if self.low < 1:
            raise SpaceError(f"{self._title}: log=True needs low >= 1, got low={self.low}")
        if self.step != 1:
            raise SpaceError(
                f"{self._title}: log and step exclude each other, got log=True, step={self.step}; "
                "list the values with Ordinal instead"
            )
        if self.low == self.high:
            return None
        scale = LogScale(float(self.low), float(self.high))
        # The last two levels are the closest: they must be several float64 apart in the unit interval.
        if 1 / (self.high * scale.length) < 2.0**-49:
            raise SpaceError(
                f"{self._title}: high={self.high} is too large with log=True, its levels cannot be told "
                "apart; use Real(..., log=True) and round in the objective"
            )
        return scale

    @property
    def is_even(self) -> bool:
        """Whether the levels are evenly spaced in the unit interval: without ``log``."""
        return self._logs is None

    def encode(self, value: Any) -> float:
        """Return the place of ``value``; linear (in logs with ``log``) also beyond the ends."""
        if type(value) is not int and (isinstance(value, BOOLS) or value % 1):
            raise TypeError("not a whole number")
        if self._logs is not None:
            return self._logs.encode(value)
        top = self.n_levels - 1
        quotient: float = (value - self.low) / (top * self.step) if top else 0.5
        return quotient

    def decode(self, u: float) -> int:
        """Return the level nearest to place ``u``; with ``log``, the number at ``u`` rounded."""
        if self._logs is not None:
            return round(self._logs.decode(u))
        top = self.n_levels - 1
        return self.low + self.step * min(max(round(u * top), 0), top)

    def decode_column(self, u: FloatArray) -> IntArray:
        """Return the levels nearest to the places ``u``."""
        if self._logs is not None:
            return np.rint(self._logs.decode_column(u)).astype(np.int64)
        top = self.n_levels - 1
        level: IntArray = np.rint(clipped(u) * top).astype(np.int64)
        return self.low + self.step * level

    def encode_column(self, values: NDArray[Any]) -> FloatArray:
        """Return the places of levels, shape (n,)."""
        if self._logs is not None:
            return self._logs.encode_column(values.astype(np.float64))
        places: FloatArray = (values - self.low) / (max(self.n_levels - 1, 1) * self.step)
        return places

    def quantile(self, u: FloatArray) -> IntArray:
        """Map uniform ``u`` in [0, 1) to levels by log measure: k owns the logs from k - 1/2 to k + 1/2.

        For parameters with ``log``; without, levels are simply equally likely.
        """
        cells = LogScale(self.low - 0.5, self.high + 0.5)
        return np.clip(np.rint(cells.decode_column(u)), self.low, self.high).astype(np.int64)

    def check(self, value: object, *, strict: bool = True) -> int:
        """Return ``value`` as an int (3.0 is fine, 3.5 is not); see :meth:`Parameter.check`."""
        whole = _as_whole(value := plain(value))
        if whole is None:
            raise DataError(f"parameter {self.name!r} must be {self.describe()}, got {value!r}")
        if strict and not (self.low <= whole <= self.high and (whole - self.low) % self.step == 0):
            raise DataError(f"parameter {self.name!r} must be {self.describe()}, got {whole!r}")
        if self.log and whole <= 0:
            raise DataError(f"parameter {self.name!r} is on a log scale and must be positive, got {whole!r}")
        return whole

    def describe(self) -> str:
        """Return "an integer in [8, 256] in steps of 8"."""
        unit = f" {self.unit}" if self.unit else ""
        steps = f" in steps of {self.step}" if self.step != 1 else ""
        return f"an integer in [{self.low}, {self.high}]{unit}{steps}"

    @property
    def is_numeric(self) -> bool:
        """True."""
        return True
