"""Noise, crashes and delays do what they say, no more."""

import pickle
import time

import numpy as np
import pytest

from bbopt.errors import DataError, UnsupportedError
from bbopt.problems import (
    Ball,
    Box,
    Delayed,
    EvaluationFailed,
    Failing,
    Noisy,
    ackley,
    branin,
    crash_region,
    get,
    hartmann,
)
from bbopt.rng import Key

POINT = {"x1": 1.0, "x2": 2.0}


def grid(problem, n, salt="wrappers"):
    space = problem.spec.space
    return space.from_unit(Key(1, (salt,)).uniform_rows(0, n, space.d))


def test_noise_has_the_stated_moments():
    problem = Noisy(branin(), sd=0.5)
    points = np.repeat(problem.spec.space.encode(POINT), 40_000, axis=0)
    noise = (problem.evaluate_many(points, Key(3)) - branin()(POINT)) / 0.5
    assert abs(noise.mean()) < 4 / 200
    assert noise.std() == pytest.approx(1, abs=4 / 200 / np.sqrt(2))
    assert abs((noise**3).mean()) < 4 * np.sqrt(15) / 200
    assert (noise**4).mean() == pytest.approx(3, abs=4 * np.sqrt(96) / 200)


def test_noise_is_a_function_of_the_key():
    problem = Noisy(branin(), sd=0.5)
    first, again = (problem.evaluate(POINT, Key(0, ("trial", 7))) for _ in range(2))
    assert first == again
    assert first != problem.evaluate(POINT, Key(0, ("trial", 8)))
    points = grid(problem, 20)
    many = problem.evaluate_many(points, Key(4))
    np.testing.assert_array_equal(many[:5], problem.evaluate_many(points[:5], Key(4)))
    one = problem.evaluate(problem.spec.space.decode(points)[0], Key(4)).values["value"]
    assert one == pytest.approx(many[0], rel=1e-12)


def test_noise_without_a_key_is_fresh():
    problem = Noisy(branin(), sd=0.5)
    assert problem(POINT) != problem(POINT)


def test_noise_twice_is_not_the_same_noise_twice():
    once, twice = Noisy(branin(), sd=1.0), Noisy(Noisy(branin(), sd=1.0), sd=1.0)
    points = np.repeat(once.spec.space.encode(POINT), 20_000, axis=0)
    assert twice.evaluate_many(points, Key(0)).std() == pytest.approx(np.sqrt(2), abs=0.04)


def test_noisy_spec_does_not_give_the_noise_away():
    problem = Noisy(branin(), sd=0.5)
    assert [objective.noise for objective in branin().spec.objectives] == [0]
    assert [objective.noise for objective in problem.spec.objectives] == [None]
    assert problem.optimum == branin().optimum
    assert problem.name == "noisy branin"
    assert problem.regret(1.0) == branin().regret(1.0)
    for sd in (-1.0, np.nan, np.inf):
        with pytest.raises(DataError, match="sd must be"):
            Noisy(branin(), sd=sd)


@pytest.mark.parametrize(
    "problem",
    [branin(), hartmann(3), hartmann(6), ackley(10, bounds=(-5.0, 10.0)), get("func2c"), get("jenatton")],
    ids=lambda problem: problem.name,
)
def test_crash_region_has_the_stated_volume_and_spares_the_optima(problem):
    region = crash_region(problem, fraction=0.15)
    inside = region(grid(problem, 200_000))
    assert inside.mean() == pytest.approx(0.15, abs=0.005)
    d = problem.spec.space.d
    optima = problem.spec.space.encode(list(problem.optimum.params))
    assert not region(optima).any()
    direction = Key(2).generator().standard_normal((1000, d))
    direction *= 0.049 * np.sqrt(d) / np.linalg.norm(direction, axis=1, keepdims=True)
    for optimum in optima:
        assert not region(optimum + direction).any()


def test_crash_region_lies_across_the_path_and_leaves_a_way_round():
    problem = hartmann(6)
    region = crash_region(problem)
    path = np.linspace(0, 1, 101)[:, None] * (region.optimum - 0.5) + 0.5
    crashed = region(path)
    assert crashed[:60].all()
    assert not crashed[-10:].any()
    beyond = region.optimum + np.linspace(0, 1, 20)[:, None] * (region.optimum - 0.5)
    assert not region(beyond).any()
    assert crash_region(problem).width == region.width


@pytest.mark.parametrize("fraction", [0.02, 0.2, 0.4])
def test_crash_region_of_other_volumes_and_starts(fraction):
    problem = branin()
    start = {"x1": -5.0, "x2": 0.0}
    region = crash_region(problem, fraction=fraction, start=start)
    assert region(grid(problem, 200_000)).mean() == pytest.approx(fraction, abs=0.005)
    assert region(problem.spec.space.encode(start)).all()


def test_impossible_crash_regions_are_refused():
    with pytest.raises(DataError, match="start="):
        crash_region(ackley(3))  # the centre is the optimum
    for fraction in (0, 1, np.nan):
        with pytest.raises(DataError, match="between 0 and 1"):
            crash_region(branin(), fraction=fraction)
    with pytest.raises(DataError, match="does not fit"):
        crash_region(branin(), fraction=0.99)
    assert crash_region(ackley(3), start={"x1": 9.0, "x2": -9.0, "x3": 20.0}).width < 1


def test_failing_runs_raise_and_give_nan():
    region = crash_region(branin())
    problem = Failing(branin(), region)
    points = grid(problem, 300)
    values = problem.evaluate_many(points)
    np.testing.assert_array_equal(np.isnan(values), region(points))
    np.testing.assert_array_equal(values[~region(points)], branin().evaluate_many(points[~region(points)]))
    for params, crashed in zip(problem.spec.space.decode(points), region(points), strict=True):
        if crashed:
            with pytest.raises(EvaluationFailed, match="crashes at"):
                problem(params)
        else:
            assert np.isfinite(problem(params))
    with pytest.raises(DataError):
        problem({"x1": 0.0})


def test_ball_and_box():
    space = branin().spec.space
    ball = Ball(space, {"x1": 2.5, "x2": 7.5}, radius=0.25)
    points = grid(branin(), 100_000)
    assert ball(points).mean() == pytest.approx(np.pi * 0.25**2, abs=0.005)
    box = Box(space, {"x1": (-5.0, 0.0), "x2": (10.0, 15.0)})
    assert box(points).mean() == pytest.approx(1 / 9, abs=0.005)
    assert box(space.encode([{"x1": 0.0, "x2": 10.0}, {"x1": 0.1, "x2": 10.0}])).tolist() == [True, False]
    tree = get("jenatton")
    box = Box(tree.spec.space, {"x5": (-1.0, 1.0)})
    for params, inside in zip(tree.spec.space.decode(points := grid(tree, 200)), box(points), strict=True):
        assert inside == ("x5" in params)


def test_delays_sleep_and_are_reported_as_cost():
    problem = Delayed(branin(), seconds=lambda params: 0.01 * params["x1"])
    began = time.perf_counter()
    observation = problem.evaluate({"x1": 3.0, "x2": 2.0})
    assert time.perf_counter() - began >= 0.029
    assert observation.cost == pytest.approx(0.03)
    assert observation.values["value"] == branin()({"x1": 3.0, "x2": 2.0})
    began = time.perf_counter()
    values = Delayed(branin(), seconds=0.005).evaluate_many(grid(problem, 6))
    assert time.perf_counter() - began >= 0.029
    np.testing.assert_array_equal(values, branin().evaluate_many(grid(problem, 6)))


def test_wrappers_nest_and_travel():
    problem = Delayed(Failing(Noisy(branin(), sd=0.1), crash_region(branin())), seconds=0.0)
    assert problem.name == "delayed failing noisy branin"
    copy = pickle.loads(pickle.dumps(problem))
    points = grid(problem, 40)
    np.testing.assert_array_equal(problem.evaluate_many(points, Key(9)), copy.evaluate_many(points, Key(9)))


def test_no_regret_without_an_optimum():
    problem = get("svm-digits")
    with pytest.raises(UnsupportedError, match="not known"):
        problem.regret(0.1)
    with pytest.raises(DataError, match="no known optimum"):
        crash_region(problem)
