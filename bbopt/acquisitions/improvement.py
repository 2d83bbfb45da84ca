"""Expected improvement in logarithms: LogEI (Ament et al. 2023) and LogNEI (Letham et al. 2019).

With z = (best - mean) / sd and h(z) = phi(z) + z Phi(z), log EI = log sd + log h(z). Its derivatives
need Phi/h and phi/h, which stay representable where h itself underflows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bbopt.arrays import erfcx, namespace
from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray

_LOG_SQRT_2PI = float(0.5 * np.log(2 * np.pi))
_SQRT_HALF, _SQRT_HALF_PI = 0.5**0.5, (0.5 * np.pi) ** 0.5
_FAR, _NEAR = -50.0, 30.0


def log_h(z: Any) -> tuple[Any, Any, Any]:
    """Return log h(z), Phi(z)/h(z) and phi(z)/h(z), accurate for all finite z down to -1e150.

    h = phi(z) c(z) with c = 1 + z q and q = Phi/phi = sqrt(pi/2) erfcx(-z/sqrt 2), for z of either sign.
    Only c loses digits as z falls, like z², so from -50 down it is its asymptotic series (Ament et al.
    2023, appendix A); and above 30, where q overflows, h is z.
    """
    xp = namespace(z)
    middle = z if len(z) == 0 or (z.min() > _FAR and z.max() < _NEAR) else xp.clip(z, _FAR, _NEAR)
    q = _SQRT_HALF_PI * erfcx(-_SQRT_HALF * middle)
    c = 1.0 + middle * q
    value = xp.log(c) - 0.5 * middle * middle - _LOG_SQRT_2PI
    cdf_ratio, pdf_ratio = q / c, 1.0 / c
    if middle is z:
        return value, cdf_ratio, pdf_ratio

    tail, large = xp.clip(z, None, _FAR), xp.clip(z, _NEAR, None)
    u = 1.0 / (tail * tail)
    c = u * (1 - u * (3 - u * (15 - u * (105 - u * 945))))
    q = (1 - u * (1 - u * (3 - u * (15 - u * 105)))) / -tail
    below, above = z <= _FAR, z >= _NEAR
    value = xp.where(
        below, xp.log(c) - 0.5 * tail * tail - _LOG_SQRT_2PI, xp.where(above, xp.log(large), value)
    )
    cdf_ratio = xp.where(below, q / c, xp.where(above, 1.0 / large, cdf_ratio))
    return value, cdf_ratio, xp.where(below, 1.0 / c, xp.where(above, 0.0, pdf_ratio))


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
        logs, _, _ = log_h((self.best - mean) / sd)
        return log_mean_exp(np.log(sd) + logs)

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log expected improvement (b,) and its gradient (b, d)."""
        mean, variance, pull = self.surrogate.posterior_vjp(X)
        sd = np.sqrt(variance)
        logs, cdf_ratio, pdf_ratio = log_h((self.best - mean) / sd)
        logs += np.log(sd)
        value = log_mean_exp(logs)
        share = np.exp(logs - value[:, None]) / logs.shape[1]  # of each column in the average
        d_mean = -share * cdf_ratio / sd
        d_variance = share * pdf_ratio / (2 * variance)
        if variance.shape[1] == 1:  # shared by all columns
            d_variance = d_variance.sum(axis=1, keepdims=True)
        return value, pull(d_mean, d_variance)


def log_mean_exp(logs: FloatArray) -> FloatArray:
    """Return log mean exp over columns, (b,)."""
    if logs.shape[1] == 1:
        return logs[:, 0]
    largest = logs.max(axis=1)
    return np.asarray(largest + np.log(np.exp(logs - largest[:, None]).mean(axis=1)))
