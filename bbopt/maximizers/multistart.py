"""Maximise an acquisition over a space: many raw points, a few good ones refined together.

Continuous columns move by L-BFGS with the others held; columns with levels are swept in turn, until
nothing changes. Ordered columns with more levels than can all be tried move with the continuous ones
first, are rounded, and only what is rounded is compared. Small finite spaces are scored completely.
"""

from dataclasses import dataclass

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.data.history import keys
from bbopt.errors import SpaceExhausted
from bbopt.lbfgs import minimize_batch
from bbopt.maximizers.candidates import candidates, spread_out
from bbopt.maximizers.discrete import FEW_LEVELS, MINIMAL_GAIN, score, sweep
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray

EXHAUSTIVE = 4096
"""Finite spaces up to this size are scored completely."""
RAW = 256
"""Sampled points; 512 finds the best basin no more often, and is what an ask of n = 200 spends most on."""
ROUNDS = 4
"""The most alternations between continuous moves and sweeps."""
GRADIENT_TOLERANCE, VALUE_TOLERANCE = 1e-3, 1e-8
"""When a climb ends. Looser climbs with a final polish were measured: no faster."""


def maximize(
    acquisition: Acquisition,
    space: Space,
    n: int,
    starts: FloatArray,
    fixed: FloatArray | None,
    rng: Key,
    *,
    exclude: FloatArray | None = None,
    restarts: int | None = None,
    raw: int = RAW,
) -> FloatArray:
    """Return the n best distinct points found, best first, shape (n, d).

    Parameters
    ----------
    acquisition : Acquisition
    space : Space
    n : int
    starts : array (k, d)
        Snapped points worth starting from: incumbents, previous winners; may be empty.
    fixed : array (d,) or None
        Encoded values to keep; nan where free.
    rng : Key
        The result is a pure function of it and the other arguments.
    exclude : array (e, d), optional
        Snapped points never to return.
    restarts : int, optional
        How many points are refined; by default 8, above 10 columns 14: more found nothing better.
    raw : int
        How many points are sampled.

    Raises
    ------
    SpaceExhausted
        When fewer than n points that are not excluded were found: exact for small finite spaces, after
        a bounded search in others.
    """
    if space.size is not None and space.size <= EXHAUSTIVE:
        X = space.enumerate()
        if fixed is not None:
            X = X[np.all(np.isnan(fixed) | (X == fixed), axis=1)]
        values = acquisition.value(X) if len(X) else np.empty(0)
        return _best_distinct(X, values, n, exclude)

    X = candidates(space, acquisition.scale, starts, fixed, rng, raw)
    values = acquisition.value(X) if len(X) else np.empty(0)
    restarts = restarts or (8 if space.d <= 10 else 14)
    chosen = spread_out(X, values, acquisition.scale, restarts)
    if exclude is not None and (space.n_levels > 0).all():
        # Among levels, the acquisition is often largest at points that were asked: look past them.
        acquisition = _Unseen(acquisition, frozenset(keys(exclude)))
        values = score(acquisition, space, X)
    refined, refined_values = refine(acquisition, space, X[chosen], values[chosen], fixed, X[chosen], rng)
    pool, pool_values = np.concatenate([refined, X]), np.concatenate([refined_values, values])
    return _best_distinct(pool, pool_values, n, exclude)


@dataclass(frozen=True, slots=True)
class _Unseen:
    """An acquisition that is worth nothing at some points of a space in which every column has levels."""

    acquisition: Acquisition
    seen: frozenset[bytes]

    @property
    def scale(self) -> FloatArray:
        return self.acquisition.scale

    def value(self, X: FloatArray) -> FloatArray:
        is_seen = np.array([key in self.seen for key in keys(X)], np.bool_)
        return np.where(is_seen, -np.inf, self.acquisition.value(X))

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.acquisition.value_and_grad(X)


def refine(
    acquisition: Acquisition,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    fixed: FloatArray | None,
    donors: FloatArray,
    rng: Key,
) -> tuple[FloatArray, FloatArray]:
    """Climb from feasible snapped points X (r, d) with values (r,); return better ones, never worse."""
    if len(X) == 0:
        return X, values
    glides = (space.n_levels == 0) | (~space.is_categorical & (space.n_levels > FEW_LEVELS))
    has_levels = bool((space.n_levels > 0).any())
    draw = rng.child("sweep").generator()
    moving = np.arange(len(X))
    X, values = X.copy(), values.copy()
    for _ in range(ROUNDS):
        if glides.any():
            X[moving], values[moving] = _climb(acquisition, space, X[moving], values[moving], fixed, glides)
        if not has_levels:
            break
        before = values[moving]
        X[moving], values[moving] = sweep(acquisition, space, X[moving], before, fixed, donors, draw)
        moving = moving[values[moving] > before + MINIMAL_GAIN]
        if len(moving) == 0:
            break
    return X, values


def _climb(
    acquisition: Acquisition,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    fixed: FloatArray | None,
    glides: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """Move the gliding columns by L-BFGS in units of the length-scales; snap; keep what got better."""
    scale = acquisition.scale
    free = np.broadcast_to(glides, X.shape)
    if space.is_conditional:
        free = free & space.active(X)
    if fixed is not None:
        free = free & np.isnan(fixed)
    lower, upper = np.where(free, 0.0, X), np.where(free, 1.0, X)

    def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, gradient = acquisition.value_and_grad(Z * scale)
        return -value, -gradient * scale

    Z, _ = minimize_batch(
        loss,
        X / scale,
        lower / scale,
        upper / scale,
        gradient_tolerance=GRADIENT_TOLERANCE,
        value_tolerance=VALUE_TOLERANCE,
        lowest_only=True,
    )
    moved = np.clip(Z * scale, lower, upper)
    if (space.n_levels > 0).any() or space.is_conditional:
        moved = space.project(moved)
    if space.constraints:
        moved = _back_to_feasible(space, X, moved)
    moved_values = score(acquisition, space, moved)
    better = moved_values > values
    return np.where(better[:, None], moved, X), np.where(better, moved_values, values)


def _back_to_feasible(space: Space, inside: FloatArray, moved: FloatArray) -> FloatArray:
    """Pull points that left the known constraints back towards where they came from, by bisection."""
    outside = np.flatnonzero(~space.feasible(moved))
    if len(outside) == 0:
        return moved
    low, high = np.zeros(len(outside)), np.ones(len(outside))
    start, step = inside[outside], moved[outside] - inside[outside]
    for _ in range(30):
        middle = 0.5 * (low + high)
        good = space.feasible(space.project(start + middle[:, None] * step))
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    moved = moved.copy()
    moved[outside] = space.project(start + low[:, None] * step)
    return moved


def _best_distinct(X: FloatArray, values: FloatArray, n: int, exclude: FloatArray | None) -> FloatArray:
    """Return the n best rows that differ from each other and from the excluded ones."""
    seen = set() if exclude is None else set(keys(exclude))
    rows, names = [], keys(X)
    for i in np.argsort(-values, kind="stable"):
        if values[i] == -np.inf:
            break
        key = names[i]
        if key not in seen:
            seen.add(key)
            rows.append(i)
            if len(rows) == n:
                return np.asarray(X[rows])
    raise SpaceExhausted(f"found only {len(rows)} of {n} points that were not asked before")
