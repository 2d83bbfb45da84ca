"""Stationary kernels as functions of one number, the squared distance; the same for NumPy and torch.

A profile gives k(u) and its steepness t(u) = -2 dk/du, where u is ``factor`` times the squared scaled
distance. With points scaled by sqrt(factor) / length, dk/dz = -t (z - z'), which has no singularity
where dk/dr would have one.

Rasmussen and Williams 2006, section 4.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from bbopt.arrays import namespace
from bbopt.errors import SpaceError
from bbopt.types import FloatArray

_FEW = 10_000
"""Up to so many elements a whole square is faster than the blocks of its triangle."""
_BLOCK = 16384
"""Elements worked on at once: the few arrays of this size that a profile takes fit into a core's cache."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A stationary kernel in one variable.

    Attributes
    ----------
    name : str
    factor : float
        What squared distances, in length-scales, are multiplied by before they become u.
    formula : callable
        From u >= 0, of any shape, to new arrays k(u) and t(u) = -2 dk/du. A new kernel is a new formula.
    freedom : float or None
        The spectral density is Student's t with so many degrees of freedom (2 nu of a Matérn kernel;
        inf: normal), in coordinates scaled by ``factor``; None: unknown, so that no random features and
        sample paths can be drawn.
    """

    name: str
    factor: float
    formula: Callable[[Any], tuple[Any, Any]]
    freedom: float | None = None


_PROBES = np.array([[0.0, 0.013, 0.31], [0.87, 2.3, 7.1]])


def check(profile: Profile) -> None:
    """Refuse a profile whose formula is none, before a fit comes to grief over it.

    Raises
    ------
    SpaceError
        Where ``formula`` fails, returns something else than two finite arrays of the shape of u, k(0) is
        not 1, or t is not -2 dk/du, as differences of k have it.
    """

    def wrong(what: str) -> SpaceError:
        return SpaceError(
            f"Profile {profile.name}: formula must return (k, t), t = -2 dk/du, two new arrays of the shape "
            f"of u; {what}"
        )

    def values(u: FloatArray) -> list[FloatArray]:
        try:
            with np.errstate(all="ignore"):
                found = profile.formula(u.copy())
        except Exception as error:
            raise wrong(f"on an array of shape {u.shape} it raised {error!r}") from error
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise wrong(f"it returned {type(found).__name__}, no pair")
        pair = [np.asarray(part) for part in found]
        if any(part.shape != u.shape or part.dtype.kind not in "fiu" for part in pair):
            raise wrong(f"for shape {u.shape} its shapes are {pair[0].shape} and {pair[1].shape}")
        if not all(np.isfinite(part).all() for part in pair):
            raise wrong(f"some of its values at u = {u.ravel().tolist()} are not finite")
        return pair

    k, t = values(_PROBES)
    if abs(k[0, 0] - 1.0) > 1e-6:
        raise wrong(f"k(0) must be 1, got {k[0, 0]:.6g}")
    u, t = _PROBES.ravel()[1:], t.ravel()[1:]
    step = 1e-5 * u
    slope = (values(u - step)[0] - values(u + step)[0]) / step
    if (off := np.abs(t - slope) > 1e-4 * np.abs(slope) + 1e-6).any():
        j = int(off.argmax())
        raise wrong(f"at u = {u[j]:g} its t is {t[j]:.6g}, and differences of k say {slope[j]:.6g}")


def matern52(u: Any) -> tuple[Any, Any]:
    """Matérn-5/2: k = (1 + r + r²/3) exp(-r), r = sqrt(u), u = 5 d²; t = (1 + r) exp(-r) / 3."""
    xp = namespace(u)
    r = xp.sqrt(u)
    decay = xp.exp(-r)
    r += 1.0
    r *= decay
    decay *= u
    decay *= 1 / 3
    decay += r
    r *= 1 / 3
    return decay, r


def matern32(u: Any) -> tuple[Any, Any]:
    """Matérn-3/2: k = (1 + r) exp(-r), r = sqrt(u), u = 3 d²; t = exp(-r)."""
    xp = namespace(u)
    r = xp.sqrt(u)
    decay = xp.exp(-r)
    r += 1.0
    r *= decay
    return r, decay


def matern12(u: Any) -> tuple[Any, Any]:
    """Matérn-1/2, the exponential kernel: k = exp(-r), r = sqrt(u), u = d²; t = exp(-r) / r.

    It has a kink at 0, where t is cut at 1e8: what it is multiplied by vanishes there.
    """
    xp = namespace(u)
    r = xp.sqrt(u)
    decay = xp.exp(-r)
    return decay, decay / xp.clip(r, 1e-8, None)


def rbf(u: Any) -> tuple[Any, Any]:
    """Gaussian: k = exp(-u/2), u = d²; t = k."""
    k = namespace(u).exp(u * -0.5)
    return k, k + 0.0


MATERN52 = Profile("Matérn-5/2", 5.0, matern52, 5.0)
MATERN32 = Profile("Matérn-3/2", 3.0, matern32, 3.0)
MATERN12 = Profile("Matérn-1/2", 1.0, matern12, 1.0)
RBF = Profile("RBF", 1.0, rbf, inf)


def evaluate(
    formula: Callable[[Any], tuple[Any, Any]],
    u: FloatArray,
    slope: FloatArray | None = None,
    *,
    lower: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Return the kernel and t of squared distances u (a, b), which are overwritten.

    The work is done in blocks of rows that stay in the cache; small negative u, from rounding, count
    as 0. With ``lower``, for square matrices, only the lower triangle is computed; junk is left elsewhere.

    Parameters
    ----------
    formula : callable
        As in :class:`Profile`.
    u : array (a, b)
    slope : array (a, b), optional
        Where t may be put.
    lower : bool
    """
    if u.size <= (_FEW if lower else _BLOCK):
        np.maximum(u, 0.0, out=u)
        return formula(u)
    slope = np.empty_like(u) if slope is None else slope
    for rows in row_blocks(u, lower):
        block = u[rows]
        np.maximum(block, 0.0, out=block)
        block[...], slope[rows] = formula(block)
    return u, slope


def multiply_lower(left: FloatArray, right: FloatArray) -> None:
    """Multiply the lower triangle of a square matrix by another's, elementwise and in place."""
    with np.errstate(all="ignore"):  # junk above the diagonal
        for rows in row_blocks(left, lower=True):
            block = left[rows]
            block *= right[rows]


def row_blocks(matrix: FloatArray, lower: bool) -> list[tuple[slice, slice]]:
    """Return the blocks of rows that together hold the matrix, or (a little more than) its lower triangle."""
    n, columns = matrix.shape
    most = max(16, _BLOCK // max(columns, 1))
    height = min(most, max(24, columns // 3)) if lower else most  # in a triangle: skip most of the rest
    tops = range(0, n, height)
    return [(slice(top, top + height), slice(0, top + height if lower else columns)) for top in tops]
