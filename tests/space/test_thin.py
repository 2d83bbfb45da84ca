"""Sampling where hardly any point is feasible: simplices, bands, corners, slices of mixed spaces."""

import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest

from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.space import Categorical, Formula, Integer, Ordinal, Real, Space
from bbopt.space.rejection import sample_rows


def total(d):
    return " + ".join(f"x{i}" for i in range(d))


def reals(d):
    return [Real(f"x{i}", 0, 1) for i in range(d)]


@cache
def simplex(d=8):
    return Space(reals(d), [f"{total(d)} <= 1"])


@cache
def corner():
    return Space(reals(2), ["x0 + x1 <= 0.008"])


@cache
def band():
    """A mixture whose shares add up to 1, as nearly as an inequality can say it."""
    return Space(reals(6), [f"0.99999 <= {total(6)} <= 1", "x0 <= 0.3"])


@cache
def tilted():
    """Four bands that cross at all angles leave a needle."""
    rows = np.random.default_rng(0).normal(size=(4, 5))
    rules = []
    for row in rows:
        side = " + ".join(f"({a:.6f}) * x{i}" for i, a in enumerate(row))
        rules.append(f"{row.sum() / 2 - 1e-4} <= {side} <= {row.sum() / 2 + 1e-4}")
    return Space(reals(5), rules)


@cache
def sphere():
    return Space(reals(3), ["0.1 <= (x0 - 0.5)**2 + (x1 - 0.5)**2 + (x2 - 0.5)**2 < 0.1001"])


@cache
def logs():
    return Space([Real(f"x{i}", 1e-6, 1, log=True) for i in range(4)], ["1e-9 <= x0*x1*x2*x3 <= 1.0001e-9"])


@cache
def mixed():
    parameters = [Integer("n", 0, 20), Real("t", 0, 10, step=0.5), *reals(2)]
    return Space(parameters, ["0.499 <= n + t / 2 - 10 * x0 - 3 * x1 <= 0.5"])


@cache
def conditional():
    return Space(
        [
            Categorical("k", ["a", "b", "c"]),
            Real("x", 0, 1),
            Real("y", 0, 1, when={"k": ["a", "b"]}),
            Real("z", 0, 1, when={"k": "c"}),
            Ordinal("o", [1, 2, 5, 10]),
        ],
        ["0.3 <= x * o <= 0.3003", "x + y <= 0.1", "x + z <= 0.05"],
    )


@cache
def with_function():
    def rule(params):
        return params["n"] >= 3 and params["x0"] < params["x1"]

    return Space([*reals(3), Integer("n", 1, 9)], [f"{total(3)} <= 0.02", rule])


@cache
def function_alone():
    return Space(reals(2), [lambda params: params["x0"] < 0.01 and params["x1"] < 0.01])


@cache
def knapsack():
    """Levels alone: only going from level to level finds these."""
    weights = [1009, 2003, 3001, 4001, 5003, 6007, 7001, 8009]
    load = " + ".join(f"{w} * n{i}" for i, w in enumerate(weights))
    return Space([Integer(f"n{i}", 0, 30) for i in range(8)], [f"9000 <= {load} <= 20000"])


THIN = [
    simplex,
    corner,
    band,
    tilted,
    sphere,
    logs,
    mixed,
    conditional,
    with_function,
    function_alone,
    knapsack,
]


@pytest.mark.parametrize("make", THIN)
def test_thin_sets_are_sampled(make):
    space = make()
    assert space.feasible(space.from_unit(Key(0).uniform_rows(0, 2**13, space.d))).mean() < 1e-3
    X = space.sample(120, Key(5), start=1000)
    assert space.feasible(X).all()
    np.testing.assert_array_equal(space.project(X), X)
    for params in space.decode(X[:20]):
        assert space.validate(params) == params
    assert len(np.unique(X, axis=0)) > (110 if (space.n_levels == 0).any() else 20)
    # A row is a function of its number alone: whoever asks first, for whatever else.
    other = make.__wrapped__()
    for i in (119, 0, 57):
        np.testing.assert_array_equal(other.sample(1, Key(5), start=1000 + i)[0], X[i])
    np.testing.assert_array_equal(space.sample(30, Key(5), start=1050), X[50:80])
    assert not np.array_equal(space.sample(120, Key(6), start=1000), X)


def test_rows_of_a_simplex_are_spread_as_uniform_ones_are():
    X = simplex().sample(1500, Key(1))
    np.testing.assert_allclose(X.mean(axis=0), 1 / 9, rtol=0.2)
    np.testing.assert_allclose(X.std(axis=0), np.sqrt(8 / 810), rtol=0.2)
    share = X.sum(axis=1) ** 8  # uniform in [0, 1]
    np.testing.assert_allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.08)
    assert np.abs(np.corrcoef(X.T) - np.eye(8) + 1 / 8 * (1 - np.eye(8))).max() < 0.15


def test_rows_go_all_along_a_flat_set():
    values = band().sample(600, Key(2))
    assert values[:, 0].max() < 0.3 + 1e-9
    assert values[:, 0].max() > 0.25
    assert (values[:, 1:].min(axis=0) < 0.01).all()
    assert (values[:, 1:].max(axis=0) > 0.5).all()
    needle = tilted().sample(200, Key(2))
    assert np.ptp(needle, axis=0).max() > 0.3
    sphere_ = sphere().sample(400, Key(2)) - 0.5
    octants = np.unique(sphere_ > 0, axis=0)
    assert len(octants) == 8


def test_all_branches_are_visited():
    values = conditional().columns(conditional().sample(300, Key(3)))
    assert set(values["k"]) == {"a", "b", "c"}
    assert set(values["o"][values["k"] != "c"]) == {5, 10}
    assert set(values["o"][values["k"] == "c"]) == {10}
    assert len(set(mixed().columns(mixed().sample(300, Key(3)))["n"])) > 8
    assert set(with_function().columns(with_function().sample(300, Key(3)))["n"]) == set(range(3, 10))


def test_fixed_columns_are_held_in_thin_sets():
    space = band()
    fixed = space.fix({"x2": 0.4})
    X = space.sample(40, Key(0), fixed=fixed)
    assert space.feasible(X).all()
    assert set(X[:, 2]) == {0.4}
    np.testing.assert_array_equal(X[7], space.sample(1, Key(0), start=7, fixed=fixed)[0])
    space = conditional()
    X = space.sample(40, Key(0), fixed=space.fix({"y": 0.03, "o": 10, "k": "b"}))
    assert {(p["y"], p["o"], p["k"]) for p in space.decode(X)} == {(0.03, 10, "b")}
    # y is active under two kinds, and its formula would hold for nothing where y is not.
    fixed = np.array([np.nan, np.nan, 0.03, np.nan, np.nan])
    assert {p["y"] for p in space.decode(space.sample(40, Key(0), fixed=fixed))} == {0.03}
    with pytest.raises(SpaceError, match="a local search with these fixed values"):
        space.sample(1, Key(0), fixed=space.fix({"o": 1}))
    for i in range(40):  # more choices than are remembered at once
        fixed = simplex(3).fix({"x0": i / 50})
        assert (simplex(3).sample(2, Key(0), fixed=fixed)[:, 0] == i / 50).all()


def test_other_processes_draw_the_same_rows():
    program = (
        "from bbopt.rng import Key; from bbopt.space import Real, Space\n"
        "names = [f'x{i}' for i in range(8)]\n"
        "space = Space([Real(name, 0, 1) for name in names], [' + '.join(names) + ' <= 1'])\n"
        "print(space.sample(3, Key(5), start=7).tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == simplex().sample(3, Key(5), start=7).tobytes().hex()


@pytest.mark.parametrize("bound", [0.2, 0.02, 0.004])
def test_what_is_not_thin_is_drawn_by_rejection_alone(bound):
    space = Space(reals(2), [f"x0 * x1 <= {bound / 6}"])
    expected, left = sample_rows(lambda U: (U, space.feasible(U)), 200, 2, Key(4), 50, is_thin=lambda: False)
    assert not left.size
    np.testing.assert_array_equal(space.sample(200, Key(4), start=50), expected)


def test_many_dimensions():
    for space in (simplex(30), Space(reals(30), [f"0.9999 <= {total(30)} <= 1", "x0 + x1 >= 0.9"])):
        X = space.sample(30, Key(0))
        assert space.feasible(X).all()
        assert len(np.unique(X, axis=0)) == 30


def test_contradictions_are_noticed_once():
    space = Space(reals(8), [f"{total(8)} <= 1", f"{total(8)} >= 1.01"])
    with pytest.raises(SpaceError, match="no feasible point found in 131072 draws and a local search"):
        space.sample(1, Key(0))
    start = time.perf_counter()
    with pytest.raises(SpaceError, match="may contradict one another, or leave next to nothing"):
        space.sample(1, Key(1), start=5)
    assert time.perf_counter() - start < 0.1


def test_excess_is_positive_where_a_formula_does_not_hold():
    x, y = np.random.default_rng(0).integers(-3, 4, (2, 500)) / 2
    columns = {"x": x, "y": y}
    for text in ("x + y <= 1", "x < y", "0 <= x <= 1 < 2", "x / y >= 0", "log(x) < y", "exp(1000 * x) <= y"):
        formula = Formula(text)
        excess = formula.excess(columns)
        assert excess.shape[0] == 500
        np.testing.assert_array_equal(formula.holds(columns), (excess <= 0).all(axis=1))
    np.testing.assert_allclose(Formula("2*x + y <= 1").excess(columns)[:, 0], 2 * x + y - 1)
    assert Formula("1 <= x <= 2").excess(columns).shape == (500, 2)
