"""Maximum a posteriori hyper-parameters of an additive process, by analytic gradients.

    log p(y | theta) = -½ [(y - m)ᵀ a + log det K + n log 2 pi],  a = K⁻¹ (y - m),  d/dK = ½ (a aᵀ - K⁻¹)

The covariances of all pairs of points lie in one row a factor, so K and all derivatives are products with
that table: p n² / 2 numbers, twice.

Rasmussen & Williams 2006, section 5.4.1; see :mod:`bbopt.surrogates.additive` for the process.
"""

import numpy as np
from scipy.linalg import lapack

from bbopt.errors import FitError
from bbopt.lbfgs import minimize_batch
from bbopt.surrogates.additive import AdditiveGP, Decomposition, masks, most_likely_mean
from bbopt.surrogates.factor import JITTERS
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.kernel import Hyperprior
from bbopt.surrogates.kernels.profiles import MATERN52
from bbopt.surrogates.kernels.stationary import LENGTH_BOUNDS, LENGTH_MU, LENGTH_SIGMA, LENGTH_STARTS
from bbopt.surrogates.likelihood import EXACT_NOISE, Prior
from bbopt.types import FloatArray

WARM, COLD = 12, 40
"""The most evaluations of the likelihood, from the last fit on and from scratch."""
NATS = 1e-2
"""A fit ends after a step that gains less."""

_PRIOR = Prior(noise_floor=1e-6)
_NOISE_STARTS = (-6.0, -6.0, -1.5)
_LOG_2PI = float(np.log(2 * np.pi))


class AdditiveLogPosterior:
    """The log posterior density of hyper-parameters on one data set, with its gradient.

    theta (2 p + 1,): log length-scales, log output scales of the p factors, log noise variance. The log
    density of the prior is taken relative to its maximum: a hyper-parameter of which the data say nothing
    costs nothing, so that decompositions with more and with fewer factors compare.

    Parameters
    ----------
    features : Features
    X : array (n, d)
        Encoded points.
    y : array (n,)
        Outcomes in model units: mean 0, standard deviation 1.
    variance : array (n,)
        Known noise variances in model units; nan where the noise is to be learnt.
    decomposition : Decomposition
    """

    def __init__(
        self,
        features: Features,
        X: FloatArray,
        y: FloatArray,
        variance: FloatArray,
        decomposition: Decomposition,
    ) -> None:
        self.features, self.X, self.y, self.decomposition = features, X, y, decomposition
        self.unknown = np.isnan(variance)
        self._known = np.where(self.unknown, 0.0, np.maximum(variance, EXACT_NOISE))
        self.prior = _hyperprior(decomposition)
        self._mode = float(self.prior.is_density @ (0.5 * self.prior.sigma**2 - self.prior.mu))
        self._lower = np.tril_indices(len(y), -1)
        self._rhs = np.asfortranarray(np.column_stack([y, np.ones(len(y))]))
        F = features(X)
        looks = masks(features, decomposition)
        self._squared = np.empty((len(looks), len(self._lower[0])))
        for row, mask in zip(self._squared, looks, strict=True):
            Z = F[:, mask > 0]
            size = np.einsum("nf,nf->n", Z, Z)
            row[:] = (size[:, None] + size - 2.0 * (Z @ Z.T))[self._lower]
        np.maximum(self._squared, 0.0, out=self._squared)

    def noise(self, theta: FloatArray) -> FloatArray:
        """Return the noise variance of every observation, (n,)."""
        return np.asarray(self._known + self.unknown * np.exp(theta[-1]))

    def __call__(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the log density and its gradient; -inf where K cannot be factorised."""
        n, p = len(self.y), len(self.decomposition)
        scales = np.exp(theta[p : 2 * p])
        k, steep = np.empty((2, *self._squared.shape))
        for i, factor in enumerate(MATERN52.factor * np.exp(-2.0 * theta[:p])):  # one fits into the cache
            u = factor * self._squared[i]
            k[i], slope = MATERN52.formula(u)
            np.multiply(slope, u, out=steep[i])  # dk/dlog length = -2 u dk/du
        v = self.noise(theta)
        total = float(scales.sum())
        K = np.zeros((n, n))
        for jitter in JITTERS:
            K[self._lower] = scales @ k
            K.flat[:: n + 1] = total + v + jitter * total
            U, failed = lapack.dpotrf(K.T, lower=0, clean=0, overwrite_a=1)
            if not failed:
                break
        else:
            return -np.inf, np.zeros(len(theta))
        solved, _ = lapack.dpotrs(U, self._rhs, lower=0)
        a = solved[:, 0] - most_likely_mean(solved) * solved[:, 1]
        log_det = 2.0 * float(np.log(U.diagonal()).sum())
        value = -0.5 * (float(self.y @ a) + log_det + n * _LOG_2PI)

        inverse, _ = lapack.dpotri(U, lower=0)
        G = a * a - inverse.diagonal()
        below = a[self._lower[0]] * a[self._lower[1]] - inverse.T[self._lower]
        gradient = np.empty(2 * p + 1)
        gradient[:p] = scales * (steep @ below)
        gradient[p : 2 * p] = scales * (k @ below + 0.5 * (1.0 + jitter) * G.sum())
        gradient[-1] = 0.5 * float(np.exp(theta[-1]) * G[self.unknown].sum())
        log_prior, d_prior = self.prior.log_density(theta)
        return value + log_prior - self._mode, gradient + d_prior

    def process(self, theta: FloatArray) -> "AdditiveGP":
        """Return the process with these hyper-parameters; raises FitError where K cannot be factorised."""
        return AdditiveGP.build(self.features, self.decomposition, theta, self.X, self.y, self.noise(theta))


def fit(
    posterior: AdditiveLogPosterior, previous: FloatArray | None = None, *, is_fresh: bool = False
) -> tuple[FloatArray, float]:
    """Return the hyper-parameters theta of the highest mode that is found, and its log density.

    Parameters
    ----------
    posterior : AdditiveLogPosterior
    previous : array (2 p + 1,), optional
        Where to go on from; None starts from scratch.
    is_fresh : bool
        Whether to start from scratch, too.

    Raises
    ------
    FitError
        When no start has a finite density.
    """
    prior = posterior.prior
    starts = prior.starts if previous is None else np.clip(previous, prior.lower, prior.upper)[None]
    if previous is not None and is_fresh:
        starts = np.concatenate([starts, prior.starts[:1]])
    unit = len(posterior.y) ** -0.5  # curvatures grow with n: so the first step is about Newton's

    def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        values, gradients = zip(*(posterior(z * unit) for z in Z), strict=True)
        return -np.array(values), -unit * np.array(gradients)

    z, lowest = minimize_batch(
        loss,
        starts / unit,
        prior.lower / unit,
        prior.upper / unit,
        gradient_tolerance=NATS,
        value_tolerance=NATS / max(len(posterior.y), 1),
        max_rounds=WARM if len(starts) == 1 else COLD,
        lowest_only=len(starts) > 1,
    )
    best = int(np.argmin(lowest))
    if not np.isfinite(lowest[best]):
        raise FitError(f"no hyper-parameters give a finite likelihood on {len(posterior.y)} points")
    return np.clip(z[best] * unit, prior.lower, prior.upper), -float(lowest[best])


def _hyperprior(decomposition: Decomposition) -> Hyperprior:
    p = len(decomposition)
    root = 0.5 * np.log([len(factor) for factor in decomposition])
    names = tuple(f"{word}({i})" for word in ("length", "scale") for i in range(p))
    same = np.ones(p)
    low, high = np.log(LENGTH_BOUNDS)
    share = -np.log(p) * same  # the output scales add up to about 1, the variance of the outcomes

    def joined(length: FloatArray, scale: FloatArray, noise: float) -> FloatArray:
        return np.concatenate([length, scale, [noise]])

    return Hyperprior(
        (*names, "noise"),
        joined(LENGTH_MU + root, share, _PRIOR.noise_mu),
        joined(LENGTH_SIGMA * same, _PRIOR.scale_sigma * same, _PRIOR.noise_sigma),
        joined(same, 0.0 * same, 0.0),
        joined(low * same, np.log(1e-6) + share, float(np.log(_PRIOR.noise_floor))),
        joined(high * same, np.log(1e3) * same, float(np.log(1e1))),
        np.array([joined(s + root, share, v) for s, v in zip(LENGTH_STARTS, _NOISE_STARTS, strict=True)]),
    )
