"""What is taken for a penalty, and what for a bad result."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bbopt import Objective, Real, Space, Study
from bbopt.strategies.modelling import without_penalties

SPACE = Space([Real("x", 0, 1), Real("y", 0, 1)])


def told(values, failed=0, near=0):
    """Results at random points, the first ``near`` of them next to each other."""
    study = Study(SPACE, Objective("f", noise=0), seed=0)
    points = np.random.default_rng(0).random((len(values) + failed, 2))
    points[:near] = points[0] + 1e-4 * points[:near]
    for (x, y), value in zip(points, values, strict=False):
        study.add({"x": x, "y": y}, float(value))
    for trial in study.ask(failed) if failed else []:
        study.fail(trial)
    return study.history.dataset()


@pytest.mark.parametrize("penalty", [1e6, 1e20, 1e300])
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_penalties_become_failures(penalty, scale):
    y = np.random.default_rng(1).random(20)
    y[[2, 7, 15]] = penalty
    data = told(scale * y, failed=2)
    kept = without_penalties(data)
    assert len(kept.X) == len(kept.Y) == len(kept.Yvar) == len(kept.numbers) == 17
    assert kept.Y.max() <= scale
    np.testing.assert_array_equal(kept.X_failed[:2], data.X_failed)
    np.testing.assert_array_equal(kept.X_failed[2:], data.X[[2, 7, 15]])


@pytest.mark.parametrize(
    "y",
    [
        np.random.default_rng(2).random(20),
        np.exp(12 * np.random.default_rng(3).random(20)),  # five decades, smoothly
        np.r_[np.random.default_rng(4).random(6), 0.001 + 1e-12 * np.arange(14)],  # converged
        np.r_[np.zeros(12), np.ones(8)],
        np.full(9, 3.0),
        np.r_[1.0, 2.0, 1e20, 3.0],  # too few to tell
        np.r_[np.random.default_rng(5).random(8), -1e20],  # a good one is never set aside
        np.random.default_rng(6).standard_cauchy(30),
    ],
    ids=[
        "uniform",
        "exponential",
        "converged",
        "two values",
        "constant",
        "four",
        "a very good one",
        "cauchy",
    ],
)
def test_bad_results_stay_results(y):
    data = told(y)
    assert without_penalties(data) is data


ROUNDED = 1 - np.array([0.9666666666666667, 0.9666666666666666, 0.9666666666666666])
"""Errors that are the same, but for rounding."""


@pytest.mark.parametrize(
    "y",
    [
        np.r_[ROUNDED, 0.05, 0.07, 0.04],
        np.r_[ROUNDED, 0.05],
        np.r_[0.0, 1e-16, 1e-16, 0.05, 0.07, 0.04],
        np.r_[1 + 1e-8 * np.arange(1, 6), 1.6, 1.0, 1.3],
        np.r_[1e-6, 1e-5, 1e-4, 1e6, 1e5],
        10.0 ** np.random.default_rng(7).permutation(np.arange(-6, 7)),
        10.0 ** -np.arange(-6, 7),
    ],
    ids=["rounded", "and one more", "to nothing", "to eight digits", "far apart", "decades", "falling"],
)
def test_results_beside_nearly_equal_ones_stay_results(y):
    for n in range(5, len(y) + 1):
        data = told(y[:n])
        assert without_penalties(data) is data


@pytest.mark.parametrize("lowest", [0.0, 0.4, -3e5])
@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_a_study_that_begins_with_the_best_of_another_one_keeps_its_results(lowest, n):
    y = lowest + np.r_[1e-8 * np.arange(1, 6), 1.0 + 0.6 * np.random.default_rng(n).random(n)]
    data = told(y, near=5)
    assert without_penalties(data) is data


@pytest.mark.parametrize("penalty", [1e6, 1e20])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e12])
def test_one_penalty_of_five_is_seen_in_all_units(penalty, offset, scale):
    data = told(scale * (np.array([0.3, penalty, 0.9, 0.1, 0.7]) + offset))
    np.testing.assert_array_equal(without_penalties(data).numbers, [0, 2, 3, 4])


@pytest.mark.parametrize(
    "y",
    [
        np.r_[1e3, 1.1e3, 1.2e3, 1e20, 1.5e3, 1e20],
        np.r_[ROUNDED, 1e20, 1e20],
        np.r_[ROUNDED, 0.05, 0.07, 0.04, 1e6],
        np.r_[0.3, 0.9, 1e6, 0.1, 0.7, 1e20, 1e6 + 0.7],
    ],
    ids=["thousands", "rounded", "rounded and others", "several"],
)
def test_penalties_beside_anything_are_seen(y):
    np.testing.assert_array_equal(without_penalties(told(y)).numbers, np.flatnonzero(y < 1e5))


def test_a_penalty_after_good_results_of_another_study_is_seen():
    data = told(np.r_[1e-8 * np.arange(1, 6), 1.0, 1.5, 1e20, 1e20], near=5)
    np.testing.assert_array_equal(without_penalties(data).numbers, np.arange(7))


VALUES = st.lists(st.floats(0.0, 1.0).map(lambda y: round(y, 3)), min_size=3, max_size=20)


@given(VALUES, st.integers(3, 6), st.floats(0.01, 1.0), st.integers(0, 2**20))
@example([0.05, 0.07, 0.04], 3, 0.033, 1)
@settings(max_examples=60, deadline=None)
def test_no_tie_makes_failures_of_ordinary_results(values, n_tied, tied, seed):
    """Whatever is told after results that are equal up to rounding, and whatever the order."""
    draw = np.random.default_rng(seed)
    y = np.r_[np.full(n_tied, tied) * (1 + 2e-16 * draw.integers(-2, 3, n_tied)), values]
    for order in (np.arange(len(y)), draw.permutation(len(y))):
        data = told(y[order])
        assert without_penalties(data) is data


def test_predictions_leave_penalties_out():
    study = Study(SPACE, Objective("f", noise=0), seed=0)
    draw = np.random.default_rng(1)
    points = draw.random((30, 2))
    y = ((points - 0.4) ** 2).sum(axis=1)
    y[draw.permutation(30)[:8]] = 1e20
    for (a, b), value in zip(points, y, strict=True):
        study.add({"x": a, "y": b}, float(value))
    at = draw.random((50, 2))
    found = study.predict([{"x": a, "y": b} for a, b in at])
    errors = [one.mean for one in found] - ((at - 0.4) ** 2).sum(axis=1)
    assert np.sqrt(np.mean(errors**2)) < 0.1


def test_a_study_goes_on_beside_its_penalties_and_says_so():
    study = Study(SPACE, Objective("f", noise=0), strategy="bo", seed=1)
    for _ in range(25):
        trial = study.ask()
        x, y = trial.params["x"], trial.params["y"]
        study.tell(trial, 1e20 if x > 0.6 else (x - 0.5) ** 2 + (y - 0.3) ** 2)
    assert study.best().value < 1e-4
    assert "so far off that they count as failures" in study.explain(study.trials[-1])
