"""Maxima on the edges of known constraints: linear ones are found as precisely as those inside."""

import numpy as np
import pytest
from scipy.optimize import minimize

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Real, Space
from bbopt.surrogates.fit import fit
from tests.maximizers.test_multistart import Bowl, none


def best_by_slsqp(acquisition, A, b, starts):
    """The highest value that SciPy finds from any of the starts within A x <= b."""
    found = [
        minimize(
            lambda x: -acquisition.value(x[None])[0],
            start,
            jac=lambda x: -acquisition.value_and_grad(x[None])[1][0],
            bounds=[(0, 1)] * len(start),
            constraints={"type": "ineq", "fun": lambda x: b - A @ x, "jac": lambda x: -A},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 300},
        )
        for start in starts
    ]
    return max(-result.fun for result in found if np.all(A @ result.x <= b + 1e-9))


@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("edge", ["two", "simplex"])
def test_expected_improvement_on_a_linear_edge_reaches_scipys(d, edge):
    summed = 2 if edge == "two" else d
    formula = " + ".join(f"x{j}" for j in range(summed)) + " <= 1"
    space = Space([Real(f"x{j}", 0, 1) for j in range(d)], [formula])
    A, b = (np.arange(d) < summed)[None].astype(float), np.ones(1)
    X = space.sample(12 * d, Key(d))
    y = ((X - 1.3 / summed) ** 2 * (1 + np.arange(d) % 3)).sum(axis=1) + 0.05 * np.sin(9 * X).sum(axis=1)
    model = fit(space, X, y)
    acquisition = LogExpectedImprovement(model, model.incumbent)
    best = X[np.argsort(y)[:3]]
    x = maximize(acquisition, space, 1, best, None, Key(0))
    assert space.feasible(x).all()
    assert x[0, :summed].sum() > 1 - 1e-9
    near = best[0] + 0.9 * (x[0] - best[0])
    starts = [near, *best, *space.sample(10, Key(1))]
    assert acquisition.value(x)[0] > best_by_slsqp(acquisition, A, b, starts) - 1e-6


def test_an_optimum_in_a_corner_of_several_constraints():
    """max -(x - 1)² - (y - 1)² - (z - 1)² where x + 2 y <= 1.2, x <= y and z < x + 0.25: a vertex."""
    space = Space([Real(n, 0, 1) for n in "xyz"], ["x + 2*y <= 1.2", "x <= y", "z < x + 0.25"])
    x = maximize(Bowl(np.ones(3)), space, 1, none(3), None, Key(0))
    np.testing.assert_allclose(x[0], [0.4, 0.4, 0.65], atol=1e-9)
    assert space.feasible(x).all()


def test_a_constraint_across_columns_that_glide_and_columns_that_do_not():
    """3 + 7 u + k + c <= 10 with k of few levels, c a number by category, u continuous: u = (7 - k - c)/7."""
    space = Space(
        [
            Real("u", 3, 10),
            Integer("k", 0, 4),
            Categorical("c", [1, 2, 5]),
            Integer("w", 0, 1000),
            Real("v", 0, 1),
        ],
        ["u + k + c <= 10", "w/1000 + v <= 1.2"],
    )
    target = np.array([1.0, 0.5, 0.5, 0.9, 0.9])
    weights = np.array([1.0, 50.0, 50.0, 1.0, 1.0])
    x = maximize(Bowl(target, weights), space, 1, none(5), None, Key(0))
    np.testing.assert_allclose(x[0, :3], [3 / 7, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(x[0, 3:], [0.6, 0.6], atol=1e-3)  # the wide integer is rounded
    assert space.feasible(x).all()


def test_a_thin_slab_is_climbed_along():
    space = Space([Real(f"x{j}", 0, 1) for j in range(4)], ["0.9999 <= x0 + x1 + x2 + x3 <= 1"])
    target = np.array([0.7, 0.5, 0.1, -0.5])
    x = maximize(Bowl(target), space, 1, none(4), None, Key(0))
    np.testing.assert_allclose(x[0], [0.6, 0.4, 0.0, 0.0], atol=1e-6)


def test_inactive_parameters_free_the_others():
    space = Space(
        [Categorical("kind", ["a", "b"]), Real("x", 0, 1), Real("z", 0, 1, when={"kind": "b"})],
        ["x + z <= 0.5"],
    )
    x = maximize(Bowl([0.0, 1.0, 0.5]), space, 1, none(3), None, Key(0))
    np.testing.assert_allclose(x[0], [0, 1, 0.5], atol=1e-6)
    x = maximize(Bowl([1.0, 1.0, 1.0], [9.0, 1.0, 1.0]), space, 1, none(3), None, Key(0))
    np.testing.assert_allclose(x[0], [1, 0.25, 0.25], atol=1e-6)


def test_fixed_values_take_their_share_of_a_constraint():
    space = Space([Real("x", 0, 1), Real("y", 0, 1)], ["x + y <= 1"])
    x = maximize(Bowl([1.0, 1.0]), space, 1, none(2), np.array([np.nan, 0.7]), Key(0))
    np.testing.assert_allclose(x[0], [0.3, 0.7], atol=1e-9)


def test_constraints_that_are_not_linear_in_the_cube_still_hold():
    space = Space(
        [Real("x", 0, 1), Real("y", 0, 1), Real("rate", 1e-3, 1, log=True)],
        ["x**2 + y**2 <= 0.5", "x + rate <= 0.6"],
    )
    x = maximize(Bowl([1.0, 1.0, 1.0]), space, 1, none(3), None, Key(0))
    assert space.feasible(x).all()
    assert Bowl([1.0, 1.0, 1.0]).value(x)[0] > -0.9


def test_curved_edges_are_followed_by_random_steps():
    space = Space([Real(name, 0, 1) for name in "abc"], constraints=["a * b <= 0.2", "a**2 + c <= 0.6"])
    target = np.array([0.7, 0.6, 0.5])
    edge = minimize(
        lambda x: ((x - target) ** 2).sum(),
        np.full(3, 0.3),
        method="SLSQP",
        bounds=[(0, 1)] * 3,
        constraints={"type": "ineq", "fun": lambda x: [0.2 - x[0] * x[1], 0.6 - x[0] ** 2 - x[2]]},
        options={"ftol": 1e-12},
    )
    bowl = Bowl(target)
    for seed in range(3):
        found = maximize(bowl, space, 1, none(3), None, Key(seed))
        assert -bowl.value(found)[0] < edge.fun + 1e-3  # without them 0.003 to 0.015
