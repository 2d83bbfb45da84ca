"""L-BFGS within linear constraints, against SciPy's linear and quadratic programs and SLSQP."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from bbopt.active_set import is_superfluous
from bbopt.lbfgs import minimize_batch

TIGHT = {"gradient_tolerance": 1e-9, "value_tolerance": 1e-15, "max_rounds": 2000}


def quadratic(H, c):
    def function(X):
        return 0.5 * np.einsum("ri,ij,rj->r", X, H, X) + X @ c, X @ H + c

    return function


def rosenbrock(X):
    a, b = X[:, :-1], X[:, 1:]
    f = ((1 - a) ** 2 + 100 * (b - a**2) ** 2).sum(axis=1)
    g = np.zeros_like(X)
    g[:, :-1] = -2 * (1 - a) - 400 * a * (b - a**2)
    g[:, 1:] += 200 * (b - a**2)
    return f, g


def polytope(d, m, rng):
    """Random rows around a point inside: A, b and that point."""
    A, inside = rng.standard_normal((m, d)), rng.uniform(0.3, 0.7, d)
    return A, A @ inside + 0.3 * rng.random(m) * np.linalg.norm(A, axis=1), inside


def feasible_starts(count, inside, A, b, rng):
    starts = []
    for step in rng.standard_normal((count, len(inside))):
        while np.any(inside + step < 0) or np.any(inside + step > 1) or np.any(A @ (inside + step) > b):
            step = 0.9 * step
        starts.append(inside + step)
    return np.array(starts)


def slsqp(function, start, A, b):
    """SciPy's minimum from one start."""
    return minimize(
        lambda x: function(x[None])[0][0],
        start,
        jac=lambda x: function(x[None])[1][0],
        bounds=[(0, 1)] * len(start),
        constraints={"type": "ineq", "fun": lambda x: b - A @ x, "jac": lambda x: -A},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    ).fun


@pytest.mark.parametrize(("d", "m"), [(1, 1), (2, 1), (3, 7), (6, 3), (10, 30), (20, 5), (50, 50)])
def test_convex_quadratics_end_at_the_optimum_from_every_start(d, m):
    for seed in range(3):
        rng = np.random.default_rng([d, m, seed])
        A, b, inside = polytope(d, m, rng)
        L = rng.standard_normal((d, d))
        function = quadratic(L @ L.T / d + 0.01 * np.eye(d), 3 * rng.standard_normal(d))
        starts = feasible_starts(4, inside, A, b, rng)
        X, f = minimize_batch(function, starts, 0.0, 1.0, A=A, b=b, **TIGHT)
        np.testing.assert_allclose(f, slsqp(function, inside, A, b), rtol=0, atol=1e-7)
        np.testing.assert_allclose(f, function(X)[0], rtol=1e-12)
        assert np.all(A @ X.T <= b[:, None] + 1e-12 * (np.abs(b) + np.abs(A).sum(axis=1))[:, None])
        assert np.all((X >= 0) & (X <= 1))


@pytest.mark.parametrize("kind", ["random", "vertex", "slab", "integer"])
def test_linear_programs_with_degenerate_vertices_redundant_and_parallel_rows(kind):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        d, m = int(rng.integers(1, 15)), int(rng.integers(1, 30))
        A, b, inside = polytope(d, m, rng)
        if kind == "vertex":  # all rows through one point, and twice each
            A *= np.where(A @ rng.standard_normal(d) > 0, -1, 1)[:, None]
            A = np.concatenate([A, 2 * A])
            b = A @ inside
        elif kind == "slab":  # thin, with a parallel row
            A = np.array([np.ones(d), -np.ones(d), 2 * np.ones(d)])
            b, inside = np.array([1, 1e-9 - 1, 2]), np.full(d, (1 - 5e-10) / d)
        elif kind == "integer":
            A, inside = rng.integers(-2, 3, (m, d)).astype(float), np.full(d, 0.5)
            b = A @ inside + 0.5 * rng.integers(0, 2, m)
        c = rng.integers(-2, 3, d).astype(float)
        _, f = minimize_batch(
            lambda X, c=c: (X @ c, np.tile(c, (len(X), 1))), inside[None], 0.0, 1.0, A=A, b=b, **TIGHT
        )
        np.testing.assert_allclose(f, linprog(c, A, b, bounds=(0, 1)).fun, atol=1e-8)


@pytest.mark.parametrize("d", [2, 3, 6, 12])
def test_curved_valleys_along_constraints(d):
    rng = np.random.default_rng(d)
    starts = np.sort(0.5 * rng.random((6, d)), axis=1)
    calls = 0

    def counted(X):
        nonlocal calls
        calls += 1
        return rosenbrock(X)

    for A, b in (
        (np.ones((1, d)), np.array([0.6 * d])),
        (np.eye(d)[:-1] - np.eye(d)[1:], np.zeros(d - 1)),  # x0 <= x1 <= ...
    ):
        _, f = minimize_batch(counted, starts, 0.0, 1.0, A=A, b=b, **TIGHT)
        np.testing.assert_allclose(f, min(slsqp(rosenbrock, x, A, b) for x in starts), rtol=1e-7)
    assert calls < 40 + 6 * d  # of six starts, all at once


def test_projection_on_a_simplex_has_its_closed_form():
    """The point of {x >= 0, sum x <= 1} nearest to t is (t - u)^+ (Held, Wolfe & Crowder 1974)."""
    rng = np.random.default_rng(0)
    for d in (2, 5, 20):
        target = rng.random(d)
        falling = np.sort(target)[::-1]
        shifts = (np.cumsum(falling) - 1) / np.arange(1, d + 1)
        u = shifts[np.flatnonzero(falling > shifts)[-1]]
        function = quadratic(2 * np.eye(d), -2 * target)
        X, _ = minimize_batch(
            function, np.full((1, d), 0.5 / d), 0.0, 1.0, A=np.ones((1, d)), b=np.array([1.0]), **TIGHT
        )
        np.testing.assert_allclose(X[0], np.maximum(target - max(u, 0), 0), atol=1e-8)


def test_every_evaluation_is_feasible_and_the_result_is_the_best_of_them():
    rng = np.random.default_rng(3)
    A, b, inside = polytope(5, 8, rng)
    seen = []

    def function(X):
        seen.append((X.copy(), rosenbrock(X)[0]))
        return rosenbrock(X)

    X, f = minimize_batch(function, inside[None], 0.0, 1.0, A=A, b=b)
    points, values = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    assert np.all(points @ A.T <= b + 1e-12)
    assert len(points) > 5
    assert f[0] == values.min()
    np.testing.assert_array_equal(X[0], points[values.argmin()])


def test_each_start_has_its_own_right_hand_sides_bounds_and_held_coordinates():
    A, b = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]), np.array([[1.0, np.inf], [np.inf, 0.25], [2.0, 0.5]])
    lower = np.zeros((3, 3))
    upper = np.ones((3, 3))
    lower[2, 2] = upper[2, 2] = 0.75  # then x0 + x1 <= 1.25
    starts = np.array([[0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.75]])
    X, _ = minimize_batch(quadratic(2 * np.eye(3), np.full(3, -2.0)), starts, lower, upper, A=A, b=b, **TIGHT)
    np.testing.assert_allclose(X, [[1 / 3, 1 / 3, 1 / 3], [0.25, 1, 1], [0.5, 0.75, 0.75]], atol=1e-8)


def test_rows_do_not_influence_each_other():
    rng = np.random.default_rng(5)
    A, b, inside = polytope(4, 6, rng)
    starts = feasible_starts(5, inside, A, b, rng)
    together, _ = minimize_batch(rosenbrock, starts, 0.0, 1.0, A=A, b=b)
    for start, x in zip(starts, together, strict=True):
        alone, _ = minimize_batch(rosenbrock, start[None], 0.0, 1.0, A=A, b=b)
        np.testing.assert_allclose(alone[0], x, rtol=1e-9)


def test_a_start_without_finite_values_ends_and_the_others_go_on():
    def function(X):
        f, g = rosenbrock(X)
        f[X[:, 0] > 0.9] = np.nan
        g[X[:, 0] > 0.8] = np.inf
        return f, g

    starts = np.array([[0.95, 0.0], [0.85, 0.1], [0.2, 0.2]])
    A, b = np.array([[1.0, 1.0]]), np.array([1.0])
    X, f = minimize_batch(function, starts, 0.0, 1.0, A=A, b=b)
    assert np.isinf(f[:2]).all()
    np.testing.assert_allclose(f[2], slsqp(rosenbrock, starts[2], A, b), rtol=1e-5)
    assert np.isfinite(X).all()


def test_a_start_beyond_a_row_breaks_it_no_further():
    A, b = np.array([[1.0, 1.0]]), np.array([1.0])
    X, _ = minimize_batch(
        quadratic(2 * np.eye(2), np.array([-2.0, -4.0])), np.array([[0.6, 0.5]]), 0.0, 1.0, A=A, b=b
    )
    assert X.sum() <= 1.1 + 1e-12
    np.testing.assert_allclose(X, [[0.1, 1.0]], atol=1e-4)


def test_starts_that_cannot_win_are_given_up():
    """Two stand ten higher, held there by a coordinate: they end early, the third one as ever."""
    calls = []

    def function(X):
        calls[-1] += len(X)
        f, g = rosenbrock(X[:, :-1])
        return f + 10 * X[:, -1], np.column_stack([g, np.full(len(X), 10.0)])

    starts = np.column_stack([np.full((3, 8), 0.01), [1.0, 1.0, 0.0]])
    held = np.where(np.arange(9) == 8, starts, 0.0), np.where(np.arange(9) == 8, starts, 1.0)
    A, b = np.ones((1, 9)), np.array([5.0])
    results = []
    for lowest_only in (False, True):
        calls.append(0)
        f = minimize_batch(function, starts, *held, A=A, b=b, lowest_only=lowest_only, **TIGHT)[1]
        results.append(f.min())
    assert calls[1] < 0.7 * calls[0]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_a_start_next_to_a_lower_one_in_the_same_basin_is_superfluous():
    never = np.full(3, np.inf)
    X = np.array([[0.1, 0.1], [0.2, 0.15], [2.0, 2.0]])
    f, g = (X**2).sum(axis=1), 2 * X
    assert is_superfluous(X, f, g, never).tolist() == [False, True, False]
    wells = np.array([[-0.11], [0.12], [0.1]])  # of (x² - 0.01)², with a ridge at 0
    f, g = (wells[:, 0] ** 2 - 0.01) ** 2, 4 * wells * (wells**2 - 0.01)
    assert not is_superfluous(wells[:2], f[:2], g[:2], never[:2]).any()


def test_a_start_that_gains_too_little_to_reach_the_lowest_is_superfluous():
    X, g = np.array([[0.0], [9.0], [18.0]]), np.zeros((3, 1))
    gone = is_superfluous(X, np.array([0.0, 1.0, 1.0]), g, np.array([0.5, 1.1, 2.0]))
    assert gone.tolist() == [False, True, False]
