"""The bounds of factors: against the formula, term by term; gradients; what neighbours tell."""

import numpy as np
import pytest

from bbopt.acquisitions.factored import FactoredConfidenceBound
from bbopt.errors import SpaceError
from bbopt.space import Real, Space
from bbopt.surrogates.additive import AdditiveGP
from bbopt.surrogates.kernels.features import Features
from bbopt.testing.parts.differences import assert_derivatives, differences

BETA = 0.7


def model(decomposition, seed=0):
    rng = np.random.default_rng(seed)
    features = Features(Space([Real(f"x{j}", 0, 1) for j in range(4)]))
    X = np.random.default_rng(9).random((15, 4))
    y = np.sin(5 * X[:, 0]) + X[:, 1] * X[:, 2]
    p = len(decomposition)
    theta = np.concatenate([rng.normal(-0.7, 0.3, p), rng.normal(-1, 0.4, p), [-4.0]])
    return AdditiveGP.build(features, decomposition, theta, X, y - y.mean(), np.full(15, np.exp(-4.0)))


MODELS = model(((0, 1), (1, 2), (3,)), 1), model(((0, 1, 2, 3),), 2)
COPIES = 2, 3


@pytest.fixture
def bound():
    return FactoredConfidenceBound(MODELS, COPIES, BETA)


def pool():
    """Every factor of every copy of every model: columns, and mean and variance at a point."""
    return [
        (factor, lambda x, m=m, i=i: tuple(float(v[0]) for v in m.factors(np.array([i]), x[None])[:2]))
        for m, count in zip(MODELS, COPIES, strict=True)
        for _ in range(count)
        for i, factor in enumerate(m.decomposition)
    ]


def by_hand(x):
    """The sum of all bounds over the copies of all models, divided by their number."""
    everyone = pool()
    near = [[set(v) & set(w) != set() for w, _ in everyone] for v, _ in everyone]
    sizes = [sum(row) for row in near]
    total = 0.0
    for i, (factor, moments) in enumerate(everyone):
        shared = sum(f(x)[1] / sizes[j] ** 2 for j, (_, f) in enumerate(everyone) if near[i][j])
        total += -moments(x)[0] + np.sqrt(BETA * len(factor)) * np.sqrt(shared)
    return total / sum(COPIES)


def test_the_sum_is_the_formula(bound):
    X = np.random.default_rng(1).random((5, 4))
    np.testing.assert_allclose(bound.value(X), [by_hand(x) for x in X], rtol=1e-9)


def test_copies_count_as_if_they_were_listed():
    X = np.random.default_rng(2).random((3, 4))
    listed = FactoredConfidenceBound([MODELS[0]] * 2 + [MODELS[1]] * 3, [1] * 5, BETA)
    np.testing.assert_allclose(
        FactoredConfidenceBound(MODELS, COPIES, BETA).value(X), listed.value(X), rtol=1e-10
    )


def test_gradients_of_the_sum_are_derivatives(bound):
    X = np.random.default_rng(3).uniform(0.1, 0.9, (4, 4))
    value, gradient = bound.value_and_grad(X)
    np.testing.assert_allclose(value, bound.value(X), rtol=1e-12)
    assert_derivatives(gradient, differences(bound.value, X), "the gradient of the sum")


def test_gradients_of_one_factor_are_derivatives(bound):
    X = np.random.default_rng(4).uniform(0.1, 0.9, (4, 4))
    which, frozen = np.array([3, 0, 2, 1]), np.array([0.01, 0.0, 0.02, 0.005])
    _, gradient = bound.one(which, X, frozen)
    numeric = differences(lambda X: bound.one(which, X, frozen)[0], X)
    assert_derivatives(gradient, numeric, "the gradient of one factor")


def test_where_all_are_at_one_point_the_parts_add_up_to_the_sum(bound):
    x = np.random.default_rng(5).random(4)
    at = np.tile(x, (4, 1))
    parts, _ = bound.one(np.arange(4), at, bound.freeze(at))
    assert parts @ bound.copies / sum(COPIES) == pytest.approx(float(bound.value(x[None])[0]), rel=1e-10)


def test_many_points_are_the_same_as_few(bound, monkeypatch):
    X = np.random.default_rng(6).random((7, 4))
    whole = bound.value_and_grad(X)
    monkeypatch.setattr("bbopt.acquisitions.factored._MOST", 150)
    for part, all_at_once in zip(bound.value_and_grad(X), whole, strict=True):
        np.testing.assert_allclose(part, all_at_once, rtol=1e-10)


def test_lengths_are_the_shortest_of_any_factor(bound):
    lengths = [m.lengths for m in MODELS]
    assert bound.scale[3] == pytest.approx(min(lengths[0][2], lengths[1][0], 1.0))
    assert bound.scale[1] == pytest.approx(min(lengths[0][0], lengths[0][1], lengths[1][0], 1.0))


@pytest.mark.parametrize("beta", [-0.1, np.nan, np.inf])
def test_a_beta_that_is_none_is_refused(beta):
    with pytest.raises(SpaceError, match="beta must be"):
        FactoredConfidenceBound(MODELS, COPIES, beta)
