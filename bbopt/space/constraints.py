"""Known constraints: what is known beforehand to be infeasible, and is never asked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from bbopt.errors import SpaceError
from bbopt.space.expressions import Comparison, Sum, evaluate, linear, names_in, parse
from bbopt.types import BoolArray, FloatArray, Params

ROUNDING = 1e-12
"""Comparisons hold up to this share of the sum of the sizes of their terms: 0.1 + 0.2 <= 0.3 is true."""

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class LinearForm:
    """sum of coefficient * parameter <= bound (< if strict), in the user's units."""

    coefficients: Mapping[str, float]
    bound: float
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Formula:
    """A known constraint written as text: ``Formula("x1 + 2*x2 <= 3")``.

    Parameters
    ----------
    text : str
        One comparison or a chain of them; see :mod:`bbopt.space.expressions` for the grammar.
        Comparisons forgive rounding, see :data:`ROUNDING`: with ``<=`` equal means feasible, with
        ``<`` it does not.

    Attributes
    ----------
    names : tuple of str
        The parameters it mentions.
    linear : tuple of LinearForm or None
        The same constraint as linear inequalities; None if it is not linear.

    Raises
    ------
    SpaceError
        With the place, when the text does not follow the grammar.
    """

    text: str
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    linear: tuple[LinearForm, ...] | None = field(init=False, repr=False, compare=False)
    _comparisons: tuple[tuple[Comparison, LinearForm | None], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise SpaceError(f'a constraint must be a text such as "x1 + 2*x2 <= 3", got {self.text!r}')
        comparisons = parse(self.text)
        names = {name: None for c in comparisons for side in (c.left, c.right) for name in names_in(side)}
        if not names:
            raise SpaceError(f"constraint {self.text!r} must mention at least one parameter")
        pairs = tuple((comparison, _linear_form(comparison)) for comparison in comparisons)
        forms = tuple(form for _, form in pairs if form is not None)
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "linear", forms if len(forms) == len(pairs) else None)
        object.__setattr__(self, "_comparisons", pairs)

    def holds(self, columns: Mapping[str, FloatArray]) -> BoolArray:
        """Return in which rows the constraint holds; where it cannot be computed, it does not.

        Parameters
        ----------
        columns : mapping of str to float64 array of shape (n,)
            At least the parameters in ``names``, in the user's units.
        """
        result = np.ones(np.shape(columns[self.names[0]]), dtype=np.bool_)
        for _, _, holds in self._compared(columns):
            result &= holds
        return result

    def excess(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Return by how much each comparison is broken, shape (n, number of comparisons).

        Above 0 exactly where it does not hold, inf where it cannot be computed.
        """
        parts = []
        for excess, slack, holds in self._compared(columns):
            broken = np.where(np.isnan(excess), np.inf, np.maximum(excess, slack + _TINY))
            parts.append(np.where(holds, np.minimum(excess, 0.0), broken))
        return np.stack(np.broadcast_arrays(*parts, columns[self.names[0]])[:-1], axis=1)

    def is_tight(self, columns: Mapping[str, FloatArray]) -> BoolArray:
        """Return in which rows it holds with next to nothing to spare: a millionth of its terms' sizes."""
        result = np.zeros(np.shape(columns[self.names[0]]), dtype=np.bool_)
        for excess, slack, holds in self._compared(columns):
            result |= holds & (excess >= -1e6 * slack)
        return result

    def _compared(
        self, columns: Mapping[str, FloatArray]
    ) -> Iterator[tuple[FloatArray, FloatArray, BoolArray]]:
        """Yield left - right of each comparison, how much rounding to forgive, and where it holds."""
        for comparison, form in self._comparisons:
            with np.errstate(all="ignore"):
                terms = _terms(comparison, form, columns)
                excess = reduce(np.add, terms)
                slack = ROUNDING * reduce(np.add, map(np.abs, terms))
                holds = (excess < -slack) if comparison.strict else (excess <= slack)
            yield excess, slack, holds & np.isfinite(excess)

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> str:
        """Return the text."""
        return self.text


def _linear_form(comparison: Comparison) -> LinearForm | None:
    coefficients = linear(Sum(((1, comparison.left), (-1, comparison.right))))
    if coefficients is None or not all(map(isfinite, coefficients.values())):
        return None
    bound = -coefficients.pop(None, 0.0) + 0.0
    return LinearForm({str(name): factor for name, factor in coefficients.items()}, bound, comparison.strict)


def _terms(
    comparison: Comparison, form: LinearForm | None, columns: Mapping[str, FloatArray]
) -> list[FloatArray]:
    """Return the terms of left - right, whose sum is to be at most 0.

    Linear comparisons are multiplied out first, others are cut at their outermost sums: the sizes
    of the terms say how much rounding to forgive.
    """
    if form is not None:
        scaled = [columns[name] * factor for name, factor in form.coefficients.items()]
        return [*scaled, np.asarray(-form.bound)]
    terms = []
    for sign, side in ((1.0, comparison.left), (-1.0, comparison.right)):
        parts = side.terms if isinstance(side, Sum) else ((1, side),)
        terms += [evaluate(part, columns) * (sign * own) for own, part in parts]
    return terms


@dataclass(frozen=True, slots=True)
class Predicate:
    """A known constraint given as a function of one point.

    Parameters
    ----------
    function : callable
        Takes params (the active parameters by name) and returns True where the point is feasible.
        It is never stored: whoever reopens a study supplies it again.
    name : str
        The name under which it is supplied again; the function's own name by default.
    """

    function: Callable[[dict[str, Any]], object]
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise SpaceError(f"a constraint must be a text or a callable, got {self.function!r}")
        if not self.name:
            own = getattr(self.function, "__name__", None) or type(self.function).__name__
            object.__setattr__(self, "name", str(own))

    def holds(self, params: Params) -> bool:
        """Return whether one point is feasible; SpaceError when the function fails to say."""
        try:
            result = self.function(dict(params))
        except Exception as error:
            raise SpaceError(
                f"constraint {self.name!r} must handle every point of the space (inactive parameters are "
                f"absent), but raised {type(error).__name__}: {error}, for params {dict(params)}"
            ) from error
        if not isinstance(result, (bool, np.bool_, int, np.integer)):
            raise SpaceError(
                f"constraint {self.name!r} must return True or False, got {result!r} for {dict(params)}"
            )
        return bool(result)

    def __str__(self) -> str:
        return self.name

    def to_json(self) -> dict[str, str]:
        """Return ``{"callable": name}``."""
        return {"callable": self.name}


KnownConstraint: TypeAlias = Formula | Predicate
