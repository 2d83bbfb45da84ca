"""The best point of summed bounds: against fine grids; on levels, within constraints, new, and as fixed."""

import numpy as np
import pytest

from bbopt.acquisitions.factored import FactoredConfidenceBound
from bbopt.data.history import keys
from bbopt.maximizers.factored import maximize_by_factors
from bbopt.rng import Key
from bbopt.space import Integer, Real, Space
from bbopt.surrogates.additive import AdditiveGP
from bbopt.surrogates.kernels.features import Features

OVERLAP = ((0, 1), (1, 2))
NEAR = 1e-3
"""So much of the range of the sum a search may lack to the best point of the grid."""
SEEDS = range(10)
ENOUGH = 8
"""Of so many seeds that near must be: nothing makes the search in gliding columns a global one."""
BOX = Space([Real(f"x{j}", 0, 1) for j in range(3)])
NOTHING = np.empty((0, 3))


def bound(space, seed, *decompositions):
    """Bounds of models of 15 wild results, with overlapping factors and several peaks."""
    rng = np.random.default_rng(seed)
    X = rng.permutation(space.sample(15, Key(seed)))
    y = np.sin(7 * X[:, 0] + seed) + np.cos(5 * X[:, 1] * X[:, 2]) + rng.normal(0, 0.3, 15)
    models = []
    for decomposition in decompositions or (OVERLAP,):
        p = len(decomposition)
        theta = np.concatenate([rng.normal(-1.2, 0.3, p), rng.normal(-1, 0.4, p), [-4.0]])
        noise = np.full(15, np.exp(-4.0))
        models.append(AdditiveGP.build(Features(space), decomposition, theta, X, y - y.mean(), noise))
    return FactoredConfidenceBound(models, [1] * len(models), 0.7)


def grid(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def search(what, space=BOX, seed=0, *, goal=None, good=NOTHING, fixed=None, exclude=NOTHING, **options):
    x, found = maximize_by_factors(
        what, goal or what, space, good, fixed, Key(seed), exclude=exclude, **options
    )
    assert x.shape == (1, space.d)
    assert space.feasible(x).all()
    np.testing.assert_array_equal(x, space.project(x))
    return x, found


def lacking(what, x, points):
    """What x lacks to the best of some points, as a share of their range; negative where it is better."""
    values = what.value(points)
    return (values.max() - what.value(x)[0]) / np.ptp(values)


def at(*values):
    """Fixed values, nan where free."""
    return np.array([np.nan if value is None else value for value in values])


class ByHand:
    """The sum of functions of one column each, x -> value, slope; neighbours tell nothing."""

    is_smooth = True

    def __init__(self, d, *factors):
        self.columns = [column for column, _ in factors]
        self.functions = [function for _, function in factors]
        self.members = np.array([np.arange(d) == column for column in self.columns])
        self.copies = np.ones(len(factors))
        self.scale = np.full(d, 0.3)

    def one(self, which, X, frozen):
        value, gradient = np.empty(len(X)), np.zeros(X.shape)
        for r, i in enumerate(which):
            value[r], gradient[r, self.columns[i]] = self.functions[i](X[r, self.columns[i]])
        return value, gradient

    def freeze(self, X):
        return np.zeros(len(X))

    def value(self, X):
        return self.value_and_grad(X)[0]

    def value_and_grad(self, X):
        parts = [self.one(np.full(len(X), i), X, None) for i in range(len(self.columns))]
        return sum(value for value, _ in parts), sum(gradient for _, gradient in parts)


def bump(centre, height):
    def function(x):
        value = height * np.exp(-0.5 * ((x - centre) / 0.05) ** 2)
        return value, -value * (x - centre) / 0.05**2

    return function


def slope(by):
    return lambda x: (by * x, by)


UPHILL = ByHand(3, (0, slope(1.0)), (1, slope(-1.0)), (2, slope(1.0)))
"""Largest at the corner (1, 0, 1), of which all factors know at once."""


@pytest.mark.parametrize("decompositions", [(OVERLAP,), (OVERLAP, ((0,), (1, 2)))])
def test_in_gliding_columns_it_is_as_good_as_a_fine_grid_nearly_always(decompositions):
    fine = grid(*[np.linspace(0, 1, 26)] * 3)
    short = []
    for seed in SEEDS:
        what = bound(BOX, seed, *decompositions)
        short.append(lacking(what, search(what, seed=seed)[0], fine))
    assert np.sum(np.array(short) <= NEAR) >= ENOUGH
    assert max(short) < 0.2


@pytest.mark.parametrize("options", [{}, {"n_rounds": 1}])
def test_it_is_never_worse_than_the_consensus_and_the_factors_own_choices(options):
    """After one round the consensus is a mean of points that have little in common."""
    gains = []
    for seed in SEEDS:
        what = bound(BOX, seed, OVERLAP, ((0,), (1, 2)))
        x, found = search(what, seed=seed, **options)
        known = what.value(np.vstack([found.x, found.X]))
        gains.append(what.value(x)[0] - known.max())
        assert gains[-1] >= -1e-9
    assert np.median(gains) > 1e-5


def test_it_ends_where_no_small_step_leads_up():
    for seed in SEEDS:
        what = bound(BOX, seed)
        x, _ = search(what, seed=seed, n_rounds=2)
        steps = 0.01 * np.random.default_rng(seed).standard_normal((500, 3))
        assert what.value(np.clip(x + steps, 0, 1)).max() - what.value(x)[0] < 1e-3


def test_where_the_consensus_is_in_a_valley_the_better_factor_wins():
    valley = ByHand(1, (0, bump(0.1, 1.0)), (0, bump(0.9, 2.0)))
    x, found = search(
        valley, Space([Real("x", 0, 1)]), good=NOTHING[:, :1], exclude=NOTHING[:, :1], n_rounds=1
    )
    assert found.x == pytest.approx(0.5, abs=1e-3)
    assert x.item() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 41, 44, 61])
def test_no_point_that_the_search_was_given_is_better(seed):
    """Where a consensus leads elsewhere, as with the last three, the best given point is gone on from."""
    what, good = bound(BOX, seed), BOX.sample(3, Key(seed).child("good"))
    value = what.value(search(what, seed=seed, good=good)[0])[0]
    assert value >= what.value(good).max()
    assert value >= what.value(BOX.sample(512, Key(seed).child("raw"))).max()


def test_excluded_points_are_never_returned():
    """Even where little but a step aside is left; every ask of a study has a key of its own."""
    what, exclude = bound(BOX, 3), np.empty((0, 3))
    for seed in range(12):
        x, _ = search(what, seed=seed, exclude=exclude)
        assert not set(keys(x)) & set(keys(exclude))
        exclude = np.vstack([exclude, x])


def test_a_corner_that_all_want_is_returned_once_and_then_stepped_aside_from():
    corner = np.array([[1.0, 0.0, 1.0]])
    x, _ = search(UPHILL)
    np.testing.assert_array_equal(x, corner)
    aside = np.vstack([search(UPHILL, seed=seed, exclude=corner)[0] for seed in range(100)])
    assert len(set(keys(aside)) | set(keys(corner))) == 101
    inward = np.abs(aside - corner)
    assert ((aside > 0) & (aside < 1)).all()
    assert inward.max() < 0.25
    # half-normal steps as wide as the tolerance, of median 0.6745 * 0.05
    np.testing.assert_allclose(np.median(inward, axis=0), 0.0337, atol=0.015)
    wider = np.vstack([search(UPHILL, seed=seed, exclude=corner, tolerance=0.2)[0] for seed in range(100)])
    np.testing.assert_allclose(np.abs(wider - corner), np.minimum(4 * inward, 1.0), atol=1e-9)


def test_stepping_aside_keeps_what_is_fixed():
    fixed = at(None, 0.25, 1.0)
    edge = np.array([[1.0, 0.25, 1.0]])
    x, _ = search(UPHILL, fixed=fixed)
    np.testing.assert_array_equal(x, edge)
    x, _ = search(UPHILL, fixed=fixed, exclude=edge)
    np.testing.assert_array_equal(x[0, 1:], edge[0, 1:])
    assert 0.5 < x[0, 0] < 1.0
    x, _ = search(UPHILL, fixed=edge[0], exclude=edge)  # there is no other
    np.testing.assert_array_equal(x, edge)


MIXED = Space([Real("x", 0, 1), Integer("k", 1, 6), Real("z", 0, 1)])
MANY = Space([Real("x", 0, 1), Integer("k", 1, 60), Real("z", 0, 1)])


@pytest.mark.parametrize("space", [MIXED, MANY], ids=["few levels", "many levels"])
@pytest.mark.parametrize("n_good", [0, 4])
def test_integer_columns_are_on_levels_and_as_good_as_a_fine_grid_nearly_always(space, n_good):
    n_levels = space.parameters[1].high
    line = np.linspace(0, 1, 21)
    levels = np.array([space.encode({"x": 0.5, "k": k + 1, "z": 0.5})[0, 1] for k in range(n_levels)])
    fine, short = grid(line, levels, line), []
    for seed in SEEDS:
        what = bound(space, seed)
        x, _ = search(what, space, seed, good=space.sample(n_good, Key(seed)))
        k = space.decode(x)[0]["k"]
        assert isinstance(k, int)
        assert x[0, 1] == levels[k - 1]
        short.append(lacking(what, x, fine))
    assert np.sum(np.array(short) <= NEAR) >= ENOUGH


@pytest.mark.parametrize("with_integer", [False, True])
def test_a_linear_constraint_is_kept_and_used_up_to_its_edge(with_integer):
    middle = Integer("k", 1, 6) if with_integer else Real("k", 1, 6)
    space = Space([Real("x", 0, 4), middle, Real("z", 0, 1)], constraints=["x + k + 2*z <= 3.5"])
    line = np.linspace(0, 1, 41)
    ks = np.arange(1, 7) if with_integer else 1 + 5 * line
    users = grid(4 * line, ks, line)
    users = users[users @ [1.0, 1.0, 2.0] <= 3.5 + 1e-9]
    names = "x", "k", "z"
    params = [{"x": float(x), "k": int(k) if with_integer else float(k), "z": float(z)} for x, k, z in users]
    fine, short, used = space.encode(params), [], 0
    for seed in SEEDS:
        what = bound(space, seed)
        x, _ = search(what, space, seed)
        total = np.array([space.decode(x)[0][name] for name in names]) @ [1.0, 1.0, 2.0]
        assert total <= 3.5 + 1e-9
        used += total > 3.499
        short.append(lacking(what, x, fine))
    assert np.sum(np.array(short) <= NEAR) >= ENOUGH
    assert used >= 2


def test_good_points_that_break_a_constraint_do_no_harm():
    space = Space([Real(f"x{j}", 0, 1) for j in range(3)], constraints=["x0 + x1 <= 0.5"])
    what = bound(space, 0)
    outside = np.full((2, 3), 0.9)
    for seed in range(3):
        x, _ = search(what, space, seed, good=outside)
        np.testing.assert_array_equal(x, search(what, space, seed)[0])


def test_in_a_finite_space_it_is_the_best_one_that_is_left():
    space = Space([Integer(name, 1, 4) for name in "abc"])
    what = bound(space, 5)
    everything = space.encode(
        [{"a": a, "b": b, "c": c} for a in range(1, 5) for b in range(1, 5) for c in range(1, 5)]
    )
    best_first = everything[np.argsort(-what.value(everything))]
    for k in (0, 1, 2, 10, 63):
        x, _ = search(what, space, exclude=best_first[:k])
        np.testing.assert_array_equal(x, best_first[k : k + 1])
    x, _ = search(what, space, exclude=everything)  # a repeat, for there is nothing else
    np.testing.assert_array_equal(x, best_first[:1])


@pytest.mark.parametrize("fixed", [at(None, 0.25, None), at(0.6, None, 0.1)])
def test_fixed_values_are_kept_and_the_rest_is_as_good_as_a_fine_grid(fixed):
    line = np.linspace(0, 1, 101)
    fine = grid(*[line if np.isnan(value) else [value] for value in fixed])
    short = []
    for seed in SEEDS:
        what = bound(BOX, seed)
        x, _ = search(what, seed=seed, fixed=fixed, good=BOX.sample(2, Key(seed)))
        np.testing.assert_array_equal(x[0][~np.isnan(fixed)], fixed[~np.isnan(fixed)])
        short.append(lacking(what, x, fine))
    assert np.sum(np.array(short) <= NEAR) >= ENOUGH


def test_fixed_integers_are_kept_where_a_constraint_leaves_little():
    space = Space([Real("x", 0, 4), Integer("k", 1, 6), Real("z", 0, 1)], constraints=["x + k + 2*z <= 6.5"])
    fixed = space.fix({"k": 6})
    fine = grid(np.linspace(0, 0.125, 101), fixed[1:2], np.linspace(0, 0.25, 101))
    fine = fine[4 * fine[:, 0] + 2 * fine[:, 2] <= 0.5 + 1e-9]
    for seed in range(4):
        what = bound(space, seed)
        x, _ = search(what, space, seed, fixed=fixed)
        params = space.decode(x)[0]
        assert params["k"] == 6
        assert params["x"] + 2 * params["z"] <= 0.5 + 1e-9
        assert lacking(what, x, fine) <= NEAR


class Tilted:
    """A bound and something that no factor knows of."""

    is_smooth = True

    def __init__(self, what):
        self.what, self.scale = what, what.scale

    def value(self, X):
        return self.value_and_grad(X)[0]

    def value_and_grad(self, X):
        value, gradient = self.what.value_and_grad(X)
        away = X.mean(axis=1) - 0.2
        return value - 20 * away**2, gradient - (40 / 3) * away[:, None]


def test_what_is_added_to_the_bounds_is_maximised_too():
    fine = grid(*[np.linspace(0, 1, 26)] * 3)
    short, moved = [], 0
    for seed in SEEDS:
        what = bound(BOX, seed)
        x, _ = search(what, seed=seed, goal=Tilted(what))
        short.append(lacking(Tilted(what), x, fine))
        moved += lacking(what, x, fine) > 0.02
        again, _ = search(what, seed=seed, goal=Tilted(what), exclude=x)
        assert keys(again) != keys(x)
    assert np.sum(np.array(short) <= NEAR) >= ENOUGH
    assert moved > 5
