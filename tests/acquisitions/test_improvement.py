"""Improvement against mpmath, BoTorch, closed forms and Monte Carlo; its formulas in torch."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from bbopt.acquisitions.confidence import LowerConfidenceBound, lower_confidence_bound
from bbopt.acquisitions.improvement import (
    ExpectedImprovement,
    LogExpectedImprovement,
    LogProbabilityOfImprovement,
    expected_improvement,
    exploration,
    log_cdf,
    log_expected_improvement,
    log_h,
    log_probability_of_improvement,
)
from bbopt.acquisitions.pointwise import log_mean_exp
from bbopt.rng import Key


@pytest.mark.parametrize("shape", [(5, 1), (5, 7), (5, 1, 3), (5, 2, 3), (0, 2, 3)])
def test_log_mean_exp_is_over_all_axes_but_the_first(shape):
    logs = np.random.default_rng(0).uniform(-2000, 2000, shape)
    expected = [logsumexp(row) - np.log(row.size) for row in logs]
    np.testing.assert_allclose(log_mean_exp(logs), np.reshape(expected, shape[:1]), rtol=1e-12)


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


def test_log_cdf_against_many_digits():
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    z = np.concatenate([-np.logspace(2.5, -3, 40), [0.0], np.logspace(-3, 1, 30)])
    values, ratio = log_cdf(z)
    for x, value, slope in zip(z, values, ratio, strict=True):
        x = mpmath.mpf(float(x))
        assert value == pytest.approx(float(mpmath.log(mpmath.ncdf(x))), rel=1e-12, abs=1e-300)
        assert slope == pytest.approx(float(mpmath.npdf(x) / mpmath.ncdf(x)), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("formula", [log_h, log_cdf])
def test_logarithms_are_finite_far_out(formula):
    for result in formula(np.array([-1e12, -1e8, 1e8, 1e12])):
        assert np.isfinite(result).all()


def test_expected_improvement_is_the_closed_form(process, points):
    gp = process()
    mean, variance = (a[:, 0] for a in gp.posterior(points))
    sd = np.sqrt(variance)
    z = (gp.incumbent - mean) / sd
    expected = sd * (norm.pdf(z) + z * norm.cdf(z))
    np.testing.assert_allclose(ExpectedImprovement(gp, gp.incumbent).value(points), expected, rtol=1e-9)
    np.testing.assert_allclose(
        LogExpectedImprovement(gp, gp.incumbent).value(points), np.log(expected), rtol=1e-9
    )


def test_expected_improvement_is_what_many_samples_say(process, points):
    gp = process(5)
    best = gp.incumbent + 0.5
    mean, variance = gp.posterior(points)
    z = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    samples = np.maximum(best - mean - np.sqrt(variance) * z, 0).mean(axis=1)
    ours = ExpectedImprovement(gp, best).value(points)
    np.testing.assert_allclose(ours, samples, rtol=1e-3, atol=1e-6)
    assert ours.max() > 0.05


def test_probability_of_improvement_is_the_closed_form(process, points):
    gp = process()
    mean, variance = (a[:, 0] for a in gp.posterior(points))
    expected = norm.logcdf((gp.incumbent - 0.2 - mean) / np.sqrt(variance))
    ours = LogProbabilityOfImprovement(gp, gp.incumbent, xi=0.2).value(points)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_values_and_gradients_are_botorchs(process, points, botorch_model):
    torch = pytest.importorskip("torch")
    from botorch.acquisition import analytic as peer

    gp = process(25)
    best = gp.incumbent + 0.3
    model, best_f = botorch_model(gp), -float(best[0])
    with pytest.warns(match="numerical issues"):
        plain = peer.ExpectedImprovement(model, best_f)
    pairs = [
        (ExpectedImprovement(gp, best), plain),
        (LogExpectedImprovement(gp, best), peer.LogExpectedImprovement(model, best_f)),
        (LogProbabilityOfImprovement(gp, best), peer.LogProbabilityOfImprovement(model, best_f)),
        (LowerConfidenceBound(gp, beta=2.5), peer.UpperConfidenceBound(model, beta=2.5)),
    ]
    for ours, theirs in pairs:
        tensor = torch.tensor(points)[:, None].requires_grad_(True)
        expected = theirs(tensor)
        expected.sum().backward()
        value, gradient = ours.value_and_grad(points)
        np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(gradient, tensor.grad.numpy()[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "formula",
    [
        expected_improvement,
        log_expected_improvement,
        log_probability_of_improvement,
        lower_confidence_bound,
        lambda *args: (exploration(*args),),
    ],
)
def test_formulas_are_the_same_in_torch(formula):
    torch = pytest.importorskip("torch")
    mean = np.linspace(-50, 60, 40)[:, None]
    sd = np.linspace(0.3, 1.1, 40)[:, None]
    for ours, theirs in zip(
        formula(mean, sd, 0.7), formula(torch.tensor(mean), torch.tensor(sd), 0.7), strict=True
    ):
        np.testing.assert_allclose(np.broadcast_to(ours, (40, 1)), theirs.numpy(), rtol=1e-9, atol=1e-300)


def test_exploration_is_the_share_of_the_uncertainty():
    mean, sd, best = np.array([-2.0, -0.5, -0.1]), np.array([0.4, 0.7, 2.0]), 0.3
    z = (best - mean) / sd
    whole = (best - mean) * norm.cdf(z) + sd * norm.pdf(z)
    np.testing.assert_allclose(exploration(mean, sd, best), sd * norm.pdf(z) / whole, rtol=1e-10)


@pytest.mark.parametrize(
    ("mean", "sd", "share"),
    [(1.0, 1e-3, 1.0), (0.0, 1.0, 1.0), (1e9, 1e-9, 1.0), (-1.0, 1e-3, 0.0), (-1e9, 1e-9, 0.0)]
    + [(1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0)],
)
def test_exploration_where_only_one_of_both_counts(mean, sd, share):
    assert exploration(np.array([mean]), np.array([sd]), 0.0) == pytest.approx(share, abs=1e-12)


def test_noisy_expected_improvement_is_the_average_over_noise_free_draws(process):
    """Against brute force: joint draws of f at data and candidate, improvement on each draw's best."""
    gp = process(8, noise=0.3)
    at = gp.X[gp.fitted[:, 0].argmin()] + 0.2 * np.random.default_rng(3).standard_normal((4, 3))
    model = gp.draws(4000, Key(1).generator())
    ours = np.exp(LogExpectedImprovement(model, model.incumbent).value(at))
    mean, covariance = (a[0] for a in gp.joint(np.concatenate([gp.X, at])[None]))
    L = np.linalg.cholesky(covariance[0] + 1e-9 * np.eye(12))
    f = mean + L @ np.random.default_rng(4).standard_normal((12, 200_000))
    brute = np.maximum(f[:8].min(axis=0) - f[8:], 0).mean(axis=1)
    np.testing.assert_allclose(ours, brute, rtol=0.1, atol=2e-3)
    assert brute.max() > 0.02


def test_fantasies_lower_the_value_where_they_are(process):
    gp = process(noise=1e-6)
    at = np.random.default_rng(5).random((1, 3))
    before = LogExpectedImprovement(gp, gp.incumbent).value(at)
    after = LogExpectedImprovement(gp.fantasize(at), gp.incumbent).value(at)
    assert after[0] < before[0] - 3


def test_a_confidence_bound_without_confidence_is_the_mean(process, points):
    gp = process()
    np.testing.assert_allclose(
        LowerConfidenceBound(gp, beta=0.0).value(points), -gp.posterior(points)[0][:, 0], rtol=1e-12
    )
