"""Regressors of scikit-learn as surrogates, against brute force over trees and closed forms."""

import importlib
import sys

import numpy as np
import pytest

from bbopt import BayesianOptimization, Study
from bbopt.errors import FitError, MissingExtra, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.outcomes import learn

pytest.importorskip("sklearn")

from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bbopt.surrogates.sklearn import SklearnModel, SklearnSurrogate

SPACE = Space([Real("a", 0, 1), Categorical("k", ["u", "v", "w"]), Real("c", 0, 1, when={"k": "u"})])
FEATURES = Features(SPACE)
NOISE = 0.05


def data(n=60):
    X = SPACE.sample(n, Key(0))
    y = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 - X[:, 2] + NOISE * np.random.default_rng(0).standard_normal(n)
    return X, y


def fitted(estimator=None, n=60, seed=0):
    model = SklearnModel() if estimator is None else SklearnModel(estimator)
    return model.fit(SPACE, *data(n), rng=Key(seed))[0]


def trees():
    """Every tree sees all the data, so that what is in its leaves can be counted."""
    return ExtraTreesRegressor(20, min_samples_leaf=4)


def process():
    kernel = ConstantKernel(1.3) * RBF(0.6) + WhiteKernel(0.01)
    return GaussianProcessRegressor(kernel, optimizer=None)


def by_hand(surrogate, at):
    """Of every tree, what the leaf of each point holds: means and variances (T, b), and leaves (T, b)."""
    X, y = data()
    z, _ = learn(y)
    F, G = (FEATURES(points).astype(np.float32) for points in (X, at))
    means, variances, leaves = [], [], []
    for tree in surrogate.estimator.estimators_:
        held, here = tree.apply(F), tree.apply(G)
        means.append([z[held == leaf].mean() for leaf in here])
        variances.append([z[held == leaf].var() for leaf in here])
        leaves.append(here)
    return np.array(means), np.array(variances), np.array(leaves)


def test_a_forest_has_the_total_variance_of_its_trees():
    surrogate = fitted(trees())
    at = SPACE.sample(30, Key(1))
    means, variances, _ = by_hand(surrogate, at)
    mean, variance = surrogate.posterior(at)
    np.testing.assert_allclose(mean[:, 0], means.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(variance[:, 0], means.var(axis=0) + variances.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(mean[:, 0], surrogate.estimator.predict(FEATURES(at)), atol=1e-12)
    np.testing.assert_allclose(surrogate.incumbent, surrogate.posterior(surrogate.X)[0].min(axis=0))


def test_points_in_the_same_leaves_vary_together():
    surrogate = fitted(trees())
    at = SPACE.sample(8, Key(1)).reshape(2, 4, 3)
    at[:, 3] = at[:, 0]
    mean, covariance = surrogate.joint(at)
    for one, m, c in zip(at, mean, covariance[:, 0], strict=True):
        means, variances, leaves = by_hand(surrogate, one)
        same = leaves[:, :, None] == leaves[:, None, :]
        expected = np.cov(means.T, ddof=0) + (same * variances[:, :, None]).mean(axis=0)
        np.testing.assert_allclose(m[:, 0], means.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(c, expected, atol=1e-7)
        assert np.linalg.eigvalsh(c).min() > 0
        assert c[0, 3] == pytest.approx(c[0, 0], abs=1e-7)


@pytest.mark.parametrize("make", [trees, process])
def test_what_is_pending_takes_the_variance_that_covariances_explain(make):
    surrogate = fitted(make())
    pending, at = SPACE.sample(3, Key(1)), SPACE.sample(20, Key(2))
    known = surrogate.fantasize(pending[:2]).fantasize(pending[2:])
    _, covariance = surrogate.joint(np.concatenate([at, pending])[None])
    C = covariance[0, 0]
    explained = C[:20, 20:] @ np.linalg.solve(C[20:, 20:], C[20:, :20])
    mean, variance = known.posterior(at)
    np.testing.assert_allclose(mean, surrogate.posterior(at)[0], atol=1e-12)
    np.testing.assert_allclose(variance[:, 0], np.diag(C[:20, :20] - explained), atol=1e-5)
    np.testing.assert_allclose(known.joint(at[None])[1][0, 0], C[:20, :20] - explained, atol=1e-5)
    assert np.all(known.posterior(pending)[1] < 1e-5)
    np.testing.assert_array_equal(known.X[-3:], pending)
    np.testing.assert_allclose(known.fitted[-3:], surrogate.posterior(pending)[0])
    twice = known.fantasize(pending)
    np.testing.assert_allclose(twice.posterior(at)[1], variance, atol=1e-5)
    assert surrogate.fantasize(pending[:0]) is surrogate


def test_a_gaussian_process_says_what_it_knows_of_the_noise_free_outcome():
    X, y = data()
    z, outcome = learn(y)
    at = SPACE.sample(7, Key(1))
    F, G = FEATURES(X), FEATURES(at)

    def kernel(A, B):
        return 1.3 * np.exp(-0.5 * ((A[:, None] - B[None]) ** 2).sum(axis=-1) / 0.6**2)

    K = kernel(F, F) + (0.01 + 1e-10) * np.eye(60)
    k = kernel(G, F)
    expected = kernel(G, G) - k @ np.linalg.solve(K, k.T)
    for estimator in (process(), make_pipeline("passthrough", process())):
        surrogate = fitted(estimator)
        mean, variance = surrogate.posterior(at)
        np.testing.assert_allclose(mean[:, 0], k @ np.linalg.solve(K, z), rtol=1e-6)
        np.testing.assert_allclose(variance[:, 0], np.diag(expected), rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(surrogate.joint(at[None])[1][0, 0], expected, atol=1e-7)
        assert surrogate.noise_variance == pytest.approx(0.01)
        mean_told, sd = surrogate.predict(at)
        np.testing.assert_allclose(mean_told, outcome.inverse(mean[:, 0]))
        np.testing.assert_allclose(sd, outcome.inverse_sd(mean[:, 0], np.sqrt(variance[:, 0])))


def test_bayesian_regression_is_less_its_noise():
    surrogate = fitted(BayesianRidge())
    at = SPACE.sample(7, Key(1))
    model = surrogate.estimator
    G = FEATURES(at) - model.X_offset_
    _, variance = surrogate.posterior(at)
    np.testing.assert_allclose(variance[:, 0], ((G @ model.sigma_) * G).sum(axis=1), rtol=1e-6)
    assert surrogate.noise_variance == pytest.approx(1 / model.alpha_)
    _, joint = surrogate.joint(at[None])  # it knows no covariances: independent
    np.testing.assert_allclose(joint[0, 0], np.diag(variance[:, 0]), atol=1e-7)
    known = surrogate.fantasize(at[:1])  # so it is fitted once more
    assert known.posterior(at[:1])[1][0, 0] < variance[0, 0]
    np.testing.assert_array_equal(known.X[-1], at[0])


def test_conditioning_is_fitting_with_the_rows_added():
    X, y = data()
    z, outcome = learn(y)
    surrogate = SklearnSurrogate.on(RandomForestRegressor(10, random_state=3), SPACE, X[:50], z[:50], outcome)
    whole = SklearnSurrogate.on(RandomForestRegressor(10, random_state=3), SPACE, X, z, outcome)
    at = SPACE.sample(9, Key(1))
    pending = SPACE.sample(2, Key(2))
    grown = surrogate.fantasize(pending).condition(X[50:], z[50:, None])
    np.testing.assert_allclose(grown.posterior(at), whole.fantasize(pending).posterior(at), atol=1e-9)
    np.testing.assert_array_equal(grown.X, np.concatenate([X, pending]))
    assert len(surrogate.told[1]) == 50


def test_the_key_decides_what_is_random():
    at = SPACE.sample(9, Key(1))
    first, again, other = (fitted(seed=seed).posterior(at)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    of_the_user = [fitted(RandomForestRegressor(5, random_state=7), seed=seed) for seed in (0, 1)]
    np.testing.assert_array_equal(*(surrogate.posterior(at)[0] for surrogate in of_the_user))
    nested = make_pipeline(StandardScaler(), process().set_params(random_state=None))
    assert fitted(nested).estimator[-1].random_state is not None


def test_there_are_no_gradients():
    surrogate = fitted(RandomForestRegressor(5))
    at = SPACE.sample(6, Key(1))
    mean, variance, pull = surrogate.posterior_vjp(at)
    np.testing.assert_array_equal(pull(mean, variance), np.zeros((6, 3)))
    mean, covariance, pull = surrogate.joint_vjp(at.reshape(2, 3, 3))
    np.testing.assert_array_equal(pull(mean, covariance), np.zeros((2, 3, 3)))
    assert not surrogate.is_smooth
    np.testing.assert_array_equal(surrogate.scale, np.ones(3))


def test_replicates_are_one_point():
    X, y = data(20)
    X[5] = X[0]
    surrogate, notes = SklearnModel().fit(SPACE, X, y, rng=Key(0))
    assert surrogate.X.shape == (19, 3)
    assert surrogate.fitted.shape == (19, 1)
    assert notes == {}


def test_what_cannot_be_fitted_or_says_no_uncertainty_is_refused():
    X, y = data()
    with pytest.raises(UnsupportedError, match="KNeighborsRegressor predicts no standard deviation"):
        fitted(KNeighborsRegressor())
    with pytest.raises(FitError, match="at least one finite observation"):
        SklearnModel().fit(SPACE, X[:0], y[:0])
    with pytest.raises(FitError, match="GaussianProcessRegressor could not be fitted to 60 points"):
        fitted(GaussianProcessRegressor(RBF(1e4), alpha=1e-300, optimizer=None))
    one, _ = SklearnModel().fit(SPACE, X[:1], y[:1])
    assert np.isfinite(one.predict(X)).all()


def test_a_strategy_takes_such_a_model():
    strategy = BayesianOptimization(surrogate=SklearnModel(RandomForestRegressor(20)), n_initial=6)
    studies = [Study(SPACE, strategy=strategy, seed=0) for _ in range(2)]
    for study in studies:
        for _ in range(12):
            trial = study.ask()
            study.tell(trial, (trial.params["a"] - 0.3) ** 2 + 0.2 * (trial.params["k"] != "v"))
        pair = study.ask(2)
        assert pair[0].params != pair[1].params
    assert [t.params for t in studies[0].trials] == [t.params for t in studies[1].trials]
    asked = [t.params for t in studies[0].trials][8:12]
    assert sum(params["k"] == "v" for params in asked) >= 3


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "bbopt.surrogates.sklearn")
    with pytest.raises(MissingExtra, match=r"scikit-learn, which bbopt's extra \[sklearn\] brings"):
        importlib.import_module("bbopt.surrogates.sklearn")
