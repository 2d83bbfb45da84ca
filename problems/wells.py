"""Wells: a few separate minima, one or several of them the deepest."""

from math import fsum

import numpy as np

from bbopt.errors import SpaceError
from bbopt.types import FloatArray

from .continuous import LIBRARY, Formula, continuous, coordinates, stack
from .problem import Columns, Function


def branin() -> Function:
    """Branin: three global minima in two dimensions.

    f(x) = (x2 - 5.1/(4π²) x1² + 5/π x1 - 6)² + 10 (1 - 1/(8π)) cos(x1) + 10 on [-5, 10] x [0, 15];
    f* = 10/(8π) = 0.397887... at (-π, 12.275), (π, 2.275) and (3π, 2.475).

    Source: Branin, "Widely convergent method for finding multiple solutions of simultaneous nonlinear
    equations", IBM Journal of Research and Development 16(5), 1972; constants of Dixon and Szegő, 1978.
    """
    minimisers = [(-np.pi, 12.275), (np.pi, 2.275), (3 * np.pi, 2.475)]
    source = f"Branin 1972, Dixon and Szegő 1978; {LIBRARY}"
    return continuous("branin", _branin, [(-5, 10), (0, 15)], 10 / (8 * np.pi), minimisers, source)


def _branin(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    valley = x2 - 5.1 / (4 * np.pi**2) * x1**2 + 5 / np.pi * x1 - 6
    return valley**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x1) + 10


def hartmann(d: int = 6) -> Function:
    """Hartmann in 3, 4 or 6 dimensions: four Gaussian wells, one of them the deepest.

    f(x) = -Σᵢ αᵢ exp(-Σⱼ Aᵢⱼ (xⱼ - Pᵢⱼ)²) on [0, 1]^d, i = 1..4; in four dimensions (f + 1.1) / 0.839,
    with the first four columns of the six-dimensional A and P, after Picheny et al.

    f* = -3.8627797873 (d = 3), -3.1344941412 (d = 4), -3.3223680114 (d = 6). The often quoted
    -3.86278215 of three dimensions belongs to P₄₁ = 0.03815, where this function, like the library it
    follows, has 0.0381.

    Source: Dixon and Szegő, Towards Global Optimisation 2, 1978 (d = 3, 6); Picheny, Wagner and
    Ginsbourger, "A benchmark of kriging-based infill criteria for noisy optimization", Structural and
    Multidisciplinary Optimization 48, 2013 (d = 4).

    Raises
    ------
    SpaceError
        ``d`` is not 3, 4 or 6.
    """
    if d not in _HARTMANN:
        raise SpaceError(f"hartmann: d must be 3, 4 or 6, got {d!r}")
    formula, value, minimiser = _HARTMANN[d]
    source = "Dixon and Szegő 1978" if d != 4 else "Picheny, Wagner and Ginsbourger 2013"
    box, source = [(0.0, 1.0)] * d, f"{source}; {LIBRARY}"
    return continuous(f"hartmann{d}", formula, box, value, [minimiser], source, everywhere=True)


def _wells(x: FloatArray, A: FloatArray, P: FloatArray) -> FloatArray:
    """Return -Σᵢ αᵢ exp(-Σⱼ Aᵢⱼ (xⱼ - Pᵢⱼ)²) for x (n, d)."""
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    distances = (A * (x[:, None, :] - P) ** 2).sum(axis=-1)
    return np.asarray(-np.exp(-distances) @ alpha)


_A3 = np.array([[3.0, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_P3 = np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]) / 1e4
_A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P6 = (
    np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    / 1e4
)


def _hartmann3(columns: Columns) -> FloatArray:
    return _wells(stack(columns), _A3, _P3)


def _hartmann4(columns: Columns) -> FloatArray:
    return (_wells(stack(columns), _A6[:, :4], _P6[:, :4]) + 1.1) / 0.839


def _hartmann6(columns: Columns) -> FloatArray:
    return _wells(stack(columns), _A6, _P6)


_HARTMANN: dict[int, tuple[Formula, float, tuple[float, ...]]] = {
    3: (_hartmann3, -3.8627797873326625, (0.114588876655069, 0.55564889461693, 0.852546984686677)),
    4: (
        _hartmann4,
        -3.134494141222399,
        (0.187395272973467, 0.194151529302441, 0.557917780062569, 0.264779624170397),
    ),
    6: (
        _hartmann6,
        -3.322368011415515,
        (0.20168951101, 0.15001069182, 0.47687397422, 0.27533243049, 0.31165161660, 0.65730053407),
    ),
}


def shekel(m: int = 10) -> Function:
    """Shekel in four dimensions: m narrow wells on a plain, with m = 5, 7 or 10.

    f(x) = -Σᵢ 1 / (βᵢ + Σⱼ (xⱼ - Cᵢⱼ)²) on [0, 10]^4, i = 1..m.

    f* = -10.1531996791 (m = 5), -10.4029153368 (m = 7), -10.5364431535 (m = 10), near (4, 4, 4, 4). The
    seventh centre is the library's (5, 3, 5, 3); with Dixon and Szegő's (5, 5, 3, 3) the last two are
    -10.4029405668 and -10.5364098167.

    Source: Shekel, "Test functions for multimodal search techniques", Fifth Annual Princeton Conference
    on Information Science and Systems, 1971; Dixon and Szegő 1978.

    Raises
    ------
    SpaceError
        ``m`` is not 5, 7 or 10.
    """
    if m not in _SHEKEL:
        raise SpaceError(f"shekel: m must be 5, 7 or 10, got {m!r}")
    formula, value, a, b = _SHEKEL[m]
    box, source = [(0.0, 10.0)] * 4, f"Shekel 1971, Dixon and Szegő 1978; {LIBRARY}"
    return continuous(f"shekel{m}", formula, box, value, [(a, b, a, b)], source, everywhere=True)


_BETA = np.array([1, 2, 2, 4, 4, 6, 3, 7, 5, 5]) / 10
_C = np.array([[4, 1, 8, 6, 3, 2, 5, 8, 6, 7], [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6]] * 2).T


def _holes(columns: Columns, m: int) -> FloatArray:
    x = stack(columns)
    return np.asarray(-(1 / (_BETA[:m] + ((x[:, None, :] - _C[:m]) ** 2).sum(axis=-1))).sum(axis=1))


def _shekel5(columns: Columns) -> FloatArray:
    return _holes(columns, 5)


def _shekel7(columns: Columns) -> FloatArray:
    return _holes(columns, 7)


def _shekel10(columns: Columns) -> FloatArray:
    return _holes(columns, 10)


_SHEKEL: dict[int, tuple[Formula, float, float, float]] = {
    5: (_shekel5, -10.153199679058227, 4.000037152819676, 4.00013327659156),
    7: (_shekel7, -10.402915336777744, 4.000572819251117, 3.9996062096096887),
    10: (_shekel10, -10.536443153483528, 4.000746868270634, 3.9995094800857736),
}


def goldstein_price() -> Function:
    """Goldstein-Price: four minima, and values from 3 to a million.

    f(x) = (1 + (x1 + x2 + 1)² (19 - 14 x1 + 3 x1² - 14 x2 + 6 x1 x2 + 3 x2²))
    (30 + (2 x1 - 3 x2)² (18 - 32 x1 + 12 x1² + 48 x2 - 36 x1 x2 + 27 x2²)) on [-2, 2]²; f* = 3 at (0, -1).

    Source: Goldstein and Price, "On descent from local minima", Mathematics of Computation 25(115), 1971.
    """
    box, source = [(-2.0, 2.0)] * 2, f"Goldstein and Price 1971; {LIBRARY}"
    return continuous("goldstein_price", _goldstein_price, box, 3.0, [(0, -1)], source, everywhere=True)


def _goldstein_price(columns: Columns) -> FloatArray:
    return _two_factors(*coordinates(columns))


def _two_factors(x1: FloatArray, x2: FloatArray) -> FloatArray:
    # Either factor is a quartic in one variable, s = x1 + x2 and t = 2 x1 - 3 x2; both are least at (0, -1).
    s, t = x1 + x2, 2 * x1 - 3 * x2
    return (1 + (s + 1) ** 2 * (19 - 14 * s + 3 * s**2)) * (30 + t**2 * (18 - 16 * t + 3 * t**2))


def log_goldstein_price() -> Function:
    """Goldstein-Price on a log scale, with mean 0 and variance 1: the form that models can learn.

    f(x) = (log g(4x - 2) - 8.693) / 2.427 on [0, 1]², with g the function of Goldstein and Price;
    f* = (log 3 - 8.693) / 2.427 = -3.129125550610... at (0.5, 0.25).

    Source: Picheny, Wagner and Ginsbourger 2013, as for Hartmann in four dimensions.
    """
    value, source = (np.log(3) - 8.693) / 2.427, f"Picheny, Wagner and Ginsbourger 2013; {LIBRARY}"
    box, minimisers = [(0.0, 1.0)] * 2, [(0.5, 0.25)]
    return continuous(
        "log_goldstein_price", _log_goldstein_price, box, value, minimisers, source, everywhere=True
    )


def _log_goldstein_price(columns: Columns) -> FloatArray:
    x1, x2 = coordinates(columns)
    return np.asarray((np.log(_two_factors(4 * x1 - 2, 4 * x2 - 2)) - 8.693) / 2.427)


def michalewicz(d: int) -> Function:
    """Michalewicz: d! local minima, steep furrows between plateaus; d is at most 10.

    f(x) = -Σ sin(xᵢ) sin²⁰(i xᵢ² / π) on [0, π]^d. A sum over the coordinates, so that the optimum is one
    of d functions of one variable: f* = -1.801303410099 (d = 2), -4.687658179088 (d = 5),
    -9.660151715641 (d = 10).

    Source: Michalewicz, Genetic Algorithms + Data Structures = Evolution Programs, 1992.

    Raises
    ------
    SpaceError
        ``d`` is not a whole number from 1 to 10.
    """
    if d not in range(1, len(_FURROWS) + 1):
        raise SpaceError(f"michalewicz: d must be a whole number from 1 to {len(_FURROWS)}, got {d!r}")
    box, source = [(0.0, np.pi)] * d, f"Michalewicz 1992; {LIBRARY}"
    minimiser, values = zip(*_FURROWS[:d], strict=True)
    value = fsum(values)
    return continuous(f"michalewicz{d}", _michalewicz, box, value, [minimiser], source, factors=(1, 1))


def _michalewicz(columns: Columns) -> FloatArray:
    x = stack(columns)
    i = np.arange(1, x.shape[1] + 1)
    return np.asarray(-(np.sin(x) * np.sin(i * x**2 / np.pi) ** 20).sum(axis=1))


_FURROWS = (
    (2.2029055201726093, -0.8013034100985525),
    (1.5707963267948966, -1.0),
    (1.2849915705529245, -0.9590912698960059),
    (1.9230584698663629, -0.9384624184720834),
    (1.7204697725658413, -0.9888010806215044),
    (1.5707963267948966, -1.0),
    (1.454413971362379, -0.9932271353558816),
    (1.7560865209450263, -0.9828720362722106),
    (1.6557174168210291, -0.9963943649251029),
    (1.5707963267948966, -1.0),
)
"""Where the i-th coordinate has its least value, and that value."""
