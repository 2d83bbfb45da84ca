"""Linear known constraints as half-spaces of the unit cube, for searches that move along them."""

from collections.abc import Sequence

import numpy as np

from bbopt.space.constraints import ROUNDING, Formula, KnownConstraint, LinearForm
from bbopt.space.layout import Layout
from bbopt.space.numeric import Integer, Real
from bbopt.space.parameters import Parameter
from bbopt.types import BoolArray, FloatArray


def halfspaces(
    layout: Layout, constraints: Sequence[KnownConstraint], X: FloatArray, moving: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return A (m, d) and b (r, m); see :meth:`bbopt.space.Space.halfspaces`."""
    formulas = [constraint for constraint in constraints if isinstance(constraint, Formula)]
    forms = [form for formula in formulas for form in formula.linear or ()]
    values = layout.values(X, {name for form in forms for name in form.coefficients})
    activity = layout.activity(X)
    rows, limits = [np.empty((0, len(moving)))], [np.empty((len(X), 0))]
    for form in forms:
        with np.errstate(over="ignore", invalid="ignore"):
            row = _row(layout, form, moving)
            if row is None or not row.any():
                continue
            terms = [factor * values[name].astype(np.float64) for name, factor in form.coefficients.items()]
            limit = X @ row + form.bound - np.sum(terms, axis=0)
            if form.strict:  # what is too close to equal counts as equal, and is infeasible
                limit -= 2 * ROUNDING * (np.sum(np.abs(terms), axis=0) + np.abs(row).sum() + abs(form.bound))
        for name in form.coefficients:
            if name in activity:
                limit[~activity[name]] = np.inf
        if np.isfinite(row).all() and not np.isnan(limit).any():
            rows.append(row[None])
            limits.append(limit[:, None])
    return np.concatenate(rows), np.concatenate(limits, axis=1)


def _row(layout: Layout, form: LinearForm, moving: BoolArray) -> FloatArray | None:
    """Return a form's factors of the moving columns (d,); None where it is not linear in one of them."""
    row = np.zeros(len(moving))
    for name, factor in form.coefficients.items():
        j = layout.column[name]
        if j is None or not moving[j]:
            continue
        width = _width(layout.varying[j])
        if width is None:
            return None
        row[j] = factor * width
    return row


def _width(parameter: Parameter) -> float | None:
    """Return how far a value moves as its place goes from 0 to 1; None where it does not move evenly."""
    if isinstance(parameter, Real) and not parameter.log:
        return parameter.decode(1.0) - parameter.decode(0.0)
    if isinstance(parameter, Integer) and parameter.is_even:
        return float(parameter.decode(1.0) - parameter.decode(0.0))
    return None
