"""L-BFGS-B from many starts at once: every start has its own memory, all evaluations share one batch.

Summing the starts into one big problem would pollute the inverse Hessian with blocks that are zero in
truth (Nakai et al. 2025, arXiv 2511.13625). Here each start is an independent L-BFGS-B run, and only
the pending evaluations of one round are gathered into one call. SciPy's ``setulb`` works by reverse
communication, which is just what this needs; it is private, so it must pass a self-test at first use.
If it does not, or for many starts, a vectorised projected L-BFGS of our own takes over.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from bbopt.types import BoolArray, FloatArray

ValueAndGrad: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Maps points (r, d) to values (r,) and gradients (r, d); row i must not depend on the other rows."""

MANY_STARTS = 64
"""Above this many starts the vectorised driver is faster than one ``setulb`` state a start."""
MEMORY = 10
LINE_SEARCH_STEPS = 20
_CHECK_EVERY = 8
_CATCH_UP = 4.0


def minimize_batch(
    function: ValueAndGrad,
    starts: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    *,
    gradient_tolerance: float = 1e-5,
    value_tolerance: float = 2e-9,
    max_rounds: int = 200,
    lowest_only: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Minimise a function within bounds from every start.

    Parameters
    ----------
    function : callable
        Values and gradients of a batch of points.
    starts : array (r, d)
    lower, upper : array (d,) or (r, d)
        Bounds, finite; equal bounds hold a coordinate still.
    gradient_tolerance : float
        A start ends when its largest projected gradient component is below this.
    value_tolerance : float
        A start ends when a step improves by less than this, relative to max(\\|f\\|, 1).
    max_rounds : int
        The most evaluations of one start.
    lowest_only : bool
        Whether the caller wants the lowest minimum alone. Then a start is given up when it is behind the
        lowest by more than four times what it gained in its last eight evaluations.

    Returns
    -------
    X : array (r, d)
        The best point seen from each start.
    f : array (r,)
        Its value; inf where the function never was finite.
    """
    lower = np.ascontiguousarray(np.broadcast_to(lower, starts.shape), dtype=np.float64)
    upper = np.ascontiguousarray(np.broadcast_to(upper, starts.shape), dtype=np.float64)
    X = np.clip(starts, lower, upper)
    if X.size == 0:
        return X, function(X)[0] if len(X) else np.empty(0)
    driver = _one_state_a_start if len(X) <= MANY_STARTS and _setulb_works() else _vectorised
    check_every = _CHECK_EVERY if lowest_only else max_rounds + 1
    return driver(function, X, lower, upper, gradient_tolerance, value_tolerance, max_rounds, check_every)


# --- one setulb state a start ------------------------------------------------------------------------


def _run(
    setulb: Any,
    x: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    f: FloatArray,
    g: FloatArray,
    factr: float,
    pgtol: float,
) -> Callable[[], bool]:
    """Return one L-BFGS-B run: each call goes on to the next evaluation (True) or to the end (False).

    The point wanted is left in x; its value and gradient are expected in f, of shape (), and g.
    """
    d, m = len(x), MEMORY
    work, integers = np.zeros(2 * m * d + 5 * d + 11 * m * m + 8 * m), np.zeros(3 * d, np.int32)
    task, line_search = np.zeros(2, np.int32), np.zeros(2, np.int32)
    saved = np.zeros(4, np.int32), np.zeros(44, np.int32), np.zeros(29)
    both_bounds = np.full(d, 2, np.int32)
    problem = (m, x, lower, upper, both_bounds, f, g, factr, pgtol)
    arguments = (*problem, work, integers, task, *saved, LINE_SEARCH_STEPS, line_search)

    def advance() -> bool:
        while True:
            setulb(*arguments)
            wanted = task.item(0)
            if wanted == 3:  # an evaluation
                return True
            if wanted != 1:  # 1: an iteration is complete, go on; anything else: converged or stuck
                return False

    return advance


def _one_state_a_start(
    function: ValueAndGrad,
    X: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    gradient_tolerance: float,
    value_tolerance: float,
    max_rounds: int,
    check_every: int,
) -> tuple[FloatArray, FloatArray]:
    from scipy.optimize import _lbfgsb

    factr = value_tolerance / np.finfo(np.float64).eps
    F, G = np.zeros(len(X)), np.zeros_like(X)
    runs = [
        _run(
            _lbfgsb.setulb,
            X[i],
            lower[i],
            upper[i],
            F[i : i + 1].reshape(()),
            G[i],
            factr,
            gradient_tolerance,
        )
        for i in range(len(X))
    ]
    waiting = [i for i, advance in enumerate(runs) if advance()]
    best_X, best_f = X.copy(), np.full(len(X), np.inf)
    before = best_f.copy()
    for k in range(max_rounds):
        if k and k % check_every == 0:
            hopeless = _cannot_catch_up(best_f, before)
            waiting = [i for i in waiting if not hopeless[i]]
            before = best_f.copy()
        if not waiting:
            break
        points = X[waiting]
        f, g = function(points)
        F[waiting], G[waiting] = f, g
        better = f < best_f[waiting]  # False for nan
        improved = np.asarray(waiting)[better]
        best_f[improved], best_X[improved] = f[better], points[better]
        finite = np.isfinite(f).tolist()
        waiting = [i for i, is_finite in zip(waiting, finite, strict=True) if is_finite and runs[i]()]
    return best_X, best_f


def _cannot_catch_up(f: FloatArray, before: FloatArray) -> BoolArray:
    """Which starts, now at f (r,), gained too little since ``before`` to reach the lowest."""
    with np.errstate(invalid="ignore"):  # inf - inf, at the first look
        return np.asarray(f - f.min() > _CATCH_UP * (before - f))


@cache
def _setulb_works() -> bool:
    """Whether SciPy's private driver still behaves as we use it: solves a small problem with a bound."""
    target = np.array([[0.3, 2.0], [-1.0, 0.25]])

    def bowl(X: FloatArray) -> tuple[FloatArray, FloatArray]:
        gap = X - target[: len(X)]
        return np.asarray((gap**2).sum(1)), 2 * gap

    box = np.zeros((2, 2)), np.ones((2, 2))
    try:
        X, f = _one_state_a_start(bowl, np.full((2, 2), 0.9), *box, 1e-8, 1e-12, 30, 31)
    except (ImportError, AttributeError, TypeError, ValueError):
        return False
    return bool(np.allclose(X, [[0.3, 1.0], [0.0, 0.25]], atol=1e-6) and np.allclose(f, [1.0, 1.0]))


# --- all starts as arrays ----------------------------------------------------------------------------


def _vectorised(
    function: ValueAndGrad,
    X: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    gradient_tolerance: float,
    value_tolerance: float,
    max_rounds: int,
    check_every: int,
) -> tuple[FloatArray, FloatArray]:
    """Projected L-BFGS with a backtracking line search, every quantity an array over the starts."""
    r, d = X.shape
    X = X.copy()
    f, g = function(X)
    f = np.where(np.isfinite(f), f, np.inf)
    steps, changes = np.zeros((MEMORY, r, d)), np.zeros((MEMORY, r, d))  # s and y, newest first
    curvature = np.zeros((MEMORY, r))  # 1 / (s y), 0 where the slot is empty
    direction = _descent(X, g, lower, upper, steps, changes, curvature)
    length = np.minimum(1.0, 1.0 / np.maximum(np.linalg.norm(direction, axis=1), 1e-300))
    tries = np.zeros(r, np.int64)
    alive = np.isfinite(f) & (_projected_gradient(X, g, lower, upper) > gradient_tolerance)
    before = np.full(r, np.inf)
    for k in range(1, max_rounds):
        if k % check_every == 0:
            alive &= ~_cannot_catch_up(f, before)
            before = f.copy()
        rows = np.flatnonzero(alive)
        if len(rows) == 0:
            break
        trial = np.clip(X[rows] + length[rows, None] * direction[rows], lower[rows], upper[rows])
        f_trial, g_trial = function(trial)
        move = trial - X[rows]
        slope = np.einsum("rd,rd->r", g[rows], move)
        accepted = np.isfinite(f_trial) & (f_trial <= f[rows] + 1e-4 * slope) & (slope < 0)

        bad = rows[~accepted]  # shorten the step; give up after some tries
        length[bad] *= 0.3
        tries[bad] += 1
        alive[bad] = tries[bad] < LINE_SEARCH_STEPS

        good = rows[accepted]
        if len(good) == 0:
            continue
        s, y = move[accepted], g_trial[accepted] - g[good]
        sy = np.einsum("rd,rd->r", s, y)
        curved = sy > 1e-10 * np.einsum("rd,rd->r", y, y)
        fresh = good[curved]
        for memory, new in ((steps, s[curved]), (changes, y[curved]), (curvature, 1.0 / sy[curved])):
            memory[1:, fresh] = memory[:-1, fresh]
            memory[0, fresh] = new
        gain = f[good] - f_trial[accepted]
        X[good], f[good], g[good] = trial[accepted], f_trial[accepted], g_trial[accepted]
        direction[good] = _descent(
            X[good], g[good], lower[good], upper[good], steps[:, good], changes[:, good], curvature[:, good]
        )
        length[good], tries[good] = 1.0, 0
        flat = _projected_gradient(X[good], g[good], lower[good], upper[good]) <= gradient_tolerance
        alive[good] = ~flat & (gain > value_tolerance * np.maximum(np.abs(f[good]), 1.0))
    return X, f


def _blocked(X: FloatArray, g: FloatArray, lower: FloatArray, upper: FloatArray) -> BoolArray:
    """Coordinates at a bound that descent would push through it."""
    blocked: BoolArray = ((X <= lower) & (g > 0)) | ((X >= upper) & (g < 0))
    return blocked


def _projected_gradient(X: FloatArray, g: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    largest: FloatArray = np.abs(np.clip(X - g, lower, upper) - X).max(axis=1)
    return largest


def _descent(
    X: FloatArray,
    g: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    steps: FloatArray,
    changes: FloatArray,
    curvature: FloatArray,
) -> FloatArray:
    """The two-loop recursion on the free coordinates; steepest descent where it does not descend."""
    free = ~_blocked(X, g, lower, upper)
    q = np.where(free, g, 0.0)
    gradient = q.copy()
    weights = np.zeros_like(curvature)
    for i in range(len(curvature)):
        weights[i] = curvature[i] * np.einsum("rd,rd->r", steps[i], q)
        q = q - weights[i, :, None] * changes[i]
    newest = np.einsum("rd,rd->r", changes[0], changes[0])
    has_memory = curvature[0] > 0
    gamma = np.where(has_memory, 1.0 / np.where(has_memory, curvature[0] * newest, 1.0), 1.0)
    q = gamma[:, None] * q
    for i in reversed(range(len(curvature))):
        back = curvature[i] * np.einsum("rd,rd->r", changes[i], q)
        q = q + (weights[i] - back)[:, None] * steps[i]
    direction = -np.where(free, q, 0.0)
    downhill = np.einsum("rd,rd->r", direction, gradient) < 0
    return np.where(downhill[:, None], direction, -gradient)
