"""Designs against independent references: SciPy's Sobol numbers, strata, full products."""

import itertools

import numpy as np
import pytest
from scipy.stats import qmc

from bbopt import (
    Categorical,
    Grid,
    Integer,
    LatinHypercube,
    Objective,
    Random,
    Real,
    Sobol,
    Space,
    SpaceError,
    SpaceExhausted,
    Study,
)
from bbopt import sobol as module
from bbopt.rng import Key
from bbopt.sobol import sobol

CUBE = Space([Real("a", 0, 1), Real("b", 0, 1), Real("c", 0, 1)])


def test_direction_numbers_are_joe_and_kuos():
    """Unscrambled, the first 256 points are SciPy's, in another order (SciPy walks in Gray code)."""
    V = module._directions(128)
    X = np.zeros((256, 128), np.uint32)
    for bit in range(8):
        X[(np.arange(256) >> bit) & 1 == 1] ^= V[bit]
    reference = qmc.Sobol(128, scramble=False, bits=32).random(256)
    order, reference_order = np.lexsort((X / 2.0**32).T), np.lexsort(reference.T)
    np.testing.assert_array_equal((X / 2.0**32)[order], reference[reference_order])


def test_scrambling_keeps_the_net():
    """Each of 2^k points of every pair of columns lies alone in its elementary interval."""
    U = sobol(0, 256, 8, Key(5))
    assert ((U > 0) & (U < 1)).all()
    for j in range(8):
        assert len(np.unique(np.floor(U[:, j] * 256))) == 256
    assert len(np.unique(np.floor(U[:, 0] * 16) * 16 + np.floor(U[:, 1] * 16))) == 256
    ours, random = qmc.discrepancy(U), qmc.discrepancy(Key(5).uniform_rows(0, 256, 8))
    assert ours < 0.3 * random
    assert ours < 1.5 * np.median([qmc.discrepancy(qmc.Sobol(8, rng=k).random(256)) for k in range(5)])


def test_points_are_the_same_alone_and_in_a_block():
    block = sobol(3, 60, 5, Key(1))
    for k in range(60):
        np.testing.assert_array_equal(sobol(3 + k, 1, 5, Key(1))[0], block[k])
    assert not np.array_equal(block, sobol(3, 60, 5, Key(2)))
    assert sobol(0, 4, 1100, Key(0)).shape == (4, 1100)


@pytest.mark.parametrize("strategy", [Random(), Sobol(), LatinHypercube(16)])
def test_one_by_one_equals_a_block(strategy):
    one = Study(CUBE, strategy=strategy, seed=3)
    for _ in range(20):
        one.ask()
    block = Study(CUBE, strategy=strategy, seed=3)
    block.ask_block(20)
    np.testing.assert_array_equal(one.history.X, block.history.X)


def test_latin_hypercubes_are_stratified():
    study = Study(CUBE, strategy=LatinHypercube(10), seed=0)
    X = study.ask_block(30).X
    for cube in np.split(X, 3):
        np.testing.assert_array_equal(
            np.sort(np.floor(cube * 10), axis=0), np.repeat(np.arange(10)[:, None], 3, 1)
        )
    assert not np.array_equal(X[:10], X[10:20])


def test_a_grid_has_every_cell_once():
    space = Space(
        [
            Real("x", 0, 1),
            Categorical("c", ["p", "q", "r"]),
            Integer("k", 1, 4, when={"c": "q"}),
            Integer("n", 1, 3),
        ],
        constraints=["x + n <= 3.5"],
    )
    study = Study(space, strategy=Grid(levels={"x": 3}), seed=0)
    asked = []
    with pytest.raises(SpaceExhausted, match="0 new points left"):
        while True:
            asked.append(study.ask().params)
    expected = [
        {"x": x, "c": c, "k": k, "n": n}
        for x, c, k, n in itertools.product([0.0, 0.5, 1.0], "pqr", range(1, 5), [1, 2, 3])
        if x + n <= 3.5
    ]
    keys = {(p["x"], p["c"], p["k"] if p["c"] == "q" else None, p["n"]) for p in expected}
    found = [(p["x"], p["c"], p.get("k"), p["n"]) for p in asked]
    assert len(found) == len(set(found))
    assert set(found) == keys


def test_a_grid_visits_all_parts_early():
    study = Study(CUBE, strategy=Grid(levels=10), seed=0)
    X = study.ask_block(100).X
    for j in range(3):
        assert len(np.unique(X[:, j])) == 10


def test_grids_with_fixed_values_and_after():
    study = Study(
        Space([Integer("i", 0, 3), Integer("j", 0, 3)]), Objective(noise=0), strategy="grid", seed=0
    )
    fixed = study.ask(4, fixed={"i": 2})
    assert sorted(t.params["j"] for t in fixed) == [0, 1, 2, 3]
    with pytest.raises(SpaceExhausted):
        study.ask(fixed={"i": 2})
    assert all(t.params["i"] != 2 for t in study.ask(12))
    with pytest.raises(SpaceExhausted):
        study.ask()


def test_thin_feasible_sets_are_still_sampled():
    space = Space([Real("x", 0, 1), Real("y", 0, 1)], constraints=["x + y <= 0.02"])
    for strategy in ("sobol", "lhs", "random", "cbo"):
        X = Study(space, strategy=strategy, seed=0).ask_block(40).X
        assert (X.sum(axis=1) <= 0.02).all()
        assert len(np.unique(X, axis=0)) == 40


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LatinHypercube(0), "n must be"),
        (lambda: Grid(0), "levels must be"),
        (lambda: Grid({"x": 1.5}), "levels must be"),
        (lambda: Study(CUBE, strategy=Grid({"z": 3})).ask(), "'z'"),
        (lambda: Study(Space([Integer(n, 0, 10**5) for n in "abcd"]), strategy="grid").ask(), "too many"),
    ],
)
def test_malformed_designs(make, message):
    with pytest.raises(SpaceError, match=message):
        make()
