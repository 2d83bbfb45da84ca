"""What a test problem is: something to minimise, its specification, and what is known of its optimum."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bbopt.data.trial import Observation
from bbopt.errors import BboptError, UnsupportedError
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.types import FloatArray, Params

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""n points in the user's units, one array (n,) per parameter; entries of inactive parameters mean nothing."""


class EvaluationFailed(BboptError, RuntimeError):
    """The run broke at this point: no value exists. What a study records as a failed trial."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The smallest value of a problem, and where it is taken.

    Attributes
    ----------
    value : float
        The smallest value without noise; ``problem.evaluate`` gives it at every one of ``params``.
    params : tuple of mappings
        All known global minimisers; at least one.
    """

    value: float
    params: tuple[Params, ...]


class Problem(Protocol):
    """Something to be minimised, with what is known about it.

    A problem can be called, so ``minimize(problem, problem.spec.space, budget=50)`` works. It is
    immutable and can be pickled, so a process pool can evaluate it. It has one objective.
    """

    @property
    def name(self) -> str:
        """Short and unique; ``problems.get(name)`` builds a problem of the suite again."""
        ...

    @property
    def spec(self) -> Spec:
        """The space, and the one objective, which is minimised."""
        ...

    @property
    def optimum(self) -> Optimum | None:
        """What is known of the global minimum; None where nobody knows it."""
        ...

    @property
    def source(self) -> str:
        """Paper, book or software that defines the problem."""
        ...

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Evaluate one point.

        Parameters
        ----------
        params : mapping
            Exactly the active parameters of a point of the space.
        rng : Key, optional
            Where the problem is noisy, the noise is a function of this key; without it, it is fresh.

        Raises
        ------
        DataError
            ``params`` are no point of the space.
        EvaluationFailed
            The run broke there.
        """
        ...

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Evaluate n encoded, snapped points X (n, d) at once; returns values (n,), nan where the run broke.

        With a key, row 0 gets the same noise as ``evaluate`` with that key, and row i the same
        whatever the number of rows.
        """
        ...

    def __call__(self, params: Params) -> float:
        """Return the value of one point, with fresh noise if the problem is noisy."""
        ...

    def regret(self, value: float) -> float:
        """Return how far ``value`` is above the optimum; UnsupportedError where that is unknown."""
        ...


class OneObjective:
    """Mixin: calling a problem with one objective, and its regret, in terms of the rest of Problem."""

    def __call__(self: Problem, params: Params) -> float:
        """Return the value of one point."""
        (objective,) = self.spec.objectives
        return self.evaluate(params).values[objective.name]

    def regret(self: Problem, value: float) -> float:
        """Return ``value`` minus the smallest value without noise."""
        if self.optimum is None:
            raise UnsupportedError(f"{self.name}: the optimum is not known, so no value has a regret")
        return value - self.optimum.value


@dataclass(frozen=True)
class Function(OneObjective):
    """A problem given by a vectorised formula.

    Parameters
    ----------
    name, spec, optimum, source
        As in :class:`Problem`.
    formula : callable
        From :data:`Columns` of n points to their values (n,). A module-level function, so that the
        problem can be pickled. It reads a conditional parameter only where it is active.
    everywhere : bool
        Whether the formula holds outside of the space too, with no value as low as the optimum there:
        such a function can be moved about without walls.
    decomposition : tuple of tuples of str or None
        The names of the parameters of f1, f2, .., where f is known to be such a sum, exactly: f(x) = f1 + f2
        + ... Factors may overlap; a parameter in none of them does not matter.
    """

    name: str
    spec: Spec
    optimum: Optimum | None
    source: str
    formula: Callable[[Columns], FloatArray]
    everywhere: bool = False
    decomposition: tuple[tuple[str, ...], ...] | None = None

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Evaluate one point, straight from ``params``: no rounding by encoding."""
        space = self.spec.space
        space.validate(params)
        columns = {name: np.array([params.get(name, np.nan)]) for name in space.names}
        (value,) = self.formula(columns).tolist()
        (objective,) = self.spec.objectives
        return Observation({objective.name: value})

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Evaluate n encoded points X (n, d); returns (n,)."""
        return self.formula(self.spec.space.columns(X))
