"""pycma: CMA-ES, the evolution strategy with an adapted covariance matrix."""

import math
import random

import cma
from parameters import Cube, is_log, n_levels

PACKAGES = ("cma", "numpy")


class Cma:
    """``CMAEvolutionStrategy`` from the centre of the unit cube, sigma0 0.25, within bounds, with restarts.

    sigma0 is a quarter of the range, as its author recommends; the population size is the default, rounded
    up to a multiple of the batch so that generations are made of whole batches. Levels are given by their
    indices as ``integer_variables``, categoricals too; integers on a log scale are rounded. When a
    termination criterion holds, a new run with twice the population starts at a random point (IPOP, Auger
    and Hansen, CEC 2005). A failed member is told as NaN, which pycma sets to the median of its generation;
    a generation in which all fail is drawn again. Inactive parameters are ignored.
    """

    def __init__(self, task):
        self.cube, self.task = Cube(task.space), task
        self.random = random.Random(task.seed)
        self.levels = [math.inf if is_log(p) else n_levels(p) for p in task.space.free]
        self.restarts = 0
        self._start([0.5] * self.cube.d)

    def ask(self, n):
        while len(self.waiting) < n:
            # Mostly a whole generation; more of it where a batch reaches beyond its end.
            number = None if not self.members and not self.waiting else n - len(self.waiting)
            self.waiting += self.strategy.ask(number)
        self.asked, self.waiting = self.waiting[:n], self.waiting[n:]
        return [self._params(x) for x in self.asked]

    def tell(self, results):
        self.members += self.asked
        self.outcomes += [math.nan if value is None else value for _, value in results]
        if self.waiting:
            return
        if not all(map(math.isnan, self.outcomes)):
            self.strategy.tell(self.members, self.outcomes)
        self.members, self.outcomes = [], []
        if self.strategy.stop():
            self.restarts += 1
            self._start([self.random.random() for _ in self.levels])

    def _start(self, u):
        batch = self.task.batch
        usual = 4 + math.floor(3 * math.log(self.cube.d)) if self.cube.d > 1 else 5
        # A dummy variable where there is one parameter: pycma needs two.
        levels = self.levels if self.cube.d > 1 else [*self.levels, math.inf]
        widths = [n if n < math.inf else 1 for n in levels]
        lows = [-0.5 if n < math.inf else 0.0 for n in levels]
        options = {
            "bounds": [lows, [low + width for low, width in zip(lows, widths, strict=True)]],
            "CMA_stds": widths,
            "integer_variables": [k for k, n in enumerate(levels) if n < math.inf],
            "popsize": math.ceil(usual * 2**self.restarts / batch) * batch,
            "seed": self.random.randrange(1, 2**31),
            "verbose": -9,
        }
        x0 = [low + width * place for low, width, place in zip(lows, widths, [*u, 0.5], strict=False)]
        self.strategy = cma.CMAEvolutionStrategy(x0, 0.25, options)
        self.waiting, self.members, self.outcomes = [], [], []

    def _params(self, x):
        return self.cube.decode(
            (value + 0.5) / n if n < math.inf else value for value, n in zip(x, self.levels, strict=False)
        )
