"""Stationary kernels with one length-scale a column: k(x, y) = profile(sum_j (f_j - g_j)² / length_j²)."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from scipy.linalg import blas

from bbopt.errors import SpaceError, UnsupportedError
from bbopt.surrogates.kernels import profiles
from bbopt.surrogates.kernels.algebra import Kernel
from bbopt.surrogates.kernels.features import Features, Selection, checked_columns
from bbopt.surrogates.kernels.kernel import GramPullback, Hyperprior, Pool, Pullback, RandomFeatures
from bbopt.surrogates.kernels.profiles import Profile
from bbopt.types import FloatArray, is_finite

LENGTH_MU, LENGTH_SIGMA = 2.0**0.5, 3.0**0.5
"""log length-scale ~ N(mu + ½ log d, sigma²), as a density of the length-scale itself: typical distances
grow with sqrt(d), and so must length-scales (Hvarfner et al. 2024, arXiv 2402.02229)."""
LENGTH_BOUNDS = (5e-3, 1e3)
LENGTH_STARTS = (0.4, -1.2, 1.2)
"""Log length-scales, before they grow with the dimension; see ``fit.py``."""


class _OfDistance(Kernel):
    """What all kernels that depend on scaled distance alone have in common."""

    __slots__ = ()

    profile: Profile
    columns: tuple[str, ...] | None

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return the priors of the log length-scales, one a column."""
        return length_prior(features.select(self.columns))

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return the length-scales (d,)."""
        return all_lengths(features, features.select(self.columns), np.exp(theta))

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "Scaled":
        """Divide by the length-scales."""
        selection = features.select(self.columns)
        inverse = self.profile.factor**0.5 / np.exp(theta)
        return Scaled(self.profile, selection.of(F) * inverse[selection.column], inverse, selection)


_MATERN = {2.5: profiles.MATERN52, 1.5: profiles.MATERN32, 0.5: profiles.MATERN12}


@dataclass(frozen=True, slots=True)
class Matern(_OfDistance):
    """The Matérn kernel.

    Parameters
    ----------
    nu : {2.5, 1.5, 0.5}
        Smoothness: twice differentiable, once, continuous.
    columns : str or tuple of str, optional
        The parameters that it looks at; default: all.

    Raises
    ------
    SpaceError
        For another nu, and for columns that are no names, or one of them twice.
    """

    nu: float = 2.5
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not is_finite(self.nu) or self.nu not in _MATERN:
            raise SpaceError(f"Matern: nu must be 0.5, 1.5 or 2.5, got {self.nu!r}")
        object.__setattr__(self, "columns", checked_columns("Matern", self.columns))

    @property
    def profile(self) -> Profile:  # type: ignore[override]
        """The form."""
        return _MATERN[self.nu]


@dataclass(frozen=True, slots=True)
class RBF(_OfDistance):
    """The Gaussian (squared exponential) kernel.

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
        object.__setattr__(self, "columns", checked_columns("RBF", self.columns))

    @property
    def profile(self) -> Profile:  # type: ignore[override]
        """The form."""
        return profiles.RBF


@dataclass(frozen=True, slots=True)
class Stationary(_OfDistance):
    """A kernel of your own profile.

    Parameters
    ----------
    profile : Profile
        See :mod:`bbopt.surrogates.kernels.profiles` for how to write one.
    columns : str or tuple of str, optional
        The parameters that it looks at; default: all.

    Raises
    ------
    SpaceError
        For what is no profile, for one whose formula is wrong, and for columns that are no names, or one of
        them twice.
    """

    profile: Profile
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.profile, Profile):
            raise SpaceError(f"Stationary: profile must be a Profile, got {self.profile!r}")
        profiles.check(self.profile)
        object.__setattr__(self, "columns", checked_columns("Stationary", self.columns))


class Scaled:
    """Points in units of length-scales, widened so that one product gives squared distances.

    Parameters
    ----------
    profile : Profile
    Z : array (n, f)
        Scaled features.
    inverse : array (p,)
        What each column was multiplied by.
    selection : Selection
        Where the features come from.
    """

    __slots__ = ("_query", "data", "inverse", "profile", "selection")

    def __init__(
        self,
        profile: Profile,
        Z: FloatArray,
        inverse: FloatArray,
        selection: Selection,
        data: FloatArray | None = None,
    ) -> None:
        self.profile, self.inverse, self.selection = profile, inverse, selection
        self.data = _widened(Z) if data is None else data
        self._query: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.data)

    @property
    def Z(self) -> FloatArray:
        """The scaled features (n, f)."""
        return self.data[:, :-2]

    @property
    def query(self) -> FloatArray:
        """[-2 Z, |z|², 1], the partner of [Z, 1, |z|²]."""
        if self._query is None:
            self._query = np.empty_like(self.data)
            np.multiply(self.Z, -2.0, out=self._query[:, :-2])
            self._query[:, -2] = self.data[:, -1]
            self._query[:, -1] = 1.0
        return self._query

    def join(self, other: "Scaled") -> "Scaled":
        """Return these points and then the others."""
        data = np.concatenate([self.data, other.data])
        return Scaled(self.profile, data, self.inverse, self.selection, data)

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return k (n, n), exactly 1 on the diagonal, and its pullback; see the protocol."""
        u = pool.matrix()
        np.matmul(self.query, self.data.T, out=u)
        k, slope = profiles.evaluate(self.profile.formula, u, pool.matrix(), lower=True)
        k.flat[:: len(k) + 1] = 1.0
        slope.flat[:: len(k) + 1] = 0.0  # a point does not move away from itself

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            # dL/dz_i = -2 sum_j (G t)_ij (z_i - z_j): one symmetric product with [Z, 1] for all columns
            profiles.multiply_lower(G, slope)
            product = blas.dsymm(-2.0, G.T, self.data[:, :-1], side=0, lower=0)
            dZ = self.Z * product[:, -1:] - product[:, :-1]
            return self._to_theta(dZ), self._to_features(dZ)

        return k, pull

    def cross(self, other: "Scaled") -> tuple[FloatArray, Pullback]:
        """Return k (b, n) of these points with others, and its pullback."""
        k, slope = profiles.evaluate(self.profile.formula, self.query @ other.data.T)

        def pull(W: FloatArray) -> FloatArray:
            # the column of ones gives the sum of the weights
            product = (W * slope) @ other.data[:, :-1]
            return self._to_features(product[:, :-1] - product[:, -1:] * self.Z)

        return k, pull

    def diagonal(self) -> tuple[FloatArray, Pullback]:
        """Return ones (b,)."""
        return np.ones(len(self)), lambda w: np.zeros((len(w), self.selection.width))

    def random_features(self, count: int, generator: np.random.Generator) -> RandomFeatures:
        """Return sqrt(2/count) cos(omega z + b), omega from the spectral density (Rahimi & Recht 2007)."""
        freedom = self.profile.freedom
        if freedom is None:
            raise UnsupportedError(
                f"the kernel {self.profile.name} has no random features: its Profile needs freedom="
            )
        omega = generator.standard_normal((self.data.shape[1] - 2, count))
        if freedom != inf:  # in z, whose factor is 2 nu: see profiles.py
            omega /= np.sqrt(generator.chisquare(freedom, count))
        return cosines(omega, generator.uniform(0.0, 2 * np.pi, count))

    def _to_theta(self, dZ: FloatArray) -> FloatArray:
        """dz/dlog length = -z."""
        total = (self.Z * dZ).sum(axis=0)
        return np.asarray(-np.bincount(self.selection.column, total, minlength=len(self.inverse)), np.float64)

    def _to_features(self, dZ: FloatArray) -> FloatArray:
        return self.selection.widen(dZ * self.inverse[self.selection.column])


def cosines(omega: FloatArray, phase: FloatArray) -> RandomFeatures:
    """Return the random features of frequencies omega (f, count) and phases (count,)."""
    height = np.sqrt(2.0 / len(phase))

    def features(placed: Scaled) -> tuple[FloatArray, Any]:
        angle = placed.Z @ omega + phase

        def pull(d_phi: FloatArray) -> FloatArray:
            return placed._to_features((-height * np.sin(angle) * d_phi) @ omega.T)

        return height * np.cos(angle), pull

    return features


def _widened(Z: FloatArray) -> FloatArray:
    """Return [Z, 1, |z|²]."""
    wide = np.empty((len(Z), Z.shape[1] + 2))
    wide[:, :-2] = Z
    wide[:, -2] = 1.0
    np.einsum("np,np->n", Z, Z, out=wide[:, -1])
    return wide


def all_lengths(features: Features, selection: Selection, lengths: FloatArray) -> FloatArray:
    """Return lengths of some columns as those of all, (d,): infinite where a kernel does not look."""
    every = np.full(features.space.d, np.inf)
    every[selection.columns] = lengths
    return every


def length_prior(selection: Selection) -> Hyperprior:
    """Return the priors of log length-scales of some parameters, which grow with how many there are."""
    root = 0.5 * np.log(max(len(selection.columns), 1))
    smooth, rough, noisy = LENGTH_STARTS
    return Hyperprior.of(
        tuple(f"length({name})" for name in selection.names),
        LENGTH_MU + root,
        LENGTH_SIGMA,
        *LENGTH_BOUNDS,
        (smooth + root, rough + root, noisy + root),
        is_density=True,
    )
