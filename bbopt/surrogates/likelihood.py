"""The log posterior of a process's hyper-parameters, by analytic gradients.

    theta = those of the covariance, log output scale, log noise;  K = s k + diag(v),  a = K⁻¹ (y - m)
    log p(y | theta) = -½ [(y - m)ᵀ a + log det K + n log 2 pi],   d/dK = ½ (a aᵀ - K⁻¹)

K⁻¹ comes from LAPACK's potri at twice the price of the factorisation; a derivative through the
factorisation would cost twenty times as much. From dL/dK the kernel's own pullback leads to its
hyper-parameters. The mean m is profiled out, so it adds no gradient term.

Rasmussen and Williams 2006, section 5.4.1.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack

from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.factor import JITTERS
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels.kernel import Pool
from bbopt.surrogates.merging import Merged
from bbopt.surrogates.outcomes import Outcome
from bbopt.types import FloatArray, IntArray

_LOG_2PI = float(np.log(2 * np.pi))

EXACT_NOISE = 1e-8
"""Noise variance, in model units, of outcomes declared exact."""
NOTICED = 0.1
"""Of a noise with this standard deviation, in model units, half of ``Prior.short`` counts."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of scale and noise of a process on standardised outcomes; lengths: see the kernels.

    Attributes
    ----------
    scale_mu, scale_sigma : float
        log output scale ~ N(mu, sigma²).
    noise_mu, noise_sigma, noise_floor : float
        log noise variance ~ N(mu, sigma²), and the least variance.
    short : float
        Where noise of standard deviation s is learnt, lengths l cost s / (s + NOTICED) short / l² nats each:
        what changes within a hundredth of the space cannot be told from noise, unless there is none.
    """

    scale_mu: float = 0.0
    scale_sigma: float = 1.0
    noise_mu: float = -8.0
    noise_sigma: float = 3.0
    noise_floor: float = EXACT_NOISE
    short: float = 0.02


class LogPosterior:
    """The log posterior density of hyper-parameters, with its gradient, on one data set.

    Attributes
    ----------
    whole : LogPosterior
        That of all points, where this one looks at some of them; else itself.
    """

    def __init__(
        self,
        covariance: Covariance,
        observed: Merged,
        prior: Prior,
        learns_noise: bool,
        whole: "LogPosterior | None" = None,
    ) -> None:
        self.whole = self if whole is None else whole
        self.covariance = covariance
        self.prior = prior
        self.observed = observed
        self.F = covariance.features(observed.X)
        self.unknown = np.isnan(observed.variance)
        self.learns_noise = learns_noise and bool(self.unknown.any())
        self._known = np.where(self.unknown, 0.0, np.maximum(observed.variance, EXACT_NOISE))
        self._share = np.where(self.unknown, 1.0 / observed.counts, 0.0)
        self._repeats = float((observed.counts - 1)[self.unknown].sum())
        self._rhs = np.asfortranarray(np.column_stack([observed.y, np.ones(self.n)]))
        self._pool = Pool(self.n)

    @property
    def n(self) -> int:
        """How many distinct points there are."""
        return len(self.F)

    def part(self, count: int) -> "LogPosterior":
        """Return the same on ``count`` of the points, evenly spread over the order in which they came."""
        return self.some(np.linspace(0, self.n - 1, count).astype(np.int64))

    def some(self, rows: IntArray) -> "LogPosterior":
        """Return the same on some of the points."""
        o = self.observed
        repeats = float((o.counts[rows] - 1)[self.unknown[rows]].sum())
        scatter = o.scatter * repeats / max(self._repeats, 1.0)
        some = Merged(o.X[rows], o.y[rows], o.variance[rows], o.counts[rows], scatter)
        return LogPosterior(self.covariance, some, self.prior, self.learns_noise, self.whole)

    def observation_noise(self, noise: float) -> FloatArray:
        """Return the noise variance of every merged observation, (n,)."""
        return self._known + noise * self._share

    def process(self, hyperparameters: Hyperparameters, outcome: Outcome | None = None) -> GP:
        """Return the process with these hyper-parameters, on this data."""
        noise = self.observation_noise(hyperparameters.noise)
        X, y = self.observed.X, self.observed.y
        return GP.build(self.covariance, hyperparameters, X, y, noise, outcome, self._pool)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of theta, (p,) each; a quantity that is not learnt is held by equal bounds."""
        floor = np.log(self.prior.noise_floor) if self.learns_noise else np.log(EXACT_NOISE)
        ceiling = np.log(1e2) if self.learns_noise else floor
        prior = self.covariance.hyperprior
        return (
            np.concatenate([prior.lower, [np.log(1e-3), floor]]),
            np.concatenate([prior.upper, [np.log(1e4), ceiling]]),
        )

    def __call__(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the log density at theta (p,) and its gradient; -inf where K cannot be factorised.

        Works with R = K / s = k + diag(v) / s, in a few n x n buffers, on lower triangles only.
        """
        n = self.n
        own, s, noise = theta[:-2], float(np.exp(theta[-2])), float(np.exp(theta[-1]))
        placed, unwarp = self.covariance.place(own, self.F)
        v = self.observation_noise(noise)
        for jitter in JITTERS:
            R, pull = placed.gram(self._pool.rewind())
            # A lower triangle in C order is an upper one in LAPACK's: nothing is copied.
            R.flat[:: n + 1] += jitter + v / s
            U, failed = lapack.dpotrf(R.T, lower=0, clean=0, overwrite_a=1)
            if not failed:
                v = v + jitter * s
                break
        else:
            return -np.inf, np.zeros(len(theta))
        log_det = 2.0 * float(np.log(U.diagonal()).sum()) + n * theta[-2]
        solved, _ = lapack.dpotrs(U, self._rhs, lower=0)
        mean = float(solved[:, 0].sum() / solved[:, 1].sum())
        a = solved[:, 0] - mean * solved[:, 1]  # R⁻¹ (y - m) = s K⁻¹ (y - m)
        fit_term = float((self.observed.y - mean) @ a) / s
        value = -0.5 * (fit_term + log_det + n * _LOG_2PI)

        inverse, _ = lapack.dpotri(U, lower=0, overwrite_c=1)
        noise_gradient = (a * a / s - inverse.diagonal()) * (0.5 / s)
        G = blas.dsyr(-1.0 / s, a, lower=0, a=inverse, overwrite_a=1)  # s (K⁻¹ - a aᵀ), upper triangle
        d_kernel, dF = pull(G.T)
        d_warp, _ = unwarp(dF)
        gradient = np.concatenate([-0.5 * d_kernel, -0.5 * d_warp, [0.0, 0.0]])
        gradient[-2] = 0.5 * (fit_term - n) - float(noise_gradient @ v)
        if self.learns_noise:
            # Within replicates: counts - 1 deviations with a sum of squares that merging set aside.
            scatter = self.observed.scatter / noise
            value -= 0.5 * (self._repeats * (_LOG_2PI + theta[-1]) + scatter)
            gradient[-1] = noise * float(noise_gradient @ self._share) + 0.5 * (scatter - self._repeats)
        return self._add_prior(value, gradient, theta)

    def _add_prior(self, value: float, gradient: FloatArray, theta: FloatArray) -> tuple[float, FloatArray]:
        p = self.prior
        log_prior, d_own = self.covariance.hyperprior.log_density(theta[:-2])
        value += log_prior
        gradient[:-2] += d_own
        if self.learns_noise:
            sd = np.exp(0.5 * theta[-1])
            share = sd / (sd + NOTICED)
            cost = share * p.short * self.covariance.hyperprior.is_density * np.exp(-2.0 * theta[:-2])
            value -= float(cost.sum())
            gradient[:-2] += 2.0 * cost
            gradient[-1] -= 0.5 * (1.0 - share) * float(cost.sum())
        for i, mu, sigma in ((-2, p.scale_mu, p.scale_sigma), (-1, p.noise_mu, p.noise_sigma)):
            if i == -2 or self.learns_noise:
                z = (theta[i] - mu) / sigma
                value -= 0.5 * float(z * z)
                gradient[i] -= z / sigma
        return value, gradient
