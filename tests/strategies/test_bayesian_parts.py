"""Bayesian optimization put together from parts: by name, as objects, in a journal, and in words."""

import shutil

import numpy as np
import pytest
from scipy.stats import norm

from bbopt import BayesianOptimization, Categorical, Integer, Objective, Real, Space, Study
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.errors import FitError, SpaceError, SpaceExhausted, UnsupportedError
from bbopt.strategies import bayesian
from bbopt.strategies.criteria import CRITERIA
from bbopt.strategies.modelling import fit_history
from bbopt.strategies.registry import strategy_from_dict, strategy_to_dict
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.kernels import RBF, Linear, Matern, Periodic, RationalQuadratic
from bbopt.surrogates.process import GaussianProcess

SQUARE = Space([Real("x", 0, 1), Real("y", 0, 1)])


def bowl(params):
    return (params["x"] - 0.3) ** 2 + (params["y"] - 0.7) ** 2


def run(strategy, budget=22, space=SQUARE, f=bowl, noise=0, seed=0, batch=1):
    study = Study(space, Objective("f", noise=noise), strategy=strategy, seed=seed)
    while len(study.trials) < budget:
        for trial in study.ask(batch):
            study.tell(trial, f(trial.params))
    return study


@pytest.mark.parametrize("name", CRITERIA)
def test_every_acquisition_finds_the_optimum(name):
    study = run(BayesianOptimization(acquisition=name))
    assert study.best(by="observed").value < (3e-3 if name == "thompson" else 1e-3)
    assert study.trials[-1].tag["by"] == CRITERIA[name][0]


@pytest.mark.parametrize("name", ["lognei", "noisy-ei", "thompson", "ucb"])
def test_under_noise_too(name):
    rng = np.random.default_rng(0)
    study = run(
        BayesianOptimization(acquisition=name),
        budget=40,
        f=lambda p: bowl(p) + 0.02 * rng.standard_normal(),
        noise=None,
    )
    assert bowl(study.recommend().params) < 0.01


@pytest.mark.parametrize(
    "surrogate",
    [
        GaussianProcess(kernel=RBF() + Linear()),
        GaussianProcess(kernel=Matern(1.5, ["x"]) * RationalQuadratic(("y",))),
        GaussianProcess(kernel=Matern() + Periodic(("x",), period=0.5)),
        GaussianProcess(outcome="auto", warping="auto"),
        GaussianProcess(ensemble=4),
    ],
    ids=repr,
)
def test_every_form_of_process_finds_the_optimum_and_is_read_back_from_the_journal(surrogate, tmp_path):
    strategy = BayesianOptimization(surrogate=surrogate)
    path = tmp_path / "study.jsonl"
    with Study(SQUARE, Objective("f", noise=0), strategy=strategy, storage=path, seed=3) as study:
        for _ in range(18):
            trial = study.ask()
            study.tell(trial, bowl(trial.params))
        copy = shutil.copy(path, tmp_path / "copy.jsonl")
        expected = study.ask().params
    assert study.best(by="observed").value < 2e-3
    assert strategy_from_dict(strategy_to_dict(strategy)) == strategy
    with Study.open(copy) as again:
        assert again.strategy == strategy
        assert again.ask().params == expected


def my_acquisition(model, situation):
    return LogExpectedImprovement(model, situation.best - 0.1)


class Constant:
    """A model that knows nothing."""

    def fit(self, space, X, y, variance=None, *, noise=None, previous=None, rng=None):
        return GaussianProcess(kernel=Linear()).fit(space, X, y)


def test_functions_and_objects_of_ones_own_are_taken_and_asked_for_again(tmp_path):
    own = BayesianOptimization(acquisition=my_acquisition, surrogate=Constant())
    assert run(own, 10).trials[-1].tag["by"] == "my_acquisition"
    assert strategy_to_dict(own) == {"custom": "BayesianOptimization"}
    assert strategy_from_dict(strategy_to_dict(own)) is None
    path = tmp_path / "study.jsonl"
    with Study(SQUARE, "f", strategy=own, storage=path, seed=0) as study:
        study.tell(study.ask(), 1.0)
    with Study.open(path, strategy=own) as again:
        assert again.strategy == own


@pytest.mark.parametrize("batch", ["greedy", "joint"])
def test_batches(batch):
    study = run(BayesianOptimization(batch=batch), budget=28, batch=4)
    X = study.history.X
    assert study.best(by="observed").value < 2e-3
    distances = np.linalg.norm(X[8:, None] - X[None], axis=-1)
    distances[np.arange(len(X) - 8), np.arange(8, len(X))] = 1
    assert distances.min() > 1e-6
    if batch == "joint":
        assert study.trials[-1].tag["by"] == "joint LogEI"


def test_a_joint_batch_is_worth_no_less_than_a_greedy_one():
    from bbopt.acquisitions.batch import LogExpectedImprovementOfBatch, normal_samples
    from bbopt.rng import Key

    gains = []
    for seed in range(4):
        found = []
        for batch in ("greedy", "joint"):
            study = Study(
                SQUARE, Objective("f", noise=0), strategy=BayesianOptimization(batch=batch), seed=seed
            )
            for x, y in np.random.default_rng(seed).random((8, 2)):
                study.add({"x": x, "y": y}, float(np.sin(9 * x) + y**2))
            trials = study.ask(4)
            model, _ = GaussianProcess().fit(SQUARE, study.history.X[:8], study.history.Y[:8, 0], noise=0)
            promise = LogExpectedImprovementOfBatch(model, model.incumbent, normal_samples(4096, 4, Key(99)))
            found.append(float(promise.value(study.history.X[[t.number for t in trials]][None])[0]))
        gains.append(found[1] - found[0])
    assert min(gains) > -0.02
    assert max(gains) > 0.01


def test_joint_batches_keep_away_from_failures():
    failed = {}
    for batch in ("greedy", "joint"):
        study = Study(SQUARE, Objective("f", noise=0), strategy=BayesianOptimization(batch=batch), seed=2)
        while len(study.trials) < 32:
            for trial in study.ask(3):
                if trial.params["x"] > 0.55:
                    study.fail(trial)
                else:
                    study.tell(trial, bowl(trial.params) - trial.params["x"])
        failed[batch] = sum(trial.status.name == "FAILED" for trial in study.trials[8:])
    assert failed["joint"] <= failed["greedy"] + 4


def small(noise, batches):
    """Ask six points of a joint strategy, in batches; the third of these has fewer new ones than it wants."""
    space = Space([Integer("i", 1, 3), Integer("j", 1, 2)])
    strategy = BayesianOptimization(batch="joint", n_initial=2)
    study = Study(space, Objective("y", noise=noise), strategy=strategy, seed=0)
    for n in batches:
        for trial in study.ask(n):
            study.tell(trial, 1.0)
    return study


def test_a_joint_batch_goes_on_with_replicates_where_no_new_points_are_left():
    study = small(None, (2, 3, 3))
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 6
    assert ["replicate_of" in trial.tag for trial in study.trials[5:]] == [False, True, True]
    assert "chosen one point after the other: found no batch of 3 points" in study.explain(7)


def test_a_joint_batch_of_exact_results_says_how_many_new_points_are_left():
    with pytest.raises(SpaceExhausted, match="has 1 new points left, 3 were asked for: ask for at most 1"):
        small(0, (2, 3, 3))


def test_batches_that_fall_back_from_joint_to_greedy_say_why(monkeypatch):
    study = run(BayesianOptimization(batch="joint"), 6)
    assert "one_by_one" not in study.ask(2)[0].tag
    large = study.ask(9)
    assert {trial.tag["by"] for trial in large} == {"LogEI"}
    assert "one point after the other: 9 are too many to be moved together, at most 8 are" in study.explain(
        large[8]
    )

    def broken(*_, **__):
        raise FitError("not positive definite")

    monkeypatch.setattr(bayesian, "maximize_joint", broken)
    text = study.explain(study.ask(2)[0])
    assert "the model expected" in text
    assert "one point after the other: not positive definite" in text


# -- failures ------------------------------------------------------------------------------------------


def failing(acquisition, n=9):
    study = Study(SQUARE, Objective("f", noise=0), strategy=BayesianOptimization(acquisition), seed=1)
    for _ in range(n):
        trial = study.ask()
        if trial.params["x"] > 0.6:
            study.fail(trial)
        else:
            study.tell(trial, bowl(trial.params))
    return study


def test_where_runs_fail_ei_is_multiplied_by_the_chance_to_finish():
    """Which has the maxima of LogEI and its logarithm added: EI plus a logarithm has others."""
    [ei, logei] = [failing(name).ask() for name in ("ei", "logei")]
    assert ei.params == logei.params
    assert ei.tag["acquisition"] == logei.tag["acquisition"]
    assert ei.tag["by"] == "LogEI"


def test_a_model_of_failures_that_cannot_be_fitted_is_left_out_and_said(monkeypatch):
    study = failing("auto")
    monkeypatch.setattr(LogFeasibility, "fit", classmethod(_broken))
    text = study.explain(study.ask())
    assert "the model expected" in text
    assert "no model of them could be fitted: labels are singular" in text
    assert "less the risk" not in text
    assert study.recommend().mean is not None


def _broken(*_, **__):
    raise FitError("labels are singular")


# -- explanations --------------------------------------------------------------------------------------


def test_an_explanation_tells_what_was_expected_why_and_what_held_it_back():
    space = Space([Real("x", 0, 1), Real("y", 0, 1)], constraints=["x + y <= 1"])
    study = run("bo", 20, space, f=lambda p: (p["x"] - 0.8) ** 2 + (p["y"] - 0.8) ** 2)
    best = study.best(by="observed").trial
    assert abs(best.params["x"] - 0.5) < 0.01
    text = study.explain(best)
    assert "the model expected f = " in text
    assert "comes from not knowing (exploration)" in text
    assert "it lies on the edge of x + y <= 1" in text
    assert f"the model was fitted to {best.number} results" in text
    study = run("bo", 20, f=lambda p: p["x"] + (p["y"] - 0.4) ** 2)
    assert "x is at the lowest value" in study.explain(study.best(by="observed").trial)


def test_exploration_is_told_apart():
    space = Space([Real("x", 0, 1)])
    study = Study(space, Objective("f", noise=0), strategy=BayesianOptimization(n_initial=2), seed=0)
    study.add({"x": 0.0}, 0.0)
    study.add({"x": 0.05}, 0.1)
    study.add({"x": 0.1}, 0.2)
    assert study.ask().tag["exploration"] > 0.9  # far from all that is known
    plain = BayesianOptimization(n_initial=2, surrogate=GaussianProcess(outcome="standardize"))
    study = Study(space, Objective("f", noise=0), strategy=plain, seed=0)
    for x in (0.0, 0.2, 0.4, 0.45, 0.8, 1.0):
        study.add({"x": x}, (x - 0.6) ** 2)
    assert study.ask().tag["exploration"] < 0.3  # where the bowl's bottom must be


def test_a_share_of_not_knowing_is_told_of_improvements_alone():
    """Of EI it is sd phi(z) / EI; a sample path, say, has no such share."""
    for name in CRITERIA:
        study = run(BayesianOptimization(acquisition=name), 12)
        model = fit_history(study.history, GaussianProcess())
        trial = study.ask()
        text = study.explain(trial)
        if name in ("ei", "logei"):
            x = study.space.encode(trial.params)
            mean, variance = (moment[0, 0] for moment in model.posterior(x))
            best, sd = model.incumbent[0], variance**0.5
            z = (best - mean) / sd
            doubt = sd * norm.pdf(z)
            share = min(doubt / (doubt + (best - mean) * norm.cdf(z)), 1.0)
            assert trial.tag["exploration"] == pytest.approx(share, 1e-3)
        assert ("comes from not knowing" in text) == (name in ("ei", "logei", "lognei"))
        assert ("the good end of the mean ± 2 standard deviations" in text) == (name == "ucb")
        assert ("the best point of one function drawn from the model" in text) == (name == "thompson")
        assert f"(the largest {CRITERIA[name][0]} found, " in text


def test_with_failures_the_value_that_was_maximised_is_named():
    text = failing("logei").explain(8)
    assert "(the largest LogEI less the risk of failing found, " in text
    assert "its chance not to fail is put at" in text


def test_a_fallback_says_why(monkeypatch):
    def broken(*_, **__):
        raise FitError("the matrix was singular")

    study = run("bo", 8)
    monkeypatch.setattr(GaussianProcess, "fit", broken)
    text = study.explain(study.ask())
    assert "a random point, because no model could be used: the matrix was singular" in text


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acquisition": "kg"}, "acquisition must be one of auto, ei, logei"),
        ({"acquisition": 3}, "or a function"),
        ({"surrogate": "gp"}, "surrogate must be an object with a method fit"),
        ({"surrogate": GaussianProcess}, "surrogate must be an object"),
        ({"batch": "joint", "acquisition": "ucb"}, "batch='joint' is for acquisition 'auto'"),
        ({"batch": "both"}, "batch must be 'greedy' or 'joint', got 'both'"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(SpaceError, match=message):
        BayesianOptimization(**options)


class Foreign:
    """A surrogate that is no process of ours."""

    def fit(self, space, X, y, variance=None, **options):
        model, notes = GaussianProcess().fit(space, X, y)
        return _Shell(model), notes


class _Shell:
    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)


def test_an_acquisition_that_needs_our_process_says_so():
    for name in ("lognei", "noisy-ei", "thompson"):
        strategy = BayesianOptimization(acquisition=name, surrogate=Foreign())
        with pytest.raises(UnsupportedError, match=f"acquisition '{name}' needs bbopt's own"):
            Study(SQUARE, "f", strategy=strategy)


def test_descriptors_lead_to_the_right_category():
    """Twelve categories on a line: with descriptors their order is known, and fewer are tried."""
    names = [f"s{i}" for i in range(12)]
    size = {"size": [float((7 * i) % 12) for i in range(12)]}

    def f(params):
        return (size["size"][names.index(params["s"])] - 9) ** 2 + (params["x"] - 0.5) ** 2

    tried = []
    for descriptors in (None, size):
        space = Space([Categorical("s", names, descriptors=descriptors), Real("x", 0, 1)])
        counts = []
        for seed in range(3):
            study = Study(space, Objective("f", noise=0), strategy="bo", seed=seed)
            while not len(study.trials) or study.best().value > 0.01:
                trial = study.ask()
                study.tell(trial, f(trial.params))
                assert len(study.trials) < 60
            counts.append(len(study.trials))
        tried.append(sum(counts))
    assert tried[1] < tried[0]


def test_a_value_that_a_logarithm_cannot_take_stops_no_study():
    strategy = BayesianOptimization(n_initial=3, surrogate=GaussianProcess(outcome="log"))
    study = Study(SQUARE, "f", strategy=strategy, seed=0)
    for value in (3.0, 2.0, 1.0, -1e-9):
        study.tell(study.ask(), value)
    trial = study.ask()
    assert trial.tag["model"]["outcome"] == "yeo-johnson"
    assert "log" in study.explain(trial)
    assert "yeo-johnson" in study.explain(trial).lower()
    assert np.isfinite(study.predict(trial.params).mean).all()
