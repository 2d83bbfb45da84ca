"""Tuning scikit-learn models on the data sets that come with scikit-learn; nothing is downloaded.

``tune("svm-digits")`` is the cross-validated loss of one model as a function of its settings;
``tune("cash-digits")`` also chooses the model: combined algorithm selection and hyper-parameter
optimisation, after Thornton, Hutter, Hoos and Leyton-Brown, "Auto-WEKA", KDD 2013.

The loss is the mean over three fixed, shuffled folds, on inputs standardised by the training part.
Seeds are fixed and each evaluation runs on one thread, so a configuration always scores the same on
one machine. Evaluations in one process take turns: warnings filters and thread limits belong to the
whole process. Use a process pool to evaluate several at once.
"""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from bbopt.data.trial import Observation
from bbopt.errors import DataError, MissingExtra
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Parameter, Real, Space
from bbopt.spec import Objective, Spec
from bbopt.types import FloatArray, Params

from .problem import EvaluationFailed, OneObjective

When = Mapping[str, Any]
Fold = tuple[FloatArray, NDArray[Any], FloatArray, NDArray[Any]]

_ONE_AT_A_TIME = threading.Lock()


# --- the models: their spaces, in scikit-learn's own names -------------------------------------------


@dataclass(frozen=True)
class Model:
    """A family of models to tune.

    Attributes
    ----------
    classifier, regressor : str
        ``"module:Class"`` in scikit-learn.
    parameters : callable
        (prefix of the names, condition) -> the parameters.
    fixed : mapping
        Arguments given besides the tuned ones, mostly to bound the time.
    seed : mapping
        What makes it deterministic, given with default settings too.
    """

    classifier: str
    regressor: str
    parameters: Callable[[str, When], list[Parameter]]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    seed: Mapping[str, Any] = field(default_factory=dict)


def _svm(p: str, when: When) -> list[Parameter]:
    return [
        Real(p + "C", 1e-2, 1e3, log=True, when=when),
        Real(p + "gamma", 1e-5, 10.0, log=True, when=when),
        Categorical(p + "kernel", ("rbf", "poly", "sigmoid"), when=when),
        Integer(p + "degree", 2, 5, when={p + "kernel": "poly"}),
        Real(p + "coef0", 0.0, 2.0, when={p + "kernel": ["poly", "sigmoid"]}),
    ]


def _boosting(p: str, when: When) -> list[Parameter]:
    return [
        Real(p + "learning_rate", 1e-2, 1.0, log=True, when=when),
        Integer(p + "n_estimators", 10, 100, log=True, when=when),
        Integer(p + "max_depth", 1, 5, when=when),
        Integer(p + "min_samples_leaf", 1, 30, log=True, when=when),
        Real(p + "subsample", 0.3, 1.0, when=when),
        Real(p + "max_features", 0.1, 1.0, when=when),
    ]


def _mlp(p: str, when: When) -> list[Parameter]:
    return [
        Integer(p + "layers", 1, 3, when=when),
        Integer(p + "width", 4, 64, log=True, when=when),
        Categorical(p + "activation", ("relu", "tanh", "logistic"), when=when),
        Real(p + "learning_rate_init", 1e-4, 1e-1, log=True, when=when),
        Real(p + "alpha", 1e-6, 10.0, log=True, when=when),
        Integer(p + "batch_size", 20, 100, log=True, when=when),
    ]


def _forest(p: str, when: When) -> list[Parameter]:
    return [
        Integer(p + "max_depth", 1, 20, log=True, when=when),
        Real(p + "max_features", 0.05, 1.0, when=when),
        Integer(p + "min_samples_leaf", 1, 30, log=True, when=when),
    ]


def _neighbors(p: str, when: When) -> list[Parameter]:
    return [
        Integer(p + "n_neighbors", 1, 50, log=True, when=when),
        Categorical(p + "weights", ("uniform", "distance"), when=when),
        Real(p + "p", 1.0, 5.0, when=when),
    ]


def _linear(p: str, when: When) -> list[Parameter]:
    return [Real(p + "C", 1e-4, 1e4, log=True, when=when)]


_MODELS: Mapping[str, Model] = {
    "svm": Model("sklearn.svm:SVC", "sklearn.svm:SVR", _svm, {"max_iter": 20_000}),
    "boosting": Model(
        "sklearn.ensemble:GradientBoostingClassifier",
        "sklearn.ensemble:GradientBoostingRegressor",
        _boosting,
        seed={"random_state": 0},
    ),
    "mlp": Model(
        "sklearn.neural_network:MLPClassifier",
        "sklearn.neural_network:MLPRegressor",
        _mlp,
        fixed={"max_iter": 30},
        seed={"random_state": 0},
    ),
    "forest": Model(
        "sklearn.ensemble:RandomForestClassifier",
        "sklearn.ensemble:RandomForestRegressor",
        _forest,
        fixed={"n_estimators": 30},
        seed={"random_state": 0},
    ),
    "neighbors": Model(
        "sklearn.neighbors:KNeighborsClassifier", "sklearn.neighbors:KNeighborsRegressor", _neighbors
    ),
    "linear": Model(
        "sklearn.linear_model:LogisticRegression", "sklearn.linear_model:Ridge", _linear, {"max_iter": 300}
    ),
}


def _arguments(model: str, settings: Params, is_regression: bool) -> dict[str, Any]:
    """Return what scikit-learn is given: the settings, where it spells them so, and what is fixed."""
    arguments: dict[str, Any] = {**_MODELS[model].fixed, **settings}
    if model == "mlp":
        arguments["hidden_layer_sizes"] = (arguments.pop("width"),) * arguments.pop("layers")
    if model == "linear" and is_regression:
        arguments["alpha"] = 1 / arguments.pop(
            "C"
        )  # Ridge states the penalty, LogisticRegression its inverse
    return arguments


# --- the data ----------------------------------------------------------------------------------------

_REGRESSION = frozenset({"diabetes"})
_ROWS = {"digits": 500}
"""Data sets of which only so many rows, drawn once, are used: it keeps an evaluation under a second."""


@cache
def _folds(dataset: str) -> tuple[Fold, ...]:
    """Return three folds (X train, y train, X test, y test) of a bundled data set, standardised."""
    X, y = getattr(import_module("sklearn.datasets"), f"load_{dataset}")(return_X_y=True)
    rows = Key(0, ("tuning", dataset)).generator().permutation(len(X))[: _ROWS.get(dataset)]
    X, y = X[rows], y[rows]
    selection = import_module("sklearn.model_selection")
    if dataset in _REGRESSION:
        y = (y - y.mean()) / y.std()
        splits = selection.KFold(3).split(X)  # the rows are shuffled already
    else:
        splits = selection.StratifiedKFold(3).split(X, y)
    scaler = import_module("sklearn.preprocessing").StandardScaler
    folds = []
    for train, test in splits:
        scale = scaler().fit(X[train])
        folds.append((scale.transform(X[train]), y[train], scale.transform(X[test]), y[test]))
    return tuple(folds)


@cache
def _threads() -> ThreadpoolController:
    """Return the controller of the BLAS and OpenMP threads; made once scikit-learn is loaded."""
    return ThreadpoolController()


@contextmanager
def _quiet_and_alone() -> Iterator[None]:
    """One thread; no word about fits cut short by the fixed bounds, or that overflow (they fail)."""
    not_converged = import_module("sklearn.exceptions").ConvergenceWarning
    with (
        _ONE_AT_A_TIME,
        _threads().limit(limits=1),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", not_converged)
        yield


# --- the problem -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tuning(OneObjective):
    """The cross-validated loss of scikit-learn models as a function of their settings.

    Attributes
    ----------
    models : tuple of str
        Names of the families; with several, ``model`` chooses one, and the settings of each carry
        its name: ``svm__C``.
    dataset : str
        One of scikit-learn's bundled data sets.
    loss : str
        ``"error"`` (share of wrong classes), ``"log_loss"`` (nats a case), or ``"rmse"`` (in standard
        deviations of the target).
    """

    name: str
    spec: Spec
    models: tuple[str, ...]
    dataset: str
    loss: str
    source: str
    optimum: None = None

    def evaluate(self, params: Params, rng: Key | None = None) -> Observation:
        """Cross-validate one configuration; EvaluationFailed where scikit-learn refuses or diverges."""
        self.spec.space.validate(params)
        model, settings = self.models[0], dict(params)
        if len(self.models) > 1:
            model = str(settings.pop("model"))
            settings = {name.removeprefix(f"{model}__"): value for name, value in settings.items()}
        arguments = _arguments(model, settings, self.loss == "rmse")
        return Observation({"loss": self._cross_validate(model, arguments)})

    def evaluate_many(self, X: FloatArray, rng: Key | None = None) -> FloatArray:
        """Evaluate n encoded points X (n, d) one after the other; returns (n,), nan where one failed."""
        values = np.full(len(X), np.nan)
        for i, params in enumerate(self.spec.space.decode(X)):
            try:
                values[i] = self.evaluate(params).values["loss"]
            except EvaluationFailed:
                continue
        return values

    def defaults(self) -> dict[str, float]:
        """Return the loss of each model with scikit-learn's default settings."""
        return {model: self._cross_validate(model, {}) for model in self.models}

    def _cross_validate(self, model: str, arguments: Mapping[str, Any]) -> float:
        chosen = _MODELS[model]
        module, _, estimator = (chosen.regressor if self.loss == "rmse" else chosen.classifier).partition(":")
        build = getattr(import_module(module), estimator)
        with _quiet_and_alone():
            try:
                losses = [
                    self._loss(build(**chosen.seed, **arguments).fit(X, y), X_test, y_test)
                    for X, y, X_test, y_test in _folds(self.dataset)
                ]
            except (ValueError, ArithmeticError) as error:
                raise EvaluationFailed(
                    f"{self.name}: {estimator} failed with {arguments}: {error}"
                ) from error
        loss = float(np.mean(losses))
        if not np.isfinite(loss):
            raise EvaluationFailed(f"{self.name}: {estimator} gave the loss {loss} with {arguments}")
        return loss

    def _loss(self, fitted: Any, X: FloatArray, y: NDArray[Any]) -> float:
        if self.loss == "log_loss":
            metrics = import_module("sklearn.metrics")
            return float(metrics.log_loss(y, fitted.predict_proba(X), labels=fitted.classes_))
        predicted = fitted.predict(X)
        if self.loss == "error":
            return float(np.mean(predicted != y))
        return float(np.sqrt(np.mean((predicted - y) ** 2)))


_CASH = ("svm", "forest", "mlp", "neighbors", "linear", "boosting")

PROBLEMS: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "svm-digits": (("svm",), "digits", "error"),
    "svm-diabetes": (("svm",), "diabetes", "rmse"),
    "boosting-breast_cancer": (("boosting",), "breast_cancer", "log_loss"),
    "boosting-diabetes": (("boosting",), "diabetes", "rmse"),
    "mlp-wine": (("mlp",), "wine", "log_loss"),
    "mlp-digits": (("mlp",), "digits", "log_loss"),
    "cash-breast_cancer": (_CASH, "breast_cancer", "error"),
    "cash-digits": (_CASH[:-1], "digits", "error"),  # boosting grows ten trees a round here: too slow
    "cash-diabetes": (_CASH, "diabetes", "rmse"),
}
"""Name -> models, data set, loss."""


def tune(name: str) -> Tuning:
    """Return one of the tuning problems of :data:`PROBLEMS`.

    Raises
    ------
    MissingExtra
        scikit-learn is not installed.
    DataError
        There is no problem of that name.
    """
    if name not in PROBLEMS:
        raise DataError(f"no tuning problem is called {name!r}; there are {', '.join(PROBLEMS)}")
    if find_spec("sklearn") is None:
        raise MissingExtra(f"The tuning problem {name}", "scikit-learn", "sklearn")
    models, dataset, loss = PROBLEMS[name]
    parameters: list[Parameter] = []
    if len(models) == 1:
        parameters += _MODELS[models[0]].parameters("", {})
    else:
        parameters.append(Categorical("model", models))
        for model in models:
            parameters += _MODELS[model].parameters(f"{model}__", {"model": model})
    source = f"scikit-learn's {', '.join(models)} on its {dataset} data"
    return Tuning(name, Spec(Space(parameters), (Objective("loss"),)), models, dataset, loss, source)


def defaults(problem: Tuning) -> dict[str, float]:
    """Return what each model of a tuning problem scores with scikit-learn's default settings."""
    return problem.defaults()
