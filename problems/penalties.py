"""Sparse regression with a penalty for every feature: as many hyper-parameters as features."""

from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from bbopt.errors import MissingExtra, SpaceError
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.spec import Objective, Spec
from bbopt.types import FloatArray

from .continuous import check_dimension, stack
from .problem import Columns, Function

_FOLDS = 5
_CORRELATION = 0.6
_SIGNAL_TO_NOISE = 10.0


def lasso(d: int = 100) -> Function:
    """Weighted Lasso: the cross-validated loss as a function of d penalties, few of which matter.

    f(x) is the mean over five folds of the mean squared error of

        b(x) = argmin_b |y - A b|² / (2n) + Σ exp(λᵢ) |bᵢ|,

    divided by that of the true coefficients. Each x in [-1, 1] stands for a λ from log(α / 100) to log α,
    where α is the smallest common penalty at which b = 0. The data are synthetic, and the same every time:
    d/2 rows of Gaussian features, of which neighbours have correlation 0.6; every twentieth feature has a
    coefficient, 1 and -1 in turn; the noise is a tenth of the signal. It is deterministic, and smooth but
    for kinks. Its smallest value is not known: with the best penalties it is below 1, for they can fit noise.

    Parameters
    ----------
    d : int
        A multiple of 20. The original has 60, 100, 300 and 1000.

    Raises
    ------
    SpaceError
        ``d`` is no multiple of 20.
    MissingExtra
        scikit-learn is not installed.

    Source: Šehić, Gramfort, Salmon and Nardi, "LassoBench: a high-dimensional hyperparameter optimization
    benchmark suite for Lasso", AutoML 2022; its structure, with data of our own.
    """
    check_dimension("lasso", d, least=20)
    if d % 20:
        raise SpaceError(f"lasso: d must be a multiple of 20, got {d!r}")
    if find_spec("sklearn") is None:
        raise MissingExtra(f"The problem lasso{d}", "scikit-learn", "sklearn")
    space = Space([Real(f"x{i + 1}", -1, 1) for i in range(d)])
    source = "after Šehić, Gramfort, Salmon and Nardi, AutoML 2022"
    return Function(f"lasso{d}", Spec(space, (Objective("loss", noise=0),)), None, source, _lasso)


class _Data(NamedTuple):
    """Features A (n, d), outcomes y (n,), the true coefficients (d,), and log α."""

    A: FloatArray
    y: FloatArray
    true: FloatArray
    largest: float


@cache
def _data(d: int) -> _Data:
    """Return what lasso(d) fits."""
    n, generator = d // 2, Key(0, ("lasso", d)).generator()
    A = generator.standard_normal((n, d))
    for j in range(1, d):
        A[:, j] = _CORRELATION * A[:, j - 1] + np.sqrt(1 - _CORRELATION**2) * A[:, j]
    true = np.zeros(d)
    true[::20] = (-1.0) ** np.arange(d // 20)
    signal, noise = A @ true, generator.standard_normal(n)
    y = signal + noise * np.linalg.norm(signal) / np.linalg.norm(noise) / _SIGNAL_TO_NOISE
    return _Data(A, y, true, float(np.log(np.abs(A.T @ y).max() / n)))


def _lasso(columns: Columns) -> FloatArray:
    X = stack(columns)
    return np.array([_loss(x) for x in X], dtype=np.float64)


def _loss(x: FloatArray) -> float:
    """Return the loss at one point x (d,)."""
    data = _data(len(x))
    penalties = np.exp(data.largest + (x - 1) * np.log(100) / 2)
    fold = np.arange(len(data.y)) % _FOLDS
    errors = [
        ((data.y - data.A @ _fit(data.A[fold != k], data.y[fold != k], penalties))[fold == k] ** 2).mean()
        for k in range(_FOLDS)
    ]
    return float(np.mean(errors) / ((data.y - data.A @ data.true) ** 2).mean())


def _fit(A: FloatArray, y: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return the coefficients (d,) that minimise |y - A b|² / (2n) + Σ penalties |b|."""
    from sklearn.linear_model import Lasso

    # With b = c / penalties the penalties of c are all 1.
    model = Lasso(alpha=1.0, fit_intercept=False, tol=1e-8, max_iter=100_000)
    return np.asarray(model.fit(A / penalties, y).coef_ / penalties)
