"""What is taken for a penalty, and what for a bad result."""

import numpy as np
import pytest

from bbopt import Objective, Real, Space, Study
from bbopt.strategies.modelling import without_penalties

SPACE = Space([Real("x", 0, 1), Real("y", 0, 1)])


def told(values, failed=0):
    study = Study(SPACE, Objective("f", noise=0), seed=0)
    points = np.random.default_rng(0).random((len(values) + failed, 2))
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


def test_a_study_goes_on_beside_its_penalties_and_says_so():
    study = Study(SPACE, Objective("f", noise=0), strategy="bo", seed=1)
    for _ in range(25):
        trial = study.ask()
        x, y = trial.params["x"], trial.params["y"]
        study.tell(trial, 1e20 if x > 0.6 else (x - 0.5) ** 2 + (y - 0.3) ** 2)
    assert study.best().value < 1e-4
    assert "so far off that they count as failures" in study.explain(study.trials[-1])
