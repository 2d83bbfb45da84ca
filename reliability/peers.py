"""bbopt and its peers behind one face: open, ask, tell, add.

Every library with its recommended settings, given only what its users would give: parameters, objectives,
a seed. What a library has no word for raises :class:`NotOffered`; whatever else it raises is its own.
"""

import json
import logging
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol

from cases import Case, Dimension, Params


class NotOffered(Exception):
    """The library has no way to say this."""


class Run(Protocol):
    """A library at work on one case, made with ``Run(case, seed)``."""

    def ask(self) -> Params:
        """Return the next suggestion."""

    def tell(self, values: list[float], sd: float | None = None, at: Params | None = None) -> None:
        """Tell the values of the last suggestion, or what was measured ``at`` other params instead."""

    def add(self, known: Sequence[tuple[Params, list[float]]]) -> None:
        """Add results from before the first ask."""

    def close(self) -> None:
        """Put the questions that a user has at the end."""


class Bbopt:
    """bbopt, with its default strategy."""

    def __init__(self, case: Case, seed: int) -> None:
        from bbopt import BayesianOptimization, Categorical, Integer, Objective, Real, Space, Study

        def parameter(one: Dimension) -> Any:
            if one.choices:
                return Categorical(one.name, one.choices)
            kind = Integer if one.is_integer else Real
            return kind(one.name, one.low, one.high, log=one.is_log)

        self.space = Space([parameter(one) for one in case.dimensions])
        objectives = [Objective(name, maximize=case.maximize) for name in _names(case)]
        strategy = "auto" if case.n_initial is None else BayesianOptimization(n_initial=case.n_initial)
        self.study = Study(self.space, objectives, strategy=strategy, seed=seed)

    def ask(self) -> Params:
        """Ask; what a file could not hold, or the space refuses, is an error."""
        self.trial = self.study.ask()
        self.space.validate(self.trial.params)
        json.dumps(self.trial.tag, allow_nan=False)
        return dict(self.trial.params)

    def tell(self, values: list[float], sd: float | None = None, at: Params | None = None) -> None:
        """Tell."""
        self.study.tell(self.trial, self._told(values), sd=sd, at=at)

    def add(self, known: Sequence[tuple[Params, list[float]]]) -> None:
        """Add."""
        for params, values in known:
            self.study.add(params, self._told(values))

    def _told(self, values: list[float]) -> Any:
        names = [objective.name for objective in self.study.spec.objectives]
        return values[0] if len(values) == 1 else dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Ask for the best, what the model recommends, and what it predicts."""
        is_complete = any(trial.status.name == "COMPLETE" for trial in self.study.trials)
        if is_complete and len(self.study.spec.objectives) == 1:
            self.study.best()
            self.study.recommend()
            self.study.predict(self.study.trials[-1].params)


class Optuna:
    """Optuna, with one of its samplers."""

    def __init__(self, sampler: str, case: Case, seed: int) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        def distribution(one: Dimension) -> Any:
            if one.choices:
                return CategoricalDistribution(one.choices)
            kind = IntDistribution if one.is_integer else FloatDistribution
            return kind(one.low, one.high, log=one.is_log)

        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self.optuna = optuna
        self.space = {one.name: distribution(one) for one in case.dimensions}
        initial = {} if case.n_initial is None else {"n_startup_trials": case.n_initial}
        directions = ["maximize" if case.maximize else "minimize"] * case.n_objectives
        made = getattr(optuna.samplers, sampler)(seed=seed, **initial)
        self.study = optuna.create_study(directions=directions, sampler=made)

    def ask(self) -> Params:
        """Ask."""
        self.trial = self.study.ask(self.space)
        return dict(self.trial.params)

    def tell(self, values: list[float], sd: float | None = None, at: Params | None = None) -> None:
        """Tell; other params than the suggested ones are a trial of their own."""
        if sd is not None:
            raise NotOffered("standard errors")
        if at is None:
            self.study.tell(self.trial, values)
        else:
            self.study.tell(self.trial, state=self.optuna.trial.TrialState.FAIL)
            self.add([(at, values)])

    def add(self, known: Sequence[tuple[Params, list[float]]]) -> None:
        """Add."""
        for params, values in known:
            self.study.add_trial(
                self.optuna.trial.create_trial(params=params, distributions=self.space, values=values)
            )

    def close(self) -> None:
        """Ask for the best."""
        if self.study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.COMPLETE,)):
            _ = self.study.best_trials


class Ax:
    """Ax, with the generation strategy that it chooses."""

    def __init__(self, case: Case, seed: int) -> None:
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

        def parameter(one: Dimension) -> Any:
            if one.choices:
                return ChoiceParameterConfig(
                    one.name, list(one.choices), parameter_type="str", is_ordered=False
                )
            kind, scaling = "int" if one.is_integer else "float", "log" if one.is_log else "linear"
            return RangeParameterConfig(one.name, (one.low, one.high), parameter_type=kind, scaling=scaling)

        logging.disable(logging.CRITICAL)
        self.names = _names(case)
        self.client = Client(random_seed=seed)
        self.client.configure_experiment(parameters=[parameter(one) for one in case.dimensions])
        self.client.configure_optimization(
            ", ".join(f"{'' if case.maximize else '-'}{name}" for name in self.names)
        )
        self.client.configure_generation_strategy(
            initialization_budget=case.n_initial, initialization_random_seed=seed
        )

    def ask(self) -> Params:
        """Ask."""
        [(self.index, params)] = self.client.get_next_trials(1).items()
        return dict(params)

    def tell(self, values: list[float], sd: float | None = None, at: Params | None = None) -> None:
        """Tell; other params than the suggested ones are a trial of their own."""
        if at is not None:
            self.client.mark_trial_abandoned(self.index)
            return self.add([(at, values)])
        told = {
            name: value if sd is None else (value, sd) for name, value in zip(self.names, values, strict=True)
        }
        self.client.complete_trial(self.index, raw_data=told)

    def add(self, known: Sequence[tuple[Params, list[float]]]) -> None:
        """Add."""
        for params, values in known:
            self.client.complete_trial(
                self.client.attach_trial(params), raw_data=dict(zip(self.names, values, strict=True))
            )

    def close(self) -> None:
        """Ask for the best."""
        if len(self.names) == 1:
            self.client.get_best_parameterization()


class Skopt:
    """scikit-optimize, with its Gaussian process; it only minimises."""

    def __init__(self, case: Case, seed: int) -> None:
        from skopt import Optimizer
        from skopt.space import Categorical, Integer, Real

        def dimension(one: Dimension) -> Any:
            if one.choices:
                return Categorical(one.choices)
            prior = "log-uniform" if one.is_log else "uniform"
            return (Integer if one.is_integer else Real)(one.low, one.high, prior=prior)

        if case.n_objectives > 1:
            raise NotOffered("several objectives")
        self.names = [one.name for one in case.dimensions]
        self.sign = -1.0 if case.maximize else 1.0
        initial = {} if case.n_initial is None else {"n_initial_points": case.n_initial}
        self.optimizer = Optimizer([dimension(one) for one in case.dimensions], random_state=seed, **initial)

    def ask(self) -> Params:
        """Ask."""
        self.point = self.optimizer.ask()
        return dict(zip(self.names, self.point, strict=True))

    def tell(self, values: list[float], sd: float | None = None, at: Params | None = None) -> None:
        """Tell."""
        if sd is not None:
            raise NotOffered("standard errors")
        point = self.point if at is None else [at[name] for name in self.names]
        self.optimizer.tell(point, self.sign * values[0])

    def add(self, known: Sequence[tuple[Params, list[float]]]) -> None:
        """Add, all at once: every tell fits a model."""
        points = [[params[name] for name in self.names] for params, _ in known]
        self.optimizer.tell(points, [self.sign * values[0] for _, values in known])

    def close(self) -> None:
        """Ask for the best."""
        self.optimizer.get_result()


def _names(case: Case) -> list[str]:
    return ["y"] if case.n_objectives == 1 else [f"y{k}" for k in range(case.n_objectives)]


LIBRARIES = {
    "bbopt": Bbopt,
    "optuna-gp": partial(Optuna, "GPSampler"),
    "optuna-tpe": partial(Optuna, "TPESampler"),
    "ax": Ax,
    "skopt": Skopt,
}
DISTRIBUTIONS = {
    "bbopt": "bbopt",
    "optuna-gp": "optuna",
    "optuna-tpe": "optuna",
    "ax": "ax-platform",
    "skopt": "scikit-optimize",
}


def described(library: str) -> str:
    """Return a library's name with its version."""
    return f"{library} ({DISTRIBUTIONS[library]} {version(DISTRIBUTIONS[library])})"
