"""Batched posteriors and their log expected improvement against those on LAPACK."""

import numpy as np
import pytest
from loops import a_loop, posterior_of, some_theta

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.surrogates.gp import Hyperparameters
from bbopt.surrogates.kernels import RBF, Matern

torch = pytest.importorskip("torch")
from bbopt.batched import gp as batched_gp  # noqa: E402
from bbopt.batched.gp import BatchedGP, BatchedLogEI  # noqa: E402
from bbopt.batched.likelihood import BatchedLogPosterior  # noqa: E402

SIZES = (1, 20, 40, 63)


def made(kernel=None, sizes=SIZES, n=None):
    """Return a batch of processes, and the same ones by themselves."""
    posteriors = [posterior_of(a_loop(size, size), kernel) for size in sizes]
    theta = some_theta(posteriors)
    batch = BatchedGP.build(BatchedLogPosterior.of(posteriors, "cpu", n), torch.as_tensor(theta))
    return batch, [
        p.process(Hyperparameters.from_list(row)) for p, row in zip(posteriors, theta, strict=True)
    ]


def points(count, b=9, seed=3):
    return np.random.default_rng(seed).random((count, b, 3))


@pytest.mark.parametrize("kernel", [Matern(), Matern(1.5), Matern(0.5), RBF()])
def test_posteriors_and_their_gradients_are_those_of_lapack(kernel):
    batch, processes = made(kernel)
    X, rng = points(len(SIZES)), np.random.default_rng(0)
    d_mean, d_variance = rng.standard_normal((2, len(SIZES), 9, 1))
    mean, variance, pull = batch.posterior_vjp(torch.as_tensor(X))
    gradient = pull(torch.as_tensor(d_mean), torch.as_tensor(d_variance[..., 0]))
    for i, process in enumerate(processes):
        expected, spread, back = process.posterior_vjp(X[i])
        np.testing.assert_allclose(mean[i], expected, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(variance[i], spread[:, 0], rtol=1e-8)
        np.testing.assert_allclose(gradient[i], back(d_mean[i], d_variance[i]), rtol=1e-8, atol=1e-8)
        n = len(process.X)
        np.testing.assert_allclose(batch.fitted[i, :n], process.fitted, rtol=1e-8, atol=1e-8)
        assert torch.all(batch.fitted[i, n:] == torch.inf)
        np.testing.assert_allclose(batch.incumbent[i], process.incumbent, rtol=1e-8)


def test_log_ei_is_that_of_the_cpu_near_and_far():
    batch, processes = made()
    X = points(len(SIZES))
    for i, process in enumerate(processes):
        X[i, 0] = process.X[0]
    for lower in (0.0, 5.0, 200.0):  # at 200, h underflows
        best = batch.incumbent - lower
        value, gradient = BatchedLogEI(batch, best).value_and_grad(torch.as_tensor(X))
        for i, process in enumerate(processes):
            expected = LogExpectedImprovement(process, process.incumbent - lower).value_and_grad(X[i])
            np.testing.assert_allclose(value[i], expected[0], rtol=1e-8)
            np.testing.assert_allclose(gradient[i], expected[1], rtol=1e-7, atol=1e-7)


def test_the_gradient_of_log_ei_is_the_slope_of_its_value():
    batch, _ = made()
    acquisition = BatchedLogEI(batch, batch.incumbent)
    X, h = torch.as_tensor(points(len(SIZES))), 1e-6
    _, gradient = acquisition.value_and_grad(X)
    for j in range(3):
        step = h * torch.eye(3, dtype=torch.float64)[j]
        slope = (acquisition.value(X + step) - acquisition.value(X - step)) / (2 * h)
        np.testing.assert_allclose(gradient[..., j], slope, rtol=1e-5, atol=1e-6)


def test_where_the_variance_is_at_its_floor_it_has_no_slope():
    posterior = posterior_of(a_loop(20, 0, noise=0.0))
    theta = np.array([[0.0, 0.0, 0.0, 14.0, -18.0]])  # an output scale that makes the noise vanish
    batch = BatchedGP.build(BatchedLogPosterior.of([posterior], "cpu"), torch.as_tensor(theta))
    process = posterior.process(Hyperparameters.from_list(theta[0]))
    _, variance, pull = batch.posterior_vjp(torch.as_tensor(process.X[None, :4]))
    np.testing.assert_array_equal(variance[0], process.posterior(process.X[:4])[1][:, 0])
    assert torch.all(pull(torch.zeros(1, 4, 1).double(), torch.ones(1, 4).double()) == 0.0)


def test_log_nei_over_draws_is_that_of_the_cpu():
    batch, processes = made()
    normals = np.zeros((2, *batch.real.shape, 5))
    singles = []
    for i, process in enumerate(processes):
        n = len(process.X)
        normals[:, i, :n] = np.random.default_rng(i).standard_normal((2, n, 5))
        normals[:, i, n:] = 7.0  # what padding draws counts nothing
        singles.append(process.draws(5, np.random.default_rng(i)))
    drawn, X = batch.draws(*torch.as_tensor(normals)), points(len(SIZES))
    value, gradient = BatchedLogEI(drawn, drawn.incumbent).value_and_grad(torch.as_tensor(X))
    for i, single in enumerate(singles):
        np.testing.assert_allclose(drawn.incumbent[i], single.incumbent, rtol=1e-7, atol=1e-8)
        expected = LogExpectedImprovement(single, single.incumbent).value_and_grad(X[i])
        np.testing.assert_allclose(value[i], expected[0], rtol=1e-7)
        np.testing.assert_allclose(gradient[i], expected[1], rtol=1e-6, atol=1e-6)


def test_padding_changes_nothing():
    exact, padded = made(sizes=(50,), n=50)[0], made(sizes=(50,), n=128)[0]
    X = torch.as_tensor(points(1))
    for one, other in zip(exact.posterior(X), padded.posterior(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_candidates_in_parts_score_as_in_one_piece(monkeypatch):
    batch, _ = made()
    acquisition, X = BatchedLogEI(batch, batch.incumbent), torch.as_tensor(points(len(SIZES), 50))
    whole = acquisition.value(X)
    monkeypatch.setattr(batched_gp, "MOST_ELEMENTS", len(SIZES) * 64 * 7)
    np.testing.assert_allclose(acquisition.value(X), whole, rtol=1e-10)
