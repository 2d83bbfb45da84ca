"""Regressors of scikit-learn as surrogates: forests, and what predicts a standard deviation.

Of T trees, each with mean m_t(x) and variance v_t(x) of the leaf that x falls into:

    mean(x) = 1/T sum_t m_t(x),   cov(x, y) = cov_t(m_t(x), m_t(y)) + 1/T sum_t v_t(x) [same leaf of t]

at x = y the law of total variance. They have no gradients.

Hutter, Xu, Hoos and Leyton-Brown 2014, "Algorithm runtime prediction", section 4.3.2; the covariance is ours.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bbopt.errors import FitError, MissingExtra, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.factor import factorize
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.merging import merge
from bbopt.surrogates.outcomes import Outcome, learn
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray, IntArray, Tag

try:
    from sklearn.base import clone
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.linear_model import ARDRegression, BayesianRidge
    from sklearn.pipeline import Pipeline
except ImportError as error:
    raise MissingExtra("bbopt.surrogates.sklearn", "scikit-learn", "sklearn") from error

LEAST_VARIANCE = 1e-8
"""In model units, where outcomes have variance 1: trees that agree are not certain."""
_BLOCK = 512
_VARIANCE_CRITERIA = ("squared_error", "friedman_mse")


def forest() -> Any:
    """Return the default: a hundred trees that see five columns of six, and three observations a leaf."""
    return RandomForestRegressor(100, min_samples_leaf=3, max_features=5 / 6)


@dataclass(frozen=True)
class SklearnModel:
    """A regressor of scikit-learn, fitted afresh whenever a strategy asks for it.

    Parameters
    ----------
    estimator : regressor
        A ``RandomForestRegressor`` or ``ExtraTreesRegressor``; or one whose ``predict`` takes
        ``return_std=True``, such as ``GaussianProcessRegressor`` and ``BayesianRidge``, also at the end of a
        ``Pipeline``. It is cloned, never fitted itself; random states of None are drawn from the key. It sees
        features (``kernels.features``), and standardised outcomes, their bad tail compressed
        (``outcomes.learn``).
    """

    estimator: Any = field(default_factory=forest)

    def fit(
        self,
        space: Space,
        X: FloatArray,
        y: FloatArray,
        variance: FloatArray | None = None,
        *,
        noise: float | None = None,
        previous: Tag | None = None,
        rng: Key | None = None,
    ) -> "tuple[SklearnSurrogate, Tag]":
        """Return a fitted regressor, and no notes: every fit starts anew.

        Parameters
        ----------
        space : Space
        X : array (n, d)
            Encoded points, n >= 1.
        y : array (n,)
            Finite outcomes, minimised.
        variance, noise, previous
            Not used: what these regressors know of noise, they learn.
        rng : Key, optional
            The result is a pure function of it and of the data.

        Raises
        ------
        FitError
            When there is nothing to fit, or the regressor cannot be fitted.
        UnsupportedError
            For a regressor that says nothing of its uncertainty.
        """
        if len(y) == 0 or not np.isfinite(y).all() or not np.isfinite(X).all():
            raise FitError(f"a model needs at least one finite observation, got {len(y)} with y = {y}")
        z, outcome = learn(y)
        estimator = clone(self.estimator)
        draw = (rng or Key(0)).generator()
        for name, value in sorted(estimator.get_params().items()):
            if name.rpartition("__")[2] == "random_state" and value is None:
                estimator.set_params(**{name: int(draw.integers(2**31))})
        return SklearnSurrogate.on(estimator, space, X, z, outcome), {}


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
        """Fit an estimator to encoded points X (m, d) and values z (m,) in model units."""
        with _quietly():
            try:
                estimator.fit(Features(space)(X), z)
            except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
                raise FitError(
                    f"{type(estimator).__name__} could not be fitted to {len(z)} points: {error}"
                ) from error
        distinct = merge(X, z, np.full(len(z), np.nan)).X
        return cls(estimator, space, distinct, outcome or Outcome(), (X, z), X[:0])

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
        return replace(
            self, X=np.concatenate([self.X, X]), pending=np.concatenate([self.pending, X])
        )

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
    def _spread(self) -> "_Spread":
        if isinstance(self.estimator, (RandomForestRegressor, ExtraTreesRegressor)):
            return _Trees(self.estimator)
        return _Predictor(self.estimator)

    def _known(self, F: FloatArray) -> FloatArray:
        """Return L⁻¹ cov(pending, F), transposed, (b, p): its squares are the variances explained."""
        return self._spread.covariances(F[None], self._F_pending[None])[0] @ self._L_inverse.T

    @cached_property
    def _F_pending(self) -> FloatArray:
        return self._see(self.pending)

    @cached_property
    def _L_inverse(self) -> FloatArray:
        P = self._F_pending[None]
        return factorize(self._spread.covariances(P, P)[0], np.full(P.shape[1], LEAST_VARIANCE), 1.0)[0]


class _Spread(Protocol):
    """How a regressor says what it does not know, at features (b, f)."""

    noise: float
    has_covariances: bool

    def marginals(self, F: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and noise-free variances (b,)."""
        ...

    def covariances(self, F: FloatArray, G: FloatArray) -> FloatArray:
        """Return noise-free covariances (t, q, p) of features F (t, q, f) with G (t, p, f)."""
        ...


class _Trees:
    """The spread over the trees of a forest, and within their leaves."""

    noise = 0.0
    has_covariances = True

    def __init__(self, model: Any) -> None:
        self._trees = [tree.tree_ for tree in model.estimators_]
        counts = [tree.node_count for tree in self._trees]
        self._first = np.cumsum([0, *counts[:-1]])
        self._mean = np.concatenate([tree.value[:, 0, 0] for tree in self._trees])
        self._variance = np.zeros_like(self._mean)
        if model.criterion in _VARIANCE_CRITERIA:
            self._variance = np.maximum(np.concatenate([tree.impurity for tree in self._trees]), 0.0)

    def marginals(self, F: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the law of total variance."""
        leaves = self._leaves(F)
        means = self._mean[leaves]
        return means.mean(axis=0), means.var(axis=0) + self._variance[leaves].mean(axis=0)

    def covariances(self, F: FloatArray, G: FloatArray) -> FloatArray:
        """Return the covariance of the trees' means, and the variances of leaves in common."""
        left, right = (self._leaves(A.reshape(-1, A.shape[-1])).reshape(-1, *A.shape[:2]) for A in (F, G))
        A, B = (self._mean[leaves] for leaves in (left, right))
        between = (A - A.mean(axis=0)).transpose(1, 2, 0) @ (B - B.mean(axis=0)).transpose(1, 0, 2)
        shared = (left[..., None] == right[:, :, None]) * self._variance[left][..., None]
        return np.asarray((between + shared.sum(axis=0)) / len(self._trees))

    def _leaves(self, F: FloatArray) -> IntArray:
        """Return the leaf of every tree that each point falls into, numbered through, (T, b)."""
        single = np.ascontiguousarray(F, dtype=np.float32)
        return np.stack([tree.apply(single) for tree in self._trees]) + self._first[:, None]


class _Predictor:
    """What ``predict(return_std=True)`` says, less the noise of an observation where that is in it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        last = model[-1] if isinstance(model, Pipeline) else model
        self.has_covariances = isinstance(last, GaussianProcessRegressor)
        self.noise = 0.0
        if self.has_covariances:
            x = last.X_train_[:1]
            white = last.kernel_.diag(x)[0] - last.kernel_(x, x.copy())[0, 0]  # a WhiteKernel is not in the latter
            self.noise = float(white * np.max(getattr(last, "_y_train_std", 1.0)) ** 2)
        elif isinstance(last, (BayesianRidge, ARDRegression)):
            self.noise = 1.0 / float(last.alpha_)

    def marginals(self, F: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what it predicts; raises UnsupportedError where that is no more than a mean."""
        with _quietly():
            try:
                mean, sd = self._model.predict(F, return_std=True)
            except TypeError as error:
                raise UnsupportedError(
                    f"{type(self._model).__name__} predicts no standard deviation; a surrogate must be a "
                    "forest of trees, or take predict(X, return_std=True)"
                ) from error
        return mean, np.maximum(sd**2 - self.noise, LEAST_VARIANCE)

    def covariances(self, F: FloatArray, G: FloatArray) -> FloatArray:
        """Return the covariances of a Gaussian process."""
        q = F.shape[1]
        with _quietly():
            pairs = [np.concatenate(pair) for pair in zip(F, G, strict=True)]
            return np.stack([self._model.predict(H, return_cov=True)[1][:q, q:] for H in pairs])


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
