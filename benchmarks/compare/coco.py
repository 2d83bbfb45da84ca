"""COCO's functions as problems: the suites bbob, bbob-mixint and bbob-noisy of its package ``cocoex``.

Hansen, Auger, Ros, Mersmann, Tušar and Brockhoff, "COCO: a platform for comparing continuous optimizers in a
black-box setting", Optimization Methods and Software 36(1), 2021. No observer is attached, no file written.

**Noise.** ``cocoex`` takes its random numbers from counters of the process, which each new suite sets back
and each call on any noisy function moves on; no seed can be given. Here they are a function of a key. What
becomes of them is the same: COCO's three models of noise, with the constants of ``cocoex``.

**Without noise.** ``cocoex`` does not say that value, but a third of the noisy functions show it. Functions
come in threes that differ in their noise alone, and in the last of them the noise is a constant, 1000 α, to
which only now and then a Cauchy variate is added. So a value that comes twice is the true one and 1000 α.
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from bbopt import Integer, Real, Space
from bbopt.data.trial import Observation
from bbopt.errors import DataError
from bbopt.problems import OneObjective, Optimum
from bbopt.rng import Key, draw_seed
from bbopt.spec import Objective, Spec

_SUITES = ("bbob", "bbob-mixint", "bbob-noisy")
_NAME = re.compile(r"(bbob|bbob-mixint|bbob-noisy)-f([1-9]\d*)-d([1-9]\d*)-i([1-9]\d*)")
_FIRST_NOISY = 101
_WITHOUT_NOISE = (1, 8, 1, 8, 7, 10, 14, 17, 19, 21)
"""The function of bbob that has the optimum of each three of bbob-noisy, and mostly all of its values."""
_MODERATE = 2
"""So many threes, the first ones, have noise of one percent."""
_PRECISION = 1.01e-8
"""Is added to noisy values, so that no noise hides how precisely an optimum was found."""


@dataclass(frozen=True)
class Coco(OneObjective):
    """One function of COCO in one dimension and instance: a few numbers, which travel to other processes.

    Parameters are ``x0`` .. : all real in [-5, 5], or in bbob-mixint four fifths integers from 0 to 1, 3, 7
    and 15.

    Parameters
    ----------
    suite : {"bbob", "bbob-mixint", "bbob-noisy"}
    function : int
        1 to 24; 101 to 130 in bbob-noisy.
    dimension : int
        2, 3, 5, 10, 20 or 40; in bbob-mixint a multiple of 5.
    instance : int
        At least 1: where the optimum lies, which value it has, how the function is turned.

    Raises
    ------
    DataError
        The suite is another one. What the suite does not have, ``cocoex`` refuses when it is first used.
    """

    suite: str
    function: int
    dimension: int
    instance: int

    def __post_init__(self):
        if self.suite not in _SUITES:
            raise DataError(f"Coco: suite must be one of {', '.join(_SUITES)}, got {self.suite!r}")

    @classmethod
    def named(cls, name):
        """Return a problem by its name, such as ``"bbob-mixint-f3-d10-i2"``; DataError where it is none."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise DataError(f"Coco: name must be like 'bbob-noisy-f101-d5-i3', got {name!r}")
        suite, *numbers = match.groups()
        return cls(suite, *map(int, numbers))

    @property
    def name(self):
        """Such as ``"bbob-f1-d5-i3"``."""
        return f"{self.suite}-f{self.function}-d{self.dimension}-i{self.instance}"

    @property
    def source(self):
        """The platform."""
        return "Hansen et al., COCO, 2021"

    @cached_property
    def spec(self):
        """The box of the suite; noise of unknown size in bbob-noisy, and none in the others."""
        inside = self._open(self.function)
        ends = zip(inside.lower_bounds.tolist(), inside.upper_bounds.tolist(), strict=True)
        space = Space(
            [
                Integer(f"x{i}", int(low), int(high))
                if i < inside.number_of_integer_variables
                else Real(f"x{i}", low, high)
                for i, (low, high) in enumerate(ends)
            ]
        )
        return Spec(space, (Objective(noise=None if self._is_noisy else 0),))

    @cached_property
    def optimum(self):
        """The smallest value without noise, and where COCO has put it."""
        from cocoex import BareProblem

        function = _WITHOUT_NOISE[self._three] if self._is_noisy else self.function
        bare = BareProblem("bbob", function, self.dimension, self.instance)
        x = bare.best_parameter().tolist()
        params = {p.name: _nearest(p, value) for p, value in zip(self.spec.space.parameters, x, strict=True)}
        return Optimum(self.clean(params) if self.suite == "bbob-mixint" else bare.best_value(), (params,))

    def evaluate(self, params, rng=None):
        """Evaluate one point; the noise is a function of the key, and fresh without one."""
        value = self.clean(params)
        if self._is_noisy:
            value = self._disturbed(value, (Key(draw_seed()) if rng is None else rng).generator())
        return Observation({"value": value})

    def clean(self, params):
        """Return the value of one point without noise, to 1e-13 of a thousand in bbob-noisy."""
        space = self.spec.space
        space.validate(params)
        x = [params[name] for name in space.names]
        if not self._is_noisy:
            return float(self._open(self.function)(x))
        with_cauchy_noise = self._open(_FIRST_NOISY + 3 * self._three + 2)
        seen = set()
        while (value := float(with_cauchy_noise(x))) not in seen:
            seen.add(value)
        alpha, _ = self._cauchy
        return max(value - 1000 * alpha - _PRECISION, self.optimum.value)

    def _disturbed(self, value, generator):
        """Return a value with noise: Hansen, Finck, Ros and Auger, INRIA RR-6869, 2009, section 2."""
        best = self.optimum.value
        above, size = value - best, 0.01 if self._three < _MODERATE else 1.0
        match (self.function - _FIRST_NOISY) % 3:
            case 0:
                above *= np.exp(size * generator.standard_normal())
            case 1:
                first, second = generator.random(2)
                alpha = size * (0.49 + 1 / self.dimension)
                above *= first**size * max(1.0, (1e9 / (above + 1e-99)) ** (alpha * second))
            case _:
                alpha, p = self._cauchy
                hit = generator.random() < p
                over, under = generator.standard_normal(2)
                above += alpha * max(0.0, 1000 + hit * over / (abs(under) + 1e-199))
        return float(best + above + _PRECISION)

    @property
    def _is_noisy(self):
        return self.suite == "bbob-noisy"

    @property
    def _three(self):
        return (self.function - _FIRST_NOISY) // 3

    @property
    def _cauchy(self):
        """The size of Cauchy noise, and how often it is not constant."""
        return (0.01, 0.05) if self._three < _MODERATE else (1.0, 0.2)

    def _open(self, function):
        return _open(self.suite, function, self.dimension, self.instance)


def _nearest(parameter, x):
    """Return which value of a parameter stands for x, a coordinate of an optimum in bbob.

    Level k of n stands for -4 + 8 (k + 1) / (n + 1): Tušar, Brockhoff and Hansen, "Mixed-integer benchmark
    problems for single- and bi-objective optimization", GECCO 2019. Then bbob-mixint moves the function, so
    that the nearest one is optimal. In the middle of two, ``cocoex`` takes the upper one.
    """
    if isinstance(parameter, Real):
        return x
    n = parameter.high + 1
    return min(max(math.floor((x + 4) * (n + 1) / 8 - 0.5 + 1e-7), 0), parameter.high)


@lru_cache(maxsize=8)
def _open(suite, function, dimension, instance):
    """Return the function of ``cocoex``; a handle of the process, which cannot travel."""
    from cocoex import Suite

    there = Suite(suite, f"instances:{instance}", f"dimensions:{dimension}")
    return there.get_problem_by_function_dimension_instance(function, dimension, instance)
