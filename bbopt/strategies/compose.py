"""Strategies made of strategies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bbopt.data.history import History, Rows
from bbopt.errors import SpaceError, SpaceExhausted
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.registry import make_strategy
from bbopt.strategies.strategy import AnyStrategy, Proposals, Request, Supports
from bbopt.types import is_whole


@dataclass(frozen=True, slots=True)
class Then:
    """One strategy for the first n trials of the study, another one after them.

    Each sees all trials but only its own tags, so that either may be anything, another ``Then``
    included.

    Parameters
    ----------
    first : str or strategy
        By name as in :class:`bbopt.Study`; the attribute is the strategy then.
    n : int
        Trials (asked or added) before ``after`` takes over.
    after : str or strategy
        As ``first``.

    Raises
    ------
    SpaceError
        If n is negative or no integer, or one of the others no strategy.
    """

    first: str | AnyStrategy
    n: int
    after: str | AnyStrategy

    def __post_init__(self) -> None:
        _make(self, "first", "after")
        if not (is_whole(self.n) and self.n >= 0):
            raise SpaceError(f"Then: n must be an integer of at least 0, got {self.n!r}")

    @property
    def supports(self) -> Supports:
        """What both can handle."""
        return _supports(self._parts)

    def batch_size(self, spec: Spec) -> int:
        """Return the natural batch of the strategy that does most of the work."""
        return self._parts["after"].batch_size(spec)

    def init(self, spec: Spec, rng: Key) -> dict[str, Any]:
        """Return both states."""
        return _init(self._parts, spec, rng)

    def ask(self, state: dict[str, Any], history: History, request: Request, rng: Key) -> Proposals:
        """Ask the strategy whose turn it is at the first trial of the request.

        Where ``first`` has nothing left, ``after`` takes over at once.
        """
        turns = ("first", "after") if len(history) < self.n else ("after",)
        return _ask(self._parts, turns, state, history, request, rng)

    def tell(self, state: dict[str, Any], trials: Rows, rng: Key) -> dict[str, Any]:
        """Tell both; what the other one proposed is foreign to each."""
        return _tell(self._parts, state, trials, rng)

    @property
    def _parts(self) -> dict[str, AnyStrategy]:
        return _parts(self, "first", "after")


@dataclass(frozen=True, slots=True)
class Alternate:
    """Two strategies that ask by turns, request by request.

    Each sees all trials but only its own tags, as in :class:`Then`, and goes on from what the other finds. In
    60 to 1000 columns ``bo`` and ``turbo`` by turns were better than ``bo`` alone in 15 of 25 runs, and than
    ``turbo`` alone in 19 (docs/results.md, suite ``high``). All points of a batch come from one of the two.

    Parameters
    ----------
    one, other : str or strategy
        By name as in :class:`bbopt.Study`; the attributes are strategies then. ``one`` begins.

    Raises
    ------
    SpaceError
        For what is no strategy.
    """

    one: str | AnyStrategy
    other: str | AnyStrategy

    def __post_init__(self) -> None:
        _make(self, "one", "other")

    @property
    def supports(self) -> Supports:
        """What both can handle."""
        return _supports(self._parts)

    def batch_size(self, spec: Spec) -> int:
        """Return the smaller of both natural batches."""
        return min(part.batch_size(spec) for part in self._parts.values())

    def init(self, spec: Spec, rng: Key) -> dict[str, Any]:
        """Return both states."""
        return _init(self._parts, spec, rng)

    def ask(self, state: dict[str, Any], history: History, request: Request, rng: Key) -> Proposals:
        """Ask the strategy that did not propose the newest trial, the other one where it has nothing left."""
        turns = ("other", "one") if "one" in history.latest("one", "other") else ("one", "other")
        return _ask(self._parts, turns, state, history, request, rng)

    def tell(self, state: dict[str, Any], trials: Rows, rng: Key) -> dict[str, Any]:
        """Tell both; what the other one proposed is foreign to each."""
        return _tell(self._parts, state, trials, rng)

    @property
    def _parts(self) -> dict[str, AnyStrategy]:
        return _parts(self, "one", "other")


Parts = Mapping[str, AnyStrategy]
"""Strategies by the word under which their states and tags are kept."""


def _make(composed: Any, *names: str) -> None:
    """Put strategies in the place of their names."""
    for name in names:
        object.__setattr__(composed, name, make_strategy(getattr(composed, name)))  # it is frozen


def _parts(composed: Any, *names: str) -> dict[str, AnyStrategy]:
    return {name: getattr(composed, name) for name in names}


def _supports(parts: Parts) -> Supports:
    supported = [part.supports for part in parts.values()]
    return Supports(min(one.objectives for one in supported), any(one.repeats for one in supported))


def _init(parts: Parts, spec: Spec, rng: Key) -> dict[str, Any]:
    return {name: part.init(spec, rng.child(name)) for name, part in parts.items()}


def _ask(
    parts: Parts, turns: Sequence[str], state: dict[str, Any], history: History, request: Request, rng: Key
) -> Proposals:
    """Ask the first of the parts named in ``turns`` that has something left."""
    name, *others = turns
    try:
        proposals = parts[name].ask(state[name], history.scoped(name), request, rng.child(name))
    except SpaceExhausted:  # a short grid, say: what comes after may know more points
        if not others:
            raise
        return _ask(parts, others, state, history, request, rng)
    return Proposals(proposals.X, [{name: tag} for tag in proposals.tags])


def _tell(parts: Parts, state: dict[str, Any], trials: Rows, rng: Key) -> dict[str, Any]:
    for name, part in parts.items():
        state[name] = part.tell(state[name], trials.scoped(name), rng.child(name))
    return state
