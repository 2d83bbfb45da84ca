"""Strategies by name, and as plain data in a journal."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
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
    "turbo": "bbopt.strategies.trust_region:TrustRegion",
    "baxus": "bbopt.strategies.baxus:BAxUS",
    "cbo": "bbopt.strategies.consensus:ConsensusBasedOptimization",
    "dumbo": "bbopt.strategies.dumbo:DuMBO",
    "then": "bbopt.strategies.compose:Then",
    "alternate": "bbopt.strategies.compose:Alternate",
}
"""Name -> "module:Class"; modules are imported when a name is first used."""

PARTS = {
    "gp": "bbopt.surrogates.process:GaussianProcess",
    "matern": "bbopt.surrogates.kernels.stationary:Matern",
    "rbf": "bbopt.surrogates.kernels.stationary:RBF",
    "rational-quadratic": "bbopt.surrogates.kernels.rational:RationalQuadratic",
    "periodic": "bbopt.surrogates.kernels.periodic:Periodic",
    "linear": "bbopt.surrogates.kernels.linear:Linear",
    "sum": "bbopt.surrogates.kernels.algebra:Sum",
    "product": "bbopt.surrogates.kernels.algebra:Product",
}
"""What strategies are configured with, as far as a journal can hold it."""


def strategy_class(name: str) -> type[Any]:
    """Return the class behind a name; raises SpaceError for an unknown one."""
    if name not in STRATEGIES:
        close = get_close_matches(str(name), STRATEGIES, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise SpaceError(f"strategy {name!r} is unknown; there are {', '.join(STRATEGIES)}{hint}")
    return _load(name, STRATEGIES)


def make_strategy(strategy: "str | AnyStrategy") -> AnyStrategy:
    """Return a strategy from its name, or the object itself; raises SpaceError for anything else."""
    if isinstance(strategy, str):
        made_of = strategy_class(strategy)
        if needed := [entry.name for entry in fields(made_of) if _default(entry) is MISSING]:
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
    """Return a strategy as plain JSON data; one that is not registered leaves only its class's name.

    So does one with a part that is not, such as a function of yours as its acquisition.
    """
    name = _name_of(strategy, STRATEGIES)
    options = None if name is None else _options(strategy)
    # Not its module: that is __main__ in the script, and something else for whoever imports it.
    return {"custom": type(strategy).__qualname__} if options is None else {"name": name, "options": options}


def strategy_from_dict(data: Mapping[str, Any]) -> AnyStrategy | None:
    """Rebuild a strategy from :func:`strategy_to_dict`; None where part of it must be supplied again."""
    if "name" not in data:
        return None
    options = {key: _read(value) for key, value in data["options"].items()}
    if any(value is _UNKNOWN for value in options.values()):
        return None
    made: AnyStrategy = strategy_class(data["name"])(**options)
    return made


class _Unknown:
    """What stands for a part that cannot be told from plain data."""


_UNKNOWN = _Unknown()


def _name_of(thing: object, registry: Mapping[str, str]) -> str | None:
    path = f"{type(thing).__module__}:{type(thing).__qualname__}"
    return next((name for name, known in registry.items() if known == path), None)


def _options(thing: Any) -> dict[str, Any] | None:
    """Return what differs from the defaults as plain data; None where some of it is unknown."""
    options: dict[str, Any] = {}
    for entry in fields(thing):
        value = getattr(thing, entry.name)
        if value != _default(entry):
            options[entry.name] = _write(value)
    return None if any(value is _UNKNOWN for value in options.values()) else options


def _default(entry: "Field[Any]") -> Any:
    """Return a field's default, MISSING where it has none."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def _write(value: Any) -> Any:
    if hasattr(value, "ask"):
        return {"strategy": strategy_to_dict(value)}
    if isinstance(value, Mapping):
        return {"mapping": {key: plain(one) for key, one in value.items()}}
    if isinstance(value, (tuple, list)) and any(is_dataclass(one) for one in value):
        parts = [_write(one) for one in value]
        return _UNKNOWN if any(part is _UNKNOWN for part in parts) else {"several": parts}
    if is_dataclass(value):
        name = _name_of(value, PARTS)
        options = None if name is None else _options(value)
        return _UNKNOWN if options is None else {"part": {"name": name, "options": options}}
    value = plain(value)
    return value if value is None or isinstance(value, (str, int, float, list, tuple)) else _UNKNOWN


def _read(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    [(kind, inner)] = value.items()
    match kind:
        case "strategy":
            made = strategy_from_dict(inner)
            return _UNKNOWN if made is None else made
        case "several":
            return tuple(_read(one) for one in inner)
        case "part":
            options = {key: _read(one) for key, one in inner["options"].items()}
            return _load(inner["name"], PARTS)(**options)
    return inner


def _load(name: str, registry: Mapping[str, str]) -> type[Any]:
    module, _, attribute = registry[name].partition(":")
    found: type[Any] = getattr(import_module(module), attribute)
    return found
