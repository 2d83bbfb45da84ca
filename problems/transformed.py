"""A function with its optimum elsewhere, turned about it, among parameters that do not matter, or on a grid.

Shifted or rotated, the new function g is the old one f seen through a map of the box: g(x) = f(z(x)). Where
z lies outside of f's box, there are two ways. Where f says that its formula holds there
(``Function.everywhere``), the formula is used. Otherwise f is taken at the nearest point of its box, and a
penalty is added: the mean regret of f in the box, times the squared distance from it, with every range one
wide. The penalty is that of Hansen, Finck, Ros and Auger, "Real-parameter black-box optimization benchmarking
2009: noiseless functions definitions", INRIA RR-6829, 2009, but for the factor.

Either way g is never below f*, and reaches it only where z is a minimiser of f. The first of several
minimisers is the one that is put somewhere, or turned about; the others go along and are listed if they
end up in the box. A minimum on the wall, as that of Eggholder, lies inside after a shift: the slope on its
outer side is then the penalty's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bbopt.errors import DataError
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.types import FloatArray, is_whole

from .problem import Columns, Function, Optimum, Problem

_MARGIN = 0.1  # the share of each range, at both ends, where no optimum is put
_SAMPLE = 2**10
_MOST_TRIED = 10**5


def shifted(problem: Problem, seed: int = 0) -> Function:
    """Return a function with its optimum at a random place.

    z(x) = x* + x - o, where x* is the optimum, and its new place o uniform over the middle 80 % of every
    range, a function of the seed and the problem's name.

    Parameters
    ----------
    problem : Function
        Its parameters are all real, without logs, steps and conditions.
    seed : int
        Which shift; at least 0. The name is ``"shifted-ackley5"``, and ``"shifted3-ackley5"`` with
        ``seed=3``.

    Raises
    ------
    DataError
        The problem is of another kind (noise and crashes are put around the outcome), or the seed is no
        whole number of at least 0.
    """
    function, optimum, box = _movable(problem, "shifted", seed)
    low, high = box
    share = Key(seed, ("shifted", function.name)).generator().uniform(_MARGIN, 1 - _MARGIN, len(low))
    place = low + share * (high - low)
    moved = _moved(function, optimum, "shifted", seed, box, place, np.eye(len(low)))
    return replace(moved, decomposition=function.decomposition)


def rotated(problem: Problem, seed: int = 0) -> Function:
    """Return a function turned about its optimum: what was separable no longer is.

    z(x) = x* + W Q W⁻¹ (x - x*), where x* is the optimum, W the diagonal matrix of the widths of the
    ranges, and Q a rotation drawn uniformly (Haar), a function of the seed and the problem's name.
    ``rotated(shifted(f))`` does both.

    Parameters
    ----------
    problem : Function
        As for :func:`shifted`, with at least two parameters.
    seed : int
        Which rotation; at least 0. Names are as for :func:`shifted`.

    Raises
    ------
    DataError
        As for :func:`shifted`, and for a function of one parameter.
    """
    function, optimum, box = _movable(problem, "rotated", seed)
    if box.shape[1] < 2:
        raise DataError(f"rotated: the function must have at least two parameters, {function.name} has one")
    turn = _rotation(box.shape[1], Key(seed, ("rotated", function.name)))
    return _moved(function, optimum, "rotated", seed, box, _rows(function, optimum)[0], turn)


def embedded(problem: Problem, d: int) -> Function:
    """Return a function of d parameters, of which all but a few do not matter.

    The parameters of the old function are scattered, in their order, among new ones in [0, 1]: where, is a
    function of d and the problem's name. The names are x1 .. xd. At the known optimum, the new ones are 1/2.

    Parameters
    ----------
    problem : Function
        As for :func:`shifted`.
    d : int
        More than the function has parameters. The name is ``"embedded100-hartmann6"``.

    Raises
    ------
    DataError
        The problem is of another kind, or ``d`` is no whole number above its dimension.

    Source: Wang, Hutter, Zoghi, Matheson and de Freitas, "Bayesian optimization in a billion dimensions via
    random embeddings", Journal of Artificial Intelligence Research 55, 2016.
    """
    function, parameters = _reals(problem, "embedded")
    if not is_whole(d) or d <= len(parameters):
        raise DataError(
            f"embedded: d must be a whole number above {len(parameters)}, the dimension of {function.name}, "
            f"got {d!r}"
        )
    generator = Key(0, ("embedded", function.name, d)).generator()
    places = np.sort(generator.choice(d, len(parameters), replace=False)).tolist()
    labels = {p.name: f"x{place + 1}" for p, place in zip(parameters, places, strict=True)}
    inside = {labels[p.name]: replace(p, name=labels[p.name]) for p in parameters}
    names = [f"x{i + 1}" for i in range(d)]
    space = Space([inside.get(name) or Real(name, 0, 1) for name in names])
    factors = function.decomposition or (tuple(labels),)
    optimum, middle = function.optimum, dict.fromkeys(names, 0.5)
    if optimum is not None:
        at = [{**middle, **{labels[name]: x for name, x in params.items()}} for params in optimum.params]
        optimum = Optimum(optimum.value, tuple(at))
    return Function(
        f"embedded{d}-{function.name}",
        replace(function.spec, space=space),
        optimum,
        function.source,
        _Embedded(function.formula, labels),
        decomposition=tuple(tuple(labels[name] for name in factor) for factor in factors),
    )


def stepped(problem: Problem, levels: int) -> Function:
    """Return the same function on a grid: its parameters take a few values each, equally far apart.

    The optimum is that of the grid, found by trying all of it, where it has up to 10^5 points; otherwise it
    is not known.

    Parameters
    ----------
    problem : Function
        As for :func:`shifted`; its optimum need not be known.
    levels : int
        How many values a parameter takes, the ends of its range among them; at least 2. The name is
        ``"stepped8-shekel7"``.

    Raises
    ------
    DataError
        The problem is of another kind, or ``levels`` is no whole number of at least 2.
    """
    function, parameters = _reals(problem, "stepped")
    if not is_whole(levels) or levels < 2:
        raise DataError(f"stepped: levels must be a whole number of at least 2, got {levels!r}")
    space = Space([replace(p, step=(p.high - p.low) / (levels - 1)) for p in parameters])
    name, spec = f"stepped{levels}-{function.name}", replace(function.spec, space=space)
    grid = replace(function, name=name, spec=spec, optimum=None)
    if space.size is None or space.size > _MOST_TRIED:
        return grid
    X = space.enumerate()
    values = grid.evaluate_many(X)
    params = tuple(space.decode(X[values == values.min()]))
    return replace(grid, optimum=Optimum(float(values.min()), params))


@dataclass(frozen=True)
class _Embedded:
    """The formula of a few columns: ``labels`` says what each of its parameters is called outside."""

    formula: Callable[[Columns], FloatArray]
    labels: dict[str, str]

    def __call__(self, columns: Columns) -> FloatArray:
        return self.formula({inner: columns[outer] for inner, outer in self.labels.items()})


def _reals(problem: Problem, what: str) -> tuple[Function, tuple[Real, ...]]:
    """Return the problem as a Function, and its parameters; DataError unless they are plain real ones."""
    if not isinstance(problem, Function):
        raise DataError(
            f"{what}: the problem must be a Function such as ackley(5), got {problem.name!r}, a "
            f"{type(problem).__name__}; noise, crashes and delays go around what this returns"
        )
    space = problem.spec.space
    if space.constraints:
        raise DataError(f"{what}: the space must have no constraints, that of {problem.name} has some")
    parameters = []
    for parameter in space.parameters:
        if not isinstance(parameter, Real) or any(
            (parameter.log, parameter.step, parameter.when, parameter.is_constant)
        ):
            raise DataError(
                f"{what}: every parameter must be Real with a range, without log, step and when, but "
                f"{problem.name} has {parameter!r}"
            )
        parameters.append(parameter)
    return problem, tuple(parameters)


def _movable(problem: Problem, what: str, seed: int) -> tuple[Function, Optimum, FloatArray]:
    """Return the problem as a Function, its optimum and its box (2, d); DataError unless it can be moved."""
    if not is_whole(seed) or seed < 0:
        raise DataError(f"{what}: seed must be a whole number of at least 0, got {seed!r}")
    function, parameters = _reals(problem, what)
    if function.optimum is None:
        raise DataError(f"{what}: the problem must have a known optimum, {function.name} has none")
    return function, function.optimum, np.array([(p.low, p.high) for p in parameters]).T


def _moved(
    function: Function,
    optimum: Optimum,
    what: str,
    seed: int,
    box: FloatArray,
    place: FloatArray,
    turn: FloatArray,
) -> Function:
    """Return the function with its first minimiser at ``place`` (d,), turned about it by ``turn`` (d, d)."""
    low, high = box
    width = high - low
    there, back = (width[:, None] * Q / width for Q in (turn, turn.T))
    minimisers = _rows(function, optimum)
    known = place + (minimisers - minimisers[0]) @ back.T
    known = known[((low <= known) & (known <= high)).all(axis=1)]
    names = function.spec.space.names
    params = tuple(dict(zip(names, x, strict=True)) for x in known.tolist())
    walls, penalty = box, 0.0
    if function.everywhere:
        walls = np.array([np.full_like(low, -np.inf), np.full_like(high, np.inf)])
    else:
        penalty = _mean(function) - optimum.value
    return replace(
        function,
        name=f"{what}{seed or ''}-{function.name}",
        optimum=Optimum(optimum.value, params),
        formula=_Moved(function.formula, minimisers[0], place, there, width, walls, penalty),
        decomposition=None,
    )


@dataclass(frozen=True, eq=False)
class _Moved:
    """The formula x -> f(z) + penalty * (distance of z from within the walls, in widths)².

    z = origin + matrix (x - place), so that at the new place it is the old minimiser to the last bit.

    Attributes
    ----------
    formula : callable
        f.
    origin, place : arrays (d,)
        The old minimiser, and where it is now.
    matrix : array (d, d)
    width : array (d,)
        Of the ranges.
    walls : array (2, d)
        The box that z must stay in; infinite where the formula holds everywhere.
    penalty : float
    """

    formula: Callable[[Columns], FloatArray]
    origin: FloatArray
    place: FloatArray
    matrix: FloatArray
    width: FloatArray
    walls: FloatArray
    penalty: float

    def __call__(self, columns: Columns) -> FloatArray:
        x = np.column_stack(list(columns.values()))
        z = self.origin + (x - self.place) @ self.matrix.T
        nearest = np.clip(z, *self.walls)
        values = self.formula(dict(zip(columns, nearest.T, strict=True)))
        return np.asarray(values + self.penalty * (((z - nearest) / self.width) ** 2).sum(axis=1))


def _rotation(d: int, key: Key) -> FloatArray:
    """Return a random rotation (d, d), uniform over SO(d).

    The QR decomposition of a Gaussian matrix, with the signs that make it unique: Mezzadri, "How to
    generate random matrices from the classical compact groups", Notices of the AMS 54(5), 2007.
    """
    Q, R = np.linalg.qr(key.generator().standard_normal((d, d)))
    Q = Q * np.sign(np.diag(R))
    if np.linalg.det(Q) < 0:
        Q[:, 0] = -Q[:, 0]
    return np.asarray(Q)


def _rows(function: Function, optimum: Optimum) -> FloatArray:
    """Return the known minimisers (k, d) in the user's units."""
    names = function.spec.space.names
    rows = [[params[name] for name in names] for params in optimum.params]
    return np.array(rows, dtype=np.float64)


def _mean(function: Function) -> float:
    """Return the mean value at fixed, uniformly distributed points of the box."""
    space = function.spec.space
    sample = space.from_unit(Key(0, ("penalty",)).uniform_rows(0, _SAMPLE, space.d))
    return float(function.evaluate_many(sample).mean())
