"""The expected maximum of lines against quadrature, enumeration, many digits and differences."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from bbopt.acquisitions.improvement import log_h
from bbopt.acquisitions.lines import corners, expected_maximum, log_expected_gain


def quadrature(a, b):
    """E[max], P(line i is the highest) and the integral of z phi over where it is: all crossings are cuts."""
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = ((a[:, None] - a) / (b - b[:, None])).ravel()
    cuts = np.concatenate([np.linspace(-13, 13, 53), crossings[np.abs(crossings) < 13]])
    cuts = np.unique(cuts)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(cuts)[:, None] / 2
    z = (half * (nodes + 1) + cuts[:-1, None]).ravel()
    weight = (half * weights).ravel() * norm.pdf(z)
    lines = a[:, None] + b[:, None] * z
    highest = lines.argmax(axis=0)
    d_a = np.bincount(highest, weight, minlength=len(a))
    return weight @ lines.max(axis=0), d_a, np.bincount(highest, weight * z, minlength=len(a))


def rows(n, kind, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "ties":  # many equal slopes, equal heights, lines that meet in one point
        return rng.integers(-2, 3, (20, n)) * 1.0, rng.integers(-2, 3, (20, n)) * 1.0
    width = {"even": 1.0, "steep": 1e6, "flat": 1e-6}[kind]
    return rng.standard_normal((20, n)), width * rng.standard_normal((20, n))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 40])
@pytest.mark.parametrize("kind", ["even", "ties", "steep", "flat"])
def test_equals_quadrature(n, kind):
    a, b = rows(n, kind)
    value, d_a, d_b = expected_maximum(a, b)
    for i in range(len(a)):
        expected, by_a, by_b = quadrature(a[i], b[i])
        assert value[i] == pytest.approx(expected, rel=1e-10, abs=1e-10)
        if kind != "ties":  # equal lines share a probability as they like
            np.testing.assert_allclose(d_a[i], by_a, atol=1e-10)
            np.testing.assert_allclose(d_b[i], by_b, atol=1e-10)
    np.testing.assert_allclose(d_a.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(d_b.sum(axis=1), 0.0, atol=1e-12)
    assert d_a.min() > -1e-15
    # E[max] is homogeneous: Euler's identity
    np.testing.assert_allclose((a * d_a + b * d_b).sum(axis=1), value, rtol=1e-9, atol=1e-12)


def test_the_corners_are_those_of_the_envelope():
    a, b = rows(30, "even")
    found = corners(a, b)
    assert len(found.row) > 40
    heights = a[found.row] + b[found.row] * found.z[:, None]
    for line in (found.lower, found.upper):
        np.testing.assert_allclose(
            heights[np.arange(len(line)), line], heights.max(axis=1), rtol=1e-12, atol=1e-12
        )
    assert (b[found.row, found.lower] < b[found.row, found.upper]).all()
    np.testing.assert_array_equal(a[np.arange(20), found.top], a.max(axis=1))


def test_a_common_slope_or_height_changes_nothing():
    a, b = rows(10, "even")
    value, d_a, _ = expected_maximum(a, b)
    np.testing.assert_allclose(expected_maximum(a + 1e4, b)[0] - 1e4, value, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(expected_maximum(a, -b)[1], d_a, rtol=1e-10, atol=1e-14)
    b = np.arange(-128, 129)[None] / 64  # so that nothing is rounded when it becomes large
    tangents = -0.5 * b**2
    value = expected_maximum(tangents, b)[0]
    assert len(corners(tangents, b).row) == 256
    np.testing.assert_allclose(expected_maximum(tangents, b + 2.0**42)[0], value, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 15])
@pytest.mark.parametrize("kind", ["even", "ties", "steep", "flat"])
def test_the_gain_is_the_log_of_the_difference(n, kind):
    a, b = rows(n, kind, seed=1)
    for reference in (a.argmax(axis=1), np.zeros(20, int)):
        value, _, _ = log_expected_gain(a, b, reference)
        highest = np.array([quadrature(*pair)[0] for pair in zip(a, b, strict=True)])
        gain = highest - a[np.arange(20), reference]
        np.testing.assert_allclose(np.exp(value), gain, rtol=1e-9, atol=1e-10)


def test_a_gain_far_below_the_smallest_number():
    """Three lines whose corners lie forty standard deviations out, against mpmath's quadrature."""
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 40
    a, b = [0.0, -40.0, -120.0625], [0.0, 1.0, 3.0]
    cuts = [40, 40.03125, *np.arange(40.0625, 41.5, 0.0625)]
    gain = mpmath.quad(lambda z: max(z - 40, 3 * z + a[2]) * mpmath.npdf(z), cuts)
    value, d_a, d_b = log_expected_gain(np.array([a]), np.array([b]), np.zeros(1, int))
    assert value[0] == pytest.approx(float(mpmath.log(gain)), rel=1e-12)
    assert value[0] < -800
    assert np.isfinite(d_a).all()
    assert np.isfinite(d_b).all()


@pytest.mark.parametrize("shift", [0.0, 3.0, 30.0, 1000.0])
def test_gradients_of_the_gain(shift, differences):
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((8, 6)), rng.standard_normal((8, 6))
    a[:, 0] += shift
    reference = np.zeros(8, int)
    value, d_a, d_b = log_expected_gain(a, b, reference)
    assert value.min() < -0.3 * shift**2
    by_a = differences(lambda a: log_expected_gain(a, b, reference)[0], a)
    by_b = differences(lambda b: log_expected_gain(a, b, reference)[0], b)
    np.testing.assert_allclose(d_a, by_a, rtol=1e-6, atol=1e-7 * np.abs(by_a).max())
    np.testing.assert_allclose(d_b, by_b, rtol=1e-6, atol=1e-7 * np.abs(by_b).max())


def test_where_nothing_can_be_gained_the_value_is_finite():
    for a, b in [
        ([0.0], [2.0]),
        ([1.0, 1.0], [3.0, 3.0]),
        ([1.0, 0.0], [3.0, 3.0]),
        ([0.0, -1e9], [0.0, 1e-9]),
        ([0.0, -1.0], [0.0, 5e-324]),
        ([0.0, -1e300], [0.0, 1.0]),
    ]:
        value, d_a, d_b = log_expected_gain(np.array([a]), np.array([b]), np.zeros(1, int))
        assert -np.inf < value[0] <= -1e12
        assert np.isfinite(d_a).all()
        assert np.isfinite(d_b).all()


def test_a_reference_that_another_line_equals():
    value, d_a, d_b = log_expected_gain(
        np.array([[0.0, 0.0, -40.0]]), np.array([[0.0, 0.0, 1.0]]), np.ones(1, int)
    )
    np.testing.assert_allclose(value, log_h(np.array([-40.0]))[0])
    assert np.isfinite(d_a).all()
    np.testing.assert_allclose(d_b[0, 2], log_h(np.array([-40.0]))[2][0], rtol=1e-12)


def test_lines_that_differ_in_the_last_digit_do_no_harm():
    """The envelope of a thousand lines that are one but for rounding is that line."""
    rng = np.random.default_rng(3)
    a = 1.0 + 2e-16 * rng.integers(-3, 4, (4, 1000))
    b = 1.0 + 2e-16 * rng.integers(-3, 4, (4, 1000))
    value, d_a, _ = expected_maximum(a, b)
    np.testing.assert_allclose(value, 1.0, rtol=1e-14)
    np.testing.assert_allclose(d_a.sum(axis=1), 1.0)


def exact_corners(a, b):
    """The corners of one envelope in rational arithmetic, from left to right: (lower, upper, z)."""
    lines = sorted(
        (Fraction(slope), Fraction(height), i) for i, (height, slope) in enumerate(zip(a, b, strict=True))
    )
    chain = []
    for slope, height, i in lines:
        while chain:
            last_slope, last_height, _, since = chain[-1]
            if last_slope == slope:
                chain.pop()
                continue
            z = (last_height - height) / (slope - last_slope)
            if since is not None and z <= since:
                chain.pop()
                continue
            break
        chain.append((slope, height, i, z if chain else None))
    return [(left[2], right[2], float(right[3])) for left, right in pairwise(chain)]


def test_lines_that_all_but_meet_far_out_are_told_apart_exactly():
    """In floating point, which of them is highest there is a matter of rounding; the gain is not."""
    rng = np.random.default_rng(4)
    for far in (20.1, 35.3, 44.7):
        b = np.concatenate([np.zeros((50, 1)), 1.0 + 1e-15 * rng.integers(-9, 10, (50, 12))], axis=1)
        a = -far * b * (1.0 + 2.2e-16 * rng.integers(-2, 3, b.shape))
        value, _, _ = log_expected_gain(a, b, np.zeros(50, int))
        for i in range(50):
            chain = exact_corners(a[i], b[i])
            terms = [np.log(b[i, u] - b[i, v]) + log_h(np.array([-abs(z)]))[0][0] for v, u, z in chain]
            assert value[i] == pytest.approx(logsumexp(terms), rel=1e-11)
