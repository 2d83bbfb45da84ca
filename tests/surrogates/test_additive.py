"""The additive process: likelihood and posterior against GPyTorch and plain formulas, gradients, fits."""

import numpy as np
import pytest

from bbopt.errors import FitError
from bbopt.space import Categorical, Real, Space
from bbopt.surrogates.additive_fit import AdditiveLogPosterior, fit
from bbopt.surrogates.kernels.features import Features
from bbopt.testing.parts.differences import assert_derivatives, differences, slope

OVERLAPPING = ((0, 1, 2), (2, 3), (4,))


@pytest.fixture
def data():
    """Points in five columns, outcomes in model units, and noise told for the first three."""
    rng = np.random.default_rng(0)
    X = rng.random((25, 5))
    y = np.sin(5 * X[:, 0]) + X[:, 2] * X[:, 3] + X[:, 4] ** 2
    variance = np.full(25, np.nan)
    variance[:3] = 0.02
    return X, (y - y.mean()) / y.std(), variance


def posterior(X, y, variance, decomposition=OVERLAPPING):
    features = Features(Space([Real(f"x{j}", 0, 1) for j in range(X.shape[1])]))
    return AdditiveLogPosterior(features, X, y, variance, decomposition)


def theta(p, seed=1):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(-0.5, 0.4, p), rng.normal(-1, 0.5, p), [-3.0]])


def matern(X, Y, length):
    r = np.sqrt(5.0) * np.linalg.norm(X[:, None] - Y, axis=-1) / length
    return (1 + r + r**2 / 3) * np.exp(-r)


def test_the_likelihood_is_that_of_gpytorch(data):
    torch, gpytorch = pytest.importorskip("torch"), pytest.importorskip("gpytorch")
    X, y, variance = data
    at = theta(3)
    ours = posterior(*data)
    kernels = []
    for i, factor in enumerate(OVERLAPPING):
        base = gpytorch.kernels.MaternKernel(2.5, active_dims=factor).double()
        base.lengthscale = float(np.exp(at[i]))
        kernels.append(gpytorch.kernels.ScaleKernel(base).double())
        kernels[-1].outputscale = float(np.exp(at[3 + i]))
    with torch.no_grad():
        noise = np.where(np.isnan(variance), np.exp(at[-1]), variance)
        K = sum(kernel(torch.tensor(X)).to_dense() for kernel in kernels) + torch.diag(torch.tensor(noise))
        ones = np.ones(25)
        solved = np.linalg.solve(K.numpy(), np.column_stack([y, ones]))
        mean = ones @ solved[:, 0] / (ones @ solved[:, 1])
        normal = torch.distributions.MultivariateNormal(torch.full((25,), mean, dtype=torch.double), K)
        expected = float(normal.log_prob(torch.tensor(y)))
    prior = ours.prior.log_density(at)[0] - highest_density(ours.prior)
    assert ours(at)[0] - prior == pytest.approx(expected, rel=1e-8)


def highest_density(prior):
    """What the log density of the prior is where it is highest, by its own formula there."""
    mode = prior.mu - prior.is_density * prior.sigma**2
    return prior.log_density(mode)[0]


def test_factors_are_what_the_sum_of_them_tells(data):
    """Means and variances from the whole Gram matrix, noise included, by plain linear algebra."""
    X, y, variance = data
    at = theta(3)
    process = posterior(*data).process(at)
    Q = np.random.default_rng(3).random((6, 5))
    K = np.diag(np.where(np.isnan(variance), np.exp(at[-1]), variance))
    cross = []
    for i, factor in enumerate(OVERLAPPING):
        columns, scale = list(factor), np.exp(at[3 + i])
        K += scale * matern(X[:, columns], X[:, columns], np.exp(at[i]))
        cross.append(scale * matern(Q[:, columns], X[:, columns], np.exp(at[i])))
    inverse = np.linalg.inv(K)
    mean = (inverse @ y).sum() / inverse.sum()
    means, variances, _ = process.all_factors(Q)
    for i, k in enumerate(cross):
        np.testing.assert_allclose(means[:, i], k @ inverse @ (y - mean), rtol=1e-8, atol=1e-10)
        reduced = np.exp(at[3 + i]) - np.einsum("rn,nm,rm->r", k, inverse, k)
        np.testing.assert_allclose(variances[:, i], reduced, rtol=1e-8)
        one, other, _ = process.factors(np.full(6, i), Q)
        np.testing.assert_allclose(one, means[:, i], rtol=1e-12)
        np.testing.assert_allclose(other, variances[:, i], rtol=1e-12)
    k = sum(cross)
    total, spread = process.posterior(Q)
    assert total.shape == spread.shape == (6, 1)
    np.testing.assert_allclose(total[:, 0], mean + k @ inverse @ (y - mean), rtol=1e-8)
    np.testing.assert_allclose(
        spread[:, 0], np.exp(at[3:6]).sum() - np.einsum("rn,nm,rm->r", k, inverse, k), rtol=1e-8
    )


def test_gradients_of_the_posterior_are_derivatives(data):
    density, at = posterior(*data), theta(3)
    numeric = np.array([slope(lambda t: density(t)[0], at, e) for e in np.eye(7)])
    assert_derivatives(density(at)[1], numeric, "the gradient of the log posterior")


def test_gradients_of_factors_are_derivatives_and_vanish_elsewhere(data):
    process = posterior(*data).process(theta(3))
    Q = np.random.default_rng(4).uniform(0.1, 0.9, (3, 5))
    which, weights = np.array([0, 1, 2]), np.array([[1.0, -2.0, 0.5], [0.3, 1.5, -1.0]])

    def value(Q):
        mean, variance, _ = process.factors(which, Q)
        return weights[0] * mean + weights[1] * variance

    gradient = process.factors(which, Q)[2](*weights)
    assert_derivatives(gradient, differences(value, Q), "the pullback of factors")
    assert not gradient[0, 3:].any()
    assert not gradient[2, :4].any()


def test_a_decomposition_into_what_is_true_scores_highest():
    rng = np.random.default_rng(5)
    X = rng.random((40, 4))
    y = np.cos(6 * X[:, 0] * X[:, 1]) + np.sin(7 * X[:, 2] + 2 * X[:, 3])
    y = (y - y.mean()) / y.std()
    variance = np.full(40, np.nan)

    def score(decomposition):
        return fit(posterior(X, y, variance, decomposition))[1]

    true = score(((0, 1), (2, 3)))
    assert all(
        true > score(wrong) + 2 for wrong in (((0, 1, 2, 3),), ((0, 2), (1, 3)), ((0,), (1,), (2,), (3,)))
    )


def test_a_fit_ends_at_a_maximum_and_goes_on_from_there(data):
    density = posterior(*data)
    found, value = fit(density)
    assert density(found)[0] == pytest.approx(value, rel=1e-12)
    interior = (found > density.prior.lower + 1e-6) & (found < density.prior.upper - 1e-6)
    assert np.abs(density(found)[1][interior]).max() < 0.3
    again, no_lower = fit(density, found)
    assert no_lower >= value
    np.testing.assert_allclose(again, found, atol=0.1)


def test_fantasies_leave_means_and_shrink_variances(data):
    process = posterior(*data).process(theta(3))
    rng = np.random.default_rng(6)
    Q, at = rng.random((2, 5)), rng.random((4, 5))
    more = process.fantasize(Q)
    assert process.fantasize(Q[:0]) is process
    np.testing.assert_allclose(more.posterior(at)[0], process.posterior(at)[0], atol=1e-8)
    assert (more.posterior(Q)[1] < process.posterior(Q)[1]).all()


def test_categories_are_as_far_apart_as_they_are_different():
    space = Space([Real("x", 0, 1), Categorical("c", ["p", "q", "r"])])
    X = space.project(np.random.default_rng(7).random((12, 2)))
    y = np.sin(4 * X[:, 0]) + (X[:, 1] == 0.5)
    density = AdditiveLogPosterior(Features(space), X, y - y.mean(), np.full(12, np.nan), ((0,), (1,)))
    process = density.process(np.array([-1.0, 0.0, 0.0, 0.0, -8.0]))
    mean, _, pull = process.factors(np.array([1, 1, 1]), np.array([[0.2, 0.0], [0.2, 0.5], [0.2, 1.0]]))
    assert mean[1] > max(mean[0], mean[2]) + 0.5
    assert not pull(np.ones(3), np.ones(3)).any()


def test_hopeless_data_are_refused():
    X = np.zeros((3, 2))
    with pytest.raises(FitError, match="finite likelihood on 3"):
        fit(posterior(X, np.full(3, np.nan), np.full(3, np.nan), ((0, 1),)))
