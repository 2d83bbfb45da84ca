"""Real and Integer: round trips, snapping, ranges from one ulp to 600 decades."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbopt import errors
from bbopt.space import Integer, Real, Space

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=5e-324, max_value=sys.float_info.max)
UNIT = st.floats(0.0, 1.0)
STEPS = st.sampled_from([0.1, 0.5, 0.25, 0.01, 1 / 3, 2 / 3, 1e-3, 3.0, 0.7, 7e-5, 1e5])


def ends(pair):
    low, high = sorted(pair)
    return low + 0.0, high + 0.0


def one(space, value):
    return space.decode(space.encode({"x": value}))[0]["x"]


def linear_error(low, high, value, back):
    """|back - value| in ulps of the width, exactly."""
    width = Fraction(high) - Fraction(low)
    ulp = Fraction(math.ulp(float(width))) if width < Fraction(sys.float_info.max) else Fraction(2) ** 971
    return float(abs(Fraction(back) - Fraction(value)) / ulp)


@given(st.tuples(FINITE, FINITE), UNIT)
@settings(max_examples=500)
def test_linear_round_trip(pair, t):
    low, high = ends(pair)
    if low == high:
        return
    value = min(max(low * (1 - t) + high * t, low), high)
    back = one(Space([Real("x", low, high)]), value)
    assert low <= back <= high
    assert linear_error(low, high, value, back) <= 4


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1e6, 1e6 + 1e-3),
        (-1e12, 1e12),
        (1.0, math.nextafter(1.0, 2.0)),
        (0.0, 5e-324),
        (0.0, 1e-310),
        (-1e308, 1e308),
        (-sys.float_info.max, sys.float_info.max),
        (-0.0, 1.0),
        (1e300, 1.0000001e300),
    ],
)
def test_extreme_linear_ranges(low, high):
    space = Space([Real("x", low, high)])
    values = [low, high, *space.columns(np.random.default_rng(0).random((300, 1)))["x"].tolist()]
    for value in values:
        assert linear_error(low, high, value, one(space, value)) <= 4
    assert space.encode({"x": low}) == 0.0
    assert space.encode({"x": high}) == 1.0
    assert one(space, low) == low
    assert one(space, high) == high


def test_narrow_offset_range_is_exact():
    space = Space([Real("x", 1e6, 1e6 + 1e-3)])
    for value in np.linspace(1e6, 1e6 + 1e-3, 101).tolist():
        assert one(space, value) == value


@given(st.tuples(POSITIVE, POSITIVE), UNIT)
@settings(max_examples=500)
def test_log_round_trip(pair, t):
    low, high = ends(pair)
    if low == high:
        return
    space = Space([Real("x", low, high, log=True)])
    value = space.decode([[t]])[0]["x"]
    back = one(space, value)
    assert low <= back <= high
    width = math.log(high) - math.log(low) if high / low > 2 else math.log1p((high - low) / low)
    relative = abs(Fraction(back) - Fraction(value)) / Fraction(value)
    assert back == value or float(relative) <= 4 * math.ulp(width)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1e-300, 1e300),
        (5e-324, sys.float_info.max),
        (1e6, 1e6 + 1e-3),
        (1e-5, 1e-1),
        (5e-324, 1e-323),
        (1e300, 1e301),
    ],
)
def test_extreme_log_ranges(low, high):
    space = Space([Real("x", low, high, log=True)])
    u = np.concatenate([[0.0, 1.0], np.random.default_rng(0).random(300)])
    values = space.columns(u[:, None])["x"]
    assert (values >= low).all()
    assert (values <= high).all()
    assert (values[0], values[1]) == (low, high)
    again = space.encode([{"x": v} for v in values.tolist()])
    if high / low > 1e10:
        normal = values > 1e-300  # subnormals are coarser than their logarithms
        np.testing.assert_allclose(again[normal, 0], u[normal], atol=1e-14)
    middle = space.decode([[0.5]])[0]["x"]
    assert math.log(middle) == pytest.approx((math.log(low) + math.log(high)) / 2, rel=1e-9, abs=0.5)


@given(st.tuples(FINITE, FINITE), st.floats(-5, 6))
def test_decode_never_leaves_the_range(pair, u):
    low, high = ends(pair)
    space = Space([Real("x", low, high), Real("y", 0, 1)])
    assert low <= space.decode(np.full((1, space.d), u))[0]["x"] <= high


def test_values_outside_extrapolate():
    space = Space([Real("x", 10, 20), Real("y", 1e-2, 1, log=True), Integer("n", 1, 5)])
    X = space.encode({"x": 30, "y": 100.0, "n": -3})
    np.testing.assert_allclose(X, [[2.0, 2.0, -1.0]], rtol=1e-14)
    np.testing.assert_array_equal(space.project(X), [[1.0, 1.0, 0.0]])
    X = space.encode({"x": 0, "y": 1e-4, "n": 9})
    np.testing.assert_allclose(X, [[-1.0, -1.0, 2.0]], rtol=1e-14)


def test_values_absurdly_far_outside_are_refused():
    space = Space([Real("x", 0, 5e-324)])
    with pytest.raises(errors.DataError, match=r"'x' must be near a number in \[0.0, 5e-324\], got 1e\+308"):
        space.encode({"x": 1e308})


# --- steps ---------------------------------------------------------------------------------------


def test_steps_are_clean():
    space = Space([Real("x", 0, 1, step=0.1)])
    assert space.n_levels.tolist() == [11]
    expected = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert [p["x"] for p in space.decode(space.enumerate())] == expected
    assert space.columns(space.enumerate())["x"].tolist() == expected


@pytest.mark.parametrize(
    ("low", "high", "step", "count", "last"),
    [
        (20, 90, 0.5, 141, 90.0),
        (0, 1, 0.3, 4, 0.9),
        (0, 1, 1 / 3, 4, 1.0),
        (-1, 1, 0.1, 21, 1.0),
        (0, 1, 1 / 7, 8, 1.0),
        (1e-3, 5e-3, 1e-3, 5, 0.005),
        (1.1, 2.0, 0.25, 4, 1.85),
        (-1e308, 1e308, 1e307, 21, 1e308),
        (1e6, 1e6 + 1e-3, 1e-4, 11, 1000000.001),
        (0, 1e-300, 1e-301, 11, 1e-300),
    ],
)
def test_levels_of_steps(low, high, step, count, last):
    space = Space([Real("x", low, high, step=step)])
    assert space.size == count
    values = [p["x"] for p in space.decode(space.enumerate())]
    assert values[0] == low
    assert values[-1] == pytest.approx(last, rel=1e-15)
    assert max(values) <= high
    assert space.validate({"x": values[-1]}) == {"x": values[-1]}


@given(FINITE.filter(lambda v: abs(v) < 1e9), st.integers(1, 2000), STEPS)
def test_steps_round_trip_exactly(low, n, step):
    high = low + n * step
    try:
        space = Space([Real("x", low, high, step=step)])
    except errors.SpaceError:
        assert abs(low) > 1e6 * step
        return
    if space.d == 0:
        return
    X = np.array([[0.0], [1.0], [0.3], [0.77]])
    P = space.project(X)
    np.testing.assert_array_equal(space.encode(space.decode(P)), P)
    np.testing.assert_array_equal(space.project(P), P)
    for params in space.decode(P):
        space.validate(params)


def test_off_level_values_keep_their_place():
    space = Space([Real("x", 0, 1, step=0.5)])
    assert space.encode({"x": 0.3}) == pytest.approx(0.3)
    assert space.encode({"x": 0.1 + 0.2 + 0.2}) == 0.5
    with pytest.raises(
        errors.DataError, match=r"'x' must be a number in \[0.0, 1.0\] in steps of 0.5, got 0.3"
    ):
        space.validate({"x": 0.3})
    assert space.validate({"x": 0.3}, strict=False) == {"x": 0.3}


# --- integers ------------------------------------------------------------------------------------


@given(st.integers(-(2**62), 2**62), st.integers(1, 2**53), st.data())
@settings(max_examples=300)
def test_linear_integers_are_exact(low, width, data):
    space = Space([Integer("x", low, low + width)])
    value = data.draw(st.integers(low, low + width))
    X = space.encode({"x": value})
    assert space.decode(X) == [{"x": value}]
    assert space.columns(X)["x"].tolist() == [value]
    np.testing.assert_array_equal(space.project(X), X)


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.data())
@settings(max_examples=300)
def test_log_integers_are_exact(low, width, data):
    space = Space([Integer("x", low, low + width, log=True)])
    value = data.draw(st.integers(low, low + width))
    X = space.encode({"x": value})
    assert space.decode(X) == [{"x": value}]
    np.testing.assert_array_equal(space.project(X), X)
    P = space.project([[data.draw(UNIT)]])
    np.testing.assert_array_equal(space.project(P), P)
    np.testing.assert_array_equal(space.encode(space.decode(P)), P)


def test_every_small_log_integer_is_exact():
    space = Space([Integer("x", 1, 3000, log=True)])
    X = space.enumerate()
    assert space.columns(X)["x"].tolist() == list(range(1, 3001))
    assert [p["x"] for p in space.decode(X)] == list(range(1, 3001))
    np.testing.assert_array_equal(space.project(X), X)
    np.testing.assert_array_equal(space.levels(0), X[:, 0])
    np.testing.assert_array_equal(space.encode([{"x": k} for k in range(1, 3001)]), X)


def test_stepped_integers():
    space = Space([Integer("b", 8, 260, step=8)])
    assert space.size == 32
    assert [p["b"] for p in space.decode(space.enumerate())] == list(range(8, 257, 8))
    np.testing.assert_array_equal(space.encode([{"b": b} for b in range(8, 257, 8)]), space.enumerate())


def test_log_integers_are_drawn_by_log_measure():
    space = Space([Integer("n", 1, 1000, log=True)])
    n = space.columns(space.from_unit((np.arange(30000)[:, None] + 0.5) / 30000))["n"]
    share = np.log(1.5 / 0.5) / np.log(1000.5 / 0.5)
    assert (n == 1).mean() == pytest.approx(share, abs=1e-3)
    assert n.min() == 1
    assert n.max() == 1000


def test_levels_are_equally_likely():
    space = Space([Integer("n", 1, 7), Real("x", 0, 1, step=0.25)])
    U = np.column_stack([np.arange(7000), np.arange(7000)]) / 7000
    values = space.columns(space.from_unit(U))
    assert np.unique(values["n"], return_counts=True)[1].tolist() == [1000] * 7
    assert np.unique(values["x"], return_counts=True)[1].tolist() == [1400] * 5


# --- one path or the other -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameter",
    [
        Real("x", -3, 7),
        Real("x", -1e308, 1e308),
        Real("x", 1e-5, 1e-1, log=True),
        Real("x", 1e-300, 1e300, log=True),
        Real("x", 1.0, 1.1, log=True),
        Real("x", -2, 3, step=0.1),
        Real("x", 0, 1, step=1e-30 * 1e27),
        Integer("x", -5, 2**52),
        Integer("x", 1, 10**9, log=True),
        Integer("x", 3, 99, step=4),
    ],
    ids=repr,
)
def test_scalar_and_vector_paths_agree_bitwise(parameter):
    space = Space([parameter, Real("y", 0, 1)])
    X = np.random.default_rng(1).random((500, 2))
    X[:2, 0] = [0.0, 1.0]
    P = space.project(X)
    alone = [space.decode(row[None])[0] for row in P]
    assert alone == space.decode(P)
    assert [p["x"] for p in alone] == space.columns(P)["x"].tolist()
    for params in alone:
        assert space.validate(params) == params
    if space.n_levels[0]:
        np.testing.assert_array_equal(space.encode(alone)[:, 0], P[:, 0])
