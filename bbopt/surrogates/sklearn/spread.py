"""How regressors say what they do not know.

Of T trees, each with mean m_t(x) and variance v_t(x) of the leaf that x falls into:

    mean(x) = 1/T sum_t m_t(x),   cov(x, y) = cov_t(m_t(x), m_t(y)) + 1/T sum_t v_t(x) [same leaf of t]

at x = y the law of total variance (Hutter, Xu, Hoos and Leyton-Brown 2014, "Algorithm runtime prediction",
section 4.3.2; the covariance is ours). Other regressors say it by ``predict(X, return_std=True)``.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import ARDRegression, BayesianRidge
from sklearn.pipeline import Pipeline

from bbopt.errors import UnsupportedError
from bbopt.types import FloatArray, IntArray

LEAST_VARIANCE = 1e-8
"""In model units, where outcomes have variance 1: trees that agree are not certain."""
_VARIANCE_CRITERIA = ("squared_error", "friedman_mse")


class Spread(Protocol):
    """How a regressor says what it does not know, at features (b, f)."""

    noise: float
    has_covariances: bool

    def marginals(self, F: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and noise-free variances (b,)."""
        ...

    def covariances(self, F: FloatArray, G: FloatArray) -> FloatArray:
        """Return noise-free covariances (t, q, p) of features F (t, q, f) with G (t, p, f)."""
        ...


def spread_of(estimator: Any) -> Spread:
    """Return what a fitted regressor knows of its uncertainty."""
    if isinstance(estimator, (RandomForestRegressor, ExtraTreesRegressor)):
        return _Trees(estimator)
    return _Predictor(estimator)


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
        leaves = np.stack([tree.apply(single) for tree in self._trees])
        return np.asarray(leaves + self._first[:, None], np.int64)


class _Predictor:
    """What ``predict(return_std=True)`` says, less the noise of an observation where that is in it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        last = model[-1] if isinstance(model, Pipeline) else model
        self.has_covariances = isinstance(last, GaussianProcessRegressor)
        self.noise = 0.0
        if self.has_covariances:
            x = last.X_train_[:1]  # a WhiteKernel adds to the variance of x, but not to what it shares
            white = last.kernel_.diag(x)[0] - last.kernel_(x, x.copy())[0, 0]
            self.noise = float(white * np.max(getattr(last, "_y_train_std", 1.0)) ** 2)
        elif isinstance(last, (BayesianRidge, ARDRegression)):
            self.noise = 1.0 / float(last.alpha_)

    def marginals(self, F: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what it predicts; raises UnsupportedError where that is no more than a mean."""
        if not len(F):  # which scikit-learn refuses
            return np.empty(0), np.empty(0)
        with quietly():
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
        with quietly():
            pairs = [np.concatenate(pair) for pair in zip(F, G, strict=True)]
            return np.stack([self._model.predict(H, return_cov=True)[1][:q, q:] for H in pairs])


@contextmanager
def quietly() -> Iterator[None]:
    """No warnings inside the ``with`` block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
