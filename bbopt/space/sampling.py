"""Drawing feasible points: by rejection where that works, by walks where hardly any point is feasible."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.space.constraints import Formula, KnownConstraint, Predicate
from bbopt.space.layout import Activity, Layout
from bbopt.space.rejection import sample_rows
from bbopt.space.values import listed
from bbopt.space.walks import Cloud, find_cloud, walk_rows
from bbopt.types import BoolArray, FloatArray

_RARE = 2**10
"""Rejection is given up where fewer than one draw in so many is feasible."""
_RARE_LEVELS = 2**13
"""The same where there are levels alone: points that stand alone are hard to walk to."""


def is_feasible(
    layout: Layout, constraints: Sequence[KnownConstraint], P: FloatArray, activity: Activity
) -> BoolArray:
    """Return which rows of snapped P satisfy the known constraints, shape (n,)."""
    result = np.ones(len(P), dtype=np.bool_)
    if not constraints:
        return result
    formulas = [constraint for constraint in constraints if isinstance(constraint, Formula)]
    columns = _columns(layout, formulas, P)
    for formula in formulas:
        holds = formula.holds(columns)
        for name in formula.names:
            if name in activity:
                holds |= ~activity[name]
        result &= holds
    for constraint in constraints:
        if isinstance(constraint, Predicate):
            for i in np.flatnonzero(result):
                result[i] = constraint.holds(layout.decode_row(P[i].tolist()))
    return result


def _columns(layout: Layout, formulas: Sequence[Formula], P: FloatArray) -> dict[str, FloatArray]:
    """Return the parameters that formulas mention as numbers, each of shape (n,)."""
    values = layout.values(P, {name for formula in formulas for name in formula.names})
    return {name: column.astype(np.float64) for name, column in values.items()}


@dataclass(frozen=True, eq=False)
class Sampler:
    """The feasible points with some columns held, and how to draw them.

    Parameters
    ----------
    layout : Layout
    constraints : sequence of KnownConstraint
    held : ndarray, shape (d,)
        nan where free. Held columns come out active.
    """

    layout: Layout
    constraints: Sequence[KnownConstraint]
    held: FloatArray

    @cached_property
    def _is_held(self) -> BoolArray:
        return ~np.isnan(self.held)

    @cached_property
    def _guarded(self) -> list[str]:
        columns = {name: self.layout.column[name] for name in self.layout.requires}
        return [name for name, j in columns.items() if j is not None and self._is_held[j]]

    @cached_property
    def _cloud(self) -> Cloud:
        is_continuous = bool((~self._is_held & (self.layout.n_levels == 0)).any())
        rare = _RARE if is_continuous else _RARE_LEVELS
        return find_cloud(self._draw, self._excess, len(self.held), rare)

    def sample(self, n: int, rng: Key, start: int) -> FloatArray:
        """Return feasible snapped points, shape (n, d); see :meth:`Space.sample`."""
        X, left = sample_rows(self._draw, n, len(self.held), rng, start, lambda: self._cloud.is_thin)
        if left.size:
            if not len(self._cloud.U):
                raise SpaceError(self._nothing())
            X[left] = walk_rows(self._draw, self._cloud, start + left, rng)
        return X

    def _nothing(self) -> str:
        fixed = " with these fixed values" if self._is_held.any() else ""
        return (
            f"no feasible point found in {self._cloud.n_draws} draws and a local search{fixed}: the known "
            "constraints may contradict one another, or leave next to nothing of the space "
            f"({listed(map(str, self.constraints))})"
        )

    def _placed(self, U: FloatArray) -> tuple[FloatArray, Activity]:
        """Return uniform draws as snapped points with the held columns, and their activity."""
        P = self.layout.quantiles(U)
        if self._is_held.any():
            P = self.layout.snapped(np.where(self._is_held, self.held, P))
        return P, self.layout.blank(P)

    def _draw(self, U: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return uniform draws as points, and which of them are good: feasible, held columns active."""
        P, activity = self._placed(U)
        is_good = is_feasible(self.layout, self.constraints, P, activity)
        for name in self._guarded:
            is_good &= activity[name]
        return P, is_good

    def _excess(self, U: FloatArray) -> FloatArray:
        """Return by how much each formula is broken and which held columns are inactive, shape (n, m)."""
        P, activity = self._placed(U)
        formulas = [constraint for constraint in self.constraints if isinstance(constraint, Formula)]
        columns = _columns(self.layout, formulas, P)
        parts = [np.where(activity[name], 0.0, 1.0)[:, None] for name in self._guarded]
        for formula in formulas:
            E = formula.excess(columns)
            for name in formula.names:
                if name in activity:
                    E[~activity[name]] = 0.0
            parts.append(E)
        return np.concatenate([np.zeros((len(P), 1)), *parts], axis=1)
