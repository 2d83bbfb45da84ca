"""How a test function of real parameters x1 .. xd in a box is declared; the other files hold the functions.

Formulas and domains are those of Surjanovic and Bingham's library where it has the function, otherwise
those of Jamil and Yang's survey; the smallest values and the minimisers are given to all digits of a
double. Each function is a factory with its formula, domain and optimum in the docstring:

- ``bowls``: one minimum, or nearly so, round or flat;
- ``valleys``: the way leads along something narrow;
- ``wells``: a few separate minima;
- ``waves``: many local minima, in any dimension;
- ``rugged``: many local minima, in one and two dimensions.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bbopt.errors import SpaceError
from bbopt.space import Real, Space
from bbopt.spec import Objective, Spec
from bbopt.types import FloatArray

from .problem import Columns, Function, Optimum

LIBRARY = "Surjanovic and Bingham, Virtual Library of Simulation Experiments, www.sfu.ca/~ssurjano"
SURVEY = (
    "Jamil and Yang, A literature survey of benchmark functions for global optimisation problems, "
    "International Journal of Mathematical Modelling and Numerical Optimisation 4(2), 2013"
)

Bounds = tuple[float, float]
Formula = Callable[[Columns], FloatArray]


def stack(columns: Columns) -> FloatArray:
    """Return the points as one array (n, d)."""
    return np.column_stack(list(columns.values()))


def coordinates(columns: Columns) -> tuple[FloatArray, ...]:
    """Return x1 .. xd, each (n,)."""
    return tuple(columns.values())


def continuous(
    name: str,
    formula: Formula,
    bounds: Sequence[Bounds],
    value: float,
    minimisers: Sequence[Sequence[float]],
    source: str,
    *,
    everywhere: bool = False,
    factors: tuple[int, int] | None = None,
) -> Function:
    """Return a deterministic problem over x1 .. xd; ``everywhere`` as in :class:`Function`.

    With ``factors = (k, step)`` it is a sum of functions of k neighbouring coordinates, the first of which
    are x1, x_{1 + step}, ...: (1, 1) says that every coordinate is on its own, (2, 1) that there is a chain.
    """
    names = [f"x{i + 1}" for i in range(len(bounds))]
    space = Space([Real(label, lo, hi) for label, (lo, hi) in zip(names, bounds, strict=True)])
    optimum = Optimum(value, tuple(dict(zip(names, map(float, x), strict=True)) for x in minimisers))
    decomposition = None
    if factors is not None:
        k, step = factors
        decomposition = tuple(tuple(names[i : i + k]) for i in range(0, len(names) - k + 1, step))
    spec = Spec(space, (Objective(noise=0),))
    return Function(name, spec, optimum, source, formula, everywhere, decomposition)


def at_level(
    name: str,
    formula: Formula,
    d: int,
    bounds: Bounds,
    level: float,
    source: str,
    *,
    each: float = 0.0,
    least: int = 1,
    factors: tuple[int, int] | None = None,
) -> Function:
    """Return a problem in d dimensions whose only minimum in all of R^d is where every coordinate is equal.

    Parameters
    ----------
    name : str
        Of the family.
    d, least : int
        The dimension, and the smallest one in which the function exists.
    bounds : (low, high)
        Of every coordinate.
    level : float
        What the coordinates equal at the minimum.
    each : float
        What each of them adds to its value.
    factors : (k, step), optional
        As in :func:`continuous`.

    Raises
    ------
    SpaceError
        The dimension does not exist, or the bounds leave the optimum out.
    """
    check_dimension(name, d, least)
    if not bounds[0] <= level <= bounds[1]:
        raise SpaceError(f"{name}: bounds must contain the optimum, {level}, got {bounds!r}")
    box, minimisers = [bounds] * d, [(level,) * d]
    return continuous(
        f"{name}{d}", formula, box, each * d, minimisers, source, everywhere=True, factors=factors
    )


def check_dimension(name: str, d: int, least: int = 1) -> None:
    """Raise SpaceError unless ``d`` is a whole number of at least ``least``."""
    if isinstance(d, bool) or not isinstance(d, int) or d < least:
        raise SpaceError(f"{name}: d must be a whole number of at least {least}, got {d!r}")
