"""L-BFGS from many starts at once: every start has its own memory, all evaluations share one batch.

Summing the starts into one big problem would pollute the inverse Hessian with blocks that are zero in
truth (Nakai et al. 2025, arXiv 2511.13625). Here each start is an independent run, and only the pending
evaluations of one round are gathered into one call. SciPy's ``setulb`` works by reverse communication,
which is just what this needs; it is private, so it must pass a self-test at first use. If it does not,
and where there are linear constraints, :mod:`bbopt.active_set` takes over, which has all starts in
arrays.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from bbopt.active_set import (
    CHECK_EVERY,
    LINE_SEARCH_STEPS,
    MEMORY,
    ValueAndGrad,
    is_superfluous,
    minimize_in_polytopes,
)
from bbopt.types import FloatArray

MANY_STARTS = 64
"""Above this many starts arrays are faster than one ``setulb`` state a start."""


def minimize_batch(
    function: ValueAndGrad,
    starts: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    *,
    A: FloatArray | None = None,
    b: FloatArray | None = None,
    gradient_tolerance: float = 1e-5,
    value_tolerance: float = 2e-9,
    max_rounds: int = 200,
    lowest_only: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Minimise a function within bounds and linear constraints A x <= b from every start.

    Parameters
    ----------
    function : callable
        Values and gradients of a batch of points.
    starts : array (r, d)
        Feasible points: a start that is not goes on, but breaks no row by more than it did.
    lower, upper : array (d,) or (r, d)
        Bounds, finite; equal bounds hold a coordinate still.
    A : array (m, d), optional
    b : array (m,) or (r, m), optional
        inf where a row says nothing. No iterate exceeds it by more than 1e-12 of the sizes of its terms.
    gradient_tolerance : float
        A start ends when the largest component of its projected gradient is below this.
    value_tolerance : float
        A start ends when a step improves by less than this, relative to max(\\|f\\|, 1).
    max_rounds : int
        The most evaluations of one start.
    lowest_only : bool
        Whether the caller wants the lowest minimum alone. Then a start is given up where it is behind the
        lowest by more than eight times what it gained in its last four evaluations, and where it is next
        to a lower one in the same basin; coordinates should be of the size of a length-scale.

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
    limits = gradient_tolerance, value_tolerance, max_rounds, lowest_only
    if A is None or b is None or not len(A):
        if len(X) <= MANY_STARTS and _setulb_works():
            return _one_state_a_start(function, X, lower, upper, *limits)
        A, b = np.empty((0, X.shape[1])), np.empty(0)
    b = np.broadcast_to(b, (len(X), len(A)))
    return minimize_in_polytopes(function, X, lower, upper, A, b, *limits)


# --- one setulb state a start ------------------------------------------------------------------------


def _runs(
    setulb: Any,
    X: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    F: FloatArray,
    G: FloatArray,
    factr: float,
    pgtol: float,
) -> list[Callable[[], bool]]:
    """Return one L-BFGS-B run a start: each call goes on to the next evaluation (True) or the end (False).

    The point wanted is left in its row of X (r, d); value and gradient are expected in F (r, 1) and G (r, d).
    """
    (r, d), m = X.shape, MEMORY
    work, saved = np.zeros((r, 2 * m * d + 5 * d + 11 * m * m + 8 * m)), np.zeros((r, 29))
    integers, counters = np.zeros((r, 3 * d), np.int32), np.zeros((r, 4 + 44), np.int32)
    tasks, line_searches = np.zeros((r, 2), np.int32), np.zeros((r, 2), np.int32)
    both_bounds = np.full(d, 2, np.int32)

    def run(i: int) -> Callable[[], bool]:
        task = tasks[i]
        problem = (m, X[i], lower[i], upper[i], both_bounds, F[i].reshape(()), G[i], factr, pgtol)
        state = (work[i], integers[i], task, counters[i, :4], counters[i, 4:], saved[i])
        arguments = (*problem, *state, LINE_SEARCH_STEPS, line_searches[i])

        def advance() -> bool:
            for _ in range(3):
                setulb(*arguments)
                wanted = task.item(0)
                if wanted == 3:  # an evaluation
                    return True
                if wanted != 1:  # 1: an iteration is complete, go on; anything else: converged or stuck
                    break
            return False

        return advance

    return [run(i) for i in range(r)]


def _one_state_a_start(
    function: ValueAndGrad,
    X: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    gradient_tolerance: float,
    value_tolerance: float,
    max_rounds: int,
    lowest_only: bool,
) -> tuple[FloatArray, FloatArray]:
    from scipy.optimize import _lbfgsb

    factr = value_tolerance / np.finfo(np.float64).eps
    F, G = np.zeros((len(X), 1)), np.zeros_like(X)
    runs = _runs(_lbfgsb.setulb, X, lower, upper, F, G, factr, gradient_tolerance)
    waiting = np.flatnonzero([advance() for advance in runs])
    best_X, best_f, best_G = X.copy(), np.full(len(X), np.inf), G.copy()
    before = best_f.copy()
    for k in range(max_rounds):
        if lowest_only and k and k % CHECK_EVERY == 0:
            waiting = waiting[~is_superfluous(best_X, best_f, best_G, before)[waiting]]
            before = best_f.copy()
        if len(waiting) == 0:
            break
        rows = slice(None) if len(waiting) == len(X) else waiting  # views are faster than copies
        f, G[rows] = function(X[rows])
        F[rows, 0] = f
        better = F[:, 0] < best_f  # False for nan, and for what did not wait
        for best, latest in ((best_X, X), (best_G, G)):
            np.copyto(best, latest, where=better[:, None])
        np.copyto(best_f, F[:, 0], where=better)
        pairs = zip(waiting.tolist(), np.isfinite(f).tolist(), strict=True)
        waiting = np.array([i for i, is_finite in pairs if is_finite and runs[i]()], np.int64)
    return best_X, best_f


@cache
def _setulb_works() -> bool:
    """Whether SciPy's private driver still behaves as we use it: solves a small problem with a bound."""
    target = np.array([[0.3, 2.0], [-1.0, 0.25]])

    def bowl(X: FloatArray) -> tuple[FloatArray, FloatArray]:
        gap = X - target[: len(X)]
        return np.asarray((gap**2).sum(1)), 2 * gap

    box = np.zeros((2, 2)), np.ones((2, 2))
    try:
        X, f = _one_state_a_start(bowl, np.full((2, 2), 0.9), *box, 1e-8, 1e-12, 30, False)
    except (ImportError, AttributeError, TypeError, ValueError):
        return False
    return bool(np.allclose(X, [[0.3, 1.0], [0.0, 0.25]], atol=1e-6) and np.allclose(f, [1.0, 1.0]))
