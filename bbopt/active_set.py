"""L-BFGS within linear constraints from many starts at once: an active-set method on arrays of starts.

    minimise f(x)   subject to   A x <= b,   lower <= x <= upper

At each point the steepest descent that the active constraints leave, t, decides what is in the working
set (:meth:`bbopt.polytopes.Polytopes.steepest`). It vanishes exactly where the point is stationary;
degenerate vertices, redundant and parallel rows need no rules of their own. The search direction is that
of L-BFGS for the function on the null space of the working set, from pairs projected there. It slides
along what blocks it, so that many constraints may become active in one step. A step too long is tried
only up to its first bend, then shortened; every iterate is feasible, and lower than the last.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from bbopt.polytopes import NullSpace, Polytopes
from bbopt.types import BoolArray, FloatArray, IntArray

ValueAndGrad: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Maps points (r, d) to values (r,) and gradients (r, d); row i must not depend on the other rows."""

MEMORY = 10
LINE_SEARCH_STEPS = 20
_SUFFICIENT = 1e-4
_CURVED = 1e-9
CHECK_EVERY = 4
"""Rounds between two looks at which starts are worth going on with."""
_CATCH_UP = 8.0
_NEXT_TO = 0.3
_PARABOLIC = 0.02


def minimize_in_polytopes(
    function: ValueAndGrad,
    X: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    A: FloatArray,
    b: FloatArray,
    gradient_tolerance: float,
    value_tolerance: float,
    max_rounds: int,
    lowest_only: bool,
) -> tuple[FloatArray, FloatArray]:
    """Minimise a function from every start; see :func:`bbopt.lbfgs.minimize_batch`.

    Parameters
    ----------
    X, lower, upper : array (r, d)
    A : array (m, d)
    b : array (r, m)

    Returns
    -------
    X : array (r, d)
    f : array (r,)
    """
    X, free = X.copy(), upper > lower
    paths = _Paths(Polytopes.of(X, lower, upper, A, b))

    def evaluate(X: FloatArray, free: BoolArray) -> tuple[FloatArray, FloatArray]:
        f, g = function(X)
        g = np.where(free, g, 0.0)
        return np.where(np.isfinite(f) & np.isfinite(g).all(axis=1), f, np.inf), g

    f, g = evaluate(X, free)
    alive = np.isfinite(f)
    fresh = np.flatnonzero(alive)
    move, straight = np.zeros((2, *X.shape))
    length, tries = np.ones(len(X)), np.zeros(len(X), np.int64)
    before = np.full(len(X), np.inf)
    for k in range(1, max_rounds):
        if len(fresh):
            move[fresh], straight[fresh], steepness = paths.onward(fresh, X[fresh], g[fresh])
            alive[fresh] = steepness > gradient_tolerance
            length[fresh], tries[fresh] = 1.0, 0
        if lowest_only and k % CHECK_EVERY == 0:
            alive &= ~is_superfluous(X, f, g, before)
            before = f.copy()
        rows = np.flatnonzero(alive)
        if len(rows) == 0:
            break
        trial = np.clip(X[rows] + length[rows, None] * move[rows], lower[rows], upper[rows])
        f_trial, g_trial = evaluate(trial, free[rows])
        step = trial - X[rows]
        slope = np.einsum("rd,rd->r", g[rows], step)
        accepted = (f_trial <= f[rows] + _SUFFICIENT * slope) & (slope < 0)

        bad = rows[~accepted]  # go straight, then less far; give up after some tries
        bends = np.any(move[bad] != straight[bad], axis=1)
        length[bad] *= np.where(bends, 1.0, _shorter(slope[~accepted], f_trial[~accepted] - f[bad]))
        move[bad] = straight[bad]
        tries[bad] += 1
        alive[bad] = tries[bad] < LINE_SEARCH_STEPS

        fresh = rows[accepted]
        paths.remember(fresh, step[accepted], g_trial[accepted] - g[fresh])
        gain = f[fresh] - f_trial[accepted]
        X[fresh], f[fresh], g[fresh] = trial[accepted], f_trial[accepted], g_trial[accepted]
        is_flat = gain <= value_tolerance * np.maximum(np.abs(f[fresh]), 1.0)
        alive[fresh] = ~is_flat | paths.was_blocked[fresh]  # a step cut short says little
        fresh = fresh[alive[fresh]]
    return X, f


def is_superfluous(X: FloatArray, f: FloatArray, g: FloatArray, before: FloatArray) -> BoolArray:
    """Which starts (r,) will lead to no lower minimum than another, as far as can be told.

    Those that gained too little since the last look to reach the lowest, and those next to a lower one in
    the same basin: between the two, all that is known is a parabola that is open to the top.

    Parameters
    ----------
    X, f, g : array (r, d), (r,), (r, d)
        Where the starts are now, values and gradients.
    before : array (r,)
        The values at the last look; inf at the first one.
    """
    with np.errstate(invalid="ignore"):  # inf - inf, at the first look
        hopeless = f - f.min() > _CATCH_UP * (before - f)
        rise = f - f[:, None]  # from i to j
        along = g @ X.T
        slope = along - along.diagonal()[:, None]  # at i, towards j
        is_parabola = np.abs(rise - 0.5 * (slope - slope.T)) <= -_PARABOLIC * (slope + slope.T)
    square = X @ X.T
    size = square.diagonal()
    is_near = size + size[:, None] - 2.0 * square < _NEXT_TO**2 * X.shape[1]
    return np.asarray(hopeless | (is_near & is_parabola & (rise < 0.0)).any(axis=1))


def _shorter(slope: FloatArray, rise: FloatArray) -> FloatArray:
    """Return the share of a step to the minimum of the parabola through what was seen, in [0.1, 0.5]."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = -0.5 * slope / (rise - slope)
    return np.clip(np.where(np.isfinite(share), share, 0.1), 0.1, 0.5)


class _Paths:
    """Where each start goes next, with what it remembers: pairs of its past steps, and its working set."""

    def __init__(self, polytopes: Polytopes) -> None:
        r, M = polytopes.limits.shape
        self.polytopes = polytopes
        self.steps, self.changes = np.zeros((2, r, MEMORY, polytopes.rows.shape[2]))  # newest first
        self.n_pairs = 0
        self.working, self.multipliers = np.zeros((r, M), np.bool_), np.zeros((r, M))
        self.was_blocked = np.zeros(r, np.bool_)

    def remember(self, starts: IntArray, step: FloatArray, change: FloatArray) -> None:
        """Keep the newest pairs of some starts."""
        self.n_pairs = min(self.n_pairs + 1, MEMORY)
        for memory, newest in ((self.steps, step), (self.changes, change)):
            memory[starts, 1:] = memory[starts, :-1]
            memory[starts, 0] = newest

    def onward(
        self, starts: IntArray, X: FloatArray, g: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the next steps, what of them is straight, and the largest components of descent."""
        here = self.polytopes[starts]
        slack = here.slack(X)
        near = slack <= here.rounding
        t, working, multipliers = here.steepest(near, g, self.working[starts], self.multipliers[starts])
        null, pairs = NullSpace(here.rows, working), (starts, slice(self.n_pairs))
        directions = _newton(t, null.project(self.steps[pairs]), null.project(self.changes[pairs]))
        move, straight, last = here.slide(slack, directions, null)
        up = np.flatnonzero(np.einsum("rd,rd->r", g, straight) >= 0)
        if len(up):  # what was blocked was the descent: start again from the steepest one
            self.steps[starts[up]] = self.changes[starts[up]] = 0.0
            null = NullSpace(here.rows[up], working[up])
            move[up], straight[up], last[up] = here[up].slide(slack[up], _of_length_1(t[up]), null)
        self.working[starts], self.multipliers[starts] = last, multipliers
        self.was_blocked[starts] = np.any(last != working, axis=1)
        return move, straight, np.abs(t).max(axis=1)


def _newton(t: FloatArray, steps: FloatArray, changes: FloatArray) -> FloatArray:
    """Return L-BFGS's inverse Hessians times t (r, d), from pairs (r, p, d), newest first.

    The compact form of Byrd, Nocedal & Schnabel (1994), equation 3.1. Pairs without curvature drop out.
    """
    sy = np.einsum("rpd,rpd->rp", steps, changes)
    curved = sy > _CURVED * np.linalg.norm(steps, axis=2) * np.linalg.norm(changes, axis=2)
    has_pair = curved.any(axis=1)
    if not has_pair.any():
        return _of_length_1(t)
    S, Y = np.where(curved[..., None], steps, 0.0), np.where(curved[..., None], changes, 0.0)
    ST, YT, YY = np.swapaxes(S, 1, 2), np.swapaxes(Y, 1, 2), Y @ np.swapaxes(Y, 1, 2)
    diagonal = np.where(curved, sy, 1.0)
    R = np.tril(S @ YT, -1) + diagonal[..., None] * np.eye(sy.shape[1])  # newest first: lower, not upper
    newest = np.arange(len(t)), curved.argmax(axis=1)
    gamma = (diagonal[newest] / np.where(has_pair, YY[(*newest, newest[1])], 1.0))[:, None, None]
    T = t[..., None]
    u = np.linalg.solve(R, S @ T)
    v = np.linalg.solve(np.swapaxes(R, 1, 2), diagonal[..., None] * u + gamma * (YY @ u - Y @ T))
    product = (gamma * (T - YT @ u) + ST @ v)[..., 0]
    return np.where(has_pair[:, None], product, _of_length_1(t))


def _of_length_1(t: FloatArray) -> FloatArray:
    """Return vectors (r, d), shortened to length 1 where they are longer."""
    return np.asarray(t / np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1.0))
