"""scikit-optimize: Gaussian processes of scikit-learn and a portfolio of acquisitions."""

from failures import Failures
from parameters import from_code, has_code, is_log, n_levels
from skopt import Optimizer
from skopt.space import Categorical, Integer, Real

PACKAGES = ("scikit-optimize", "scikit-learn", "numpy", "scipy")


class Skopt:
    """``Optimizer`` with its defaults: 10 random points, then GP-Hedge over EI, LCB and PI.

    Batches are its own, the constant liar with the minimum. Ordered choices and numbers in steps are
    integers, their indices. All parameters are always suggested, inactive ones are dropped. A failed run is
    told as the worst value so far, since it takes finite values only.
    """

    def __init__(self, task):
        self.space = task.space
        self.optimizer = Optimizer([_dimension(p) for p in task.space.free], random_state=task.seed)
        self.failures = Failures()

    def ask(self, n):
        n_held = len(self.failures.held)
        if n == 1 and n_held == 0:
            self.asked = [self.optimizer.ask()]
        else:
            # Runs held back are still pending; asked singly, it would suggest the first of them again.
            self.asked = self.optimizer.ask(n_held + n)[n_held:]
        return [self._params(x) for x in self.asked]

    def tell(self, results):
        if settled := self.failures.settle(self.asked, results):
            points, values, _ = map(list, zip(*settled, strict=True))
            self.optimizer.tell(points, values)

    def _params(self, x):
        given = {p["name"]: from_code(p, code) for p, code in zip(self.space.free, x, strict=True)}
        return self.space.active(given)


def _dimension(p):
    if p["kind"] == "categorical":
        return Categorical(list(range(len(p["choices"]))), name=p["name"])
    if has_code(p):
        return Integer(0, n_levels(p) - 1, name=p["name"])
    kind = Integer if p["kind"] == "integer" else Real
    return kind(p["low"], p["high"], prior="log-uniform" if is_log(p) else "uniform", name=p["name"])
