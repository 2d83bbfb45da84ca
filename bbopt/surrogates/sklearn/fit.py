"""Regressors fitted afresh at every ask: what a strategy takes as its surrogate."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor

from bbopt.errors import FitError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.outcomes import learn
from bbopt.surrogates.sklearn.surrogate import SklearnSurrogate
from bbopt.types import FloatArray, Tag


def forest() -> Any:
    """Return the default: a hundred full-grown trees, each split among five features of six."""
    return RandomForestRegressor(100, max_features=5 / 6)


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
            When there is nothing to fit, or no fit is found.
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
