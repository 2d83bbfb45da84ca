"""The default: look at the problem, take a strategy that fits, say why."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

from bbopt.data.history import History, Rows
from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.registry import make_strategy, strategy_class
from bbopt.strategies.strategy import AnyStrategy, Proposals, Request, Supports
from bbopt.types import is_whole

_MANY = 2000


@dataclass(frozen=True, slots=True)
class Auto:
    """Choose by objectives and budget.

    Parameters
    ----------
    budget : int or None
        Evaluations planned, where known. Above 2000 a population method is taken, since a Gaussian
        process would cost more than it saves.

    Raises
    ------
    SpaceError
        If budget is not a positive integer or None.
    """

    budget: int | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and not (is_whole(self.budget) and self.budget >= 1):
            raise SpaceError(f"Auto: budget must be an integer of at least 1 or None, got {self.budget!r}")

    def choose(self, spec: Spec) -> tuple[AnyStrategy, str]:
        """Return the strategy taken for this problem, and the reason in words."""
        if len(spec.objectives) > 1:
            return make_strategy("sobol"), "several objectives: points spread evenly (Sobol)"
        if self.budget is not None and self.budget > _MANY:
            # A swarm that grows with the budget looks further before it contracts.
            usual = make_strategy("cbo").batch_size(spec)
            n_particles = max(usual, min(int(sqrt(self.budget) / 2), 1000))
            why = f"{self.budget} evaluations: consensus-based optimization with {n_particles} particles"
            return strategy_class("cbo")(n_particles=n_particles), why
        return make_strategy("bo"), "one objective, few evaluations: Bayesian optimization"

    @property
    def supports(self) -> Supports:
        """Any number of objectives."""
        return Supports(objectives=10**6)

    def batch_size(self, spec: Spec) -> int:
        """Return the batch size of the strategy chosen."""
        return self.choose(spec)[0].batch_size(spec)

    def init(self, spec: Spec, rng: Key) -> Any:
        """Return the state of the strategy chosen."""
        return self.choose(spec)[0].init(spec, rng)

    def ask(self, state: Any, history: History, request: Request, rng: Key) -> Proposals:
        """Ask the strategy chosen."""
        return self.choose(history.spec)[0].ask(state, history, request, rng)

    def tell(self, state: Any, trials: Rows, rng: Key) -> Any:
        """Tell the strategy chosen."""
        return self.choose(trials.spec)[0].tell(state, trials, rng)
