"""bbopt itself, through what its users call."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from failures import Failures

from bbopt import (
    BayesianOptimization,
    Categorical,
    Constant,
    GaussianProcess,
    Integer,
    Objective,
    Ordinal,
    Real,
    Space,
    Study,
)
from bbopt.maximizers import multistart
from bbopt.strategies.auto import Auto
from bbopt.strategies.compose import Alternate
from bbopt.surrogates import RBF, Matern

PACKAGES = ("bbopt", "numpy", "scipy")

_KINDS = {
    "real": Real,
    "integer": Integer,
    "categorical": Categorical,
    "ordinal": Ordinal,
    "constant": Constant,
}


def _model(**settings):
    return lambda: BayesianOptimization(surrogate=GaussianProcess(**settings))


def _by_turns(acquisition):
    return lambda: Alternate(BayesianOptimization(), BayesianOptimization(acquisition=acquisition))


class _NoAverages(BayesianOptimization):
    """Without averages over what noise hides of the incumbent, all else as by default."""

    def _acquisition(self, model, data, noise, failures):
        return "logei"


class _AsInOneColumn(Matern):
    """Length-scales are not thought to grow with the number of columns."""

    def hyperprior(self, features):
        grown = super().hyperprior(features)
        growth = 0.5 * np.log(len(grown))
        return replace(grown, mu=grown.mu - growth, starts=grown.starts - growth)


class _NoExhaustiveSearch(BayesianOptimization):
    """Small finite spaces are searched like others."""

    def ask(self, state, history, request, rng):
        with patch.object(multistart, "EXHAUSTIVE", 0):  # other runs go on in this process
            return super().ask(state, history, request, rng)


ABLATIONS = {
    "LogEI in spite of noise": _NoAverages,
    "no preference for the inside": lambda: BayesianOptimization(acquisition="logei"),
    "LogNEI, no preference for the inside": lambda: BayesianOptimization(acquisition="lognei"),
    "a confidence bound by turns": _by_turns("ucb"),
    "Thompson samples by turns": _by_turns("thompson"),
    "no transform of outcomes": _model(outcome="standardize"),
    "no warping": _model(warping=False),
    "average of 4": _model(ensemble=4),
    "RBF": _model(kernel=RBF()),
    "bo, lengths as in one column": _model(kernel=_AsInOneColumn()),
    "5 initial points": lambda: BayesianOptimization(n_initial=5),
    "20 initial points": lambda: BayesianOptimization(n_initial=20),
    "batches chosen together": lambda: BayesianOptimization(batch="joint"),
    "no exhaustive search": _NoExhaustiveSearch,
}
"""Bayesian optimization, one thing changed; "no preference for the inside" also goes without averages over
what noise hides, which the one with LogNEI has throughout. "By turns": at every second ask."""
PENALTIES, FLAT = "failures told as the worst value", "conditions not told"
"""The default, but a failed run has the worst value so far; parameters that depend on others always count."""
NOISE = {"noise learnt where there is none": None, "noise taken for none": 0}
"""The default, but this is declared of the noise."""


class Bbopt:
    """A study in memory: the default strategy with the budget known, as ``minimize(budget=...)`` makes it.

    "bbopt:NAME" takes the strategy NAME with its default settings instead, or one of ``ABLATIONS``,
    ``PENALTIES``, ``FLAT`` and ``NOISE``. ``noise=0`` is declared where the problem is deterministic, noise
    left to be learnt where it is not. Batches are its own; failures are told as failures.
    """

    def __init__(self, task):
        _, _, name = task.optimizer.partition(":")
        if name in ABLATIONS:
            strategy = ABLATIONS[name]()
        else:
            strategy = Auto(task.budget) if name in ("", PENALTIES, FLAT, *NOISE) else name
        space = Space([_parameter(p, name == FLAT) for p in task.space.parameters])
        objective = Objective(noise=NOISE.get(name, None if task.noisy else 0))
        self.study = Study(space, objective, strategy=strategy, seed=task.seed)
        self.active = task.space.active
        self.failures = Failures() if name == PENALTIES else None

    def ask(self, n):
        self.trials = self.study.ask(n)
        return [self.active(trial.params) for trial in self.trials]

    def tell(self, results):
        if self.failures:
            for trial, value, _ in self.failures.settle(self.trials, results):
                self.study.tell(trial, value)
            return
        for trial, (_, value) in zip(self.trials, results, strict=True):
            if value is None:
                self.study.fail(trial, "failed")
            else:
                self.study.tell(trial, value)


def _parameter(p, is_flat):
    left_out = ("kind", "when") if is_flat else ("kind",)
    settings = {key: value for key, value in p.items() if key not in left_out and value not in (None, {})}
    return _KINDS[p["kind"]](**settings)
