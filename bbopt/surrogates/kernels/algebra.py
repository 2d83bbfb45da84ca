"""Sums and products of kernels: ``Matern() + Linear()``, ``RBF(("x",)) * Periodic(("hour",))``.

    sum: k = k_1 + w_2 k_2 + ...,  the weights learnt (the process has an output scale of its own)
    product: k = k_1 k_2 ...

Rasmussen and Williams 2006, section 4.2.4; Duvenaud 2014, chapter 2.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from bbopt.errors import SpaceError
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.kernel import GramPullback, Hyperprior, Placed, Pool, Pullback, RandomFeatures
from bbopt.surrogates.kernels.profiles import multiply_lower, row_blocks
from bbopt.types import FloatArray


class Kernel(ABC):
    """A positive definite function of two points: configuration, frozen; + and * make new ones."""

    __slots__ = ()

    @abstractmethod
    def hyperprior(self, features: Features) -> Hyperprior:
        """Return what is believed of the p log hyper-parameters."""

    @abstractmethod
    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return, per column of the space, a length over which the kernel changes; inf where it does not."""

    @abstractmethod
    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> Any:
        """Return the points with features F (n, f) as :class:`~.kernel.Placed`, for theta (p,)."""

    def __add__(self, other: "Kernel") -> "Sum":
        return Sum((*_parts(self, Sum), *_parts(other, Sum)))

    def __mul__(self, other: "Kernel") -> "Product":
        return Product((*_parts(self, Product), *_parts(other, Product)))

    def __radd__(self, other: object) -> "Kernel":
        if isinstance(other, int) and other == 0:  # where sum([...]) begins
            return self
        return Sum((other, self))  # type: ignore[arg-type]  # says what is wrong with it

    def __rmul__(self, other: object) -> "Product":
        return Product((other, self))  # type: ignore[arg-type]

    def __pow__(self, other: object) -> "Product":
        raise SpaceError(f"{type(self).__name__}: kernels have no powers, got {other!r}; multiply them by *")


def _parts(kernel: Kernel, kind: "type[Sum] | type[Product]") -> tuple[Kernel, ...]:
    return kernel.parts if isinstance(kernel, kind) else (kernel,)


@dataclass(frozen=True, slots=True)
class Sum(Kernel):
    """k = k_1 + w_2 k_2 + ...; theta holds those of the parts, then the log weights from the second on.

    Raises
    ------
    SpaceError
        For parts that are no kernels, or none.
    """

    parts: tuple[Kernel, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _checked(self))

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return the parts' priors; log weights ~ N(0, 1)."""
        names = tuple(f"weight({i + 1})" for i in range(1, len(self.parts)))
        weights = Hyperprior.of(names, 0.0, 1.0, 1e-4, 1e4)
        return Hyperprior.join([*(part.hyperprior(features) for part in self.parts), weights])

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return the shortest length of any part, (d,)."""
        return _shortest(self.parts, features, theta)

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "PlacedSum":
        """Place the points in every part."""
        weights = np.concatenate([[1.0], np.exp(theta[len(theta) - len(self.parts) + 1 :])])
        return PlacedSum(tuple(_place(self.parts, features, theta, F)), weights)


@dataclass(frozen=True, slots=True)
class Product(Kernel):
    """k = k_1 k_2 ...; theta holds those of the parts.

    Raises
    ------
    SpaceError
        For parts that are no kernels, or none.
    """

    parts: tuple[Kernel, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _checked(self))

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return the parts' priors."""
        return Hyperprior.join([part.hyperprior(features) for part in self.parts])

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return the shortest length of any part, (d,)."""
        return _shortest(self.parts, features, theta)

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "PlacedProduct":
        """Place the points in every part."""
        return PlacedProduct(tuple(_place(self.parts, features, theta, F)))


def _checked(kernel: "Sum | Product") -> tuple[Kernel, ...]:
    parts: object = kernel.parts
    if not isinstance(parts, (tuple, list)) or not parts:
        raise SpaceError(f"{type(kernel).__name__}: parts must be kernels, at least one, got {parts!r}")
    for part in parts:
        if not isinstance(part, Kernel):
            remedy = (
                f"make an object, {part.__name__}()"
                if isinstance(part, type)
                else "weights and the output scale are learnt"
            )
            raise SpaceError(
                f"{type(kernel).__name__}: parts must be kernels such as Matern(), got {part!r}; {remedy}"
            )
    return tuple(parts)


def _split(parts: tuple[Kernel, ...], features: Features, theta: FloatArray) -> list[FloatArray]:
    ends = np.cumsum([len(part.hyperprior(features)) for part in parts])
    return np.split(theta[: ends[-1]], ends[:-1])


def _place(parts: tuple[Kernel, ...], features: Features, theta: FloatArray, F: FloatArray) -> list[Placed]:
    thetas = _split(parts, features, theta)
    return [part.place(features, t, F) for part, t in zip(parts, thetas, strict=True)]


def _shortest(parts: tuple[Kernel, ...], features: Features, theta: FloatArray) -> FloatArray:
    thetas = _split(parts, features, theta)
    return np.asarray(np.min([p.lengths(features, t) for p, t in zip(parts, thetas, strict=True)], axis=0))


@dataclass(frozen=True, slots=True)
class PlacedSum:
    """Points as every part of a sum sees them."""

    parts: tuple[Any, ...]
    weights: FloatArray

    def __len__(self) -> int:
        return len(self.parts[0])

    def join(self, other: "PlacedSum") -> "PlacedSum":
        """Return these points and then the others."""
        return PlacedSum(_joined(self.parts, other.parts), self.weights)

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return the sum (n, n) and its pullback."""
        pairs = [part.gram(pool) for part in self.parts]
        K = pool.matrix()
        _fill_lower(K, 0.0)
        for w, (k, _) in zip(self.weights, pairs, strict=True):
            _add_lower(K, k, w)

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            d_weights = [w * _inner(G, k) for w, (k, _) in zip(self.weights[1:], pairs[1:], strict=True)]
            with np.errstate(all="ignore"):  # junk above the diagonal
                shares = [w * G for w in self.weights]
            pulled = [back(share) for share, (_, back) in zip(shares, pairs, strict=True)]
            return np.concatenate([*(d for d, _ in pulled), d_weights]), _total([dF for _, dF in pulled])

        return K, pull

    def cross(self, other: "PlacedSum") -> tuple[FloatArray, Pullback]:
        """Return the sum (b, n) and its pullback."""
        return self._sum([mine.cross(its) for mine, its in zip(self.parts, other.parts, strict=True)])

    def diagonal(self) -> tuple[FloatArray, Pullback]:
        """Return the sum of the variances (b,) and its pullback."""
        return self._sum([part.diagonal() for part in self.parts])

    def random_features(self, count: int, generator: np.random.Generator) -> RandomFeatures:
        """Return the parts' features side by side."""
        share = np.diff(np.linspace(0, count, len(self.parts) + 1).astype(int))
        maps = [part.random_features(int(m), generator) for part, m in zip(self.parts, share, strict=True)]
        heights, ends = np.sqrt(self.weights), np.cumsum(share)[:-1]

        def features(placed: PlacedSum) -> tuple[FloatArray, Pullback]:
            pairs = [phi(part) for phi, part in zip(maps, placed.parts, strict=True)]

            def pull(d_phi: FloatArray) -> FloatArray:
                pieces = zip(np.split(d_phi, ends, axis=1), heights, pairs, strict=True)
                return _total([back(h * piece) for piece, h, (_, back) in pieces])

            return np.concatenate([h * phi for h, (phi, _) in zip(heights, pairs, strict=True)], axis=1), pull

        return features

    def _sum(self, pairs: list[tuple[FloatArray, Pullback]]) -> tuple[FloatArray, Pullback]:
        def pull(W: FloatArray) -> FloatArray:
            return _total([back(w * W) for w, (_, back) in zip(self.weights, pairs, strict=True)])

        return _total([w * k for w, (k, _) in zip(self.weights, pairs, strict=True)]), pull


@dataclass(frozen=True, slots=True)
class PlacedProduct:
    """Points as every part of a product sees them."""

    parts: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def join(self, other: "PlacedProduct") -> "PlacedProduct":
        """Return these points and then the others."""
        return PlacedProduct(_joined(self.parts, other.parts))

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return the product (n, n) and its pullback."""
        pairs = [part.gram(pool) for part in self.parts]
        K = pool.matrix()
        _fill_lower(K, 1.0)
        for k, _ in pairs:
            multiply_lower(K, k)

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            pulled = []
            for i, (_, back) in enumerate(pairs):
                others = G.copy()
                for j, (k, _) in enumerate(pairs):
                    if j != i:
                        multiply_lower(others, k)
                pulled.append(back(others))
            return np.concatenate([d for d, _ in pulled]), _total([dF for _, dF in pulled])

        return K, pull

    def cross(self, other: "PlacedProduct") -> tuple[FloatArray, Pullback]:
        """Return the product (b, n) and its pullback."""
        return _product([mine.cross(its) for mine, its in zip(self.parts, other.parts, strict=True)])

    def diagonal(self) -> tuple[FloatArray, Pullback]:
        """Return the product of the variances (b,) and its pullback."""
        return _product([part.diagonal() for part in self.parts])

    def random_features(self, count: int, generator: np.random.Generator) -> RandomFeatures:
        """Return products of the parts' features: independent draws, so expectations multiply."""
        maps = [part.random_features(count, generator) for part in self.parts]
        height = float(count) ** (0.5 * (len(maps) - 1))  # each part has divided by sqrt(count)

        def features(placed: PlacedProduct) -> tuple[FloatArray, Pullback]:
            phi, pull = _product([m(part) for m, part in zip(maps, placed.parts, strict=True)])
            return height * phi, lambda d_phi: pull(height * d_phi)

        return features


def _product(pairs: list[tuple[FloatArray, Pullback]]) -> tuple[FloatArray, Pullback]:
    values = [k for k, _ in pairs]

    def pull(W: FloatArray) -> FloatArray:
        return _total(
            [back(reduce(np.multiply, values[:i] + values[i + 1 :], W)) for i, (_, back) in enumerate(pairs)]
        )

    return reduce(np.multiply, values), pull


def _joined(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(mine.join(its) for mine, its in zip(left, right, strict=True))


def _total(arrays: list[FloatArray]) -> FloatArray:
    return reduce(np.add, arrays)


def _inner(G: FloatArray, k: FloatArray) -> float:
    """Return sum_ij G_ij k_ij of symmetric matrices from their lower triangles."""
    product = G.copy()
    multiply_lower(product, k)
    lower = np.tril(product)
    return float(2.0 * lower.sum() - lower.trace())


def _fill_lower(K: FloatArray, value: float) -> None:
    for rows in row_blocks(K, lower=True):
        K[rows] = value


def _add_lower(K: FloatArray, k: FloatArray, weight: float) -> None:
    with np.errstate(all="ignore"):  # junk above the diagonal
        for rows in row_blocks(K, lower=True):
            K[rows] += weight * k[rows]
