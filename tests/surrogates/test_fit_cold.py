"""The search for the highest mode: modes are told apart, searches and starts end when they may."""

import numpy as np
import pytest

from bbopt.errors import FitError
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates import cold
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import fit, log_posterior, maximize, starts
from bbopt.surrogates.outcomes import learn


def space(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def few_in_many(seed, n=14, d=12):
    """Few points that vary in some columns each, as an optimisation leaves them: many modes."""
    rng = np.random.default_rng(seed)
    X = np.full((n, d), 0.4) + 0.2 * rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.5)
    X = np.clip(X, 0, 1)
    return X, np.sin(9 * X[:, 0]) + np.cos(7 * X[:, 1]) + ((X - 0.3) ** 2).sum(axis=1)


def posterior_of(X, y):
    z, outcome = learn(y)
    return log_posterior(Covariance(space(X.shape[1])), X, z, outcome)


class Valley:
    """A log density in two logarithms with maxima at the given places, the first one the highest."""

    n = 20

    def __init__(self, *places):
        self.places, self.evaluations = np.array(places, dtype=np.float64), 0
        self.bounds = np.full(3, -9.0), np.full(3, 9.0)
        self.covariance = Covariance(space(1))

    def __call__(self, theta):
        self.evaluations += 1
        gaps = theta - self.places
        values = -5.0 * (gaps**2).sum(axis=1) - np.arange(len(self.places))
        best = int(values.argmax())
        return float(values[best]), -10.0 * gaps[best]


def test_one_mode_is_believed_soon_and_several_are_not():
    one, three = Valley([0, 0, -6]), Valley([0, 0, -6], [3, 0, -6], [-3, 1, -6])
    first = np.array([[2.0, 0.0, -5.0]])
    theta, value = cold.search(one, first)
    np.testing.assert_allclose(theta, [0, 0, -6], atol=0.02)
    assert value == pytest.approx(0.0, abs=1e-3)
    theta, _ = cold.search(three, first)
    np.testing.assert_allclose(theta, [0, 0, -6], atol=0.02)  # the start leads to the second
    assert three.evaluations > 1.5 * one.evaluations


def test_how_many_modes_are_unseen():
    modes = cold.Modes(2)
    for k in range(8):
        assert modes.unseen() == np.inf or k > 3
        modes.add(np.array([0.1 * k, 0.0]), float(k))  # ever higher in one mode
    assert modes.values == [7.0]
    assert modes.unseen() == pytest.approx(2 / 5)  # Boender and Rinnooy Kan: w (N - 1) / (N - w - 2) - w
    modes.add(np.array([5.0, 0.0]), 1.0)
    assert modes.unseen() == pytest.approx(2 * 8 / 5 - 2)
    modes.add(np.array([-5.0, 0.0]), -np.inf)
    assert len(modes.values) == 2


def test_a_search_that_comes_next_to_a_higher_mode_ends_there():
    posterior, evaluations = posterior_of(*few_in_many(0)), []

    class Counted(type(posterior)):
        def __call__(self, theta):
            evaluations[-1] += 1
            return super().__call__(theta)

    posterior.__class__ = Counted
    start = starts(posterior, None)[0]
    modes = cold.Modes(len(start))
    evaluations.append(0)
    theta, value = cold._climb(posterior, start, modes)
    modes.add(theta, value)
    evaluations.append(0)
    again, same = cold._climb(posterior, start, modes)
    assert evaluations[1] < evaluations[0]
    assert (again.tolist(), same) == (theta.tolist(), value)


def test_searches_that_end_early_miss_nothing():
    gained = []
    for seed in range(12):
        posterior = posterior_of(*few_in_many(seed))
        first = starts(posterior, None)
        none = cold.Modes(first.shape[1])
        alone = max(cold._climb(posterior, start, none)[1] for start in first)
        gained.append(maximize(posterior, first).value - alone)
    assert min(gained) > -0.05


def test_the_same_data_give_the_same_fit():
    X, y = few_in_many(3)
    assert fit(space(12), X, y).theta == fit(space(12), X, y).theta


def test_random_starts_do_not_depend_on_how_many_are_drawn():
    prior = Covariance(space(5)).hyperprior
    many = cold.random_starts(prior, 9)
    assert many.shape == (9, 7)
    np.testing.assert_array_equal(many[:4], cold.random_starts(prior, 4))
    assert np.ptp(many[:, :5], axis=1).min() > 0.5  # columns differ


def test_without_a_finite_density_there_is_no_mode():
    X = Key(0).generator().random((6, 2))
    posterior = posterior_of(X, X[:, 0])
    posterior._rhs[:] = np.nan
    with pytest.raises(FitError, match="finite likelihood on 6 points"):
        maximize(posterior, starts(posterior, None))
