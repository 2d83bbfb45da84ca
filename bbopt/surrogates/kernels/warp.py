"""Learnt input warping: each numeric column through Kumaraswamy's distribution function before the kernel.

    w(x) = 1 - (1 - x^a)^b,   a, b > 0;   a = b = 1 leaves x alone

Bends an axis where the outcome varies faster at one end, as on a parameter whose logarithm would have
been the right choice. log a, log b ~ N(0, sigma²) hold it back.

Snoek et al. 2014, "Input warping for Bayesian optimization of non-stationary functions".
"""

from collections.abc import Callable

import numpy as np

from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.kernel import Hyperprior
from bbopt.types import FloatArray

SIGMA = 0.5
EDGE = 1e-6


def warp_prior(features: Features) -> Hyperprior:
    """Return the priors of log a, then log b, of all plain columns."""
    varying = [p.name for p in features.space.parameters if not p.is_constant]
    names = [varying[j] for j in features.plain]
    title = (*(f"warp a({name})" for name in names), *(f"warp b({name})" for name in names))
    return Hyperprior.of(title, 0.0, SIGMA, 0.1, 10.0)


def warp(
    features: Features, theta: FloatArray, F: FloatArray
) -> tuple[FloatArray, Callable[[FloatArray], tuple[FloatArray, FloatArray]]]:
    """Return the features (b, f) with plain columns warped, and the pullback to theta (2 p,) and F.

    Beyond [0, 1] the map goes on with slope 1. Several warpings at once: theta (M, 2 p) gives (M, b, f).
    """
    p = len(features.plain)
    a, b = np.exp(theta[..., None, :p]), np.exp(theta[..., None, p:])
    x = F[..., :p]
    on = np.clip(x, EDGE, 1.0 - EDGE)  # slopes at the very ends may be infinite
    log_x = np.log(on)
    power = np.exp(a * log_x)
    log_rest = np.log1p(-power)
    rest = np.exp(b * log_rest)
    W = np.empty((*theta.shape[:-1], *F.shape))
    W[..., p:] = F[..., p:]
    W[..., :p] = 1.0 - rest + (x - on)

    def pull(dW: FloatArray) -> tuple[FloatArray, FloatArray]:
        dw = dW[..., :p]
        by_power = b * rest / (1.0 - power)
        d_log_a = (dw * by_power * power * log_x * a).sum(axis=-2)
        d_log_b = (dw * (-rest * log_rest * b)).sum(axis=-2)
        dF = dW.copy()
        dF[..., :p] = dw * np.where(x == on, by_power * a * power / on, 1.0)
        return np.concatenate([d_log_a, d_log_b], axis=-1), dF

    return W, pull
