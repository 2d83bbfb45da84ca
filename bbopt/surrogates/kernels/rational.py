"""Rational quadratic: k = (1 + r²/(2 a))^(-a), r² the scaled squared distance, a learnt.

A mixture of Gaussian kernels over length-scales; a Gaussian one as a grows. With w = r²/(2 a):
t = -2 dk/d(r²) = (1 + w)^(-a-1), dk/dlog a = a k (w/(1 + w) - log(1 + w)).

Rasmussen and Williams 2006, equation 4.19.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bbopt.surrogates.kernels.algebra import Kernel
from bbopt.surrogates.kernels.features import Features, Selection, checked_columns
from bbopt.surrogates.kernels.kernel import GramPullback, Hyperprior, Pool, RandomFeatures
from bbopt.surrogates.kernels.profiles import Profile
from bbopt.surrogates.kernels.stationary import Scaled, all_lengths, cosines, length_prior
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class RationalQuadratic(Kernel):
    """The rational quadratic kernel; theta holds log length-scales and log a.

    Parameters
    ----------
    columns : str or tuple of str, optional
        The parameters that it looks at; default: all.

    Raises
    ------
    SpaceError
        For columns that are no names, or one of them twice.
    """

    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", checked_columns("RationalQuadratic", self.columns))

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return the priors of log length-scales and of log a ~ N(0, 1)."""
        shape = Hyperprior.of(("shape",), 0.0, 1.0, 0.05, 100.0)
        return Hyperprior.join([length_prior(features.select(self.columns)), shape])

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return the length-scales (d,)."""
        return all_lengths(features, features.select(self.columns), np.exp(theta[:-1]))

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "Mixed":
        """Divide by the length-scales."""
        selection = features.select(self.columns)
        inverse = 1.0 / np.exp(theta[:-1])
        Z = selection.of(F) * inverse[selection.column]
        return Mixed(float(np.exp(theta[-1])), Z, inverse, selection)


@dataclass(frozen=True, slots=True)
class rational_quadratic:  # noqa: N801 (called like the other formulas)
    """The formula for one shape a."""

    shape: float

    def __call__(self, u: Any) -> tuple[Any, Any]:
        """Return k and t."""
        w = 1.0 + u * (0.5 / self.shape)
        k = w ** (-self.shape)
        return k, k / w


class Mixed(Scaled):
    """Scaled points whose covariance has one more hyper-parameter, the shape a."""

    __slots__ = ("shape",)

    def __init__(
        self,
        shape: float,
        Z: FloatArray,
        inverse: FloatArray,
        selection: Selection,
        data: FloatArray | None = None,
    ) -> None:
        super().__init__(
            Profile("rational quadratic", 1.0, rational_quadratic(shape)), Z, inverse, selection, data
        )
        self.shape = shape

    def join(self, other: Scaled) -> "Mixed":
        """Return these points and then the others."""
        data = np.concatenate([self.data, other.data])
        return Mixed(self.shape, data, self.inverse, self.selection, data)

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return k (n, n) and its pullback."""
        k, pull_lengths = Scaled.gram(self, pool)
        a = self.shape
        with np.errstate(all="ignore"):  # junk above the diagonal
            log_w = np.log(k) / -a
            by_shape = a * k * (-np.expm1(-log_w) - log_w)

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            d_shape = 2.0 * np.tril(G * np.tril(by_shape, -1), -1).sum()
            d_theta, dF = pull_lengths(G)
            return np.append(d_theta, d_shape), dF

        return k, pull

    def random_features(self, count: int, generator: np.random.Generator) -> RandomFeatures:
        """Return cosines whose frequencies are normal, with variances from a Gamma(a, 1/a)."""
        omega = generator.standard_normal((self.data.shape[1] - 2, count))
        omega *= np.sqrt(generator.gamma(self.shape, 1.0 / self.shape, count))
        return cosines(omega, generator.uniform(0.0, 2 * np.pi, count))
