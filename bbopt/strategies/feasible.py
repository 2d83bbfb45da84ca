"""Feasible points about a centre where known constraints leave little of its box.

Points are given in the coordinates of a :class:`~bbopt.strategies.view.View`; the constraints are
those of the study's space.
"""

from collections.abc import Sequence

import numpy as np

from bbopt.maximizers.box import Box
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.strategies.view import View
from bbopt.types import BoolArray, FloatArray

FEWEST = 0.25
"""Where a smaller share of the candidates is feasible, the others are drawn back to feasible points."""
ELSEWHERE = 64
"""Feasible points of the whole space towards which to look for feasible ones in the box."""
MOST = 512
"""So many candidates are drawn back at most: a constraint may be slow to look at."""
_HALVINGS, _PROJECTIONS = 30, 20


def feasible(view: View, space: Space, Y: FloatArray, fixed: FloatArray | None) -> BoolArray:
    """Return which coordinates Y (n, k) lead to feasible points of the study's space, (n,)."""
    good: BoolArray = space.feasible(view.up(Y, fixed))
    return good


def drawn_back(
    view: View, space: Space, inside: FloatArray, moved: FloatArray, fixed: FloatArray | None
) -> FloatArray:
    """Return the farthest feasible points found on the lines from feasible ones to others, by bisection.

    Parameters
    ----------
    view : View
    space : Space
        The study's, whose constraints count.
    inside, moved : array (n, k)
        Where the lines begin and end. Categoricals are those of ``moved`` where the line's beginning is
        feasible with them, else those of ``inside``.
    fixed : array (d,) or None
    """
    if view.space.is_categorical.any():
        changed = np.where(view.space.is_categorical, moved, inside)
        inside = np.where(feasible(view, space, changed, fixed)[:, None], changed, inside)
    step = np.where(view.space.is_categorical, 0.0, moved - inside)
    whole = feasible(view, space, inside + step, fixed)
    low, high = np.zeros(len(moved)), np.ones(len(moved))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        good = feasible(view, space, inside + middle[:, None] * step, fixed)
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    farthest: FloatArray = inside + np.where(whole, 1.0, low)[:, None] * step
    return farthest


def settled(
    view: View, space: Space, y: FloatArray, scale: FloatArray, fixed: FloatArray | None, rng: Key
) -> FloatArray:
    """Return feasible coordinates (k,) with the fixed values next to y, or y itself where none are found.

    ``scale`` (k,) holds the lengths in which distances count.
    """
    held = view.fixed(fixed)
    if held is not None:
        y = snapped(view, np.asarray(np.where(np.isnan(held), y, held)))
    if not space.constraints or feasible(view, space, y[None], fixed)[0]:
        return y
    near = elsewhere(view, space, fixed, rng)
    near = near[feasible(view, space, near, fixed)]
    near = drawn_back(view, space, near, np.repeat(y[None], len(near), axis=0), fixed)
    return snapped(view, near[np.argmin((((near - y) / scale) ** 2).sum(axis=1))]) if len(near) else y


def snapped(view: View, y: FloatArray) -> FloatArray:
    """Return coordinates (k,) of the view's space."""
    one: FloatArray = view.space.project(y[None])[0]
    return one


def elsewhere(view: View, space: Space, fixed: FloatArray | None, rng: Key) -> FloatArray:
    """Return the coordinates (n, k) of random feasible points; in a subspace they need not be feasible."""
    return view.down(space.sample(ELSEWHERE, rng.child("elsewhere"), fixed=fixed))


def more_feasible(
    view: View,
    space: Space,
    boxes: Sequence[Box],
    sets: Sequence[FloatArray],
    fixed: FloatArray | None,
    rng: Key,
) -> list[FloatArray]:
    """Return what to add to the candidates (n, k) of every box: nothing where enough of all are feasible."""
    good = [feasible(view, space, Y, fixed) for Y in sets]
    if np.concatenate(good).mean() >= FEWEST:
        return []
    others = elsewhere(view, space, fixed, rng)
    keys = [rng.child("more_feasible", i) for i in range(len(boxes))]
    return [
        _within(view, space, box, Y[~ok][:MOST], others, fixed, key)
        for box, Y, ok, key in zip(boxes, sets, good, keys, strict=True)
    ]


def _within(
    view: View, space: Space, box: Box, Y: FloatArray, others: FloatArray, fixed: FloatArray | None, rng: Key
) -> FloatArray:
    """Return infeasible candidates Y (n, k) of a box with a feasible centre drawn back to feasible points.

    Between the centre and any feasible one of ``others`` there are more of them where the constraints are
    convex. From one of these, still in the box, a line leads towards the candidate: a third of the points are
    where it begins, a third anywhere on it, a third its last feasible ones, for optima tend to lie there.
    Where linear constraints are broken, candidates are moved to meet them in the columns in which they differ
    from the centre first: one column then makes room for another.
    """
    Y = _projected(view, box, Y)
    draw, centre, ordered = rng.generator(), box.centre, ~view.space.is_categorical
    inside = np.repeat(centre[None], len(Y), axis=0)
    step = np.where(ordered, others[np.arange(len(Y)) % len(others)] - centre, 0.0)
    room = np.where(step > 0, box.upper - centre, centre - box.lower)
    share = np.min(room / np.maximum(np.abs(step), 1e-300), axis=1, initial=1.0)
    ends = centre + (share * draw.random(len(Y)))[:, None] * step
    inside = drawn_back(view, space, inside, ends, fixed)
    last = drawn_back(view, space, inside, Y, fixed)
    part = np.choose(np.arange(len(Y)) % 3, [np.zeros(len(Y)), draw.random(len(Y)), np.ones(len(Y))])
    return np.where(ordered, inside + part[:, None] * (last - inside), last)


def _projected(view: View, box: Box, Y: FloatArray) -> FloatArray:
    """Return points Y (n, k) of a box projected in turn onto the half-spaces they lie beyond, and the box.

    Only in columns in which they differ from the centre. These alternating projections (Cheney & Goldstein,
    Proceedings of the AMS 10, 1959) come near to a point that is in all, if there is one.
    """
    space = view.space
    if not space.constraints:
        return Y
    moved = (Y != box.centre) & ~space.is_categorical
    A, b = space.halfspaces(space.project(Y), np.ones(space.d, np.bool_))
    for _ in range(_PROJECTIONS):
        for a, limit in zip(A, b.T, strict=True):
            normal = a * moved
            beyond = np.where(np.isfinite(limit), np.maximum(Y @ a - limit, 0.0), 0.0)
            Y = Y - (beyond / np.maximum((normal**2).sum(axis=1), 1e-300))[:, None] * normal
        Y = np.clip(Y, box.lower, box.upper)
    return Y
