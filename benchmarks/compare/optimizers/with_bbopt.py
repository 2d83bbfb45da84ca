"""bbopt itself, through what its users call."""

from bbopt import Categorical, Constant, Integer, Objective, Ordinal, Real, Space, Study
from bbopt.strategies.auto import Auto

PACKAGES = ("bbopt", "numpy", "scipy")

_KINDS = {
    "real": Real,
    "integer": Integer,
    "categorical": Categorical,
    "ordinal": Ordinal,
    "constant": Constant,
}


class Bbopt:
    """A study in memory: the default strategy with the budget known, as ``minimize(budget=...)`` makes it.

    "bbopt:NAME" takes the strategy NAME with its default settings instead. ``noise=0`` is declared where
    the problem is deterministic, noise left to be learnt where it is not. Batches are its own;
    failures are told as failures.
    """

    def __init__(self, task):
        _, _, strategy = task.optimizer.partition(":")
        space = Space([_parameter(p) for p in task.space.parameters])
        objective = Objective(noise=None if task.noisy else 0)
        self.study = Study(space, objective, strategy=strategy or Auto(task.budget), seed=task.seed)

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
