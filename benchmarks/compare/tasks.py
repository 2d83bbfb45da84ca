"""A problem as a race sees it: parameters as plain data, outcomes as told, regrets as judged.

Names: those of ``bbopt.problems.get``; ``bbob-f1-d5-i3`` and the like, of COCO's suites; ``failing-NAME``
crashes in a region of 15% around the path to the optimum, ``unlucky-NAME`` once in five runs wherever it is.
"""

import re
from functools import cached_property
from typing import NamedTuple

from bbopt import problems
from bbopt.problems import EvaluationFailed
from bbopt.rng import Key
from bbopt.space import Categorical, Constant, Integer, Ordinal, Real

UNLUCKY = 0.2


class Outcome(NamedTuple):
    """What one evaluation gave: the value told, None where the run failed; how far above the optimum it is.

    The regret is that of the value without noise. Where no optimum is known, it is the value itself.
    """

    told: float | None
    regret: float | None


class Task:
    """One problem, as one run of an optimizer meets it: all noise follows from the seed.

    Parameters
    ----------
    name : str
        See the module.
    seed : int
        The same for all optimizers.
    """

    def __init__(self, name, seed):
        self.name, self._key = name, Key(seed).child("race")

    @cached_property
    def _problem(self):
        if re.match(r"bbob(-mixint|-noisy)?-f", self.name):
            from coco import Coco

            return Coco.named(self.name)
        if match := re.fullmatch(r"failing-(.+)", self.name):
            inner = problems.get(match[1])
            return problems.Failing(inner, problems.crash_region(inner))
        return problems.get(re.sub("^unlucky-", "", self.name))

    @property
    def spec(self):
        """The problem's."""
        return self._problem.spec

    @property
    def parameters(self):
        """The space as plain data, as ``optimizers/serve.py`` wants it."""
        return [_plain(parameter) for parameter in self.spec.space.parameters]

    @property
    def is_noisy(self):
        """Whether optimizers must reckon with noise: losses of cross-validation are rough, if repeatable."""
        return not self.spec.is_deterministic

    @property
    def is_repeatable(self):
        """Whether equal points have equal outcomes."""
        return not hasattr(self._problem, "clean") or self.spec.is_deterministic

    @property
    def optimum_known(self):
        """Whether regrets are above the optimum; else they are values."""
        return self._problem.optimum is not None

    def evaluate(self, params, number):
        """Return the outcome of evaluation ``number``."""
        key = self._key.child(number)
        if self.name.startswith("unlucky-") and key.child("luck").generator().random() < UNLUCKY:
            return Outcome(None, None)
        try:
            told = self._value(params, key)
        except EvaluationFailed:
            return Outcome(None, None)
        judged = told if self.is_repeatable else self._problem.clean(params)
        optimum = self._problem.optimum
        return Outcome(told, judged if optimum is None else judged - optimum.value)

    def _value(self, params, key):
        (objective,) = self.spec.objectives
        return float(self._problem.evaluate(params, key).values[objective.name])


def _plain(p):
    when = {parent: list(values) for parent, values in p.when.items()}
    match p:
        case Real() | Integer():
            kind = type(p).__name__.lower()
            plain = {"kind": kind, "low": p.low, "high": p.high, "log": p.log, "step": p.step}
        case Categorical() | Ordinal():
            plain = {"kind": type(p).__name__.lower(), "choices": list(p.choices)}
        case Constant():
            plain = {"kind": "constant", "value": p.value}
        case _:
            raise TypeError(f"no idea how to say {p!r}")
    return {"name": p.name, **plain, "when": when}
