"""HEBO: input warping, output transforms, and several acquisitions at once."""

import math

import numpy as np
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO
from parameters import from_code, has_code, is_log, n_levels

PACKAGES = ("HEBO", "GPy", "pymoo", "torch", "numpy", "scipy")


class Hebo:
    """``HEBO`` with its defaults: d + 1 Sobol points, its GP, MACE maximised by NSGA-II.

    Ordered choices and numbers in steps are integers, their indices. All parameters are always suggested,
    inactive ones are dropped. A failed run is observed as NaN, which HEBO leaves out of its data.
    """

    def __init__(self, task):
        self.space = task.space
        space = DesignSpace().parse([_parameter(p) for p in task.space.free])
        self.hebo = HEBO(space, scramble_seed=task.seed)

    def ask(self, n):
        self.asked = self.hebo.suggest(n_suggestions=n)
        return [self._params(codes) for codes in self.asked.to_dict("records")]

    def tell(self, results):
        values = [[math.nan if value is None else value] for _, value in results]
        self.hebo.observe(self.asked, np.array(values))

    def _params(self, codes):
        return self.space.active({p["name"]: from_code(p, codes[p["name"]]) for p in self.space.free})


def _parameter(p):
    if p["kind"] == "categorical":
        return {"name": p["name"], "type": "cat", "categories": list(range(len(p["choices"])))}
    if has_code(p):
        return {"name": p["name"], "type": "int", "lb": 0, "ub": n_levels(p) - 1}
    kind = {
        ("real", False): "num",
        ("real", True): "pow",
        ("integer", False): "int",
        ("integer", True): "pow_int",
    }[p["kind"], is_log(p)]
    return {"name": p["name"], "type": kind, "lb": p["low"], "ub": p["high"], "base": 10}
