"""TuRBO-1 on BoTorch's models, after Eriksson, Pearce, Gardner, Turner and Poloczek, NeurIPS 2019."""

import math

import torch
from botorch.fit import fit_gpytorch_mll
from botorch.generation import MaxPosteriorSampling
from botorch.models import SingleTaskGP
from gpytorch.constraints import Interval
from gpytorch.kernels import MaternKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.settings import max_cholesky_size
from parameters import Cube
from told import Told

PACKAGES = ("botorch", "gpytorch", "torch", "numpy", "scipy")

_START, _SMALLEST, _LARGEST = 0.8, 2**-7, 1.6
_SUCCESSES = 3


class Turbo:
    """One trust region, Thompson sampling within it.

    Side L from 0.8 between 2^-7 and 1.6, in each dimension times its lengthscale over their geometric mean;
    doubled after 3 successes (the paper's tolerance), halved after ceil(max(4, d) / q) failures, where a
    batch of q succeeds if it improves by a thousandth of the best; a new region from scratch once L falls
    short. Candidates: min(5000, max(2000, 200 d)) Sobol points in the box, each coordinate taken over the
    centre's with probability min(1, 20 / d). Matérn-5/2 with lengthscales in [0.005, 4] and noise variance
    in [1e-8, 1e-3] of the standardised outcomes, the settings of BoTorch's tutorial; where the problem is
    noisy, noise in [5e-4, 0.2] and the lowest posterior mean as the centre, as in the authors' code and
    paper. 2 d Sobol points first, at most a third of the budget. Numbers with levels are relaxed and
    rounded, categoricals are one-hot; a failed run counts as the worst value so far.
    """

    def __init__(self, task):
        self.task, self.cube, self.regions = task, Cube(task.space, one_hot=True), 0
        self.patience = math.ceil(max(4, self.cube.d) / task.batch)
        self._restart()

    def ask(self, n):
        if self.told.is_designing:
            return self.told.design(n)
        X, y = self.told.data()
        y = (y - y.mean()) / (y.std() if y.std() > 0 else 1.0)
        with max_cholesky_size(math.inf):
            model = self._fit(X, y)
            candidates = self._candidates(X, y, model)
            with torch.no_grad():
                chosen = MaxPosteriorSampling(model, replacement=False)(candidates, num_samples=n)
        return [self.cube.decode(row) for row in chosen]

    def tell(self, results):
        if self.told.is_designing:
            self.told.add(results)
            return
        best = self.told.best
        self.told.add(results)
        if self.told.best < best - 1e-3 * abs(best):
            self.successes, self.failures = self.successes + 1, 0
        else:
            self.successes, self.failures = 0, self.failures + 1
        if self.successes == _SUCCESSES:
            self.length, self.successes = min(2 * self.length, _LARGEST), 0
        elif self.failures == self.patience:
            self.length, self.failures = self.length / 2, 0
        if self.length < _SMALLEST:
            self._restart()

    def _restart(self):
        n_initial = self.task.initial(2 * self.cube.d, 2)
        self.told = Told(self.cube, n_initial, self.task.seed + 10**6 * self.regions)
        self.length, self.successes, self.failures = _START, 0, 0
        self.regions += 1

    def _fit(self, X, y):
        noise = Interval(5e-4, 0.2) if self.task.noisy else Interval(1e-8, 1e-3)
        matern = MaternKernel(2.5, ard_num_dims=self.cube.d, lengthscale_constraint=Interval(0.005, 4.0))
        model = SingleTaskGP(
            X,
            y,
            likelihood=GaussianLikelihood(noise_constraint=noise),
            covar_module=ScaleKernel(matern),
            outcome_transform=None,
        )
        # A search that stops early counts as a fit: without priors BoTorch would repeat it five times from
        # the same start, and then give up.
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model), warning_handler=lambda _: True)
        return model

    def _candidates(self, X, y, model):
        d = self.cube.d
        with torch.no_grad():
            worth = model.posterior(X).mean if self.task.noisy else y
        centre = X[worth.argmax()]
        scales = model.covar_module.base_kernel.lengthscale.detach().view(-1)
        sides = self.length * scales / scales.log().mean().exp()
        low, high = (centre - sides / 2).clamp(0, 1), (centre + sides / 2).clamp(0, 1)
        n = min(5000, max(2000, 200 * d))
        seed = int(torch.randint(2**31, ()))
        sobol = torch.quasirandom.SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=torch.double)
        is_taken = torch.rand(n, d) <= min(1.0, 20 / d)
        untouched = ~is_taken.any(dim=1)
        is_taken[untouched, torch.randint(d, (int(untouched.sum()),))] = True
        return torch.where(is_taken, low + (high - low) * sobol, centre)
