"""Expected improvement of q points together, in logarithms: qLogEI (Ament et al. 2023, section 4).

    value = log E[max_j (best - f(x_j))^+],   f = mean + L z,   L Lᵀ = covariance of the q outcomes

The expectation is a mean over quasi-random normals z that stay fixed, so that the value is an ordinary
function of the points. Both maxima are smoothed so that the logarithm has useful gradients everywhere:

    u^+  becomes  (u + sqrt(u² + 4 tau²)) / 2 = tau exp(asinh(u / (2 tau)))
    max_j  becomes  the p-norm over j

whose tail falls off like 1/|u|, not like exp(u): points that improve in no sample still have a way to
go. The derivative with respect to L is carried to the covariance in closed form (Murray 2016, arXiv
1602.07527).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.acquisitions.pointwise import log_mean_exp
from bbopt.errors import FitError
from bbopt.rng import Key
from bbopt.sobol import sobol
from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray

_TAU = 1e-8
"""Where improvements are rounded off, in model units."""
_NORM = 100.0
"""p: the maximum over q members is too large by a factor of q^(1/p) at most."""
_JITTERS = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4)
"""Added to variances, in model units, until the covariance of q outcomes can be factorised."""


def normal_samples(count: int, q: int, rng: Key) -> FloatArray:
    """Return Sobol points turned into standard normal numbers, (count, q); best with count a power of 2."""
    return np.asarray(ndtri(sobol(0, count, q, rng)))


@dataclass(frozen=True, slots=True)
class LogExpectedImprovementOfBatch:
    """Log of the expected improvement that q points asked together bring, in model units.

    Of points that are pending the surrogate knows: give it ``fantasize`` or, better, ``GP.draws`` with
    pending points, which also makes this the noisy version (qLogNEI).

    Parameters
    ----------
    surrogate : Surrogate
        The value is averaged over its columns.
    best : array (s,)
        Incumbent values in model units.
    normals : array (M, q)
        Standard normal base samples, see :func:`normal_samples`; 128 to 512 are enough to search with.
    """

    surrogate: Surrogate
    best: FloatArray
    normals: FloatArray

    @property
    def scale(self) -> FloatArray:
        """The surrogate's lengths."""
        return self.surrogate.scale

    @property
    def is_smooth(self) -> bool:
        """Whether the surrogate is."""
        return self.surrogate.is_smooth

    def value(self, X: FloatArray) -> FloatArray:
        """Return the log expected improvement (t,) of t sets of q points X (t, q, d).

        Raises
        ------
        FitError
            When the posterior covariance of a set is not positive definite, with jitter neither.
        """
        mean, covariance = self.surrogate.joint(X)
        logs, _ = self._log_improvements(mean, _factors(covariance))
        return log_mean_exp(_norm(logs)[0])

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log expected improvement (t,) and its gradient (t, q, d); raises as ``value`` does."""
        mean, covariance, pull = self.surrogate.joint_vjp(X)
        L = _factors(covariance)
        logs, slopes = self._log_improvements(mean, L)
        highest, shares = _norm(logs)
        value = log_mean_exp(highest)
        weights = np.exp(highest - value[:, None, None]) / (highest.shape[1] * highest.shape[2])
        d_f = -weights[..., None] * shares * slopes  # (t, s, M, q)
        d_L = np.swapaxes(d_f, 2, 3) @ self.normals
        if L.shape[1] == 1:  # shared by all columns
            d_L = d_L.sum(axis=1, keepdims=True)
        return value, pull(np.swapaxes(d_f.sum(axis=2), 1, 2), _pull_factors(L, d_L))

    def _log_improvements(self, mean: FloatArray, L: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logs of smoothed improvements (t, s, M, q), and their derivatives in u = best - f."""
        f = np.swapaxes(mean, 1, 2)[:, :, None, :] + self.normals @ np.swapaxes(L, 2, 3)
        u = self.best[:, None, None] - f
        return np.log(_TAU) + np.arcsinh(u / (2 * _TAU)), 1.0 / np.hypot(u, 2 * _TAU)


def _norm(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log of the p-norm over the last axis, and its derivatives with respect to the logs."""
    largest = logs.max(axis=-1, keepdims=True)
    powers = np.exp(_NORM * (logs - largest))
    total = powers.sum(axis=-1, keepdims=True)
    return (largest + np.log(total) / _NORM)[..., 0], powers / total


def _factors(covariance: FloatArray) -> FloatArray:
    """Return L (t, s, q, q), each with as little jitter as it takes.

    Points in one place have a singular covariance.
    """
    eye = np.eye(covariance.shape[-1])
    try:
        return np.asarray(np.linalg.cholesky(covariance + _JITTERS[0] * eye))
    except np.linalg.LinAlgError:
        flat = covariance.reshape(-1, *eye.shape)
        return np.stack([_factor(C, eye) for C in flat]).reshape(covariance.shape)


def _factor(C: FloatArray, eye: FloatArray) -> FloatArray:
    for jitter in _JITTERS:
        try:
            return np.asarray(np.linalg.cholesky(C + jitter * eye))
        except np.linalg.LinAlgError:
            continue
    raise FitError(
        f"the posterior covariance of {len(C)} points asked together is not positive definite, even with "
        f"{_JITTERS[-1]:g} added to its diagonal: {C.tolist()}"
    )


def _pull_factors(L: FloatArray, d_L: FloatArray) -> FloatArray:
    """Return derivatives with respect to the covariance from those with respect to its lower factor."""
    inverse = np.linalg.inv(L)
    inner = np.tril(np.swapaxes(L, -1, -2) @ np.tril(d_L))
    diagonal = np.arange(L.shape[-1])
    inner[..., diagonal, diagonal] *= 0.5
    outer = np.swapaxes(inverse, -1, -2) @ inner @ inverse
    return np.asarray(0.5 * (outer + np.swapaxes(outer, -1, -2)))


@dataclass(frozen=True, slots=True)
class WithRisk:
    """What a batch promises, plus the mean over its members of a pointwise log acquisition.

    Parameters
    ----------
    batch : LogExpectedImprovementOfBatch
    pointwise : Acquisition
        Such as the log chance of a run to finish.
    """

    batch: LogExpectedImprovementOfBatch
    pointwise: Acquisition

    @property
    def scale(self) -> FloatArray:
        """The shorter of both lengths, a column each."""
        return np.asarray(np.minimum(self.batch.scale, self.pointwise.scale))

    @property
    def is_smooth(self) -> bool:
        """Whether both are."""
        return self.batch.is_smooth and self.pointwise.is_smooth

    def value(self, X: FloatArray) -> FloatArray:
        """Return values (t,) of batches X (t, q, d)."""
        t, q, d = X.shape
        risk = self.pointwise.value(X.reshape(t * q, d)).reshape(t, q).mean(axis=1)
        return np.asarray(self.batch.value(X) + risk)

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (t,) and their gradients (t, q, d)."""
        t, q, d = X.shape
        value, gradient = self.batch.value_and_grad(X)
        more, slope = self.pointwise.value_and_grad(X.reshape(t * q, d))
        return value + more.reshape(t, q).mean(axis=1), gradient + slope.reshape(t, q, d) / q
