"""A rover is to drive from corner to corner between obstacles: its way is given by many points."""

import numpy as np

from bbopt.space import Real, Space
from bbopt.spec import Objective, Spec
from bbopt.types import BoolArray, FloatArray

from .continuous import stack
from .problem import Columns, Function

_START, _GOAL = np.array([0.05, 0.05]), np.array([0.95, 0.95])
_TIMES = np.linspace(0, 1, 1000)
_HALF = 0.025
"""Half of the side of an obstacle."""


def rover() -> Function:
    """Rover: 30 points of a plane shape a way, which costs 20 a unit of length in obstacles, 0.05 elsewhere.

    f = ∫ c ds + 10 (|start of the way - (0.05, 0.05)|₁ + |its end - (0.95, 0.95)|₁) - 5 with the points
    (x1, y1) .. (x30, y30) in [-0.1, 1.1]². The integral is that of the trapezoids between 1000 places of the
    way. Obstacles are 113 squares, and all outside of the unit square. f is above -5; its smallest value is
    not known. Where the way crosses the edge of an obstacle f jumps, a little.

    The original fits a smoothing B-spline with SciPy's tolerance, 22.3, which the squared distances of the
    points from their mean cannot exceed, so that no knot is ever put inside: the way is one cubic
    polynomial of the normalised length along the points, the least squares fit to them. This takes that
    directly. Given the spacing of the points, only eight directions of the sixty matter. The original also
    adds noise of size 1e-4 to the points; this does not.

    Source: Wang, Gehring, Kohli and Jegelka, "Batched large-scale Bayesian optimization in high-dimensional
    spaces", AISTATS 2018; the obstacles are those of its software, Ensemble-Bayesian-Optimization.
    """
    space = Space([Real(f"{axis}{i + 1}", -0.1, 1.1) for i in range(30) for axis in "xy"])
    source = "Wang, Gehring, Kohli and Jegelka, AISTATS 2018"
    return Function("rover60", Spec(space, (Objective(noise=0),)), None, source, _rover)


def _rover(columns: Columns) -> FloatArray:
    X = stack(columns)
    return np.array([_cost(points) for points in X.reshape(len(X), -1, 2)], dtype=np.float64)


def _cost(points: FloatArray) -> float:
    """Return the cost of the way along points (k, 2)."""
    way = _way(points)
    cost = 0.05 + 20.0 * _is_blocked(way)
    length = np.linalg.norm(np.diff(way, axis=0), axis=1)
    missed = np.abs(way[0] - _START).sum() + np.abs(way[-1] - _GOAL).sum()
    return float((length * (cost[1:] + cost[:-1]) / 2).sum() + 10 * missed - 5)


def _way(points: FloatArray) -> FloatArray:
    """Return 1000 places (1000, 2) of the cubic curve through the midst of points (k, 2)."""
    chords = np.linalg.norm(np.diff(points, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(chords)])
    if lengths[-1] == 0:  # all points are one
        return np.tile(points[0], (len(_TIMES), 1))
    # Legendre polynomials are nearly orthogonal here. Where points coincide several cubics may fit equally
    # well; of those the least squares solution is the smallest.
    basis = np.polynomial.legendre.legvander(2 * lengths / lengths[-1] - 1, 3)
    coefficients = np.linalg.lstsq(basis, points, rcond=None)[0]
    return np.asarray(np.polynomial.legendre.legvander(2 * _TIMES - 1, 3) @ coefficients)


def _is_blocked(way: FloatArray) -> BoolArray:
    """Return which rows of way (n, 2) lie in an obstacle, or out of the unit square."""
    x, y = way[:, :1], way[:, 1:]
    (left, low), (right, high) = (_OBSTACLES - _HALF).T, (_OBSTACLES + _HALF).T
    inside = (left <= x) & (x < right) & (low <= y) & (y < high)
    return np.asarray(inside.any(axis=1) | ((way < 0) | (way >= 1)).any(axis=1))


_CENTRES = """
    43143755 20876147 38485367 39183579 02985961 22328303 78037070 34470030 93685657 56297285
    04194252 23598362 28049582 40984475 67560530 70939481 01926493 86972335 59934370 63347932
    57807619 40180792 56824287 75486851 35403502 38591056 72492026 59969313 27618746 64322757
    54029566 25492943 30903526 60166842 29134320 29636879 78512072 62340245 29592116 08400595
    87548394 04877622 21714791 96073460 92624074 53441687 53639253 45127928 99892031 79537837
    84621631 41891986 39432819 06768617 92365693 72217512 95520914 73956575 82038300 53880139
    22378049 99719740 34023233 91014706 64960636 35661133 29976464 33578931 43202238 11563227
    66764947 52086962 45431078 94582745 12819915 33555344 19287232 81120750 61214791 71940626
    45225420 47352186 95623345 74174186 17340293 89136853 04600255 53040724 42493468 41006649
    37631485 88033853 66951947 29905739 41515160 77308712 55762991 26400156 62806090 53201974
    92727447 61054975 93206587 42107549 63885574 37540613 15303425 57377797 82084710 16566631
    14889043 35157346 71724622 57110725 32866327 89295780 74435871 47464421 92520260 21034329
    57039306 54356078 56611551 02531317 84830056 01180542 51282028 73916524 58795481 46527371
    83259048 98598188 00242488 83734691 72505789 04846931 07312971 30147979 55250344 23891255
    51161315 46466442 80212500 93440495 91578250 32441602 44927665 53380074 67708372 67527231
    81868924 88356194 48228814 88668497 39805433 99341196 86671752 79016975 01115417 69249130
    34272199 89543756 40721675 86164495 26317679 37334193 74446787 84782643 55560143 46405104
    73567977 12776233 28080322 26036748 17507419 95540673 54233783 11968080 76670967 88396285
    61297539 79057776 93440290 86252764 48746839 74942784 18657635 58127321 10377802 71463978
    77717710 01463505 76350420 45498358 83345861 34749363 38273809 51890558 33887574 82842507
    02073685 41776737 68754547 96430979 47042150 92717361 72666234 63241306 48494401 72003268
    52601215 81641253 71426732 47077212 00258906 30377501 35495269 98585155 65507544 03458909
    10550588 62032937 60259145 87110846 04959159 53578500
"""
_OBSTACLES = np.array(_CENTRES.split(), dtype=np.float64).reshape(-1, 2) / 1e8
"""Of 113 squares the centres (113, 2), written in units of 1e-8."""
