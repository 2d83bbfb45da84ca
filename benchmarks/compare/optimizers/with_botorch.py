"""BoTorch: the loop of its tutorials."""

import math
from itertools import product

import torch
from botorch.acquisition import LogExpectedImprovement
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf, optimize_acqf_mixed
from gpytorch.mlls import ExactMarginalLogLikelihood
from parameters import Cube
from told import Told

PACKAGES = ("botorch", "gpytorch", "torch", "numpy", "scipy")

_MOST_COMBINATIONS = 10


class Botorch:
    """SingleTaskGP, LogEI or qLogNEI, ``optimize_acqf`` with 10 restarts and 512 raw samples.

    The model has its defaults: inputs in the unit cube, outcomes standardised, dimension-scaled prior, noise
    learnt. Deterministic problems one point at a time take LogExpectedImprovement, noisy ones and batches
    qLogNoisyExpectedImprovement, batches optimised jointly. 2 (d + 1) Sobol points first, at least 5 and
    otherwise at most a third of the budget. Numbers with levels are relaxed and rounded before they are
    evaluated, categoricals are one-hot; where these have at most 10 combinations each is searched on its
    own (``optimize_acqf_mixed``). A failed run counts as the worst value so far.
    """

    def __init__(self, task):
        n_initial = task.initial(2 * (len(task.space.free) + 1), 5)
        self.told = Told(Cube(task.space, one_hot=True), n_initial, task.seed)
        self.is_noisy = task.noisy

    def ask(self, n):
        if self.told.is_designing:
            return self.told.design(n)
        X, y = self.told.data()
        model = SingleTaskGP(X, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        if self.is_noisy or n > 1:
            acquisition = qLogNoisyExpectedImprovement(model, X, prune_baseline=True)
        else:
            acquisition = LogExpectedImprovement(model, best_f=y.max())
        return [self.told.cube.decode(row) for row in self._maximize(acquisition, n)]

    def tell(self, results):
        self.told.add(results)

    def _maximize(self, acquisition, n):
        cube = self.told.cube
        bounds = torch.tensor([[0.0] * cube.d, [1.0] * cube.d], dtype=torch.double)
        settings = {"q": n, "num_restarts": 10, "raw_samples": 512}
        if not cube.one_hot or math.prod(map(len, cube.one_hot)) > _MOST_COMBINATIONS:
            return optimize_acqf(acquisition, bounds, **settings)[0]
        combinations = [
            {k: float(k in chosen) for columns in cube.one_hot for k in columns}
            for chosen in product(*cube.one_hot)
        ]
        return optimize_acqf_mixed(acquisition, bounds, fixed_features_list=combinations, **settings)[0]
