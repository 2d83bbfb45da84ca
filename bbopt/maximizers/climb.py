"""Moving in the columns that glide, all starts at once: by gradients, or by random steps without them."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from bbopt.lbfgs import minimize_batch
from bbopt.maximizers.discrete import FEW_LEVELS
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray

GRADIENT_TOLERANCE, VALUE_TOLERANCE = 3e-4, 1e-8
"""When a climb ends. Looser climbs with a final polish were measured: no faster."""
ROUNDS, STEPS = 16, 24
"""How often, and how many, random steps are tried from each start."""
WIDEST, SHRINK = 0.3, 0.6
"""Standard deviation of the first random steps, in length-scales, and its factor after a round in vain."""
MOVED = 2.0
"""About so many columns move in a random step, at least one: steps of forests lie along the axes."""

_ROUNDING = 1e-6

Value: TypeAlias = Callable[[FloatArray], FloatArray]
"""Values (b,) of snapped points X (b, q, d); -inf where a known constraint is broken."""
ValueAndGrad: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Values (b,) and gradients (b, q, d) of points X (b, q, d)."""


def gliding(space: Space, X: FloatArray, fixed: FloatArray | None) -> BoolArray:
    """Return which columns of snapped points X (n, d) glide, shape (n, d).

    Those that are active, not fixed, and continuous or ordered with more levels than are all tried.
    """
    glides = (space.n_levels == 0) | (~space.is_categorical & (space.n_levels > FEW_LEVELS))
    if fixed is not None:
        glides = glides & np.isnan(fixed)
    return space.active(X) & glides if space.is_conditional else np.broadcast_to(glides, X.shape)


def climb(
    value_and_grad: ValueAndGrad, scale: FloatArray, space: Space, X: FloatArray, free: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Return snapped feasible points (r, q, d) to which L-BFGS leads, in units of the length-scales.

    Linear known constraints are followed; from others, and from rounding, points are pulled back. The
    second result (r,) says which starts came to an end at such an edge.

    Parameters
    ----------
    value_and_grad : callable
        What is maximised.
    scale : array (d,)
    space : Space
    X : array (r, q, d)
        Snapped feasible points.
    free : array of bool, shape (r, q, d)
        What may move.
    """
    r, q, d = X.shape
    scales = np.tile(scale, q)
    lower, upper = (np.where(free, end, X).reshape(r, -1) for end in (0.0, 1.0))
    A, b = None, None
    if space.constraints:
        A, b = space.halfspaces(X.reshape(-1, d), np.asarray(free.any(axis=(0, 1))))
        A, b = np.kron(np.eye(q), A) * scales, b.reshape(r, -1)

    def loss(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, gradient = value_and_grad((Z * scales).reshape(-1, q, d))
        return -value, -gradient.reshape(Z.shape) * scales

    Z, _ = minimize_batch(
        loss,
        X.reshape(r, -1) / scales,
        lower / scales,
        upper / scales,
        A=A,
        b=b,
        gradient_tolerance=GRADIENT_TOLERANCE,
        value_tolerance=VALUE_TOLERANCE,
        lowest_only=True,
    )
    moved = np.clip(Z * scales, lower, upper).reshape(-1, d)
    if (space.n_levels > 0).any() or space.is_conditional:
        moved = space.project(moved)
    inside = back_to_feasible(space, X.reshape(-1, d), moved)
    pulled = np.any((np.abs(inside - moved) > _ROUNDING).reshape(r, -1), axis=1)
    return inside.reshape(X.shape), np.asarray(pulled)


def wander(
    value: Value,
    scale: FloatArray,
    space: Space,
    X: FloatArray,
    values: FloatArray,
    free: BoolArray,
    rng: Key,
) -> tuple[FloatArray, FloatArray]:
    """Return better points (r, q, d) and their values (r,), found by random steps that grow shorter.

    For values without gradients, such as steps: each round tries some normal steps from where a start has
    come to, and its next ones are shorter if none is better.
    """
    draw, X, values = rng.child("wander").generator(), X.copy(), values.copy()
    width = np.full(len(X), WIDEST)
    share = MOVED / np.maximum(free.sum(axis=(1, 2)), 1)[:, None, None, None]
    for _ in range(ROUNDS):
        shape = (len(X), STEPS, *X.shape[1:])
        moves = draw.random(shape)
        moves = np.where(free[:, None], moves, 1.0)
        moves = (moves < share) | (moves == moves.min(axis=(2, 3), keepdims=True))
        step = width[:, None, None, None] * scale * draw.standard_normal(shape)
        trial = np.clip(X[:, None] + np.where(moves & free[:, None], step, 0.0), 0.0, 1.0)
        trial = space.project(trial.reshape(-1, space.d)).reshape(-1, *X.shape[1:])
        found = value(trial).reshape(shape[:2])
        best = found.argmax(axis=1)
        highest = found[np.arange(len(X)), best]
        better = highest > values
        X[better] = trial.reshape(shape)[better, best[better]]
        values = np.where(better, highest, values)
        width = np.where(better, width, SHRINK * width)
    return X, values


def back_to_feasible(space: Space, inside: FloatArray, moved: FloatArray) -> FloatArray:
    """Pull points (n, d) that left the known constraints back to where they came from, by bisection."""
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
