"""Expected improvement under noise against its definition, computed the slow way, and its limits."""

import numpy as np
import pytest

from bbopt.acquisitions.improvement import ExpectedImprovement
from bbopt.acquisitions.noisy import LogExpectedImprovementUnderNoise
from bbopt.surrogates.gp import GP


def retold(gp, x, y, noise):
    """The process refitted from nothing with one more outcome, its constant mean kept."""
    X, variances = np.concatenate([gp.X, x]), np.append(gp.noise, noise)
    new = GP.build(gp.covariance, gp.hyperparameters, X, np.append(gp.y, y), variances)
    K_inverse = new.L_inverse.T @ new.L_inverse
    return gp.mean + (K_inverse @ (np.append(gp.y, y) - gp.mean))[None] @ (
        np.linalg.inv(K_inverse) - np.diag(variances)
    )


def expected_lowest(heights, slopes):
    """The mean of the lowest line heights + slopes z, z ~ N(0, 1): by quadrature from kink to kink."""
    i, j = np.triu_indices(len(heights), 1)
    crossings = (heights[i] - heights[j]) / (slopes[j] - slopes[i])
    ends = np.concatenate([[-9.0], np.sort(crossings[np.abs(crossings) < 9]), [9.0]])
    nodes, weights = np.polynomial.legendre.leggauss(30)
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    z = middle[:, None] + half[:, None] * nodes
    lowest = (heights[:, None, None] + slopes[:, None, None] * z).min(axis=0)
    return (half[:, None] * weights * lowest * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)).sum()


@pytest.mark.parametrize("noise", [0.3, 0.01])
def test_is_what_one_more_observation_gains(process, noise):
    """By its definition: an outcome is told, the process conditioned anew, the lowest mean compared."""
    gp = process(12, noise=0.1, scale=3.0)
    many = np.random.default_rng(4).random((300, 3))
    mean, variance = gp.posterior(many)
    points = many[np.argsort(mean[:, 0] - np.sqrt(variance[:, 0]))[:8]]
    gains = []
    for x in points[:, None]:
        mean, variance = (a.item() for a in gp.posterior(x))
        at = [retold(gp, x, mean + np.sqrt(variance + noise) * z, noise)[0] for z in (0.0, 1.0, -3.0)]
        np.testing.assert_allclose(at[0] - 3 * (at[1] - at[0]), at[2], rtol=1e-9, atol=1e-9)  # lines in z
        gains.append(gp.fitted.min() - expected_lowest(at[0], at[1] - at[0]))
    ours = np.exp(LogExpectedImprovementUnderNoise(gp, noise).value(points))
    np.testing.assert_allclose(ours, gains, rtol=1e-8)
    assert min(gains) > 0.05


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14])
def test_becomes_expected_improvement_as_noise_vanishes(process, points, noise):
    gp = process(15, noise)
    ours = np.exp(LogExpectedImprovementUnderNoise(gp).value(points))
    ei = ExpectedImprovement(gp, gp.incumbent).value(points)
    np.testing.assert_allclose(ours, ei, atol=max(30 * noise, 1e-12))
    assert ei.max() > 1e-3


def test_is_never_negative_and_less_under_more_noise(process):
    gp = process(30, noise=0.1)
    at = np.concatenate([np.random.default_rng(0).random((200, 3)), gp.X])
    values = [LogExpectedImprovementUnderNoise(gp, noise).value(at) for noise in (1e-6, 0.1, 10.0)]
    assert np.isfinite(values).all()
    assert (values[0] >= values[1]).all()
    assert (values[1] >= values[2]).all()


def test_a_noisy_point_is_worth_asking_again(process):
    """Unlike a noise-free one."""
    repeats = []
    for noise in (0.5, 1e-8):
        gp = process(10, noise)
        best = gp.X[[gp.fitted[:, 0].argmin()]]
        repeats.append(float(LogExpectedImprovementUnderNoise(gp).value(best)[0]))
    assert repeats[0] > -6
    assert repeats[1] < -20


def test_one_outcome_alone(process):
    gp = process(1)
    value, gradient = LogExpectedImprovementUnderNoise(gp).value_and_grad(
        np.concatenate([gp.X, gp.X + 0.1, gp.X + 1e-7])
    )
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert value[0] < value[1]


def test_values_far_below_the_smallest_number_still_have_gradients(process, differences):
    gp = process(40, noise=1e-10, scale=0.01)
    at = np.clip(gp.X[gp.fitted[:, 0] > 1][:5] + 1e-2, 0, 1)
    acquisition = LogExpectedImprovementUnderNoise(gp)
    value, gradient = acquisition.value_and_grad(at)
    assert value.max() < -1000
    np.testing.assert_allclose(gradient, differences(acquisition.value, at, h=1e-7), rtol=1e-4)
