"""The cases of the numerical torture: one easy problem, and the same in hard clothes.

The problem is a quadratic on [0, 1]^3 with values in [0, 1]. A case says in which units its parameters and
values are, what goes wrong on the way, and which clean problem it is a disguise of; what hides the optimum,
or is another problem, has none. It also says where the right answer is to refuse. All is plain data: the
library under test is the first to look at it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

TARGET = (0.3, 0.6, 0.45, 0.7)
PLAIN = "the plain problem"
Params = dict[str, Any]


@dataclass(frozen=True)
class Dimension:
    """One parameter: reals or integers in [low, high], or choices."""

    name: str
    low: float = 0.0
    high: float = 1.0
    is_integer: bool = False
    is_log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.choices) == 1 if self.choices else self.low == self.high

    def holds(self, value: object) -> bool:
        """Whether a value is of the right kind and within the bounds, to the last bit."""
        if self.choices:
            return value in self.choices
        return isinstance(value, Integral if self.is_integer else Real) and self.low <= value <= self.high

    def place(self, value: Any) -> float:
        """Return where a value lies in the range: 0 at the low end, 1 at the high one."""
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1)
        value, low, high = int(value) if self.is_integer else float(value), self.low, self.high
        if self.is_log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)

    def at(self, u: float) -> float:
        """Return the value at a place, for a range of reals without logarithm."""
        return min(max(self.low + u * (self.high - self.low), self.low), self.high)


def unit(dimensions: Sequence[Dimension], params: Mapping[str, Any]) -> list[float]:
    """Return where params lie in their ranges, constants left out: computed apart from any library."""
    return [one.place(params[one.name]) for one in dimensions if not one.is_constant]


def quadratic(u: Sequence[float]) -> float:
    """Return the mean squared distance from the optimum: 0 there, below 1 in the unit cube."""
    return sum((x - TARGET[j % 4]) ** 2 for j, x in enumerate(u)) / max(len(u), 1)


def cube(low: float, high: float, d: int = 3, **kind: bool) -> tuple[Dimension, ...]:
    """Return d equal parameters x0, x1, ..."""
    return tuple(Dimension(f"x{j}", low, high, **kind) for j in range(d))


def diagonal(*places: float) -> tuple[Params, ...]:
    """Return params with x0 = x1 = x2."""
    return tuple(dict.fromkeys(("x0", "x1", "x2"), x) for x in places)


@dataclass(frozen=True)
class Case:
    """One row: parameters, and what becomes of the quadratic's value q at the unit point u.

    Attributes
    ----------
    name : str
    dimensions : tuple of Dimension
    value : callable
        ``value(q, u)``: the value told; a list of them with several objectives.
    clean : str or None
        The case whose regret this one should have; None where there is none.
    added : tuple of dict
        Params of trials added before the first ask.
    sd : float or None
        Standard error told with each value.
    noise : callable or None
        Draws, from a generator, what is added to each value.
    maximize : bool
    n_objectives : int
    n_initial : int or None
        Points asked before a model is used; None leaves it to the library.
    refusal : tuple of str
        Where bbopt must say no, before the first ask and with a SpaceError: what its message names. Empty
        where it must not.
    """

    name: str
    dimensions: tuple[Dimension, ...] = cube(0, 1)
    value: Callable[[float, list[float]], Any] = lambda q, u: q
    clean: str | None = PLAIN
    added: tuple[Params, ...] = ()
    sd: float | None = None
    noise: Callable[[np.random.Generator], float] | None = None
    maximize: bool = False
    n_objectives: int = 1
    n_initial: int | None = None
    refusal: tuple[str, ...] = ()

    def outcome(self, u: list[float], draw: np.random.Generator) -> list[float]:
        """Return what is told at a unit point, one value an objective."""
        values = self.value(quadratic(u), u)
        noise = self.noise(draw) if self.noise else 0.0
        return [value + noise for value in values] if self.n_objectives > 1 else [values + noise]


def scaled(a: float, b: float = 0.0) -> Callable[[float, list[float]], float]:
    """Return values a q + b."""
    return lambda q, u: a * q + b


def in_steps(step: float) -> Callable[[float, list[float]], float]:
    """Return values rounded to multiples of a step."""
    return lambda q, u: round(q / step) * step


def in_a_tenth(strange: float) -> Callable[[float, list[float]], float]:
    """Return values that are strange in a tenth of the space, away from the optimum."""
    return lambda q, u: strange if u[0] > 0.9 else q


def in_a_near_tenth(strange: float) -> Callable[[float, list[float]], float]:
    """Return values that are strange in a tenth of the space, a slab that ends close to the optimum."""
    return lambda q, u: strange if 0.35 < u[0] < 0.45 else q


def gaussian(draw: np.random.Generator) -> float:
    """Return ordinary noise."""
    return 0.01 * draw.standard_normal()


def cauchy(draw: np.random.Generator) -> float:
    """Return noise with heavy tails: neither mean nor variance exists."""
    return 0.05 * draw.standard_cauchy()


# What float64 leaves of the values: the distance of neighbours, in units of q.
COARSE = math.ulp(1e9) / 1e-3
COARSER = math.ulp(0.0) / 1e-320
COARSEST = math.ulp(1e15)

VALUES = (
    Case("y constant", value=lambda q, u: 3.5, clean=None),
    Case("y constant, 1e300", value=lambda q, u: 1e300, clean=None),
    Case("two distinct y only", value=lambda q, u: float(q > 0.1), clean=None),
    Case("a step function", value=lambda q, u: math.floor(10 * q) / 10, clean=None),
    Case("a plateau of 99%", value=lambda q, u: min(q, 0.01), clean=None),
    Case("y x 1e12", value=scaled(1e12)),
    Case("y x 1e-12", value=scaled(1e-12)),
    Case("y x 1e300", value=scaled(1e300)),
    Case("y x 1e-300", value=scaled(1e-300)),
    Case("y from -1e308 to 1e308", value=scaled(1.7e308, -0.8e308)),
    Case("y x -1, maximized", value=scaled(-1.0), maximize=True),
    Case(f"y in steps of {COARSE:.1g}", value=in_steps(COARSE), clean=None),
    Case("offset 1e9, signal 1e-3", value=scaled(1e-3, 1e9), clean=f"y in steps of {COARSE:.1g}"),
    Case(f"y in steps of {COARSER:.1g}", value=in_steps(COARSER), clean=None),
    Case("y x 1e-320 (subnormal)", value=scaled(1e-320), clean=f"y in steps of {COARSER:.1g}"),
    Case(f"y in steps of {COARSEST:.1g}", value=in_steps(COARSEST), clean=None),
    Case("offset -1e15, signal 1", value=scaled(1.0, -1e15), clean=f"y in steps of {COARSEST:.1g}"),
    Case("a region returns 1e20", value=in_a_tenth(1e20)),
    Case("a region returns 1e300", value=in_a_tenth(1e300)),
    Case("a region returns -1e20", value=in_a_tenth(-1e20), clean=None),
    Case("a near slab returns 1e20", value=in_a_near_tenth(1e20)),
    Case("nan in a tenth", value=in_a_tenth(math.nan)),
    Case("nan in a near tenth", value=in_a_near_tenth(math.nan)),
    Case("+inf in a tenth", value=in_a_tenth(math.inf)),
    Case("-inf in a tenth", value=in_a_tenth(-math.inf)),
    Case("nan everywhere", value=lambda q, u: math.nan, clean=None),
    Case("nan but for a twentieth", value=lambda q, u: q if u[0] < 0.05 else math.nan, clean=None),
    Case(
        "nan in one of 3 objectives",
        value=lambda q, u: [q, math.nan if u[0] > 0.9 else u[1], u[2] ** 2],
        clean=None,
        n_objectives=3,
    ),
    Case("y is -0.0 or 0.0", value=lambda q, u: -0.0 if q < 0.1 else 0.0, clean=None),
    Case("Cauchy noise", noise=cauchy, clean=None),
    Case("sd = 0", sd=0.0),
    Case("sd = 1e-300", sd=1e-300),
    Case("sd = 1e300", sd=1e300, clean=None),
)

SPACES = (
    Case("x in [1e-9, 1.001e-9]", cube(1e-9, 1.001e-9)),
    Case("x in [1e6, 1e6 + 1e-3]", cube(1e6, 1e6 + 1e-3)),
    Case("x in [-1e12, 1e12]", cube(-1e12, 1e12)),
    Case("x in [-1e300, 1e300]", cube(-1e300, 1e300)),
    Case("x in [-1e-300, 1e-300]", cube(-1e-300, 1e-300)),
    Case("x in [0, 1e-310] (subnormal)", cube(0.0, 1e-310)),
    Case("x in [-0.0, 1]", cube(-0.0, 1.0)),
    Case("log x in 1e-300..1e300", cube(1e-300, 1e300, is_log=True)),
    Case("log x in [1, 1.0001]", cube(1, 1.0001, is_log=True)),
    Case("x one ulp wide", cube(1.0, math.nextafter(1.0, 2.0)), clean=None),
    Case("bounds of x3 equal", (*cube(0, 1), Dimension("x3", 0.5, 0.5))),
    Case("integers 2^53 wide", cube(-(2**52), 2**52, is_integer=True)),
    Case(
        "integers at int64's ends",
        (
            Dimension("x0", -(2**63), -(2**63) + 2**52, is_integer=True),
            Dimension("x1", 2**63 - 2**52, 2**63 - 1, is_integer=True),
            Dimension("x2", -(2**52), 2**52, is_integer=True),
        ),
    ),
    Case(  # float64 cannot tell all of them apart
        "integers, all of int64",
        cube(-(2**63), 2**63 - 1, is_integer=True),
        refusal=("x0", "2^53", str(-(2**63)), str(2**63 - 1)),
    ),
    Case("2 x 2 integer grid", cube(1, 2, 2, is_integer=True), clean=None),
    Case("4 x 4 integer grid", cube(1, 4, 2, is_integer=True), clean=None),
    Case(
        "3 choices of 6, one-hot",
        tuple(Dimension(f"c{j}", choices=tuple("abcdef")) for j in range(3)),
        clean=None,
    ),
    Case(
        "one level each",
        (Dimension("i", 7, 7, is_integer=True), Dimension("c", choices=("only",))),
        clean=None,
    ),
    Case("d = 1", cube(0, 1, 1), clean=None),
    Case("d = 200", cube(0, 1, 200), clean=None, n_initial=5),
)

DATA = (
    Case("a model from n = 1 on", n_initial=1),
    Case("a model from n = 2 on", n_initial=2),
    Case("1000 copies of a point", added=diagonal(*[0.5] * 1000)),
    Case("noise", noise=gaussian, clean=None),
    Case("noise, 1000 copies", added=diagonal(*[0.5] * 1000), noise=gaussian, clean="noise"),
    Case("a line of points", added=diagonal(*(k / 100 for k in range(100)))),
    Case("twins 1e-15 apart", added=diagonal(*(0.5 + k * 1e-15 for k in range(20)))),
    Case("far points", added=diagonal(-1e6, 1e6, 1e150)),
)

CASES = {case.name: case for case in (Case(PLAIN, clean=None), *VALUES, *SPACES, *DATA)}
