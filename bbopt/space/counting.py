"""How many points a space has, and all of them in order, conditions respected."""

from collections.abc import Sequence
from math import prod

import numpy as np

from bbopt.space.conditions import Requirement
from bbopt.space.layout import INACTIVE
from bbopt.types import FloatArray, IntArray

Requirements = Sequence[tuple[Requirement, ...]]


def parents_first(requires: Requirements) -> list[int]:
    """Return the columns in an order in which ancestors precede descendants.

    A column whose ancestors are through comes as soon as possible, which keeps
    :func:`count_points` small.
    """
    children = [sum(r.column == j for own in requires for r in own) for j in range(len(requires))]
    waiting = sorted(range(len(requires)), key=lambda j: (-len(requires[j]), -children[j], j))
    order: list[int] = []
    while waiting:
        ready = next(j for j in waiting if {r.column for r in requires[j]} <= set(order))
        waiting.remove(ready)
        order.append(ready)
    return order


def count_points(n_levels: IntArray, requires: Requirements) -> int | None:
    """Return the number of distinct points, None if infinite; an inactive column counts once.

    Columns are gone through parents first. A state is the set of conditional columns already known
    to be inactive; with it goes the number of partial points that lead there.
    """
    sizes = [int(k) for k in n_levels]
    if 0 in sizes:
        return None
    if not any(requires):
        return prod(sizes)
    states: dict[frozenset[int], int] = {frozenset(): 1}
    for j in parents_first(requires):
        # The levels of this column that matter to others, each with the columns it switches off.
        needs = [(child, r.keys) for child, own in enumerate(requires) for r in own if r.column == j]
        affected = frozenset(child for child, _ in needs)
        keys = {key for _, allowed in needs for key in allowed}
        offs = [frozenset(child for child, allowed in needs if key not in allowed) for key in keys]
        following: dict[frozenset[int], int] = {}
        for inactive, number in states.items():
            if j in inactive:
                branches = [(inactive - {j}, number)]  # its own descendants are in the set already
            else:
                branches = [(inactive | off, number) for off in offs]
                branches.append((inactive | affected, number * (sizes[j] - len(keys))))
            for state, part in branches:
                following[state] = following.get(state, 0) + part
        states = following
    return sum(states.values())


def all_points(levels: Sequence[FloatArray], requires: Requirements) -> FloatArray:
    """Return every distinct snapped point, shape (N, d), sorted by the first column, then the second, ...

    Rows grow one column at a time, parents first, so that no inactive combination is ever made.
    """
    X = np.full((1, len(levels)), INACTIVE)
    for j in parents_first(requires):
        is_active = np.ones(len(X), dtype=np.bool_)
        for r in requires[j]:
            is_active &= r.holds(X)
        copies = np.where(is_active, len(levels[j]), 1)
        X = np.repeat(X, copies, axis=0)
        nth = np.arange(len(X)) - np.repeat(np.cumsum(copies) - copies, copies)
        X[:, j] = np.where(np.repeat(is_active, copies), levels[j][nth], INACTIVE)
    return X[np.lexsort(X.T[::-1])] if X.shape[1] else X
