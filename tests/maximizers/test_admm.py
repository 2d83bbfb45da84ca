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


def by_the_rule(factors, eta, n_rounds, *, adapts=True):
    """Every consensus, and every penalty: subproblems in closed form, each factor as often as it counts.

    x_i maximises phi_i - l_iᵀ (x_i - x) - eta/2 |x_i - x|², where (A_i + eta) x_i = A_i c_i - l_i + eta x;
    then r = |x_i - x| of all copies, s = eta |x - x_before|: eta is doubled where r > 10 s, halved where
    s > 10 r. The first round has no penalty, and there is no x before it.
    """
    pool = np.repeat(np.arange(len(factors.members)), factors.copies.astype(int))
    own = [np.flatnonzero(factors.members[i]) for i in pool]
    choices = [factors.c[i, v] for i, v in zip(pool, own, strict=True)]
    multipliers = [np.zeros(len(v)) for v in own]
    path, penalties, before = [], [], None
    for k in range(n_rounds):
        penalties.append(eta)
        if k:
            for number, (i, v) in enumerate(zip(pool, own, strict=True)):
                A = factors.A[i][np.ix_(v, v)]
                pull = A @ factors.c[i, v] - multipliers[number] + eta * before[v]
                choices[number] = np.linalg.solve(A + eta * np.eye(len(v)), pull)
        columns, values = np.concatenate(own), np.concatenate(choices)
        x = np.bincount(columns, values) / np.bincount(columns)
        multipliers = [m + eta * (y - x[v]) for m, y, v in zip(multipliers, choices, own, strict=True)]
        if k and adapts:
            r, s = np.linalg.norm(values - x[columns]), eta * np.linalg.norm(x - before)
            eta *= 2.0 if r > 10 * s else 0.5 if s > 10 * r else 1.0
        before = x
        path.append(x)
    return np.array(path), np.array(penalties)


@pytest.mark.parametrize("copies", [None, [2, 30, 2, 20, 3]])
@pytest.mark.parametrize(("eta", "factor"), [(0.01, 2.0), (50.0, 0.5)])
@pytest.mark.parametrize("seed", [0, 3])
def test_the_penalty_is_doubled_and_halved_as_the_residuals_say(seed, eta, factor, copies):
    rounds = 12
    factors = Quadratics(SETS, 6, seed, copies=copies)
    expected, penalties = by_the_rule(factors, eta, rounds)
    constant, _ = by_the_rule(factors, eta, rounds, adapts=False)
    changes = penalties[1:] / penalties[:-1]
    assert changes[0] == 1.0  # nothing is known before the second round has ended
    assert (changes == factor).sum() >= 3
    assert (changes[-3:] == 1.0).any()  # and it comes to rest
    assert np.abs(expected - constant).max() > 0.05
    path = [
        agree(factors, np.full(6, -5.0), np.full(6, 5.0), POINTS, eta=eta, n_rounds=k, tolerance=1e-12).x
        for k in range(1, rounds + 1)
    ]
    np.testing.assert_allclose(path, expected, atol=1e-3)
