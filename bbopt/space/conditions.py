"""Conditional parameters: from each parameter's ``when`` to what must hold for it to be active."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bbopt.errors import DataError, SpaceError
from bbopt.space.numeric import Real
from bbopt.space.parameters import Parameter
from bbopt.space.values import ValueKey, did_you_mean, listed, same_key
from bbopt.types import BoolArray, FloatArray, Value


@dataclass(frozen=True, slots=True, eq=False)
class Requirement:
    """One ancestor that must have one of some values.

    Attributes
    ----------
    parent : str
        The ancestor's name.
    column : int
        Its column.
    values : tuple
        The values under which the child is active.
    keys : frozenset
        The same as keys for look-ups, see :func:`~bbopt.space.values.same_key`.
    places : ndarray
        The same as encoded levels.
    """

    parent: str
    column: int
    values: tuple[Value, ...]
    keys: frozenset[ValueKey]
    places: FloatArray

    def allows(self, value: Value) -> bool:
        """Whether a value of the parent lets the child be active."""
        return same_key(value) in self.keys

    def holds(self, P: FloatArray) -> BoolArray:
        """Return in which rows of P, whose discrete columns are on levels, the parent has such a value."""
        column = P[:, self.column]
        if len(self.places) > 8:
            return np.isin(column, self.places)
        result: BoolArray = column == self.places[0]
        for place in self.places[1:]:
            result |= column == place
        return result


Allowed = dict[str, dict[ValueKey, Value]]  # ancestor -> its values that allow the child


def resolve(parameters: Sequence[Parameter]) -> list[tuple[Requirement, ...]]:
    """Return for each parameter everything that must hold for it to be active.

    Ancestors of all generations are included: a parameter is active exactly if each of them has
    one of the required values, so that nobody needs to walk the tree later. Constant ancestors are
    settled here and drop out.

    Raises
    ------
    SpaceError
        For unknown parents, values that the parent cannot take, Real parents, cycles, and
        conditions that can never hold.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    columns = {p.name: j for j, p in enumerate(p for p in parameters if not p.is_constant)}
    done: dict[str, Allowed] = {}

    def allowed_for(name: str, descendants: tuple[str, ...]) -> Allowed:
        if name in done:
            return done[name]
        if name in descendants:
            circle = " -> ".join((*descendants[descendants.index(name) :], name))
            raise SpaceError(f"when conditions must not go in a circle, got {circle}")
        child, allowed = by_name[name], Allowed()
        for parent in child.when:
            direct = _direct(child, parent, by_name)
            above = allowed_for(parent, (*descendants, name))
            for ancestor, values in (*above.items(), (parent, direct)):
                common = {key: values[key] for key in allowed.get(ancestor, values) if key in values}
                if not common:
                    raise SpaceError(
                        f"{child._title} can never be active: its conditions need {ancestor!r} to be "
                        f"{_either(allowed[ancestor])} and {_either(values)}"
                    )
                allowed[ancestor] = common
        done[name] = allowed
        return allowed

    def requirement(parent: str, values: dict[ValueKey, Value]) -> Requirement:
        places = np.array([by_name[parent].encode(value) for value in values.values()])
        return Requirement(parent, columns[parent], tuple(values.values()), frozenset(values), places)

    return [
        tuple(
            requirement(parent, values)
            for parent, values in allowed_for(parameter.name, ()).items()
            if parent in columns
        )
        for parameter in parameters
    ]


def _direct(child: Parameter, parent: str, by_name: dict[str, Parameter]) -> dict[ValueKey, Value]:
    """Return the values that ``child.when`` names for one parent, checked against that parent."""
    if parent not in by_name:
        hint = did_you_mean(parent, by_name) or f"; the parameters are {listed(by_name)}"
        raise SpaceError(f"{child._title}: when names {parent!r}, which is no parameter{hint}")
    if isinstance(by_name[parent], Real):
        raise SpaceError(
            f"{child._title}: when names {parent!r}, which is Real; parents must be Categorical, Ordinal, "
            "Integer or Constant"
        )
    checked: dict[ValueKey, Value] = {}
    for wanted in child.when[parent]:
        try:
            value = by_name[parent].check(wanted)
        except DataError as error:
            raise SpaceError(f"{child._title}: when[{parent!r}] can never be {wanted!r}: {error}") from error
        checked[same_key(value)] = value
    return checked


def _either(values: dict[ValueKey, Value]) -> str:
    return " or ".join(map(repr, values.values()))


def explain(requirements: Sequence[Requirement]) -> str:
    """Return the requirements as text: "kernel='poly' and layers in (2, 3)"."""
    return " and ".join(
        f"{r.parent}={r.values[0]!r}" if len(r.values) == 1 else f"{r.parent} in ({listed(r.values)})"
        for r in requirements
    )
