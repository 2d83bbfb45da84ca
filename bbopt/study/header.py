"""The first event of a journal: which study this is. Written once, compared at every reopening."""

import json
import time
from collections.abc import Callable, Mapping
from difflib import unified_diff
from typing import Any

from bbopt import __version__
from bbopt.errors import JournalError, SpaceError
from bbopt.space import Space
from bbopt.spec import Objective, Spec
from bbopt.strategies.registry import strategy_from_dict, strategy_to_dict
from bbopt.strategies.strategy import AnyStrategy
from bbopt.study.journal import Event

FORMAT = 2
"""Version of the events written. A newer one is refused; so is 1, which no released version wrote."""


def header_event(spec: Spec, strategy: AnyStrategy, seed: int, lease: float | None) -> Event:
    """Return the event that opens a new study."""
    return {
        "kind": "study",
        "format": FORMAT,
        "bbopt": __version__,
        "time": time.time(),
        "spec": spec.to_dict(),
        "strategy": strategy_to_dict(strategy),
        "seed": seed,
        "lease": lease,
    }


def read_spec(header: Event, constraints: Mapping[str, Callable[..., Any]], where: str) -> Spec:
    """Rebuild the spec from a header; raises JournalError where a callable must be supplied again."""
    unknown = [name for name in constraints if {"callable": name} not in _rules(header)]
    if unknown:
        there = ", ".join(repr(rule["callable"]) for rule in _rules(header) if isinstance(rule, dict))
        raise JournalError(
            f"constraints names {unknown[0]!r}, which is no function of {where}; "
            + (f"there is {there}" if there else "it has none")
        )
    try:
        space = Space.from_dict(header["spec"]["space"], callables=dict(constraints))
        return Spec(space, tuple(Objective(**entry) for entry in header["spec"]["objectives"]))
    except SpaceError as error:
        raise JournalError(
            f"cannot rebuild the space of {where}: {error} "
            "(Study.open takes functions as constraints={name: function})"
        ) from error


def _rules(header: Event) -> list[Any]:
    rules: list[Any] = header["spec"]["space"].get("constraints", [])
    return rules


def recorded_strategy(header: Event, where: str) -> AnyStrategy:
    """Rebuild the strategy from a header; raises JournalError where it must be supplied again."""
    strategy = strategy_from_dict(header["strategy"])
    if strategy is None:
        raise JournalError(
            f"{where} was made with a strategy of your own, or one with a part that a journal cannot hold "
            f"({json.dumps(header['strategy'])}): pass it again as strategy="
        )
    return strategy


def check_header(
    header: Event,
    spec: Spec,
    strategy: AnyStrategy | None,
    seed: int | None,
    lease: float | None,
    where: str,
) -> None:
    """Raise JournalError, with the difference, unless the journal is of this very study.

    A strategy, seed or lease of None agrees with anything.
    """
    if header.get("kind") != "study":
        raise JournalError(f"{where} does not begin with a study: it is damaged, or something else wrote it")
    if header["format"] != FORMAT:
        advice = "upgrade bbopt" if header["format"] > FORMAT else "open it with the version that wrote it"
        raise JournalError(
            f"{where} was written by bbopt {header['bbopt']} in format {header['format']}; "
            f"this one reads format {FORMAT}: {advice}"
        )
    given: dict[str, Any] = {"spec": spec.to_dict()}
    if strategy is not None:
        given["strategy"] = strategy_to_dict(strategy)
    if seed is not None:
        given["seed"] = int(seed)
    if lease is not None:
        given["lease"] = lease
    recorded = {name: header[name] for name in given}
    if _text(recorded) == _text(given):
        return
    difference = "\n".join(
        line
        for line in unified_diff(_text(recorded), _text(given), "recorded", "given now", lineterm="", n=1)
        if not line.startswith("@@")
    )
    differing = [name for name in given if _text({name: recorded[name]}) != _text({name: given[name]})]
    if "spec" in differing:
        differing[differing.index("spec")] = "space or objectives"
        advice = "Use another file, or reopen this one with Study.open(...)"
    else:
        advice = f"Leave {' and '.join(differing)} out to go on with what is recorded, or use another file"
    raise JournalError(
        f"{where} holds another study: it differs in {' and '.join(differing)}. Nothing was changed. "
        f"{advice}. The difference:\n{difference}"
    )


def _text(data: Mapping[str, Any]) -> list[str]:
    alike = json.loads(json.dumps(data), parse_float=_number)
    return json.dumps(alike, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def _number(text: str) -> float | int:
    """Read 1.0 and 1 as one number."""
    value = float(text)
    return int(value) if value.is_integer() else value
