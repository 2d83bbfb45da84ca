"""Valleys and ridges: the way to the minimum leads along something narrow."""

import numpy as np

from bbopt.errors import SpaceError
from bbopt.types import FloatArray

from .continuous import LIBRARY, Bounds, at_level, check_dimension, continuous, coordinates, stack
from .problem import Columns, Function


def rosenbrock(d: int, bounds: Bounds = (-5.0, 10.0)) -> Function:
    """Rosenbrock: a long curved valley; d is at least 2.

    f(x) = Σ_{i<d} 100 (x_{i+1} - xᵢ²)² + (1 - xᵢ)² on [-5, 10]^d unless ``bounds`` say otherwise;
    f* = 0 at (1, .., 1).

    Source: Rosenbrock, "An automatic method for finding the greatest or least value of a function",
    The Computer Journal 3(3), 1960.
    """
    source = f"Rosenbrock 1960; {LIBRARY}"
    return at_level("rosenbrock", _rosenbrock, d, bounds, 1.0, source, least=2, factors=(2, 1))


def _rosenbrock(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray((100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1))


def dixon_price(d: int) -> Function:
    """Dixon-Price: a valley that forks; d is at least 2.

    f(x) = (x1 - 1)² + Σ_{i>1} i (2 xᵢ² - xᵢ₋₁)² on [-10, 10]^d; f* = 0 at xᵢ = 2^(2^(1-i) - 1), the last
    one with either sign.

    Source: Dixon and Price, "The truncated Newton method for sparse unconstrained optimisation using
    automatic differentiation", Journal of Optimization Theory and Applications 60, 1989.
    """
    check_dimension("dixon_price", d, least=2)
    x = [2.0 ** (2.0 ** (1 - i) - 1) for i in range(1, d + 1)]
    box, minimisers = [(-10.0, 10.0)] * d, [x, [*x[:-1], -x[-1]]]
    source = f"Dixon and Price 1989; {LIBRARY}"
    return continuous(
        f"dixon_price{d}", _dixon_price, box, 0.0, minimisers, source, everywhere=True, factors=(2, 1)
    )


def _dixon_price(columns: Columns) -> FloatArray:
    x = stack(columns)
    i = np.arange(2, x.shape[1] + 1)
    return np.asarray((x[:, 0] - 1) ** 2 + (i * (2 * x[:, 1:] ** 2 - x[:, :-1]) ** 2).sum(axis=1))


def powell(d: int, bounds: Bounds = (-4.0, 5.0)) -> Function:
    """Powell: singular at the minimum, where half of the curvatures vanish; d is a multiple of 4.

    f(x) = Σ (a + 10 b)² + 5 (c - e)² + (b - 2 c)⁴ + 10 (a - e)⁴ over each four coordinates a, b, c, e, on
    [-4, 5]^d unless ``bounds`` say otherwise; f* = 0 at the origin.

    Source: Powell, "An iterative method for finding stationary values of a function of several
    variables", The Computer Journal 5(2), 1962.

    Raises
    ------
    SpaceError
        ``d`` is no multiple of 4.
    """
    check_dimension("powell", d, least=4)
    if d % 4:
        raise SpaceError(f"powell: d must be a multiple of 4, got {d!r}")
    return at_level("powell", _powell, d, bounds, 0.0, f"Powell 1962; {LIBRARY}", factors=(4, 4))


def _powell(columns: Columns) -> FloatArray:
    x = stack(columns)
    a, b, c, e = (x[:, k::4] for k in range(4))
    terms = (a + 10 * b) ** 2 + 5 * (c - e) ** 2 + (b - 2 * c) ** 4 + 10 * (a - e) ** 4
    return np.asarray(terms.sum(axis=1))


def colville() -> Function:
    """Colville, also known as Wood's function: two Rosenbrock valleys, coupled.

    f(x) = 100 (x1² - x2)² + (x1 - 1)² + 90 (x3² - x4)² + (x3 - 1)² + 10.1 ((x2 - 1)² + (x4 - 1)²)
    + 19.8 (x2 - 1) (x4 - 1) on [-10, 10]^4; f* = 0 at (1, 1, 1, 1).

    Source: Colville, "A comparative study of nonlinear programming codes", IBM New York Scientific
    Center report 320-2949, 1968.
    """
    box, source = [(-10.0, 10.0)] * 4, f"Colville 1968; {LIBRARY}"
    return continuous("colville", _colville, box, 0.0, [(1, 1, 1, 1)], source, everywhere=True)


def _colville(columns: Columns) -> FloatArray:
    x1, x2, x3, x4 = coordinates(columns)
    valleys = 100 * (x1**2 - x2) ** 2 + (x1 - 1) ** 2 + 90 * (x3**2 - x4) ** 2 + (x3 - 1) ** 2
    return valleys + 10.1 * ((x2 - 1) ** 2 + (x4 - 1) ** 2) + 19.8 * (x2 - 1) * (x4 - 1)


def beale() -> Function:
    """Beale: a flat curved valley between sharp peaks at the corners.

    f(x) = (1.5 - x1 + x1 x2)² + (2.25 - x1 + x1 x2²)² + (2.625 - x1 + x1 x2³)² on [-4.5, 4.5]²;
    f* = 0 at (3, 0.5).

    Source: Beale, "On an iterative method for finding a local minimum of a function of more than one
    variable", technical report 25, Statistical Techniques Research Group, Princeton University, 1958.
    """
    box, source = [(-4.5, 4.5)] * 2, f"Beale 1958; {LIBRARY}"
    return continuous("beale", _beale, box, 0.0, [(3, 0.5)], source, everywhere=True)


def _beale(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return (1.5 - x1 + x1 * x2) ** 2 + (2.25 - x1 + x1 * x2**2) ** 2 + (2.625 - x1 + x1 * x2**3) ** 2


def three_hump_camel() -> Function:
    """Three-hump camel: three minima along a valley, the middle one the deepest.

    f(x) = 2 x1² - 1.05 x1⁴ + x1⁶/6 + x1 x2 + x2² on [-5, 5]²; f* = 0 at the origin.

    Source: Dixon and Szegő, "The global optimization problem: an introduction", in Towards Global
    Optimisation 2, 1978.
    """
    box, source = [(-5.0, 5.0)] * 2, f"Dixon and Szegő 1978; {LIBRARY}"
    return continuous("three_hump_camel", _three_hump_camel, box, 0.0, [(0, 0)], source, everywhere=True)


def _three_hump_camel(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return 2 * x1**2 - 1.05 * x1**4 + x1**6 / 6 + x1 * x2 + x2**2


def six_hump_camel() -> Function:
    """Six-hump camel: six minima in pairs, two of them global.

    f(x) = (4 - 2.1 x1² + x1⁴/3) x1² + x1 x2 + (4 x2² - 4) x2² on [-3, 3] x [-2, 2];
    f* = -1.031628453489877... at ±(0.08984201310031806, -0.7126564030207396).

    Source: Dixon and Szegő, as for three humps.
    """
    minimisers = [(0.08984201310031806, -0.7126564030207396), (-0.08984201310031806, 0.7126564030207396)]
    value, source = -1.0316284534898774, f"Dixon and Szegő 1978; {LIBRARY}"
    box = [(-3.0, 3.0), (-2.0, 2.0)]
    return continuous("six_hump_camel", _six_hump_camel, box, value, minimisers, source, everywhere=True)


def _six_hump_camel(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return (4 - 2.1 * x1**2 + x1**4 / 3) * x1**2 + x1 * x2 + (4 * x2**2 - 4) * x2**2


def bukin6() -> Function:
    """Bukin 6: a bent knife's edge; beside it the function rises like a square root.

    f(x) = 100 √|x2 - 0.01 x1²| + 0.01 |x1 + 10| on [-15, -5] x [-3, 3]; f* = 0 at (-10, 1). A rounding
    error of 1e-16 in x costs 1e-6 here.

    Source: Bukin, "New minimization strategy for non-smooth functions", preprint BUDKER-INP-1997-79,
    Budker Institute of Nuclear Physics, 1997.
    """
    box, source = [(-15.0, -5.0), (-3.0, 3.0)], f"Bukin 1997; {LIBRARY}"
    return continuous("bukin6", _bukin6, box, 0.0, [(-10, 1)], source, everywhere=True)


def _bukin6(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return np.asarray(100 * np.sqrt(np.abs(x2 - 0.01 * x1**2)) + 0.01 * np.abs(x1 + 10))
