"""Parts that cannot work are refused before the first trial; what can work never is."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

from bbopt import BayesianOptimization, Categorical, Objective, Real, Space, Spec, Study, Then
from bbopt.acquisitions import LogExpectedImprovement
from bbopt.errors import FitError, SpaceError, UnsupportedError
from bbopt.rng import Key
from bbopt.strategies import bayesian
from bbopt.surrogates import GaussianProcess, Matern, Periodic, SklearnModel

MIXED = Space([Real("x", 0, 1), Categorical("c", ["a", "b"])])


def logei(model, situation):
    return LogExpectedImprovement(model, situation.best)


class Column:
    """An acquisition whose values are a column."""

    is_smooth = False
    scale = np.ones(2)

    def value(self, X):
        return np.zeros((len(X), 1))


REFUSED = {
    "a kernel on what is not there": (
        {"surrogate": GaussianProcess(Matern(columns=("rat",)))},
        SpaceError,
        "columns must name parameters that vary, got 'rat'",
    ),
    "a kernel on categories": (
        {"surrogate": GaussianProcess(Matern() + Periodic(("c",)))},
        SpaceError,
        "Periodic: columns must be numeric",
    ),
    "a number": ({"acquisition": lambda m, s: 3}, SpaceError, "<lambda>.*must return an Acquisition.*got 3"),
    "nan": (
        {"acquisition": lambda m, s: LogExpectedImprovement(m, np.array([np.nan]))},
        SpaceError,
        "acquisition <lambda>.*its values are nan",
    ),
    "one argument": ({"acquisition": lambda m: 3}, SpaceError, "takes 1 positional argument"),
    "a column": ({"acquisition": lambda m, s: Column()}, SpaceError, r"shape \(4, 1\) instead of \(4,\)"),
    "no deviations": (
        {"surrogate": SklearnModel(GradientBoostingRegressor(n_estimators=5))},
        UnsupportedError,
        "predicts no standard deviation",
    ),
    "no paths": (
        {"surrogate": SklearnModel(RandomForestRegressor(5)), "acquisition": "thompson"},
        UnsupportedError,
        "acquisition 'thompson' needs bbopt's own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("wrap", [lambda made: made, lambda made: Then(made, 5, made)], ids=["alone", "then"])
def test_parts_that_cannot_work_are_refused_before_anything_is_stored(case, wrap, tmp_path):
    options, error, message = REFUSED[case]
    strategy, path = wrap(BayesianOptimization(**options)), tmp_path / "study.db"
    with pytest.raises(error, match=message):
        Study(MIXED, "y", strategy=strategy, storage=path)
    assert not path.exists()
    Study(MIXED, "y", storage=path).close()
    with pytest.raises(error, match=message):
        Study.open(path, strategy=strategy)


@pytest.mark.parametrize("outcome", ["log", "box-cox"])
def test_logarithms_of_what_is_maximised_are_refused(outcome):
    strategy = BayesianOptimization(surrogate=GaussianProcess(outcome=outcome))
    strategy.init(Spec.of(MIXED, "y"), Key(0))
    with pytest.raises(SpaceError, match=f"outcome='{outcome}'.*'y' is maximised.*'auto' and 'yeo-johnson'"):
        strategy.init(Spec.of(MIXED, Objective("y", maximize=True)), Key(0))


def test_classes_and_models_of_others_are_refused_at_once_with_what_would_be_right():
    with pytest.raises(SpaceError, match="LogExpectedImprovement is a class: give a name such as 'logei'"):
        BayesianOptimization(acquisition=LogExpectedImprovement)
    with pytest.raises(SpaceError, match=r"surrogate\.fit must take.*RandomForestRegressor.*SklearnModel"):
        BayesianOptimization(surrogate=RandomForestRegressor())


def test_botorch_acquisitions_are_refused_with_what_takes_them():
    pytest.importorskip("botorch")
    from botorch.acquisition import qLogNoisyExpectedImprovement

    with pytest.raises(SpaceError, match=r"BotorchCriterion\(qLogNoisyExpectedImprovement\)"):
        BayesianOptimization(acquisition=qLogNoisyExpectedImprovement)


class Picky:
    """A model of ten results and more, which is no part of any journal and cannot be hashed."""

    __hash__ = None

    def __init__(self, error):
        self.error = error

    def fit(self, space, X, y, variance=None, **options):
        if len(y) < 10:
            raise self.error
        return GaussianProcess().fit(space, X, y)


@pytest.mark.parametrize("error", [FitError("too few"), ValueError("too few"), IndexError("10")], ids=repr)
def test_a_model_may_refuse_what_was_made_up(error):
    study = Study(MIXED, "y", strategy=BayesianOptimization(surrogate=Picky(error), n_initial=10), seed=0)
    for _ in range(11):
        trial = study.ask()
        study.tell(trial, trial.params["x"])
    assert trial.tag["by"] == "LogEI"


def test_what_is_right_is_tried_once_and_defaults_never(monkeypatch):
    calls = []

    def counted(model, situation):
        calls.append(situation.space)
        return logei(model, situation)

    strategy, spec = BayesianOptimization(acquisition=counted), Spec.of(MIXED, "y")
    for _ in range(3):
        strategy.init(spec, Key(0))
    assert calls == [MIXED]

    def fit(*_, **__):
        raise AssertionError("fitted for nothing")

    monkeypatch.setattr(GaussianProcess, "fit", fit)
    for name in ("auto", *bayesian.criteria.CRITERIA):
        BayesianOptimization(acquisition=name, surrogate=GaussianProcess(ensemble=4)).init(spec, Key(0))


def test_constants_alone_need_no_model():
    study = Study(
        [Categorical("c", ["a"])], "y", strategy=BayesianOptimization(acquisition=lambda m: 3), seed=0
    )
    assert study.ask().params == {"c": "a"}
