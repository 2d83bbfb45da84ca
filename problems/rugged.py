"""Rugged ones: many local minima, in one and two dimensions."""

from itertools import product

import numpy as np

from bbopt.types import FloatArray

from .continuous import LIBRARY, SURVEY, continuous, coordinates, stack
from .problem import Columns, Function


def forrester() -> Function:
    """Forrester: one dimension, a flat local minimum before the deep one.

    f(x) = (6x - 2)² sin(12x - 4) on [0, 1]; f* = -6.020740055767083 at 0.757248757841856.

    Source: Forrester, Sóbester and Keane, Engineering Design via Surrogate Modelling, 2008.
    """
    source = f"Forrester, Sóbester and Keane 2008; {LIBRARY}"
    return continuous("forrester", _forrester, [(0, 1)], -6.0207400557670825, [(0.7572487578418559,)], source)


def _forrester(columns: Columns) -> FloatArray:
    (x,) = coordinates(columns)
    return np.asarray((6 * x - 2) ** 2 * np.sin(12 * x - 4))


def gramacy_lee() -> Function:
    """Gramacy and Lee: one dimension, ripples that die down towards a bowl.

    f(x) = sin(10π x) / (2x) + (x - 1)⁴ on [0.5, 2.5]; f* = -0.8690111349894998 at 0.548563444527605.

    Source: Gramacy and Lee, "Cases for the nugget in modeling computer experiments", Statistics and
    Computing 22(3), 2012.
    """
    value, source = -0.8690111349894998, f"Gramacy and Lee 2012; {LIBRARY}"
    return continuous("gramacy_lee", _gramacy_lee, [(0.5, 2.5)], value, [(0.5485634445276052,)], source)


def _gramacy_lee(columns: Columns) -> FloatArray:
    (x,) = coordinates(columns)
    return np.asarray(np.sin(10 * np.pi * x) / (2 * x) + (x - 1) ** 4)


def easom() -> Function:
    """Easom: a needle in a plain that is flat to the last digit.

    f(x) = -cos(x1) cos(x2) exp(-(x1 - π)² - (x2 - π)²) on [-100, 100]²; f* = -1 at (π, π).

    Source: Easom, A survey of global optimization techniques, thesis, University of Louisville, 1990.
    """
    box, source = [(-100.0, 100.0)] * 2, f"Easom 1990; {LIBRARY}"
    return continuous("easom", _easom, box, -1.0, [(np.pi, np.pi)], source, everywhere=True)


def _easom(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    needle = np.exp(-((x1 - np.pi) ** 2) - (x2 - np.pi) ** 2)
    return np.asarray(-np.cos(x1) * np.cos(x2) * needle)


def foxholes() -> Function:
    """Shekel's foxholes, De Jong's fifth function: 25 narrow holes on a grid, nearly equally deep.

    f(x) = 1 / (0.002 + Σᵢ 1 / (i + (x1 - aᵢ)⁶ + (x2 - bᵢ)⁶)) on [-65.536, 65.536]², with a and b in
    {-32, -16, 0, 16, 32}, a running fastest; f* = 0.9980038377944502 at
    (-31.97833483565697, -31.978334837300796).

    Source: De Jong, An Analysis of the Behavior of a Class of Genetic Adaptive Systems, 1975.
    """
    minimiser, source = (-31.97833483565697, -31.978334837300796), f"De Jong 1975; {LIBRARY}"
    box, value = [(-65.536, 65.536)] * 2, 0.9980038377944502
    return continuous("foxholes", _foxholes, box, value, [minimiser], source, everywhere=True)


_GRID = np.array([(a, b) for b in (-32, -16, 0, 16, 32) for a in (-32, -16, 0, 16, 32)])


def _foxholes(columns: Columns) -> FloatArray:
    distances = ((stack(columns)[:, None, :] - _GRID) ** 6).sum(axis=-1)
    return np.asarray(1 / (0.002 + (1 / (np.arange(1, 26) + distances)).sum(axis=1)))


def drop_wave() -> Function:
    """Drop-wave: the rings of a drop in water.

    f(x) = -(1 + cos(12 r)) / (r²/2 + 2) with r² = x1² + x2², on [-5.12, 5.12]²; f* = -1 at the origin.

    Source: the library.
    """
    return continuous("drop_wave", _drop_wave, [(-5.12, 5.12)] * 2, -1.0, [(0, 0)], LIBRARY, everywhere=True)


def _drop_wave(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    square = x1**2 + x2**2
    return np.asarray(-(1 + np.cos(12 * np.sqrt(square))) / (square / 2 + 2))


def schaffer2() -> Function:
    """Schaffer 2: ripples across both diagonals, the minimum at their crossing.

    f(x) = 1/2 + (sin²(x1² - x2²) - 1/2) / (1 + 0.001 (x1² + x2²))² on [-100, 100]²; f* = 0 at the origin.

    Source: Mishra, "Some new test functions for global optimization and performance of repulsive
    particle swarm method", 2006, after Schaffer.
    """
    box, source = [(-100.0, 100.0)] * 2, f"Mishra 2006; {LIBRARY}"
    return continuous("schaffer2", _schaffer2, box, 0.0, [(0, 0)], source, everywhere=True)


def _schaffer2(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    wave = np.sin(x1**2 - x2**2) ** 2
    return np.asarray(0.5 + (wave - 0.5) / (1 + 0.001 * (x1**2 + x2**2)) ** 2)


def schaffer4() -> Function:
    """Schaffer 4: as the second, with four minima around the centre.

    f(x) = 1/2 + (cos²(sin(x1² - x2²)) - 1/2) / (1 + 0.001 (x1² + x2²))² on [-100, 100]²;
    f* = 0.29257863203598056 at (0, ±1.2531318314637332) and (±1.2531318314637332, 0).

    Source: Mishra 2006, as for Schaffer 2; with the square, which the optimum known for it needs.
    """
    box, source = [(-100.0, 100.0)] * 2, f"Mishra 2006; {SURVEY}"
    x = 1.2531318314637332
    value, minimisers = 0.29257863203598056, [(0, x), (0, -x), (x, 0), (-x, 0)]
    return continuous("schaffer4", _schaffer4, box, value, minimisers, source, everywhere=True)


def _schaffer4(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    wave = np.cos(np.sin(x1**2 - x2**2)) ** 2
    return np.asarray(0.5 + (wave - 0.5) / (1 + 0.001 * (x1**2 + x2**2)) ** 2)


def cross_in_tray() -> Function:
    """Cross-in-tray: a grid of wells under a cross, with four equal ones in the middle.

    f(x) = -0.0001 (|sin(x1) sin(x2) exp(|100 - r/π|)| + 1)^0.1 with r = √(x1² + x2²), on [-10, 10]²;
    f* = -2.062611870822737 at (±1.3494066171539107, ±1.3494066171539107).

    Source: Mishra 2006, as for Schaffer 2.
    """
    minimisers = [*product((1.3494066171539107, -1.3494066171539107), repeat=2)]
    box, value, source = [(-10.0, 10.0)] * 2, -2.062611870822737, f"Mishra 2006; {LIBRARY}"
    return continuous("cross_in_tray", _cross_in_tray, box, value, minimisers, source)


def _cross_in_tray(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    hill = np.exp(np.abs(100 - np.sqrt(x1**2 + x2**2) / np.pi))
    return np.asarray(-0.0001 * (np.abs(np.sin(x1) * np.sin(x2) * hill) + 1) ** 0.1)


def holder_table() -> Function:
    """Hölder table: wells that deepen outwards, the deepest in the four corners.

    f(x) = -|sin(x1) cos(x2) exp(|1 - r/π|)| with r = √(x1² + x2²), on [-10, 10]²;
    f* = -19.208502567886732 at (±8.055023475736563, ±9.664590019241272).

    Source: Mishra 2006, as for Schaffer 2.
    """
    minimisers = [*product((8.055023475736563, -8.055023475736563), (9.664590019241272, -9.664590019241272))]
    box, value, source = [(-10.0, 10.0)] * 2, -19.208502567886732, f"Mishra 2006; {LIBRARY}"
    return continuous("holder_table", _holder_table, box, value, minimisers, source)


def _holder_table(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    hill = np.exp(np.abs(1 - np.sqrt(x1**2 + x2**2) / np.pi))
    return np.asarray(-np.abs(np.sin(x1) * np.cos(x2) * hill))


def eggholder() -> Function:
    """Eggholder: hundreds of wells, the deepest on the boundary.

    f(x) = -(x2 + 47) sin(√|x2 + x1/2 + 47|) - x1 sin(√|x1 - (x2 + 47)|) on [-512, 512]²;
    f* = -959.6406627208509 at (512, 404.2318051137578).

    Source: Whitley, Mathias, Rana and Dzubera, "Evaluating evolutionary algorithms", Artificial
    Intelligence 85, 1996.
    """
    box, value, source = [(-512.0, 512.0)] * 2, -959.6406627208509, f"Whitley et al. 1996; {LIBRARY}"
    return continuous("eggholder", _eggholder, box, value, [(512, 404.2318051137578)], source)


def _eggholder(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    y = x2 + 47
    return np.asarray(-y * np.sin(np.sqrt(np.abs(y + x1 / 2))) - x1 * np.sin(np.sqrt(np.abs(x1 - y))))


def shubert() -> Function:
    """Shubert: hundreds of local minima, eighteen of them global, two by two close together.

    f(x) = s(x1) s(x2) with s(x) = Σ_{j=1..5} j cos((j + 1) x + j), on [-10, 10]²;
    f* = -186.73090883102384 where one factor is least (s = -12.87, at -1.4251284283197610 + 2π k) and
    the other greatest (s = 14.51, at -0.8003211004719731 + 2π k).

    Source: Shubert, "A sequential method seeking the global maximum of a function", SIAM Journal on
    Numerical Analysis 9(3), 1972, squared by Levy and Montalvo, "The tunneling algorithm for the global
    minimization of functions", SIAM Journal on Scientific and Statistical Computing 6(1), 1985.
    """
    periods = 2 * np.pi * np.arange(-1, 2)
    least, greatest = periods - 1.425128428319761, periods - 0.8003211004719731
    minimisers = [*product(least, greatest), *product(greatest, least)]
    value, source = -186.73090883102384, f"Shubert 1972, Levy and Montalvo 1985; {LIBRARY}"
    return continuous("shubert", _shubert, [(-10, 10)] * 2, value, minimisers, source)


def _shubert(columns: Columns) -> FloatArray:
    j = np.arange(1, 6)
    return np.asarray((j * np.cos((j + 1) * stack(columns)[..., None] + j)).sum(axis=-1).prod(axis=1))


def langermann() -> Function:
    """Langermann: ripples around five centres, here and there in and out of step.

    f(x) = Σᵢ cᵢ exp(-qᵢ / π) cos(π qᵢ) with qᵢ = (x1 - aᵢ)² + (x2 - bᵢ)² on [0, 10]², c = (1, 2, 5, 2, 3),
    a = (3, 5, 2, 1, 7), b = (5, 2, 1, 4, 9); f* = -4.155809291847785 at
    (2.7934022086450367, 1.5972325013283601). The often quoted -5.1621 belongs to the sum's negative.

    Source: the library.
    """
    minimiser, value = (2.7934022086450367, 1.5972325013283601), -4.155809291847785
    return continuous("langermann", _langermann, [(0, 10)] * 2, value, [minimiser], LIBRARY)


_CENTRES, _HEIGHTS = np.array([(3, 5), (5, 2), (2, 1), (1, 4), (7, 9)]), np.array([1, 2, 5, 2, 3])


def _langermann(columns: Columns) -> FloatArray:
    q = ((stack(columns)[:, None, :] - _CENTRES) ** 2).sum(axis=-1)
    return np.asarray((_HEIGHTS * np.exp(-q / np.pi) * np.cos(np.pi * q)).sum(axis=1))


def bird() -> Function:
    """Bird: two deep wells, one a period of 2π from the other.

    f(x) = sin(x1) exp((1 - cos(x2))²) + cos(x2) exp((1 - sin(x1))²) + (x1 - x2)² on [-2π, 2π]²;
    f* = -106.76453674926468 at (4.701043130249553, 3.15293850372493) and 2π below in both coordinates.

    Source: Mishra 2006, as for Schaffer 2.
    """
    minimisers = [(4.701043130249553, 3.15293850372493), (-1.5821421769300335, -3.1302468034546562)]
    box, value, source = [(-2 * np.pi, 2 * np.pi)] * 2, -106.76453674926468, f"Mishra 2006; {SURVEY}"
    return continuous("bird", _bird, box, value, minimisers, source)


def _bird(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    wings = np.sin(x1) * np.exp((1 - np.cos(x2)) ** 2) + np.cos(x2) * np.exp((1 - np.sin(x1)) ** 2)
    return np.asarray(wings + (x1 - x2) ** 2)


def trefethen() -> Function:
    """Trefethen: the fourth problem of the hundred digits; 693 local minima in [-1, 1]² alone.

    f(x) = exp(sin(50 x1)) + sin(60 exp(x2)) + sin(70 sin(x1)) + sin(sin(80 x2)) - sin(10 (x1 + x2))
    + (x1² + x2²) / 4 on [-6.5, 6.5] x [-4.5, 4.5]; f* = -3.306868647475237 at
    (-0.024403079694375173, 0.21061242715535577).

    Source: Trefethen, "A hundred-dollar, hundred-digit challenge", SIAM News 35(1), 2002.
    """
    minimiser, value = (-0.024403079694375173, 0.21061242715535577), -3.306868647475237
    box, source = [(-6.5, 6.5), (-4.5, 4.5)], f"Trefethen 2002; {SURVEY}"
    return continuous("trefethen", _trefethen, box, value, [minimiser], source, everywhere=True)


def _trefethen(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    waves = np.exp(np.sin(50 * x1)) + np.sin(60 * np.exp(x2)) + np.sin(70 * np.sin(x1))
    return np.asarray(waves + np.sin(np.sin(80 * x2)) - np.sin(10 * (x1 + x2)) + (x1**2 + x2**2) / 4)
