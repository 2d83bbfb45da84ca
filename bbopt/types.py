"""Types shared by every layer."""

from collections.abc import Mapping
from math import isfinite
from numbers import Integral, Real
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

Value: TypeAlias = float | int | str | bool | None
"""One setting of one parameter, in the user's units."""

Params: TypeAlias = Mapping[str, Value]
"""A point as the user sees it: name -> value; inactive parameters are absent."""

Tag: TypeAlias = dict[str, Any]
"""What an ask leaves on its trial for a later ask: plain JSON data."""


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is an integer, Python's or NumPy's, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a real number that fits a float, no bool, no nan and no infinity."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False
