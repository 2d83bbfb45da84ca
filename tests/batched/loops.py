"""Data sets for the tests of batches."""

import numpy as np

from bbopt.batched import Loop
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import log_posterior
from bbopt.surrogates.kernels import Matern
from bbopt.surrogates.outcomes import learn


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def a_loop(n, seed, d=3, noise=None, spread=0.05):
    """A wavy bowl with some noise, at points half of which lie about the best of the others."""
    rng, space = np.random.default_rng(seed), box(d)
    X = space.sample(n, Key(seed))

    def outcome(X):
        return np.sin((9 + seed % 3) * X[:, 0]) + ((X - 0.4) ** 2).sum(axis=1)

    best = X[outcome(X).argmin()]
    half = n // 2
    X[:half] = np.clip(best + 0.1 * rng.standard_normal((half, d)), 0, 1)
    return Loop(space, X, outcome(X) + spread * rng.standard_normal(n), noise=noise)


def posterior_of(loop, kernel=None):
    z, outcome = learn(loop.y)
    covariance = Covariance(loop.space, kernel or Matern())
    return log_posterior(covariance, loop.X, z, outcome, loop.variance, noise=loop.noise)


def some_theta(posteriors, seed=0):
    """Hyper-parameters around length-scales of 1, one row a data set."""
    p = len(posteriors[0].bounds[0])
    theta = 0.3 * np.random.default_rng(seed).standard_normal((len(posteriors), p))
    theta[:, -1] -= 5.0
    return theta
