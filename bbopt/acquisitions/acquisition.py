"""The protocol of acquisitions, and their sum."""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np

from bbopt.types import FloatArray


class Acquisition(Protocol):
    """What a point is worth trying for, usually as a logarithm; larger is better. No state changes."""

    @property
    def scale(self) -> FloatArray:
        """Per column, a length over which the value changes, in (0, 1]; shape (d,)."""
        ...

    @property
    def is_smooth(self) -> bool:
        """Whether there are gradients. Where not, they are zeros, and maximizers go without."""
        ...

    def value(self, X: FloatArray) -> FloatArray:
        """Return values (b,) of encoded points X (b, d)."""
        ...

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (b,) and their gradients (b, d); zero in categorical columns.

        In ordered columns with levels they are those between the levels: columns with many are searched so.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of log acquisitions: of their product, as in improvement times feasibility."""

    parts: tuple[Acquisition, ...]

    @property
    def scale(self) -> FloatArray:
        """The shortest length of any part, a column each."""
        return np.asarray(np.min([part.scale for part in self.parts], axis=0))

    @property
    def is_smooth(self) -> bool:
        """Whether all parts are."""
        return all(part.is_smooth for part in self.parts)

    def value(self, X: FloatArray) -> FloatArray:
        """Return the summed values (b,)."""
        return reduce(add, [part.value(X) for part in self.parts])

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the summed values (b,) and gradients (b, d)."""
        values, gradients = zip(*[part.value_and_grad(X) for part in self.parts], strict=True)
        return reduce(add, values), reduce(add, gradients)
