"""LogEI and LogNEI against mpmath, BoTorch, Monte Carlo and finite differences."""

import numpy as np
import pytest
from scipy.special import ndtr

from bbopt.acquisitions.acquisition import Sum
from bbopt.acquisitions.improvement import LogExpectedImprovement, log_h
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import fit
from bbopt.surrogates.gp import GP, Hyperparameters


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def noisy_data(n=20, d=3, sd=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, d))
    return X, np.sin(4 * X[:, 0]) + ((X - 0.4) ** 2).sum(1) + sd * rng.standard_normal(n)


def differences(function, X, h=1e-5):
    eye = np.eye(X.shape[1]) * h
    return np.array([[(function(x + e)[0] - function(x - e)[0]) / (2 * h) for e in eye] for x in X[:, None]])


def test_log_h_against_many_digits():
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    z = np.concatenate(
        [-np.logspace(7.9, -3, 60), [-50.001, -49.999, -1.0000001, -0.9999999, 0.0], np.logspace(-3, 2, 20)]
    )
    values, cdf_ratio, pdf_ratio = log_h(z)
    for x, value, cdf, pdf in zip(z, values, cdf_ratio, pdf_ratio, strict=True):
        x = mpmath.mpf(float(x))
        if x > -1e3:
            phi, Phi = mpmath.npdf(x), mpmath.ncdf(x)
            h = phi + x * Phi
            expected = mpmath.log(h), Phi / h, phi / h
        else:  # mpmath's own cancellation: two terms of the asymptotic series are exact to 1e-9 here
            u = 1 / x**2
            c = u * (1 - 3 * u + 15 * u**2)
            expected = (
                -(x**2) / 2 - mpmath.log(mpmath.sqrt(2 * mpmath.pi)) + mpmath.log(c),
                (1 - u + 3 * u**2) / -x / c,
                1 / c,
            )
        assert value == pytest.approx(float(expected[0]), rel=1e-12, abs=1e-12)
        assert cdf == pytest.approx(float(expected[1]), rel=1e-9)
        assert pdf == pytest.approx(float(expected[2]), rel=1e-9)


def test_log_h_is_finite_far_out():
    values, cdf_ratio, pdf_ratio = log_h(np.array([-1e8, -1e12, 1e8]))
    assert np.isfinite(values).all()
    assert np.isfinite(cdf_ratio).all()
    assert np.isfinite(pdf_ratio).all()


def test_equals_expected_improvement():
    X, y = noisy_data()
    gp = fit(box(3), X, y)
    at = np.random.default_rng(1).random((7, 3))
    mean, variance = gp.posterior(at)
    sd = np.sqrt(variance[:, 0])
    z = (gp.incumbent - mean[:, 0]) / sd
    expected = sd * (np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) + z * ndtr(z))
    np.testing.assert_allclose(
        np.exp(LogExpectedImprovement(gp, gp.incumbent).value(at)), expected, rtol=1e-9
    )


def test_equals_botorch():
    torch = pytest.importorskip("torch")
    pytest.importorskip("botorch")
    from botorch.acquisition.analytic import LogExpectedImprovement as Peer
    from botorch.models import SingleTaskGP
    from gpytorch.kernels import MaternKernel, ScaleKernel

    X, y = noisy_data(n=25)
    y = (y - y.mean()) / y.std()
    space, noise = box(3), 0.01
    ours = GP.build(
        Covariance(space), Hyperparameters(np.log([0.4, 0.7, 1.3]), 1.7, noise), X, y, np.full(25, noise)
    )
    kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=3)).double()
    model = SingleTaskGP(
        torch.tensor(X),
        -torch.tensor(y)[:, None],
        train_Yvar=torch.full((25, 1), noise, dtype=torch.double),
        covar_module=kernel,
        outcome_transform=None,
    )
    kernel.base_kernel.lengthscale = torch.tensor([[0.4, 0.7, 1.3]], dtype=torch.double)
    kernel.outputscale = torch.tensor(1.7, dtype=torch.double)
    model.mean_module.constant.data = torch.tensor(-ours.mean, dtype=torch.double)
    model.eval()
    at = np.random.default_rng(1).random((9, 3))
    best = float(y.min())
    tensor = torch.tensor(at)[:, None].requires_grad_(True)
    peer = Peer(model, best_f=-best)(tensor)
    peer.sum().backward()
    value, gradient = LogExpectedImprovement(ours, np.array([best])).value_and_grad(at)
    np.testing.assert_allclose(value, peer.detach().numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gradient, tensor.grad.numpy()[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("draws", [0, 16])
def test_gradients(draws):
    X, y = noisy_data()
    gp = fit(box(3), X, y)
    model = gp.draws(draws, Key(0).generator()) if draws else gp
    acquisition = LogExpectedImprovement(model, model.incumbent)
    at = np.random.default_rng(2).random((6, 3))
    value, gradient = acquisition.value_and_grad(at)
    np.testing.assert_allclose(value, acquisition.value(at), rtol=1e-12)
    np.testing.assert_allclose(
        gradient, differences(acquisition.value, at), rtol=1e-6, atol=1e-6 * np.abs(gradient).max()
    )


def test_noisy_expected_improvement_is_the_average_over_noise_free_draws():
    """Against brute force: joint draws of f at data and candidate, improvement on each draw's best."""
    X, y = noisy_data(n=8, d=2, sd=0.3)
    gp = fit(box(2), X, y, noise=0.3)
    at = np.random.default_rng(3).random((4, 2))
    model = gp.draws(4000, Key(1).generator())
    ours = np.exp(LogExpectedImprovement(model, model.incumbent).value(at))
    mean, covariance = (a[0] for a in gp.joint(np.concatenate([gp.X, at])[None]))
    L = np.linalg.cholesky(covariance[0] + 1e-9 * np.eye(12))
    f = mean + L @ np.random.default_rng(4).standard_normal((12, 200_000))
    brute = np.maximum(f[:8].min(axis=0) - f[8:], 0).mean(axis=1)
    np.testing.assert_allclose(ours, brute, rtol=0.1, atol=2e-3)


def test_fantasies_lower_the_value_where_they_are():
    X, y = noisy_data()
    gp = fit(box(3), X, y, noise=0)
    at = np.random.default_rng(5).random((1, 3))
    before = LogExpectedImprovement(gp, gp.incumbent).value(at)
    after = LogExpectedImprovement(gp.fantasize(at), gp.incumbent).value(at)
    assert after[0] < before[0] - 3


def test_sum_adds_values_and_gradients():
    X, y = noisy_data()
    gp = fit(box(3), X, y)
    part = LogExpectedImprovement(gp, gp.incumbent)
    at = np.random.default_rng(6).random((5, 3))
    value, gradient = part.value_and_grad(at)
    twice = Sum((part, part))
    np.testing.assert_allclose(twice.value(at), 2 * value)
    np.testing.assert_allclose(twice.value_and_grad(at)[1], 2 * gradient)
    np.testing.assert_array_equal(twice.scale, part.scale)
