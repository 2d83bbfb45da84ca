"""Periodic: k(x, y) = exp(-2 sum_j sin²(pi (x_j - y_j) / p_j) / length_j²), with a period p a column.

That is a Gaussian kernel on circles: with phi = 2 pi x / p, the squared distance of (cos phi, sin phi)
is 4 sin²(pi (x - y) / p).

MacKay 1998, "Introduction to Gaussian processes", section 5.2; Rasmussen and Williams 2006, equation 4.31.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bbopt.errors import SpaceError
from bbopt.surrogates.kernels import profiles
from bbopt.surrogates.kernels.algebra import Kernel
from bbopt.surrogates.kernels.features import Features, Selection, checked_columns
from bbopt.surrogates.kernels.kernel import GramPullback, Hyperprior, Pool, Pullback, RandomFeatures
from bbopt.surrogates.kernels.stationary import Scaled, all_lengths
from bbopt.types import FloatArray, is_finite


@dataclass(frozen=True, slots=True)
class Periodic(Kernel):
    """The periodic kernel; theta holds log length-scales and log periods, one each a column.

    Parameters
    ----------
    columns : str or tuple of str, optional
        Numeric parameters that are always active; default: all of these that there are.
    period : float, optional
        The period of all columns as a share of their ranges, in [1e-6, 10]: 0.25 repeats four times. Default:
        learnt, a period each, from a start at 0.5.

    Raises
    ------
    SpaceError
        For another period, and for columns that are no names, or one of them twice; at the first use, for
        columns that are categorical or conditional, and where the space has no others.
    """

    columns: tuple[str, ...] | None = None
    period: float | None = None

    def __post_init__(self) -> None:
        if self.period is not None and not (is_finite(self.period) and 1e-6 <= self.period <= 10):
            raise SpaceError(
                f"Periodic: period must be a share of the range in [1e-6, 10], got {self.period!r}"
            )
        names = checked_columns("Periodic", self.columns, "give period=, as a share of the range")
        object.__setattr__(self, "columns", names)

    def hyperprior(self, features: Features) -> Hyperprior:
        """Return log length ~ N(0, 1) and, where learnt, log period ~ N(log 0.5, 0.5²)."""
        names = self.selection(features).names
        lengths = Hyperprior.of(tuple(f"length({name})" for name in names), 0.0, 1.0, 1e-2, 1e3)
        periods = Hyperprior.of(tuple(f"period({name})" for name in names), np.log(0.5), 0.5, 0.05, 10.0)
        return lengths if self.period is not None else Hyperprior.join([lengths, periods])

    def lengths(self, features: Features, theta: FloatArray) -> FloatArray:
        """Return a quarter of the period, or less where the kernel is narrower, (d,)."""
        selection = self.selection(features)
        p = len(selection.columns)
        length, period = np.exp(theta[:p]), self._periods(theta, p)
        return all_lengths(features, selection, period * np.minimum(0.25, length / (2 * np.pi)))

    def place(self, features: Features, theta: FloatArray, F: FloatArray) -> "OnCircles":
        """Wind the columns up."""
        selection = self.selection(features)
        p = len(selection.columns)
        speed = 2 * np.pi / self._periods(theta, p)
        angle = selection.of(F) * speed
        inverse = np.exp(-theta[:p])
        circles = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * np.tile(inverse, 2)
        everything = Selection(None, selection.columns, np.tile(selection.column, 2), 2 * p, selection.names)
        scaled = Scaled(profiles.RBF, circles, inverse, everything)
        return OnCircles(scaled, angle, speed, selection, self.period is None)

    def _periods(self, theta: FloatArray, p: int) -> FloatArray:
        return np.exp(theta[p:]) if self.period is None else np.full(p, self.period)

    def selection(self, features: Features) -> Selection:
        """Return the features that it looks at."""
        if self.columns is None and not len(features.plain):
            raise SpaceError("Periodic: the space has no numeric parameter without conditions to look at")
        selection = features.select(self.columns)
        if self.columns is None and len(features.plain) < len(selection.columns):
            return features.select(tuple(selection.names[j] for j in features.plain))
        odd = [n for n, j in zip(selection.names, selection.columns, strict=True) if j not in features.plain]
        if odd:
            raise SpaceError(
                f"Periodic: columns must be numeric parameters without conditions, got {', '.join(odd)}"
            )
        return selection


@dataclass(frozen=True, slots=True)
class OnCircles:
    """Points as cosines and sines of their angles (n, p)."""

    scaled: Scaled
    angle: FloatArray
    speed: FloatArray
    selection: Selection
    learns_period: bool

    def __len__(self) -> int:
        return len(self.angle)

    def join(self, other: "OnCircles") -> "OnCircles":
        """Return these points and then the others."""
        scaled, angle = self.scaled.join(other.scaled), np.concatenate([self.angle, other.angle])
        return OnCircles(scaled, angle, self.speed, self.selection, self.learns_period)

    def gram(self, pool: Pool) -> tuple[FloatArray, GramPullback]:
        """Return k (n, n) and its pullback."""
        k, back = self.scaled.gram(pool)

        def pull(G: FloatArray) -> tuple[FloatArray, FloatArray]:
            d_lengths, d_circles = back(G)
            d_angle = self._to_angle(d_circles)
            d_periods = -(self.angle * d_angle).sum(axis=0) if self.learns_period else []
            return np.concatenate([d_lengths, d_periods]), self._to_features(d_angle)

        return k, pull

    def cross(self, other: "OnCircles") -> tuple[FloatArray, Pullback]:
        """Return k (b, n) and its pullback."""
        k, back = self.scaled.cross(other.scaled)
        return k, lambda W: self._to_features(self._to_angle(back(W)))

    def diagonal(self) -> tuple[FloatArray, Pullback]:
        """Return ones (b,)."""
        return np.ones(len(self)), lambda w: np.zeros((len(w), self.selection.width))

    def random_features(self, count: int, generator: np.random.Generator) -> RandomFeatures:
        """Return the features of the Gaussian kernel on circles."""
        inner = self.scaled.random_features(count, generator)

        def features(placed: OnCircles) -> tuple[FloatArray, Any]:
            phi, back = inner(placed.scaled)
            return phi, lambda d_phi: placed._to_features(placed._to_angle(back(d_phi)))

        return features

    def _to_angle(self, d_circles: FloatArray) -> FloatArray:
        p = self.angle.shape[1]
        return np.asarray(np.cos(self.angle) * d_circles[:, p:] - np.sin(self.angle) * d_circles[:, :p])

    def _to_features(self, d_angle: FloatArray) -> FloatArray:
        return self.selection.widen(d_angle * self.speed)
