"""The preference for the inside: its formula, its gradient, what it leaves alone, that it fades."""

import numpy as np
import pytest

from bbopt import BayesianOptimization, Categorical, Integer, Objective, Real, Space, Study
from bbopt.acquisitions.interior import WEIGHT, Interior

MIXED = Space(
    [Real("x", 0, 1), Integer("k", 0, 100), Categorical("c", ["p", "q", "r"]), Real("y", 1, 10, log=True)]
)


def test_the_centre_costs_nothing_and_corners_most():
    plane = Space([Real("x", -5, 5), Real("y", -5, 5)])
    interior = Interior(plane, n=3)
    np.testing.assert_allclose(
        interior.value(np.array([[0.5, 0.5], [1.0, 0.5], [0.0, 1.0], [0.75, 0.5]])),
        [0.0, -WEIGHT, -2 * WEIGHT, -WEIGHT / 16],
    )


def test_a_corner_of_many_columns_costs_no_more_than_one_of_twenty():
    costs = [
        Interior(Space([Real(f"x{j}", 0, 1) for j in range(d)]), n=5).value(np.ones((1, d)))[0]
        for d in (10, 20, 400)
    ]
    np.testing.assert_allclose(costs, [-WEIGHT / 5 * 11 * 10, -WEIGHT / 5 * 21 * 20, -WEIGHT / 5 * 21 * 20])


def test_gradients_are_those_of_the_values_in_columns_that_move(differences):
    points = np.random.default_rng(0).random((6, MIXED.d))
    value, gradient = Interior(MIXED, n=7).value_and_grad(points)
    np.testing.assert_allclose(value, Interior(MIXED, n=7).value(points))
    expected = differences(Interior(MIXED, n=7).value, points)
    np.testing.assert_allclose(gradient, np.where(MIXED.is_categorical, 0.0, expected), atol=1e-8)


def test_categories_have_no_inside():
    low, high = np.full((1, MIXED.d), 0.5), np.full((1, MIXED.d), 0.5)
    low[0, 2], high[0, 2] = 0.0, 1.0
    assert Interior(MIXED, n=1).value(low) == Interior(MIXED, n=1).value(high) == 0.0


def test_it_fades_with_the_number_of_results():
    corner = np.ones((1, MIXED.d))
    values = [Interior(MIXED, n).value(corner)[0] for n in (0, 1, 10, 1000)]
    assert values[0] == values[1]
    np.testing.assert_allclose(values[1:], np.array([1.0, 0.1, 0.001]) * values[1])


@pytest.mark.parametrize("noise", [0.0, None])
def test_an_optimum_in_a_corner_is_found(noise):
    study = Study(Space([Real(f"x{j}", 0, 1) for j in range(3)]), Objective(noise=noise), seed=1)
    while len(study.trials) < 20:
        trial = study.ask()
        study.tell(trial, sum(trial.params.values()))
    assert study.best().value < 1e-6


def test_where_noise_hides_everything_suggestions_do_not_crowd_in_corners():
    def share_at_ends(acquisition):
        strategy = BayesianOptimization(acquisition=acquisition)
        study = Study(Space([Real(f"x{j}", 0, 1) for j in range(5)]), strategy=strategy, seed=0)
        noise = np.random.default_rng(0).standard_normal(25)
        for value in noise:
            study.tell(study.ask(), float(value))
        X = study.history.X[6:]
        return np.mean((X < 1e-3) | (X > 1 - 1e-3))

    assert share_at_ends("auto") < 0.5 * share_at_ends("lognei")
