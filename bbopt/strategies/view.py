"""Coordinates in which a local search takes place: those of the space itself, or of a subspace."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray


class View(Protocol):
    """The coordinates y of a search, and how they lead to points x of the study's space."""

    @property
    def space(self) -> Space:
        """The space of y."""
        ...

    def up(self, Y: FloatArray, fixed: FloatArray | None) -> FloatArray:
        """Return the snapped points (n, d) of Y, with the fixed values; constraints are not looked at."""
        ...

    def down(self, X: FloatArray) -> FloatArray:
        """Return the coordinates of points X (n, d)."""
        ...

    def holds(self, X: FloatArray) -> BoolArray:
        """Return which points X (n, d) their coordinates lead back to, (n,)."""
        ...

    def fixed(self, fixed: FloatArray | None) -> FloatArray | None:
        """Return the coordinates that fixed columns (d,) hold, nan where free."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """The study's space as it is."""

    space: Space

    def up(self, Y: FloatArray, fixed: FloatArray | None) -> FloatArray:
        """Return Y snapped."""
        X = self.space.project(Y)
        return X if fixed is None else self.space.project(np.where(np.isnan(fixed), X, fixed))

    def down(self, X: FloatArray) -> FloatArray:
        """Return X."""
        return X

    def holds(self, X: FloatArray) -> BoolArray:
        """Return True for all."""
        return np.ones(len(X), np.bool_)

    def fixed(self, fixed: FloatArray | None) -> FloatArray | None:
        """Return the same."""
        return fixed
