"""Maximise the summed bounds of factors over a space: a consensus first, then all columns together.

Nothing makes the consensus the maximum of a sum that is not concave, and it ends at a tolerance: so each
factor's own choice, completed by the consensus, competes with it, and the best of them climb the sum,
as does the best of the points that the factors started from.

Where agreeing on one coordinate after the other has no meaning - columns with levels, conditions, known
constraints, something else added to the bounds - the columns that glide agree with the others held as at the
best point known; from there the ordinary search goes on, in all columns.
"""

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.acquisitions.factored import FactoredConfidenceBound
from bbopt.data.history import keys
from bbopt.errors import SpaceExhausted
from bbopt.lbfgs import minimize_batch
from bbopt.maximizers.admm import Consensus, agree
from bbopt.maximizers.climb import gliding
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import BoolArray, FloatArray

RAW = 512
"""Points sampled for the factors to start from; see :data:`bbopt.maximizers.admm.EVALUATIONS`."""
COMPLETED = 32
"""So many of the factors' own choices, those furthest from the consensus, compete with it."""
CLIMBERS, ROUNDS = 3, 25
"""So many of the best climb the sum, with so many evaluations at most."""
ASIDE = 16
"""So many points aside of one that was asked before are looked at, until one is new."""
STARTS, RESTARTS = 5, 8
"""Of the ordinary search: what it is given to start from, and what it refines."""


def maximize_by_factors(
    bound: FactoredConfidenceBound,
    goal: Acquisition,
    space: Space,
    good: FloatArray,
    fixed: FloatArray | None,
    rng: Key,
    *,
    exclude: FloatArray,
    eta: float = 1.0,
    n_rounds: int = 10,
    tolerance: float = 0.05,
) -> tuple[FloatArray, Consensus]:
    """Return the best point found, (1, d), and the consensus that led there.

    Parameters
    ----------
    bound : FactoredConfidenceBound
    goal : Acquisition
        What is maximised in the end: the bound itself, or the bound and something else.
    space : Space
    good : array (k, d)
        Snapped points worth starting from, the best one first; may be empty.
    fixed : array (d,) or None
        Encoded values to keep; nan where free.
    rng : Key
        The result is a pure function of it and the other arguments.
    exclude : array (e, d)
        Snapped points not to return, as long as there are others.
    eta, n_rounds, tolerance
        See :func:`bbopt.maximizers.admm.agree`.
    """
    if fixed is not None:
        good = space.project(np.where(np.isnan(fixed), good, fixed))
    good = good[space.feasible(good)]
    points = np.vstack([good, space.sample(RAW, rng.child("raw"), fixed=fixed)])
    base = points[0]
    free = gliding(space, base[None], fixed)[0]
    lower, upper = np.where(free, 0.0, base), np.where(free, 1.0, base)
    found = agree(bound, lower, upper, points, eta=eta, n_rounds=n_rounds, tolerance=tolerance)
    away = np.abs(found.X - found.x).max(axis=1)
    furthest = np.argsort(-away, kind="stable")[:COMPLETED]
    candidates = space.project(np.vstack([found.x, found.X[furthest]]))
    if goal is bound and not (space.is_conditional or space.constraints or (space.n_levels > 0).any()):
        known = points[[int(np.argmax(bound.value(points)))]]
        x = _climbed(bound, candidates, known, lower, upper, exclude)
        if x is None:  # all of them are at corners that were asked before, say
            x = _aside(candidates[0], free, tolerance, exclude, rng)
        return x, found
    starts = np.vstack([candidates[space.feasible(candidates)][:STARTS], good])
    try:
        x = maximize(goal, space, 1, starts, fixed, rng, exclude=exclude, restarts=RESTARTS)
    except SpaceExhausted:  # a repeat, then, which the gate judges
        x = maximize(goal, space, 1, starts, fixed, rng, restarts=RESTARTS)
    return x, found


def _climbed(
    bound: FactoredConfidenceBound,
    candidates: FloatArray,
    known: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    exclude: FloatArray,
) -> FloatArray | None:
    """Return the best new one of the candidates and of where the sum leads from some points, (1, d).

    From the best candidates, and from another point (1, d) that is known.
    """
    values = bound.value(candidates)
    best = np.argsort(-values, kind="stable")[:CLIMBERS]

    def loss(X: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, gradient = bound.value_and_grad(X)
        return -value, -gradient

    starts = np.vstack([candidates[best], known])
    climbed, lowest = minimize_batch(loss, starts, lower, upper, max_rounds=ROUNDS, gradient_tolerance=1e-4)
    points, values = np.vstack([climbed, candidates]), np.concatenate([-lowest, values])
    taken = set(keys(exclude))
    order = np.argsort(-values, kind="stable")
    new = [i for i, key in zip(order, keys(points[order]), strict=True) if key not in taken]
    return points[new[:1]] if new else None


def _aside(x: FloatArray, free: BoolArray, width: float, exclude: FloatArray, rng: Key) -> FloatArray:
    """Return a point (1, d) of the unit cube a little inward of x (d,), a new one if any is found."""
    steps = width * np.abs(rng.child("aside").generator().standard_normal((ASIDE, len(x))))
    points = np.clip(np.where(free, x + np.where(x > 0.5, -steps, steps), x), 0.0, 1.0)
    taken = set(keys(exclude))
    new = [i for i, key in enumerate(keys(points)) if key not in taken]
    return points[new[:1]] if new else points[:1]
