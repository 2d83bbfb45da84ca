"""What kernels are made of: hyper-parameters, and covariances with their gradients.

A kernel (``algebra.py``) is configuration: its form, and the parameters of the space that it looks at.
Given logarithms of hyper-parameters (theta) and features (``features.py``) it *places* points, that is,
prepares them once for all products that follow. Covariances come with pullbacks, which turn derivatives
with respect to the covariances into derivatives with respect to theta and features; so kernels add,
multiply and sit behind a warping without knowing of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

from bbopt.types import FloatArray

GramPullback: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""From dL/dK (n, n), symmetric, lower triangle valid, which may be overwritten, to dL/dtheta (p,) and
dL/dF (n, f)."""
Pullback: TypeAlias = Callable[[FloatArray], FloatArray]
"""From dL/dk, of the shape of k, to dL/dF (b, f)."""


@dataclass(frozen=True, slots=True)
class Hyperprior:
    """What is believed of log hyper-parameters before data, and where a search for them may go; (p,) each.

    Attributes
    ----------
    names : tuple of str
    mu, sigma : array
        theta ~ N(mu, sigma²).
    is_density : array
        1 where the normal is the density of exp(theta), 0 where it is that of theta.
    lower, upper : array
    starts : array (3, p)
        Where cold searches begin: smooth, rough, and in between but noisy (see ``fit.py``).
    """

    names: tuple[str, ...]
    mu: FloatArray
    sigma: FloatArray
    is_density: FloatArray
    lower: FloatArray
    upper: FloatArray
    starts: FloatArray

    @classmethod
    def of(
        cls,
        names: "tuple[str, ...]",
        mu: float,
        sigma: float,
        lower: float,
        upper: float,
        starts: "tuple[float, float, float] | None" = None,
        *,
        is_density: bool = False,
    ) -> "Hyperprior":
        """Say the same of all named quantities; ``lower`` and ``upper`` are not yet logarithms."""
        p = len(names)
        first = np.full((3, p), mu) if starts is None else np.repeat(np.array(starts)[:, None], p, axis=1)
        return cls(
            names,
            np.full(p, mu),
            np.full(p, sigma),
            np.full(p, float(is_density)),
            np.full(p, np.log(lower)),
            np.full(p, np.log(upper)),
            first,
        )

    @classmethod
    def join(cls, parts: "list[Hyperprior]") -> "Hyperprior":
        """Return the priors of several kernels' hyper-parameters, one after the other."""
        names = tuple(name for part in parts for name in part.names)
        arrays = [entry.name for entry in fields(cls) if entry.name != "names"]
        return cls(names, *(np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in arrays))

    def __len__(self) -> int:
        return len(self.names)

    def log_density(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the log density at theta (p,), without constants, and its gradient."""
        z = (theta - self.mu) / self.sigma
        return -0.5 * float(z @ z) - float(self.is_density @ theta), -z / self.sigma - self.is_density


class Placed(Protocol):
    """Points as a kernel with known hyper-parameters sees them."""

    def __len__(self) -> int: ...

    def join(self, other: Self) -> Self:
        """Return these points and then the others."""
        ...

    def gram(self, pool: "Pool") -> tuple[FloatArray, GramPullback]:
        """Return the covariance of the points with themselves, (n, n), and its pullback.

        Only the lower triangle is valid. Arrays may come from the pool.
        """
        ...

    def cross(self, other: Self) -> tuple[FloatArray, Pullback]:
        """Return the covariance (b, n) of these b points with n others, and its pullback to these points."""
        ...

    def diagonal(self) -> tuple[FloatArray, Pullback]:
        """Return the variance (b,) of each point, and its pullback."""
        ...

    def random_features(self, count: int, generator: np.random.Generator) -> "RandomFeatures":
        """Return a map to features phi (b, count) with E[phi(x) phi(y)ᵀ] = k(x, y); same draws, same map."""
        ...


RandomFeatures: TypeAlias = Callable[[Any], tuple[FloatArray, Callable[[FloatArray], FloatArray]]]
"""From placed points to phi (b, count) and the pullback of dL/dphi to dL/dF (b, f)."""


class Pool:
    """Square matrices that are used again at every evaluation of a likelihood."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._matrices: list[FloatArray] = []
        self._used = 0

    def rewind(self) -> "Pool":
        """Make all matrices free again."""
        self._used = 0
        return self

    def matrix(self) -> FloatArray:
        """Return a matrix (n, n) of anything."""
        if self._used == len(self._matrices):
            self._matrices.append(np.empty((self.n, self.n)))
        self._used += 1
        return self._matrices[self._used - 1]
