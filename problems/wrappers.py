"""The same problem, but noisy, or crashing in a region, or slow."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bbopt.data.trial import Observation
from bbopt.errors import DataError
from bbopt.rng import Key, draw_seed
from bbopt.spec import Spec
from bbopt.types import FloatArray, Params

from .problem import EvaluationFailed, OneObjective, Optimum, Problem
from .regions import Region


@dataclass(frozen=True)
class Wrapper(OneObjective):
    """Forwards everything to the problem inside; what a subclass changes it overrides."""

    problem: Problem

    @property
    def name(self) -> str:
        """The name of the problem inside, and what was done to it."""
        return f"{type(self).__name__.lower()} {self.problem.name}"

    @property
    def spec(self) -> Spec:
        """The specification of the problem inside."""
        return self.problem.spec

    @property
    def optimum(self) -> Optimum | None:
        """The optimum of the problem inside, without noise."""
        return self.problem.optimum

    @property
    def source(self) -> str:
        """The source of the problem inside."""
        return self.problem.source

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Evaluate one point of the problem inside."""
        return self.problem.evaluate(params, rng)

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Evaluate n encoded points X (n, d) of the problem inside; returns (n,)."""
        return self.problem.evaluate_many(X, rng)


@dataclass(frozen=True)
class Noisy(Wrapper):
    """Adds Gaussian noise that is a function of the key given at the evaluation.

    Without a key the noise is fresh from the operating system, as in ``problem(params)``. The
    objective of ``spec`` says ``noise=None``: how noisy it is has to be learnt. ``optimum`` and
    ``regret`` are without noise; so is ``noisy.problem``, to judge a recommended point.

    Parameters
    ----------
    problem : Problem
    sd : float
        Standard deviation of the noise, in the objective's units; at least 0.
    """

    sd: float

    def __post_init__(self) -> None:
        if not 0 <= self.sd < np.inf:
            raise DataError(f"Noisy: sd must be a finite number of at least 0, got {self.sd!r}")

    @property
    def spec(self) -> Spec:
        """The specification of the problem inside, with noise of unknown size."""
        inner = self.problem.spec
        return Spec(inner.space, tuple(replace(objective, noise=None) for objective in inner.objectives))

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Evaluate one point; the noise is the first of the key's normal deviates."""
        key = Key(draw_seed()) if rng is None else rng
        clean = self.problem.evaluate(params, key.child("inner"))
        (noise,) = self._noise(key, 1).tolist()
        return replace(clean, values={name: value + noise for name, value in clean.values.items()})

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Evaluate n encoded points X (n, d); row i gets the i-th of the key's normal deviates."""
        key = Key(draw_seed()) if rng is None else rng
        return self.problem.evaluate_many(X, key.child("inner")) + self._noise(key, len(X))

    def _noise(self, key: Key, n: int) -> FloatArray:
        return self.sd * key.generator().standard_normal(n)


@dataclass(frozen=True)
class Failing(Wrapper):
    """Crashes in a region: ``evaluate`` raises EvaluationFailed there, ``evaluate_many`` gives nan.

    Parameters
    ----------
    problem : Problem
    region : Region
        Any predicate on encoded points, from X (n, d) to bool (n,); see :mod:`bbopt.problems.regions`.
    """

    region: Region

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Evaluate one point; raises EvaluationFailed inside the region."""
        space = self.spec.space
        space.validate(params)
        if self.region(space.encode(params))[0]:
            raise EvaluationFailed(f"{self.name}: the run crashes at {dict(params)}")
        return self.problem.evaluate(params, rng)

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Evaluate n encoded points X (n, d); returns (n,), nan inside the region."""
        return np.where(self.region(X), np.nan, self.problem.evaluate_many(X, rng))


@dataclass(frozen=True)
class Delayed(Wrapper):
    """Sleeps before each evaluation and reports the seconds slept as its cost.

    Parameters
    ----------
    problem : Problem
    seconds : float or callable
        How long; a callable maps params to seconds. ``evaluate_many`` sleeps for all its points.
    """

    seconds: float | Callable[[Params], float]

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Sleep, then evaluate one point."""
        seconds = self._seconds(params)
        time.sleep(seconds)
        return replace(self.problem.evaluate(params, rng), cost=seconds)

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Sleep for all n encoded points X (n, d), then evaluate them; returns (n,)."""
        time.sleep(sum(self._seconds(params) for params in self.spec.space.decode(X)))
        return self.problem.evaluate_many(X, rng)

    def _seconds(self, params: Params) -> float:
        return float(self.seconds(params) if callable(self.seconds) else self.seconds)
