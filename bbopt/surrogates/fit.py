"""Maximum a posteriori hyper-parameters of a Gaussian process, by analytic gradients.

    theta = log length-scales (d), log output scale, log noise;  K = s k + diag(v),  a = K⁻¹ (y - m)
    log p(y | theta) = -½ [(y - m)ᵀ a + log det K + n log 2 pi],   d/dK = ½ (a aᵀ - K⁻¹)

K⁻¹ comes from LAPACK's potri at twice the price of the factorisation; a derivative through the
factorisation would cost twenty times as much. The length-scale gradient needs
sum_ij G_ij (z_i - z_j)², G = (a aᵀ - K⁻¹) o dk, which is one symmetric product G [Z, 1] for all
columns: no n x n x d array exists. The mean m is profiled out, so it adds no gradient term.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack

from bbopt.errors import FitError
from bbopt.lbfgs import minimize_batch
from bbopt.space import Space
from bbopt.surrogates import kernels
from bbopt.surrogates.gp import GP, JITTERS, Hyperparameters
from bbopt.surrogates.kernels import Features
from bbopt.surrogates.transforms import Merged, merge, standardize
from bbopt.types import FloatArray

_SQRT_5 = 5.0**0.5
_LOG_2PI = float(np.log(2 * np.pi))

MOST_COLD, MOST_WARM = 100, 6
"""The most evaluations of a start. A warm one begins next to the maximum, and the next ask goes on."""
WARM_STEP = 1 / 16
"""Length of the first step from a warm start, in logarithms: one of length 1 overshoots by far (the noise
most of all), and finding back took two evaluations or three of eight."""
VALUE_TOLERANCE = 3e-6
FRESH_START_EVERY = 10
"""A warm-started fit also tries a cold start when the number of observations passes a multiple of this, or
of a tenth of that number where it is larger."""

COLD_STARTS = ((0.4, 0.0, -11.5), (-1.2, 1.0, -11.5), (1.2, 1.0, -3.0))
"""Log length-scale (before it grows with the dimension), log output scale, log noise. Of all triples out
of eight candidates these missed the best mode least: on 1 of 60 data sets; one start alone misses 6."""

GRADIENT_TOLERANCE = 1e-3
"""A search ends when no derivative of the log posterior exceeds this per observation, within [0.1, 0.5]:
under 0.03 nats from the optimum (its curvature grows with the data too), at half the evaluations that a
tolerance of 0.03 takes."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of the hyper-parameters of a process on standardised outcomes.

    Attributes
    ----------
    length_mu, length_sigma : float
        log length-scale ~ N(mu + ½ log d, sigma²), as a density of the length-scale itself: typical
        distances grow with sqrt(d), and so must length-scales (Hvarfner et al. 2024, arXiv 2402.02229).
    scale_mu, scale_sigma : float
        log output scale ~ N(mu, sigma²).
    noise_mu, noise_sigma, noise_floor : float
        log noise variance ~ N(mu, sigma²), and the least variance.
    """

    length_mu: float = 2.0**0.5
    length_sigma: float = 3.0**0.5
    scale_mu: float = 0.0
    scale_sigma: float = 1.0
    noise_mu: float = -8.0
    noise_sigma: float = 3.0
    noise_floor: float = 1e-6


EXACT_NOISE = 1e-8
"""Noise variance, in model units, of outcomes declared exact."""


def fit(
    space: Space,
    X: FloatArray,
    y: FloatArray,
    variance: FloatArray | None = None,
    *,
    noise: float | None = None,
    previous: list[float] | None = None,
    previous_n: int | None = None,
    prior: Prior = Prior(),
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
        ``theta`` of an earlier fit, to start from.
    previous_n : int, optional
        On how many observations, of y, that one was made; default: one less than now.
    prior : Prior

    Raises
    ------
    FitError
        When there is nothing to fit, or no factorisation succeeds.
    """
    if len(y) == 0 or not np.isfinite(y).all() or not np.isfinite(X).all():
        raise FitError(f"a Gaussian process needs at least one finite observation, got {len(y)} with y = {y}")
    model_y, outcome = standardize(y)
    known = np.full(len(y), np.nan) if variance is None else variance
    if noise is not None and noise > 0:
        known = np.where(np.isnan(known), min(noise, 1e150) ** 2, known)  # a larger one, squared, is no float
    merged = merge(X, model_y, outcome.variance(known, model_y))
    features = Features(space)
    posterior = LogPosterior(features, merged, prior, learns_noise=noise is None)
    n_new = 1 if previous_n is None else max(len(y) - previous_n, 1)
    hyperparameters = posterior.maximize(posterior.starts(previous, n_new), n_new)
    observation_noise = posterior.observation_noise(hyperparameters.noise)
    return GP.build(features, hyperparameters, merged.X, merged.y, observation_noise, outcome)


class LogPosterior:
    """The log posterior density of hyper-parameters, with its gradient, on one data set."""

    def __init__(self, features: Features, observed: Merged, prior: Prior, learns_noise: bool) -> None:
        self.prior = prior
        self.observed = observed
        self.column = features.column
        self.F = features(observed.X)
        self.d = features.space.d
        self.unknown = np.isnan(observed.variance)
        self.learns_noise = learns_noise and bool(self.unknown.any())
        self._known = np.where(self.unknown, 0.0, np.maximum(observed.variance, EXACT_NOISE))
        self._share = np.where(self.unknown, 1.0 / observed.counts, 0.0)
        n = len(self.F)
        self._repeats = float((observed.counts - 1)[self.unknown].sum())
        self._rhs = np.asfortranarray(np.column_stack([observed.y, np.ones(n)]))
        self._kernel, self._slope = np.empty((n, n)), np.empty((n, n))

    def observation_noise(self, noise: float) -> FloatArray:
        """Return the noise variance of every merged observation, (n,)."""
        return self._known + noise * self._share

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of theta, (d + 2,) each; a quantity that is not learnt is held by equal bounds."""
        floor = np.log(self.prior.noise_floor) if self.learns_noise else np.log(EXACT_NOISE)
        ceiling = np.log(1e2) if self.learns_noise else floor
        lower = np.concatenate([np.full(self.d, np.log(5e-3)), [np.log(1e-3), floor]])
        upper = np.concatenate([np.full(self.d, np.log(1e3)), [np.log(1e4), ceiling]])
        return lower, upper

    def starts(self, previous: list[float] | None, n_new: int = 1) -> FloatArray:
        """Return the points theta (k, d + 2) from which to search.

        Cold: long length-scales with little noise, short ones with little, long ones with much. Warm:
        where the previous fit, on n_new observations less, ended; and now and then one of the cold ones
        too, whenever the number of observations passes a multiple of a period.
        """
        root = 0.5 * np.log(max(self.d, 1))
        cold = [[*np.full(self.d, length + root), scale, noise] for length, scale, noise in COLD_STARTS]
        if previous is None or len(previous) != self.d + 2 or not np.isfinite(previous).all():
            return np.array(cold)
        n = len(self.F)
        period = max(FRESH_START_EVERY, n // FRESH_START_EVERY)
        if n // period != (n - n_new) // period:
            return np.array([previous, cold[n // period % len(cold)]])
        return np.array([previous])

    def maximize(self, starts: FloatArray, n_new: int = 1) -> Hyperparameters:
        """Return the best of the local maxima reached from the starts (k, d + 2).

        A warm start alone gets the more evaluations, the more observations are new.
        """
        lower, upper = self.bounds

        def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
            pairs = [self(z * unit) for z in Z]
            return -np.array([p[0] for p in pairs]), -unit * np.array([p[1] for p in pairs])

        tolerance = min(max(GRADIENT_TOLERANCE * len(self.F), 0.1), 0.5)
        is_warm = len(starts) == 1
        unit = WARM_STEP if is_warm else 1.0  # L-BFGS begins with a step of length 1
        z, value = minimize_batch(
            loss,
            starts / unit,
            lower / unit,
            upper / unit,
            gradient_tolerance=tolerance * unit,
            value_tolerance=VALUE_TOLERANCE,
            max_rounds=min(MOST_WARM + 2 * (n_new - 1), MOST_COLD) if is_warm else MOST_COLD,
            lowest_only=True,
        )
        theta = z * unit
        best = int(np.argmin(value))
        if not np.isfinite(value[best]):
            raise FitError(f"no hyper-parameters give a finite likelihood on {len(self.F)} points")
        d = self.d
        return Hyperparameters(
            np.exp(theta[best, :d]), float(np.exp(theta[best, d])), float(np.exp(theta[best, -1]))
        )

    def __call__(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the log density at theta (d + 2,) and its gradient; -inf where K cannot be factorised.

        Works with R = K / s = k + diag(v) / s, in two n x n buffers, on lower triangles only.
        """
        n, d = len(self.F), self.d
        natural = np.exp(theta)
        length, s, noise = natural[:d], float(natural[d]), float(natural[-1])
        data = kernels.data(self.F * (_SQRT_5 / length)[self.column])
        U, v = self._factor(data, self.observation_noise(noise), s)
        if U is None:
            return -np.inf, np.zeros(d + 2)
        log_det = 2.0 * float(np.log(U.diagonal()).sum()) + n * theta[d]
        solved, _ = lapack.dpotrs(U, self._rhs, lower=0)
        mean = float(solved[:, 0].sum() / solved[:, 1].sum())
        a = solved[:, 0] - mean * solved[:, 1]  # R⁻¹ (y - m) = s K⁻¹ (y - m)
        fit_term = float((self.observed.y - mean) @ a) / s
        value = -0.5 * (fit_term + log_det + n * _LOG_2PI)

        inverse, _ = lapack.dpotri(U, lower=0, overwrite_c=1)
        noise_gradient = (a * a / s - inverse.diagonal()) * (0.5 / s)
        G = blas.dsyr(-1.0 / s, a, lower=0, a=inverse, overwrite_a=1)  # s (K⁻¹ - a aᵀ), upper triangle
        kernels.multiply_lower(G.T, self._slope)
        product = blas.dsymm(1.0, G, data[:, :-1], side=0, lower=0)
        Z, row_sums = data[:, :-2], product[:, -1:]
        # sum_ij G_ij (z_i - z_j)² = 2 sum_i z_i (z_i rowsum_i - (G z)_i), and dk/d(r²) = -t/6
        spread = (Z * (Z * row_sums - product[:, :-1])).sum(axis=0)
        gradient = np.empty(d + 2)
        gradient[:d] = np.bincount(self.column, spread, minlength=d) * (-1 / 3)
        gradient[d] = 0.5 * (fit_term - n) - float(noise_gradient @ v)
        gradient[-1] = 0.0
        if self.learns_noise:
            # Within replicates: counts - 1 deviations with a sum of squares that merging set aside.
            scatter = self.observed.scatter / noise
            value -= 0.5 * (self._repeats * (_LOG_2PI + theta[-1]) + scatter)
            gradient[-1] = noise * float(noise_gradient @ self._share) + 0.5 * (scatter - self._repeats)
        return self._add_prior(value, gradient, theta)

    def _factor(self, data: FloatArray, v: FloatArray, s: float) -> tuple[FloatArray | None, FloatArray]:
        """Return U, UᵀU = R, and the v that it took; None where no jitter helps. Fills the slope buffer."""
        R = self._kernel
        for jitter in JITTERS:
            np.matmul(kernels.query(data[:, :-2]), data.T, out=R)
            kernels.matern52(R, self._slope, lower=True)
            # A lower triangle in C order is an upper one in LAPACK's: nothing is copied.
            R.flat[:: len(R) + 1] = 1.0 + jitter + v / s
            self._slope.flat[:: len(R) + 1] = 1.0
            U, failed = lapack.dpotrf(R.T, lower=0, clean=0, overwrite_a=1)
            if not failed:
                return U, v + jitter * s
        return None, v

    def _add_prior(self, value: float, gradient: FloatArray, theta: FloatArray) -> tuple[float, FloatArray]:
        p, d = self.prior, self.d
        deviation = (theta[:d] - p.length_mu - 0.5 * np.log(max(d, 1))) / p.length_sigma
        value -= 0.5 * float(deviation @ deviation) + float(theta[:d].sum())
        gradient[:d] -= deviation / p.length_sigma + 1.0
        for i, mu, sigma in ((d, p.scale_mu, p.scale_sigma), (d + 1, p.noise_mu, p.noise_sigma)):
            if i == d or self.learns_noise:
                z = (theta[i] - mu) / sigma
                value -= 0.5 * float(z * z)
                gradient[i] -= z / sigma
        return value, gradient
