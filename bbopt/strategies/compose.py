"""Strategies made of strategies."""

from dataclasses import dataclass
from typing import Any

from bbopt.data.history import History, Rows
from bbopt.errors import SpaceError, SpaceExhausted
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.strategy import AnyStrategy, Proposals, Request, Supports
from bbopt.types import is_whole

_STAGES = ("first", "after")


@dataclass(frozen=True, slots=True)
class Then:
    """One strategy for the first n trials of the study, another one after them.

    Each sees all trials but only its own tags, so that either may be anything, another ``Then``
    included.

    Parameters
    ----------
    first : strategy
    n : int
        Trials (asked or added) before ``after`` takes over.
    after : strategy

    Raises
    ------
    SpaceError
        If n is negative or no integer.
    """

    first: AnyStrategy
    n: int
    after: AnyStrategy

    def __post_init__(self) -> None:
        if not (is_whole(self.n) and self.n >= 0):
            raise SpaceError(f"Then: n must be an integer of at least 0, got {self.n!r}")

    @property
    def supports(self) -> Supports:
        """What both can handle."""
        one, two = self.first.supports, self.after.supports
        return Supports(min(one.objectives, two.objectives), one.repeats or two.repeats)

    def batch_size(self, spec: Spec) -> int:
        """Return the natural batch of the strategy that does most of the work."""
        return self.after.batch_size(spec)

    def init(self, spec: Spec, rng: Key) -> dict[str, Any]:
        """Return both states."""
        return {
            name: stage.init(spec, rng.child(name)) for name, stage in zip(_STAGES, self._both(), strict=True)
        }

    def ask(self, state: dict[str, Any], history: History, request: Request, rng: Key) -> Proposals:
        """Ask the strategy whose turn it is at the first trial of the request.

        Where ``first`` has nothing left, ``after`` takes over at once.
        """
        if len(history) < self.n:
            try:
                return self._ask("first", state, history, request, rng)
            except SpaceExhausted:
                pass  # a short grid, say: what comes after may know more points
        return self._ask("after", state, history, request, rng)

    def tell(self, state: dict[str, Any], trials: Rows, rng: Key) -> dict[str, Any]:
        """Tell both; what the other one proposed is foreign to each."""
        for name, stage in zip(_STAGES, self._both(), strict=True):
            state[name] = stage.tell(state[name], trials.scoped(name), rng.child(name))
        return state

    def _ask(
        self, name: str, state: dict[str, Any], history: History, request: Request, rng: Key
    ) -> Proposals:
        stage = self._both()[_STAGES.index(name)]
        proposals = stage.ask(state[name], history.scoped(name), request, rng.child(name))
        return Proposals(proposals.X, [{name: tag} for tag in proposals.tags])

    def _both(self) -> tuple[AnyStrategy, AnyStrategy]:
        return self.first, self.after
