"""Nevergrad: a wizard that chooses among many gradient-free methods."""

import math

import nevergrad as ng
from parameters import from_code, has_code, is_log, n_levels

PACKAGES = ("nevergrad", "cma", "numpy", "scipy")


class Nevergrad:
    """``NGOpt``, which it recommends where nothing is known, told the budget, the batch and the noise.

    Unordered choices are ``Choice``, ordered ones ``TransitionChoice``, numbers on a log scale ``Log``,
    integers cast. All parameters are always suggested, inactive ones are dropped. A failed run is told as the
    worst value so far, before the first success as infinity, of which it makes 5e20: it cannot be held back,
    since NGOpt may choose a method that needs each result before it goes on.
    """

    def __init__(self, task):
        self.space = task.space
        parameters = ng.p.Dict(**{p["name"]: _parameter(p) for p in task.space.free})
        parameters.function.deterministic = task.repeatable
        parameters.random_state.seed(task.seed)
        self.optimizer = ng.optimizers.NGOpt(parameters, budget=task.budget, num_workers=task.batch)
        self.worst = -math.inf

    def ask(self, n):
        self.asked = [self.optimizer.ask() for _ in range(n)]
        return [self._params(candidate.value) for candidate in self.asked]

    def tell(self, results):
        self.worst = max([self.worst, *(value for _, value in results if value is not None)])
        for candidate, (_, value) in zip(self.asked, results, strict=True):
            self.optimizer.tell(candidate, self._failed() if value is None else value)

    def _failed(self):
        return self.worst if self.worst > -math.inf else math.inf

    def _params(self, codes):
        return self.space.active({p["name"]: from_code(p, codes[p["name"]]) for p in self.space.free})


def _parameter(p):
    if p["kind"] == "categorical":
        return ng.p.Choice(len(p["choices"]))
    if p["kind"] == "ordinal":
        return ng.p.TransitionChoice(len(p["choices"]))
    if has_code(p):
        return ng.p.Scalar(lower=0, upper=n_levels(p) - 1).set_integer_casting()
    kind = ng.p.Log if is_log(p) else ng.p.Scalar
    number = kind(lower=p["low"], upper=p["high"])
    return number.set_integer_casting() if p["kind"] == "integer" else number
