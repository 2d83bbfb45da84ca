"""Checking the params that users give: whether they lie in the space, and what is wrong if not."""

from collections.abc import Mapping, Sequence

import numpy as np

from bbopt.errors import DataError
from bbopt.space.conditions import Requirement, explain
from bbopt.space.constraints import KnownConstraint, Predicate
from bbopt.space.layout import INACTIVE, Layout
from bbopt.space.values import did_you_mean, is_json, listed, plain
from bbopt.types import FloatArray, Params, Value


def check_params(layout: Layout, params: Params, *, strict: bool) -> dict[str, Value]:
    """Return params as plain values in the order of the space; see :meth:`Space.validate`."""
    _check_names(layout, params)
    deciding = {required.parent for needs in layout.requires.values() for required in needs}
    values: dict[str, Value] = {}
    # Requirements name all ancestors, so whoever has fewer of them comes before its descendants.
    for parameter in sorted(layout.parameters, key=lambda p: len(layout.requires.get(p.name, ()))):
        name, needs = parameter.name, layout.requires.get(parameter.name, ())
        if not layout.is_active(name, values):
            if name in params:
                raise DataError(_inactive(name, needs, values))
        elif name in params:
            values[name] = parameter.check(params[name], strict=strict or name in deciding)
        elif parameter.is_constant:
            values[name] = parameter.decode(INACTIVE)
        else:
            why = f", active when {explain(needs)}" if needs else ""
            raise DataError(f"params lack {name!r}: {parameter.describe()}{why}")
    return {
        parameter.name: values[parameter.name] for parameter in layout.parameters if parameter.name in values
    }


def check_constraints(constraints: Sequence[KnownConstraint], params: Params) -> None:
    """Raise DataError for the first known constraint that normalised params break."""
    for constraint in constraints:
        if isinstance(constraint, Predicate):
            holds = constraint.holds(params)
        elif all(name in params for name in constraint.names):
            point = {name: np.array([params[name]], dtype=np.float64) for name in constraint.names}
            holds = bool(constraint.holds(point)[0])
        else:
            holds = True  # it mentions an inactive parameter
        if not holds:
            raise DataError(f"params must satisfy the known constraint {str(constraint)!r}, got {params!r}")


def is_complete(layout: Layout, params: object) -> bool:
    """Whether params hold every active parameter; see :meth:`Space.is_complete`."""
    if not isinstance(params, Mapping):
        return False
    given = {name: value for name, told in params.items() if is_json(value := plain(told))}
    return all(
        parameter.name in given or parameter.is_constant or not layout.is_active(parameter.name, given)
        for parameter in layout.parameters
    )


def partial_params(layout: Layout, params: Params) -> dict[str, Value]:
    """Return some parameters as plain values, with their parents; see :meth:`Space.partial`."""
    _check_names(layout, params)
    by_name = {parameter.name: parameter for parameter in layout.parameters}
    values = {name: by_name[name].check(value) for name, value in params.items()}
    for name in tuple(values):
        for required in layout.requires.get(name, ()):
            if len(required.values) == 1:
                values.setdefault(required.parent, required.values[0])
    for name in values:
        needs = layout.requires.get(name, ())
        if not all(
            required.parent in values and required.allows(values[required.parent]) for required in needs
        ):
            open_parents = [required.parent for required in needs if required.parent not in values]
            hint = f"; give {' and '.join(map(repr, open_parents))}, too" if open_parents else ""
            raise DataError(_inactive(name, needs, values) + hint)
    return {name: values[name] for name in by_name if name in values}


def fix_columns(layout: Layout, params: Params) -> FloatArray:
    """Return some values as a row that is nan where free; see :meth:`Space.fix`."""
    values = partial_params(layout, params)
    row = np.full(len(layout.varying), np.nan)
    for j, parameter in enumerate(layout.varying):
        if parameter.name in values:
            row[j] = parameter.encode(values[parameter.name])
    return row


def _check_names(layout: Layout, params: object) -> None:
    if not isinstance(params, Mapping):
        raise DataError(f"params must be a mapping of names to values, got {params!r}")
    for name in params:
        if name not in layout.column:
            hint = did_you_mean(name, layout.column) or f"; the parameters are {listed(layout.column)}"
            raise DataError(f"params name {name!r}, which is no parameter{hint}")


def _inactive(name: str, needs: Sequence[Requirement], values: Params) -> str:
    here = ", ".join(f"{r.parent}={values[r.parent]!r}" for r in needs if r.parent in values)
    return f"params give {name!r}, which is active only when {explain(needs)}" + (
        f"; here {here}" if here else ""
    )
