"""Maximum a posteriori hyper-parameters of a Gaussian process: where the search starts, and when it ends.

The density that is maximised, with its gradient, is in ``likelihood.py``.
"""

from dataclasses import dataclass

import numpy as np

from bbopt.errors import FitError
from bbopt.lbfgs import minimize_batch
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import Kernel, Matern
from bbopt.surrogates.kernels.kernel import Hyperprior
from bbopt.surrogates.likelihood import LogPosterior, Prior
from bbopt.surrogates.merging import merge
from bbopt.surrogates.outcomes import Outcome, learn
from bbopt.types import FloatArray

MOST_COLD, MOST_WARM = 100, 6
"""The most evaluations of a start. A warm one begins next to the maximum, and the next ask goes on."""
LARGE, SUBSET = 600, 300
"""With more observations than LARGE, cold starts are tried on SUBSET of them, and the best one goes on with
all: which mode is the highest shows on a part, and an evaluation costs (n / SUBSET)³ as much on all."""
SLOW = 1000
"""With more observations than this a fit gets fewer evaluations, so that an ask takes n², not n³."""
WARM_STEP = 1 / 16
"""Length of the first step from a warm start, in logarithms: one of length 1 overshoots by far (the noise
most of all), and finding back took two evaluations or three of eight."""
VALUE_TOLERANCE = 3e-6
FRESH_START_EVERY = 10
"""A warm-started fit also tries a cold start when the number of observations passes a multiple of this, or
of a tenth of that number where it is larger."""

COLD_STARTS = ((0.0, -11.5), (1.0, -11.5), (1.0, -3.0))
"""Log output scale and log noise of the cold starts, beside the kernel's own (``Hyperprior.starts``: smooth,
rough, noisy)."""
UNEVEN_STARTS = ((0.5, 0.0, -8.0), (0.5, 1.0, -11.5), (0.0, 0.0, -5.0))
"""More of them, in which columns differ in length: how far from smooth to rough, log scale, log noise."""
UNEVEN = 1.2
"""By how much log lengths differ there, both ways. On 100 data sets of five functions in 2 to 20 dimensions
the best of eight random starts was more than 0.05 nats better on 7 without the uneven starts, 3 with them."""

GRADIENT_TOLERANCE = 1e-3
"""A search ends when no derivative of the log posterior exceeds this per observation, within [0.1, 0.5]:
under 0.03 nats from the optimum (its curvature grows with the data too), at half the evaluations that a
tolerance of 0.03 takes."""

TIGHT = 0.03
"""The same for cold fits, which are rare, and by which modes are compared."""

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
    """Return the points theta (k, p) from which to search.

    Cold: long length-scales with little noise, short ones with little, long ones with much; and others in
    which columns differ. Warm: where the previous fit, on n_new observations less, ended; and one of the
    cold ones too when a fresh start is due. Of many observations the best of these on a part of them alone.
    """
    cold = _cold_starts(posterior.covariance.hyperprior)
    if previous is None or len(previous) != cold.shape[1] or not np.isfinite(previous).all():
        found = cold
    elif is_due(posterior.n, n_new):
        found = np.array([previous, cold[posterior.n // _period(posterior.n) % len(cold)]])
    else:
        found = np.array([previous])
    if posterior.n <= LARGE or len(found) == 1:
        return found
    return np.array([maximize(posterior.part(SUBSET), found).hyperparameters.to_list()])


def _cold_starts(prior: Hyperprior) -> FloatArray:
    even = np.column_stack([prior.starts, COLD_STARTS])
    smooth, rough = prior.starts[:2]
    apart = UNEVEN * (2.0 * Key(0).child("uneven starts").uniform_rows(0, 3, len(prior)) - 1.0)
    uneven = [
        [*(smooth + share * (rough - smooth) + prior.is_density * u), scale, noise]
        for u, (share, scale, noise) in zip(apart, UNEVEN_STARTS, strict=True)
    ]
    return np.vstack([even, uneven])


def is_due(n: int, n_new: int) -> bool:
    """Whether n observations, n_new of them new, pass a multiple of the period of fresh starts."""
    return n // _period(n) != (n - n_new) // _period(n)


def _period(n: int) -> int:
    return max(FRESH_START_EVERY, n // FRESH_START_EVERY)


@dataclass(frozen=True, slots=True)
class Maximum:
    """Where a search for hyper-parameters ended.

    Attributes
    ----------
    hyperparameters : Hyperparameters
    value : float
        Their log posterior density.
    gain : float
        By how much that exceeds the density at the first start.
    has_converged : bool
        Whether no search was cut short.
    """

    hyperparameters: Hyperparameters
    value: float
    gain: float
    has_converged: bool


def maximize(posterior: LogPosterior, starts: FloatArray, n_new: int = 1) -> Maximum:
    """Return the best of the local maxima of the log posterior reached from the starts (k, p).

    A warm start alone gets the more evaluations, the more observations are new.

    Raises
    ------
    FitError
        When no start has a finite density.
    """
    lower, upper = posterior.bounds
    first: list[float] = []
    rounds = 0

    def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        nonlocal rounds
        rounds += 1
        pairs = [posterior(z * unit) for z in Z]
        first.append(pairs[0][0])
        return -np.array([p[0] for p in pairs]), -unit * np.array([p[1] for p in pairs])

    is_warm = len(starts) == 1
    tolerance = min(max(GRADIENT_TOLERANCE * posterior.n, 0.1), 0.5) if len(starts) < 3 else TIGHT
    most = min(MOST_WARM + 2 * (n_new - 1), MOST_COLD) if is_warm else MOST_COLD
    if posterior.n > LARGE:
        most = max(2, round(min(most, 2 * MOST_WARM) * min(1.0, SLOW / posterior.n)))
    unit = WARM_STEP if is_warm else 1.0  # L-BFGS begins with a step of length 1
    z, value = minimize_batch(
        loss,
        starts / unit,
        lower / unit,
        upper / unit,
        gradient_tolerance=tolerance * unit,
        value_tolerance=VALUE_TOLERANCE,
        max_rounds=most,
        lowest_only=len(starts) == 2,  # cold ones all go on: what is behind at first may win
    )
    best = int(np.argmin(value))
    if not np.isfinite(value[best]):
        raise FitError(f"no hyper-parameters give a finite likelihood on {posterior.n} points")
    hyperparameters = Hyperparameters.from_list(z[best] * unit)
    return Maximum(hyperparameters, -float(value[best]), -float(value[best]) - first[0], rounds < most)
