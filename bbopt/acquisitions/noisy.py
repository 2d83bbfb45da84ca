"""Expected improvement where outcomes are noisy, by decision theory: what one more observation is worth.

Suppose that in the end a point is picked that was evaluated, the one with the lowest posterior mean. An
observation at x, with noise variance lambda, moves the means at all of them:

    mean'(x_i) = mean(x_i) + b_i Z,   b_i = S(x_i, x) / sqrt(S(x, x) + lambda),   Z ~ N(0, 1)
    gain(x) = min_{i <= n} mean(x_i) - E[min_{i <= n + 1} mean'(x_i)],   x_{n+1} = x

with S the posterior covariance. The expectation is that of a maximum of lines (``lines.py``): exact. At
points x_i that were observed with noise variance v_i, S(x_i, x) = k(x_i, x) - k(x_i, X) K⁻¹ k(X, x)
= v_i (K⁻¹ k(X, x))_i, since k(X, X) = K - diag(v). As all noise vanishes the gain becomes EI.

Frazier 2018, arXiv 1807.02811, section 5, noisy evaluations. Scott, Frazier and Powell 2011 subtract the
lowest mean with x among the points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import numpy as np

from bbopt.acquisitions.lines import log_expected_gain
from bbopt.acquisitions.pointwise import log_mean_exp
from bbopt.errors import SpaceError
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.gp import GP
from bbopt.surrogates.local import core_of
from bbopt.types import FloatArray

_Pullback: TypeAlias = Callable[[FloatArray], FloatArray]
"""From derivatives with respect to log gains (b, s) to gradients (b, d)."""


@dataclass(frozen=True, slots=True)
class LogExpectedImprovementUnderNoise:
    """Log of the expected gain in the lowest posterior mean at an evaluated point, in model units.

    What was conditioned on as pending counts as evaluated.

    Parameters
    ----------
    surrogate : GP or Ensemble
        The value is the log of the gain averaged over its columns.
    noise : float, optional
        Noise variance of the observation to come, at least 0, in model units. Default: what each process
        has learnt.

    Raises
    ------
    SpaceError
        For a noise that is no variance.
    """

    surrogate: GP | Ensemble
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.noise is not None and not 0 <= self.noise < inf:
            raise SpaceError(
                "LogExpectedImprovementUnderNoise: noise must be a variance, finite and at least 0, "
                f"got {self.noise!r}"
            )

    @property
    def scale(self) -> FloatArray:
        """The surrogate's lengths."""
        return self.surrogate.scale

    @property
    def is_smooth(self) -> bool:
        """Whether the surrogate is."""
        return self.surrogate.is_smooth

    def value(self, X: FloatArray) -> FloatArray:
        """Return the log expected gain (b,)."""
        return log_mean_exp(self._log_gains(X)[0])

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log expected gain (b,) and its gradient (b, d)."""
        logs, pull = self._log_gains(X)
        value = log_mean_exp(logs)
        return value, pull(np.exp(logs - value[:, None]) / logs.shape[1])

    def _log_gains(self, X: FloatArray) -> tuple[FloatArray, _Pullback]:
        if isinstance(self.surrogate, GP):
            return _log_gain(self.surrogate, X, self.noise)
        pairs = [_log_gain(core_of(member), X, self.noise) for member in self.surrogate.members]
        ends = np.cumsum([logs.shape[1] for logs, _ in pairs])[:-1]

        def pull(d_logs: FloatArray) -> FloatArray:
            pieces = np.split(d_logs, ends, axis=1)
            gradients = [back(piece) for (_, back), piece in zip(pairs, pieces, strict=True)]
            return np.asarray(np.sum(gradients, axis=0))

        return np.concatenate([logs for logs, _ in pairs], axis=1), pull


def _log_gain(gp: GP, X: FloatArray, noise: float | None) -> tuple[FloatArray, _Pullback]:
    """Return the log gains (b, s) of one process and their pullback."""
    mean, variance, pull_posterior = gp.posterior_vjp(X)
    k, pull_cross = gp.cross(X)
    (b, s), n = mean.shape, len(gp.X)
    total = variance + (gp.noise_variance if noise is None else noise)
    shared = gp.noise * ((k @ gp.L_inverse.T) @ gp.L_inverse)
    slopes = np.concatenate([shared, variance], axis=1) / np.sqrt(total)
    heights = np.empty((b, s, n + 1))
    heights[:, :, :n] = -gp.fitted.T
    heights[:, :, n] = -mean
    reference = np.tile(gp.fitted.argmin(axis=0), b)
    logs, by_height, by_slope = log_expected_gain(
        heights.reshape(b * s, n + 1), slopes.repeat(s, axis=0), reference
    )

    def pull(d_logs: FloatArray) -> FloatArray:
        d_mean = -d_logs * by_height[:, n].reshape(b, s)  # what was observed does not move
        d_slopes = np.einsum("bs,bsn->bn", d_logs, by_slope.reshape(b, s, n + 1)) / np.sqrt(total)
        d_variance = d_slopes[:, n:] - 0.5 * (d_slopes * slopes).sum(axis=1, keepdims=True) / np.sqrt(total)
        d_k = ((d_slopes[:, :n] * gp.noise) @ gp.L_inverse.T) @ gp.L_inverse
        return np.asarray(pull_posterior(d_mean, d_variance) + pull_cross(d_k))

    return logs.reshape(b, s), pull
