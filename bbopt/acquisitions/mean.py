"""The negative posterior mean: its maximum is the point that the model would pick, for recommendations."""

from dataclasses import dataclass

import numpy as np

from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class PosteriorMean:
    """Minus the posterior mean, averaged over the columns of the surrogate."""

    surrogate: Surrogate

    @property
    def scale(self) -> FloatArray:
        """The surrogate's lengths."""
        return self.surrogate.scale

    def value(self, X: FloatArray) -> FloatArray:
        """Return minus the mean (b,), in model units."""
        return np.asarray(-self.surrogate.posterior(X)[0].mean(axis=1))

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return minus the mean (b,) and its gradient (b, d)."""
        mean, variance, pull = self.surrogate.posterior_vjp(X)
        d_mean = np.full_like(mean, -1.0 / mean.shape[1])
        return -mean.mean(axis=1), pull(d_mean, np.zeros_like(variance))
