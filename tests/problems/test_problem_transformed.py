"""Changed functions are the old ones seen from elsewhere, or on a grid, with the optimum where they say."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from bbopt import problems
from bbopt.errors import DataError
from bbopt.problems import Delayed, Function, Noisy, get, rotated, shifted, stepped
from bbopt.rng import Key
from bbopt.space import Integer, Real, Space
from bbopt.spec import Objective, Spec

INSIDE = ["ackley5", "rastrigin2", "rosenbrock5", "bukin6", "log_goldstein_price", "hartmann6", "trid6"]
WALLED = ["schwefel2", "michalewicz5", "branin", "shubert", "cross_in_tray", "mccormick", "holder_table"]
ON_THE_WALL = ["eggholder", "perm2"]
SEVERAL = ["six_hump_camel", "schaffer4", "power_sum", "dixon_price2"]
BASES = [*INSIDE, *WALLED, *ON_THE_WALL, *SEVERAL]


def box(problem):
    return np.array([(parameter.low, parameter.high) for parameter in problem.spec.space.parameters]).T


def rows(params):
    return np.array([list(point.values()) for point in params])


def values(problem, points):
    """The formula at points (n, d) in the user's units, in the box or not."""
    return problem.formula(dict(zip(problem.spec.space.names, np.asarray(points).T, strict=True)))


def uniform(problem, n, seed=0):
    low, high = box(problem)
    return low + Key(seed).generator().random((n, len(low))) * (high - low)


@pytest.mark.parametrize("move", ["shifted", "rotated", "rotated2-shifted3"])
@pytest.mark.parametrize("base", BASES)
def test_the_optimum_is_where_they_say_and_nothing_is_lower(base, move):
    old, new = get(base), get(f"{move}-{base}")
    best = new.optimum.value
    assert best == old.optimum.value
    assert new.spec == old.spec
    low, high = box(new)
    for params in new.optimum.params:
        new.spec.space.validate(params)
        assert new(params) == pytest.approx(best, abs=1e-11 * max(1, abs(best)))
    for seed in range(3):
        assert values(new, uniform(new, 5000, seed)).min() > best
    around = rows(new.optimum.params)[:, None] + 1e-3 * (uniform(new, 300) - (low + high) / 2)
    around = np.clip(around.reshape(-1, len(low)), low, high)
    assert values(new, around).min() >= best - 1e-12 * max(1, abs(best))


@pytest.mark.parametrize("base", [*BASES, "forrester", "sphere10"])
def test_a_shift_is_a_shift(base):
    old, new = get(base), shifted(get(base), seed=5)
    (low, high), points = box(old), uniform(old, 300)
    start, end = rows(old.optimum.params)[0], rows(new.optimum.params)[0]
    assert (low + 0.1 * (high - low) <= end).all()
    assert (end <= high - 0.1 * (high - low)).all()
    expected = values(old, points)
    kinked = 1e-4 if base == "bukin6" else 1e-9
    np.testing.assert_allclose(values(new, points + end - start), expected, rtol=kinked, atol=kinked)


@pytest.mark.parametrize("base", ["six_hump_camel", "hartmann3", "rosenbrock2", "zakharov5", "trid5"])
def test_a_rotation_keeps_the_curvatures_at_the_optimum(base):
    old, new = get(base), rotated(get(base), seed=1)
    assert new.optimum.params[0] == old.optimum.params[0]
    before, after = hessian(old), hessian(new)
    np.testing.assert_allclose(np.linalg.eigvalsh(after), np.linalg.eigvalsh(before), rtol=1e-3)
    assert np.abs(after - before).max() > 1e-2 * np.abs(before).max()


def hessian(problem, h=1e-4):
    """At the first minimiser, with every range one wide, by differences."""
    low, high = box(problem)
    d, x = len(low), rows(problem.optimum.params)[0]
    pairs = h * (np.eye(d)[:, None] + np.eye(d))
    flips = h * (np.eye(d)[:, None] - np.eye(d))
    steps = np.concatenate([pairs, -pairs, flips, -flips]).reshape(-1, d) * (high - low)
    there = values(problem, x + steps).reshape(4, d, d)
    return (there[0] + there[1] - there[2] - there[3]) / (4 * h * h)


def test_a_ball_stays_a_ball_and_rosenbrock_does_not():
    ball = problems.sphere(7)
    points = uniform(ball, 200)
    np.testing.assert_allclose(values(rotated(ball, 3), points), values(ball, points), rtol=1e-12)
    valley = problems.rosenbrock(7)
    assert not np.allclose(values(rotated(valley, 3), points), values(valley, points), rtol=0.1)


def test_rotations_are_uniform():
    """By Archimedes every entry of a uniform rotation in three dimensions is uniform in [-1, 1]."""
    ball = problems.sphere(3)
    turns = np.array([rotated(ball, seed).formula.matrix for seed in range(1500)])
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (1500, 1, 1)), atol=1e-13)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    for i in range(3):
        for j in range(3):
            assert kstest((turns[:, i, j] + 1) / 2, "uniform").pvalue > 1e-3
    traces = np.trace(turns, axis1=1, axis2=2)  # 1 + 2 cos(angle), with mean 0 and variance 1
    assert abs(traces.mean()) < 4 / np.sqrt(1500)
    assert traces.var() == pytest.approx(1, abs=0.15)


def test_places_are_uniform_over_the_middle():
    problem = problems.branin()
    low, high = box(problem)
    places = np.array([rows(shifted(problem, seed).optimum.params)[0] for seed in range(500)])
    for share in ((places - low) / (high - low)).T:
        assert kstest((share - 0.1) / 0.8, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.2


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*WALLED, *ON_THE_WALL]), st.integers(0, 10**9), st.booleans())
def test_beyond_the_walls_lies_the_nearest_point_and_a_penalty(base, seed, turned):
    old = get(base)
    new = rotated(old, seed) if turned else shifted(old, seed)
    (low, high), points = box(old), uniform(new, 400, seed)
    start, end = rows(old.optimum.params)[0], rows(new.optimum.params)[0]
    there = start + (points - end) @ new.formula.matrix.T
    nearest = np.minimum(np.maximum(there, low), high)
    outside = (there != nearest).any(axis=1)
    regret = values(new, points) - values(old, nearest)
    distance = (((there - nearest) / (high - low)) ** 2).sum(axis=1)
    mean = (values(old, uniform(old, 20_000)) - old.optimum.value).mean()
    np.testing.assert_allclose(regret[outside], mean * distance[outside], rtol=0.2, atol=1e-9 * abs(mean))
    np.testing.assert_allclose(regret[~outside], 0, atol=1e-9 * abs(mean))
    assert (values(new, points) > old.optimum.value).all()


def test_an_optimum_on_the_wall_is_alone_inside():
    new = shifted(problems.eggholder(), seed=2)
    (params,) = new.optimum.params
    beyond = np.array([list(params.values())]) + np.linspace(1e-6, 50, 200)[:, None] * [1, 0]
    climb = values(new, beyond)
    assert climb[0] > new.optimum.value
    assert (np.diff(climb) > 0).all()


def test_no_walls_where_the_formula_holds_everywhere():
    new = shifted(problems.sphere(3), seed=7)
    (place,) = rows(new.optimum.params)
    points = uniform(new, 100)
    np.testing.assert_allclose(values(new, points), ((points - place) ** 2).sum(axis=1), rtol=1e-12)


def test_other_minimisers_go_along_as_far_as_they_stay_in_the_box():
    old = problems.shubert()
    for new in (shifted(old, 1), rotated(old, 1)):
        (low, high), known = box(old), rows(new.optimum.params)
        start = rows(old.optimum.params)
        moved = known[0] + (start - start[0]) @ np.linalg.inv(new.formula.matrix).T
        stays = ((low <= moved) & (moved <= high)).all(axis=1)
        assert 1 < stays.sum() < 18
        np.testing.assert_allclose(known, moved[stays], atol=1e-12)


NAMES = ["shifted-ackley2", "rotated3-rastrigin5", "rotated-shifted12-branin", "shifted-forrester"]


@pytest.mark.parametrize("name", NAMES)
def test_names_build_them_again(name):
    problem = get(name)
    assert problem.name == name
    copy = pickle.loads(pickle.dumps(problem))
    points = problem.spec.space.encode(
        [dict(zip(problem.spec.space.names, x, strict=True)) for x in uniform(problem, 20).tolist()]
    )
    np.testing.assert_array_equal(problem.evaluate_many(points), get(name).evaluate_many(points))
    np.testing.assert_array_equal(problem.evaluate_many(points), copy.evaluate_many(points))
    singly = [problem(params) for params in problem.spec.space.decode(points)]
    np.testing.assert_allclose(problem.evaluate_many(points), singly, rtol=1e-11, atol=1e-11)
    assert problem.optimum == copy.optimum == get(name).optimum


def test_seeds_and_functions_differ():
    assert get("shifted-ackley2").optimum != get("shifted1-ackley2").optimum
    alike = problems.ackley(2, bounds=(-1, 1)), problems.levy(2, bounds=(-1, 1))
    assert shifted(alike[0]).optimum.params != shifted(alike[1]).optimum.params
    turns = [get(name).formula.matrix for name in ("rotated-ackley2", "rotated1-ackley2", "rotated-levy2")]
    assert not np.allclose(turns[0], turns[1])
    assert not np.allclose(turns[0], turns[2])


PRINTED = """
from bbopt.problems import get
for name in {names}:
    problem = get(name)
    print(problem.optimum, problem.formula.matrix.tolist())
"""


def test_every_process_makes_the_same():
    script = PRINTED.format(names=NAMES)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    here = [f"{get(name).optimum} {get(name).formula.matrix.tolist()}" for name in NAMES]
    assert done.stdout.splitlines() == here


def test_they_take_noise_around_them():
    problem = Noisy(get("rotated-shifted-ackley2"), sd=0.1)
    assert problem.name == "noisy rotated-shifted-ackley2"
    assert problem.regret(1.0) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rotated(problems.forrester()), "at least two parameters"),
        (lambda: shifted(Noisy(problems.branin(), sd=1.0)), "noise, crashes and delays go around"),
        (lambda: shifted(Delayed(problems.branin(), 0.0)), "a Delayed"),
        (lambda: shifted(problems.mixed()), "rate"),
        (lambda: rotated(problems.func2c()), "h1"),
        (lambda: get("shifted-jenatton"), "must be Real"),
        (lambda: shifted(problems.branin(), seed=-1), "seed must be a whole number"),
        (lambda: rotated(problems.branin(), seed=1.5), "seed must be a whole number"),
        (lambda: shifted(over(Real("x", 0, 1, step=0.5))), "without log, step and when"),
        (lambda: shifted(over(Real("x", 1, 1))), "with a range"),
        (lambda: shifted(over(Integer("x", 0, 1))), "must be Real"),
        (lambda: shifted(over(Real("x", 0, 1), constraints=["x <= 0.5"])), "no constraints"),
        (lambda: get("shifted-nothing"), "no problem is called 'nothing'"),
        (lambda: get("shifted0-branin"), "no problem"),
        (lambda: get("turned-branin"), "no problem"),
    ],
)
def test_what_cannot_be_moved_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def over(parameter, constraints=()):
    spec = Spec(Space([parameter], constraints), (Objective(noise=0),))
    return Function("own", spec, problems.Optimum(0.0, ({"x": 0},)), "here", lambda columns: columns["x"])


# -- on a grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("base", "levels"), [("branin", 12), ("shifted2-hartmann3", 7), ("eggholder", 31)])
def test_a_stepped_function_is_the_old_one_on_a_grid_and_knows_the_best_of_its_points(base, levels):
    old, new = get(base), get(f"stepped{levels}-{base}")
    low, high = box(old)
    grid = np.meshgrid(*(np.linspace(a, b, levels) for a, b in zip(low, high, strict=True)), indexing="ij")
    points = np.column_stack([axis.ravel() for axis in grid])
    assert new.spec.space.size == len(points)
    told = [new(params) for params in new.spec.space.decode(new.spec.space.enumerate())]
    assert told == pytest.approx(values(old, points), rel=1e-9, abs=1e-9)
    assert new.optimum.value == pytest.approx(values(old, points).min(), rel=1e-12)
    assert [new(params) for params in new.optimum.params] == pytest.approx(
        [new.optimum.value] * len(new.optimum.params), rel=1e-12
    )
    again = pickle.loads(pickle.dumps(new))
    assert (again.name, again.spec, again.optimum) == (f"stepped{levels}-{base}", new.spec, new.optimum)
    assert again(new.optimum.params[0]) == new.optimum.value


def test_a_grid_too_large_to_try_has_no_known_optimum_and_points_between_its_levels_are_refused():
    assert get("stepped5-ackley20").optimum is None
    assert get("stepped3-rover60").optimum is None
    with pytest.raises(DataError, match="x1"):
        get("stepped4-branin")({"x1": 0.1, "x2": 0.0})


@pytest.mark.parametrize("levels", [1, 0, 2.5, True])
def test_a_grid_of_fewer_than_two_levels_is_refused(levels):
    with pytest.raises(DataError, match=r"levels must be a whole number of at least 2, got"):
        stepped(get("branin"), levels)
    with pytest.raises(DataError, match=r"every parameter must be Real"):
        stepped(get("mixed"), 4)
