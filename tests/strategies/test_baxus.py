"""BAxUS: its numbers against the paper's, its embedding against matrices, and what it finds."""

import numpy as np
import pytest

from bbopt import (
    BayesianOptimization,
    Categorical,
    GaussianProcess,
    Integer,
    Real,
    Space,
    SpaceError,
    Study,
)
from bbopt.rng import Key
from bbopt.strategies.baxus import BAxUS
from bbopt.strategies.embedding import Embedding, binned, first_bins, split
from bbopt.surrogates import Matern

MIXED = Space(
    [
        Categorical("kernel", ["rbf", "poly"]),
        Real("x", -1, 2),
        Integer("degree", 2, 5, when={"kernel": "poly"}),
        Integer("depth", 1, 9),
        Real("y", 1e-4, 1.0, log=True),
        Real("gamma", 0, 1, when={"depth": [1, 2, 3]}),
        Real("z", 0, 1),
    ]
)


def cube(d):
    return Space([Real(f"x{k}", -1, 1) for k in range(d)])


def embedding(d, n_bins, seed=0, anchor=None):
    bins, signs = first_bins(d, n_bins, Key(seed))
    return Embedding(cube(d), bins, signs, np.zeros(d) if anchor is None else anchor)


# -- the numbers of the paper -------------------------------------------------------------------------


def test_the_first_dimension_is_that_of_the_authors_for_500_columns():
    """Printed in the tutorial of BoTorch: d_init=2, n_splits=4."""
    assert (BAxUS().first_dimension(500), BAxUS().n_splits(500)) == (2, 4)


@pytest.mark.parametrize("b", [1, 2, 3, 5])
@pytest.mark.parametrize("D", [2, 3, 16, 47, 100, 124, 388, 1000])
def test_after_the_splits_the_dimension_is_nearest_to_that_of_the_space(b, D):
    strategy = BAxUS(new_bins=b)
    n = round(np.log(D) / np.log(b + 1))
    reached = [abs(i * (b + 1) ** n - D) for i in range(1, b + 1)]
    assert strategy.n_splits(D) == n
    assert strategy.first_dimension(D) == 1 + int(np.argmin(reached))


@pytest.mark.parametrize(("D", "N"), [(500, 490), (100, 990), (388, 5000)])
def test_the_budgets_of_the_stages_add_up_to_all(D, N):
    strategy = BAxUS(budget=N + 10)
    d0, n = strategy.first_dimension(D), strategy.n_splits(D)
    stages = [strategy.budget_of(d0 * 4**i, cube(D)) for i in range(n + 1)]
    assert sum(stages) == pytest.approx(N, abs=n + 1)
    assert stages[-1] / stages[-2] == pytest.approx(4, rel=0.05)


def test_failures_tolerated_are_those_of_the_paper():
    """k = floor(log_2(0.8 / 2^-7)) = 6 halvings: min(d, max(1, floor(m / 6))), and D in the end."""
    strategy, D = BAxUS(budget=1010), 100
    for n_bins in (2, 8, 32):
        view = embedding(D, n_bins)
        m = round(-3 * 1000 * n_bins / (2 * (1 - 4**4)))
        assert strategy.first_dimension(D) == 2
        assert strategy.failure_tolerance(view) == min(n_bins, max(1, m // 6))
    assert strategy.failure_tolerance(embedding(D, D)) == D


# -- the embedding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "n_bins"), [(10, 3), (500, 2), (7, 7), (5, 1)])
def test_bins_hold_all_columns_and_differ_by_one_at_most(d, n_bins):
    bins, signs = first_bins(d, n_bins, Key(3))
    sizes = np.bincount(bins)
    assert len(sizes) == n_bins
    assert sizes.max() - sizes.min() <= 1
    assert set(signs) <= {-1.0, 1.0}


def test_points_are_the_product_with_a_sparse_matrix_of_signs():
    view = embedding(12, 3)
    S = np.zeros((3, 12))
    S[view.bins, np.arange(12)] = view.signs
    assert np.array_equal(np.abs(S).sum(axis=0), np.ones(12))
    assert {-1.0, 1.0} == set(view.signs)
    Y = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    np.testing.assert_allclose(2 * view.up((Y + 1) / 2, None) - 1, Y @ S, atol=1e-12)


def test_splitting_leaves_points_and_results_where_they_are():
    view = embedding(30, 2)
    X = view.up(np.random.default_rng(0).random((20, 2)), None)
    bins = view.bins
    for step in range(3):
        finer = split(bins, 3, Key(0).child(step))
        after = Embedding(view.whole, finer, view.signs, view.anchor)
        assert after.holds(X).all()
        np.testing.assert_allclose(after.up(after.down(X), None), X, atol=1e-12)
        parents = [set(bins[finer == b]) for b in range(after.n_bins)]
        assert all(len(one) == 1 for one in parents), "a new bin has columns of several old ones"
        expected = [min(4, np.count_nonzero(bins == b)) for b in range(bins.max() + 1)]
        assert after.n_bins == sum(expected)
        np.testing.assert_allclose(after.down(X), view.down(X)[:, [one.pop() for one in parents]], atol=1e-12)
        bins, view = finer, after
    assert after.n_bins == 30


def test_points_beside_the_subspace_are_known():
    view = embedding(6, 2)
    X = np.random.default_rng(0).random((50, 6))
    assert not view.holds(X).any()
    assert embedding(6, 6).holds(X).all()


def test_an_anchored_subspace_goes_through_its_anchor_and_from_face_to_face():
    anchor = np.random.default_rng(1).uniform(-0.95, 0.95, 9)
    view = embedding(9, 2, anchor=anchor)
    np.testing.assert_allclose(view.up(np.full((1, 2), 0.5), None)[0], (anchor + 1) / 2)
    ends = view.up(np.array([[0.0, 0.0], [1.0, 1.0]]), None)
    np.testing.assert_allclose(np.sort(ends, axis=0), [[0.0] * 9, [1.0] * 9], atol=1e-12)
    Y = np.random.default_rng(2).random((30, 2))
    np.testing.assert_allclose(view.down(view.up(Y, None)), Y, atol=1e-12)


def test_only_numbers_that_decide_of_nothing_are_binned():
    assert [MIXED.names[j] for j in binned(MIXED)] == ["x", "y", "z"]
    view = Embedding(MIXED, np.array([0, 1, 0]), np.array([1.0, -1.0, -1.0]), np.zeros(3))
    assert view.space.names == ("bin 0", "bin 1", "kernel", "degree", "depth", "gamma")
    X = view.up(view.space.sample(40, Key(0)), None)
    np.testing.assert_array_equal(MIXED.project(X), X)
    assert view.holds(X).all()
    np.testing.assert_allclose(view.up(view.down(X), None), X, atol=1e-12)


def test_bins_have_names_that_no_parameter_has():
    space = Space([Real("x", 0, 1), Categorical("bin 0", ["a", "b"]), Integer("bin' 1", 1, 3)])
    study = Study(space, strategy=BAxUS(n_initial=2), seed=0)
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, trial.params["x"])
    assert Embedding(space, *first_bins(2, 2, Key(0)), np.zeros(2)).space.names == (
        "bin' 0",
        "bin' 1",
        "bin 0",
    )


def test_integers_in_bins_are_told_apart_from_points_beside_the_subspace():
    space = Space([Integer("i", 0, 20), Real("x", 0, 1), Integer("j", 0, 7), Real("y", 0, 1)])
    view = Embedding(space, np.zeros(4, np.int64), np.ones(4), np.zeros(4))
    X = view.up(np.random.default_rng(0).random((100, 1)), None)
    assert view.holds(X).all()
    assert not view.holds(space.sample(100, Key(0))).any()


# -- the strategy -------------------------------------------------------------------------------------


def told(study, f, n):
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, float(f(study.space.encode(trial.params)[0])))
    return study


def branin(x):
    a, b = -5 + 15 * x[0], 15 * x[1]
    quadratic = (b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6) ** 2
    return quadratic + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10


def test_branin_among_a_hundred_columns_is_solved():
    study = told(Study(cube(100), strategy=BAxUS(budget=100), seed=0), branin, 45)
    assert study.best().value < 0.397887 + 0.05


def test_bins_grow_and_in_the_end_every_column_has_its_own():
    study = Study(
        cube(9), strategy=BAxUS(budget=20, length_initial=0.1, length_min=0.06, n_initial=3), seed=0
    )
    told(study, lambda x: 1.0, 24)
    stages = [trial.tag["bins"] for trial in study.trials if "bins" in trial.tag]
    state = study._session.state()
    assert sorted(set(stages)) == [1, 4, 9]
    assert stages == sorted(stages)
    assert state.region.epoch == 1, "nothing is left to be split: it begins anew"
    searches = ["length" in trial.tag for trial in study.trials]
    assert searches == [False] * 3 + [True] * (1 + 3 + 9) + [False] * 3 + [True] * 5


def test_own_results_stay_in_the_model_through_splits():
    study = Study(cube(40), strategy=BAxUS(budget=60), seed=0)
    told(study, lambda x: np.sum((x[:3] - 0.6) ** 2), 25)
    newest = study.trials[-1].tag
    assert newest["bins"] > 3
    assert newest["model of region 0"]["n"] == 24


def test_what_was_added_before_anchors_the_search():
    target = np.linspace(0.1, 0.9, 60)
    study = Study(cube(60), strategy=BAxUS(budget=200), seed=0)
    rng = np.random.default_rng(0)

    def f(x):
        return np.sum((x - target) ** 2)

    X = np.clip(target + np.linspace(0.4, 0.1, 20)[:, None] * rng.standard_normal((20, 60)), 0.03, 0.97)
    for x in X:
        study.add(dict(zip(study.space.names, (2 * x - 1).tolist(), strict=True)), float(f(x)))
    best = X[np.argmin([f(x) for x in X])]
    np.testing.assert_allclose(study._session.state().anchor, 2 * best - 1)
    told(study, f, 30)
    assert study.best().value < f(best), "the search does not go on from there"


def test_asks_that_all_fix_the_same_columns_leave_a_search():
    study = Study(cube(20), strategy=BAxUS(n_initial=5, budget=60), seed=0)
    for _ in range(20):
        trial = study.ask(fixed={"x0": 0.54, "x5": -0.78})
        study.tell(trial, (trial.params["x1"] + 0.4) ** 2)
    newest = study.trials[-1].tag
    assert newest["held"] == ["x0", "x5"]
    assert newest["model of region 0"]["n"] == 19
    assert study.best().value < 0.02
    assert "length" in study.ask().tag, "results with fixed values count afterwards, too"


def test_parameters_in_no_bin_are_named_among_the_fixed_ones_too():
    study = Study(Space([*cube(3).parameters, Categorical("c", ["a", "b"])]), strategy=BAxUS(n_initial=2))
    for _ in range(3):
        study.tell(study.ask(fixed={"c": "b", "x1": 0.2}), 1.0)
    assert [trial.tag["held"] for trial in study.trials] == [["x1", "c"]] * 3
    assert study.explain(2).endswith("x1 and c were fixed by you.")
    assert study._session.state().apart.tolist() == [False, True, False]


def test_columns_set_by_others_do_not_decide_who_is_in_the_subspace():
    bins, signs = np.array([0, 0, 0, 1]), np.ones(4)
    apart = np.array([True, False, True, True])
    view = Embedding(cube(4), bins, signs, np.zeros(4), apart)
    X = np.array([[0.9, 0.3, 0.1, 0.7]])
    np.testing.assert_allclose(view.down(X), [[0.3, 0.7]])
    assert view.holds(X).all()
    assert not Embedding(cube(4), bins, signs, np.zeros(4), apart & [False, True, True, True]).holds(X).any()
    fixed = np.array([0.9, np.nan, 0.1, 0.7])
    np.testing.assert_allclose(view.fixed(fixed), [np.nan, 0.7])


@pytest.mark.parametrize(("error", "is_projected"), [(1e-3, False), (0.05, True)])
def test_machines_that_set_what_is_asked_with_errors_leave_a_search(error, is_projected):
    rng = np.random.default_rng(0)
    study = Study(cube(20), strategy=BAxUS(n_initial=6, budget=60), seed=0)
    for _ in range(24):
        trial = study.ask()
        at = {
            name: float(np.clip(v + error * rng.standard_normal(), -1, 1)) for name, v in trial.params.items()
        }
        study.tell(trial, (at["x1"] + 0.4) ** 2, at=at)
    assert ["length" in trial.tag for trial in study.trials] == [False] * 6 + [True] * 18
    assert ("projected" in study.trials[-1].tag) == is_projected
    assert study.trials[-1].tag["model of region 0"]["n"] == 23
    assert study.best().value < 0.1


def test_the_design_lies_in_the_subspace_and_meets_constraints_that_leave_little():
    names = [f"x{k}" for k in range(24)]
    space = Space([Real(name, 0, 1) for name in names], [" + ".join(names) + " <= 1"])
    study = Study(space, strategy=BAxUS(n_initial=5, budget=60), seed=0)
    told(study, lambda x: np.sum((x - 0.01) ** 2), 15)
    X = space.encode([trial.params for trial in study.trials])
    assert study._session.state().view(space).holds(X).all()
    assert len(np.unique(X, axis=0)) == 15
    assert ["length" in trial.tag for trial in study.trials] == [False] * 5 + [True] * 10
    assert not any("fallback" in trial.tag for trial in study.trials)


@pytest.mark.parametrize(
    ("n_others", "size"), [(0, 10), (3, 13), (10, 20), (100, 20)], ids=["reals", "few", "as many", "more"]
)
def test_columns_in_no_bin_lengthen_the_design_up_to_a_limit(n_others, size):
    others = [Categorical(f"c{k}", ["a", "b"]) for k in range(n_others)]
    space = Space([*(Real(f"x{k}", -1, 1) for k in range(64)), *others])
    study = told(Study(space, strategy=BAxUS(budget=100), seed=0), lambda x: x[0], 21)
    assert sum("length" not in trial.tag for trial in study.trials) == size
    d0, n = BAxUS().first_dimension(64), BAxUS().n_splits(64)
    stages = [BAxUS(budget=100).budget_of(d0 * 4**i, space) for i in range(n + 1)]
    assert sum(stages) == pytest.approx(100 - size, abs=n + 1)


def test_kernels_on_columns_that_are_in_bins_are_refused_before_anything_is_stored(tmp_path):
    def strategy(kernel):
        return BAxUS(surrogate=GaussianProcess(kernel=kernel), n_initial=2)

    path, space = tmp_path / "study.db", Space([*cube(4).parameters, Categorical("c", ["a", "b"])])
    for kernel in (Matern(columns=("x1", "x2")), Matern() + Matern(columns=("x3", "c"))):
        with pytest.raises(
            SpaceError, match=r"got 'x\d'.*name only those in no bin \(c\), or take TrustRegion"
        ):
            Study(space, strategy=strategy(kernel), storage=path)
    assert not path.exists()
    with pytest.raises(SpaceError, match=r"Leave columns out, or take TrustRegion, .*; got Matern\("):
        Study(cube(4), strategy=strategy(Matern(columns=("x1",))))
    study = told(Study(space, strategy=strategy(Matern() + Matern(columns=("c",))), seed=0), np.sum, 4)
    assert "length" in study.trials[-1].tag


@pytest.mark.parametrize("setting", [{"budget": 0}, {"new_bins": 0}, {"n_initial": 0}, {"acquisition": "ei"}])
def test_settings_outside_their_range_are_named(setting):
    with pytest.raises(SpaceError, match="BAxUS: " + next(iter(setting))):
        BAxUS(**setting)


@pytest.mark.slow
def test_branin_among_500_columns_as_in_the_tutorial():
    found = told(Study(cube(500), strategy=BAxUS(budget=200), seed=1), branin, 100).best().value
    plain = Study(cube(500), strategy=BayesianOptimization(n_initial=10), seed=1)
    assert found < 0.397887 + 1e-3
    assert found < told(plain, branin, 100).best().value
