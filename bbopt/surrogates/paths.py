"""Posterior sample paths: functions drawn from the process, which can be evaluated anywhere.

By Matheron's rule a posterior draw is a prior draw g, moved to where the data are:

    f(x) = m + g(x) + k(x, X) K⁻¹ (y - m - g(X) - e),   e_i ~ N(0, v_i)

Only g is approximate, a sum of random features, and where data determine f it hardly matters. A new point
costs O(n + count), however many points were asked before.

Wilson et al. 2020, "Efficiently sampling functions from Gaussian process posteriors"; 2021, "Pathwise
conditioning of Gaussian processes".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bbopt.errors import UnsupportedError
from bbopt.rng import Key
from bbopt.surrogates.gp import GP
from bbopt.surrogates.kernels.kernel import RandomFeatures
from bbopt.types import FloatArray

COUNT = 1024
"""Random features: the prior's covariances are off by about 1/sqrt(count) of its variance."""

_Pullback: TypeAlias = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Paths:
    """s functions drawn from the posterior of a process; immutable.

    Attributes
    ----------
    gp : GP
    features : kernels.kernel.RandomFeatures
        phi, shared by all paths.
    weights : array (count, s)
        The prior draws are phi weights.
    update : array (n, s)
        K⁻¹ (y - m - g(X) - e).
    """

    gp: GP
    features: RandomFeatures
    weights: FloatArray
    update: FloatArray

    @classmethod
    def draw(cls, gp: GP, s: int, rng: Key, count: int = COUNT) -> "Paths":
        """Draw s paths, the k-th a function of (process, count, rng, k) alone.

        Raises
        ------
        UnsupportedError
            When the kernel has no random features; for anything but one process, such as an ensemble.
        """
        if not isinstance(gp, GP):
            raise UnsupportedError(
                f"Paths.draw: draws from one Gaussian process, got {type(gp).__name__}; of an ensemble give "
                "one of its members, for each path another where hyper-parameters are to be drawn, too"
            )
        features = gp.placed.random_features(count, rng.child("features").generator())
        n = len(gp.X)
        normal = np.empty((count + n, s))
        for k in range(s):
            normal[:, k] = rng.child("path", k).generator().standard_normal(count + n)
        weights = np.sqrt(gp.hyperparameters.scale) * normal[:count]
        phi, _ = features(gp.placed)
        noise = np.sqrt(gp.noise)[:, None] * normal[count:]
        gap = gp.y[:, None] - gp.mean - phi @ weights - noise
        return cls(gp, features, weights, gp.L_inverse.T @ (gp.L_inverse @ gap))

    @property
    def scale(self) -> FloatArray:
        """The process's lengths (d,)."""
        return self.gp.scale

    @property
    def is_smooth(self) -> bool:
        """Whether the process is."""
        return self.gp.is_smooth

    def values(self, X: FloatArray) -> FloatArray:
        """Return the paths (b, s) at points X (b, d), in model units and without noise."""
        return self.values_vjp(X)[0]

    def values_vjp(self, X: FloatArray) -> tuple[FloatArray, _Pullback]:
        """Return the paths (b, s) at X (b, d), and the pullback from derivatives (b, s) to (b, d)."""
        at, to_X = self.gp.covariance.place_points(self.gp.hyperparameters.theta, X)
        k, pull_data = at.cross(self.gp.placed)
        phi, pull_prior = self.features(at)
        scale = self.gp.hyperparameters.scale

        def pull(d_values: FloatArray) -> FloatArray:
            by_data = pull_data(scale * (d_values @ self.update.T))
            return np.asarray(to_X(by_data + pull_prior(d_values @ self.weights.T)))

        return self.gp.mean + scale * (k @ self.update) + phi @ self.weights, pull
