"""The batched L-BFGS driver within bounds: both implementations, bounds, bad values."""

import numpy as np
import pytest
from scipy.optimize import minimize

from bbopt import lbfgs


def rosenbrock(X):
    a, b = X[:, :-1], X[:, 1:]
    f = ((1 - a) ** 2 + 100 * (b - a**2) ** 2).sum(axis=1)
    g = np.zeros_like(X)
    g[:, :-1] = -2 * (1 - a) - 400 * a * (b - a**2)
    g[:, 1:] += 200 * (b - a**2)
    return f, g


@pytest.fixture(params=["one state a start", "arrays"])
def driver(request, monkeypatch):
    monkeypatch.setattr(lbfgs, "MANY_STARTS", 0 if request.param == "arrays" else 10**6)


def test_private_driver_passes_its_self_test():
    assert lbfgs._setulb_works()


@pytest.mark.usefixtures("driver")
def test_finds_the_minimum_from_every_start():
    starts = np.random.default_rng(0).uniform(-1.5, 1.5, (12, 3))
    X, f = lbfgs.minimize_batch(
        rosenbrock, starts, -2.0, 2.0, gradient_tolerance=1e-8, value_tolerance=1e-14, max_rounds=400
    )
    np.testing.assert_allclose(X, 1.0, atol=1e-4)
    assert np.all(f < 1e-8)


@pytest.mark.usefixtures("driver")
def test_respects_bounds_and_held_coordinates():
    lower, upper = np.array([0.0, 0.25, -1.0]), np.array([0.4, 0.25, 1.0])
    starts = np.random.default_rng(1).uniform(0, 1, (5, 3))
    X, f = lbfgs.minimize_batch(
        rosenbrock, starts, lower, upper, gradient_tolerance=1e-8, value_tolerance=1e-14
    )
    assert np.all(X >= lower)
    assert np.all(X <= upper)
    reference = minimize(
        lambda x: tuple(v[0] for v in rosenbrock(x[None])),
        [0.4, 0.25, 0.1],
        jac=True,
        bounds=list(zip(lower, upper, strict=True)),
    )
    np.testing.assert_allclose(f, reference.fun, rtol=1e-5)


@pytest.mark.usefixtures("driver")
def test_rows_do_not_influence_each_other():
    starts = np.random.default_rng(2).uniform(-1.5, 1.5, (4, 2))
    together, _ = lbfgs.minimize_batch(rosenbrock, starts, -2.0, 2.0)
    for start, x in zip(starts, together, strict=True):
        alone, _ = lbfgs.minimize_batch(rosenbrock, start[None], -2.0, 2.0)
        np.testing.assert_array_equal(alone[0], x)


@pytest.mark.usefixtures("driver")
def test_a_start_without_finite_values_ends_and_the_others_go_on():
    def function(X):
        f, g = rosenbrock(X)
        f[X[:, 0] < -1] = np.nan
        return f, g

    X, f = lbfgs.minimize_batch(function, np.array([[-1.5, 0.0], [0.5, 0.5]]), -2.0, 2.0, max_rounds=100)
    assert np.isinf(f[0])
    assert f[1] < 1e-3
    assert np.isfinite(X).all()


@pytest.mark.usefixtures("driver")
def test_an_evaluation_limit_returns_the_best_seen():
    start = np.array([[-1.2, 1.0]])
    _, f = lbfgs.minimize_batch(rosenbrock, start, -2.0, 2.0, max_rounds=3)
    assert f[0] <= rosenbrock(start)[0][0]


def _other_signature(x, f, g):
    """A driver that takes something else."""


def _at_once(*arguments):
    """A driver whose first word means that it is done."""
    arguments[11][0] = 4


def _never_an_evaluation(m, x, lower, upper, bounds, f, g, factr, pgtol, work, integers, task, *rest):
    """A driver that asks for values and ends wherever it likes."""
    task[0] = 3 if task[0] == 0 else 4
    x[:] = 0.5


def _beyond_bounds(m, x, lower, upper, bounds, f, g, factr, pgtol, work, integers, task, *rest):
    """A driver that goes downhill and does not know of bounds."""
    x -= 0.3 * g if task[0] == 3 else 0.0
    task[0] = 3


@pytest.mark.parametrize(
    "misbehaving", [None, _other_signature, _at_once, _never_an_evaluation, _beyond_bounds]
)
def test_the_fallback_is_used_when_the_private_driver_changes_or_is_gone(misbehaving, monkeypatch):
    if misbehaving is None:
        monkeypatch.delattr("scipy.optimize._lbfgsb.setulb")
    else:
        monkeypatch.setattr("scipy.optimize._lbfgsb.setulb", misbehaving)
    lbfgs._setulb_works.cache_clear()
    try:
        assert not lbfgs._setulb_works()
        X, _ = lbfgs.minimize_batch(
            rosenbrock, np.zeros((1, 2)), -2.0, 2.0, gradient_tolerance=1e-8, value_tolerance=1e-14
        )
    finally:
        lbfgs._setulb_works.cache_clear()
    np.testing.assert_allclose(X, 1.0, atol=1e-3)


def test_no_columns_and_no_starts():
    X, f = lbfgs.minimize_batch(lambda X: (np.ones(len(X)), np.zeros_like(X)), np.empty((2, 0)), 0.0, 1.0)
    assert X.shape == (2, 0)
    np.testing.assert_array_equal(f, 1.0)
    X, f = lbfgs.minimize_batch(rosenbrock, np.empty((0, 2)), 0.0, 1.0)
    assert X.shape == (0, 2)
    assert f.shape == (0,)
