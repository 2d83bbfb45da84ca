"""Maximum a posteriori hyper-parameters of a Gaussian process: where the search starts, and when it ends.

The density that is maximised, with its gradient, is in ``likelihood.py``; the search for the highest of its
modes, where no earlier fit says which one that is, in ``cold.py``.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bbopt.errors import FitError
from bbopt.lbfgs import minimize_batch
from bbopt.space import Space
from bbopt.surrogates import cold
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import Kernel, Matern
from bbopt.surrogates.likelihood import LogPosterior, Prior
from bbopt.surrogates.merging import merge
from bbopt.surrogates.outcomes import Outcome, learn
from bbopt.types import FloatArray

MOST_WARM = 8
"""The most evaluations from the last fit on: mostly it is next to the maximum, and three to five do."""
LARGE, SUBSET = 300, 200
"""With more observations than LARGE, cold starts are tried on SUBSET of them, and the best one goes on with
all: which mode is the highest shows on a part, and an evaluation costs (n / SUBSET)³ as much on all."""
SLOW = 1000
"""With more observations than this a fit gets the fewer evaluations, the more time each takes: n³."""
LITTLE = 0.02
"""Nats. Going on from the last fit ends after a step that gains less; and at once, where the gradient g on
the data of now says that each logarithm has less to gain, ½ g² / n with a curvature of n."""
FRESH_START_EVERY, FRESH_START_WITHIN = 10, 100
"""A warm-started fit also tries a cold start when the number of observations passes a multiple of the first
number, or of a tenth of the observations where that is larger, but at least of the second."""
MUCH_NOISE, NOISY_WITHIN = float(np.log(0.1)), 5.0
"""A warm fit that learns less log noise than the first from few results also starts from more, unless that is
less probable by more nats than the second: what short lengths explained once, they would go on explaining.
The climb from there gains about as much."""

GRADIENT_TOLERANCE = 1e-3
"""A fresh start ends when no derivative of the log posterior exceeds this per observation, within
[0.1, 0.5]: under 0.03 nats from the optimum (its curvature grows with the data too), at half the evaluations
that a tolerance of 0.03 takes."""

_PRIOR = Prior()


def fit(
    space: Space,
    X: FloatArray,
    y: FloatArray,
    variance: FloatArray | None = None,
    *,
    noise: float | None = None,
    previous: list[float] | None = None,
    previous_n: int | None = None,
    prior: Prior = _PRIOR,
    kernel: Kernel | None = None,
    is_warped: bool = False,
    outcome: str = "tail",
) -> GP:
    """Fit a Gaussian process to one outcome: a pure function of its arguments.

    Parameters
    ----------
    space : Space
    X : array (n, d)
        Encoded, snapped points, n >= 1; repeats are merged.
    y : array (n,)
        Finite outcomes, minimised.
    variance : array (n,), optional
        Known noise variances, in the outcome's units squared; nan where unknown.
    noise : float or None
        Standard deviation of outcomes whose variance is not known: None learns it, 0 says exact.
    previous : list of float, optional
        ``GP.theta`` of an earlier fit of the same form, to start from.
    previous_n : int, optional
        On how many observations, of y, that one was made; default: one less than now.
    prior : Prior
    kernel : Kernel, optional
        Default: Matérn-5/2 on all columns.
    is_warped : bool
        Whether to learn a warping of the numeric columns, too.
    outcome : str
        The outcome transform; see :func:`bbopt.surrogates.outcomes.learn`.

    Raises
    ------
    FitError
        When there is nothing to fit, or no factorisation succeeds.
    """
    check(X, y)
    z, learnt = learn(y, outcome)
    covariance = Covariance(space, kernel or Matern(), is_warped)
    posterior = log_posterior(covariance, X, z, learnt, variance, noise=noise, prior=prior)
    n_new = 1 if previous_n is None else max(len(y) - previous_n, 1)
    found = maximize(posterior, starts(posterior, previous, n_new), n_new)
    return posterior.process(found.hyperparameters, learnt)


def check(X: FloatArray, y: FloatArray) -> None:
    """Raise FitError where there is nothing to fit to."""
    if len(y) == 0 or not np.isfinite(y).all() or not np.isfinite(X).all():
        raise FitError(f"a Gaussian process needs at least one finite observation, got {len(y)} with y = {y}")


def log_posterior(
    covariance: Covariance,
    X: FloatArray,
    z: FloatArray,
    outcome: Outcome,
    variance: FloatArray | None = None,
    *,
    noise: float | None = None,
    prior: Prior = _PRIOR,
) -> LogPosterior:
    """Return the log posterior of a process on outcomes z (n,) in model units.

    Other parameters as for :func:`fit`: variances and noise are in the outcome's units.
    """
    known = np.full(len(z), np.nan) if variance is None else variance
    if noise is not None and noise > 0:
        known = np.where(np.isnan(known), min(noise, 1e150) ** 2, known)  # a larger one, squared, is no float
    return LogPosterior(covariance, merge(X, z, outcome.variance(known, z)), prior, noise is None)


def starts(posterior: LogPosterior, previous: list[float] | None, n_new: int = 1) -> FloatArray:
    """Return the points theta (k, p) from which to search; see :func:`maximize`.

    Cold: :func:`bbopt.surrogates.cold.first_starts`. Warm: where the previous fit, on n_new observations
    less, ended; and one of the cold ones too when a fresh start is due, or one of much noise while that is
    about as probable. Of many observations the best of these on a part of them alone.
    """
    prior = posterior.covariance.hyperprior
    if previous is None or len(previous) != len(prior) + 2 or not np.isfinite(previous).all():
        found = cold.first_starts(prior)
    elif is_due(n := posterior.whole.n, n_new):
        fresh = cold.first_starts(prior)
        found = np.array([previous, fresh[n // _period(n) % len(fresh)]])
    else:
        found = np.array([previous])
        if posterior.learns_noise and posterior.n <= cold.FEW:
            found = _perhaps_noisy(posterior, found)
    if posterior.n <= LARGE or len(found) == 1:
        return found
    return np.array([maximize(posterior.part(SUBSET), found).hyperparameters.to_list()])


def _perhaps_noisy(posterior: LogPosterior, found: FloatArray) -> FloatArray:
    """Return the warm start (1, p), and a start from much noise where it has little and that is probable."""
    noisy = cold.noisy_start(posterior.covariance.hyperprior)
    if found[0, -1] >= MUCH_NOISE or posterior(noisy)[0] < posterior(found[0])[0] - NOISY_WITHIN:
        return found
    return np.vstack([found, noisy])


def is_due(n: int, n_new: int) -> bool:
    """Whether n observations, n_new of them new, pass a multiple of the period of fresh starts."""
    return n // _period(n) != (n - n_new) // _period(n)


def _period(n: int) -> int:
    return min(max(FRESH_START_EVERY, n // FRESH_START_EVERY), FRESH_START_WITHIN)


class Limits(NamedTuple):
    """When a search for hyper-parameters ends.

    Attributes
    ----------
    unit : float
        What the logarithms are divided by: the first step has the length of the gradient.
    gradient_tolerance : float
        In these units.
    value_tolerance : float
        Nats.
    most : int
        Evaluations of a start.
    """

    unit: float
    gradient_tolerance: float
    value_tolerance: float
    most: int


def limits(n: int, n_starts: int, n_new: int = 1) -> Limits:
    """Return when a search on n observations ends; see :func:`maximize`."""
    if n_starts > 1:
        fresh = min(max(GRADIENT_TOLERANCE * n, 0.1), 0.5)
        if n_starts == 2:
            return Limits(1.0, fresh, LITTLE / 10, cold.MOST)
        return Limits(1.0, cold.TOLERANCE, cold.VALUE_TOLERANCE, cold.MOST)
    # The first step is Newton's at a curvature of n. A power of two leaves a start that is kept as it was.
    unit = 2.0 ** -round(0.5 * np.log2(n))
    most = min(MOST_WARM + 2 * (n_new - 1), cold.MOST)
    little = (
        LITTLE if n_new <= n / FRESH_START_EVERY else LITTLE / 100
    )  # a start from elsewhere has far to go
    return Limits(unit, (2 * little) ** 0.5, little, max(2, round(most * min(1.0, SLOW / n) ** 3)))


@dataclass(frozen=True, slots=True)
class Maximum:
    """Where a search for hyper-parameters ended.

    Attributes
    ----------
    hyperparameters : Hyperparameters
    value : float
        Their log posterior density.
    """

    hyperparameters: Hyperparameters
    value: float


def maximize(
    posterior: LogPosterior, starts: FloatArray, n_new: int = 1, most_starts: int = cold.MOST_STARTS
) -> Maximum:
    """Return the highest local maximum of the log posterior that is found from the starts (k, p).

    One start is where the last fit ended, n_new observations ago: the search goes on from there, if what is
    to be gained is worth an evaluation. Two: the higher of that and a fresh start. More: there was no fit;
    random starts follow until few modes are left to be seen, or there were ``most_starts``; see ``cold.py``.

    Raises
    ------
    FitError
        When no start has a finite density.
    """
    if len(starts) > 2:
        theta, value = cold.search(posterior, starts, most_starts)
        return Maximum(Hyperparameters.from_list(theta), value)
    lower, upper = posterior.bounds
    unit, gradient_tolerance, value_tolerance, most = limits(posterior.n, len(starts), n_new)
    first: float | None = None

    def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        nonlocal first
        values, gradients = zip(*(posterior(z * unit) for z in Z), strict=True)
        if first is None:  # values are relative to it, so that tolerances are nats
            first = values[0] if np.isfinite(values[0]) else 0.0
        return first - np.array(values), -unit * np.array(gradients)

    z, lowest = minimize_batch(
        loss,
        starts / unit,
        lower / unit,
        upper / unit,
        gradient_tolerance=gradient_tolerance,
        value_tolerance=value_tolerance,
        max_rounds=most,
        lowest_only=len(starts) > 1,
    )
    best = int(np.argmin(lowest))
    if first is None or not np.isfinite(lowest[best]):
        raise FitError(f"no hyper-parameters give a finite likelihood on {posterior.n} points")
    return Maximum(Hyperparameters.from_list(z[best] * unit), first - float(lowest[best]))
