"""Parts of a space where runs crash. A region is a callable: encoded points X (n, d) -> bool (n,)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bbopt.errors import DataError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray, Params

from .problem import Problem

_SAMPLE = 2**16


class Region(Protocol):
    """Says which points lie inside."""

    def __call__(self, X: FloatArray) -> BoolArray:
        """Return which of the encoded points X (n, d) lie in the region, shape (n,)."""
        ...


@dataclass(frozen=True)
class Ball:
    """The points within ``radius`` of a centre, in the unit cube.

    Parameters
    ----------
    space : Space
    centre : mapping
        A point of the space, in the user's units.
    radius : float
        Euclidean, where every parameter is one wide.
    """

    space: Space
    centre: Params
    radius: float

    def __call__(self, X: FloatArray) -> BoolArray:
        """Return which rows of X (n, d) are no farther than ``radius`` from the centre."""
        return np.asarray(_distance(X, self.space.encode(self.centre)[0]) <= self.radius)


@dataclass(frozen=True)
class Box:
    """The points whose named numeric parameters all lie in their closed ranges.

    Parameters
    ----------
    space : Space
    ranges : mapping of str to (low, high)
        In the user's units; parameters not named are free. A point where a named parameter is
        inactive lies outside.
    """

    space: Space
    ranges: Mapping[str, tuple[float, float]]

    def __call__(self, X: FloatArray) -> BoolArray:
        """Return which rows of X (n, d) lie in every range."""
        columns, active = self.space.columns(X), self.space.active(X)
        inside = np.ones(len(X), dtype=bool)
        for name, (low, high) in self.ranges.items():
            values = columns[name]
            inside &= (low <= values) & (values <= high)
            column = self.space.column(name)
            if column is not None:
                inside &= active[:, column]
        return inside


@dataclass(frozen=True, eq=False)
class Path:
    """What lies around the straight path from a start to an optimum, but not the optimum itself.

    With a the start, b the optimum and S the segment between them, all encoded, u lies inside if

        dist(u, S) <= width * dist(u, b)   and   dist(u, o) > gap for every known optimum o.

    That is a drop: a cone with its point at the optimum that ends in a ball about the start. In every
    dimension it leaves the optimum open from the sides and from behind.

    Attributes
    ----------
    start, optimum : arrays (d,)
        a and b.
    optima : array (k, d)
        All known optima.
    width : float
        Between 0, the bare segment, and 1, all that does not lie behind the optimum.
    gap : float
        Radius of the balls around the optima that are left out.
    """

    start: FloatArray
    optimum: FloatArray
    optima: FloatArray
    width: float
    gap: float

    def __call__(self, X: FloatArray) -> BoolArray:
        """Return which rows of X (n, d) lie inside."""
        return self.narrowness(X) <= self.width

    def narrowness(self, X: FloatArray) -> FloatArray:
        """Return for each row of X (n, d) the least ``width`` that takes it in; infinite in the gaps."""
        along = self.optimum - self.start
        t = np.clip((X - self.start) @ along / (along @ along), 0, 1)
        from_path = _distance(X, self.start + t[:, None] * along)
        spared = np.any([_distance(X, optimum) <= self.gap for optimum in self.optima], axis=0)
        from_optimum = np.where(spared, 1.0, _distance(X, self.optimum))
        return np.asarray(np.where(spared, np.inf, from_path / from_optimum))


def crash_region(
    problem: Problem, fraction: float = 0.15, start: Params | None = None, gap: float = 0.05
) -> Path:
    """Return the region of a given volume around the path to the optimum that does not contain it.

    The :class:`Path` leads to the known optimum nearest to the start; its width is such that
    ``fraction`` of 2^16 fixed, uniformly distributed feasible points lie inside (a standard error of
    0.0014 of the volume at 0.15). The same arguments always give the same region.

    Parameters
    ----------
    problem : Problem
        With a known optimum.
    fraction : float
        Share of the space, in (0, 1), and less than what lies behind the optimum leaves; where points
        are tied, as in discrete spaces, it is met as closely as the ties allow.
    start : mapping, optional
        Where the path begins, in the user's units; by default the centre of the unit cube.
    gap : float
        Root mean square distance to an optimum up to which points are spared: the radius is
        ``gap * sqrt(d)``. At least the optima themselves are.

    Raises
    ------
    DataError
        The optimum is not known, ``fraction`` is out of reach, or the start is as good as at an optimum.
    """
    if problem.optimum is None:
        raise DataError(f"crash_region: {problem.name} has no known optimum for a path to lead to")
    if not 0 < fraction < 1:
        raise DataError(f"crash_region: fraction must lie between 0 and 1, got {fraction!r}")
    space = problem.spec.space
    centre = space.project(np.full((1, space.d), 0.5)) if start is None else space.encode(start)
    optima = space.encode(list(problem.optimum.params))
    distances = _distance(optima, centre)
    radius = gap * np.sqrt(space.d)
    if distances.min() <= radius:
        raise DataError(
            f"crash_region: the start of the path is within {radius:.3g} of an optimum of {problem.name}; "
            "give start= farther away"
        )
    path = Path(centre[0], optima[distances.argmin()], optima, width=1.0, gap=radius)
    sample = space.from_unit(Key(0, ("crash region",)).uniform_rows(0, _SAMPLE, space.d))
    width = np.quantile(path.narrowness(sample[space.feasible(sample)]), fraction, method="lower")
    if width >= 1:
        raise DataError(
            f"crash_region: fraction={fraction!r} of the space does not fit in front of the optimum of "
            f"{problem.name}; give a smaller fraction=, a smaller gap= or another start="
        )
    return Path(path.start, path.optimum, optima, float(width), radius)


def _distance(X: FloatArray, x: FloatArray) -> FloatArray:
    """Return Euclidean distances (n,) between the rows of X (n, d) and x, (d,) or (n, d)."""
    return np.asarray(np.sqrt(((X - x) ** 2).sum(axis=1)))
