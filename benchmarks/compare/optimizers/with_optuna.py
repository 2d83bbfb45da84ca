"""Optuna: the tree-structured Parzen estimator and the Gaussian process sampler."""

import optuna
from parameters import step

PACKAGES = ("optuna", "numpy", "scipy", "torch")


class _Optuna:
    """A study in memory. The space is defined by running, so that conditions are conditions.

    Ordered choices are suggested as integers, their indices; a failed run is a trial of state FAIL. A batch
    is as many asks before the first of them is told.
    """

    def __init__(self, task, sampler):
        self.space = task.space
        self.study = optuna.create_study(sampler=sampler)

    def ask(self, n):
        self.trials = [self.study.ask() for _ in range(n)]
        return [self._params(trial) for trial in self.trials]

    def tell(self, results):
        for trial, (_, value) in zip(self.trials, results, strict=True):
            if value is None:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(trial, value)

    def _params(self, trial):
        params = {}
        for p in self.space.parents_first:
            if self.space.is_active(p["name"], params):
                fixed = self.space.fixed
                params[p["name"]] = fixed[p["name"]] if p["name"] in fixed else _suggest(trial, p)
        return self.space.active(params)


class OptunaTPE(_Optuna):
    """TPESampler with its default settings, as ``create_study()`` takes it: 10 random trials first."""

    def __init__(self, task):
        super().__init__(task, optuna.samplers.TPESampler(seed=task.seed))


class OptunaGP(_Optuna):
    """GPSampler with its default settings; it is told where the objective is deterministic."""

    def __init__(self, task):
        sampler = optuna.samplers.GPSampler(seed=task.seed, deterministic_objective=not task.noisy)
        super().__init__(task, sampler)


def _suggest(trial, p):
    match p["kind"]:
        case "real":
            return trial.suggest_float(p["name"], p["low"], p["high"], log=p["log"], step=p["step"])
        case "integer":
            return trial.suggest_int(p["name"], p["low"], p["high"], log=p["log"], step=step(p))
        case "ordinal":
            return p["choices"][trial.suggest_int(p["name"], 0, len(p["choices"]) - 1)]
    return trial.suggest_categorical(p["name"], p["choices"])
