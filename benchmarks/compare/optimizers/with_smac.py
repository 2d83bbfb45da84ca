"""SMAC3: random forests on configuration spaces."""

from tempfile import TemporaryDirectory

from ConfigSpace import (
    AndConjunction,
    CategoricalHyperparameter,
    ConfigurationSpace,
    InCondition,
    OrdinalHyperparameter,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from failures import Failures
from parameters import conditions, from_code, has_code, is_log, n_levels, to_code
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory import StatusType, TrialValue

PACKAGES = ("smac", "ConfigSpace", "scikit-learn", "numpy", "scipy")


class Smac:
    """``HyperparameterOptimizationFacade`` with its defaults, asked and told.

    Its Sobol design of ten points a parameter, at most a quarter of the budget, then a random forest on
    logarithms and expected improvement, with random points between; it looks again at the forest after
    every eight results. ``deterministic`` is set where equal points have equal outcomes; otherwise SMAC
    repeats promising points with other seeds. Conditions are ConfigSpace's; numbers in steps are given by
    their indices. A failure is told as CRASHED with the worst cost so far, since SMAC's model takes no
    infinite ones and its own ``crash_cost`` wants a number known beforehand; while there is no cost at all,
    it stays a running trial.
    """

    def __init__(self, task):
        self.space = task.space
        # SMAC writes down what it is made of; nothing else, since results are not saved.
        with TemporaryDirectory(prefix="smac-") as folder:
            scenario = Scenario(
                _configuration_space(task.space, task.seed),
                output_directory=folder,
                deterministic=task.repeatable,
                n_trials=task.budget,
                seed=task.seed,
            )
            self.smac = HyperparameterOptimizationFacade(
                scenario, _never_called, overwrite=True, logging_level=False
            )
        self.failures = Failures()

    def ask(self, n):
        self.asked = [self.smac.ask() for _ in range(n)]
        return [self._params(trial.config) for trial in self.asked]

    def tell(self, results):
        for trial, cost, has_failed in self.failures.settle(self.asked, results):
            status = StatusType.CRASHED if has_failed else StatusType.SUCCESS
            self.smac.tell(trial, TrialValue(cost=cost, status=status), save=False)

    def _params(self, config):
        given = {name: from_code(self.space.by_name[name], code) for name, code in dict(config).items()}
        return self.space.active(given)


def _never_called(config, seed=0):
    raise RuntimeError("SMAC is asked and told")


def _configuration_space(space, seed):
    made = ConfigurationSpace(seed=seed)
    made.add([_hyperparameter(p) for p in space.free])
    for p in space.free:
        rules = [
            InCondition(made[p["name"]], made[parent], [to_code(space.by_name[parent], x) for x in allowed])
            for parent, allowed in _rules(space, p["name"])
        ]
        if rules:
            made.add(rules[0] if len(rules) == 1 else AndConjunction(*rules))
    return made


def _rules(space, name):
    """Yield (parent, its values); for a parent that cannot vary, what that one depends on."""
    for parent, allowed in conditions(space.by_name[name]).items():
        if parent in space.fixed:
            yield from _rules(space, parent)
        else:
            yield parent, allowed


def _hyperparameter(p):
    name = p["name"]
    if p["kind"] == "categorical":
        return CategoricalHyperparameter(name, list(range(len(p["choices"]))))
    if p["kind"] == "ordinal":
        return OrdinalHyperparameter(name, list(range(len(p["choices"]))))
    if has_code(p):
        return UniformIntegerHyperparameter(name, 0, n_levels(p) - 1)
    kind = UniformIntegerHyperparameter if p["kind"] == "integer" else UniformFloatHyperparameter
    return kind(name, p["low"], p["high"], log=is_log(p))
