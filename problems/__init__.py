"""The problem suite: things to minimise, most with a known optimum.

``get("hartmann6")`` builds a problem by name; ``names()`` lists what there is.
"""

import re
from collections.abc import Callable, Mapping

from bbopt.errors import DataError

from .problem import Columns, EvaluationFailed, Function, OneObjective, Optimum, Problem
from .regions import Ball, Box, Path, Region, crash_region
from .structured import func2c, jenatton, mixed
from .synthetic import ackley, branin, hartmann, levy, rastrigin, rosenbrock
from .tuning import PROBLEMS as _TUNING
from .tuning import Tuning, defaults, tune
from .wrappers import Delayed, Failing, Noisy, Wrapper

__all__ = [
    "Ball",
    "Box",
    "Columns",
    "Delayed",
    "EvaluationFailed",
    "Failing",
    "Function",
    "Noisy",
    "OneObjective",
    "Optimum",
    "Path",
    "Problem",
    "Region",
    "Tuning",
    "Wrapper",
    "ackley",
    "branin",
    "crash_region",
    "defaults",
    "func2c",
    "get",
    "hartmann",
    "jenatton",
    "levy",
    "mixed",
    "names",
    "rastrigin",
    "rosenbrock",
    "tune",
]

_SINGLE: Mapping[str, Callable[[], Function]] = {
    "branin": branin,
    "func2c": func2c,
    "mixed": mixed,
    "jenatton": jenatton,
}
_FAMILIES: Mapping[str, tuple[Callable[[int], Function], tuple[int, ...]]] = {
    "hartmann": (hartmann, (3, 4, 6)),
    "ackley": (ackley, (2, 5, 10, 20)),
    "rosenbrock": (rosenbrock, (2, 5, 10, 20)),
    "levy": (levy, (2, 5, 10, 20)),
    "rastrigin": (rastrigin, (2, 5, 10, 20)),
}
"""Functions of any dimension, and the dimensions that :func:`names` lists."""


def names() -> list[str]:
    """Return the names of the suite's problems; :func:`get` also knows the families in other dimensions."""
    families = [f"{name}{d}" for name, (_, dimensions) in _FAMILIES.items() for d in dimensions]
    return [*_SINGLE, *families, *_TUNING]


def get(name: str) -> Problem:
    """Return a problem by its name: ``"branin"``, ``"ackley7"``, ``"cash-digits"``.

    Raises
    ------
    DataError
        There is no problem of that name.
    MissingExtra
        It is a tuning problem and scikit-learn is not installed.
    """
    if name in _SINGLE:
        return _SINGLE[name]()
    if name in _TUNING:
        return tune(name)
    family = re.fullmatch(r"([a-z]+)([1-9][0-9]*)", name)
    if family is not None and family[1] in _FAMILIES:
        return _FAMILIES[family[1]][0](int(family[2]))
    raise DataError(f"no problem is called {name!r}; there are {', '.join(names())}")
