"""Searches among levels alone, against brute force; searches without gradients."""

import numpy as np
import pytest

from bbopt.maximizers.climb import wander
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Ordinal, Real, Space
from tests.maximizers.test_multistart import Bowl, none


class Interactions:
    """Every pair of columns that are far from their targets together pays: rugged among levels."""

    scale = None
    is_smooth = False

    def __init__(self, d, seed):
        rng = np.random.default_rng(seed)
        self.W, self.target = rng.standard_normal((d, d)), rng.random(d)
        self.scale = np.full(d, 0.5)

    def value(self, X):
        Z = 2 * (X - self.target)
        return np.einsum("bi,ij,bj->b", Z, self.W, Z) - 0.5 * (Z**2).sum(axis=1)


SPACES = {
    "switches": [Categorical(f"c{k}", [0, 1]) for k in range(14)],
    "categories": [Categorical(f"c{k}", list("abcde")) for k in range(6)],
    "steps": [Integer(f"k{k}", 1, 10) for k in range(4)],
    "logs": [Integer(f"k{k}", 1, 9, log=True) for k in range(3)]
    + [Ordinal("o", [1, 2, 8]), Integer("k", 0, 9)],
}


@pytest.mark.parametrize("name", SPACES)
def test_the_best_of_all_points_is_found(name):
    space = Space(SPACES[name])
    everything, missed = space.enumerate(), 0
    assert len(everything) > 4096
    for seed in range(6):
        acquisition = Interactions(space.d, seed)
        x = maximize(acquisition, space, 1, none(space.d), None, Key(seed))
        missed += acquisition.value(x)[0] < acquisition.value(everything).max() - 1e-9
    assert missed <= 1


def test_columns_change_in_pairs_where_a_constraint_lets_none_change_alone():
    """A sum that is used up: one column rises only if another falls."""
    names = [f"k{j}" for j in range(6)]
    total = " + ".join(names)
    space = Space([Integer(name, 0, 6) for name in names], [f"12 <= {total} <= 12"])
    everything = space.enumerate()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        acquisition = Bowl(rng.random(6), rng.uniform(0.5, 2, 6))
        x = maximize(acquisition, space, 1, none(6), None, Key(seed))
        assert acquisition.value(x)[0] > acquisition.value(everything).max() - 1e-9


def test_pairs_keep_fixed_values_and_conditions():
    space = Space(
        [
            Categorical("kind", ["u", "v", "w"]),
            Integer("a", 0, 20, when={"kind": "u"}),
            Integer("b", 0, 20, when={"kind": ["u", "v"]}),
            *[Integer(f"k{j}", 0, 7) for j in range(3)],
        ]
    )
    everything = space.enumerate()
    for seed in range(4):
        acquisition = Interactions(space.d, seed)
        fixed = np.full(space.d, np.nan)
        fixed[3] = space.levels(3)[seed]
        x = maximize(acquisition, space, 1, none(space.d), fixed, Key(seed))
        np.testing.assert_array_equal(space.project(x), x)
        allowed = everything[everything[:, 3] == fixed[3]]
        assert acquisition.value(x)[0] > acquisition.value(allowed).max() - 1e-9


class Steps(Bowl):
    """A bowl in steps of 0.002, as a forest sees it: no gradient anywhere."""

    is_smooth = False

    def value(self, X):
        return super().value(np.floor(X * 500) / 500)

    def value_and_grad(self, X):
        raise AssertionError("there are no gradients")


@pytest.mark.parametrize("d", [1, 3, 6])
def test_without_gradients_random_steps_find_the_top(d):
    target = np.random.default_rng(d).random(d)
    space = Space([Real(f"x{j}", 0, 1) for j in range(d)])
    acquisition = Steps(target)
    x = maximize(acquisition, space, 1, none(d), None, Key(0))
    np.testing.assert_allclose(x[0], target, atol=0.01 if d < 6 else 0.03)
    again = maximize(acquisition, space, 1, none(d), None, Key(0))
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, maximize(acquisition, space, 1, none(d), None, Key(1)))


def test_random_steps_stay_feasible_and_leave_what_is_held():
    space = Space([Real("x", 0, 1), Real("y", 0, 1), Real("z", 0, 1)], ["x + y <= 1"])
    X = space.sample(5, Key(0))[:, None]
    free = np.array([True, True, False])[None, None].repeat(5, axis=0)
    acquisition = Steps([0.9, 0.9, 0.9])

    def value(S):
        return np.where(space.feasible(S[:, 0]), acquisition.value(S[:, 0]), -np.inf)

    found, values = wander(value, np.full(3, 0.5), space, X, value(X), free, Key(0))
    np.testing.assert_array_equal(found[:, 0, 2], X[:, 0, 2])
    assert space.feasible(found[:, 0]).all()
    np.testing.assert_array_equal(values, value(found))
    assert np.all(values > value(X))


def test_random_steps_move_what_is_free_however_much_is_held():
    d = 50
    space = Space([Real(f"x{j}", 0, 1) for j in range(d)])
    X, free = np.full((3, 1, d), 0.5), np.zeros((3, 1, d), bool)
    free[:, :, :2] = True
    tried = []

    def value(S):
        tried.append(S[:, 0])
        return -np.abs(S[:, 0, 0] - 0.7)

    wander(value, np.full(d, 0.5), space, X, value(X), free, Key(0))
    steps = np.concatenate(tried[1:])
    assert (steps[:, 2:] == 0.5).all()
    assert (steps[:, :2] != 0.5).any(axis=1).mean() > 0.99


def test_random_steps_grow_shorter_until_they_are_there():
    space, bowl = Space([Real("x", 0, 1), Real("y", 0, 1)]), Bowl([0.64, 0.27])
    X, free = space.sample(4, Key(0))[:, None], np.ones((4, 1, 2), bool)

    def value(S):
        return bowl.value(S[:, 0])

    _, values = wander(value, bowl.scale, space, X, value(X), free, Key(0))
    assert np.sqrt(-values).max() < 0.004  # steps of one width end 0.014 away


def test_mixed_spaces_without_gradients():
    space = Space([Real("x", 0, 1), Categorical("c", ["a", "b", "c"]), Integer("k", 0, 500)])
    target = np.array([0.33, 0.5, 0.7])
    x = maximize(Steps(target, [1.0, 1.0, 1.0]), space, 1, none(3), None, Key(0))
    np.testing.assert_allclose(x[0], target, atol=0.05)
