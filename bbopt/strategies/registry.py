"""Strategies by name, and as plain data in a journal."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from bbopt.errors import SpaceError
from bbopt.space.values import plain
from bbopt.strategies.strategy import AnyStrategy

STRATEGIES = {
    "auto": "bbopt.strategies.auto:Auto",
    "random": "bbopt.strategies.designs:Random",
    "sobol": "bbopt.strategies.designs:Sobol",
    "lhs": "bbopt.strategies.designs:LatinHypercube",
    "grid": "bbopt.strategies.designs:Grid",
    "bo": "bbopt.strategies.bayesian:BayesianOptimization",
    "cbo": "bbopt.strategies.consensus:ConsensusBasedOptimization",
    "then": "bbopt.strategies.compose:Then",
}
"""Name -> "module:Class"; modules are imported when a name is first used."""


def strategy_class(name: str) -> type[Any]:
    """Return the class behind a name; raises SpaceError for an unknown one."""
    if name not in STRATEGIES:
        close = get_close_matches(str(name), STRATEGIES, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise SpaceError(f"strategy {name!r} is unknown; there are {', '.join(STRATEGIES)}{hint}")
    module, _, attribute = STRATEGIES[name].partition(":")
    found: type[Any] = getattr(import_module(module), attribute)
    return found


def make_strategy(strategy: "str | AnyStrategy") -> AnyStrategy:
    """Return a strategy from its name, or the object itself; raises SpaceError for anything else."""
    if isinstance(strategy, str):
        made_of = strategy_class(strategy)
        if needed := [entry.name for entry in fields(made_of) if entry.default is MISSING]:
            raise SpaceError(
                f"strategy {strategy!r} needs {', '.join(needed)}: give an object, "
                f"{made_of.__name__}({', '.join(f'{name}=...' for name in needed)})"
            )
        made: AnyStrategy = made_of()
        return made
    lacking = [
        word for word in ("init", "ask", "tell", "supports", "batch_size") if not hasattr(strategy, word)
    ]
    if lacking or isinstance(strategy, type):
        what = (
            "is a class: make an object of it"
            if isinstance(strategy, type)
            else f"lacks {', '.join(lacking)}"
        )
        raise SpaceError(
            f"strategy must be a name or an object with the Strategy protocol; {strategy!r} {what}"
        )
    return strategy


def strategy_to_dict(strategy: AnyStrategy) -> dict[str, Any]:
    """Return a strategy as plain JSON data; one that is not registered leaves only its class's name."""
    cls = type(strategy)
    path = f"{cls.__module__}:{cls.__qualname__}"
    name = next((name for name, known in STRATEGIES.items() if known == path), None)
    if name is None or not is_dataclass(strategy):
        # Not its module: that is __main__ in the script, and something else for whoever imports it.
        return {"custom": cls.__qualname__}
    options: dict[str, Any] = {}
    for entry in fields(strategy):
        value = getattr(strategy, entry.name)
        if entry.default is not MISSING and value == entry.default:
            continue
        if hasattr(value, "ask"):
            value = {"strategy": strategy_to_dict(value)}
        elif isinstance(value, Mapping):
            value = {"mapping": {key: plain(one) for key, one in value.items()}}
        options[entry.name] = plain(value)
    return {"name": name, "options": options}


def strategy_from_dict(data: Mapping[str, Any]) -> AnyStrategy | None:
    """Rebuild a strategy from :func:`strategy_to_dict`; None where part of it must be supplied again."""
    if "name" not in data:
        return None
    options: dict[str, Any] = {}
    for key, value in data["options"].items():
        if isinstance(value, Mapping):
            [(kind, value)] = value.items()
            if kind == "strategy" and (value := strategy_from_dict(value)) is None:
                return None
        options[key] = value
    made: AnyStrategy = strategy_class(data["name"])(**options)
    return made
