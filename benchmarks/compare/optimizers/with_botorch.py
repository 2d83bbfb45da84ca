"""BoTorch: the loop of its tutorials."""

import math
from itertools import product

import torch
from botorch.acquisition import LogExpectedImprovement
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf, optimize_acqf_mixed
from botorch.optim.optimize_mixed import MAX_DISCRETE_VALUES, optimize_acqf_mixed_alternating
from gpytorch.mlls import ExactMarginalLogLikelihood
from parameters import Cube, encode, n_levels, values
from told import Told

PACKAGES = ("botorch", "gpytorch", "torch", "numpy", "scipy")

_MOST_COMBINATIONS = 10
_NOISE_FREE = 1e-6
"""Of the variance of the outcomes."""


class Botorch:
    """SingleTaskGP, LogEI or qLogNEI, searched with 10 restarts and 512 raw samples.

    The model has its defaults: inputs in the unit cube, outcomes standardised, dimension-scaled prior. Where
    problems are deterministic it is told a noise variance of 1e-6, as the documentation says for observations
    without noise; elsewhere noise is learnt. Deterministic problems one point at a time take
    LogExpectedImprovement, noisy ones and batches qLogNoisyExpectedImprovement. 2 (d + 1) Sobol points first,
    at least 5 and otherwise at most a third of the budget. A failed run counts as the worst value so far.

    Continuous spaces are searched by ``optimize_acqf``, batches jointly, and also from around the best point
    (``sample_around_best``). Numbers with at most 20 levels are searched level by level
    (``optimize_acqf_mixed_alternating``, batches one point after the other); with more they are relaxed and
    rounded. Where there are categoricals, they are one-hot, and numbers with levels relaxed and rounded; at
    most 10 combinations are searched each on its own (``optimize_acqf_mixed``). MixedSingleTaskGP, which
    would search choices as such, takes 10 to 60 s to fit where there are 6 to 19 parameters.
    """

    def __init__(self, task):
        n_initial = task.initial(2 * (len(task.space.free) + 1), 5)
        self.told = Told(Cube(task.space, one_hot=True), n_initial, task.seed)
        self.is_noisy, self.levels = task.noisy, {}
        if not self.told.cube.one_hot:
            self.levels = {
                column: [encode(p, value) for value in values(p)]
                for column, p in enumerate(task.space.free)
                if n_levels(p) <= MAX_DISCRETE_VALUES
            }

    def ask(self, n):
        if self.told.is_designing:
            return self.told.design(n)
        X, y = self.told.data()
        model = self._model(X, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        if self.is_noisy or n > 1:
            acquisition = qLogNoisyExpectedImprovement(model, X, prune_baseline=True)
        else:
            acquisition = LogExpectedImprovement(model, best_f=y.max())
        return [self.told.cube.decode(row) for row in self._maximize(acquisition, n)]

    def tell(self, results):
        self.told.add(results)

    def _model(self, X, y):
        if self.is_noisy:
            return SingleTaskGP(X, y)
        # In the units of the outcomes, which may be of any size.
        return SingleTaskGP(X, y, torch.full_like(y, _NOISE_FREE * float(y.var()) or _NOISE_FREE))

    def _maximize(self, acquisition, n):
        cube = self.told.cube
        ends = [[0.0, 1.0]] * cube.d
        for column, places in self.levels.items():
            ends[column] = [min(places), max(places)]  # the search insists on it
        bounds = torch.tensor(ends, dtype=torch.double).T
        settings = {"q": n, "num_restarts": 10, "raw_samples": 512}
        if self.levels:
            return optimize_acqf_mixed_alternating(acquisition, bounds, self.levels, **settings)[0]
        settings["options"] = {"sample_around_best": True}
        if not cube.one_hot or math.prod(map(len, cube.one_hot)) > _MOST_COMBINATIONS:
            return optimize_acqf(acquisition, bounds, **settings)[0]
        combinations = [
            {k: float(k in chosen) for columns in cube.one_hot for k in columns}
            for chosen in product(*cube.one_hot)
        ]
        return optimize_acqf_mixed(acquisition, bounds, fixed_features_list=combinations, **settings)[0]
