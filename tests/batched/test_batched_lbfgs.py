"""The masked L-BFGS on Rosenbrock's valley: minima, bounds, and rows that do not influence each other."""

import numpy as np
import pytest
from scipy.optimize import minimize

torch = pytest.importorskip("torch")
from bbopt.batched.lbfgs import minimize_batch  # noqa: E402


def rosenbrock(X):
    a, b = X[:, :-1], X[:, 1:]
    f = ((1 - a) ** 2 + 100 * (b - a**2) ** 2).sum(1)
    g = torch.zeros_like(X)
    g[:, :-1] = -2 * (1 - a) - 400 * a * (b - a**2)
    g[:, 1:] += 200 * (b - a**2)
    return f, g


def search(starts, lower=-2.0, upper=2.0, problem=None, function=None, rounds=400, **options):
    """Return X, f and how many evaluations each start took."""
    starts = torch.as_tensor(starts)
    r = len(starts)
    counts = np.zeros(r, int)

    def counted(X, rows):
        counts[rows.numpy()] += 1
        return (function or rosenbrock)(X)

    X, f = minimize_batch(
        counted,
        starts,
        torch.as_tensor(np.broadcast_to(lower, starts.shape).copy()),
        torch.as_tensor(np.broadcast_to(upper, starts.shape).copy()),
        torch.arange(r) if problem is None else torch.as_tensor(problem),
        gradient_tolerance=torch.full((r,), 1e-8, dtype=torch.float64),
        value_tolerance=torch.full((len(starts),), 1e-15, dtype=torch.float64),
        rounds=torch.as_tensor(np.broadcast_to(rounds, r).copy()),
        **options,
    )
    return X.numpy(), f.numpy(), counts


def scattered(r, d, seed=0):
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (r, d))


def test_finds_the_minimum_from_every_start():
    X, f, _ = search(scattered(12, 3))
    is_global = f < 1e-8
    assert is_global.sum() >= 8  # in three dimensions there is a second minimum
    np.testing.assert_allclose(X[is_global], 1.0, atol=1e-4)
    _, slopes = rosenbrock(torch.as_tensor(X))
    assert slopes.abs().max() < 1e-4


def test_ends_where_scipy_does_within_bounds_and_with_held_coordinates():
    lower, upper = np.array([0.0, 0.25, -1.0]), np.array([0.4, 0.25, 1.0])
    X, f, _ = search(np.random.default_rng(1).uniform(0, 1, (5, 3)), lower, upper)
    assert np.all(X >= lower)
    assert np.all(X <= upper)
    reference = minimize(
        lambda x: tuple(v[0].numpy() for v in rosenbrock(torch.as_tensor(x)[None])),
        [0.4, 0.25, 0.1],
        jac=True,
        bounds=list(zip(lower, upper, strict=True)),
    )
    np.testing.assert_allclose(f, reference.fun, rtol=1e-5)


def test_neither_the_other_rows_nor_how_often_the_host_looks_matter():
    starts = scattered(6, 2, 2)
    together, _, seldom = search(starts)
    looked, _, often = search(starts, look_every=1)
    np.testing.assert_array_equal(together, looked)
    assert often.sum() < seldom.sum()
    for i, start in enumerate(starts):
        np.testing.assert_array_equal(search(start[None])[0][0], together[i])


def test_rounds_limit_each_start():
    _, f, counts = search([[-1.2, 1.0]] * 2, rounds=[3, 400], look_every=1)
    assert counts[0] == 3
    assert f[1] < 1e-8 < f[0] <= rosenbrock(torch.tensor([[-1.2, 1.0]]))[0]


def test_a_start_without_finite_values_ends_and_the_others_go_on():
    def function(X):
        f, g = rosenbrock(X)
        bad = X[:, 0] < -1
        return torch.where(bad, torch.nan, f), torch.where(bad[:, None], torch.nan, g)

    X, f, counts = search([[-1.5, 0.0], [0.5, 0.5]], function=function, look_every=1)
    assert np.isinf(f[0])
    assert counts[0] == 1
    assert f[1] < 1e-8
    assert np.isfinite(X).all()


def test_only_starts_of_the_same_problem_are_given_up():
    def function(X):  # the half where the first column is negative lies much higher
        f, g = rosenbrock(X)
        return f + torch.where(X[:, 0] < 0, 1000.0, 0.0), g

    starts, upper = [[0.9] * 5, [-1.2, 1.0, -0.5, 1.0, 0.5]], [[2.0] * 5, [-0.1, 2.0, 2.0, 2.0, 2.0]]
    options = {"upper": upper, "function": function, "look_every": 1}
    _, _, rivals = search(starts, problem=[0, 0], **options)
    _, _, strangers = search(starts, problem=[0, 1], **options)
    assert strangers[0] == rivals[0] > 16
    assert strangers[1] > rivals[1] == 16
