"""Half-spaces of the unit cube say the same as the formulas they come from."""

import numpy as np
import pytest

from bbopt.rng import Key
from bbopt.space import Categorical, Constant, Integer, Ordinal, Real, Space

SPACE = Space(
    [
        Real("x", -2, 6),
        Real("y", 10, 20),
        Integer("k", 5, 105),
        Real("s", 0, 1, step=0.03),  # its last level is 0.99
        Integer("n", 1, 20, log=True),
        Ordinal("o", [1, 10, 100]),
        Constant("c", 3),
        Categorical("kind", ["u", "v"]),
        Real("z", 0, 1, when={"kind": "v"}),
        Real("rate", 1e-3, 1.0, log=True),
    ],
    constraints=[
        "x + y <= 18 + c",
        "10 <= 2*y - k/10 + 20*s",
        "x + n + o/10 < 9",
        "y + 10*z <= 22",
        "rate + x <= 5",
        "x*y <= 100",
        lambda params: True,
    ],
)
MOVING = np.array([name in ("x", "y", "k", "s", "z", "rate") for name in SPACE.names if name != "c"])


def test_points_are_feasible_exactly_within_the_half_spaces():
    linear = Space(SPACE.parameters, [c for c in SPACE.constraints if str(c) in FORMULAS])
    starts = linear.sample(200, Key(0))
    A, b = SPACE.halfspaces(starts, MOVING)
    assert A.shape == (4, SPACE.d)
    there = linear.project(np.where(MOVING, linear.sample(200, Key(1)), starts))
    there[::2] = starts[::2] + 3 * (there[::2] - starts[::2])  # many of them beyond
    there = linear.project(there)
    inside = np.all(there @ A.T <= b, axis=1)
    np.testing.assert_array_equal(inside, linear.feasible(there))
    assert 30 < inside.sum() < 170


FORMULAS = ("x + y <= 18 + c", "10 <= 2*y - k/10 + 20*s", "x + n + o/10 < 9", "y + 10*z <= 22")


def test_columns_that_stay_go_to_the_right_hand_side():
    """With x = -2 + 8 u, y = 10 + 10 v and c = 3: u, v and the others give 8 u + 10 v <= 13."""
    start = SPACE.sample(3, Key(0))
    A, b = SPACE.halfspaces(start, MOVING)
    np.testing.assert_allclose(A[0, :2], [8, 10])
    np.testing.assert_allclose(b[:, 0], 13)
    assert not A[:, ~MOVING].any()
    alone, rest = SPACE.halfspaces(start, np.arange(SPACE.d) == 0)
    np.testing.assert_allclose(alone[0], [8] + [0] * (SPACE.d - 1))
    np.testing.assert_allclose(rest[:, 0], 13 - 10 * start[:, 1])


def test_what_mentions_an_inactive_parameter_says_nothing():
    params = {"x": 0.0, "y": 12.0, "k": 5, "s": 0.0, "n": 1, "o": 1, "c": 3, "rate": 0.1}
    X = SPACE.encode([params | {"kind": "u"}, params | {"kind": "v", "z": 0.5}])
    _, b = SPACE.halfspaces(X, MOVING)
    assert np.isinf(b[0, 3])
    np.testing.assert_allclose(b[1, 3], 12)  # 10 v + 10 z <= 12


def test_a_logarithm_that_moves_is_left_out_and_one_that_stays_is_a_number():
    space = Space([Real("x", 0, 1), Real("rate", 1e-2, 1.0, log=True)], ["x + rate <= 1"])
    X = space.encode({"x": 0.2, "rate": 0.1})
    assert len(space.halfspaces(X, np.array([True, True]))[0]) == 0
    A, b = space.halfspaces(X, np.array([True, False]))
    np.testing.assert_allclose(A, [[1.0, 0.0]])
    np.testing.assert_allclose(b, [[0.9]])


@pytest.mark.parametrize("sign", ["<", "<="])
def test_points_at_the_edge_are_feasible(sign):
    space = Space([Real(f"x{i}", -7, 1e6 + i) for i in range(6)], [f"x0 + 3*x1 - x2 + x3/7 {sign} 12345.678"])
    starts = space.sample(50, Key(0))
    A, b = space.halfspaces(starts, np.ones(6, bool))
    for j in (0, 1, 3):  # move one column up to the edge
        X = starts.copy()
        X[:, j] += (b[:, 0] - X @ A[0]) / A[0, j]
        on_edge = X[:, j] < 1
        assert on_edge.any()
        assert space.feasible(X[on_edge]).all()
        X[:, j] += 1e-8
        assert not space.feasible(X[on_edge]).any()
