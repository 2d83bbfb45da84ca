"""What the parameters of a space have in common, and the kinds whose values are listed one by one."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bbopt.errors import DataError, SpaceError
from bbopt.space.scales import clipped
from bbopt.space.values import ValueKey, did_you_mean, is_json, is_number, listed, plain, same_key
from bbopt.types import FloatArray, Value, is_finite


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parameter(ABC):
    """One setting: a name, a range or a list of values, and when it is used at all.

    Parameters
    ----------
    name : str
        Any non-empty text; names that are no identifiers are back-quoted in constraints.
    when : mapping, optional
        The values of other parameters under which this one is active: ``{"kernel": "poly"}`` or
        ``{"kernel": ["poly", "rbf"], "scaled": True}``; all entries must hold. Parents may be
        declared later, be conditional themselves, and be of any kind except Real.

    Attributes
    ----------
    n_levels : int
        How many values there are: 0 if infinitely many, 1 for a constant, which has no column.
    """

    kind: ClassVar[str]
    _shown_bare: ClassVar[tuple[str, ...]] = ("name", "low", "high", "choices", "value")

    name: str
    when: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    n_levels: int = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SpaceError(f"{type(self).__name__}: name must be a non-empty text, got {self.name!r}")
        self._set(name=plain(self.name), when=_read_when(self))

    def _set(self, **derived: object) -> None:
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @abstractmethod
    def encode(self, value: Any) -> float:
        """Return the place of one value in the unit interval; beyond it for values outside of the range."""

    @abstractmethod
    def decode(self, u: float) -> Value:
        """Return the value nearest to place ``u``, in the user's units."""

    @abstractmethod
    def decode_column(self, u: FloatArray) -> NDArray[Any]:
        """Return the values nearest to the places ``u`` of shape (n,): ``decode``, vectorised."""

    @abstractmethod
    def check(self, value: object, *, strict: bool = True) -> Value:
        """Return ``value`` as a plain Python value.

        Raises
        ------
        DataError
            When it is of the wrong type and, with ``strict``, when it is outside of the range or
            between levels.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return what a value must be, for messages: "a number in [0.0, 1.0]"."""

    @property
    @abstractmethod
    def is_numeric(self) -> bool:
        """Whether all values are numbers, so that constraints may calculate with them."""

    @property
    def is_constant(self) -> bool:
        """Whether there is only one value, and hence no column."""
        return self.n_levels == 1

    @property
    def _title(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return the parameter as plain JSON data, defaults left out."""
        data: dict[str, Any] = {"type": self.kind}
        for entry in fields(self):
            if entry.init and entry.name != "when":
                value = getattr(self, entry.name)
                if entry.default is MISSING or value != entry.default:
                    data[entry.name] = list(value) if isinstance(value, tuple) else value
        if self.when:  # last, where it reads best
            single = {parent: values[0] for parent, values in self.when.items() if len(values) == 1}
            data["when"] = {parent: single.get(parent, list(values)) for parent, values in self.when.items()}
        return data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)  # as text, 1, 1.0 and true differ

    def __repr__(self) -> str:
        data = self.to_dict()
        del data["type"]
        shown = [repr(v) if k in self._shown_bare else f"{k}={v!r}" for k, v in data.items()]
        return f"{type(self).__name__}({', '.join(shown)})"


def _read_when(parameter: Parameter) -> dict[str, tuple[Value, ...]]:
    """Return ``when`` in one form: parent -> the values under which the child is active."""
    title, given = parameter._title, parameter.when
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise SpaceError(f'{title}: when must look like {{"kernel": "poly"}}, got {given!r}')
    conditions: dict[str, tuple[Value, ...]] = {}
    for parent, wanted in given.items():
        if not isinstance(parent, str):
            raise SpaceError(f"{title}: when must name its parents by text, got {parent!r}")
        several = isinstance(wanted, (list, tuple, set, frozenset, range))
        values = [plain(value) for value in (wanted if several else [wanted])]
        if isinstance(wanted, (set, frozenset)):
            values.sort(key=repr)  # sets come in no fixed order
        if not values:
            raise SpaceError(f"{title}: when[{parent!r}] must hold at least one value, got none")
        checked: dict[ValueKey, Value] = {}
        for value in values:
            if not is_json(value):
                raise SpaceError(
                    f"{title}: when[{parent!r}] must hold values of that parameter, got {value!r}"
                )
            checked[same_key(value)] = value
        conditions[parent] = tuple(checked.values())
    return conditions


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Listed(Parameter):
    """A parameter whose values are listed: value i of K is at i / (K - 1)."""

    choices: Sequence[Value]
    _place: dict[ValueKey, float] = field(init=False)
    _table: NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        Parameter.__post_init__(self)
        choices = _read_choices(self)
        top = max(len(choices) - 1, 1)
        place = {same_key(choice): i / top for i, choice in enumerate(choices)}
        if len(place) < len(choices):
            twice = [value for (_, value), times in Counter(map(same_key, choices)).items() if times > 1]
            raise SpaceError(
                f"{self._title}: choices must all be different, got {listed(twice)} more than once"
            )
        self._set(choices=choices, n_levels=len(choices), _place=place, _table=_table(choices))

    def encode(self, value: Any) -> float:
        """Return i / (K - 1) for value i of K; KeyError for any other value."""
        return self._place[same_key(value)]

    def decode(self, u: float) -> Value:
        """Return the value nearest to place ``u``."""
        top = self.n_levels - 1
        return self.choices[min(max(round(u * top), 0), top)]

    def decode_column(self, u: FloatArray) -> NDArray[Any]:
        """Return the values nearest to the places ``u``: as numbers if all are of one type, else objects."""
        column: NDArray[Any] = self._table[np.rint(clipped(u) * (self.n_levels - 1)).astype(np.intp)]
        return column

    def check(self, value: object, *, strict: bool = True) -> Value:
        """Return ``value`` as it stands in the list; DataError if it does not, strict or not."""
        value = plain(value)
        if is_json(value) and same_key(value) in self._place:
            return self.decode(self._place[same_key(value)])
        hint = did_you_mean(value, self.choices)
        raise DataError(f"parameter {self.name!r} must be {self.describe()}, got {value!r}{hint}")

    def describe(self) -> str:
        """Return "one of 'rbf', 'poly'"."""
        return f"one of {listed(self.choices)}" if len(self.choices) > 1 else repr(self.choices[0])

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers (bools are not)."""
        return all(is_number(choice) for choice in self.choices)


def _read_descriptors(parameter: "Categorical") -> dict[str, tuple[float, ...]] | None:
    """Return descriptors as plain numbers; None where there are none."""
    title, given = parameter._title, parameter.descriptors
    if not given and (given is None or isinstance(given, Mapping)):
        return None
    example = f"a mapping of names to {parameter.n_levels} numbers each, one a choice"
    if not isinstance(given, Mapping):
        raise SpaceError(f"{title}: descriptors must be {example}, got {given!r}")
    read: dict[str, tuple[float, ...]] = {}
    for name, values in given.items():
        listed_values = [plain(v) for v in values] if isinstance(values, (list, tuple, np.ndarray)) else []
        if len(listed_values) != parameter.n_levels or not all(is_finite(v) for v in listed_values):
            raise SpaceError(f"{title}: descriptors must be {example}, all finite; got {name!r}: {values!r}")
        read[str(name)] = tuple(np.array(listed_values, np.float64).tolist())
    rows = list(zip(*read.values(), strict=True))
    for i, row in enumerate(rows):
        if row in rows[:i]:
            twins = f"{parameter.choices[rows.index(row)]!r} and {parameter.choices[i]!r}"
            raise SpaceError(f"{title}: descriptors must tell all choices apart, but {twins} have the same")
    return read


def _read_choices(parameter: "_Listed") -> tuple[Value, ...]:
    title, given = parameter._title, parameter.choices
    if not isinstance(given, (list, tuple, range, np.ndarray)):
        why = " (a set has no order)" if isinstance(given, (set, frozenset)) else ""
        raise SpaceError(f"{title}: choices must be a list of values, got {given!r}{why}")
    choices = []
    for choice in map(plain, given):
        if not is_json(choice):
            raise SpaceError(
                f"{title}: choices must be texts, numbers, True, False or None, got {choice!r}; "
                "name the choice by a text and look the object up in the objective"
            )
        choices.append(choice)
    if not choices:
        raise SpaceError(f"{title}: choices must hold at least one value, got none")
    return tuple(choices)


def _table(choices: tuple[Value, ...]) -> NDArray[Any]:
    """Return the choices as an array whose ``tolist`` gives them back verbatim."""
    for kind in (float, int, bool):
        if all(type(choice) is kind for choice in choices):
            try:
                return np.array(choices, dtype=kind)
            except OverflowError:  # integers beyond 64 bits stay objects
                break
    table = np.empty(len(choices), dtype=object)
    table[:] = choices
    return table


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Categorical(_Listed):
    """One of several values without order: ``Categorical("kernel", ["rbf", "poly"])``.

    Parameters
    ----------
    name : str
    choices : list of str, int, float, bool or None
        All different as JSON values: 1 and True are, 1 and 1.0 are not. One choice alone makes a
        constant.
    when : mapping, optional
        See :class:`Parameter`.
    descriptors : mapping of str to sequence of float, optional
        What is known of the choices in numbers, one a choice: ``{"polarity": [10.2, 5.1], "mass": [18, 46]}``
        for two solvents. Models then take choices with near descriptors for alike, instead of all for
        equally different.

    Raises
    ------
    SpaceError
        For no choices, repeated ones, values that JSON does not know, and descriptors that are not one
        finite number a choice or do not tell all choices apart.
    """

    kind: ClassVar[str] = "categorical"

    descriptors: Mapping[str, Sequence[float]] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _Listed.__post_init__(self)
        self._set(descriptors=_read_descriptors(self))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ordinal(_Listed):
    """One of several values in order, equally far apart: ``Ordinal("size", ["S", "M", "L"])``.

    Parameters, errors: see :class:`Categorical`. ``Ordinal("batch", [16, 32, 64, 128])`` is how to
    write powers of two.
    """

    kind: ClassVar[str] = "ordinal"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant(Parameter):
    """A value that stays the same, carried in every params: ``Constant("solver", "adam")``.

    Parameters
    ----------
    name : str
    value : str, int, float, bool or None
    when : mapping, optional
        See :class:`Parameter`.
    """

    kind: ClassVar[str] = "constant"

    value: Value

    def __post_init__(self) -> None:
        Parameter.__post_init__(self)
        value = plain(self.value)
        if not is_json(value):
            raise SpaceError(
                f"{self._title}: value must be a text, a number, True, False or None, got {value!r}"
            )
        self._set(value=value, n_levels=1)

    def encode(self, value: Any) -> float:
        """Return 0.5, the only place."""
        return 0.5

    def decode(self, u: float) -> Value:
        """Return the value."""
        return self.value

    def decode_column(self, u: FloatArray) -> NDArray[Any]:
        """Return the value n times."""
        return np.repeat(_table((self.value,)), len(u))

    def check(self, value: object, *, strict: bool = True) -> Value:
        """Return the value; DataError for any other, strict or not."""
        value = plain(value)
        if is_json(value) and same_key(value) == same_key(self.value):
            return self.value
        raise DataError(f"parameter {self.name!r} must be {self.describe()} (it is constant), got {value!r}")

    def describe(self) -> str:
        """Return the value as text."""
        return repr(self.value)

    @property
    def is_numeric(self) -> bool:
        """Whether the value is a number."""
        return is_number(self.value)
