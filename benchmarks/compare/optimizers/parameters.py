"""What adapters share: the run they are made for, its parameters, and the unit cube laid over them.

Parameters are plain dicts as the driver sends them, values plain JSON. Nothing but the standard library is
imported here, so every environment can.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Task:
    """What an optimizer is made for.

    Parameters
    ----------
    optimizer : str
        Its name in the registry.
    space : Space
    seed : int
    budget : int
        Evaluations planned.
    batch : int
        Points asked for at a time.
    noisy : bool
        Whether to reckon with noise: losses of cross-validation are rough even where they are repeatable.
    repeatable : bool
        Whether evaluations at one point are equal.
    """

    optimizer: str
    space: "Space"
    seed: int
    budget: int
    batch: int = 1
    noisy: bool = False
    repeatable: bool = True

    def initial(self, wanted, least=1):
        """Return the size of an initial design: what is wanted, at most a third of the budget."""
        return max(least, min(wanted, self.budget // 3))


class Space:
    """Parameters, which of them are active, and which can vary at all.

    Parameters
    ----------
    parameters : list of dict
        ``{"name", "kind", ...}`` with kind "real", "integer", "categorical", "ordinal" or "constant".
    """

    def __init__(self, parameters):
        self.parameters = parameters
        self.by_name = {p["name"]: p for p in parameters}
        parents = {p["name"]: tuple(conditions(p)) for p in parameters}
        self._parents_first = tuple(TopologicalSorter(parents).static_order())
        self.fixed = {p["name"]: values(p)[0] for p in parameters if n_levels(p) == 1}
        self.free = [p for p in parameters if p["name"] not in self.fixed]

    def is_active(self, name, params):
        """Whether a parameter belongs to params, which hold its parents where these are active."""
        return all(
            parent in params and params[parent] in allowed
            for parent, allowed in conditions(self.by_name[name]).items()
        )

    def active(self, params):
        """Return params without inactive parameters, and with those that cannot vary."""
        given, kept = {**params, **self.fixed}, {}
        for name in self._parents_first:
            if self.is_active(name, kept):
                kept[name] = given[name]
        return {p["name"]: kept[p["name"]] for p in self.parameters if p["name"] in kept}

    @property
    def parents_first(self):
        """The parameters, parents before children."""
        return [self.by_name[name] for name in self._parents_first]


class Cube:
    """The unit cube that a method for real vectors sees: numbers by scale, choices by index or one-hot.

    A level of k owns the k-th part of [0, 1], so uniform points make all levels equally likely (those of an
    integer on a log scale by their logarithms). Inactive parameters stand in the middle.

    Parameters
    ----------
    space : Space
    one_hot : bool
        One column a choice of each categorical, the largest wins; otherwise the index of the choice.
    """

    def __init__(self, space, one_hot=False):
        self.space = space
        self._slices, start = {}, 0
        for p in space.free:
            width = len(p["choices"]) if one_hot and p["kind"] == "categorical" else 1
            self._slices[p["name"]] = slice(start, start + width)
            start += width
        self.d = start

    def encode(self, params):
        """Return the place of params, a list of d numbers in [0, 1]."""
        row = [0.5] * self.d
        for p in self.space.free:
            columns = self._slices[p["name"]]
            if p["name"] not in params:
                continue
            value = params[p["name"]]
            if columns.stop - columns.start > 1:
                row[columns] = [float(choice == value) for choice in p["choices"]]
            else:
                row[columns] = [encode(p, value)]
        return row

    def decode(self, row):
        """Return the params at a place, exactly the active ones."""
        row = [float(u) for u in row]
        params = {}
        for p in self.space.free:
            part = row[self._slices[p["name"]]]
            params[p["name"]] = p["choices"][part.index(max(part))] if len(part) > 1 else decode(p, part[0])
        return self.space.active(params)

    @cached_property
    def one_hot(self):
        """The columns of each categorical that has several, a list of ranges."""
        slices = self._slices.values()
        return [range(part.start, part.stop) for part in slices if part.stop - part.start > 1]


def conditions(p):
    """Return when a parameter is active: {parent: its values}."""
    return p.get("when") or {}


def step(p):
    """Return the distance between the levels of a number; None where it varies continuously."""
    return p.get("step") or (1 if p["kind"] == "integer" else None)


def n_levels(p):
    """Return how many values a parameter has; infinite where it varies continuously."""
    if p["kind"] == "constant":
        return 1
    if "choices" in p:
        return len(p["choices"])
    if p["low"] == p["high"]:
        return 1
    # A range of 0.3 in steps of 0.1 has four levels, whatever rounding says.
    return math.inf if step(p) is None else math.floor((p["high"] - p["low"]) / step(p) + 1e-9) + 1


def values(p):
    """Return the values of a parameter that has finitely many, in order."""
    if p["kind"] == "constant":
        return [p["value"]]
    if "choices" in p:
        return p["choices"]
    return [_level(p, k) for k in range(n_levels(p))]


def has_code(p):
    """Whether libraries are given the index of a parameter's value: choices, and numbers in steps."""
    return "choices" in p or p.get("step") not in (None, 1)


def to_code(p, value):
    """Return what stands for a value: the index where there is a code, otherwise the value itself."""
    return values(p).index(value) if has_code(p) else value


def from_code(p, code):
    """Return the plain value that a library's own number stands for."""
    if has_code(p):
        return values(p)[int(code)]
    value = int(code) if p["kind"] == "integer" else float(code)
    return min(max(value, p["low"]), p["high"])  # a library may overshoot the ends by rounding


def is_log(p):
    """Whether a number is laid out by its logarithm."""
    return bool(p.get("log"))


def encode(p, value):
    """Return the place of a value in [0, 1]."""
    if is_log(p):
        low, high = _ends(p)
        return min(max(math.log(value / low) / math.log(high / low), 0.0), 1.0)
    if n_levels(p) < math.inf:
        k = p["choices"].index(value) if "choices" in p else round((value - p["low"]) / step(p))
        return (k + 0.5) / n_levels(p)
    return (value - p["low"]) / (p["high"] - p["low"])


def decode(p, u):
    """Return the value at place u."""
    u = min(max(u, 0.0), 1.0)
    if is_log(p):
        low, high = _ends(p)
        value = low * (high / low) ** u
        value = value if p["kind"] == "real" else round(value)
    elif (n := n_levels(p)) < math.inf:
        k = min(int(u * n), n - 1)
        return p["choices"][k] if "choices" in p else _level(p, k)
    else:
        value = p["low"] + u * (p["high"] - p["low"])
    return min(max(value, p["low"]), p["high"])


def _level(p, k):
    if k == 0 or p["kind"] == "integer":
        return p["low"] + k * (step(p) or 0)
    # 0.1 + 2 * 0.1 is 0.30000000000000004, which nobody means.
    return min(round(p["low"] + k * step(p), 12), p["high"])


def _ends(p):
    """Return the ends of a log scale, half a level further out for integers."""
    margin = 0.5 if p["kind"] == "integer" else 0.0
    return p["low"] - margin, p["high"] + margin
