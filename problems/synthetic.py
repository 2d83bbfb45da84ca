"""Continuous test functions with known optima: Branin, Hartmann, Ackley, Rosenbrock, Levy, Rastrigin.

Every function below is a factory that returns a problem over parameters x1 .. xd. The formulas are
those of Surjanovic and Bingham, "Virtual Library of Simulation Experiments: Test Functions and
Datasets", https://www.sfu.ca/~ssurjano, which also quotes the original sources; the smallest values are
given here to all digits of a double.

Ackley and Rastrigin have their minimum in the very centre of the usual domain, where many methods
look first: pass ``bounds`` (say, ``(-5, 10)``) when comparing methods.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bbopt.errors import SpaceError
from bbopt.space import Real, Space
from bbopt.spec import Objective, Spec
from bbopt.types import FloatArray

from .problem import Columns, Function, Optimum

_LIBRARY = "Surjanovic and Bingham, Virtual Library of Simulation Experiments"
Bounds = tuple[float, float]


def branin() -> Function:
    """Branin: three global minima in two dimensions.

    f(x) = (x2 - 5.1/(4π²) x1² + 5/π x1 - 6)² + 10 (1 - 1/(8π)) cos(x1) + 10 on [-5, 10] x [0, 15];
    f* = 10/(8π) = 0.397887... at (-π, 12.275), (π, 2.275) and (3π, 2.475).

    Source: Branin, "Widely convergent method for finding multiple solutions of simultaneous nonlinear
    equations", IBM Journal of Research and Development 16(5), 1972; constants of Dixon and Szegő, 1978.
    """
    minimisers = [(-np.pi, 12.275), (np.pi, 2.275), (3 * np.pi, 2.475)]
    source = "Branin 1972, as in Dixon and Szegő, Towards Global Optimisation 2, 1978"
    return _function("branin", _branin, [(-5, 10), (0, 15)], 10 / (8 * np.pi), minimisers, source)


def _branin(columns: Columns) -> FloatArray:
    x1, x2 = columns["x1"], columns["x2"]
    valley = x2 - 5.1 / (4 * np.pi**2) * x1**2 + 5 / np.pi * x1 - 6
    return np.asarray(valley**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x1) + 10)


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
    return _function(f"hartmann{d}", formula, [(0, 1)] * d, value, [minimiser], source)


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
    return _wells(_stack(columns), _A3, _P3)


def _hartmann4(columns: Columns) -> FloatArray:
    return (_wells(_stack(columns), _A6[:, :4], _P6[:, :4]) + 1.1) / 0.839


def _hartmann6(columns: Columns) -> FloatArray:
    return _wells(_stack(columns), _A6, _P6)


_HARTMANN: dict[int, tuple[Callable[[Columns], FloatArray], float, tuple[float, ...]]] = {
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


def ackley(d: int, bounds: Bounds = (-32.768, 32.768)) -> Function:
    """Ackley: a deep narrow funnel in a plain full of ripples.

    f(x) = -20 exp(-0.2 √(Σ xᵢ² / d)) - exp(Σ cos(2π xᵢ) / d) + 20 + e on [-32.768, 32.768]^d unless
    ``bounds`` say otherwise; f* = 0 at the origin.

    Source: Ackley, A Connectionist Machine for Genetic Hillclimbing, 1987.
    """
    return _at_level(f"ackley{d}", _ackley, d, bounds, 0.0, "Ackley 1987")


def _ackley(columns: Columns) -> FloatArray:
    x = _stack(columns)
    funnel = 20 * np.exp(-0.2 * np.sqrt((x**2).mean(axis=1)))
    ripples = np.exp(np.cos(2 * np.pi * x).mean(axis=1))
    # Paired this way the two differences vanish exactly at the origin.
    return np.asarray((20 - funnel) + (np.exp(1.0) - ripples))


def rosenbrock(d: int, bounds: Bounds = (-5.0, 10.0)) -> Function:
    """Rosenbrock: a long curved valley; d is at least 2.

    f(x) = Σ_{i<d} 100 (x_{i+1} - xᵢ²)² + (1 - xᵢ)² on [-5, 10]^d unless ``bounds`` say otherwise;
    f* = 0 at (1, .., 1).

    Source: Rosenbrock, "An automatic method for finding the greatest or least value of a function",
    The Computer Journal 3(3), 1960.
    """
    return _at_level(f"rosenbrock{d}", _rosenbrock, d, bounds, 1.0, "Rosenbrock 1960", least=2)


def _rosenbrock(columns: Columns) -> FloatArray:
    x = _stack(columns)
    return np.asarray((100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1))


def levy(d: int, bounds: Bounds = (-10.0, 10.0)) -> Function:
    """Levy: waves of growing height around the minimum.

    f(x) = sin²(π w₁) + Σ_{i<d} (wᵢ - 1)² (1 + 10 sin²(π wᵢ + 1)) + (w_d - 1)² (1 + sin²(2π w_d)) with
    wᵢ = 1 + (xᵢ - 1)/4, on [-10, 10]^d unless ``bounds`` say otherwise; f* = 0 at (1, .., 1).

    Source: Laguna and Martí, "Experimental testing of advanced scatter search designs for global
    optimization of multimodal functions", Journal of Global Optimization 33(2), 2005.
    """
    return _at_level(f"levy{d}", _levy, d, bounds, 1.0, "Laguna and Martí 2005")


def _levy(columns: Columns) -> FloatArray:
    w = 1 + (_stack(columns) - 1) / 4
    first, inner, last = w[:, 0], w[:, :-1], w[:, -1]
    middle = ((inner - 1) ** 2 * (1 + 10 * np.sin(np.pi * inner + 1) ** 2)).sum(axis=1)
    end = (last - 1) ** 2 * (1 + np.sin(2 * np.pi * last) ** 2)
    return np.asarray(np.sin(np.pi * first) ** 2 + middle + end)


def rastrigin(d: int, bounds: Bounds = (-5.12, 5.12)) -> Function:
    """Rastrigin: a bowl with about eleven local minima a dimension.

    f(x) = 10 d + Σ xᵢ² - 10 cos(2π xᵢ) on [-5.12, 5.12]^d unless ``bounds`` say otherwise; f* = 0 at
    the origin.

    Source: Rastrigin, Systems of Extremal Control, 1974; in d dimensions Mühlenbein, Schomisch and
    Born, "The parallel genetic algorithm as function optimizer", Parallel Computing 17, 1991.
    """
    return _at_level(f"rastrigin{d}", _rastrigin, d, bounds, 0.0, "Rastrigin 1974, Mühlenbein et al. 1991")


def _rastrigin(columns: Columns) -> FloatArray:
    x = _stack(columns)
    return np.asarray((x**2 + 10 * (1 - np.cos(2 * np.pi * x))).sum(axis=1))


def _stack(columns: Columns) -> FloatArray:
    """Return the points as one array (n, d)."""
    return np.column_stack(list(columns.values()))


def _at_level(
    name: str,
    formula: Callable[[Columns], FloatArray],
    d: int,
    bounds: Bounds,
    level: float,
    source: str,
    least: int = 1,
) -> Function:
    """Return a problem in any dimension whose minimum 0 is where every coordinate equals ``level``."""
    if isinstance(d, bool) or not isinstance(d, int) or d < least:
        raise SpaceError(f"{name}: d must be a whole number of at least {least}, got {d!r}")
    if not bounds[0] <= level <= bounds[1]:
        raise SpaceError(f"{name}: bounds must contain the optimum, {level}, got {bounds!r}")
    return _function(name, formula, [bounds] * d, 0.0, [(level,) * d], source)


def _function(
    name: str,
    formula: Callable[[Columns], FloatArray],
    bounds: Sequence[Bounds],
    value: float,
    minimisers: Sequence[Sequence[float]],
    source: str,
) -> Function:
    """Return a deterministic problem over x1 .. xd."""
    names = [f"x{i + 1}" for i in range(len(bounds))]
    space = Space([Real(label, lo, hi) for label, (lo, hi) in zip(names, bounds, strict=True)])
    optimum = Optimum(value, tuple(dict(zip(names, map(float, x), strict=True)) for x in minimisers))
    return Function(name, Spec(space, (Objective(noise=0),)), optimum, f"{source}; {_LIBRARY}", formula)
