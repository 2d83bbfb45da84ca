"""Tuning problems: deterministic, quick, silent, and better than nothing."""

import dataclasses
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bbopt.errors import DataError, MissingExtra
from bbopt.problems import EvaluationFailed, Tuning, defaults, get, tune
from bbopt.problems.tuning import PROBLEMS
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.spec import Objective, Spec

pytest.importorskip("sklearn")


def sample(problem, n):
    space = problem.spec.space
    return space.from_unit(Key(0, ("tuning",)).uniform_rows(0, n, space.d))


@pytest.mark.parametrize("name", PROBLEMS)
def test_same_point_same_value(name):
    problem = tune(name)
    points = sample(problem, 2)
    values = problem.evaluate_many(points)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    singly = [problem(params) for params in problem.spec.space.decode(points)]
    np.testing.assert_array_equal(values, singly)


# Loosely: what these models are known to reach on these data, not what one version of scikit-learn gives.
WORST = {"error": 0.12, "rmse": 0.95, "log_loss": 0.4}


@pytest.mark.parametrize("name", ["svm-digits", "svm-diabetes", "mlp-wine", "boosting-breast_cancer"])
def test_defaults(name):
    problem = tune(name)
    (value,) = defaults(problem).values()
    assert 0 < value < WORST[problem.loss]


def test_defaults_of_every_model():
    problem = tune("cash-breast_cancer")
    scores = defaults(problem)
    assert set(scores) == {"svm", "forest", "mlp", "neighbors", "linear", "boosting"}
    assert all(0 < value < 0.12 for value in scores.values())


@pytest.mark.parametrize("name", ["cash-breast_cancer", "cash-diabetes"])
def test_every_model_can_be_chosen(name):
    problem = tune(name)
    least = {}
    for params in problem.spec.space.decode(sample(problem, 40)):
        model = params["model"]
        assert all(other == "model" or other.startswith(f"{model}__") for other in params)
        if model not in least:
            least[model] = problem(params)
    assert set(least) == set(problem.models)


def test_sensible_settings_score_well():
    params = {"C": 10.0, "gamma": 0.01, "kernel": "rbf"}
    assert tune("svm-digits")(params) < 0.06
    assert tune("cash-digits")({"model": "svm", **{f"svm__{k}": v for k, v in params.items()}}) == tune(
        "svm-digits"
    )(params)


def test_what_scikit_learn_refuses_is_a_failed_run():
    space = Space([Real("C", -1.0, 1.0)])
    problem = dataclasses.replace(tune("svm-diabetes"), spec=Spec(space, (Objective("loss"),)))
    with pytest.raises(EvaluationFailed, match=r"SVR failed.*'C'"):
        problem({"C": -0.5})
    values = problem.evaluate_many(space.encode([{"C": -0.5}, {"C": 0.5}]))
    np.testing.assert_array_equal(np.isnan(values), [True, False])


def test_points_outside_of_the_space_are_refused():
    with pytest.raises(DataError):
        tune("svm-digits")({"C": 1.0, "gamma": 0.1, "kernel": "poly"})  # without its degree


def test_threads_take_turns_and_get_the_same_values():
    problem = tune("svm-digits")
    points = problem.spec.space.decode(sample(problem, 6))
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(problem, points)) == [problem(params) for params in points]


def test_tuning_problems_travel():
    problem = get("cash-diabetes")
    assert isinstance(problem, Tuning)
    copy = pickle.loads(pickle.dumps(problem))
    params = {"model": "linear", "linear__C": 1.0}
    assert copy(params) == problem(params)


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match=r"scikit-learn, which bbopt's extra \[sklearn\] brings"):
        tune("svm-digits")


def test_unknown_problems_are_refused():
    with pytest.raises(DataError, match="svm-digits"):
        tune("svm-nothing")
