"""Sampling where hardly any uniform draw is good: a cloud of good points found once, and walks from it.

Everything happens among uniform draws, before they become points: what is good there with equal density
is what rejection would have let through, levels, conditions and held columns included.

Source: hit-and-run (Smith, Operations Research 32, 1984) that shrinks towards where it stands (Neal,
Annals of Statistics 31, 2003, section 4), along differences of a cloud (ter Braak, Statistics and
Computing 16, 2006), which have the shape of the set however flat it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bbopt.rng import Key
from bbopt.types import BoolArray, FloatArray, IntArray

Draw = Callable[[FloatArray], tuple[FloatArray, BoolArray]]
"""Takes uniform U of shape (b, d); returns points of the same shape and which of them are good."""

Excess = Callable[[FloatArray], FloatArray]
"""Takes U of shape (b, d); returns by how much each rule is broken, shape (b, m): above 0 where it is."""

_SCOUTED = 2**17  # draws before the search goes on by descent
_BLOCK = 2**12
_ENOUGH = 32  # good draws at which scouting stops
_FEW = 16  # with fewer good draws than this, descent looks for others
_NEWTON = 20
_GENERATIONS = 500
_OVERSHOOT = 1.01  # a little beyond the edge, so that `<` comes to hold, too
_DIFFERENCE = 1e-6
_STEEP = 1e100  # slopes above, and those that are no numbers, count as none

_MEMBERS = 256
_SWEEPS = 8
_STEPS = 16  # of each sweep, and of the walk to one row
_TRIES = 14  # of one step
_WIDTH = 4 + _TRIES  # uniforms for one step
_REACH = 2.0  # length of the interval that a step shrinks, in differences of the cloud
_ROWS = 1024  # rows that walk together


@dataclass(frozen=True, eq=False)
class Cloud:
    """What is known of the good draws.

    Attributes
    ----------
    U : ndarray, shape (N, d)
        Good draws, spread over all that are good where those are rare; none if none was found.
    n_draws : int
        How many draws were made before they were searched for in other ways.
    is_thin : bool
        Whether too few draws are good for rejection.
    """

    U: FloatArray
    n_draws: int
    is_thin: bool


def find_cloud(draw: Draw, excess: Excess, d: int, rare: int) -> Cloud:
    """Look for good draws; the same ones for everybody, since they depend on nothing but the set.

    Parameters
    ----------
    draw, excess : callable
    d : int
    rare : int
        The set is thin when fewer than one draw in so many is good.
    """
    key = Key(0).child("cloud")
    U, n_draws = _scout(draw, d, key.child("scout"))
    if len(U) * rare >= n_draws:
        return Cloud(U, n_draws, False)
    if len(U) < _FEW and d:
        U = np.concatenate([U, _descend(draw, excess, d, key)])
    return Cloud(_spread(draw, U, key) if len(U) else U, n_draws, True)


def walk_rows(draw: Draw, cloud: Cloud, rows: IntArray, rng: Key) -> FloatArray:
    """Return good points, shape (n, d): row k ends a walk that depends on (rng, rows[k]) alone.

    Parameters
    ----------
    draw : callable
        As :func:`find_cloud` got it.
    cloud : Cloud
        With at least one good draw.
    rows : ndarray of int, shape (n,)
        Numbers of the rows, ascending.
    rng : Key
    """
    parts = []
    for some in np.split(rows, range(_ROWS, len(rows), _ROWS)):
        T = _table(rng.child("walk"), some, 1 + _STEPS * _WIDTH)
        U = _walk(draw, cloud.U[_choice(T[:, 0], len(cloud.U))], cloud.U, T[:, 1:])
        parts.append(draw(U)[0])
    return np.concatenate(parts)


def _table(key: Key, rows: IntArray, width: int) -> FloatArray:
    """Return some rows of an endless uniform table, (n, width)."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return np.concatenate([key.uniform_rows(int(run[0]), len(run), width) for run in runs])


def _choice(u: FloatArray, n: int) -> IntArray:
    return (u * n).astype(np.int64)


# --- the first good draws --------------------------------------------------------------------------


def _scout(draw: Draw, d: int, key: Key) -> tuple[FloatArray, int]:
    """Return good ones of many uniform draws, and how many were looked at."""
    found: list[FloatArray] = []
    n_draws = 0
    while n_draws < _SCOUTED and sum(map(len, found)) < _ENOUGH:
        U = key.uniform_rows(n_draws, _BLOCK, d)
        found.append(U[draw(U)[1]])
        n_draws += _BLOCK
    return np.concatenate(found), n_draws


def _descend(draw: Draw, excess: Excess, d: int, key: Key) -> FloatArray:
    """Return good draws at which starts from everywhere arrive, (<= 64, d).

    Newton's steps settle what is smooth, however narrow; differential evolution (Storn & Price 1997),
    which never takes a worse point, goes on where levels or functions decide.
    """
    n = min(max(4096 // d, 8), 64)
    U = key.child("start").uniform_rows(0, n, d)
    E = excess(U)
    size = np.median(np.where(np.isfinite(E), np.abs(E), 0.0), axis=0)
    size[size == 0] = 1.0

    def scaled(U: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            E: FloatArray = excess(U) / size
        return E

    U = _newton(scaled, U)
    broken, is_good = _broken(scaled(U)), draw(U)[1]
    for generation in range(_GENERATIONS):
        if is_good.sum() >= min(n, _FEW):
            break
        T = key.child("generation", generation).uniform_rows(0, n, 4 + d)
        scale = 10 ** (-3 * T[:, 2:3])
        moves = T[:, 4:] < np.where(T[:, 3:4] < 0.5, 1 / d, 0.5)  # about one column, or half of them
        D = np.where(moves, scale * (U[_choice(T[:, 0], n)] - U[_choice(T[:, 1], n)]), 0.0)
        V = np.clip(U + D, 0.0, 1.0)
        after = _broken(scaled(V))
        better = (after <= broken) & ~is_good
        U[better], broken[better] = V[better], after[better]
        settled = np.flatnonzero(better & (broken == 0))
        is_good[settled] = draw(U[settled])[1]
    return U[is_good]


def _broken(E: FloatArray) -> FloatArray:
    """Return how much is broken in all, at most 1 of each rule, (b,)."""
    total: FloatArray = (1 - 1 / (1 + np.maximum(E, 0.0))).sum(axis=1)
    return total


def _newton(excess: Excess, U: FloatArray) -> FloatArray:
    """Return U after steps to where the rules that are broken would hold if they were linear."""
    d = U.shape[1]
    for _ in range(_NEWTON):
        E = excess(U)
        is_broken = (E > 0) & np.isfinite(E)
        todo = np.flatnonzero(is_broken.any(axis=1))
        if not todo.size:
            break
        E, is_broken, at = E[todo], is_broken[todo], U[todo]
        h = np.where(at < 0.5, _DIFFERENCE, -_DIFFERENCE)
        moved = at[:, None, :] + h[:, :, None] * np.eye(d)
        with np.errstate(over="ignore", invalid="ignore"):  # inf - inf
            slope = (excess(moved.reshape(-1, d)).reshape(len(todo), d, -1) - E[:, None, :]) / h[:, :, None]
        slope = np.where(is_broken[:, None, :] & (np.abs(slope) < _STEEP), slope, 0.0)
        wanted = np.where(is_broken, E, 0.0)[:, :, None]
        for _ in range(2):  # again without the columns that would leave the cube
            step = (np.linalg.pinv(slope.transpose(0, 2, 1), rcond=1e-8) @ wanted)[:, :, 0]
            slope[((at <= 0) & (step > 0)) | ((at >= 1) & (step < 0))] = 0.0
        U[todo] = np.clip(at - _OVERSHOOT * step, 0.0, 1.0)
    return U


# --- walks -------------------------------------------------------------------------------------------


def _spread(draw: Draw, U: FloatArray, key: Key) -> FloatArray:
    """Return a cloud over all that is good, grown from a few good draws, (N, d).

    The cloud walks along its own differences, so that it takes the shape of a thin set by itself.
    """
    U = U[np.arange(max(_MEMBERS, len(U))) % len(U)]
    for sweep in range(_SWEEPS):
        U = _walk(draw, U, U, key.child("sweep", sweep).uniform_rows(0, len(U), _STEPS * _WIDTH))
    return U


def _walk(draw: Draw, U: FloatArray, cloud: FloatArray, T: FloatArray) -> FloatArray:
    """Return where good draws U come to on their walks among good draws, (n, d).

    A step draws from an interval on a line through where it stands, cut down on the side of each draw
    that was not good. The lines are in turn differences of two members of the cloud, those in one
    column alone, and one column from end to end.
    """
    U, d = U.copy(), U.shape[1]
    for s in range(T.shape[1] // _WIDTH):
        t = T[:, s * _WIDTH : (s + 1) * _WIDTH]
        D = cloud[_choice(t[:, 0], len(cloud))] - cloud[_choice(t[:, 1], len(cloud))]
        if s % 2:
            D = np.where(np.arange(d) == _choice(t[:, 2], d)[:, None], D if s % 4 == 1 else 1.0, 0.0)
        low, high = _interval(U, D, t[:, 3])
        todo = np.arange(len(U))
        for tries in range(_TRIES):
            step = low[todo] + (high - low)[todo] * t[todo, 4 + tries]
            V = np.clip(U[todo] + step[:, None] * D[todo], 0.0, 1.0)
            is_good = draw(V)[1]
            U[todo[is_good]] = V[is_good]
            todo, step = todo[~is_good], step[~is_good]
            if not todo.size:
                break
            low[todo] = np.where(step < 0, step, low[todo])
            high[todo] = np.where(step < 0, high[todo], step)
    return U


def _interval(U: FloatArray, D: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the ends of an interval around 0, placed by uniform t, where U + step * D is in the cube."""
    slope = np.where(D == 0, 1.0, D)
    with np.errstate(over="ignore"):
        to_zero, to_one = -U / slope, (1 - U) / slope
    ends = np.minimum(to_zero, to_one), np.maximum(to_zero, to_one)
    low = np.where(D == 0, -np.inf, ends[0]).max(axis=1)
    high = np.where(D == 0, np.inf, ends[1]).min(axis=1)
    return np.maximum(low, -_REACH * t), np.minimum(high, _REACH * (1 - t))
