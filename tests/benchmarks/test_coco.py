"""COCO's functions behind the face of a problem: values, optima, noise."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from bbopt.errors import DataError
from bbopt.rng import Key
from bbopt.space import Integer, Real

cocoex = pytest.importorskip("cocoex")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "compare"))

from coco import Coco  # noqa: E402

BBOB = [Coco("bbob", f, (2, 5, 10)[f % 3], i) for f, i in zip(range(1, 25), range(51, 75), strict=True)]
MIXINT = [Coco("bbob-mixint", f, d, i) for f in range(1, 25) for d, i in ((5 + 5 * (f % 2), f % 15 + 1),)]
NOISY = [Coco("bbob-noisy", f, d, i) for f in range(101, 131) for d, i in ((2 + 3 * (f % 2), f % 15 + 1),)]
ALL = [*BBOB, *MIXINT, *NOISY]


def theirs(problem):
    suite = cocoex.Suite(problem.suite, f"instances:{problem.instance}", f"dimensions:{problem.dimension}")
    return suite.get_problem_by_function_dimension_instance(
        problem.function, problem.dimension, problem.instance
    )


def points(problem, n):
    space = problem.spec.space
    return space.decode(space.from_unit(Key(0, ("coco",)).uniform_rows(0, n, space.d)))


def vector(params):
    return np.array(list(params.values()), dtype=float)


@pytest.mark.parametrize("problem", [*BBOB, *MIXINT], ids=lambda problem: problem.name)
def test_values_are_those_of_cocoex(problem):
    function = theirs(problem)
    assert [problem(x) for x in points(problem, 5)] == [function(vector(x)) for x in points(problem, 5)]


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: problem.name)
def test_the_optimum_is_where_cocoex_has_put_it_and_nothing_beside_is_lower(problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    theirs(problem)._best_parameter("print")  # into a file of the working directory
    (params,) = problem.optimum.params
    printed = np.loadtxt("._bbob_problem_best_parameter.txt")
    np.testing.assert_allclose(vector(params), printed, rtol=0, atol=1e-12)
    assert problem.clean(params) == pytest.approx(problem.optimum.value, abs=1e-9)
    (at,) = problem.spec.space.encode([params])
    beside = np.clip(at + 0.05 * Key(1).generator().standard_normal((20, len(at))), 0, 1)
    for x in [*points(problem, 20), *problem.spec.space.decode(beside)]:
        assert problem.regret(problem.clean(x)) >= 0


@pytest.mark.parametrize("problem", NOISY, ids=lambda problem: problem.name)
def test_without_noise_are_the_functions_of_bbob(problem):
    three = (problem.function - 101) // 3
    if three == 5:
        pytest.skip("in no other suite; see the next test")
    f = (1, 8, 1, 8, 7, None, 14, 17, 19, 21)[three]
    bare = cocoex.BareProblem("bbob", f, problem.dimension, problem.instance)
    best = bare.best_value()
    factor = 0.1 if f == 19 else 1.0
    for x in points(problem, 10):
        expected = factor * (bare(vector(x)) - best)
        assert problem.clean(x) - best == pytest.approx(expected, rel=1e-12, abs=1e-10)


@pytest.mark.parametrize("function", [116, 117, 118])
def test_the_ellipsoid_of_condition_1e4(function):
    """The median of values with Gaussian noise is the value; and condition 1e6 is steeper by up to 100."""
    problem, d = Coco("bbob-noisy", function, 5, 2), 5
    with_gaussian_noise = theirs(Coco("bbob-noisy", 116, d, 2))
    steeper = cocoex.BareProblem("bbob", 10, d, 2)
    best = problem.optimum.value
    assert best == steeper.best_value()
    for x in points(problem, 5):
        above = problem.clean(x) - best
        draws = np.array([with_gaussian_noise(vector(x)) for _ in range(4001)]) - best
        assert np.log(np.median(draws) / above) == pytest.approx(0, abs=0.06)
        assert 1 <= (steeper(vector(x)) - best) / above <= 100


class Draws:
    """The random numbers of cocoex, which begin anew with each suite: one seed, 31, 32, .., a number."""

    def __init__(self):
        self.uniform = self.normal = 30

    def random(self, n=None):
        if n is not None:
            return [self.random() for _ in range(n)]
        self.uniform += 1
        return minimal_standard(self.uniform, 1)[0]

    def standard_normal(self, n=None):
        if n is not None:
            return [self.standard_normal() for _ in range(n)]
        self.normal += 1
        u, v = minimal_standard(self.normal, 2)
        return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)


def minimal_standard(seed, n):
    """Park and Miller's generator, its numbers shuffled through a table of 32."""
    state, numbers = seed, []
    for _ in range(40):
        state = 16807 * state % (2**31 - 1)
        numbers.append(state)
    table = numbers[:7:-1]
    last, drawn = table[0], []
    for _ in range(n):
        state = 16807 * state % (2**31 - 1)
        place = last // 67108865
        last, table[place] = table[place], state
        drawn.append(last / (2**31 - 1))
    return drawn


@pytest.mark.parametrize("problem", NOISY, ids=lambda problem: problem.name)
def test_noise_is_that_of_cocoex_but_for_the_random_numbers(problem):
    """Given the same random numbers, the same values; many of them, for what is rare comes too."""
    places = points(problem, 8) * 20
    clean = [problem.clean(x) for x in places]
    function, draws = theirs(problem), Draws()
    for x, value in zip(places, clean, strict=True):
        assert problem._disturbed(value, draws) == pytest.approx(function(vector(x)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("function", [107, 108, 109])
def test_noise_has_the_distribution_of_its_model(function):
    problem = Coco("bbob-noisy", function, 5, 1)
    (x,) = points(problem, 1)
    best = problem.optimum.value
    above, uniform = problem.clean(x) - best, np.random.default_rng(0).random
    factor = np.maximum(1, (1e9 / above) ** ((0.49 + 1 / 5) * uniform(20_000)))
    hit, cauchy = uniform(20_000) < 0.2, np.tan(np.pi * (uniform(20_000) - 0.5))
    expected = {
        107: above * np.exp(np.random.default_rng(1).standard_normal(20_000)),
        108: above * uniform(20_000) * factor,
        109: above + np.maximum(0, 1000 + hit * cauchy),
    }[function]
    drawn = np.array([problem.evaluate(x, Key(0).child(k)).values["value"] for k in range(3000)])
    assert ks_2samp((drawn - best).round(6), expected.round(6)).pvalue > 1e-3


def test_noise_is_a_function_of_the_key():
    problem, (x,) = Coco.named("bbob-noisy-f108-d5-i4"), points(Coco.named("bbob-noisy-f108-d5-i4"), 1)
    one = problem.evaluate(x, Key(1))
    Coco.named("bbob-noisy-f101-d2-i1").clean({"x0": 0.0, "x1": 0.0})  # moves the counters of cocoex on
    assert problem.evaluate(x, Key(1)) == one != problem.evaluate(x, Key(2))
    assert problem(x) != problem(x)
    assert problem.clean(x) == problem.clean(x)


def test_spaces_are_those_of_the_suites():
    space = Coco("bbob-mixint", 1, 10, 1).spec.space
    assert space.parameters == (
        *(Integer(f"x{i}", 0, (1, 3, 7, 15)[i // 2]) for i in range(8)),
        *(Real(f"x{i}", -5.0, 5.0) for i in (8, 9)),
    )
    assert Coco("bbob", 1, 3, 1).spec.space.parameters == tuple(Real(f"x{i}", -5.0, 5.0) for i in range(3))
    assert Coco("bbob-mixint", 1, 10, 1).spec.is_deterministic
    assert not Coco("bbob-noisy", 101, 2, 1).spec.is_deterministic


@pytest.mark.parametrize("problem", [BBOB[3], MIXINT[1], NOISY[20]], ids=lambda problem: problem.name)
def test_problems_travel_and_have_names(problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (x,) = points(problem, 1)
    copy = pickle.loads(pickle.dumps(problem))
    assert copy == problem == Coco.named(problem.name)
    assert copy.clean(x) == problem.clean(x)
    assert not list(tmp_path.iterdir()), "no observer, no files"


def test_what_is_no_function_of_coco_is_refused():
    for name in ("bbob-f1-d5", "bbob-f0-d5-i1", "sphere-f1-d5-i1", "bbob-f1-d5-i3-"):
        with pytest.raises(DataError, match="must be like"):
            Coco.named(name)
    with pytest.raises(DataError, match="suite must be one of"):
        Coco("bbob-biobj", 1, 5, 1)
    with pytest.raises(DataError, match="must be a number in"):
        Coco("bbob", 1, 2, 1)({"x0": 6.0, "x1": 0.0})
