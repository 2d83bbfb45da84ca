"""The data sets of ``quality.py``: what is known when a model is fitted and a point is looked for.

``boxes`` are known functions, ``runs`` states of bbopt's own loop on them. ``mixed``, ``linear`` and
``nonlinear`` are smooth landscapes drawn once, over spaces of these kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bbopt import Categorical, GaussianProcess, Integer, Ordinal, Real, Space
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.maximizers.multistart import maximize
from bbopt.problems import get
from bbopt.rng import Key
from bbopt.surrogates.kernels.features import Features

PROBLEMS = (
    "branin", "ackley2", "rosenbrock2", "hartmann3", "levy3", "hartmann4", "rastrigin4", "ackley5", "levy5",
    "hartmann6", "rosenbrock6", "levy8", "ackley8", "rosenbrock10", "rastrigin10", "levy12", "ackley15",
    "rosenbrock15", "levy20", "ackley20",
)  # fmt: skip
SIZES = (10, 20, 50, 100, 200)
WAVES = 12
"""Cosines in a landscape, about half a period of each over the width of a column."""


@dataclass(frozen=True)
class Instance:
    """A data set: n encoded points of a space, their outcomes, and the notes of the fit before."""

    name: str
    space: Space
    X: np.ndarray
    y: np.ndarray
    notes: dict[str, Any] | None = None


def boxes():
    """Yield 100 data sets in boxes, clustered and space-filling ones in turn."""
    for i, name in enumerate(PROBLEMS):
        problem = get(name)
        for k, n in enumerate(SIZES):
            yield spread(name, problem.spec.space, problem.evaluate_many, n, (i + k) % 2 == 0)


def mixed():
    """Yield 25 data sets with categories, integers and conditions."""
    yield from over({
        "categories": Space([*reals(3), *letters(3, 4, 5)]),
        "switches": Space([*reals(2), *letters(2, 2, 2, 2, 2), Integer("k", 0, 10)]),
        "many categories": Space([*reals(1), *letters(2, 3, 3, 4, 4, 5, 6)]),
        "scales": Space([
            *letters(3),
            Ordinal("o", [1, 2, 5, 10]),
            Real("r", 1e-4, 1, log=True),
            Integer("k", 1, 500, log=True),
        ]),
        "conditions": Space([
            Categorical("kind", ["tree", "net", "line"]),
            Integer("depth", 1, 12, when={"kind": "tree"}),
            Real("rate", 1e-4, 1, log=True, when={"kind": "net"}),
            Categorical("slope", ["a", "b", "c"], when={"kind": "net"}),
            Integer("width", 8, 1024, log=True, when={"kind": "net"}),
            *reals(2),
        ]),
    })  # fmt: skip


def linear():
    """Yield 25 data sets within linear known constraints."""
    yield from over({
        "edges": Space(reals(2), ["x0 + 2*x1 <= 0.9", "x0 >= 0.4*x1"]),
        "budget": Space(reals(4), [f"{total(4)} <= 1.2"]),
        "chain": Space(reals(5), ["x0 <= x1", "x1 <= x2", "x2 + x3 <= 1", "x3 - x4 <= 0.2"]),
        "slab": Space(reals(6), [f"0.97 <= {total(6)} <= 1"]),
        "large budget": Space(reals(10), [f"{total(10)} <= 3", "x0 + x1 + x2 >= 0.5"]),
    })  # fmt: skip


def nonlinear():
    """Yield 25 data sets within formulas and functions that are not linear in the unit cube."""
    ball = " + ".join(f"x{j}**2" for j in range(5)) + " <= 0.9"
    yield from over({
        "ring": Space(reals(2), ["0.05 <= (x0 - 0.5)**2 + (x1 - 0.5)**2 <= 0.15"]),
        "wave": Space(reals(3), [lambda p: p["x2"] <= 0.5 + 0.3 * np.sin(5 * p["x0"]) * p["x1"]]),
        "logarithm": Space([*reals(3), Real("r", 1e-3, 1, log=True)], ["x0 + r <= 0.6", "x1*x2 >= 0.1"]),
        "ball and product": Space(reals(5), [ball, "x0*x1 >= 0.05"]),
        "ball and function": Space(reals(5), [ball, lambda p: p["x2"] * p["x3"] + p["x4"] <= 0.5]),
    })  # fmt: skip


def reals(d):
    """Return parameters x0, x1, ... in [0, 1]."""
    return [Real(f"x{j}", 0, 1) for j in range(d)]


def letters(*sizes):
    """Return categoricals c0, c1, ... of so many levels."""
    return [Categorical(f"c{j}", list("abcdef"[:size])) for j, size in enumerate(sizes)]


def total(d):
    """Return the sum of x0, x1, ... as a formula."""
    return " + ".join(f"x{j}" for j in range(d))


def over(spaces: dict[str, Space]):
    """Yield a data set of every size over each space."""
    for i, (name, space) in enumerate(spaces.items()):
        value = landscape(space, Key(5).child(name))
        for k, n in enumerate(SIZES):
            yield spread(name, space, value, n, (i + k) % 2 == 0)


def landscape(space, key) -> Callable[[np.ndarray], np.ndarray]:
    """Return a smooth function of points (n, d): a bowl around a point of the cube, and waves."""
    draw, features = key.generator(), Features(space)
    target = features(space.project(draw.random((1, space.d))))
    turns = draw.normal(0.0, 3.0, (target.shape[1], WAVES))
    heights, phases = draw.normal(0.0, 0.5, WAVES) / WAVES**0.5, draw.uniform(0, 2 * np.pi, WAVES)

    def value(X):
        F = features(X)
        return ((F - target) ** 2).sum(axis=1) + np.cos(F @ turns + phases) @ heights

    return value


def spread(name, space, value, n, is_clustered):
    """Return a data set of n points of a function, clustered or filling the space."""
    key = Key(0).child(name, n)
    X = clustered(space, value, n, key) if is_clustered else space.sample(n, key)
    return Instance(f"{name}, {n}, {'clustered' if is_clustered else 'filling'}", space, X, value(X))


def clustered(space, value, n, key):
    """Return points (n, d) as an optimisation leaves them: ever closer around the best, some at bounds.

    They follow the function itself, not bbopt, so that they stay the same whatever becomes of it.
    """
    draw, has_levels = key.generator(), np.asarray(space.n_levels) > 0
    X = space.sample(max(n // 4, 5), key.child("initial"))
    while len(X) < n:
        best = X[np.argsort(value(X))[draw.integers(min(len(X), 3))]]
        width = 0.3 * 0.02 ** (len(X) / n)
        moved = draw.random(space.d) < max(0.5, 1 / space.d)
        x = np.where(moved, best + width * draw.standard_normal(space.d), best)
        if has_levels.any():
            x = np.where(moved & has_levels, space.project(draw.random((1, space.d)))[0], x)
        if draw.random() < 0.2:  # exploration ends at faces of the box
            x = np.where(draw.random(space.d) < 0.3, np.rint(draw.random(space.d)), draw.random(space.d))
        x = space.project(x[None])
        if space.feasible(x)[0]:
            X = np.vstack([X, x])
    return X


def runs():
    """Yield what was known in runs of bbopt's own loop, from a quarter of their evaluations to the end."""
    for name in PROBLEMS:
        yield from states(name)


@cache
def states(name):
    """Return five states of one run.

    The model is a study's own, ``GaussianProcess()``, each fit going on from the notes of the last one.
    """
    found, problem, key = [], get(name), Key(4).child(name)
    space, budget = problem.spec.space, min(20 * problem.spec.space.d, 200)
    kept = {int(share * budget) for share in (0.25, 0.4, 0.6, 0.8, 1.0)}
    X = space.sample(space.d + 3, key.child("initial"))
    y, notes = problem.evaluate_many(X), None
    while True:
        if len(X) in kept:
            found.append(Instance(f"{name}, {len(X)}, run", space, X, y, notes))
        if len(X) == budget:
            return tuple(found)
        model, notes = GaussianProcess().fit(space, X, y, previous=notes)
        goal = LogExpectedImprovement(model, model.incumbent)
        best = X[np.argsort(y, kind="stable")[:5]]
        x = maximize(goal, space, 1, best, None, key.child(len(X)), exclude=X)
        X, y = np.vstack([X, x]), np.append(y, problem.evaluate_many(x))
