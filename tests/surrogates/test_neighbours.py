"""Neighbours of points outside of a core: which they are, when they are kept, what they add."""

import numpy as np
import pytest

from bbopt.space import Real, Space
from bbopt.surrogates import neighbours
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import log_posterior
from bbopt.surrogates.gp import Hyperparameters
from bbopt.surrogates.kernels import Linear, Matern
from bbopt.surrogates.local import LocalGP
from bbopt.surrogates.neighbours import NEIGHBOURS, lowest
from bbopt.surrogates.outcomes import Outcome

LENGTHS = np.array([0.3, 0.6, 1.5])


def built(n, core, kernel=None, noise=1e-3, X=None):
    """A local process with known hyper-parameters, the first points of which are its core."""
    space = Space([Real(f"x{j}", 0, 1) for j in range(3)])
    X = np.random.default_rng(0).random((n, 3)) if X is None else X
    every = log_posterior(
        Covariance(space, kernel or Matern()), X, np.sin(5 * X[:, 0]), Outcome(), noise=noise
    )
    theta = np.log(LENGTHS) if kernel is None else every.covariance.hyperprior.starts[1]
    return LocalGP.build(every, np.arange(core), Hyperparameters(theta, 1.7, noise), Outcome()), X


@pytest.mark.parametrize("n", [30, 1535, 1536, 1567, 1568, 5000])
def test_the_lowest_of_few_and_of_many_columns(n):
    apart = np.random.default_rng(n).standard_normal((7, n))
    apart[0] = np.arange(n)[::-1]  # all of them in the last columns
    apart[1] = np.arange(n)
    expected = np.sort(np.argsort(apart, axis=1)[:, :24], axis=1)
    np.testing.assert_array_equal(lowest(apart, 24), expected)


def test_a_climb_keeps_its_neighbours_while_it_is_close_and_finds_others_further_on():
    model, X = built(500, 60)
    x = np.array([[0.5, 0.5, 0.5]])
    apart = (((X[60:] - x) / LENGTHS) ** 2).sum(axis=1)
    around = 60 + np.argsort(apart)[:NEIGHBOURS]
    close = neighbours.CLOSE * np.sqrt(np.sort(apart)[NEIGHBOURS - 1])
    with_these = model.core.condition(X[around], np.sin(5 * X[around, :1]), 1e-6 + 1.7e-8)
    model.posterior_vjp(x)
    step = LENGTHS * np.array([[1.0, 0.0, 0.0]])
    for share in (0.3, 0.99):
        there = x + share * close * step
        mean, variance, _ = model.posterior_vjp(there)
        expected = with_these.posterior(there)
        np.testing.assert_allclose(mean, expected[0], atol=1e-6)
        np.testing.assert_allclose(variance, expected[1], atol=1e-6)
        assert abs(mean - model.posterior(there)[0]).max() > 1e-9  # whose neighbours are its own
    beyond = x + 1.01 * close * step
    for part, own in zip(model.posterior_vjp(beyond)[:2], model.posterior(beyond), strict=True):
        np.testing.assert_allclose(part, own, atol=1e-12)


def test_points_of_one_call_have_their_own_neighbours():
    model, _ = built(500, 60)
    at = np.random.default_rng(1).random((40, 3))
    for part, own in zip(model.posterior_vjp(at)[:2], model.posterior(at), strict=True):
        np.testing.assert_allclose(part, own, atol=1e-12)


def test_other_kernels_than_those_of_distance_never_keep_neighbours():
    model, _ = built(300, 40, Matern() + Linear())
    x = np.array([[0.5, 0.5, 0.5]])
    model.posterior_vjp(x)
    for part, own in zip(model.posterior_vjp(x + 0.02)[:2], model.posterior(x + 0.02), strict=True):
        np.testing.assert_allclose(part, own, atol=1e-12)


def test_neighbours_next_to_each_other_get_the_jitter_that_they_need():
    draw = np.random.default_rng(0)
    X = np.concatenate([draw.random((40, 3)), 0.5 + 1e-9 * draw.standard_normal((60, 3))])
    model, _ = built(100, 40, noise=0.0, X=X)
    S = np.ones((2, 24, 24))  # rank one, and less than that
    S[1, 0, 0] = 1.0 - 1e-7
    L_inverse = neighbours._factorize_each(S, np.full((2, 24), 1e-12), 1.0)
    for one, inverse in zip(S, L_inverse, strict=True):
        L = np.linalg.inv(inverse)
        np.testing.assert_allclose(L @ L.T, one, atol=1e-4)
    mean, variance = model.posterior(np.array([[0.5, 0.5, 0.5]]))
    assert abs(mean[0, 0] - np.sin(2.5)) < 1e-3
    assert variance[0, 0] < 1e-3
