"""Exact Gaussian process regression with everything that an acquisition asks for cached.

    f ~ GP(m, s k),  y_i = f(x_i) + e_i,  e_i ~ N(0, v_i),  K = s k(X, X) + diag(v) = L Lᵀ
    mean(x) = m + s k(x, X) a,  a = K⁻¹ (y - m),   variance(x) = s - |L⁻¹ s k(X, x)|²

L⁻¹ is kept, so a posterior of b points is two matrix products. K⁻¹ is not: the variance as a
difference of norms keeps its digits near the data.

Rasmussen and Williams 2006, chapter 2.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lapack

from bbopt.errors import FitError
from bbopt.surrogates import kernels
from bbopt.surrogates.kernels import Features
from bbopt.surrogates.surrogate import Pullback
from bbopt.surrogates.transforms import Standardizer
from bbopt.types import FloatArray

JITTERS = (0.0, 1e-9, 1e-7, 1e-5, 1e-3)
"""Added to the diagonal, relative to the output scale, until the factorisation succeeds."""
TINY_VARIANCE = 1e-12
"""Posterior variances are at least this, relative to the output scale."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a fit finds: length-scales (d,) in the unit cube, output scale, noise variance."""

    lengthscale: FloatArray
    scale: float
    noise: float

    def to_list(self) -> list[float]:
        """Return their logarithms as plain numbers: d length-scales, output scale, noise."""
        return [*np.log(self.lengthscale).tolist(), float(np.log(self.scale)), float(np.log(self.noise))]


@dataclass(frozen=True, slots=True)
class GP:
    """A fitted Gaussian process; see the module for the symbols.

    Attributes
    ----------
    features : Features
        From encoded points to what the kernel sees.
    hyperparameters : Hyperparameters
    X : array (n, d)
        Distinct points.
    data : array (n, p + 2)
        Their scaled features, widened for distances.
    noise : array (n,)
        Noise variance of each observation, v.
    mean : float
        The constant mean, m.
    L_inverse : array (n, n)
    residual : array (n, s)
        a, one column a draw.
    fitted : array (n, s)
        Posterior means at X.
    outcome : Standardizer
        From model units to outcomes.
    """

    features: Features
    hyperparameters: Hyperparameters
    X: FloatArray
    data: FloatArray
    noise: FloatArray
    mean: float
    L_inverse: FloatArray
    residual: FloatArray
    fitted: FloatArray
    outcome: Standardizer

    @classmethod
    def build(
        cls,
        features: Features,
        hyperparameters: Hyperparameters,
        X: FloatArray,
        y: FloatArray,
        noise: FloatArray,
        outcome: Standardizer | None = None,
    ) -> "GP":
        """Condition on distinct points X (n, d), values y (n,) in model units and noise variances (n,).

        The mean is profiled out: its generalised least-squares estimate.

        Raises
        ------
        FitError
            When no jitter makes the covariance positive definite.
        """
        data = kernels.data(_scaled(features, hyperparameters, X))
        K = _covariance(data)
        K *= hyperparameters.scale
        L_inverse, noise = factorize(K, noise, hyperparameters.scale)
        ones = L_inverse.sum(axis=1)  # L⁻¹ 1
        white = L_inverse @ y
        mean = float(ones @ white / (ones @ ones))
        a = (white - mean * ones) @ L_inverse
        fitted = (y - noise * a)[:, None]
        return cls(
            features,
            hyperparameters,
            X,
            data,
            noise,
            mean,
            L_inverse,
            a[:, None],
            fitted,
            outcome or Standardizer(),
        )

    @property
    def scale(self) -> FloatArray:
        """Length-scales, at most 1."""
        return np.minimum(self.hyperparameters.lengthscale, 1.0)

    @property
    def incumbent(self) -> FloatArray:
        """The lowest posterior mean over the observed points, one a draw, (s,)."""
        return np.asarray(self.fitted.min(axis=0))

    @property
    def theta(self) -> list[float]:
        """The hyper-parameters as plain numbers, for the next fit to start from."""
        return self.hyperparameters.to_list()

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and variances (b,) of the noise-free outcome in model units."""
        s = self.hyperparameters.scale
        k, _ = self._cross(kernels.query(_scaled(self.features, self.hyperparameters, X)))
        k *= s
        V = k @ self.L_inverse.T
        variance = s - np.einsum("bn,bn->b", V, V)
        return self.mean + k @ self.residual, np.maximum(variance, TINY_VARIANCE * s)

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (b, s), variances (b,) and their pullback to points; see the protocol."""
        s = self.hyperparameters.scale
        Z = _scaled(self.features, self.hyperparameters, X)
        k, slope = self._cross(kernels.query(Z))
        k *= s
        V = k @ self.L_inverse.T
        variance = s - np.einsum("bn,bn->b", V, V)
        floor = TINY_VARIANCE * s

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            d_variance = np.where(variance > floor, d_variance, 0.0)
            weights = d_mean @ self.residual.T
            V_back = V @ self.L_inverse
            V_back *= 2.0 * d_variance[:, None]
            weights -= V_back
            weights *= slope
            # dk/dz = -(1/3) t (z - z_i): the column of ones in data gives the sum of the weights
            pulled = weights @ self.data
            p = Z.shape[1]
            dZ = (pulled[:, :p] - pulled[:, p, None] * Z) * (s / 3)
            return self.features.pull(dZ * self._inverse_lengths())

        return self.mean + k @ self.residual, np.maximum(variance, floor), pull

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and the covariance (b, b) of the noise-free outcome."""
        s = self.hyperparameters.scale
        Z = _scaled(self.features, self.hyperparameters, X)
        k, _ = self._cross(kernels.query(Z))
        k *= s
        V = k @ self.L_inverse.T
        return self.mean + k @ self.residual, s * _covariance(kernels.data(Z)) - V @ V.T

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations (b,) of the noise-free outcome in the outcome's units."""
        mean, variance = self.posterior(X)
        sd = self.outcome.inverse_sd(mean[:, 0], np.sqrt(variance))
        return self.outcome.inverse(mean[:, 0]), sd

    def fantasize(self, X: FloatArray) -> "GP":
        """Condition on the posterior mean at X (q, d): no mean changes, the uncertainty there goes.

        What an ask does with points that are pending or already chosen.
        """
        return self.condition(X, self.posterior(X)[0]) if len(X) else self

    def condition(self, X: FloatArray, Y: FloatArray, noise: float = 0.0) -> "GP":
        """Return a new process that has also seen Y (q, s), in model units, at X (q, d); O(n² q).

        Hyper-parameters and constant mean stay. ``noise`` is the variance of Y.
        """
        s = self.hyperparameters.scale
        n, q = len(self.X), len(X)
        Z = _scaled(self.features, self.hyperparameters, X)
        k, _ = self._cross(kernels.query(Z))
        k *= s
        data = kernels.data(Z)
        B = k @ self.L_inverse.T
        corner = s * _covariance(data) - B @ B.T
        nugget = np.full(q, max(noise, 1e-8 * s))
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
            data=np.concatenate([self.data, data]),
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
        X, data = self.X, self.data
        if X_pending is not None and len(X_pending):
            X = np.concatenate([X, X_pending])
            data = np.concatenate(
                [data, kernels.data(_scaled(self.features, self.hyperparameters, X_pending))]
            )
        K = scale * _covariance(data)
        L_inverse, nugget = factorize(K, np.full(len(X), 1e-6 * scale), scale)
        z = generator.standard_normal((len(X), s))
        noise = np.sqrt(self.noise)[:, None] * generator.standard_normal((n, s))
        weights = L_inverse.T @ z
        prior = K @ weights
        y = self.fitted[:, :1] + self.noise[:, None] * self.residual[:, :1]
        gap = y - self.mean - prior[:n] - noise
        weights[:n] += self.L_inverse.T @ (self.L_inverse @ gap)
        return replace(
            self,
            X=X,
            data=data,
            noise=nugget,
            L_inverse=L_inverse,
            residual=weights,
            fitted=self.mean + K @ weights,
        )

    def _cross(self, wide: FloatArray) -> tuple[FloatArray, FloatArray]:
        return kernels.matern52(wide @ self.data.T)

    def _inverse_lengths(self) -> FloatArray:
        return np.asarray(np.sqrt(5.0) / self.hyperparameters.lengthscale[self.features.column])


def factorize(K: FloatArray, noise: FloatArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """Return L⁻¹ with L Lᵀ = K + diag(noise), and the noise with the jitter that was needed.

    Raises
    ------
    FitError
        When no jitter of the ladder makes the matrix positive definite.
    """
    diagonal = K.diagonal().copy()
    for jitter in JITTERS:
        widened = noise + jitter * scale
        A = K.copy()
        A.flat[:: len(A) + 1] = diagonal + widened
        # A C-ordered symmetric matrix is its own transpose in LAPACK's order: no copy is made.
        U, failed = lapack.dpotrf(A.T, lower=0, clean=1, overwrite_a=1)
        if not failed:
            U_inverse, failed = lapack.dtrtri(U, lower=0, overwrite_c=1)
            if not failed and np.isfinite(U_inverse[-1, -1]):
                return np.asarray(U_inverse.T), widened
    raise FitError(
        f"the covariance of {len(K)} points is not positive definite, even with {JITTERS[-1]:g} of the "
        "output scale added to its diagonal; are there values that are not finite?"
    )


def _scaled(features: Features, hyperparameters: Hyperparameters, X: FloatArray) -> FloatArray:
    inverse = np.sqrt(5.0) / hyperparameters.lengthscale
    return np.asarray(features(X) * inverse[features.column])


def _covariance(data: FloatArray) -> FloatArray:
    """Return the kernel matrix (n, n) of widened features; exactly 1 on the diagonal."""
    squared = kernels.query(data[:, :-2]) @ data.T
    squared.flat[:: len(squared) + 1] = 0.0
    k, _ = kernels.matern52(squared)
    return k
