"""From what users give to parameters and known constraints: lists, and plain dicts (JSON, YAML)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from bbopt.errors import SpaceError
from bbopt.space.constraints import Formula, KnownConstraint, Predicate
from bbopt.space.numeric import Integer, Real
from bbopt.space.parameters import Categorical, Constant, Ordinal, Parameter
from bbopt.space.values import did_you_mean, listed

Function: TypeAlias = Callable[[dict[str, Any]], object]
"""A known constraint as a function of params."""

_KINDS: Mapping[object, type[Parameter]] = {
    kind.kind: kind for kind in (Real, Integer, Categorical, Ordinal, Constant)
}

# --- lists ---------------------------------------------------------------------------------------


def read_parameters(given: object) -> tuple[Parameter, ...]:
    """Return the parameters of a space; SpaceError for none, for other things, for repeated names."""
    if isinstance(given, (str, Mapping, Parameter)) or not isinstance(given, Iterable):
        raise SpaceError(f"parameters must be a list such as [Real('x', 0, 1)], got {given!r}")
    parameters = tuple(given)
    if not parameters:
        raise SpaceError("parameters must hold at least one parameter, got none")
    names = set()
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            kinds = ", ".join(kind.__name__ for kind in _KINDS.values())
            raise SpaceError(f"parameters must be any of {kinds}, got {parameter!r}")
        if parameter.name in names:
            raise SpaceError(f"parameters must have different names, got {parameter.name!r} twice")
        names.add(parameter.name)
    return parameters


def read_constraints(given: object, parameters: Sequence[Parameter]) -> tuple[KnownConstraint, ...]:
    """Return the known constraints of a space; SpaceError where one does not fit the parameters."""
    if isinstance(given, (str, Mapping, Formula, Predicate)) or not isinstance(given, Iterable):
        raise SpaceError(f"constraints must be a list such as ['x + y <= 1'], got {given!r}")
    by_name = {parameter.name: parameter for parameter in parameters}
    constraints: list[KnownConstraint] = []
    times: dict[str, int] = {}
    for rule in given:
        if isinstance(rule, (str, Formula)):
            formula = Formula(rule) if isinstance(rule, str) else rule
            for name in formula.names:
                _check_operand(formula.text, name, by_name)
            constraints.append(formula)
        else:
            predicate = rule if isinstance(rule, Predicate) else Predicate(rule)
            # Functions are supplied again by name, so a second <lambda> needs one of its own.
            times[predicate.name] = number = times.get(predicate.name, 0) + 1
            unique = predicate.name if number == 1 else f"{predicate.name}#{number}"
            constraints.append(Predicate(predicate.function, unique))
    return tuple(constraints)


def _check_operand(text: str, name: str, by_name: Mapping[str, Parameter]) -> None:
    if name not in by_name:
        hint = did_you_mean(name, by_name) or f"; the parameters are {listed(by_name)}"
        raise SpaceError(f"constraint {text!r} mentions {name!r}, which is no parameter{hint}")
    if not by_name[name].is_numeric:
        raise SpaceError(
            f"constraint {text!r} calculates with {name!r}, which is not a number but "
            f"{by_name[name].describe()}; use a function of the params, or when="
        )


# --- plain dicts ---------------------------------------------------------------------------------


def space_from_dict(
    data: object, callables: Mapping[str, Function] | None
) -> tuple[list[Parameter], list[KnownConstraint]]:
    """Return the parameters and constraints that ``Space.to_dict`` wrote; SpaceError for anything else."""
    if not isinstance(data, Mapping) or "parameters" not in data:
        raise SpaceError(
            f'a space must look like {{"parameters": [...], "constraints": [...]}}, got {data!r}'
        )
    for key in data:
        if key not in ("parameters", "constraints"):
            raise SpaceError(f"a space has parameters and constraints, got {key!r} as well")
    entries, rules = data["parameters"], data.get("constraints")
    rules = [] if rules is None else rules
    for name, given in (("parameters", entries), ("constraints", rules)):
        if not isinstance(given, (list, tuple)):
            raise SpaceError(f"{name} of a space must be a list, got {given!r}")
    parameters = [_parameter_from_dict(entry) for entry in entries]
    return parameters, _constraints_from_list(rules, callables or {})


def _parameter_from_dict(entry: object) -> Parameter:
    example = '{"type": "real", "name": "x", "low": 0, "high": 1}'
    if not isinstance(entry, Mapping) or not all(isinstance(key, str) for key in entry):
        raise SpaceError(f"a parameter must look like {example}, got {entry!r}")
    settings = dict(entry)
    kind, name = settings.pop("type", None), settings.get("name")
    if not isinstance(kind, str) or kind not in _KINDS:
        hint = did_you_mean(kind, _KINDS) or f"; the types are {listed(_KINDS)}"
        raise SpaceError(f"parameter {name!r}: no type {kind!r}{hint}")
    try:
        return _KINDS[kind](**settings)
    except TypeError as error:  # a setting too many or too few
        problem = str(error).partition("__init__() ")[2] or str(error)
        raise SpaceError(f"parameter {name!r} of type {kind!r}: {problem}") from error


def _constraints_from_list(
    rules: Sequence[object], callables: Mapping[str, Function]
) -> list[KnownConstraint]:
    constraints: list[KnownConstraint] = []
    missing = []
    for rule in rules:
        if isinstance(rule, str):
            constraints.append(Formula(rule))
        elif isinstance(rule, Mapping) and isinstance(rule.get("callable"), str) and len(rule) == 1:
            name = rule["callable"]
            if name in callables:
                constraints.append(Predicate(callables[name], name))
            else:
                missing.append(name)
        else:
            raise SpaceError(f'a constraint must be a text or {{"callable": name}}, got {rule!r}')
    if missing:
        example = ", ".join(f"{name!r}: ..." for name in missing)
        raise SpaceError(f"constraints that are functions are never stored: supply callables={{{example}}}")
    return constraints
