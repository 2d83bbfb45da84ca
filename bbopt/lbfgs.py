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

from bbopt.active_set import LINE_SEARCH_STEPS, MEMORY, ValueAndGrad, cannot_catch_up, minimize_in_polytopes
from bbopt.types import FloatArray

MANY_STARTS = 64
"""Above this many starts arrays are faster than one ``setulb`` state a start."""
_CHECK_EVERY = 8


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
    check_every = _CHECK_EVERY if lowest_only else max_rounds + 1
    limits = gradient_tolerance, value_tolerance, max_rounds, check_every
    if A is None or b is None or not len(A):
        if len(X) <= MANY_STARTS and _setulb_works():
            return _one_state_a_start(function, X, lower, upper, *limits)
        A, b = np.empty((0, X.shape[1])), np.empty(0)
    b = np.broadcast_to(b, (len(X), len(A)))
    return minimize_in_polytopes(function, X, lower, upper, A, b, *limits)


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
            hopeless = cannot_catch_up(best_f, before)
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
