"""Standardisation at every scale, the bad tail, and replicates."""

import numpy as np
import pytest

from bbopt.surrogates.transforms import merge, standardize


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e300])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_standardised_values_do_not_depend_on_the_scale(scale, offset):
    y = np.random.default_rng(0).random(30) + offset
    reference, _ = standardize(y)
    model, outcome = standardize(y * scale)
    np.testing.assert_allclose(model, reference, rtol=1e-9, atol=1e-9)
    assert model.mean() == pytest.approx(0, abs=1e-9)
    assert model.std() == pytest.approx(1)
    np.testing.assert_allclose(outcome.inverse(model), y * scale, rtol=1e-9)
    np.testing.assert_allclose(outcome(y * scale), model)


def test_opposite_extremes_do_not_overflow():
    model, outcome = standardize(np.array([-1.7e308, 1.7e308, 0.0]))
    assert np.isfinite(model).all()
    assert np.isfinite(outcome.inverse(model)).all()


@pytest.mark.parametrize("value", [0.0, 3.5, -1e300, 1e-320])
def test_constant_outcomes_become_zero(value):
    model, outcome = standardize(np.full(5, value))
    np.testing.assert_array_equal(model, 0.0)
    np.testing.assert_allclose(outcome.inverse(model), value)


def test_one_huge_value_leaves_the_rest_its_resolution():
    y = np.concatenate([np.linspace(0, 1, 20), [1e20]])
    model, _ = standardize(y)
    assert model[-1] == model.max()
    assert np.ptp(model[:20]) > 0.8


def test_the_good_tail_is_kept():
    y = np.concatenate([np.linspace(0, 1, 20), [-1e6]])
    model, _ = standardize(y)
    affine = (y - y.mean()) / y.std()
    np.testing.assert_allclose(model[[0, -1]], affine[[0, -1]], rtol=1e-5)


@pytest.mark.parametrize("largest", [2.0, 1e3, 1e20, 1e300])
def test_the_compressed_tail_comes_back(largest):
    """The map is increasing and inverse() undoes it; its slope is the one of finite differences."""
    y = np.concatenate([np.linspace(0, 1, 40), np.geomspace(1.1, largest, 9)])
    model, outcome = standardize(y)
    assert (np.diff(model) > 0).all()
    np.testing.assert_allclose(outcome(y), model, rtol=1e-12, atol=1e-12)
    back = outcome.inverse(model)
    np.testing.assert_allclose(back[:44], y[:44], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(np.log(back[40:]), np.log(y[40:]), rtol=1e-6)
    at = model[5:-1]
    h = 1e-7
    slope = (outcome.inverse(at + h) - outcome.inverse(at - h)) / (2 * h)
    np.testing.assert_allclose(outcome.inverse_sd(at, np.ones(len(at))), slope, rtol=1e-4)
    if largest < 1e100:  # a square must be a float
        np.testing.assert_allclose(outcome.variance(slope**2, at), 1.0, rtol=1e-3)


def test_merging_keeps_first_places_and_precisions():
    X = np.array([[0.1], [0.2], [0.1], [0.1], [0.3]])
    y = np.array([1.0, 2.0, 3.0, 5.0, 4.0])
    variance = np.array([np.nan, np.nan, np.nan, 0.5, np.nan])
    merged = merge(X, y, variance)
    np.testing.assert_array_equal(merged.X[:, 0], [0.1, 0.2, 0.1, 0.3])
    np.testing.assert_allclose(merged.y, [2.0, 2.0, 5.0, 4.0])
    np.testing.assert_allclose(merged.counts, [2, 1, 1, 1])
    np.testing.assert_allclose(merged.variance, [np.nan, np.nan, 0.5, np.nan])
    assert merged.scatter == pytest.approx(2.0)
    known = merge(X[[0, 2]], y[[0, 2]], np.array([1.0, 3.0]))
    np.testing.assert_allclose(known.y, [1.5])
    np.testing.assert_allclose(known.variance, [0.75])


def test_negative_zero_is_zero():
    assert len(merge(np.array([[0.0], [-0.0]]), np.zeros(2), np.full(2, np.nan)).X) == 1
