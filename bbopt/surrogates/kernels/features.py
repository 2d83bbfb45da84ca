"""What kernels see of a point: features, in which every column of the space is a distance.

- A numeric column is itself. So is an ordinal one: its levels are equally far apart.
- A categorical column is one indicator a level times 1/sqrt(2): the squared distance of two different
  levels is 1 (Hamming). With descriptors it is those instead, scaled to a mean squared distance of 1.
- A numeric column that is active only under a condition lies on a quarter circle of radius 2/pi, in arc
  length; where it is inactive it is the centre: equally far from all its values, and it says nothing of
  them (Swersky et al. 2014, "Raiders of the lost architecture", section 3). So has an inactive categorical
  no indicator; one with descriptors is at their mean.

So the squared distance of features, summed over all columns, takes care of levels and conditions, and is
still one matrix product.
"""

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import NamedTuple

import numpy as np

from bbopt.errors import SpaceError
from bbopt.space import Space
from bbopt.space.parameters import Categorical, Parameter
from bbopt.types import BoolArray, FloatArray, IntArray

RADIUS = 2 / np.pi
"""Of the circles: a quarter of one is as long as the range of a column, 1."""


def checked_columns(
    kernel: str, columns: object, numbers: str = "length-scales are learnt"
) -> tuple[str, ...] | None:
    """Return the names that a kernel was given, one alone or several, as a tuple; None for all columns.

    Parameters
    ----------
    kernel : str
    columns : object
    numbers : str
        What to tell those who gave a number.

    Raises
    ------
    SpaceError
        For anything else, for no name at all, and for a name given twice.
    """
    if columns is None:
        return None
    names = (columns,) if isinstance(columns, str) else columns
    if not isinstance(names, (tuple, list)) or not names or not all(isinstance(n, str) for n in names):
        raise SpaceError(
            f'{kernel}: columns must be the names of parameters, such as ("x", "y"), or None for all of '
            f"them, got {columns!r}" + (f"; {numbers}" if isinstance(columns, Real) else "")
        )
    if len(set(names)) < len(names):
        raise SpaceError(f"{kernel}: columns must name each parameter once, got {columns!r}")
    return tuple(names)


class Selection(NamedTuple):
    """The features that a kernel looks at.

    Attributes
    ----------
    features : array (k,) or None
        Which they are; None: all.
    columns : array (p,)
        The columns of the space that they come from.
    column : array (k,)
        Which of these each feature comes from.
    width : int
        How many features there are in all.
    names : tuple of str
        The parameters behind the columns.
    """

    features: IntArray | None
    columns: IntArray
    column: IntArray
    width: int
    names: tuple[str, ...]

    def of(self, F: FloatArray) -> FloatArray:
        """Return the selected ones of all features (b, width)."""
        return F if self.features is None else F[:, self.features]

    def widen(self, dF: FloatArray) -> FloatArray:
        """Return gradients in the selected features as gradients in all, (b, width)."""
        if self.features is None:
            return dF
        wide = np.zeros((len(dF), self.width))
        wide[:, self.features] = dF
        return wide


@dataclass(frozen=True)
class Features:
    """The map from encoded points (b, d) to features (b, f): plain columns, arcs, then categoricals."""

    space: Space

    @cached_property
    def plain(self) -> IntArray:
        """The numeric columns that are always active: they are features as they are, the first ones."""
        return np.flatnonzero(~np.asarray(self.space.is_categorical) & ~self._conditional)

    @cached_property
    def arcs(self) -> IntArray:
        """The numeric columns that are active only under conditions: two features each, after the plain ones.

        These are the cosine and the sine of an angle, times 2/pi; both are 0 where a column is inactive.
        """
        return np.flatnonzero(~np.asarray(self.space.is_categorical) & self._conditional)

    @cached_property
    def _tables(self) -> list[tuple[int, FloatArray]]:
        """Each categorical column, and the features of its levels, (levels, features)."""
        columns = np.flatnonzero(np.asarray(self.space.is_categorical))
        return [(int(j), _table(self._varying[j])) for j in columns]  # type: ignore[arg-type]

    @cached_property
    def _conditional(self) -> BoolArray:
        return np.array([bool(p.when) for p in self._varying], np.bool_)

    @cached_property
    def _varying(self) -> list[Parameter]:
        return [p for p in self.space.parameters if not p.is_constant]

    @cached_property
    def _is_identity(self) -> bool:
        return len(self.plain) == self.space.d

    @cached_property
    def column(self) -> IntArray:
        """The column that each feature comes from, (f,)."""
        tables = [np.full(table.shape[1], j) for j, table in self._tables]
        return np.concatenate([self.plain, np.repeat(self.arcs, 2), *tables])

    @cached_property
    def indicated(self) -> IntArray:
        """The categorical columns that are indicators of levels: those without descriptors."""
        bare = [j for j, _ in self._tables if not self._varying[j].descriptors]  # type: ignore[attr-defined]
        return np.array(bare, np.int64)

    def select(self, names: tuple[str, ...] | None) -> Selection:
        """Return the features of some parameters, of all by default.

        Raises
        ------
        SpaceError
            For a name that is no varying parameter of the space.
        """
        names = None if names is None else tuple(names)
        if names not in self._selections:
            self._selections[names] = self._select(names)
        return self._selections[names]

    @cached_property
    def _selections(self) -> dict[tuple[str, ...] | None, Selection]:
        return {}

    def _select(self, names: tuple[str, ...] | None) -> Selection:
        varying = [p.name for p in self._varying]
        for name in names or ():
            if name not in varying:
                raise SpaceError(
                    f"columns must name parameters that vary, got {name!r}; there are {', '.join(varying)}"
                )
        wanted = range(len(varying)) if names is None else [varying.index(name) for name in names]
        chosen = np.flatnonzero(np.isin(self.column, list(wanted)))
        columns, column = np.unique(self.column[chosen], return_inverse=True)
        title = tuple(varying[j] for j in columns)
        return Selection(None if names is None else chosen, columns, column.ravel(), len(self.column), title)

    def __call__(self, X: FloatArray) -> FloatArray:
        """Return the features of encoded points, (b, f)."""
        if self._is_identity:
            return np.ascontiguousarray(X)
        F = np.zeros((len(X), len(self.column)))
        F[:, : len(self.plain)] = X[:, self.plain]
        active = self.space.active(X) if self.space.is_conditional else None
        offset = len(self.plain)
        for j in self.arcs:
            arc, _ = _arc(X[:, j])
            F[:, offset : offset + 2] = arc if active is None else arc * active[:, j, None]
            offset += 2
        for j, table in self._tables:
            level = np.rint(X[:, j] * (len(table) - 1)).astype(np.int64)
            rows = table[level]
            F[:, offset : offset + table.shape[1]] = rows if active is None else rows * active[:, j, None]
            offset += table.shape[1]
        return F

    def pull(self, dF: FloatArray, X: FloatArray) -> FloatArray:
        """Turn gradients in the features (b, f) of points X (b, d) into gradients in the columns (b, d).

        Zero for categorical columns, which are never relaxed, and for inactive ones.
        """
        if self._is_identity:
            return dF
        dX = np.zeros((len(dF), self.space.d))
        dX[:, self.plain] = dF[:, : len(self.plain)]
        if len(self.arcs):
            active = self.space.active(X)
            offset = len(self.plain)
            for j in self.arcs:
                _, tangent = _arc(X[:, j])
                dX[:, j] = active[:, j] * (dF[:, offset : offset + 2] * tangent).sum(axis=1)
                offset += 2
        return dX


def _arc(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return places (b, 2) on the quarter circle, straight on beyond its ends, and unit tangents (b, 2)."""
    on = np.clip(x, 0.0, 1.0)
    angle = on / RADIUS
    place = np.column_stack([np.cos(angle), np.sin(angle)])
    tangent = np.column_stack([-place[:, 1], place[:, 0]])
    return RADIUS * place + (x - on)[:, None] * tangent, tangent


def _table(parameter: Categorical) -> FloatArray:
    """Return the features of each level, (levels, features)."""
    if not parameter.descriptors:
        return np.asarray(np.sqrt(0.5) * np.eye(parameter.n_levels))
    D = np.array(list(parameter.descriptors.values()), dtype=np.float64).T
    D = D - D.mean(axis=0)
    D /= np.maximum(np.abs(D).max(axis=0), np.finfo(np.float64).tiny)  # before squaring
    D /= np.maximum(D.std(axis=0), 1e-12)
    squared = ((D[:, None] - D[None]) ** 2).sum(axis=-1)
    apart = squared[~np.eye(len(D), dtype=bool)].mean()
    return np.asarray(D / np.sqrt(apart))
