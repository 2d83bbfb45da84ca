"""Additive processes on a study's results, as states of a chain over decompositions (DuMBO's part 1).

A state has its hyper-parameters with it: a proposal's fit starts from those of the state that it was made
from, and the chain's last state goes on in the next ask, through the trial's tag.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bbopt.data.history import Dataset, History
from bbopt.space import Space
from bbopt.strategies.decomposition import canonical, random_partition
from bbopt.surrogates.additive import AdditiveGP, Decomposition
from bbopt.surrogates.additive_fit import AdditiveLogPosterior, fit
from bbopt.surrogates.fit import is_due
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.outcomes import Outcome, learn
from bbopt.types import FloatArray, Tag, is_whole


@dataclass(frozen=True, slots=True)
class State:
    """A decomposition with what was fitted for it.

    Attributes
    ----------
    decomposition : Decomposition
    theta : array (2 p + 1,)
        See :class:`bbopt.surrogates.additive_fit.AdditiveLogPosterior`.
    score : float
        The log posterior density at theta.
    posterior : AdditiveLogPosterior
    """

    decomposition: Decomposition
    theta: FloatArray
    score: float
    posterior: AdditiveLogPosterior = field(repr=False, compare=False)

    def process(self) -> AdditiveGP:
        """Return the fitted process."""
        return self.posterior.process(self.theta)

    def notes(self) -> Tag:
        """Return what the next ask goes on from, as plain JSON data."""
        factors = [list(factor) for factor in self.decomposition]
        return {"factors": factors, "theta": self.theta.tolist(), "n": len(self.posterior.y)}


class Results:
    """A study's one objective in the units of a model, with noise declared or told.

    The bad tail of the outcomes is compressed, and only that: a sum, bent, is no sum, but what is told of
    places far from good ones need not be one. Merely standardised, outcomes such as those of Powell's
    function leave a few of the worst to decide on all hyper-parameters.
    """

    def __init__(self, history: History, data: Dataset) -> None:
        self.space: Space = history.spec.space
        self.features = Features(self.space)
        self.X = data.X
        self.z, outcome = learn(data.Y[:, 0], "tail")
        self.outcome: Outcome = outcome
        variance, noise = data.Yvar[:, 0], history.spec.objectives[0].noise
        if noise is not None and noise > 0:
            variance = np.where(np.isnan(variance), min(noise, 1e150) ** 2, variance)
        self.variance = outcome.variance(variance, self.z)

    def start(
        self, known: Decomposition | None, largest: int, notes: Any, generator: np.random.Generator
    ) -> State:
        """Return the state from which the chain goes on, fitted to all results.

        Parameters
        ----------
        known : Decomposition or None
            The only one there is.
        largest : int
        notes : object
            What the last ask left in a tag, if anything; whatever does not suit is ignored.
        generator : numpy.random.Generator
            For a first partition, where a factor may not have all columns.
        """
        d = self.space.d
        last, theta, n_before = _read(notes, d, largest if known is None else None)
        if last is None or (known is not None and last != known):
            first = known or random_partition(d, largest, generator)
            return self._fitted(first, None)
        is_fresh = is_due(len(self.z), max(len(self.z) - n_before, 1))
        return self._fitted(last, theta, is_fresh)

    def follow(self, decomposition: Decomposition, state: State) -> State:
        """Return the state of a decomposition next to another one, fitted from there.

        Columns take along their share of the output scale of the factor that they come from, and its
        length-scale relative to what is usual in so many columns.
        """
        p = len(state.decomposition)
        home = {column: i for i, factor in enumerate(state.decomposition) for column in factor}
        sizes = np.array([len(factor) for factor in state.decomposition], np.float64)
        lengths = state.theta[:p] - 0.5 * np.log(sizes)
        shares = np.exp(state.theta[p : 2 * p]) / sizes
        came = [[home[column] for column in factor] for factor in decomposition]
        theta = np.concatenate(
            [
                [lengths[one].mean() + 0.5 * np.log(len(one)) for one in came],
                [np.log(shares[one].sum()) for one in came],
                state.theta[-1:],
            ]
        )
        return self._fitted(decomposition, theta)

    def _fitted(
        self, decomposition: Decomposition, previous: FloatArray | None, is_fresh: bool = False
    ) -> State:
        posterior = AdditiveLogPosterior(self.features, self.X, self.z, self.variance, decomposition)
        theta, score = fit(posterior, previous, is_fresh=is_fresh)
        return State(decomposition, theta, score, posterior)


def _read(notes: Any, d: int, largest: int | None) -> tuple[Decomposition | None, FloatArray | None, int]:
    """Return what :meth:`State.notes` wrote; None where it is malformed or of another space.

    With ``largest`` it must be a partition of the d columns into blocks of no more columns than that.
    """
    try:
        factors = canonical([tuple(int(j) for j in factor) for factor in notes["factors"]])
        theta, n = np.array(notes["theta"], np.float64), notes["n"]
    except (TypeError, KeyError, ValueError):
        return None, None, 0
    columns = sorted(j for factor in factors for j in factor)
    is_partition = columns == list(range(d)) and max(map(len, factors), default=0) <= (largest or d)
    fits = theta.shape == (2 * len(factors) + 1,) and np.isfinite(theta).all() and is_whole(n)
    if not fits or not (is_partition or (largest is None and set(columns) == set(range(d)))):
        return None, None, 0
    return factors, theta, int(n)
