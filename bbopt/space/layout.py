"""How parameters lie over the columns of encoded points: encode, decode, snap, activity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbopt.space.conditions import Requirement, resolve
from bbopt.space.numeric import Integer
from bbopt.space.parameters import Parameter
from bbopt.space.scales import clipped
from bbopt.types import BoolArray, FloatArray, IntArray, Params, Value

INACTIVE = 0.5
"""What a column holds where its parameter is inactive."""

Activity = Mapping[str, BoolArray]
"""For each parameter that can be inactive, in which rows it is active."""


@dataclass(frozen=True, eq=False, repr=False)
class Layout:
    """Tables made once from the parameters, and the maps that need nothing else.

    Attributes
    ----------
    varying : tuple of Parameter
        Those with a column, in order of columns.
    column : dict
        Name -> column, None for constants.
    requires : dict
        Name -> what must hold for the parameter to be active; only those that can be inactive.
    n_levels : ndarray of int64, shape (d,)
        0 for continuous columns.
    """

    parameters: tuple[Parameter, ...]
    varying: tuple[Parameter, ...] = field(init=False)
    column: dict[str, int | None] = field(init=False)
    requires: dict[str, tuple[Requirement, ...]] = field(init=False)
    n_levels: IntArray = field(init=False)
    _even: NDArray[np.intp] = field(init=False)  # discrete columns with evenly spaced levels
    _top: FloatArray = field(init=False)  # the index of their last level
    _uneven: tuple[tuple[int, Integer], ...] = field(init=False)  # discrete columns on a log scale

    def __post_init__(self) -> None:
        varying = tuple(parameter for parameter in self.parameters if not parameter.is_constant)
        place = {parameter.name: j for j, parameter in enumerate(varying)}
        required = zip(self.parameters, resolve(self.parameters), strict=True)
        n_levels = np.array([parameter.n_levels for parameter in varying], dtype=np.int64)
        uneven = {j: p for j, p in enumerate(varying) if isinstance(p, Integer) and not p.is_even}
        even = np.array([j for j, n in enumerate(n_levels) if n and j not in uneven], dtype=np.intp)
        n_levels.setflags(write=False)
        derived = {
            "varying": varying,
            "column": {parameter.name: place.get(parameter.name) for parameter in self.parameters},
            "requires": {parameter.name: needs for parameter, needs in required if needs},
            "n_levels": n_levels,
            "_even": even,
            "_top": (n_levels[even] - 1).astype(np.float64),
            "_uneven": tuple(uneven.items()),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    # --- one point -------------------------------------------------------------------------------

    def is_active(self, name: str, params: Params) -> bool:
        """Whether a parameter is active, given (at least) the parameters that it depends on."""
        return all(
            required.parent in params and required.allows(params[required.parent])
            for required in self.requires.get(name, ())
        )

    def encode_row(self, params: Params) -> list[float]:
        """Return valid params as one row."""
        if not self.requires:
            return [parameter.encode(params[parameter.name]) for parameter in self.varying]
        return [
            parameter.encode(params[parameter.name]) if self.is_active(parameter.name, params) else INACTIVE
            for parameter in self.varying
        ]

    def decode_row(self, row: list[float]) -> dict[str, Value]:
        """Return one row as params: nearest levels, inactive parameters left out."""
        params: dict[str, Value] = {}
        for parameter in self.parameters:
            j = self.column[parameter.name]
            params[parameter.name] = parameter.decode(row[j] if j is not None else INACTIVE)
        if not self.requires:
            return params
        return {name: value for name, value in params.items() if self.is_active(name, params)}

    # --- many points -----------------------------------------------------------------------------

    def snapped(self, X: FloatArray) -> FloatArray:
        """Return a copy of X within [0, 1] and on levels, shape (n, d); inactive columns are not yet 0.5."""
        P = clipped(X)
        if self._even.size:
            P[:, self._even] = np.rint(P[:, self._even] * self._top) / self._top
        for j, parameter in self._uneven:
            P[:, j] = parameter.encode_column(parameter.decode_column(P[:, j]))
        return P

    def quantiles(self, U: FloatArray) -> FloatArray:
        """Return the levels at the quantiles U in [0, 1), shape (n, d); inactive columns are not yet 0.5."""
        P = U.copy()
        if self._even.size:
            P[:, self._even] = np.minimum(np.floor(P[:, self._even] * (self._top + 1)), self._top) / self._top
        for j, parameter in self._uneven:
            P[:, j] = parameter.encode_column(parameter.quantile(P[:, j]))
        return P

    def activity(self, P: FloatArray) -> dict[str, BoolArray]:
        """Return in which rows of P, whose discrete columns are on levels, parameters are active."""
        known: dict[tuple[tuple[int, frozenset[Any]], ...], BoolArray] = {}  # siblings share conditions
        activity = {}
        for name, required in self.requires.items():
            key = tuple((r.column, r.keys) for r in required)
            if key not in known:
                known[key] = reduce(np.logical_and, [r.holds(P) for r in required])
            activity[name] = known[key]
        return activity

    def blank(self, P: FloatArray) -> dict[str, BoolArray]:
        """Set the inactive columns of P to 0.5, in place, and return the activity."""
        activity = self.activity(P)
        for name, is_active in activity.items():
            if (j := self.column[name]) is not None:
                P[~is_active, j] = INACTIVE
        return activity

    def values(self, P: FloatArray, names: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Return the values of some parameters in the rows of P, in the user's units, each of shape (n,)."""
        wanted, values = set(names), {}
        for parameter in self.parameters:
            if parameter.name in wanted:
                j = self.column[parameter.name]
                places = P[:, j] if j is not None else np.full(len(P), INACTIVE)
                values[parameter.name] = parameter.decode_column(places)
        return values
