"""Consensus: of concave factors it is the maximum of their sum; bounds hold; neighbours are told."""

import numpy as np
import pytest

from bbopt.maximizers.admm import agree


class Quadratics:
    """phi_i(x) = -½ (x_i - c_i)ᵀ A_i (x_i - c_i) on overlapping sets of columns."""

    def __init__(self, sets, d, seed, copies=None):
        rng = np.random.default_rng(seed)
        self.members = np.array([np.isin(np.arange(d), one) for one in sets])
        self.copies = np.ones(len(sets)) if copies is None else np.array(copies, float)
        self.A, self.c = np.zeros((len(sets), d, d)), np.zeros((len(sets), d))
        for A, c, one in zip(self.A, self.c, sets, strict=True):
            root = rng.standard_normal((len(one), len(one)))
            A[np.ix_(one, one)] = root @ root.T + 0.5 * np.eye(len(one))
            c[one] = rng.uniform(0.2, 0.8, len(one))
        self.heard = []

    def one(self, which, X, frozen):
        away = np.where(self.members[which], X - self.c[which], 0.0)
        push = np.einsum("rij,rj->ri", self.A[which], away)
        return -0.5 * (away * push).sum(axis=1) + frozen[which], -push

    def freeze(self, X):
        self.heard.append(X.copy())
        return np.zeros(len(X))

    def best(self):
        """The maximum of the sum, from its normal equations."""
        A = np.einsum("p,pij->ij", self.copies, self.A)
        return np.linalg.solve(A, np.einsum("p,pij,pj->i", self.copies, self.A, self.c))


SETS = [[0, 1, 2], [2, 3], [1, 3, 4], [4, 5], [0, 5]]
POINTS = np.random.default_rng(0).random((30, 6))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("eta", [1.0, 0.01, 50.0])
def test_of_concave_factors_the_consensus_is_the_maximum_of_the_sum(seed, eta):
    factors = Quadratics(SETS, 6, seed)
    found = agree(factors, np.full(6, -5.0), np.full(6, 5.0), POINTS, eta=eta, n_rounds=50, tolerance=1e-4)
    np.testing.assert_allclose(found.x, factors.best(), atol=1e-2)
    assert found.rounds <= 50


def test_a_factor_that_counts_twice_is_heard_twice():
    factors = Quadratics(SETS, 6, 7, copies=[1, 4, 1, 2, 1])
    found = agree(factors, np.full(6, -5.0), np.full(6, 5.0), POINTS, n_rounds=50, tolerance=1e-4)
    np.testing.assert_allclose(found.x, factors.best(), atol=1e-2)


def test_factors_that_share_nothing_agree_at_once():
    factors = Quadratics([[0, 3], [1], [2, 4, 5]], 6, 1)
    found = agree(factors, np.zeros(6), np.ones(6), POINTS)
    assert found.rounds == 1
    assert found.gap == 0.0
    np.testing.assert_allclose(found.x, factors.c.sum(axis=0), atol=1e-4)


def test_bounds_are_kept_and_equal_ones_hold_still():
    factors = Quadratics(SETS, 6, 2)
    lower, upper = np.zeros(6), np.ones(6)
    lower[2] = upper[2] = 0.9
    upper[0] = 0.1
    found = agree(factors, lower, upper, POINTS, n_rounds=20)
    for x in (found.x, *found.X):
        assert (x >= lower).all()
        assert (x <= upper).all()
        assert x[2] == pytest.approx(0.9)


def test_it_ends_when_the_copies_are_within_the_tolerance():
    loose, tight = (
        agree(Quadratics(SETS, 6, 3), np.zeros(6), np.ones(6), POINTS, n_rounds=50, tolerance=tolerance)
        for tolerance in (0.2, 0.01)
    )
    assert loose.gap < 0.2
    assert tight.gap < 0.01
    assert loose.rounds < tight.rounds
    assert (
        agree(Quadratics(SETS, 6, 3), np.zeros(6), np.ones(6), POINTS, n_rounds=3, tolerance=1e-9).rounds == 3
    )


def test_copies_are_completed_by_the_consensus_and_neighbours_are_told():
    factors = Quadratics(SETS, 6, 4)
    found = agree(factors, np.zeros(6), np.ones(6), POINTS, n_rounds=4, tolerance=1e-9)
    for member, x in zip(factors.members, found.X, strict=True):
        np.testing.assert_array_equal(x[~member], found.x[~member])
    assert len(factors.heard) == 4
    for member, own, last in zip(factors.members, found.X, factors.heard[-1], strict=True):
        np.testing.assert_array_equal(own[member], last[member])


def test_of_several_peaks_a_factor_finds_the_highest_at_first():
    class Waves(Quadratics):
        def one(self, which, X, frozen):
            x = np.where(self.members[which], X, 0.0)
            slope = np.where(self.members[which], 9 * np.cos(9 * x) + 1, 0.0)
            return np.where(self.members[which], np.sin(9 * x) + x, 0.0).sum(axis=1), slope

    found = agree(Waves([[0], [1]], 2, 0), np.zeros(2), np.ones(2), np.random.default_rng(1).random((30, 2)))
    grid = np.linspace(0, 1, 100_001)
    np.testing.assert_allclose(found.x, grid[np.argmax(np.sin(9 * grid) + grid)], atol=1e-3)
