"""Linear: k(x, y) = sum_j v_j z_j(x) z_j(y), with one variance v a column and z centred coordinates.

    numeric column                    z = x - 0.5, however it is active
    categorical                       z_l = f_l - mean of f, its indicators: effects of levels that sum to 0
    categorical with descriptors      z = f, the scaled descriptors, whose mean is 0

Where a column is inactive its coordinates are 0: it adds nothing. That is Bayesian linear regression on the
coordinates; its slopes have the prior variances v.

Rasmussen and Williams 2006, section 4.2.2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bbopt.arrays import namespace
from bbopt.surrogates.kernels.algebra import Kernel
from bbopt.surrogates.kernels.features import RADIUS, Features, Selection, checked_columns
from bbopt.surrogates.kernels.kernel import GramPullback, Hyperprior, Pool, Pullback, RandomFeatures
from bbopt.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Linear(Kernel):
    """The linear kernel; theta holds the log variances, one a column.

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
        object.__setattr__(self, "columns", checked_columns("Linear", self.columns, "slopes are learnt"))

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return log v ~ N(log(12 / columns), 1): a mean variance of about 1, if all are numeric."""
        selection = features.select(self.columns)
        mu = float(np.log(12.0 / max(len(selection.columns), 1)))
        return Hyperprior.of(tuple(f"slope({name})" for name in selection.names), mu, 1.0, 1e-6, 1e6)

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return infinite lengths (d,): a plane has none."""
        return np.full(features.space.d, np.inf)

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "Centred":
        """Take the coordinates and multiply by sqrt(v)."""
        coordinates = Coordinates.of(features, features.select(self.columns))
        F = coordinates.selection.of(F)
        root = np.exp(0.5 * theta)[coordinates.column]
        return Centred(F, coordinates(F) * root, root, coordinates)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The map from selected features (..., k) to centred coordinates (..., c); for NumPy and torch alike.

    Attributes
    ----------
    selection : Selection
    n_plain : int
        The first features are numeric columns that are always active.
    n_arcs : int
        The pairs after them lie on quarter circles: numeric columns that are active under a condition.
    blocks : tuple of (int, bool)
        Of each categorical after these, how many features it has, and whether they are indicators.
    column : array (c,)
        Which of the selected columns each coordinate comes from.
    """

    selection: Selection
    n_plain: int
    n_arcs: int
    blocks: tuple[tuple[int, bool], ...]
    column: IntArray

    @classmethod
    def of(cls, features: Features, selection: Selection) -> "Coordinates":
        """Read the kinds of the selected columns."""
        columns = selection.columns
        n_plain, n_arcs = (int(np.isin(columns, kind).sum()) for kind in (features.plain, features.arcs))
        widths = np.bincount(selection.column, minlength=len(columns))
        levelled = np.flatnonzero(~np.isin(columns, np.concatenate([features.plain, features.arcs])))
        blocks = tuple((int(widths[j]), bool(columns[j] in features.indicated)) for j in levelled)
        first = n_plain + 2 * n_arcs
        column = np.delete(selection.column, np.arange(n_plain + 1, first, 2))  # one of a pair
        return cls(selection, n_plain, n_arcs, blocks, column)

    def __call__(self, F: Any) -> Any:
        """Return the coordinates."""
        xp = namespace(F)
        cosine, sine = self._pairs(F)
        is_active = (cosine != 0.0) | (sine != 0.0)
        on = RADIUS * xp.arctan2(sine, xp.where(is_active, cosine, 1.0))
        beyond = xp.where(cosine < 0.0, 1.0 - cosine, on)  # the ends of an arc it goes straight on
        x = xp.where(sine < 0.0, sine, beyond)
        blocks = [f - f.mean(axis=-1, keepdims=True) if one_hot else f for f, one_hot in self._split(F)]
        return xp.concatenate([F[..., : self.n_plain] - 0.5, is_active * (x - 0.5), *blocks], axis=-1)

    def pull(self, dZ: FloatArray, F: FloatArray) -> FloatArray:
        """Turn gradients in the coordinates (b, c) into gradients in the features F (b, k)."""
        cosine, sine = self._pairs(F)
        within = np.maximum(np.hypot(cosine, sine), np.finfo(np.float64).tiny)
        by_cosine = -np.where(sine < 0.0, 0.0, np.where(cosine < 0.0, 1.0, sine / within))
        by_sine = np.where(sine < 0.0, 1.0, np.where(cosine < 0.0, 0.0, cosine / within))
        p, a = self.n_plain, self.n_arcs
        tangents = np.stack([by_cosine, by_sine], axis=-1)
        by_arcs = (tangents * dZ[:, p : p + a, None]).reshape(len(F), 2 * a)
        rest = np.split(dZ[:, p + a :], np.cumsum([width for width, _ in self.blocks])[:-1], axis=1)
        blocks = [
            d - d.mean(axis=1, keepdims=True) if one_hot else d
            for d, (_, one_hot) in zip(rest, self.blocks, strict=False)
        ]
        return np.concatenate([dZ[:, :p], by_arcs, *blocks], axis=1)

    def _pairs(self, F: Any) -> tuple[Any, Any]:
        p, a = self.n_plain, self.n_arcs
        return F[..., p : p + 2 * a : 2], F[..., p + 1 : p + 2 * a : 2]

    def _split(self, F: Any) -> list[tuple[Any, bool]]:
        ends = self.n_plain + 2 * self.n_arcs + np.cumsum([0, *(width for width, _ in self.blocks)])
        parts = zip(ends, ends[1:], self.blocks, strict=False)
        return [(F[..., i:j], one_hot) for i, j, (_, one_hot) in parts]


@dataclass(frozen=True, slots=True)
class Centred:
    """Points with selected features F (n, k) as coordinates Z (n, c), multiplied by ``root`` (c,)."""

    F: FloatArray
    Z: FloatArray
    root: FloatArray
    coordinates: Coordinates

    def __len__(self) -> int:
        return len(self.Z)

    def join(self, other: "Centred") -> "Centred":
        """Return these points and then the others."""
        F, Z = np.concatenate([self.F, other.F]), np.concatenate([self.Z, other.Z])
        return Centred(F, Z, self.root, self.coordinates)

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return Z Zᵀ and its pullback."""
        K = pool.matrix()
        np.matmul(self.Z, self.Z.T, out=K)

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            lower = np.tril(G)
            dZ = 2.0 * (lower @ self.Z + np.tril(G, -1).T @ self.Z)
            by_column = np.bincount(self.coordinates.column, (self.Z * dZ).sum(axis=0))
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
        dF = self.coordinates.pull(dZ * self.root, self.F)
        return self.coordinates.selection.widen(dF)
