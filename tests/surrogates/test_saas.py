"""SAAS through BoTorch: it finds the columns that matter, and serves as a strategy's surrogate."""

import numpy as np
import pytest

pytest.importorskip("botorch")

from bbopt import BayesianOptimization, Real, Space, SpaceError, Study
from bbopt.rng import Key
from bbopt.surrogates import saas

SPACE = Space([Real(f"x{k}", 0, 1) for k in range(20)])
ACTIVE = [3, 11]


def f(X):
    return 10 * (X[:, 3] - 0.3) ** 2 + 3 * np.sin(5 * X[:, 11])


def test_inverse_lengths_single_out_the_two_columns_that_matter():
    X = SPACE.sample(40, Key(0))
    fitted, _ = saas(n_models=3).fit(SPACE, X, f(X))
    lengths = fitted.model.covar_module.base_kernel.lengthscale.detach().numpy().reshape(3, 20)
    inverse = 1 / lengths
    others = np.delete(inverse, ACTIVE, axis=1)
    assert (inverse[:, ACTIVE].min(axis=1) > 10 * others.max(axis=1)).all()
    new = SPACE.sample(200, Key(1))
    assert np.sqrt(np.mean((fitted.predict(new)[0] - f(new)) ** 2)) < 0.1 * f(new).std()


@pytest.mark.slow
def test_a_strategy_finds_the_optimum_in_these_columns():
    strategy = BayesianOptimization(surrogate=saas(n_models=2), n_initial=15)
    study = Study(SPACE, strategy=strategy, seed=0)
    for _ in range(22):
        trial = study.ask()
        study.tell(trial, float(f(SPACE.encode(trial.params))[0]))
    assert study.best().value < -3 + 0.05


@pytest.mark.parametrize("n_models", [0, 2.5, True])
def test_the_number_of_models_is_checked(n_models):
    with pytest.raises(SpaceError, match="n_models"):
        saas(n_models=n_models)
