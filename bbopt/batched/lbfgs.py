"""Projected L-BFGS within bounds from many starts at once, on a device: every quantity an array over starts.

What :mod:`bbopt.lbfgs` does on the CPU, in steps that need no answer from the device. Each start has its
own memory, step and line search; where the CPU would branch, all branches are computed and one is kept
(masks). Only every so many rounds the host asks who is still searching, and leaves out the others.

The direction is L-BFGS's two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) on the coordinates that
no bound blocks; the line search goes back along it, clipped to the bounds (Bertsekas 1982).
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

ValueAndGrad: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Maps points (r, p) and the numbers (r,) of their starts to values (r,) and gradients (r, p)."""

MEMORY = 10
LINE_SEARCH_STEPS = 20
COMPARE_EVERY = 8
"""Rounds after which starts that cannot catch up with the lowest of their problem are given up."""
LOOK_EVERY = 8
"""Rounds between two questions of the host to the device."""
_SUFFICIENT = 1e-4
_CURVED = 1e-10
_CATCH_UP = 4.0


def minimize_batch(
    function: ValueAndGrad,
    starts: Tensor,
    lower: Tensor,
    upper: Tensor,
    problem: Tensor,
    *,
    gradient_tolerance: Tensor,
    value_tolerance: Tensor,
    rounds: Tensor,
    look_every: int = LOOK_EVERY,
) -> tuple[Tensor, Tensor]:
    """Minimise a function from every start; of the starts of one problem only the lowest minimum counts.

    Parameters
    ----------
    function : callable
        Values and gradients; starts that have ended may be among the rows.
    starts, lower, upper : tensor (r, p)
    problem : tensor (r,)
        Numbers from 0: starts of one problem compete.
    gradient_tolerance : tensor (r,)
        A start ends when no component of its projected gradient exceeds this.
    value_tolerance : tensor (r,)
        A start ends when a step improves by less than this, relative to max(\\|f\\|, 1).
    rounds : tensor (r,)
        The most evaluations of each start.
    look_every : int
        The result does not depend on it.

    Returns
    -------
    X : tensor (r, p)
        The best point seen from each start.
    f : tensor (r,)
        Its value; inf where the function was not finite at the start.
    """
    X = starts.clamp(lower, upper)
    r, p = X.shape
    f, g = function(X, torch.arange(r, device=X.device))
    f = torch.where(torch.isfinite(f), f, torch.inf)
    steps, changes = X.new_zeros(MEMORY, r, p), X.new_zeros(MEMORY, r, p)  # newest first
    curvature = X.new_zeros(MEMORY, r)  # 1 / (step change), 0 where the slot is empty
    direction = _descent(X, g, lower, upper, steps, changes, curvature)
    length = 1.0 / torch.linalg.vector_norm(direction, dim=1).clamp(min=1.0)
    tries = torch.zeros_like(problem)
    alive = torch.isfinite(f) & (_steepness(X, g, lower, upper) > gradient_tolerance)
    before, n_problems = torch.full_like(f, torch.inf), int(problem.max()) + 1
    for k in range(1, int(rounds.max())):
        alive &= k < rounds
        if k % COMPARE_EVERY == 0:
            lowest = f.new_full((n_problems,), torch.inf).scatter_reduce(0, problem, f, "amin")
            alive &= ~(f - lowest[problem] > _CATCH_UP * (before - f))  # nan, from inf - inf, is no reason
            before = f.clone()
        if (k - 1) % look_every == 0:
            rows = alive.nonzero()[:, 0]  # here the host waits
            if not len(rows):
                break
        x, fx, gx, low, high = X[rows], f[rows], g[rows], lower[rows], upper[rows]
        trial = (x + length[rows, None] * direction[rows]).clamp(low, high)
        f_trial, g_trial = function(trial, rows)
        step, change = trial - x, g_trial - gx
        slope = (gx * step).sum(1)
        is_lower = torch.isfinite(f_trial) & (f_trial <= fx + _SUFFICIENT * slope) & (slope < 0)
        accepted = alive[rows] & is_lower
        tries[rows] = torch.where(accepted, 0, tries[rows] + 1)

        product = (step * change).sum(1)
        is_curved = accepted & (product > _CURVED * (change * change).sum(1))
        pairs = [memory[:, rows] for memory in (steps, changes, curvature)]
        for past, newest in zip(pairs, (step, change, 1.0 / product), strict=True):
            mask = is_curved if newest.ndim == 1 else is_curved[:, None]
            past.copy_(torch.where(mask, torch.cat([newest[None], past[:-1]]), past))
        steps[:, rows], changes[:, rows], curvature[:, rows] = pairs

        here = accepted[:, None]
        x, gx = torch.where(here, trial, x), torch.where(here, g_trial, gx)
        direction[rows] = torch.where(here, _descent(x, gx, low, high, *pairs), direction[rows])
        length[rows] = torch.where(accepted, 1.0, length[rows] * _shorter(slope, f_trial - fx))
        X[rows], f[rows], g[rows] = x, torch.where(accepted, f_trial, fx), gx
        goes_on = (fx - f_trial > value_tolerance[rows] * f_trial.abs().clamp(min=1.0)) & (
            _steepness(x, gx, low, high) > gradient_tolerance[rows]
        )
        alive[rows] &= torch.where(accepted, goes_on, tries[rows] < LINE_SEARCH_STEPS)
    return X, f


def _steepness(X: Tensor, g: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Return the largest component of the projected gradient, (r,)."""
    return ((X - g).clamp(lower, upper) - X).abs().amax(1)


def _shorter(slope: Tensor, rise: Tensor) -> Tensor:
    """Return the factor to the minimum of the parabola through what was seen, in [0.1, 0.5]."""
    return (-0.5 * slope / (rise - slope)).nan_to_num(0.1, 0.1, 0.1).clamp(0.1, 0.5)


def _descent(
    X: Tensor, g: Tensor, lower: Tensor, upper: Tensor, steps: Tensor, changes: Tensor, curvature: Tensor
) -> Tensor:
    """The two-loop recursion on the free coordinates; steepest descent where it does not descend."""
    blocked = ((X <= lower) & (g > 0)) | ((X >= upper) & (g < 0))
    q = gradient = g.masked_fill(blocked, 0.0)
    weights = []
    for s, y, rho in zip(steps, changes, curvature, strict=True):
        weights.append(rho * (s * q).sum(1))
        q = q - weights[-1][:, None] * y
    newest = curvature[0] * (changes[0] * changes[0]).sum(1)
    q = torch.where(newest > 0, 1.0 / newest, 1.0)[:, None] * q
    for s, y, rho in zip(steps.flip(0), changes.flip(0), curvature.flip(0), strict=True):
        q = q + (weights.pop() - rho * (y * q).sum(1))[:, None] * s
    direction = -q.masked_fill(blocked, 0.0)
    is_downhill = (direction * gradient).sum(1, keepdim=True) < 0
    return torch.where(is_downhill, direction, -gradient)
