"""The covariance function of a process: points -> features -> warping -> kernel, and all the way back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from bbopt.space import Space
from bbopt.surrogates.kernels import Kernel, Matern
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.kernel import Hyperprior
from bbopt.surrogates.kernels.warp import warp, warp_prior
from bbopt.types import FloatArray


@dataclass(frozen=True)
class Covariance:
    """A kernel over a space, with or without learnt warping of its numeric columns.

    theta (p,) holds the kernel's log hyper-parameters, then those of the warping.
    """

    space: Space
    kernel: Kernel = field(default_factory=Matern)
    is_warped: bool = False

    @cached_property
    def features(self) -> Features:
        """The map from encoded points to what the kernel sees."""
        return _features(self.space)

    @cached_property
    def hyperprior(self) -> Hyperprior:
        """What is believed of theta before data."""
        prior = self._kernel_prior
        return Hyperprior.join([prior, warp_prior(self.features)]) if self.is_warped else prior

    @cached_property
    def n_kernel(self) -> int:
        """How many of theta belong to the kernel."""
        return len(self._kernel_prior)

    @cached_property
    def _kernel_prior(self) -> Hyperprior:
        return self.kernel.hyperprior(self.features)

    def lengths(self, theta: FloatArray) -> FloatArray:
        """Return per column a length over which the process changes, at most 1, (d,)."""
        return np.minimum(self.kernel.lengths(self.features, theta[: self.n_kernel]), 1.0)

    def place(
        self, theta: FloatArray, F: FloatArray
    ) -> tuple[Any, Callable[[FloatArray], tuple[FloatArray, FloatArray]]]:
        """Return the points with features F (n, f) as the kernel sees them (``kernels.kernel.Placed``).

        And the map of dL/dF as the kernel gives it to dL/dtheta of the warping (nothing, without) and
        dL/dF before warping.
        """
        n = self.n_kernel
        if not self.is_warped:
            return self.kernel.place(self.features, theta, F), _unwarped
        W, pull = warp(self.features, theta[n:], F)
        return self.kernel.place(self.features, theta[:n], W), pull

    def place_points(
        self, theta: FloatArray, X: FloatArray
    ) -> tuple[Any, Callable[[FloatArray], FloatArray]]:
        """Return encoded points X (n, d) as the kernel sees them, and the map of dL/dF to dL/dX."""
        placed, unwarp = self.place(theta, self.features(X))
        return placed, lambda dF: self.features.pull(unwarp(dF)[1], X)


_features = lru_cache(maxsize=64)(Features)
_NOTHING = np.empty(0)


def _unwarped(dF: FloatArray) -> tuple[FloatArray, FloatArray]:
    return _NOTHING, dF
