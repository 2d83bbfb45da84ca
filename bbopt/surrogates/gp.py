"""Exact Gaussian process regression with everything that an acquisition asks for cached.

    f ~ GP(m, s k),  y_i = f(x_i) + e_i,  e_i ~ N(0, v_i),  K = s k(X, X) + diag(v) = L Lᵀ
    mean(x) = m + s k(x, X) a,  a = K⁻¹ (y - m),   variance(x) = s k(x, x) - |L⁻¹ s k(X, x)|²

L⁻¹ is kept, so a posterior of b points is two matrix products. K⁻¹ is not: the variance as a
difference of norms keeps its digits near the data.

Rasmussen and Williams 2006, chapter 2.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.factor import factorize, unwhiten, whiten
from bbopt.surrogates.kernels.kernel import Pool
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray

TINY_VARIANCE = 1e-12
"""Posterior variances are at least this, relative to the output scale."""
DRAW_NUGGET = 1e-6
"""Variance, relative to the output scale, with which draws are interpolated."""
_NUGGET = 1e-8
"""The least noise variance of what is conditioned on, relative to the output scale."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a fit finds: theta (p,) of the covariance, output scale, noise variance; model units."""

    theta: FloatArray
    scale: float
    noise: float

    def to_list(self) -> list[float]:
        """Return their logarithms as plain numbers: theta, output scale, noise."""
        return [*self.theta.tolist(), float(np.log(self.scale)), float(np.log(self.noise))]

    @classmethod
    def from_list(cls, logs: "list[float] | FloatArray") -> "Hyperparameters":
        """Rebuild them from :meth:`to_list`."""
        array = np.asarray(logs, dtype=np.float64)
        return cls(array[:-2].copy(), float(np.exp(array[-2])), float(np.exp(array[-1])))


@dataclass(frozen=True, slots=True)
class GP:
    """A fitted Gaussian process; see the module for the symbols.

    Attributes
    ----------
    covariance : Covariance
        k, up to its hyper-parameters.
    hyperparameters : Hyperparameters
    X : array (n, d)
        Distinct points.
    placed : kernels.kernel.Placed
        The same as the kernel sees them.
    noise : array (n,)
        Noise variance of each observation, v.
    mean : float
        The constant mean, m.
    L_inverse : array (n, n)
    residual : array (n, s)
        a, one column a draw.
    fitted : array (n, s)
        Posterior means at X.
    outcome : Outcome
        From model units to outcomes.
    """

    covariance: Covariance
    hyperparameters: Hyperparameters
    X: FloatArray
    placed: Any
    noise: FloatArray
    mean: float
    L_inverse: FloatArray
    residual: FloatArray
    fitted: FloatArray
    outcome: Outcome

    @classmethod
    def build(
        cls,
        covariance: Covariance,
        hyperparameters: Hyperparameters,
        X: FloatArray,
        y: FloatArray,
        noise: FloatArray,
        outcome: Outcome | None = None,
        pool: Pool | None = None,
    ) -> "GP":
        """Condition on distinct points X (n, d), values y (n,) in model units and noise variances (n,).

        The mean is profiled out: its generalised least-squares estimate. ``pool``: matrices (n, n) to work
        in, since at thousands of points fresh memory costs as much as the arithmetic.

        Raises
        ------
        FitError
            When no jitter makes the covariance positive definite.
        """
        placed, _ = covariance.place_points(hyperparameters.theta, X)
        s = hyperparameters.scale
        R, _ = placed.gram((pool or Pool(len(X))).rewind())  # its lower triangle; the other one may be junk
        L_inverse, noise = factorize(R, noise / s, 1.0)
        L_inverse *= s**-0.5
        noise = noise * s
        ones = L_inverse.sum(axis=1)  # L⁻¹ 1
        white = L_inverse @ y
        mean = float(ones @ white / (ones @ ones))
        a = (white - mean * ones) @ L_inverse
        fitted = (y - noise * a)[:, None]
        outcome = outcome or Outcome()
        return cls(
            covariance, hyperparameters, X, placed, noise, mean, L_inverse, a[:, None], fitted, outcome
        )

    @property
    def is_smooth(self) -> bool:
        """True: every kernel has gradients."""
        return True

    @property
    def scale(self) -> FloatArray:
        """Lengths over which the process changes, at most 1, (d,)."""
        return self.covariance.lengths(self.hyperparameters.theta)

    @property
    def incumbent(self) -> FloatArray:
        """The lowest posterior mean over the observed points, one a draw, (s,)."""
        return np.asarray(self.fitted.min(axis=0))

    @property
    def noise_variance(self) -> float:
        """The learnt noise variance, in model units."""
        return self.hyperparameters.noise

    @property
    def theta(self) -> list[float]:
        """The logarithms of all hyper-parameters as plain numbers, for the next fit to start from."""
        return self.hyperparameters.to_list()

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and variances (b, 1) of the noise-free outcome in model units."""
        s = self.hyperparameters.scale
        at, _ = self._place(X)
        k, _ = at.cross(self.placed)
        k *= s
        mean = self.mean + k @ self.residual
        V = whiten(k, self.L_inverse)
        variance = s * at.diagonal()[0] - np.einsum("bn,bn->b", V, V)
        return mean, np.maximum(variance, TINY_VARIANCE * s)[:, None]

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (b, s), variances (b, 1) and their pullback to points; see the protocol."""
        s = self.hyperparameters.scale
        at, to_X = self._place(X)
        k, pull_cross = at.cross(self.placed)
        prior, pull_prior = at.diagonal()
        k *= s
        mean = self.mean + k @ self.residual
        V = whiten(k, self.L_inverse)
        variance = (s * prior - np.einsum("bn,bn->b", V, V))[:, None]
        floor = TINY_VARIANCE * s

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            d_variance = np.where(variance > floor, d_variance, 0.0)
            weights = d_mean @ self.residual.T
            V_back = unwhiten(V, self.L_inverse)
            V_back *= 2.0 * d_variance
            weights -= V_back
            return np.asarray(to_X(s * (pull_cross(weights) + pull_prior(d_variance[:, 0]))))

        return mean, np.maximum(variance, floor), pull

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (t, q, s) and covariances (t, 1, q, q) of the noise-free outcome at X (t, q, d)."""
        mean, covariance, _ = self.joint_vjp(X)
        return mean, covariance

    def joint_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (t, q, s), covariances (t, 1, q, q) and their pullback to points (t, q, d)."""
        s = self.hyperparameters.scale
        t, q, d = X.shape
        n = len(self.X)
        at, to_X = self._place(X.reshape(t * q, d))
        k, pull_cross = at.cross(self.placed)
        k *= s
        mean = (self.mean + k @ self.residual).reshape(t, q, -1)
        V = whiten(k, self.L_inverse).reshape(t, q, n)
        sets = [self._place(x)[0] for x in X]
        within = [one.cross(one) for one in sets]
        covariance = s * np.stack([kk for kk, _ in within]) - V @ V.transpose(0, 2, 1)

        def pull(d_mean: FloatArray, d_covariance: FloatArray) -> FloatArray:
            G = d_covariance.sum(axis=1)
            G = G + G.transpose(0, 2, 1)  # each entry depends on both of its points
            weights = d_mean.reshape(t * q, -1) @ self.residual.T
            weights -= ((G @ V) @ self.L_inverse).reshape(t * q, n)
            inner = np.concatenate([back(g) for g, (_, back) in zip(G, within, strict=True)])
            return np.asarray(to_X(s * (pull_cross(weights) + inner))).reshape(t, q, d)

        return mean, covariance[:, None], pull

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations (b,) of the noise-free outcome in the outcome's units."""
        mean, variance = self.posterior(X)
        sd = self.outcome.inverse_sd(mean[:, 0], np.sqrt(variance[:, 0]))
        return self.outcome.inverse(mean[:, 0]), sd

    def fantasize(self, X: FloatArray) -> "GP":
        """Condition on the posterior mean at X (q, d): no mean changes, the uncertainty there goes.

        What an ask does with points that are pending or already chosen.
        """
        return self.condition(X, self.posterior(X)[0]) if len(X) else self

    def condition(self, X: FloatArray, Y: FloatArray, noise: float = 0.0) -> "GP":
        """Return a new process that has also seen Y (q, s), in model units, at X (q, d); O(n² q).

        Hyper-parameters and constant mean stay; the factor grows by q rows. ``noise`` is the variance
        of Y.
        """
        s = self.hyperparameters.scale
        n, q = len(self.X), len(X)
        new, _ = self._place(X)
        k = s * new.cross(self.placed)[0]
        B = k @ self.L_inverse.T
        corner = gram(new, s) - B @ B.T
        nugget = np.full(q, max(noise, _NUGGET * s))
        corner_inverse, nugget = factorize(corner, nugget, s)
        L_inverse = np.zeros((n + q, n + q))
        L_inverse[:n, :n] = self.L_inverse
        L_inverse[n:, :n] = -corner_inverse @ (B @ self.L_inverse)
        L_inverse[n:, n:] = corner_inverse
        innovation = Y - self.mean - k @ self.residual
        white = corner_inverse @ innovation
        residual = np.concatenate([self.residual, np.zeros((q, self.residual.shape[1]))])
        residual += L_inverse[n:].T @ white
        variances = np.concatenate([self.noise, nugget])
        values = np.concatenate([self.fitted + self.noise[:, None] * self.residual, Y])
        return replace(
            self,
            X=np.concatenate([self.X, X]),
            placed=self.placed.join(new),
            noise=variances,
            L_inverse=L_inverse,
            residual=residual,
            fitted=values - variances[:, None] * residual,
        )

    def draws(self, s: int, generator: np.random.Generator, X_pending: FloatArray | None = None) -> "GP":
        """Return s joint posterior draws of f at X and X_pending, each interpolated without noise.

        The draws share one variance, so this costs one more factorisation. By Matheron's rule a draw
        is prior + k K⁻¹ (y - prior - noise), whose weights are L₀⁻ᵀ z + K⁻¹ (...), L₀ being the factor of
        the noise-free covariance: nothing ill-conditioned is inverted (Wilson et al. 2021, section 3).
        """
        scale = self.hyperparameters.scale
        n = len(self.X)
        X, placed = self.X, self.placed
        if X_pending is not None and len(X_pending):
            X = np.concatenate([X, X_pending])
            placed = placed.join(self._place(X_pending)[0])
        K = gram(placed, scale)
        L_inverse, nugget = factorize(K, np.full(len(X), DRAW_NUGGET * scale), scale)
        z = generator.standard_normal((len(X), s))
        noise = np.sqrt(self.noise)[:, None] * generator.standard_normal((n, s))
        weights = L_inverse.T @ z
        prior = K @ weights
        gap = self.y[:, None] - self.mean - prior[:n] - noise
        weights[:n] += self.L_inverse.T @ (self.L_inverse @ gap)
        return replace(
            self,
            X=X,
            placed=placed,
            noise=nugget,
            L_inverse=L_inverse,
            residual=weights,
            fitted=self.mean + K @ weights,
        )

    @property
    def y(self) -> FloatArray:
        """What was observed at X, in model units, (n,); of the first draw, where there are several."""
        return np.asarray(self.fitted[:, 0] + self.noise * self.residual[:, 0])

    def cross(self, X: FloatArray) -> tuple[FloatArray, Any]:
        """Return prior covariances s k(x, X_i) (b, n) of points X (b, d) with the observed ones.

        And the pullback of derivatives (b, n) to points (b, d).
        """
        s = self.hyperparameters.scale
        at, to_X = self._place(X)
        k, pull = at.cross(self.placed)
        return s * k, lambda W: to_X(s * pull(W))

    def _place(self, X: FloatArray) -> tuple[Any, Any]:
        return self.covariance.place_points(self.hyperparameters.theta, X)


def gram(placed: Any, scale: float) -> FloatArray:
    """Return s k of points with themselves, (n, n), both triangles."""
    k = placed.cross(placed)[0]
    k.flat[:: len(k) + 1] = placed.diagonal()[0]  # exactly, where differences of squares are not
    k *= scale
    return np.asarray(k)
