"""Expected improvement in logarithms: LogEI (Ament et al. 2023) and LogNEI (Letham et al. 2019).

With z = (best - mean) / sd and h(z) = phi(z) + z Phi(z), log EI = log sd + log h(z). Its derivatives
need Phi/h and phi/h, which stay representable where h itself underflows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, ndtr

from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
_FAR = -50.0


def log_h(z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log h(z), Phi(z)/h(z) and phi(z)/h(z), accurate for all finite z down to -1e150.

    For z < -1, h = phi(z) c(z) with c = 1 + z q and q = Phi/phi = sqrt(pi/2) erfcx(-z/sqrt 2). c loses
    digits like z², so from -50 down it is the asymptotic series of c (Ament et al. 2023, appendix A).
    """
    near = np.maximum(z, -1.0)
    phi = np.exp(-0.5 * near * near - _LOG_SQRT_2PI)
    Phi = ndtr(near)
    h = phi + near * Phi
    if z.size and z.min() >= -1.0:
        return np.log(h), Phi / h, phi / h
    tail = np.minimum(z, -1.0)
    u = 1.0 / (tail * tail)
    middle = np.maximum(tail, _FAR)
    q = np.where(
        tail > _FAR,
        np.sqrt(np.pi / 2) * erfcx(-middle / np.sqrt(2.0)),
        (1 - u * (1 - u * (3 - u * (15 - u * 105)))) / -tail,
    )
    c = np.where(tail > _FAR, 1.0 + middle * q, u * (1 - u * (3 - u * (15 - u * (105 - u * 945)))))
    is_tail = z < -1.0
    log_value = np.where(is_tail, -0.5 * tail * tail - _LOG_SQRT_2PI + np.log(c), np.log(h))
    return log_value, np.where(is_tail, q / c, Phi / h), np.where(is_tail, 1.0 / c, phi / h)


@dataclass(frozen=True, slots=True)
class LogExpectedImprovement:
    """Log of the expected improvement below ``best``, averaged over the columns of the surrogate.

    With an ordinary surrogate (one mean, s = 1) and ``best`` its lowest posterior mean at an observed
    point, or the lowest outcome where there is no noise, it is LogEI. With joint posterior draws of the
    noise-free outcome at the observed points (``GP.draws``, s means, one variance) and ``best`` the
    lowest value of each draw, it is LogNEI: the average over what the noise hides of the improvement
    on the true incumbent.

    Parameters
    ----------
    surrogate : Surrogate
    best : array (s,)
        Incumbent values in model units.
    """

    surrogate: Surrogate
    best: FloatArray

    @property
    def scale(self) -> FloatArray:
        """The surrogate's lengths."""
        return self.surrogate.scale

    def value(self, X: FloatArray) -> FloatArray:
        """Return the log expected improvement (b,), in model units."""
        mean, variance = self.surrogate.posterior(X)
        sd = np.sqrt(variance)
        logs, _, _ = log_h((self.best - mean) / sd[:, None])
        return np.log(sd) + _log_mean_exp(logs)

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log expected improvement (b,) and its gradient (b, d)."""
        mean, variance, pull = self.surrogate.posterior_vjp(X)
        sd = np.sqrt(variance)
        logs, cdf_ratio, pdf_ratio = log_h((self.best - mean) / sd[:, None])
        log_mean = _log_mean_exp(logs)
        share = np.exp(logs - log_mean[:, None]) / logs.shape[1]  # of each draw in the average
        d_mean = -share * cdf_ratio / sd[:, None]
        d_variance = (share * pdf_ratio).sum(axis=1) / (2 * variance)
        return np.log(sd) + log_mean, pull(d_mean, d_variance)


def _log_mean_exp(logs: FloatArray) -> FloatArray:
    if logs.shape[1] == 1:
        return logs[:, 0]
    largest = logs.max(axis=1)
    return np.asarray(largest + np.log(np.exp(logs - largest[:, None]).mean(axis=1)))
