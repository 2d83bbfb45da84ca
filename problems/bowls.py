"""Bowls and plates: one minimum, or nearly so, round, elongated or flat."""

from itertools import permutations

import numpy as np

from bbopt.errors import SpaceError
from bbopt.types import FloatArray

from .continuous import LIBRARY, SURVEY, Bounds, at_level, check_dimension, continuous, coordinates, stack
from .problem import Columns, Function


def sphere(d: int, bounds: Bounds = (-5.12, 5.12)) -> Function:
    """Sphere: the round bowl.

    f(x) = Σ xᵢ² on [-5.12, 5.12]^d unless ``bounds`` say otherwise; f* = 0 at the origin.

    Source: De Jong, An Analysis of the Behavior of a Class of Genetic Adaptive Systems, 1975.
    """
    return at_level("sphere", _sphere, d, bounds, 0.0, f"De Jong 1975; {LIBRARY}", factors=(1, 1))


def _sphere(columns: Columns) -> FloatArray:
    return np.asarray((stack(columns) ** 2).sum(axis=1))


def sum_of_squares(d: int, bounds: Bounds = (-10.0, 10.0)) -> Function:
    """Sum of squares: an ellipsoid along the axes, d times as steep along the last as along the first.

    f(x) = Σ i xᵢ² on [-10, 10]^d unless ``bounds`` say otherwise; f* = 0 at the origin.

    Source: the library.
    """
    return at_level("sum_of_squares", _sum_of_squares, d, bounds, 0.0, LIBRARY, factors=(1, 1))


def _sum_of_squares(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray((np.arange(1, x.shape[1] + 1) * x**2).sum(axis=1))


def hyper_ellipsoid(d: int, bounds: Bounds = (-65.536, 65.536)) -> Function:
    """Rotated hyper-ellipsoid of the library, in spite of its name along the axes; see ``double_sum``.

    f(x) = Σᵢ Σ_{j≤i} xⱼ² = Σ (d + 1 - i) xᵢ² on [-65.536, 65.536]^d unless ``bounds`` say otherwise;
    f* = 0 at the origin.

    Source: the library.
    """
    return at_level("hyper_ellipsoid", _hyper_ellipsoid, d, bounds, 0.0, LIBRARY, factors=(1, 1))


def _hyper_ellipsoid(columns: Columns) -> FloatArray:
    return np.asarray((stack(columns) ** 2).cumsum(axis=1).sum(axis=1))


def double_sum(d: int, bounds: Bounds = (-65.536, 65.536)) -> Function:
    """Schwefel's double sum: an ellipsoid askew, more and more elongated with d.

    f(x) = Σᵢ (Σ_{j≤i} xⱼ)² on [-65.536, 65.536]^d unless ``bounds`` say otherwise; f* = 0 at the origin.

    Source: Schwefel, Numerical Optimization of Computer Models, 1981, problem 1.2.
    """
    return at_level("double_sum", _double_sum, d, bounds, 0.0, f"Schwefel 1981; {SURVEY}")


def _double_sum(columns: Columns) -> FloatArray:
    return np.asarray((stack(columns).cumsum(axis=1) ** 2).sum(axis=1))


def sum_of_powers(d: int, bounds: Bounds = (-1.0, 1.0)) -> Function:
    """Sum of different powers: ever flatter at the bottom from one coordinate to the next.

    f(x) = Σ |xᵢ|^(i+1) on [-1, 1]^d unless ``bounds`` say otherwise; f* = 0 at the origin.

    Source: the library.
    """
    return at_level("sum_of_powers", _sum_of_powers, d, bounds, 0.0, LIBRARY, factors=(1, 1))


def _sum_of_powers(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray((np.abs(x) ** np.arange(2, x.shape[1] + 2)).sum(axis=1))


def zakharov(d: int, bounds: Bounds = (-5.0, 10.0)) -> Function:
    """Zakharov: a plate with one steep direction, Σ i xᵢ.

    f(x) = Σ xᵢ² + s² + s⁴ with s = Σ i xᵢ / 2, on [-5, 10]^d unless ``bounds`` say otherwise; f* = 0 at
    the origin.

    Source: the library.
    """
    return at_level("zakharov", _zakharov, d, bounds, 0.0, LIBRARY)


def _zakharov(columns: Columns) -> FloatArray:
    x = stack(columns)
    slope = (np.arange(1, x.shape[1] + 1) * x).sum(axis=1) / 2
    return np.asarray((x**2).sum(axis=1) + slope**2 + slope**4)


def trid(d: int) -> Function:
    """Trid: a bowl whose neighbouring coordinates pull one another along; d is at least 2.

    f(x) = Σ (xᵢ - 1)² - Σ_{i>1} xᵢ xᵢ₋₁ on [-d², d²]^d; f* = -d (d + 4) (d - 1) / 6 at xᵢ = i (d + 1 - i).

    Source: the library.
    """
    check_dimension("trid", d, least=2)
    value = -d * (d + 4) * (d - 1) / 6
    minimiser = [i * (d + 1 - i) for i in range(1, d + 1)]
    box = [(float(-d * d), float(d * d))] * d
    return continuous(f"trid{d}", _trid, box, value, [minimiser], LIBRARY, everywhere=True, factors=(2, 1))


def _trid(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray(((x - 1) ** 2).sum(axis=1) - (x[:, 1:] * x[:, :-1]).sum(axis=1))


def perm(d: int) -> Function:
    """Perm with β = 1/2: a plate where d equations nearly hold; d is at least 2.

    f(x) = Σᵢ (Σⱼ (jⁱ + 1/2) ((xⱼ/j)ⁱ - 1))² on [-d, d]^d; f* = 0 at (1, 2, .., d). The value 0 is taken
    elsewhere too where d is even: at (23/13, 14/13) for d = 2, at three more points for d = 4. Those are
    in ``optimum``; beyond d = 5 there may be others.

    Source: the library, which knows the first minimiser only.
    """
    check_dimension("perm", d, least=2)
    minimisers = [range(1, d + 1), *_PERM_ALSO.get(d, ())]
    return continuous(f"perm{d}", _perm, [(float(-d), float(d))] * d, 0.0, minimisers, LIBRARY)


def _perm(columns: Columns) -> FloatArray:
    x = stack(columns)
    j = np.arange(1.0, x.shape[1] + 1)
    sums = [((j**i + 0.5) * ((x / j) ** i - 1)).sum(axis=1) for i in j]
    return np.asarray((np.array(sums) ** 2).sum(axis=0))


_PERM_ALSO: dict[int, tuple[tuple[float, ...], ...]] = {
    2: ((23 / 13, 14 / 13),),
    4: (
        (1.5522943663850384, 1.2149513628953708, 3.9614061773452973, 3.1388699613929325),
        (1.6212061963490199, 1.1705336231204515, 3.1218888667269313, 3.966951109980284),
        (1.0410874209311263, 1.8825980011088148, 3.987661918329885, 3.051421448147342),
    ),
}


def power_sum() -> Function:
    """Power sum: a plate in four dimensions with twelve minimisers, singular at each.

    f(x) = Σᵢ (Σⱼ xⱼⁱ - bᵢ)², b = (8, 18, 44, 114), on [0, 4]^4; f* = 0 at (1, 2, 2, 3) in any order.

    Source: the library.
    """
    orders = sorted(set(permutations((1, 2, 2, 3))))
    return continuous("power_sum", _power_sum, [(0, 4)] * 4, 0.0, orders, LIBRARY, everywhere=True)


def _power_sum(columns: Columns) -> FloatArray:
    x = stack(columns)
    gaps = [(x**i).sum(axis=1) - b for i, b in enumerate((8, 18, 44, 114), start=1)]
    return np.asarray((np.array(gaps) ** 2).sum(axis=0))


def bohachevsky(k: int) -> Function:
    """Bohachevsky 1, 2 and 3: a bowl in two dimensions with a rippled bottom.

    On [-100, 100]²:

    1. f(x) = x1² + 2 x2² - 0.3 cos(3π x1) - 0.4 cos(4π x2) + 0.7,
    2. f(x) = x1² + 2 x2² - 0.3 cos(3π x1) cos(4π x2) + 0.3,
    3. f(x) = x1² + 2 x2² - 0.3 cos(3π x1 + 4π x2) + 0.3.

    f* = 0 at the origin.

    Source: Bohachevsky, Johnson and Stein, "Generalized simulated annealing for function optimization",
    Technometrics 28(3), 1986.

    Raises
    ------
    SpaceError
        ``k`` is not 1, 2 or 3.
    """
    if k not in _BOHACHEVSKY:
        raise SpaceError(f"bohachevsky: k must be 1, 2 or 3, got {k!r}")
    box, origin = [(-100.0, 100.0)] * 2, [(0.0, 0.0)]
    source = f"Bohachevsky, Johnson and Stein 1986; {LIBRARY}"
    return continuous(
        f"bohachevsky{k}",
        _BOHACHEVSKY[k],
        box,
        0.0,
        origin,
        source,
        everywhere=True,
        factors=(1, 1) if k == 1 else None,
    )


def _bohachevsky1(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    ripples = 0.3 * (1 - np.cos(3 * np.pi * x1)) + 0.4 * (1 - np.cos(4 * np.pi * x2))
    return x1**2 + 2 * x2**2 + ripples


def _bohachevsky2(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return x1**2 + 2 * x2**2 + 0.3 * (1 - np.cos(3 * np.pi * x1) * np.cos(4 * np.pi * x2))


def _bohachevsky3(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return x1**2 + 2 * x2**2 + 0.3 * (1 - np.cos(3 * np.pi * x1 + 4 * np.pi * x2))


_BOHACHEVSKY = {1: _bohachevsky1, 2: _bohachevsky2, 3: _bohachevsky3}


def booth() -> Function:
    """Booth: a tilted bowl.

    f(x) = (x1 + 2 x2 - 7)² + (2 x1 + x2 - 5)² on [-10, 10]²; f* = 0 at (1, 3).

    Source: the library.
    """
    return continuous("booth", _booth, [(-10, 10)] * 2, 0.0, [(1, 3)], LIBRARY, everywhere=True)


def _booth(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return (x1 + 2 * x2 - 7) ** 2 + (2 * x1 + x2 - 5) ** 2


def matyas() -> Function:
    """Matyas: a plate that rises across the diagonal and hardly along it.

    f(x) = 0.26 (x1² + x2²) - 0.48 x1 x2 on [-10, 10]²; f* = 0 at the origin.

    Source: Matyas, "Random optimization", Automation and Remote Control 26, 1965.
    """
    source = f"Matyas 1965; {LIBRARY}"
    return continuous("matyas", _matyas, [(-10, 10)] * 2, 0.0, [(0, 0)], source, everywhere=True)


def _matyas(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return 0.26 * (x1**2 + x2**2) - 0.48 * x1 * x2


def mccormick() -> Function:
    """McCormick: a plate bent like a wave that goes down without end outside of its box.

    f(x) = sin(x1 + x2) + (x1 - x2)² - 1.5 x1 + 2.5 x2 + 1 on [-1.5, 4] x [-3, 4];
    f* = -√3/2 - π/3 = -1.913222954981... at (1/2 - π/3, -1/2 - π/3).

    Source: McCormick, "Computability of global solutions to factorable nonconvex programs: part I",
    Mathematical Programming 10, 1976.
    """
    minimiser = (0.5 - np.pi / 3, -0.5 - np.pi / 3)
    value, source = -np.sqrt(3) / 2 - np.pi / 3, f"McCormick 1976; {LIBRARY}"
    return continuous("mccormick", _mccormick, [(-1.5, 4), (-3, 4)], value, [minimiser], source)


def _mccormick(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return np.asarray(np.sin(x1 + x2) + (x1 - x2) ** 2 - 1.5 * x1 + 2.5 * x2 + 1)
