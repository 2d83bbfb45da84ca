"""Expected improvement in logarithms: LogEI (Ament et al. 2023) and LogNEI (Letham et al. 2019).

With z = (best - mean) / sd and h(z) = phi(z) + z Phi(z), log EI = log sd + log h(z). Its derivatives
need Phi/h and phi/h, which stay representable where h itself underflows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx

from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
_SQRT_HALF, _SQRT_HALF_PI = 0.5**0.5, (0.5 * np.pi) ** 0.5
_FAR, _NEAR = -50.0, 30.0


def log_h(z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log h(z), Phi(z)/h(z) and phi(z)/h(z), accurate for all finite z down to -1e150.

    h = phi(z) c(z) with c = 1 + z q and q = Phi/phi = sqrt(pi/2) erfcx(-z/sqrt 2), for z of either sign.
    Only c loses digits as z falls, like z², so from -50 down it is its asymptotic series (Ament et al.
    2023, appendix A); and above 30, where q overflows, h is z.
    """
    middle = z if z.size == 0 or (z.min() > _FAR and z.max() < _NEAR) else np.clip(z, _FAR, _NEAR)
    q = _SQRT_HALF_PI * erfcx(-_SQRT_HALF * middle)
    c = 1.0 + middle * q
    value = np.log(c) - 0.5 * middle * middle - _LOG_SQRT_2PI
    cdf_ratio, pdf_ratio = q / c, 1.0 / c
    if middle is z:
        return value, cdf_ratio, pdf_ratio

    tail, large = np.minimum(z, _FAR), np.maximum(z, _NEAR)
    u = 1.0 / (tail * tail)
    c = u * (1 - u * (3 - u * (15 - u * (105 - u * 945))))
    q = (1 - u * (1 - u * (3 - u * (15 - u * 105)))) / -tail
    below, above = z <= _FAR, z >= _NEAR
    value = np.where(
        below, np.log(c) - 0.5 * tail * tail - _LOG_SQRT_2PI, np.where(above, np.log(large), value)
    )
    cdf_ratio = np.where(below, q / c, np.where(above, 1.0 / large, cdf_ratio))
    return value, cdf_ratio, np.where(below, 1.0 / c, np.where(above, 0.0, pdf_ratio))


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
