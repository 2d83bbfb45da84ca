"""Waves: many local minima, in any dimension.

Most have their minimum in the very centre of the usual domain, where many methods look first: pass
``bounds`` (say, ``(-5, 10)``) or use :func:`~bbopt.problems.shifted` when comparing methods.
"""

import numpy as np

from bbopt.errors import SpaceError
from bbopt.types import FloatArray

from .continuous import LIBRARY, SURVEY, Bounds, at_level, check_dimension, continuous, stack
from .problem import Columns, Function


def ackley(d: int, bounds: Bounds = (-32.768, 32.768)) -> Function:
    """Ackley: a deep narrow funnel in a plain full of ripples.

    f(x) = -20 exp(-0.2 √(Σ xᵢ² / d)) - exp(Σ cos(2π xᵢ) / d) + 20 + e on [-32.768, 32.768]^d unless
    ``bounds`` say otherwise; f* = 0 at the origin.

    Source: Ackley, A Connectionist Machine for Genetic Hillclimbing, 1987.
    """
    return at_level("ackley", _ackley, d, bounds, 0.0, f"Ackley 1987; {LIBRARY}")


def lopsided_ackley(d: int) -> Function:
    """Ackley in a box whose centre is not the optimum: in 200 dimensions the test of TuRBO.

    f is :func:`ackley`, on [-5, 10]^d; f* = 0 at the origin.

    Source: Eriksson, Pearce, Gardner, Turner and Poloczek, "Scalable global optimization via local Bayesian
    optimization", NeurIPS 2019.
    """
    return at_level("lopsided_ackley", _ackley, d, (-5.0, 10.0), 0.0, "Ackley 1987, Eriksson et al. 2019")


def _ackley(columns: Columns) -> FloatArray:
    x = stack(columns)
    funnel = 20 * np.exp(-0.2 * np.sqrt((x**2).mean(axis=1)))
    ripples = np.exp(np.cos(2 * np.pi * x).mean(axis=1))
    # Paired this way the two differences vanish exactly at the origin.
    return np.asarray((20 - funnel) + (np.exp(1.0) - ripples))


def levy(d: int, bounds: Bounds = (-10.0, 10.0)) -> Function:
    """Levy: waves of growing height around the minimum.

    f(x) = sin²(π w₁) + Σ_{i<d} (wᵢ - 1)² (1 + 10 sin²(π wᵢ + 1)) + (w_d - 1)² (1 + sin²(2π w_d)) with
    wᵢ = 1 + (xᵢ - 1)/4, on [-10, 10]^d unless ``bounds`` say otherwise; f* = 0 at (1, .., 1).

    Source: Laguna and Martí, "Experimental testing of advanced scatter search designs for global
    optimization of multimodal functions", Journal of Global Optimization 33(2), 2005.
    """
    source = f"Laguna and Martí 2005; {LIBRARY}"
    return at_level("levy", _levy, d, bounds, 1.0, source, factors=(1, 1))


def lopsided_levy() -> Function:
    """Levy in four dimensions, with the optimum near the walls of a box.

    f is :func:`levy`, on [-10, 5] x [-10, 10] x [-5, 10] x [-1, 10]; f* = 0 at (1, 1, 1, 1).

    Source: Hvarfner, Hellsten and Nardi, "Vanilla Bayesian optimization performs great in high
    dimensions", ICML 2024.
    """
    box = [(-10.0, 5.0), (-10.0, 10.0), (-5.0, 10.0), (-1.0, 10.0)]
    source = "Hvarfner, Hellsten and Nardi 2024"
    return continuous(
        "lopsided_levy4", _levy, box, 0.0, [(1.0,) * 4], source, everywhere=True, factors=(1, 1)
    )


def _levy(columns: Columns) -> FloatArray:
    w = 1 + (stack(columns) - 1) / 4
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
    source = f"Rastrigin 1974, Mühlenbein et al. 1991; {LIBRARY}"
    return at_level("rastrigin", _rastrigin, d, bounds, 0.0, source, factors=(1, 1))


def _rastrigin(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray((x**2 + 10 * (1 - np.cos(2 * np.pi * x))).sum(axis=1))


def griewank(d: int, bounds: Bounds = (-600.0, 600.0)) -> Function:
    """Griewank: a wide bowl under ripples, which fade as d grows.

    f(x) = Σ xᵢ² / 4000 - Π cos(xᵢ / √i) + 1 on [-600, 600]^d unless ``bounds`` say otherwise; f* = 0 at
    the origin.

    Source: Griewank, "Generalized descent for global optimization", Journal of Optimization Theory and
    Applications 34(1), 1981.
    """
    return at_level("griewank", _griewank, d, bounds, 0.0, f"Griewank 1981; {LIBRARY}")


def _griewank(columns: Columns) -> FloatArray:
    x = stack(columns)
    ripples = np.cos(x / np.sqrt(np.arange(1, x.shape[1] + 1))).prod(axis=1)
    return np.asarray((x**2).sum(axis=1) / 4000 + (1 - ripples))


def schwefel(d: int) -> Function:
    """Schwefel: the best well lies near a corner, far from the next best ones.

    f(x) = Σ 418.9828872724337 - xᵢ sin(√|xᵢ|) on [-500, 500]^d; f* = 0 at xᵢ = 420.968746359982. The
    constant, which is rounded to 418.9829 elsewhere, is the largest x sin(√x) of the domain.

    Source: Schwefel, Numerical Optimization of Computer Models, 1981, problem 2.26.
    """
    check_dimension("schwefel", d)
    minimiser, source = [420.96874635998205] * d, f"Schwefel 1981; {LIBRARY}"
    box = [(-500.0, 500.0)] * d
    return continuous(f"schwefel{d}", _schwefel, box, 0.0, [minimiser], source, factors=(1, 1))


def _schwefel(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray((418.9828872724337 - x * np.sin(np.sqrt(np.abs(x)))).sum(axis=1))


def styblinski_tang(d: int, bounds: Bounds = (-5.0, 5.0)) -> Function:
    """Styblinski-Tang: two wells a dimension, hence 2^d, one the deepest.

    f(x) = Σ (xᵢ⁴ - 16 xᵢ² + 5 xᵢ) / 2 on [-5, 5]^d unless ``bounds`` say otherwise;
    f* = -39.16616570377141 d at xᵢ = -2.903534027771177, the least root of 4 x³ - 32 x + 5.

    Source: Styblinski and Tang, "Experiments in nonconvex optimization: stochastic approximation with
    function smoothing and simulated annealing", Neural Networks 3(4), 1990.
    """
    level, each, source = _WELL, _DEPTH, f"Styblinski and Tang 1990; {LIBRARY}"
    return at_level("styblinski_tang", _styblinski_tang, d, bounds, level, source, each=each, factors=(1, 1))


_WELL, _DEPTH = -2.903534027771177, -39.16616570377141


def _wells(x: FloatArray) -> FloatArray:
    return (x**4 - 16 * x**2 + 5 * x) / 2


def _styblinski_tang(columns: Columns) -> FloatArray:
    return np.asarray(_wells(stack(columns)).sum(axis=1))


def overlapping(d: int) -> Function:
    """Wells in blocks of four coordinates, each of which shares two with the next; d is even, at least 4.

    f(x) = Σₖ h(x_{2k+1}, .., x_{2k+4}), k = 0 .. d/2 - 2, on [-5, 5]^d. A block h is the mean of Styblinski
    and Tang's g(x) = (x⁴ - 16 x² + 5 x) / 2 over its four coordinates, and their variance: g alone would
    leave the coordinates independent. Both are least where every coordinate is the minimiser of g, so
    f* = -39.16616570377141 (d/2 - 1) at xᵢ = -2.903534027771177.

    Source: bbopt's own.

    Raises
    ------
    SpaceError
        ``d`` is no even number of at least 4.
    """
    check_dimension("overlapping", d, least=4)
    if d % 2:
        raise SpaceError(f"overlapping: d must be even, got {d!r}")
    box, value, minimisers = [(-5.0, 5.0)] * d, _DEPTH * (d // 2 - 1), [(_WELL,) * d]
    name = f"overlapping{d}"
    return continuous(name, _overlapping, box, value, minimisers, "bbopt", everywhere=True, factors=(4, 2))


def _overlapping(columns: Columns) -> FloatArray:
    x = stack(columns)
    blocks = np.lib.stride_tricks.sliding_window_view(x, 4, axis=1)[:, ::2]
    return np.asarray((_wells(blocks).mean(axis=2) + blocks.var(axis=2)).sum(axis=1))


def cosine_mixture(d: int, bounds: Bounds = (-1.0, 1.0)) -> Function:
    """Cosine mixture: a bowl with five minima a dimension.

    f(x) = Σ xᵢ² - 0.1 cos(5π xᵢ) on [-1, 1]^d unless ``bounds`` say otherwise; f* = -0.1 d at the origin.

    Source: Breiman and Cutler, "A deterministic algorithm for global optimization", Mathematical
    Programming 58, 1993.
    """
    source = f"Breiman and Cutler 1993; {SURVEY}"
    return at_level("cosine_mixture", _cosine_mixture, d, bounds, 0.0, source, each=-0.1, factors=(1, 1))


def _cosine_mixture(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray((x**2 - 0.1 * np.cos(5 * np.pi * x)).sum(axis=1))


def salomon(d: int, bounds: Bounds = (-100.0, 100.0)) -> Function:
    """Salomon: rings of equal height around the minimum, the same from every side.

    f(x) = 1 - cos(2π r) + 0.1 r with r = √(Σ xᵢ²), on [-100, 100]^d unless ``bounds`` say otherwise;
    f* = 0 at the origin.

    Source: Salomon, "Re-evaluating genetic algorithm performance under coordinate rotation of benchmark
    functions", BioSystems 39(3), 1996.
    """
    return at_level("salomon", _salomon, d, bounds, 0.0, f"Salomon 1996; {SURVEY}")


def _salomon(columns: Columns) -> FloatArray:
    r = np.sqrt((stack(columns) ** 2).sum(axis=1))
    return np.asarray(1 - np.cos(2 * np.pi * r) + 0.1 * r)


def xin_she_yang(d: int, bounds: Bounds = (-2 * np.pi, 2 * np.pi)) -> Function:
    """Xin-She Yang's second function: kinked along every axis, with chirping waves.

    f(x) = (Σ |xᵢ|) exp(-Σ sin(xᵢ²)) on [-2π, 2π]^d unless ``bounds`` say otherwise; f* = 0 at the origin.

    Source: Yang, "Test problems in optimization", in Engineering Optimization: An Introduction with
    Metaheuristic Applications, 2010.
    """
    return at_level("xin_she_yang", _xin_she_yang, d, bounds, 0.0, f"Yang 2010; {SURVEY}")


def _xin_she_yang(columns: Columns) -> FloatArray:
    x = stack(columns)
    return np.asarray(np.abs(x).sum(axis=1) * np.exp(-np.sin(x**2).sum(axis=1)))
