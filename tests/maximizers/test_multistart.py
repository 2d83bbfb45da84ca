"""The maximizer: quality against a brute-force reference, mixed spaces, constraints, exclusion, purity."""

import subprocess
import sys

import numpy as np
import pytest

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.errors import FitError, SpaceExhausted
from bbopt.maximizers.candidates import spread_out
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Ordinal, Real, Space
from bbopt.surrogates.fit import fit
from bbopt.surrogates.threads import single_threaded


class Bowl:
    """A quadratic acquisition with its top at a target."""

    is_smooth = True

    def __init__(self, target, weights=None):
        self.target = np.asarray(target, float)
        self.weights = np.ones_like(self.target) if weights is None else np.asarray(weights)
        self.scale = np.full(len(self.target), 0.5)

    def value(self, X):
        return -(self.weights * (X - self.target) ** 2).sum(axis=1)

    def value_and_grad(self, X):
        return self.value(X), -2 * self.weights * (X - self.target)


def none(d):
    return np.empty((0, d))


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


MIXED = Space(
    [
        Real("a", 0, 1),
        Integer("k", 1, 1000),
        Categorical("kind", ["u", "v", "w"]),
        Real("b", 0, 1, when={"kind": "v"}),
        Integer("m", 1, 5, when={"kind": ["v", "w"]}),
        Ordinal("o", [1, 2, 4, 8]),
        Real("s", 0, 1, step=0.05),
    ]
)


def fitted(space, n, seed):
    rng = np.random.default_rng(seed)
    X = space.sample(n, Key(seed))
    y = np.sin(6 * X[:, 0]) + ((X - 0.4) ** 2).sum(axis=1) + 0.05 * rng.standard_normal(n)
    gp = fit(space, X, y)
    return gp, LogExpectedImprovement(gp, gp.incumbent), gp.X[gp.fitted[:, 0].argmin()][None]


def test_finds_an_interior_and_a_corner_maximum():
    x = maximize(Bowl([0.3, 0.7]), box(2), 1, none(2), None, Key(0))
    np.testing.assert_allclose(x, [[0.3, 0.7]], atol=1e-4)
    x = maximize(Bowl([-1.0, 2.0]), box(2), 1, none(2), None, Key(0))
    np.testing.assert_array_equal(x, [[0.0, 1.0]])


def test_reaches_the_reference_of_many_restarts():
    missed = 0
    for seed in range(25):
        d = 1 + seed % 6
        space = box(d)
        _, acquisition, best = fitted(space, 10 + 2 * seed, seed)
        x = maximize(acquisition, space, 1, best, None, Key(seed))
        reference = maximize(acquisition, space, 1, best, None, Key(seed + 999), restarts=100, raw=4096)
        missed += acquisition.value(reference)[0] - acquisition.value(x)[0] > 1e-6
    assert missed <= 1


def test_mixed_space_reaches_the_reference():
    missed = 0
    for seed in range(8):
        _, acquisition, best = fitted(MIXED, 25, seed)
        x = maximize(acquisition, MIXED, 1, best, None, Key(seed))
        np.testing.assert_array_equal(MIXED.project(x), x)
        reference = maximize(acquisition, MIXED, 1, best, None, Key(seed + 99), restarts=60, raw=4096)
        missed += acquisition.value(reference)[0] - acquisition.value(x)[0] > 1e-3
    assert missed <= 1


def test_discrete_columns_are_searched_without_relaxation():
    space = Space([Integer(f"k{j}", 1, 30) for j in range(4)])
    target = space.encode({"k0": 7, "k1": 29, "k2": 15, "k3": 1})[0]

    class Flat(Bowl):
        def value_and_grad(self, X):
            raise AssertionError("few levels need no gradient")

    x = maximize(Flat(target), space, 1, none(4), None, Key(0))
    np.testing.assert_array_equal(x[0], target)


def test_columns_of_many_levels_end_on_their_levels():
    space = Space([Integer(f"k{j}", 1, 60) for j in range(4)])
    target = space.encode({"k0": 7, "k1": 59, "k2": 30, "k3": 1})[0]
    x = maximize(Bowl(target), space, 1, none(4), None, Key(0))
    np.testing.assert_array_equal(x[0], target)


def test_a_very_wide_integer():
    space = Space([Integer("k", 0, 2**53 - 1), Integer("log", 1, 10**12, log=True)])
    target = np.array([0.123456789, 0.5])
    x = maximize(Bowl(target), space, 1, none(2), None, Key(0))
    np.testing.assert_allclose(x[0], target, atol=1e-4)
    np.testing.assert_array_equal(space.project(x), x)


def test_fixed_values_are_kept():
    _, acquisition, best = fitted(MIXED, 15, 0)
    point = MIXED.encode({"a": 0.25, "k": 10, "kind": "v", "b": 0.125, "m": 3, "o": 4, "s": 0.5})[0]
    for held in ([0], [1], [2], [5, 6], [0, 2]):
        fixed = np.full(MIXED.d, np.nan)
        fixed[held] = point[held]
        x = maximize(acquisition, MIXED, 2, best, fixed, Key(1))
        np.testing.assert_array_equal(x[:, held], np.tile(point[held], (2, 1)))
        np.testing.assert_array_equal(MIXED.project(x), x)


def test_known_constraints_hold():
    space = Space(
        [Real("x", 0, 1), Real("y", 0, 1), Integer("k", 0, 40)], constraints=["x + y <= 0.8", "k >= 3"]
    )
    x = maximize(Bowl([0.9, 0.9, 0.0]), space, 5, none(3), None, Key(0))
    assert space.feasible(x).all()
    assert x[0, :2].sum() > 0.75  # close to the boundary that holds the maximum back
    _, acquisition, best = fitted(space, 20, 3)
    assert space.feasible(maximize(acquisition, space, 3, best, None, Key(1))).all()


def test_small_spaces_are_scored_completely():
    space = Space([Integer("k", 1, 7), Categorical("c", ["a", "b"])])
    everything = space.enumerate()
    bowl = Bowl([0.3, 1.0])
    X = maximize(bowl, space, 14, none(2), None, Key(0))
    np.testing.assert_array_equal(X, everything[np.argsort(-bowl.value(everything), kind="stable")])
    rest = maximize(bowl, space, 4, none(2), None, Key(0), exclude=X[:10])
    np.testing.assert_array_equal(rest, X[10:])
    with pytest.raises(SpaceExhausted):
        maximize(bowl, space, 5, none(2), None, Key(0), exclude=X[:10])
    fixed = np.array([np.nan, 0.0])
    assert np.all(maximize(bowl, space, 7, none(2), fixed, Key(0))[:, 1] == 0.0)


def test_excluded_points_are_replaced_by_the_next_best():
    space, bowl = box(2), Bowl([0.5, 2.0])
    first = maximize(bowl, space, 1, none(2), None, Key(0))
    second = maximize(bowl, space, 1, none(2), None, Key(0), exclude=first)
    assert not np.array_equal(first, second)
    assert bowl.value(second)[0] > bowl.value(first)[0] - 0.05
    several = maximize(bowl, space, 30, none(2), None, Key(0))
    assert len(np.unique(several, axis=0)) == 30


def test_the_starts_are_searched():
    """A maximum so narrow that no sample meets it is found from the incumbent beside it."""

    class Needle(Bowl):
        def value(self, X):
            return super().value(X) + 10 * np.exp(-((X - 0.123) ** 2).sum(axis=1) / 1e-6)

        def value_and_grad(self, X):
            bump = 10 * np.exp(-((X - 0.123) ** 2).sum(axis=1) / 1e-6)[:, None]
            value, gradient = super().value_and_grad(X)
            return value, gradient - 2e6 * bump * (X - 0.123)

    x = maximize(Needle([0.7] * 4), box(4), 1, np.full((1, 4), 0.1235), None, Key(0))
    np.testing.assert_allclose(x, 0.123, atol=1e-4)


def test_pure_and_keyed():
    _, acquisition, best = fitted(MIXED, 20, 0)
    first = maximize(acquisition, MIXED, 3, best, None, Key(5))
    np.testing.assert_array_equal(first, maximize(acquisition, MIXED, 3, best, None, Key(5)))


def maximum():
    with single_threaded():  # as in an ask: two BLAS threads may add up in another order
        _, acquisition, best = fitted(MIXED, 20, 0)
        return maximize(acquisition, MIXED, 2, best, None, Key(5)).tobytes().hex()


def test_equal_in_another_process():
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from tests.maximizers.test_multistart import *\n"
        "print(maximum())"
    )
    here = maximum()
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_spread_out_starts_with_the_best_and_keeps_apart():
    rng = np.random.default_rng(0)
    X = np.concatenate([0.5 + 1e-3 * rng.random((50, 2)), rng.random((50, 2))])
    values = np.concatenate([np.full(50, 10.0), rng.random(50)])
    values[7] = 11.0
    rows = spread_out(X, values, np.ones(2), 5)
    assert rows[0] == 7
    assert (rows < 50).sum() == 1
    assert len(spread_out(X[:3], values[:3], np.ones(2), 5)) == 3
    assert len(spread_out(X, np.full(100, -np.inf), np.ones(2), 5)) == 0


def test_among_levels_the_climb_looks_past_points_already_asked():
    """16 switches, the best point and its better neighbours asked: the best of the others is found."""
    space = Space([Categorical(f"c{k}", [0, 1]) for k in range(16)])
    weights = 1.0 + np.arange(16)
    target = space.sample(1, Key(4))
    flips = np.abs(target - np.eye(16))
    asked = np.concatenate([target, flips[:10]])  # flipping column k costs k + 1
    x = maximize(Bowl(target[0], weights), space, 1, target, None, Key(0), exclude=asked)
    two = np.abs(flips[0] - np.eye(16)[1])  # columns 0 and 1: costs 3, less than any single flip left
    np.testing.assert_array_equal(x[0], two)


@pytest.mark.parametrize("space", [box(2), Space([Integer("k", 0, 9)]), Space([Integer("k", 0, 10**6)])])
def test_an_acquisition_without_values_is_an_error_of_the_fit(space):
    class Nowhere(Bowl):
        def value(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(FitError, match="Nowhere is nan at all of"):
        maximize(Nowhere(np.zeros(space.d)), space, 1, none(space.d), None, Key(0))
