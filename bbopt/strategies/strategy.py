"""The protocol that every strategy follows, and the words it is spoken in."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from bbopt.data.history import History, Rows
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.types import FloatArray, Tag

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Supports:
    """What a strategy can handle; the study refuses the rest when it is made.

    Attributes
    ----------
    objectives : int
        The largest number of objectives.
    repeats : bool
        Whether the strategy asks a point again on purpose although the objective is deterministic.
    """

    objectives: int = 1
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What the study wants from one ask.

    Attributes
    ----------
    n : int
        How many proposals, at least 1.
    fixed : array (d,) or None
        Encoded values that must be kept; nan where the strategy is free.
    """

    n: int = 1
    fixed: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Proposals:
    """The answer to a request.

    Attributes
    ----------
    X : array (n, d)
        Encoded points; the study snaps nothing: they already lie on the space's levels.
    tags : list of dict
        One plain JSON dict a point, stored with the trial and readable at later asks.
    """

    X: FloatArray
    tags: list[Tag] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.tags:
            object.__setattr__(self, "tags", [{} for _ in range(len(self.X))])


class Strategy(Protocol[S]):
    """Configuration (a frozen dataclass) plus three functions on an explicit state.

    The nine laws of ``docs/strategies.md`` hold for every implementation; inherit
    :class:`bbopt.testing.contracts.StrategyContract` in a test to check them.
    """

    @property
    def supports(self) -> Supports:
        """What the strategy can handle."""
        ...

    def init(self, spec: Spec, rng: Key) -> S:
        """Return the state before anything was told."""
        ...

    def ask(self, state: S, history: History, request: Request, rng: Key) -> Proposals:
        """Propose exactly ``request.n`` points, or raise SpaceExhausted. Pure.

        ``rng`` is the same key at every call: draw from ``rng.child(..., trial number)`` or
        ``rng.child(..., generation)``, never from the key itself. The numbers of the trials to
        come start at ``len(history)``.
        """
        ...

    def tell(self, state: S, trials: Rows, rng: Key) -> S:
        """Fold newly finished trials into the state (which may be updated in place)."""
        ...

    def batch_size(self, spec: Spec) -> int:
        """Return how many proposals come most naturally at once (a generation, say)."""
        ...


AnyStrategy = Strategy[Any]

__all__ = ["AnyStrategy", "Proposals", "Request", "Strategy", "Supports"]
