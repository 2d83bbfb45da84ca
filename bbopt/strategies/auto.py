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
from bbopt.types import is_finite, is_whole

QUICK, SLOW = 0.01, 0.1
"""Seconds: evaluations that take less than the first are quick, those that take the second or more slow."""
MANY_QUICK, MANY, MANY_SLOW = 500, 2000, 50_000
"""Evaluations (quick; neither, or of unknown time; slow) above which a swarm is taken: the first measured by
benchmarks/quick.py, the others by what asks cost; see docs/decisions/007-many-results.md."""
WIDE = 50
"""Columns above which a model of the whole space may be too vague: every other ask stays where it is not."""


@dataclass(frozen=True, slots=True)
class Auto:
    """Choose by objectives, budget, the time of an evaluation and the number of columns.

    Noise, known constraints and conditions change nothing here: what is chosen sees to them by itself, noise
    by averaging the expected improvement over what it hides, constraints by asking feasible points alone.

    Parameters
    ----------
    budget : int or None
        Evaluations planned, where known.
    seconds : float or None
        How long one evaluation takes, where known.

    Raises
    ------
    SpaceError
        If budget is not a positive integer or None, or seconds not a number of at least 0 or None.
    """

    budget: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and not (is_whole(self.budget) and self.budget >= 1):
            raise SpaceError(f"Auto: budget must be an integer of at least 1 or None, got {self.budget!r}")
        if self.seconds is not None and not (is_finite(self.seconds) and self.seconds >= 0):
            raise SpaceError(f"Auto: seconds must be a number of at least 0 or None, got {self.seconds!r}")

    def choose(self, spec: Spec) -> tuple[AnyStrategy, str]:
        """Return the strategy taken for this problem, and in words which one and for what."""
        strategy, why = self._choose(spec)
        return strategy, f"{why} ({_seen(spec)})"

    def _choose(self, spec: Spec) -> tuple[AnyStrategy, str]:
        if len(spec.objectives) > 1:
            return make_strategy("sobol"), "points spread evenly (Sobol), for several objectives"
        if self.budget is not None and self.budget > self._many:
            # A swarm that grows with the budget looks further before it contracts.
            usual = make_strategy("cbo").batch_size(spec)
            n_particles = max(usual, min(int(sqrt(self.budget) / 2), 1000))
            what = f"consensus-based optimization with {n_particles} particles, for {self.budget} evaluations"
            what += "" if self.seconds is None else f" of {self.seconds:g} s each"
            return strategy_class("cbo")(n_particles=n_particles), what
        d = spec.space.d
        if d > WIDE:
            both = strategy_class("alternate")("bo", "turbo")
            return both, f"Bayesian optimization by turns everywhere and in a trust region, for {d} columns"
        is_long = self.budget is not None and self.budget > MANY
        what = f"{self.budget} slow evaluations" if is_long else "few evaluations"
        return make_strategy("bo"), f"Bayesian optimization, for one objective and {what}"

    @property
    def _many(self) -> int:
        """Above how many evaluations a Gaussian process is not worth the time of its asks."""
        if self.seconds is None:
            return MANY
        return MANY_QUICK if self.seconds < QUICK else MANY if self.seconds < SLOW else MANY_SLOW

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


def _seen(spec: Spec) -> str:
    """Return in words what the strategy chosen will have to see to."""
    space, noise = spec.space, spec.objectives[0].noise
    parts = ["noise unknown" if noise is None else f"noise of {noise:g}" if noise else "no noise"]
    if n := len(space.constraints):
        parts.append(f"{n} known constraint{'s' if n > 1 else ''}")
    if space.is_conditional:
        parts.append("parameters that depend on others")
    return ", ".join(parts)
