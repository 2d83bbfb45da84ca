"""Problems of many parameters: of which few matter, or of which it is known how they act together."""

import pickle
from itertools import combinations, product

import numpy as np
import pytest
from scipy.interpolate import splev, splprep
from scipy.optimize import minimize

from bbopt import problems
from bbopt.errors import DataError, MissingExtra, UnsupportedError
from bbopt.problems import embedded, get, lasso, rover
from bbopt.problems.penalties import _data, _fit
from bbopt.problems.trajectory import _OBSTACLES
from bbopt.rng import Key
from bbopt.space import Real


def uniform(problem, n, seed=0):
    """Points (n, d) in the user's units."""
    low, high = np.array([(p.low, p.high) for p in problem.spec.space.parameters]).T
    return low + Key(seed, ("high",)).generator().random((n, len(low))) * (high - low)


def values(problem, points):
    return problem.formula(dict(zip(problem.spec.space.names, np.asarray(points).T, strict=True)))


# -- few of them matter -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "d"),
    [("hartmann6", 100), ("hartmann6", 1000), ("lopsided_levy4", 300), ("branin", 500), ("rastrigin5", 6)],
)
def test_embedded_functions_are_the_old_ones_of_a_few_columns(name, d):
    inner, outer = get(name), get(f"embedded{d}-{name}")
    assert outer.name == f"embedded{d}-{name}"
    assert outer.spec.space.d == len(outer.spec.space.parameters) == d
    assert outer.spec.objectives == inner.spec.objectives
    assert outer.spec.space.names == tuple(f"x{i + 1}" for i in range(d))
    matters = [name for factor in outer.decomposition for name in factor]
    old = inner.spec.space.parameters
    assert len(matters) == len(set(matters)) == len(old)
    new = {parameter.name: parameter for parameter in outer.spec.space.parameters}
    assert [(new[label].low, new[label].high) for label in matters] == [(p.low, p.high) for p in old]
    assert {(p.low, p.high) for p in new.values() if p.name not in matters} == {(0, 1)}
    for x in uniform(outer, 20):
        params = dict(zip(new, x.tolist(), strict=True))
        expected = inner({p.name: params[label] for p, label in zip(old, matters, strict=True)})
        assert outer(params) == pytest.approx(expected, rel=1e-14)
    best = inner.optimum.value
    assert outer.optimum.value == best
    assert [outer(params) for params in outer.optimum.params] == pytest.approx(
        [best] * len(inner.optimum.params), abs=1e-12
    )
    assert pickle.loads(pickle.dumps(outer)) == outer == get(outer.name)


def test_what_matters_lies_anywhere_in_an_embedded_function():
    places = []
    for d in range(50, 90):
        ((factor, *_),) = [get(f"embedded{d}-branin").decomposition]
        places += [(int(name[1:]) - 1) / d for name in factor]
        assert places[-2] < places[-1]
    assert 0.4 < np.mean(places) < 0.6
    assert min(places) < 0.1 < 0.9 < max(places)


def test_embedded_functions_can_be_shifted_and_functions_without_an_optimum_embedded():
    inside, outside = get("embedded30-shifted2-branin"), get("shifted2-embedded30-branin")
    for problem in (inside, outside):
        for params in problem.optimum.params:
            assert problem(params) == pytest.approx(problem.optimum.value, abs=1e-12)
        assert values(problem, uniform(problem, 5000)).min() > problem.optimum.value
    assert embedded(rover(), 100).optimum is None


@pytest.mark.parametrize("d", [0, 6, 2.5, True])
def test_embeddings_in_too_few_dimensions_are_refused(d):
    with pytest.raises(DataError, match=r"whole number above 6, the dimension of hartmann6, got"):
        embedded(get("hartmann6"), d)


def test_what_cannot_be_embedded_or_moved_is_refused():
    with pytest.raises(DataError, match=r"every parameter must be Real"):
        get("embedded100-mixed")
    with pytest.raises(DataError, match=r"above 2, the dimension of branin, got 0"):
        get("embedded-branin")
    for name in ("shifted-rover60", "rotated-lasso100"):
        with pytest.raises(DataError, match="must have a known optimum"):
            get(name)


# -- which act together -----------------------------------------------------------------------------------

SMOOTH = [
    name
    for name in (*problems.names(), "powell24", "rastrigin7", "levy7", "shifted-schwefel5", "shifted-trid6")
    if ("-" not in name or name.startswith("shifted"))
    and name not in ("func2c", "mixed", "jenatton", "lasso100", "rover60", "lopsided_ackley200")
]
SEVERAL = [name for name in SMOOTH if 1 < get(name).spec.space.d <= 12 or name == "powell24"]


def interacting(problem, draws=30):
    """The pairs of parameters whose effects do not just add up."""
    names, pairs = problem.spec.space.names, set()
    a, b = uniform(problem, draws, seed=1), uniform(problem, draws, seed=2)
    for i, j in combinations(range(len(names)), 2):
        corners = []
        for from_b in ((), (i,), (j,), (i, j)):
            x = a.copy()
            x[:, from_b] = b[:, from_b]
            corners.append(values(problem, x))
        here, at_i, at_j, at_both = corners
        largest = np.max(np.abs(corners))
        if np.abs(at_both - at_i - at_j + here).max() > 1e-10 * largest:
            pairs.add((names[i], names[j]))
    return pairs


def is_connected(names, pairs):
    reached, new = set(), {names[0]}
    while new:
        reached |= new
        new = {x for pair in pairs if reached & set(pair) for x in pair if x in names} - reached
    return reached == set(names)


@pytest.mark.parametrize("name", SEVERAL)
def test_effects_add_up_across_factors_and_only_there(name):
    """No pair of two factors interacts; no factor could be split; no function without factors could."""
    problem = get(name)
    names, pairs = problem.spec.space.names, interacting(problem)
    factors = problem.decomposition if problem.decomposition is not None else (names,)
    assert {x for factor in factors for x in factor} == set(names)
    together = {pair for factor in factors for pair in combinations(factor, 2)}
    assert pairs <= together
    for factor in factors:
        assert is_connected(factor, {pair for pair in pairs if set(pair) <= set(factor)})


def test_factors_of_some_functions():
    assert get("sphere3").decomposition == (("x1",), ("x2",), ("x3",))
    assert get("powell8").decomposition == (("x1", "x2", "x3", "x4"), ("x5", "x6", "x7", "x8"))
    assert get("rosenbrock3").decomposition == (("x1", "x2"), ("x2", "x3"))
    assert get("overlapping6").decomposition == (("x1", "x2", "x3", "x4"), ("x3", "x4", "x5", "x6"))
    assert get("shifted2-levy2").decomposition == (("x1",), ("x2",))
    assert get("rotated-levy2").decomposition is None
    assert get("ackley5").decomposition is None
    ((*six,),) = get("embedded20-hartmann6").decomposition
    assert len(six) == 6
    assert len(get("embedded20-rastrigin6").decomposition) == 6


@pytest.mark.parametrize("d", [4, 6])
def test_no_other_combination_of_wells_is_lower_in_overlapping_blocks(d):
    """From each of the 2^d combinations of the two wells of a coordinate, downhill."""
    problem = get(f"overlapping{d}")
    found = []
    for start in product((-2.9, 2.7), repeat=d):
        result = minimize(lambda x: values(problem, x[None])[0], start, method="L-BFGS-B", tol=1e-12)
        found.append(result.fun)
    assert min(found) == pytest.approx(problem.optimum.value, abs=1e-8)
    assert sorted(found)[1] > problem.optimum.value - 1e-8


# -- a rover ----------------------------------------------------------------------------------------------


def spline_cost(x):
    """The cost in plain words: SciPy's smoothing spline as the original calls it, and loops."""
    spline, _ = splprep(np.reshape(x, (-1, 2)).T, k=3)
    way = np.transpose(splev(np.linspace(0, 1, 1000), spline)).tolist()

    def cost(x, y):
        trees = any(a - 0.025 <= x < a + 0.025 and b - 0.025 <= y < b + 0.025 for a, b in _OBSTACLES)
        return 0.05 + 20 * (trees or not (0 <= x < 1 and 0 <= y < 1))

    costs = [cost(x, y) for x, y in way]
    total = 0.0
    for k in range(999):
        total += np.hypot(*np.subtract(way[k + 1], way[k])) * (costs[k] + costs[k + 1]) / 2
    (x0, y0), (x1, y1) = way[0], way[-1]
    return total + 10 * (abs(x0 - 0.05) + abs(y0 - 0.05) + abs(x1 - 0.95) + abs(y1 - 0.95)) - 5


def ways(n):
    """Points about the diagonal, points anywhere, and zigzags between corners."""
    generator = Key(3).generator()
    line = np.linspace(0.05, 0.95, 30)[:, None] * np.ones(2)
    for _ in range(n):
        yield (line + 0.1 * generator.standard_normal((30, 2))).clip(-0.1, 1.1).ravel()
        yield generator.uniform(-0.1, 1.1, 60)
        yield generator.choice([-0.1, 1.1], 30).repeat(2) + 1e-6 * generator.standard_normal(60)
    yield np.where(np.arange(30) % 2 == 0, -0.1, 1.1).repeat(2)


def test_rover_is_the_smoothing_spline_of_the_original():
    problem = rover()
    for x in ways(1):
        assert values(problem, [x])[0] == pytest.approx(spline_cost(x), rel=1e-9)


def test_rover_when_points_coincide():
    """All in one, the rover stands still; where some do, their shape is that of the others."""
    problem, k = get("rover60"), 30
    for x, y in ((0.5, 0.5), (0.05, 0.05), (0.0, 1.0)):
        expected = 10 * (abs(x - 0.05) + abs(y - 0.05) + abs(x - 0.95) + abs(y - 0.95)) - 5
        assert values(problem, [np.tile([x, y], k)])[0] == pytest.approx(expected)
    two = np.repeat([[0.05, 0.05], [0.05, 0.95]], k // 2, axis=0).ravel()
    assert np.isfinite(values(problem, [two])[0])


def test_rover_knows_its_obstacles():
    """A straight way along the left edge: length 0.9 at 0.05, and 20 where the squares are."""
    problem = get("rover60")
    x = np.column_stack([np.full(30, 0.05), np.linspace(0.05, 0.95, 30)]).ravel()
    inside = [(b - 0.025, b + 0.025) for a, b in _OBSTACLES if a - 0.025 <= 0.05 < a + 0.025]
    fine = np.linspace(0.05, 0.95, 1_000_001)
    blocked = np.any([(low <= fine) & (fine < high) for low, high in inside], axis=0).mean() * 0.9
    assert len(_OBSTACLES) == 113
    assert 0 < blocked < 0.5
    expected = 0.9 * 0.05 + 20 * blocked + 10 * 0.9 - 5
    assert values(problem, [x])[0] == pytest.approx(expected, abs=0.1)


def test_rover_has_no_known_optimum_but_a_bound():
    problem = get("rover60")
    assert problem.optimum is None
    assert problem.name == "rover60"
    assert problem.spec.space.names[:3] == ("x1", "y1", "x2")
    assert all(isinstance(p, Real) and (p.low, p.high) == (-0.1, 1.1) for p in problem.spec.space.parameters)
    assert min(values(problem, list(ways(30)))) > -5
    with pytest.raises(UnsupportedError, match="not known"):
        problem.regret(0.0)
    assert pickle.loads(pickle.dumps(problem)) == problem


# -- a penalty for every feature --------------------------------------------------------------------------


@pytest.mark.parametrize("d", [20, 100, 1000])
def test_the_data_of_lasso_are_what_its_text_says(d):
    A, y, true, largest = _data(d)
    assert A.shape == (d // 2, d)
    assert true[true != 0].tolist() == [(-1.0) ** k for k in range(d // 20)]
    assert np.linalg.norm(A @ true) / np.linalg.norm(y - A @ true) == pytest.approx(10)
    if d == 1000:
        assert np.mean(A[:, 1:] * A[:, :-1]) == pytest.approx(0.6, abs=0.01)
        assert np.mean(A[:, 2:] * A[:, :-2]) == pytest.approx(0.36, abs=0.01)
        assert np.mean(A**2) == pytest.approx(1, abs=0.01)
    n, common = len(y), np.ones(d)
    assert (_fit(A, y, np.exp(largest) * 1.001 * common) == 0).all()
    assert np.abs(_fit(A, y, np.exp(largest) * 0.99 * common)).max() > 0
    assert np.abs(A.T @ y).max() / n == pytest.approx(np.exp(largest))


def slow_loss(x):
    """The loss with the Lasso as a smooth problem of positive and negative parts, given to L-BFGS-B."""
    A, y, true, largest = _data(len(x))
    lowest = largest - np.log(100)
    weights = [np.exp(lowest + (t + 1) / 2 * (largest - lowest)) for t in x]
    total = 0.0
    for k in range(5):
        rows = [i for i in range(len(y)) if i % 5 != k]

        def objective(parts, rows=rows):
            plus, minus = np.split(parts, 2)
            rest = A[rows] @ (plus - minus) - y[rows]
            slope = A[rows].T @ rest / len(rows)
            value = rest @ rest / (2 * len(rows)) + np.dot(weights, plus + minus)
            return value, np.concatenate([slope + weights, weights - slope])

        options = {"maxiter": 20_000, "maxfun": 20_000, "ftol": 1e-16, "gtol": 1e-11}
        bounds = [(0, None)] * (2 * len(x))
        parts = minimize(
            objective, np.zeros(2 * len(x)), jac=True, bounds=bounds, method="L-BFGS-B", options=options
        ).x
        b = parts[: len(x)] - parts[len(x) :]
        held = [i for i in range(len(y)) if i % 5 == k]
        total += np.mean((y[held] - A[held] @ b) ** 2) / 5
    return total / np.mean((y - A @ true) ** 2)


@pytest.mark.parametrize("d", [20, 60, 100])
def test_lasso_against_a_smooth_optimizer(d):
    problem = lasso(d)
    for x in (np.zeros(d), *uniform(problem, 2)):
        assert values(problem, [x])[0] == pytest.approx(slow_loss(x), rel=1e-4)


def test_sparse_penalties_beat_a_common_one():
    problem = get("lasso100")
    informed = np.where(_data(100).true != 0, -1.0, 1.0)
    common = values(problem, np.linspace(-1, 1, 21)[:, None] * np.ones(100)).min()
    assert values(problem, [informed])[0] < 0.8 * common


def test_lasso_is_deterministic_has_no_known_optimum_and_travels():
    problem = get("lasso100")
    assert problem.optimum is None
    assert problem.name == "lasso100"
    assert problem.spec.is_deterministic
    assert all(isinstance(p, Real) and (p.low, p.high) == (-1, 1) for p in problem.spec.space.parameters)
    points = problem.spec.space.from_unit(Key(0).uniform_rows(0, 3, 100))
    copy = pickle.loads(pickle.dumps(problem))
    assert copy == problem
    forwards = problem.evaluate_many(points)
    np.testing.assert_array_equal(forwards, copy.evaluate_many(points[::-1])[::-1])
    singly = [problem.evaluate(x).values["loss"] for x in problem.spec.space.decode(points)]
    np.testing.assert_allclose(forwards, singly, rtol=1e-9)


def test_lasso_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setattr("bbopt.problems.penalties.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="lasso100 needs scikit-learn"):
        lasso(100)
