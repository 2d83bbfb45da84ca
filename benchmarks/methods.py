"""bbopt and its peers behind one face: ``ask() -> params``, ``tell(value)``, value None where the run failed.

``METHODS[name](spec, seed)`` makes one; ``add(params, value)`` gives it an earlier result.
"""

import math
import warnings

from bbopt import BayesianOptimization, Study
from bbopt.space import Categorical, Constant, Integer, Ordinal, Real


class Bbopt:
    """A bbopt study in memory."""

    def __init__(self, spec, seed, strategy="auto"):
        self.study = Study(spec.space, spec.objectives, strategy=strategy, seed=seed)

    def add(self, params, value):
        """Give an earlier result."""
        self.study.add(params, value)

    def ask(self):
        """Return the next point."""
        self.trial = self.study.ask()
        return dict(self.trial.params)

    def tell(self, value):
        """Give the outcome of the point asked last."""
        if value is None:
            self.study.fail(self.trial, "crashed")
        else:
            self.study.tell(self.trial, value)


class Optuna:
    """An Optuna study in memory, its space defined by running, so that conditions are conditions."""

    def __init__(self, spec, seed, sampler):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self.optuna, self.space = optuna, spec.space
        self.study = optuna.create_study(sampler=sampler(optuna.samplers, seed))

    def add(self, params, value):
        """Give an earlier result."""
        distributions = {p.name: self._distribution(p) for p in self.space.parameters if p.name in params}
        self.study.add_trial(
            self.optuna.trial.create_trial(params=dict(params), distributions=distributions, value=value)
        )

    def ask(self):
        """Return the next point."""
        self.trial = self.study.ask()
        params = {}
        for p in self.space.parameters:
            if all(parent in params and params[parent] in values for parent, values in p.when.items()):
                params[p.name] = self._suggest(p)
        return params

    def tell(self, value):
        """Give the outcome of the point asked last; a crash is Optuna's state FAIL."""
        if value is None:
            self.study.tell(self.trial, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(self.trial, value)

    def _suggest(self, p):
        match p:
            case Real():
                return self.trial.suggest_float(p.name, p.low, p.high, log=p.log, step=p.step)
            case Integer():
                return self.trial.suggest_int(p.name, p.low, p.high, log=p.log, step=p.step or 1)
            case Categorical() | Ordinal():
                return self.trial.suggest_categorical(p.name, p.choices)
            case Constant():
                return p.value
        raise TypeError(f"no idea how Optuna says {p!r}")

    def _distribution(self, p):
        kinds = self.optuna.distributions
        match p:
            case Real():
                return kinds.FloatDistribution(p.low, p.high, log=p.log, step=p.step)
            case Integer():
                return kinds.IntDistribution(p.low, p.high, log=p.log, step=p.step or 1)
        return kinds.CategoricalDistribution(p.choices)


class Botorch:
    """SingleTaskGP + LogExpectedImprovement as BoTorch recommends them; continuous spaces only.

    Defaults of SingleTaskGP (inputs in the unit cube, outcomes standardised, dimension-scaled prior),
    ``fit_gpytorch_mll`` from scratch at every ask, ``optimize_acqf`` with 10 restarts and 512 raw samples.
    """

    def __init__(self, spec, seed):
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        warnings.simplefilter("ignore")
        self.space = spec.space
        self.X, self.y = (
            torch.empty(0, spec.space.d, dtype=torch.double),
            torch.empty(0, 1, dtype=torch.double),
        )

    def add(self, params, value):
        """Give an earlier result."""
        import torch

        self.X = torch.cat([self.X, torch.tensor(self.space.encode(params))])
        self.y = torch.cat([self.y, torch.tensor([[-value]], dtype=torch.double)])

    def ask(self):
        """Return the next point."""
        import torch
        from botorch.acquisition import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.optim import optimize_acqf
        from gpytorch.mlls import ExactMarginalLogLikelihood

        model = SingleTaskGP(self.X, self.y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = LogExpectedImprovement(model, best_f=self.y.max())
        bounds = torch.tensor([[0.0] * self.space.d, [1.0] * self.space.d], dtype=torch.double)
        self.x, _ = optimize_acqf(acquisition, bounds, q=1, num_restarts=10, raw_samples=512)
        return self.space.decode(self.x.numpy())[0]

    def tell(self, value):
        """Give the outcome of the point asked last."""
        if value is None:
            raise NotImplementedError("SingleTaskGP knows no failures")
        self.add(self.space.decode(self.x.numpy())[0], value)


METHODS = {
    "bbopt": lambda spec, seed: Bbopt(spec, seed),
    "bbopt BO": lambda spec, seed: Bbopt(spec, seed, BayesianOptimization()),
    "random": lambda spec, seed: Bbopt(spec, seed, "random"),
    "Sobol": lambda spec, seed: Bbopt(spec, seed, "sobol"),
    "Optuna GP": lambda spec, seed: Optuna(
        spec, seed, lambda kinds, s: kinds.GPSampler(seed=s, deterministic_objective=spec.is_deterministic)
    ),
    "Optuna TPE": lambda spec, seed: Optuna(spec, seed, lambda kinds, s: kinds.TPESampler(seed=s)),
    "BoTorch LogEI": Botorch,
}


def optimize(method, problem, budget, seed, initial=()):
    """Return the outcomes of ``budget`` evaluations, None for those that crashed.

    Parameters
    ----------
    method : str
    problem : Problem
        ``problem(params)`` raises EvaluationFailed where it crashes.
    budget : int
    seed : int
    initial : sequence of params
        Evaluated first and given to the method; part of the budget.
    """
    from bbopt.problems import EvaluationFailed

    made = METHODS[method](problem.spec, seed)
    outcomes = []
    for params in initial:
        outcomes.append(float(problem(params)))
        made.add(params, outcomes[-1])
    while len(outcomes) < budget:
        params = made.ask()
        try:
            value = float(problem(params))
        except EvaluationFailed:
            value = None
        made.tell(value)
        outcomes.append(value)
    return outcomes


def best(outcomes):
    """Return the lowest outcome; infinite where all crashed."""
    return min((value for value in outcomes if value is not None), default=math.inf)


def sobol_points(spec, n, seed):
    """Return the first n points of bbopt's scrambled Sobol sequence."""
    return Study(spec.space, spec.objectives, strategy="sobol", seed=seed).ask_block(n).params()
