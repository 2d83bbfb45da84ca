"""Many trials asked at once, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbopt.errors import UnsupportedError
from bbopt.space import Space
from bbopt.types import FloatArray, Params


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive trials.

    Attributes
    ----------
    numbers : range
    X : array (n, d)
        Encoded points.
    space : Space
    """

    numbers: range
    X: FloatArray
    space: Space

    def __len__(self) -> int:
        return len(self.numbers)

    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Return the points in the user's units, one array (n,) a parameter."""
        return self.space.columns(self.X)

    def values(self) -> FloatArray:
        """Return the points in the user's units as one array (n, number of parameters).

        Raises UnsupportedError where a parameter has no number (categories, conditions).
        """
        check_numeric(self.space, "use columns() or params()")
        columns = self.columns()
        return np.stack([np.asarray(columns[name], np.float64) for name in self.space.names], axis=1)

    def params(self) -> list[Params]:
        """Return the points one by one."""
        return list(self.space.decode(self.X))


def check_numeric(space: Space, instead: str) -> None:
    """Raise UnsupportedError where a parameter has no number (categories, conditions)."""
    odd = [p.name for p in space.parameters if p.when or not p.is_numeric]
    if odd:
        raise UnsupportedError(
            "an array in the user's units needs numeric, unconditional parameters; "
            f"{', '.join(odd)} {'is' if len(odd) == 1 else 'are'} not: {instead}"
        )
