"""A Gaussian process that is a sum of functions of a few columns each: f = m + sum_i f_i(x_{V_i}).

    k(x, y) = sum_i a_i M(|x_{V_i} - y_{V_i}| / l_i),   M: Matérn-5/2;   K = k(X, X) + diag(v)
    mean_i(x) = k_i(x, X) K⁻¹ (y - m),   variance_i(x) = a_i - k_i(x, X) K⁻¹ k_i(X, x)

The column sets V_i may overlap. Every factor has one length-scale l_i and an output scale a_i of its own; the
noise is always learnt, for it takes up what a wrong decomposition leaves unexplained. The factors are told
apart by the Gram matrix of their sum alone: nobody observes them one by one.

Duvenaud, Nickisch & Rasmussen, "Additive Gaussian processes" (NeurIPS 2011); Gardner et al., "Discovering and
exploiting additive structure for Bayesian optimization" (AISTATS 2017); dimension-scaled prior of the
length-scales: Hvarfner et al. (2024).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bbopt.surrogates.factor import factorize, unwhiten, whiten
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.profiles import MATERN52, evaluate
from bbopt.types import FloatArray, IntArray

Decomposition: TypeAlias = tuple[tuple[int, ...], ...]
"""The columns of every factor."""

Pull: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""From dL/dmean and dL/dvariance to dL/dX, or to what X became features."""

TINY_VARIANCE = 1e-10
"""Posterior variances of a factor are at least this, relative to its output scale."""


@dataclass(frozen=True, slots=True)
class AdditiveGP:
    """A fitted additive process; see the module for the symbols.

    Attributes
    ----------
    features : Features
    decomposition : Decomposition
        The columns V_i of the p factors.
    theta : array (2 p + 1,)
        Log length-scales, log output scales, log noise variance.
    X : array (n, d)
    y : array (n,)
        Outcomes in model units.
    noise : array (n,)
        Noise variances, v.
    F : array (n, f)
        Features of X.
    weights : array (p, f)
        What squared differences of features are multiplied by, a factor each.
    mean : float
        The constant mean, m.
    L_inverse : array (n, n)
    residual : array (n,)
        K⁻¹ (y - m).
    """

    features: Features
    decomposition: Decomposition
    theta: FloatArray
    X: FloatArray
    y: FloatArray
    noise: FloatArray
    F: FloatArray
    weights: FloatArray
    mean: float
    L_inverse: FloatArray
    residual: FloatArray

    @classmethod
    def build(
        cls,
        features: Features,
        decomposition: Decomposition,
        theta: FloatArray,
        X: FloatArray,
        y: FloatArray,
        noise: FloatArray,
    ) -> "AdditiveGP":
        """Factorise the covariance; raises FitError where that fails."""
        p = len(decomposition)
        weights = masks(features, decomposition) * (MATERN52.factor * np.exp(-2.0 * theta[:p]))[:, None]
        scales = np.exp(theta[p : 2 * p])
        F = features(X)
        K = np.zeros((len(X), len(X)))
        for w, scale in zip(weights, scales, strict=True):
            K += scale * evaluate(MATERN52.formula, _squared(np.broadcast_to(w, F.shape), F, F))[0]
        K.flat[:: len(K) + 1] = scales.sum()
        L_inverse, noise = factorize(K, noise, float(scales.sum()))
        white = L_inverse @ np.column_stack([y, np.ones(len(y))])
        solved = L_inverse.T @ white
        mean = most_likely_mean(solved)
        residual = solved[:, 0] - mean * solved[:, 1]
        return cls(features, decomposition, theta, X, y, noise, F, weights, mean, L_inverse, residual)

    @property
    def lengths(self) -> FloatArray:
        """The length-scale of each factor, (p,)."""
        return np.exp(self.theta[: len(self.decomposition)])

    @property
    def scales(self) -> FloatArray:
        """The output scale of each factor, its prior variance, (p,)."""
        return np.exp(self.theta[len(self.decomposition) : -1])

    def factors(self, which: IntArray, X: FloatArray) -> tuple[FloatArray, FloatArray, Pull]:
        """Return the posterior mean and variance (r,) of one factor at each point, and their pullback.

        Parameters
        ----------
        which : array (r,)
            The factor asked in each row.
        X : array (r, d)
            Encoded points; columns outside of the factor do not matter, and have gradients 0.
        """
        mean, variance, pull = self._factors(which, self.features(X))
        return mean, variance, lambda d_mean, d_variance: self.features.pull(pull(d_mean, d_variance), X)

    def all_factors(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pull]:
        """Return the posterior means and variances (b, p) of all factors at points X (b, d).

        And the pullback of derivatives (b, p) to gradients (b, d).
        """
        shape = b, p = len(X), len(self.decomposition)
        which = np.tile(np.arange(p), b)
        mean, variance, back = self._factors(which, np.repeat(self.features(X), p, axis=0))

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            dF = back(d_mean.ravel(), d_variance.ravel())
            return self.features.pull(dF.reshape(b, p, -1).sum(axis=1), X)

        return mean.reshape(shape), variance.reshape(shape), pull

    def _factors(self, which: IntArray, F: FloatArray) -> tuple[FloatArray, FloatArray, Pull]:
        weights, scales = self.weights[which], self.scales[which]
        k, slope = evaluate(MATERN52.formula, _squared(weights, F, self.F))
        k *= scales[:, None]
        mean = k @ self.residual
        V = whiten(k, self.L_inverse)
        variance = scales - np.einsum("rn,rn->r", V, V)
        floor = TINY_VARIANCE * scales
        is_low = variance < floor

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            back = unwhiten(V, self.L_inverse)
            back *= -2.0 * np.where(is_low, 0.0, d_variance)[:, None]
            back += d_mean[:, None] * self.residual
            back *= slope
            back *= -scales[:, None]  # dk/du = -t/2, du/df = 2 w (f - g)
            return np.asarray(weights * (F * back.sum(axis=1, keepdims=True) - back @ self.F))

        return mean, np.maximum(variance, floor), pull

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and variances (b, 1) of the sum of all factors at X (b, d), in model units."""
        F, scales = self.features(X), self.scales
        k = np.zeros((len(X), len(self.F)))
        for w, scale in zip(self.weights, scales, strict=True):
            k += scale * evaluate(MATERN52.formula, _squared(np.broadcast_to(w, F.shape), F, self.F))[0]
        mean = self.mean + k @ self.residual
        V = whiten(k, self.L_inverse)
        total = float(scales.sum())
        variance = total - np.einsum("bn,bn->b", V, V)
        return mean[:, None], np.maximum(variance, TINY_VARIANCE * total)[:, None]

    def fantasize(self, X: FloatArray) -> "AdditiveGP":
        """Return the process as if the means at X (q, d) had been told; hyper-parameters stay."""
        if not len(X):
            return self
        X_all, y = np.concatenate([self.X, X]), np.concatenate([self.y, self.posterior(X)[0][:, 0]])
        noise = np.concatenate([self.noise, np.full(len(X), np.exp(self.theta[-1]))])
        return AdditiveGP.build(self.features, self.decomposition, self.theta, X_all, y, noise)


def most_likely_mean(solved: FloatArray) -> float:
    """Return the most likely constant mean, from K⁻¹ [y, 1] (n, 2)."""
    return float(solved[:, 0].sum() / solved[:, 1].sum())


def masks(features: Features, decomposition: Decomposition) -> FloatArray:
    """Return which features each factor looks at, as 0 and 1, (p, f)."""
    return np.array([np.isin(features.column, factor) for factor in decomposition], np.float64)


def _squared(weights: FloatArray, F: FloatArray, G: FloatArray) -> FloatArray:
    """Return sum_j weights_rj (F_rj - G_nj)², (r, n), up to rounding; every row has its own weights."""
    weighted = weights * F
    u = weights @ (G * G).T
    u -= 2.0 * (weighted @ G.T)
    u += np.einsum("rf,rf->r", weighted, F)[:, None]
    return np.asarray(u)
