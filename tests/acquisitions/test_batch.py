"""Expected improvement of several points together against one point, Monte Carlo and BoTorch."""

import numpy as np
import pytest

from bbopt.acquisitions.batch import LogExpectedImprovementOfBatch, _pull_factors, normal_samples
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.errors import FitError
from bbopt.rng import Key


def sets(gp, t, q):
    """Sets of points around the best one, where improvement is likely."""
    best = gp.X[gp.fitted[:, 0].argmin()]
    return best + 0.2 * np.random.default_rng(3).standard_normal((t, q, 3))


def test_base_samples_are_normal():
    z = normal_samples(1024, 5, Key(0))
    assert z.shape == (1024, 5)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(z.T @ z / 1024, np.eye(5), atol=2e-2)
    np.testing.assert_array_equal(z, normal_samples(1024, 5, Key(0)))
    assert not np.array_equal(z, normal_samples(1024, 5, Key(1)))


def test_a_batch_of_one_is_that_point(model, points):
    best = model.incumbent + 0.3
    ours = LogExpectedImprovementOfBatch(model, best, normal_samples(8192, 1, Key(0))).value(points[:, None])
    expected = LogExpectedImprovement(model, best).value(points)
    likely = expected > -5
    assert likely.sum() >= 2
    np.testing.assert_allclose(ours[likely], expected[likely], atol=5e-3)


@pytest.mark.parametrize("q", [2, 4])
def test_equals_brute_force(process, q):
    gp = process(12, noise=0.1)
    X = sets(gp, 4, q)
    ours = LogExpectedImprovementOfBatch(gp, gp.incumbent, normal_samples(4096, q, Key(0))).value(X)
    mean, covariance = gp.joint(X)
    rng = np.random.default_rng(0)
    for value, m, C in zip(ours, mean[:, :, 0], covariance[:, 0], strict=True):
        f = rng.multivariate_normal(m, C, 200_000)
        improvement = np.maximum(gp.incumbent - f, 0).max(axis=1)
        error = improvement.std() / np.sqrt(200_000)
        assert np.exp(value) == pytest.approx(improvement.mean(), rel=0.01, abs=4 * error)


def test_equals_botorch(process, botorch_model):
    torch = pytest.importorskip("torch")
    from botorch.acquisition.logei import qLogExpectedImprovement
    from botorch.sampling import SobolQMCNormalSampler

    gp = process(25)
    X = sets(gp, 4, 3)
    peer = qLogExpectedImprovement(
        botorch_model(gp),
        best_f=-float(gp.incumbent[0]),
        sampler=SobolQMCNormalSampler(torch.Size([4096]), seed=0),
    )
    tensor = torch.tensor(X).requires_grad_(True)
    expected = peer(tensor)
    expected.sum().backward()
    acquisition = LogExpectedImprovementOfBatch(gp, gp.incumbent, normal_samples(4096, 3, Key(0)))
    value, gradient = acquisition.value_and_grad(X)
    np.testing.assert_allclose(value, expected.detach().numpy(), atol=0.02)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=0.05, atol=0.03 * np.abs(gradient).max())


def test_order_within_a_batch_does_not_matter(process):
    gp = process()
    X = sets(gp, 3, 3)
    acquisition = LogExpectedImprovementOfBatch(gp, gp.incumbent, normal_samples(4096, 3, Key(0)))
    np.testing.assert_allclose(acquisition.value(X), acquisition.value(X[:, [2, 0, 1]]), atol=0.02)


def test_a_member_more_is_worth_more_unless_it_repeats_another(process):
    gp = process(8, noise=0.1)
    X = sets(gp, 3, 2)
    one, two = (
        LogExpectedImprovementOfBatch(gp, gp.incumbent, normal_samples(4096, q, Key(0))) for q in (1, 2)
    )
    first, second, both = one.value(X[:, :1]), one.value(X[:, 1:]), two.value(X)
    assert (both > np.maximum(first, second) - 0.02).all()
    assert (both < np.logaddexp(first, second) + 0.02).all()
    assert (both > np.maximum(first, second) + 0.1).any()
    twice, gradient = two.value_and_grad(np.repeat(X[:, :1], 2, axis=1))
    np.testing.assert_allclose(twice, first, atol=0.02)
    assert np.isfinite(gradient).all()


def test_pending_points_are_part_of_the_model(process):
    """What a fantasy knows, a second member there brings no more."""
    gp = process()
    X = sets(gp, 1, 2)
    acquisition = LogExpectedImprovementOfBatch(
        gp.fantasize(X[0, 1:]), gp.incumbent, normal_samples(1024, 2, Key(0))
    )
    alone = acquisition.value(np.repeat(X[:, :1], 2, axis=1))
    np.testing.assert_allclose(acquisition.value(X), alone, atol=0.05)


def test_hopeless_batches_have_gradients_that_lead_out(process):
    gp = process(noise=1e-4, scale=0.05)
    X = gp.X[gp.fitted[:, 0] > 1][:2][None] + 0.01
    acquisition = LogExpectedImprovementOfBatch(gp, gp.incumbent - 1, normal_samples(64, 2, Key(0)))
    value, gradient = acquisition.value_and_grad(X)
    assert value[0] < -30
    step = 0.01 * gradient / np.abs(gradient).max()
    assert acquisition.value(X + step)[0] > value[0]


def test_a_values_set_does_not_depend_on_the_other_sets(process):
    """Even where one of them needs more jitter."""
    gp = process(noise=1e-8)
    X = sets(gp, 3, 4)
    X[1] = gp.X[0]
    acquisition = LogExpectedImprovementOfBatch(gp, gp.incumbent, normal_samples(64, 4, Key(0)))
    together = acquisition.value(X)
    alone = np.concatenate([acquisition.value(x[None]) for x in X])
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_the_derivative_of_the_factor(differences):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3, 4, 6))
    C, weights = A @ np.swapaxes(A, 1, 2), np.tril(rng.standard_normal((3, 4, 4)))
    ours = _pull_factors(np.linalg.cholesky(C), weights)

    def value(C):
        return (weights * np.linalg.cholesky(0.5 * (C + np.swapaxes(C, 1, 2)))).sum(axis=(1, 2))

    np.testing.assert_allclose(ours, differences(value, C, h=1e-6), rtol=1e-6, atol=1e-8)


def test_what_is_no_covariance_is_refused():
    class Broken:
        def joint(self, X):
            return np.zeros((1, 2, 1)), np.array([[[[1.0, 5.0], [5.0, 1.0]]]])

    acquisition = LogExpectedImprovementOfBatch(Broken(), np.zeros(1), normal_samples(8, 2, Key(0)))
    with pytest.raises(FitError, match="positive definite"):
        acquisition.value(np.zeros((1, 2, 3)))
