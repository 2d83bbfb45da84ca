"""The Gaussian process against dense formulas, GPyTorch, finite differences and itself."""

import numpy as np
import pytest

from bbopt.errors import FitError
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels.features import Features

D = 3
SPACE = Space([Real(f"x{j}", 0, 1) for j in range(D)])
LENGTHS = np.array([0.4, 0.8, 1.5])
PARAMETERS = Hyperparameters(np.log(LENGTHS), 1.6, 0.01)


def data(n=20, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, D))
    return X, np.sin(5 * X[:, 0]) + X[:, 1] ** 2 - X[:, 2], rng.uniform(1e-3, 0.1, n)


def matern(A, B, length):
    r = np.sqrt(5.0) * np.sqrt((((A[:, None] - B[None]) / length) ** 2).sum(-1))
    return (1 + r + r**2 / 3) * np.exp(-r)


def build(n=20):
    X, y, noise = data(n)
    return GP.build(Covariance(SPACE), PARAMETERS, X, y, noise)


def test_posterior_equals_the_dense_formula():
    X, y, noise = data()
    gp = build()
    at = np.random.default_rng(1).random((6, D))
    K = 1.6 * matern(X, X, LENGTHS) + np.diag(noise)
    k = 1.6 * matern(at, X, LENGTHS)
    inverse = np.linalg.inv(K)
    m = inverse.sum(0) @ y / inverse.sum()
    mean, variance = gp.posterior(at)
    np.testing.assert_allclose(gp.mean, m, rtol=1e-9)
    np.testing.assert_allclose(mean[:, 0], m + k @ inverse @ (y - m), rtol=1e-9)
    covariance = 1.6 * matern(at, at, LENGTHS) - k @ inverse @ k.T
    np.testing.assert_allclose(variance[:, 0], np.diag(covariance), rtol=1e-8)
    joint_mean, joint = gp.joint(at[None])
    np.testing.assert_allclose(joint_mean[0], mean)
    np.testing.assert_allclose(joint[0, 0], covariance, atol=1e-9)
    np.testing.assert_allclose(gp.fitted, gp.posterior(X)[0], atol=1e-9)


def test_posterior_and_likelihood_equal_gpytorch():
    torch = pytest.importorskip("torch")
    pytest.importorskip("botorch")
    from botorch.models import SingleTaskGP
    from gpytorch.kernels import MaternKernel, ScaleKernel
    from gpytorch.mlls import ExactMarginalLogLikelihood

    from bbopt.surrogates.likelihood import LogPosterior, Prior
    from bbopt.surrogates.merging import Merged

    X, y, noise = data(30)
    kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=D)).double()
    model = SingleTaskGP(
        torch.tensor(X),
        torch.tensor(y)[:, None],
        torch.tensor(noise)[:, None],
        covar_module=kernel,
        outcome_transform=None,
    )
    kernel.base_kernel.lengthscale = torch.tensor(LENGTHS)[None]
    kernel.outputscale = torch.tensor(PARAMETERS.scale, dtype=torch.double)
    ours = GP.build(Covariance(SPACE), PARAMETERS, X, y, noise)
    model.mean_module.constant.data = torch.tensor(ours.mean, dtype=torch.double)

    model.train()
    likelihood = ExactMarginalLogLikelihood(model.likelihood, model)(
        model(*model.train_inputs), model.train_targets
    )
    flat = Prior(scale_sigma=1e9, noise_sigma=1e9)
    covariance = Covariance(SPACE)
    posterior = LogPosterior(covariance, Merged(X, y, noise, np.ones(30), 0.0), flat, learns_noise=False)
    theta = np.array(PARAMETERS.to_list())
    value = posterior(theta)[0] - covariance.hyperprior.log_density(theta[:D])[0]
    assert value == pytest.approx(30 * likelihood.item(), rel=1e-8)

    model.eval()
    at = np.random.default_rng(1).random((6, D))
    with torch.no_grad():
        theirs = model.posterior(torch.tensor(at))
    mean, variance = ours.posterior(at)
    np.testing.assert_allclose(mean, theirs.mean.numpy(), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(variance, theirs.variance.numpy(), rtol=1e-8, atol=1e-8)


def test_pullback_equals_differences():
    gp = build()
    at = np.random.default_rng(2).random((5, D))
    mean, variance, pull = gp.posterior_vjp(at)
    np.testing.assert_allclose((mean, variance), gp.posterior(at), rtol=1e-12)
    h = 1e-5
    for j, e in enumerate(np.eye(D) * h):
        up, down = gp.posterior(at + e), gp.posterior(at - e)
        d_mean = pull(np.ones((5, 1)), np.zeros((5, 1)))[:, j]
        d_variance = pull(np.zeros((5, 1)), np.ones((5, 1)))[:, j]
        np.testing.assert_allclose(d_mean, (up[0] - down[0])[:, 0] / (2 * h), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(d_variance, (up[1] - down[1])[:, 0] / (2 * h), rtol=1e-6, atol=1e-8)


def test_conditioning_equals_building_anew():
    X, y, noise = data(25)
    whole = GP.build(Covariance(SPACE), PARAMETERS, X, y, noise)
    part = GP.build(Covariance(SPACE), PARAMETERS, X[:20], y[:20], noise[:20])
    # The constant mean stays where it was: compare at the same mean.
    grown = part.condition(X[20:], y[20:, None], noise=0.05)
    reference = GP.build(Covariance(SPACE), PARAMETERS, X, y - part.mean, np.r_[noise[:20], np.full(5, 0.05)])
    at = np.random.default_rng(3).random((6, D))
    np.testing.assert_allclose(grown.posterior(at)[1], reference.posterior(at)[1], rtol=1e-9)
    shift = matern(at, X, LENGTHS) * 1.6
    K = 1.6 * matern(X, X, LENGTHS) + np.diag(grown.noise)
    np.testing.assert_allclose(
        grown.posterior(at)[0][:, 0], part.mean + shift @ np.linalg.solve(K, y - part.mean), rtol=1e-8
    )
    np.testing.assert_allclose(grown.fitted, grown.posterior(X)[0], atol=1e-8)
    assert len(part.X) == 20
    assert len(whole.X) == 25


def test_fantasies_change_no_mean_and_take_the_variance():
    gp = build()
    rng = np.random.default_rng(4)
    chosen, at = rng.random((3, D)), rng.random((6, D))
    fantasised = gp.fantasize(chosen)
    np.testing.assert_allclose(fantasised.posterior(at)[0], gp.posterior(at)[0], atol=1e-8)
    assert np.all(fantasised.posterior(at)[1] <= gp.posterior(at)[1] + 1e-12)
    assert np.all(fantasised.posterior(chosen)[1] < 1e-6)
    twice = fantasised.fantasize(chosen)  # the same point again must not break the factor
    assert np.isfinite(twice.posterior(at)[0]).all()
    assert gp.fantasize(np.empty((0, D))) is gp


def test_draws_have_the_posterior_moments():
    gp = build(10)
    pending = np.random.default_rng(5).random((2, D))
    draws = gp.draws(20_000, Key(0).generator(), pending)
    where = np.concatenate([gp.X, pending])
    mean, covariance = (a[0] for a in gp.joint(where[None]))
    values = draws.posterior(where)[0]
    np.testing.assert_allclose(values.mean(axis=1), mean[:, 0], atol=0.02)
    np.testing.assert_allclose(np.cov(values), covariance[0], atol=0.02)
    np.testing.assert_allclose(draws.fitted, values, atol=1e-6)
    assert np.all(draws.posterior(where)[1] < 1e-4)  # nothing is uncertain where f was drawn


def test_a_hopeless_covariance_is_a_fit_error():
    X, y, noise = data()
    with pytest.raises(FitError, match="positive definite"):
        GP.build(Covariance(SPACE), PARAMETERS, X, y, noise - 10.0)


def test_categoricals_count_by_hamming_distance():
    space = Space([Real("a", 0, 1), Categorical("kind", ["u", "v", "w"]), Integer("k", 1, 4)])
    features = Features(space)
    X = space.encode([{"a": 0.3, "kind": kind, "k": 2} for kind in ("u", "v", "w", "u")])
    F = features(X)
    squared = ((F[:, None] - F[None]) ** 2).sum(-1)
    expected = np.array([[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]])
    np.testing.assert_allclose(squared, expected, atol=1e-12)
    np.testing.assert_array_equal(np.bincount(features.column), [1, 3, 1])
    gradient = features.pull(np.ones((4, 5)), X)
    np.testing.assert_array_equal(gradient, np.tile([1.0, 0.0, 1.0], (4, 1)))


def test_inactive_columns_do_not_separate_points():
    space = Space(
        [
            Categorical("kind", ["u", "v"]),
            Real("a", 0, 1, when={"kind": "v"}),
            Categorical("sub", ["p", "q", "r"], when={"kind": "v"}),
        ]
    )
    features = Features(space)
    X = space.encode([{"kind": "u"}, {"kind": "v", "a": 0.5, "sub": "q"}])
    F = features(X)
    absent = 0.5 + (2 / np.pi) ** 2  # sub against any level; a: centre of the circle against anywhere on it
    assert ((F[0] - F[1]) ** 2).sum() == pytest.approx(1 + absent)  # and kind differs
    assert ((F[0] - features(X[:1])[0]) ** 2).sum() == 0
