"""bbopt itself, through what its users call."""

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
from bbopt.strategies.auto import Auto
from bbopt.surrogates import RBF

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


ABLATIONS = {
    "no preference for the inside": lambda: BayesianOptimization(acquisition="logei"),
    "no transform of outcomes": _model(outcome="standardize"),
    "no warping": _model(warping=False),
    "average of 4": _model(ensemble=4),
    "RBF": _model(kernel=RBF()),
    "5 initial points": lambda: BayesianOptimization(n_initial=5),
}
"""Bayesian optimization, one thing changed; the first also goes without averages over what noise hides."""


class Bbopt:
    """A study in memory: the default strategy with the budget known, as ``minimize(budget=...)`` makes it.

    "bbopt:NAME" takes the strategy NAME with its default settings instead, or one of ``ABLATIONS``.
    ``noise=0`` is declared where the problem is deterministic, noise left to be learnt where it is not.
    Batches are its own; failures are told as failures.
    """

    def __init__(self, task):
        _, _, name = task.optimizer.partition(":")
        strategy = ABLATIONS[name]() if name in ABLATIONS else name or Auto(task.budget)
        space = Space([_parameter(p) for p in task.space.parameters])
        objective = Objective(noise=None if task.noisy else 0)
        self.study = Study(space, objective, strategy=strategy, seed=task.seed)

    def ask(self, n):
        self.trials = self.study.ask(n)
        return [dict(trial.params) for trial in self.trials]

    def tell(self, results):
        for trial, (_, value) in zip(self.trials, results, strict=True):
            if value is None:
                self.study.fail(trial, "failed")
            else:
                self.study.tell(trial, value)


def _parameter(p):
    settings = {key: value for key, value in p.items() if key != "kind" and value not in (None, {})}
    return _KINDS[p["kind"]](**settings)
