"""Sample paths against the exact joint posterior, and the random features of every kernel against k."""

import numpy as np
import pytest

from bbopt.acquisitions.thompson import Thompson
from bbopt.errors import UnsupportedError
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import RBF, Linear, Matern, Periodic, Profile, RationalQuadratic, Stationary
from bbopt.surrogates.kernels.profiles import rbf
from bbopt.surrogates.paths import Paths

SPACE = Space([Real("x", 0, 1), Real("y", 0, 1)])
KERNELS = {
    "matern12": Matern(0.5),
    "matern32": Matern(1.5),
    "matern52": Matern(),
    "rbf": RBF(),
    "rational quadratic": RationalQuadratic(),
    "periodic": Periodic(),
    "linear": Linear(),
    "sum": Matern() + Linear(),
    "product": RBF(("x",)) * Periodic(("y",)),
    "sum of products": RBF() * Linear() + Matern(1.5),
}
AT = np.random.default_rng(1).random((5, 2))


def process(kernel, space=SPACE, n=8, is_warped=False):
    covariance = Covariance(space, kernel, is_warped)
    prior = covariance.hyperprior
    theta = np.clip(prior.mu, -1.0, 1.0) - 0.2 + 0.1 * np.arange(len(prior))
    X = space.project(np.random.default_rng(0).random((n, space.d)))
    y = np.sin(4 * X[:, 0]) + X[:, 1]
    return GP.build(covariance, Hyperparameters(theta, 1.5, 0.01), X, y, np.full(n, 0.01))


def deviation(samples, expected):
    """The largest distance of the mean of independent samples from what it should be, in standard errors."""
    error = samples.std(axis=0) / np.sqrt(len(samples))
    return np.abs((samples.mean(axis=0) - expected) / np.maximum(error, 1e-9)).max()


@pytest.mark.parametrize("name", KERNELS)
def test_random_features_have_the_kernel_as_their_expectation(name):
    gp = process(KERNELS[name])
    placed, _ = gp.covariance.place_points(gp.hyperparameters.theta, AT)
    k, _ = placed.cross(placed)
    products = []
    for i in range(100):
        phi, _ = placed.random_features(256, Key(i).generator())(placed)
        assert phi.shape == (5, 256)
        products.append(phi @ phi.T)
    assert deviation(np.array(products), k) < 4
    assert np.abs(np.mean(products, axis=0) - k).max() < 0.05 * k.max()


@pytest.mark.parametrize("name", KERNELS)
def test_paths_have_the_joint_posterior_as_their_distribution(name):
    gp = process(KERNELS[name])
    mean, covariance = (a[0] for a in gp.joint(AT[None]))
    draws = [Paths.draw(gp, 32, Key(i), count=256).values(AT) for i in range(100)]
    centred = np.array(draws) - mean
    assert deviation(centred.transpose(0, 2, 1).reshape(-1, 5), 0.0) < 4
    products = centred @ centred.transpose(0, 2, 1) / 32
    assert deviation(products, covariance[0]) < 4


def test_paths_pass_near_the_data_as_the_posterior_does():
    gp = process(Matern(), n=20)
    values = Paths.draw(gp, 200, Key(0)).values(gp.X)
    _, variance = gp.posterior(gp.X)
    np.testing.assert_allclose(values.mean(axis=1), gp.fitted[:, 0], atol=0.05)
    np.testing.assert_allclose(values.std(axis=1), np.sqrt(variance[:, 0]), rtol=0.3)


@pytest.mark.parametrize("name", KERNELS)
def test_gradients(name):
    paths = Paths.draw(process(KERNELS[name]), 3, Key(0), count=64)
    h = 1e-7 if name == "matern12" else 1e-5  # frequencies of a Cauchy distribution
    weights = np.random.default_rng(2).standard_normal((5, 3))
    _, pull = paths.values_vjp(AT)
    for j, step in enumerate(h * np.eye(2)):
        difference = ((paths.values(AT + step) - paths.values(AT - step)) * weights).sum(axis=1) / (2 * h)
        np.testing.assert_allclose(pull(weights)[:, j], difference, rtol=1e-6, atol=1e-6)


def test_paths_on_levels_and_through_a_warping():
    space = Space([Real("x", 0, 1), Categorical("kind", ["a", "b", "c"])])
    gp = process(Matern(), space, is_warped=True)
    at = space.project(AT)
    values, pull = Paths.draw(gp, 400, Key(0)).values_vjp(at)
    mean, variance = gp.posterior(at)
    np.testing.assert_allclose(values.mean(axis=1), mean[:, 0], atol=0.2)
    np.testing.assert_allclose(values.std(axis=1), np.sqrt(variance[:, 0]), rtol=0.2)
    assert (pull(np.ones_like(values))[:, 1] == 0).all()


def test_a_path_is_a_function_of_its_key_and_number():
    gp = process(Matern())
    three, two = (Paths.draw(gp, s, Key(0)).values(AT) for s in (3, 2))
    np.testing.assert_allclose(three[:, :2], two, rtol=1e-9)
    assert not np.allclose(three[:, 0], three[:, 1])
    assert not np.allclose(three, Paths.draw(gp, 3, Key(1)).values(AT))


def test_thompson_is_minus_one_path():
    paths = Paths.draw(process(Matern()), 3, Key(0))
    acquisition = Thompson(paths, 2)
    value, gradient = acquisition.value_and_grad(AT)
    np.testing.assert_allclose(value, -paths.values(AT)[:, 2])
    np.testing.assert_allclose(value, acquisition.value(AT), rtol=1e-12)
    h = 1e-5
    for j, step in enumerate(h * np.eye(2)):
        difference = (acquisition.value(AT + step) - acquisition.value(AT - step)) / (2 * h)
        np.testing.assert_allclose(gradient[:, j], difference, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(acquisition.scale, paths.gp.scale)
    assert acquisition.is_smooth


def test_paths_of_an_ensemble_are_those_of_a_member():
    with pytest.raises(UnsupportedError, match="one Gaussian process, got Ensemble; of an ensemble give"):
        Paths.draw(Ensemble((process(RBF()), process(RBF()))), 1, Key(0))


def test_a_kernel_without_a_known_spectrum_says_so():
    gp = process(Stationary(Profile("mine", 1.0, rbf)))
    with pytest.raises(UnsupportedError, match="freedom"):
        Paths.draw(gp, 1, Key(0))
