"""Types shared by every layer."""

from collections.abc import Mapping
from typing import Any, TypeAlias

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
