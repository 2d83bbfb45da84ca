"""A fitted regressor behind the protocol of surrogates, without gradients."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone

from bbopt.errors import FitError
from bbopt.space import Space
from bbopt.surrogates.factor import factorize
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.merging import merge
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.sklearn.spread import LEAST_VARIANCE, Spread, quietly, spread_of
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray

_BLOCK = 512
"""So many points are compared at once with those that are pending, in every tree."""


@dataclass(frozen=True)
class SklearnSurrogate:
    """A fitted regressor as a surrogate; made by :meth:`on`.

    Attributes
    ----------
    estimator : regressor
    space : Space
    X : array (n + p, d)
        The distinct points that it was fitted to, then those that are pending.
    outcome : Outcome
        From model units to outcomes.
    told : tuple of arrays (m, d), (m,)
        What it was fitted to, in model units.
    pending : array (p, d)
        Points whose values count as known to be the mean.
    """

    estimator: Any
    space: Space
    X: FloatArray
    outcome: Outcome
    told: tuple[FloatArray, FloatArray]
    pending: FloatArray

    @classmethod
    def on(
        cls, estimator: Any, space: Space, X: FloatArray, z: FloatArray, outcome: Outcome | None = None
    ) -> "SklearnSurrogate":
        """Fit an estimator to encoded points X (m, d) and values z (m,) in model units.

        Raises FitError where that fails, UnsupportedError where it predicts no uncertainty.
        """
        name = type(estimator).__name__
        with quietly():
            try:
                estimator.fit(Features(space)(X), z)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                raise FitError(f"{name} could not be fitted to {len(z)} points: {error}") from error
        distinct = merge(X, z, np.full(len(z), np.nan)).X
        surrogate = cls(estimator, space, distinct, outcome or Outcome(), (X, z), X[:0])
        if not np.isfinite(surrogate.fitted).all():
            raise FitError(f"{name}, fitted to {len(z)} points, predicts values that are not finite")
        return surrogate

    @property
    def is_smooth(self) -> bool:
        """False: scikit-learn gives no gradients."""
        return False

    @property
    def scale(self) -> FloatArray:
        """Ones (d,): these models have no lengths."""
        return np.ones(self.space.d)

    @cached_property
    def fitted(self) -> FloatArray:
        """Means at X, (n + p, 1)."""
        return self._spread.marginals(self._see(self.X))[0][:, None]

    @property
    def incumbent(self) -> FloatArray:
        """The lowest mean at X, (1,)."""
        return np.asarray(self.fitted.min(axis=0))

    @property
    def noise_variance(self) -> float:
        """The learnt noise variance in model units, where the regressor knows it; else 0."""
        return self._spread.noise

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and variances (b, 1) of the noise-free outcome in model units."""
        F = self._see(X)
        mean, variance = self._spread.marginals(F)
        if len(self.pending):
            blocks = [F[i : i + _BLOCK] for i in range(0, len(F), _BLOCK)]
            known = [(self._known(block) ** 2).sum(axis=1) for block in blocks]
            variance = variance - np.concatenate([*known, []])
        return mean[:, None], np.maximum(variance, LEAST_VARIANCE)[:, None]

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means, variances, and a pullback that gives zeros."""
        return *self.posterior(X), lambda d_mean, d_variance: np.zeros_like(X)

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (t, q, 1) and covariances (t, 1, q, q) at X (t, q, d).

        Where the regressor knows no covariances, points count as independent.
        """
        t, q, d = X.shape
        F = self._see(X.reshape(t * q, d))
        mean, variance = self._spread.marginals(F)
        if self._spread.has_covariances:
            sets = F.reshape(t, q, -1)
            covariance = self._spread.covariances(sets, sets)
        else:
            covariance = variance.reshape(t, q, 1) * np.eye(q)
        if len(self.pending):
            known = self._known(F).reshape(t, q, -1)
            covariance = covariance - known @ known.transpose(0, 2, 1)
        covariance = covariance + LEAST_VARIANCE * np.eye(q)
        return mean.reshape(t, q, 1), covariance[:, None]

    def joint_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means, covariances, and a pullback that gives zeros."""
        return *self.joint(X), lambda d_mean, d_covariance: np.zeros_like(X)

    def condition(self, X: FloatArray, Y: FloatArray) -> "SklearnSurrogate":
        """Return a new surrogate, fitted to Y (q, 1), in model units, at X (q, d), too."""
        old_X, old_z = self.told
        told = np.concatenate([old_X, X]), np.concatenate([old_z, Y[:, 0]])
        new = SklearnSurrogate.on(clone(self.estimator), self.space, *told, self.outcome)
        return replace(new, X=np.concatenate([new.X, self.pending]), pending=self.pending)

    def fantasize(self, X: FloatArray) -> "SklearnSurrogate":
        """Return a new surrogate that knows its own mean at X (q, d).

        No mean changes, and the variance goes that its covariances explain: points that fall into the same
        leaves go with it. A regressor without covariances is fitted to its mean there, too.
        """
        if len(X) == 0:
            return self
        if not self._spread.has_covariances:
            return self.condition(X, self.posterior(X)[0])
        return replace(self, X=np.concatenate([self.X, X]), pending=np.concatenate([self.pending, X]))

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations (b,) of the noise-free outcome in the outcome's units."""
        mean, variance = (moment[:, 0] for moment in self.posterior(X))
        return self.outcome.inverse(mean), self.outcome.inverse_sd(mean, np.sqrt(variance))

    def _see(self, X: FloatArray) -> FloatArray:
        return self._features(X)

    @cached_property
    def _features(self) -> Features:
        return Features(self.space)

    @cached_property
    def _spread(self) -> Spread:
        return spread_of(self.estimator)

    def _known(self, F: FloatArray) -> FloatArray:
        """Return L⁻¹ cov(pending, F), transposed, (b, p): its squares are the variances explained."""
        covariance = self._spread.covariances(F[None], self._F_pending[None])[0]
        return np.asarray(covariance @ self._L_inverse.T)

    @cached_property
    def _F_pending(self) -> FloatArray:
        return self._see(self.pending)

    @cached_property
    def _L_inverse(self) -> FloatArray:
        P = self._F_pending[None]
        return factorize(self._spread.covariances(P, P)[0], np.full(P.shape[1], LEAST_VARIANCE), 1.0)[0]
