"""Linear: k(x, y) = sum_j v_j (f_j - c)(g_j - c), with one variance v a column and c the middle, 0.5.

Bayesian linear regression in the features; its slopes have the prior variances v.

Rasmussen and Williams 2006, section 4.2.2.
"""

from dataclasses import dataclass

import numpy as np

from bbopt.surrogates.kernels.algebra import Kernel
from bbopt.surrogates.kernels.features import Features, Selection
from bbopt.surrogates.kernels.kernel import GramPullback, Hyperprior, Pool, Pullback, RandomFeatures
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class Linear(Kernel):
    """The linear kernel; theta holds the log variances, one a column.

    Parameters
    ----------
    columns : tuple of str, optional
        The parameters that it looks at; default: all.
    """

    columns: tuple[str, ...] | None = None

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return log v ~ N(log(12 / columns), 1): a mean variance of about 1 over the unit cube."""
        selection = features.select(self.columns)
        mu = float(np.log(12.0 / max(len(selection.columns), 1)))
        return Hyperprior.of(tuple(f"slope({name})" for name in selection.names), mu, 1.0, 1e-6, 1e6)

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return infinite lengths (d,): a plane has none."""
        return np.full(features.space.d, np.inf)

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "Centred":
        """Centre and multiply by sqrt(v)."""
        selection = features.select(self.columns)
        root = np.exp(0.5 * theta)[selection.column]
        return Centred((selection.of(F) - 0.5) * root, root, selection)


@dataclass(frozen=True, slots=True)
class Centred:
    """Points Z (n, f), centred and multiplied by ``root`` (f,)."""

    Z: FloatArray
    root: FloatArray
    selection: Selection

    def __len__(self) -> int:
        return len(self.Z)

    def join(self, other: "Centred") -> "Centred":
        """Return these points and then the others."""
        return Centred(np.concatenate([self.Z, other.Z]), self.root, self.selection)

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return Z Zᵀ and its pullback."""
        K = pool.matrix()
        np.matmul(self.Z, self.Z.T, out=K)

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            lower = np.tril(G)
            dZ = 2.0 * (lower @ self.Z + np.tril(G, -1).T @ self.Z)
            by_column = np.bincount(self.selection.column, (self.Z * dZ).sum(axis=0))
            return np.asarray(0.5 * by_column, np.float64), self._to_features(dZ)

        return K, pull

    def cross(self, other: "Centred") -> tuple[FloatArray, Pullback]:
        """Return Z Z'ᵀ (b, n) and its pullback."""
        return self.Z @ other.Z.T, lambda W: self._to_features(W @ other.Z)

    def diagonal(self) -> tuple[FloatArray, Pullback]:
        """Return \\|z\\|² (b,) and its pullback."""
        k = np.einsum("nf,nf->n", self.Z, self.Z)
        return k, lambda w: self._to_features(2.0 * w[:, None] * self.Z)

    def random_features(self, count: int, generator: np.random.Generator) -> RandomFeatures:
        """Return z g / sqrt(count) with normal g: E[(z g)(z' g)] = z z'."""
        draws = generator.standard_normal((self.Z.shape[1], count)) / np.sqrt(count)

        def features(placed: Centred) -> tuple[FloatArray, Pullback]:
            return placed.Z @ draws, lambda d_phi: placed._to_features(d_phi @ draws.T)

        return features

    def _to_features(self, dZ: FloatArray) -> FloatArray:
        return self.selection.widen(dZ * self.root)
