"""What Bayesian optimization does with what it was told: every part of an ask leaves a trace here."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from bbopt import BayesianOptimization, Categorical, Objective, Real, Space, Status, Study
from bbopt.strategies import bayesian
from bbopt.strategies.modelling import fit_history, incumbent
from bbopt.surrogates.process import GaussianProcess

SQUARE = Space([Real("x", 0, 1), Real("y", 0, 1)])


def bowl(params):
    return (params["x"] - 0.3) ** 2 + 2 * (params["y"] - 0.6) ** 2


def told(n, spread=0.0, sd=None, seed=0, **options):
    """Return a study on the bowl with n results, half of the model's choosing."""
    study = Study(
        SQUARE, Objective("f", **options), strategy=BayesianOptimization(n_initial=n // 2), seed=seed
    )
    draw = np.random.default_rng(seed)
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, bowl(trial.params) + spread * draw.normal(), sd=sd)
    return study


# -- batches and pending points ------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0, None, 0.05])
@pytest.mark.parametrize("is_batch", [True, False])
def test_what_is_out_already_is_not_asked_again(noise, is_batch):
    study = Study(SQUARE, Objective("f", noise=noise), strategy=BayesianOptimization(n_initial=6), seed=0)
    for _ in range(6):  # with more, the optimum is known to better than what tells points apart below
        trial = study.ask()
        study.tell(trial, bowl(trial.params))
    out = study.ask(6) if is_batch else [study.ask() for _ in range(6)]
    distances = pdist(study.space.encode([trial.params for trial in out]))
    assert distances.min() > 0.01, "one point asked several times"
    assert len({trial.tag["mean"] for trial in out}) == 6


def test_batches_find_the_optimum():
    study = Study(SQUARE, Objective("f", noise=0), strategy="bo", seed=1)
    for _ in range(6):
        for trial in study.ask(5):
            study.tell(trial, bowl(trial.params))
    assert study.best().value < 1e-5


# -- which acquisition ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "spread", "sd", "by"),
    [
        ({"noise": 0}, 0.0, None, "LogEI"),
        ({}, 0.0, None, "LogEI"),
        ({"noise": 0.1}, 0.1, None, "LogNEI"),
        ({}, 1.0, None, "LogNEI"),
        ({}, 0.1, 0.1, "LogNEI"),
    ],
)
def test_noise_declared_told_or_learnt_asks_for_lognei(options, spread, sd, by):
    assert told(24, spread, sd, **options).ask().tag["by"] == by


def test_a_huge_declared_noise_is_no_error():
    assert told(8, noise=1e160).ask().params
    assert told(8, sd=1e160).ask().params


# -- failures ------------------------------------------------------------------------------------------


def test_failures_are_learnt_from():
    """The slope leads up to an edge behind which all runs break: on to it, not far beyond."""
    deep = 0
    for seed in range(3):
        study = Study(SQUARE, Objective("f", noise=0), strategy="bo", seed=seed)
        for number in range(16):
            trial = study.ask()
            deep += number >= 10 and trial.params["x"] > 0.6
            if trial.params["x"] > 0.5:
                study.fail(trial, "broke")
            else:
                study.tell(trial, -trial.params["x"])
        assert study.best().value < -0.45
        assert 0 <= study.ask().tag["chance"] <= 1
    assert deep <= 4, "18 if nothing is learnt"


# -- what goes from ask to ask -------------------------------------------------------------------------


def test_a_fit_starts_where_the_last_one_ended(monkeypatch):
    study = told(12)
    calls = []

    def fit(self, *arguments, **options):
        calls.append(options)
        return real(self, *arguments, **options)

    real = GaussianProcess.fit
    monkeypatch.setattr(GaussianProcess, "fit", fit)
    first = study.ask(3)
    for trial in first:
        study.tell(trial, bowl(trial.params))
    study.ask()
    assert calls[1]["previous"] == first[-1].tag["model"]
    assert calls[1]["previous"]["n"] == 12


def test_the_search_starts_at_the_incumbents(monkeypatch):
    study = told(12)
    study.add({"x": 3.0, "y": 0.5}, -50.0)
    best = study.space.encode(study.best().params)[0]
    seen = []

    def maximize(acquisition, space, n, starts, *arguments, **options):
        seen.append(starts)
        return real(acquisition, space, n, starts, *arguments, **options)

    real = bayesian.maximize
    monkeypatch.setattr(bayesian, "maximize", maximize)
    study.ask()
    assert np.abs(seen[0] - best).max(axis=1).min() < 1e-12
    assert seen[0].shape == (5, 2)
    assert (seen[0] <= 1).all()


# -- results from outside ------------------------------------------------------------------------------


def test_a_better_result_outside_of_the_space_does_not_stop_the_search():
    study = Study(SQUARE, Objective("f", noise=0), strategy="bo", seed=3)
    study.add({"x": 1.5, "y": 0.6}, -1.0)
    for _ in range(22):
        trial = study.ask()
        study.tell(trial, bowl(trial.params))
    assert study.best().value < 1e-4


def test_only_results_outside():
    study = Study(SQUARE, strategy=BayesianOptimization(n_initial=1), seed=0)
    for k in range(4):
        study.add({"x": 1.5 + k, "y": 0.5}, float(k))
    tag = study.ask().tag
    assert tag["by"] == "LogEI"
    assert tag["acquisition"] > -50


# -- questions and copies ------------------------------------------------------------------------------


def test_the_laws_hold_under_noise_with_results_and_pending_points():
    study = told(10, 0.3)
    pending = study.ask(2)
    first, second = ([t.params for t in _copy(study).ask(3)] for _ in range(2))
    assert first == second
    assert not {tuple(t.params.values()) for t in pending} & {tuple(p.values()) for p in first}
    assert study.history.count(Status.PENDING) == 2


def _copy(study):
    from bbopt.study.journal import MemoryJournal

    copied = MemoryJournal()
    copied.append(list(study.journal.read(0)))
    return Study.open(copied)


def test_incumbents_of_a_space_alone():
    study = told(6)
    model = fit_history(study.history, GaussianProcess())
    rows = np.arange(len(model.X))
    np.testing.assert_array_equal(incumbent(model, rows[:0], SQUARE), model.incumbent)
    inside = np.delete(rows, [int(np.argmin(model.fitted))])
    expected = model.fitted[inside].min()
    assert incumbent(model, np.array([np.argmin(model.fitted)]), SQUARE) == expected


def test_with_fixed_values_the_best_that_they_allow_is_sought():
    """Half of the space can never beat the other: within it, the search goes on all the same."""
    space = Space([Categorical("half", ["good", "bad"]), Real("x", 0, 1), Real("y", 0, 1)])
    study = Study(space, Objective("f", noise=0), strategy="bo", seed=0)

    def f(params):
        return bowl(params) + (5 if params["half"] == "bad" else 0)

    for _ in range(14):
        trial = study.ask()
        study.tell(trial, f(trial.params))
    found = []
    for _ in range(8):
        trial = study.ask(fixed={"half": "bad"})
        found.append(f(trial.params) - 5)
        study.tell(trial, found[-1] + 5)
    assert min(found) < 1e-3
