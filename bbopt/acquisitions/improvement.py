"""Improvement on the best so far: its expectation, its probability, and how much of it is exploration.

With z = (best - mean) / sd and h(z) = phi(z) + z Phi(z):

    EI = sd h(z),   dEI/dmean = -Phi(z),   dEI/dsd = phi(z)        Jones, Schonlau and Welch 1998
    log EI = log sd + log h(z)                                     Ament et al. 2023, section 4.1
    log PI = log Phi((best - mean - xi) / sd)                      Kushner 1964

Derivatives of the logarithms need Phi/h, phi/h and phi/Phi, which stay representable where h and Phi
underflow. The formulas take arrays of any shape that broadcast, NumPy's or torch's.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bbopt.acquisitions.pointwise import Pointwise
from bbopt.arrays import erfcx, namespace
from bbopt.types import FloatArray

_LOG_SQRT_2PI = float(0.5 * np.log(2 * np.pi))
_SQRT_HALF, _SQRT_HALF_PI = 0.5**0.5, (0.5 * np.pi) ** 0.5
_FAR, _NEAR = -50.0, 30.0
_DENSITY_AT_0 = (2 * np.pi) ** -0.5
_SMALLEST_SD, _SMALLEST_Z = 1e-200, -1e100


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


def log_cdf(z: Any) -> tuple[Any, Any]:
    """Return log Phi(z) and phi(z)/Phi(z), accurate for all finite z down to -1e150.

    With e = erfcx(|z|/sqrt 2)/2, Phi(-|z|) = e exp(-z²/2).
    """
    xp = namespace(z)
    e = 0.5 * erfcx(_SQRT_HALF * xp.abs(z))
    decay = xp.exp(-0.5 * z * z)
    tail = e * decay
    below = z < 0.0
    value = xp.where(below, xp.log(e) - 0.5 * z * z, xp.log1p(-tail))
    return value, xp.where(below, 1.0 / e, decay / (1.0 - tail)) * _DENSITY_AT_0


def expected_improvement(mean: Any, sd: Any, best: Any) -> tuple[Any, Any, Any]:
    """Return EI and its derivatives with respect to mean and sd."""
    log_value, cdf_ratio, pdf_ratio = log_h((best - mean) / sd)
    h = namespace(log_value).exp(log_value)
    return sd * h, -cdf_ratio * h, pdf_ratio * h


def log_expected_improvement(mean: Any, sd: Any, best: Any) -> tuple[Any, Any, Any]:
    """Return log EI and its derivatives with respect to mean and sd."""
    log_value, cdf_ratio, pdf_ratio = log_h((best - mean) / sd)
    return log_value + namespace(sd).log(sd), -cdf_ratio / sd, pdf_ratio / sd


def log_probability_of_improvement(mean: Any, sd: Any, best: Any) -> tuple[Any, Any, Any]:
    """Return log P(f < best) and its derivatives with respect to mean and sd."""
    z = (best - mean) / sd
    value, ratio = log_cdf(z)
    return value, -ratio / sd, -ratio * z / sd


def exploration(mean: Any, sd: Any, best: Any) -> Any:
    """Return the share of EI that is owed to not knowing, in [0, 1].

    EI = (best - mean) Phi(z) + sd phi(z): what the mean promises, and what the uncertainty adds. The
    share of the second is phi/h; it is 1 where the mean promises nothing, and 0 where sd is.
    """
    xp = namespace(mean)
    z = (best - mean) / xp.clip(sd, _SMALLEST_SD, None)
    _, _, share = log_h(xp.clip(z, _SMALLEST_Z, None))
    return xp.clip(share, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class ExpectedImprovement(Pointwise):
    """The expected improvement below ``best``, averaged over the columns of the surrogate.

    For those who want its value: over most of a space EI and its gradient vanish in rounding, so that
    there is nothing to climb. Its logarithm has the same maxima.

    Parameters
    ----------
    surrogate : Surrogate
    best : array (s,)
        Incumbent values in model units.
    """

    best: FloatArray

    is_log: ClassVar[bool] = False

    def formula(self, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return EI and its derivatives."""
        return expected_improvement(mean, sd, self.best)


@dataclass(frozen=True, slots=True)
class LogExpectedImprovement(Pointwise):
    """Log of the expected improvement below ``best``, averaged over the columns of the surrogate.

    Which expectation this is lies in the surrogate and in ``best``, one value a column:

    - LogEI: an ordinary surrogate and the lowest outcome where there is no noise, or else the lowest
      posterior mean at an observed point (``surrogate.incumbent``).
    - LogNEI: joint posterior draws of the noise-free outcome at the observed and pending points
      (``GP.draws``: s means, one variance), each with its own incumbent: the average, over what the
      noise hides and what the pending points will bring, of the improvement on the true best
      (Letham et al. 2019, section 4, with closed forms inside the average).
    - an ensemble: averaged over hyper-parameters (Snoek, Larochelle and Adams 2012, section 3.2).

    Parameters
    ----------
    surrogate : Surrogate
    best : array (s,)
        Incumbent values in model units.
    """

    best: FloatArray

    def formula(self, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return log EI and its derivatives."""
        return log_expected_improvement(mean, sd, self.best)


@dataclass(frozen=True, slots=True)
class LogProbabilityOfImprovement(Pointwise):
    """Log of the probability of an outcome below ``best - xi``, averaged over the columns.

    Parameters
    ----------
    surrogate : Surrogate
    best : array (s,)
        Incumbent values in model units.
    xi : float
        The least improvement that counts, in model units. At 0 the probability is largest next to the
        incumbent, however little is gained there.
    """

    best: FloatArray
    xi: float = 0.0

    def formula(self, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return log PI and its derivatives."""
        return log_probability_of_improvement(mean, sd, self.best - self.xi)
