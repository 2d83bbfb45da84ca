"""Batches found together: closed forms, brute force over small grids, constraints, distinctness."""

from itertools import combinations

import numpy as np
import pytest

from bbopt.errors import SpaceExhausted
from bbopt.maximizers.joint import maximize_joint
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Real, Space


class Cover:
    """Every centre wants a member of the batch nearby: - sum over centres of the least squared distance.

    The minimum over members is softened so that it has a gradient.
    """

    is_smooth = True

    def __init__(self, centres, sharpness=200.0):
        self.centres, self.sharpness = np.asarray(centres, float), sharpness
        self.scale = np.full(self.centres.shape[1], 0.5)

    def value(self, X):
        return self.value_and_grad(X)[0]

    def value_and_grad(self, X):
        gaps = X[:, :, None] - self.centres  # (b, q, c, d)
        squares = -self.sharpness * (gaps**2).sum(axis=3)
        largest = squares.max(axis=1, keepdims=True)
        powers = np.exp(squares - largest)
        total = powers.sum(axis=1, keepdims=True)
        value = (largest + np.log(total)).sum(axis=(1, 2)) / self.sharpness
        return value, -2 * ((powers / total)[..., None] * gaps).sum(axis=2)


def none(q, d):
    return np.empty((0, q, d))


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


@pytest.mark.parametrize("q", [2, 4])
def test_members_share_the_centres_among_themselves(q):
    centres = np.array([[0.1, 0.1], [0.9, 0.2], [0.3, 0.8], [0.9, 0.9]])[:q]
    X = maximize_joint(Cover(centres), box(2), q, none(q, 2), None, Key(0))
    assert X.shape == (q, 2)
    for centre in centres:
        assert np.abs(X - centre).max(axis=1).min() < 0.02


def test_a_greedy_start_is_improved_and_never_lost():
    """Greedily the first member takes the middle; together, both are better off at the sides."""
    cover = Cover([[0.2, 0.5], [0.8, 0.5]])
    greedy = np.array([[[0.5, 0.5], [0.2, 0.5]]])
    X = maximize_joint(cover, box(2), 2, greedy, None, Key(0))
    np.testing.assert_allclose(np.sort(X[:, 0]), [0.2, 0.8], atol=0.01)
    best = maximize_joint(cover, box(2), 2, X[None], None, Key(1), restarts=0, raw=1)
    assert cover.value(best[None])[0] >= cover.value(X[None])[0]


def test_linear_constraints_hold_for_every_member():
    """The centre (1, 1) is out of reach behind x + y <= 1: the nearest point is (0.5, 0.5)."""
    space = Space([Real("x", 0, 1), Real("y", 0, 1)], ["x + y <= 1"])
    X = maximize_joint(Cover([[1.0, 1.0], [0.1, 0.2]]), space, 2, none(2, 2), None, Key(0))
    assert space.feasible(X).all()
    X = X[np.argsort(X[:, 0])]
    np.testing.assert_allclose(X, [[0.1, 0.2], [0.5, 0.5]], atol=1e-3)
    assert X[1].sum() > 1 - 1e-9


def test_small_grids_against_all_pairs():
    space = Space([Integer("k", 0, 11), Categorical("c", list("abcde"))])
    everything = space.enumerate()
    pairs = np.array(list(combinations(everything, 2)))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        cover = Cover(rng.random((3, 2)))
        X = maximize_joint(cover, space, 2, none(2, 2), None, Key(seed))
        np.testing.assert_array_equal(space.project(X), X)
        assert cover.value(X[None])[0] > cover.value(pairs).max() - 1e-9


def test_members_differ_from_each_other_and_from_what_is_excluded():
    space = Space([Integer("k", 0, 19)])
    exclude = space.encode([{"k": k} for k in (9, 10, 11)])
    cover = Cover([[10 / 19]])
    X = maximize_joint(cover, space, 3, none(3, 1), None, Key(0), exclude=exclude)
    levels = sorted(params["k"] for params in space.decode(X))
    assert len(set(levels)) == 3
    assert not {9, 10, 11} & set(levels)
    assert {8, 12} & set(levels)
    with pytest.raises(SpaceExhausted):
        maximize_joint(cover, space, 18, none(18, 1), None, Key(0), exclude=exclude)


def test_mixed_and_conditional_spaces_with_fixed_values():
    space = Space(
        [
            Real("x", 0, 1),
            Categorical("kind", ["u", "v"]),
            Real("z", 0, 1, when={"kind": "v"}),
            Integer("k", 0, 6),
        ]
    )
    cover = Cover([[0.25, 0.0, 0.5, 0.5], [0.75, 1.0, 0.2, 0.5]])
    fixed = space.fix({"k": 3})
    X = maximize_joint(cover, space, 2, none(2, 4), fixed, Key(0))
    np.testing.assert_array_equal(space.project(X), X)
    np.testing.assert_allclose(X[np.argsort(X[:, 0])], cover.centres, atol=0.02)
    np.testing.assert_array_equal(X[:, 3], 0.5)


def test_without_gradients_and_as_a_pure_function():
    class Flat(Cover):
        is_smooth = False

        def value_and_grad(self, X):
            value, _ = super().value_and_grad(np.round(X, 2))
            return value, np.full(X.shape, np.nan)

    cover = Flat([[0.2, 0.3], [0.7, 0.9]])
    X = maximize_joint(cover, box(2), 2, none(2, 2), None, Key(3))
    np.testing.assert_allclose(X[np.argsort(X[:, 0])], cover.centres, atol=0.06)
    np.testing.assert_array_equal(X, maximize_joint(cover, box(2), 2, none(2, 2), None, Key(3)))
