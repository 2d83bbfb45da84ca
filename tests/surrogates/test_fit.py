"""The fit: gradients, replicates, quality of the optimum, robustness, purity."""

import numpy as np
import pytest

from bbopt.errors import FitError
from bbopt.lbfgs import minimize_batch
from bbopt.space import Categorical, Integer, Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import fit, starts
from bbopt.surrogates.likelihood import LogPosterior, Prior
from bbopt.surrogates.merging import Merged, merge
from bbopt.surrogates.outcomes import learn


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def bumpy(X):
    return np.sin(5 * X[:, 0]) + ((X - 0.4) ** 2).sum(axis=1)


def log_posterior(X, y, space=None, variance=None, learns_noise=True):
    model_y, outcome = learn(y)
    variance = np.full(len(y), np.nan) if variance is None else outcome.variance(variance, model_y)
    return LogPosterior(
        Covariance(space or box(X.shape[1])), merge(X, model_y, variance), Prior(), learns_noise
    )


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (12, 2), (60, 6), (30, 15)])
@pytest.mark.parametrize("learns_noise", [True, False])
def test_gradient(n, d, learns_noise):
    rng = np.random.default_rng(0)
    X = rng.random((n, d))
    posterior = log_posterior(X, bumpy(X) + 0.1 * rng.standard_normal(n), learns_noise=learns_noise)
    theta = np.concatenate([np.log(rng.uniform(0.2, 2, d)), [0.3, -4.0]])
    _, gradient = posterior(theta)
    h = 1e-5
    numeric = np.array(
        [(posterior(theta + e)[0] - posterior(theta - e)[0]) / (2 * h) for e in np.eye(d + 2) * h]
    )
    learnt = d + 2 if learns_noise else d + 1
    np.testing.assert_allclose(
        gradient[:learnt], numeric[:learnt], rtol=1e-6, atol=1e-6 * np.abs(gradient).max()
    )


def test_gradient_with_categoricals_replicates_and_known_variances():
    space = Space([Real("a", 0, 1), Categorical("kind", ["u", "v", "w"]), Integer("k", 1, 9)])
    rng = np.random.default_rng(1)
    X = space.project(rng.random((20, 3)))
    X[5:9] = X[0]
    variance = np.where(np.arange(20) % 3 == 0, 0.05, np.nan)
    posterior = log_posterior(X, rng.standard_normal(20), space, variance)
    theta = np.array([-0.5, 0.2, 0.4, 0.1, -2.0])
    _, gradient = posterior(theta)
    h = 1e-5
    numeric = [(posterior(theta + e)[0] - posterior(theta - e)[0]) / (2 * h) for e in np.eye(5) * h]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6)


def test_merging_replicates_keeps_the_likelihood():
    rng = np.random.default_rng(2)
    X = rng.random((10, 2))[rng.integers(10, size=30)]
    y = bumpy(X) + 0.3 * rng.standard_normal(30)
    y = (y - y.mean()) / y.std()
    covariance, unknown = Covariance(box(2)), np.full(30, np.nan)
    merged = LogPosterior(covariance, merge(X, y, unknown), Prior(), True)
    single = LogPosterior(covariance, Merged(X, y, unknown, np.ones(30), 0.0), Prior(), True)
    thetas = [np.array([-0.5, 0.3, 0.2, noise]) for noise in (-3.0, -1.0, 0.0)]
    values = np.array([[p(theta)[0] for theta in thetas] for p in (merged, single)])
    np.testing.assert_allclose(np.diff(values[0]), np.diff(values[1]), rtol=1e-8)
    for theta in thetas:
        np.testing.assert_allclose(merged(theta)[1], single(theta)[1], rtol=1e-6, atol=1e-8)


def problem_set(count):
    """Data as a study sees them: half spread out, half gathered around the best point."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        d, n = int(rng.integers(1, 9)), int(rng.integers(5, 60))
        X = rng.random((n, d))
        if seed % 2:
            X[n // 2 :] = np.clip(0.4 + 0.05 * rng.standard_normal((n - n // 2, d)), 0, 1)
        noise = [0.0, 0.01, 0.3][seed % 3]
        yield X, bumpy(X) + noise * rng.standard_normal(n)


def test_reaches_the_best_of_many_starts():
    missed = 0
    for X, y in problem_set(40):
        posterior = log_posterior(X, y)
        found = posterior(np.array(fit(box(X.shape[1]), X, y).theta))[0]
        lower, upper = posterior.bounds
        rng = np.random.default_rng(0)
        many = np.column_stack(
            [rng.uniform(-2, 2, (8, X.shape[1])), rng.uniform(-1, 1, 8), rng.uniform(-10, -1, 8)]
        )

        def loss(thetas, posterior=posterior):
            pairs = [posterior(theta) for theta in thetas]
            return -np.array([p[0] for p in pairs]), -np.array([p[1] for p in pairs])

        best = -minimize_batch(loss, many, lower, upper)[1].min()
        missed += best - found > 0.05
    assert missed <= 1


def test_is_a_pure_function_and_starts_where_it_is_told():
    X, y = next(problem_set(1))
    space = box(X.shape[1])
    first, second = fit(space, X, y), fit(space, X, y)
    assert first.theta == second.theta
    again = fit(space, X, y, previous=first.theta)
    np.testing.assert_allclose(again.theta, first.theta, atol=0.2)
    assert all(type(value) is float for value in first.theta)
    strange = fit(space, X, y, previous=[float("nan")])  # from another space, say: ignored
    assert strange.theta == first.theta


def test_learns_the_noise():
    rng = np.random.default_rng(3)
    X = rng.random((120, 2))
    y = 10 * bumpy(X) + 2.0 * rng.standard_normal(120)
    gp = fit(box(2), X, y)
    assert gp.outcome.inverse_sd(gp.outcome(np.zeros(1)), np.sqrt([gp.hyperparameters.noise]))[
        0
    ] == pytest.approx(2.0, rel=0.3)
    assert fit(box(2), X, 10 * bumpy(X)).hyperparameters.noise < 1e-3


def test_noise_given_is_noise_used():
    rng = np.random.default_rng(4)
    X = rng.random((15, 2))
    y = bumpy(X)
    exact = fit(box(2), X, y, noise=0)
    np.testing.assert_allclose(exact.predict(X)[0], y, atol=1e-5 * np.ptp(y))
    single = fit(box(2), X, y, noise=0.3)
    slope = (single.outcome(y + 1e-6) - single.outcome(y - 1e-6)) / 2e-6
    np.testing.assert_allclose(single.noise, (0.3 * slope) ** 2, rtol=1e-4)
    mixed = fit(box(2), X, y, np.r_[0.04, np.full(14, np.nan)])
    assert mixed.noise[0] == pytest.approx((0.2 / mixed.outcome.spread / mixed.outcome.unit) ** 2)
    assert np.ptp(mixed.noise[1:]) == 0


def test_predictions_are_in_the_units_of_the_outcome():
    rng = np.random.default_rng(5)
    X = rng.random((30, 2))
    for scale, offset in ((1e-12, 0.0), (1.0, 1e6), (1e300, 0.0)):
        mean, sd = fit(box(2), X, bumpy(X) * scale + offset, noise=0).predict(X)
        np.testing.assert_allclose(mean, bumpy(X) * scale + offset, rtol=1e-9, atol=1e-4 * scale)
        assert np.all(sd < 0.01 * scale)


TORTURE = {
    "constant": lambda X: np.full(len(X), 3.0),
    "zero": lambda X: np.zeros(len(X)),
    "1e12": lambda X: 1e12 * bumpy(X),
    "1e-12": lambda X: 1e-12 * bumpy(X),
    "1e300": lambda X: 1e300 * bumpy(X),
    "offset": lambda X: 1e9 + 1e-3 * bumpy(X),
    "cliff": lambda X: np.where(X[:, 0] > 0.8, 1e20, bumpy(X)),
    "two values": lambda X: (X[:, 0] > 0.5) * 1.0,
    "one different": lambda X: (np.arange(len(X)) == 3) * 1.0,
    "heavy tails": lambda X: np.tan(3.1 * (X[:, 0] - 0.5)) ** 3,
    "subnormal": lambda X: 1e-310 * bumpy(X),
}


@pytest.mark.parametrize("name", TORTURE)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 2), (25, 3), (25, 1), (12, 200)])
def test_torture(name, n, d):
    X = np.random.default_rng(6).random((n, d))
    for noise in (None, 0):
        gp = fit(box(d), X, TORTURE[name](X), noise=noise)
        mean, sd = gp.predict(np.random.default_rng(7).random((5, d)))
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()
        assert np.isfinite(gp.theta).all()


@pytest.mark.parametrize("noise", [None, 0, 0.1])
def test_repeated_collinear_and_nearly_equal_points(noise):
    rng = np.random.default_rng(8)
    line = np.linspace(0, 1, 40)[:, None] * np.ones(4)
    same = np.tile(rng.random((1, 4)), (1000, 1))
    close = 0.5 + 1e-9 * rng.random((40, 4))
    for X in (line, same, close, np.concatenate([line, same, close])):
        gp = fit(box(4), X, rng.standard_normal(len(X)), noise=noise)
        assert np.isfinite(gp.predict(X[:3])).all()
    assert len(fit(box(4), same, rng.standard_normal(1000), noise=noise).X) == 1


@pytest.mark.parametrize("variance", [0.0, 1e-300, 1e300])
def test_absurd_variances(variance):
    X = np.random.default_rng(9).random((15, 2))
    gp = fit(box(2), X, bumpy(X), np.full(15, variance))
    assert np.isfinite(gp.predict(X)).all()


def test_a_space_without_columns():
    space = Space([Categorical("only", ["one"])])
    gp = fit(space, np.empty((3, 0)), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(gp.predict(np.empty((1, 0)))[0], 2.0)


@pytest.mark.parametrize("y", [[], [np.nan], [1.0, np.inf]])
def test_nothing_to_fit_is_a_fit_error(y):
    with pytest.raises(FitError, match="finite observation"):
        fit(box(1), np.zeros((len(y), 1)), np.array(y))


@pytest.mark.parametrize(
    ("n", "n_new", "expected"), [(29, 1, 1), (30, 1, 2), (31, 1, 1), (33, 4, 2), (39, 4, 1)]
)
def test_a_fresh_start_comes_with_every_tenth_observation_however_many_come_at_once(n, n_new, expected):
    X = np.linspace(0, 1, n)[:, None]
    posterior = log_posterior(X, X[:, 0])
    assert len(starts(posterior, [0.0, 0.0, -5.0], n_new)) == expected


@pytest.mark.parametrize(
    ("learns_noise", "sd", "cost"),
    [(False, 0.1, 0.0), (True, 0.1, 0.5 * 0.02 / 0.05**2), (True, 9.0, 0.02 / 0.05**2), (True, 1e-4, 0.0)],
)
def test_short_lengths_cost_something_where_noise_is_learnt_alone(learns_noise, sd, cost):
    X, y = np.linspace(0, 1, 6)[:, None], np.array([0.0, 1.0, -1.0, 0.5, 2.0, 0.3])
    theta = np.array([np.log(0.05), 0.0, 2 * np.log(sd)])
    usual = log_posterior(X, y, learns_noise=learns_noise)
    free = LogPosterior(usual.covariance, usual.observed, Prior(short=0.0), learns_noise)
    assert free(theta)[0] - usual(theta)[0] == pytest.approx(cost, rel=0.02, abs=0.01)


def test_a_warm_fit_finds_noise_that_short_lengths_explained_so_far():
    rng = np.random.default_rng(5)
    space = Space([Real("x", 0, 1), Real("y", 0, 1)])
    pairs = np.repeat(rng.random((7, 2)), 2, axis=0)  # close by, and nothing alike
    X, y = pairs + 0.02 * rng.random((14, 2)), rng.standard_normal(14)
    short = [np.log(0.02), np.log(0.02), 0.0, np.log(1e-5)]
    warm = fit(space, X, y, previous=short, previous_n=13)
    cold = fit(space, X, y)
    assert cold.hyperparameters.noise > 0.1
    assert warm.hyperparameters.noise == pytest.approx(cold.hyperparameters.noise, rel=0.1)
