"""Replicates and what they know of the noise."""

import numpy as np
import pytest

from bbopt.surrogates.merging import merge


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
