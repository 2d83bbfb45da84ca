"""Processes of many results: a core, and the nearest others of each point."""

import json
import shutil

import numpy as np
import pytest

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.data.history import History
from bbopt.data.trial import Status
from bbopt.errors import SpaceError
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.spec import Objective, Spec
from bbopt.strategies.bayesian import BayesianOptimization
from bbopt.strategies.strategy import Request
from bbopt.study.study import Study
from bbopt.surrogates import local, neighbours
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.fit import log_posterior
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import RBF, Linear, Matern, Periodic
from bbopt.surrogates.local import LocalGP, gather
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.process import GaussianProcess
from bbopt.testing.parts import SurrogateContract


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def bumpy(X):
    return np.sin(5 * X[:, 0]) + ((X - 0.4) ** 2).sum(axis=1)


LENGTHS, SCALE, NOISE = np.array([0.3, 0.6, 1.5]), 1.7, 1e-3


def matern(X, Y):
    r = np.sqrt(5 * (((X[:, None] - Y[None]) / LENGTHS) ** 2).sum(axis=-1))
    return SCALE * (1 + r + r**2 / 3) * np.exp(-r)


def conditioned(mean, X, y, noise, at):
    """Mean and covariance at points, by the textbook."""
    K = matern(X, X) + np.diag(noise)
    k = matern(at, X)
    return mean + k @ np.linalg.solve(K, y - mean), matern(at, at) - k @ np.linalg.solve(K, k.T)


def built(n, core, kernel=None, space=None, theta=None, seed=0):
    """A local process with known hyper-parameters on n points, the first ``core`` of which are its core."""
    space = space or box(3)
    X = space.project(np.random.default_rng(seed).random((n, space.d)))
    y = bumpy(X)
    every = log_posterior(Covariance(space, kernel or Matern()), X, y, Outcome())
    hyper = Hyperparameters(np.log(LENGTHS) if theta is None else theta, SCALE, NOISE)
    return LocalGP.build(every, np.arange(core), hyper, Outcome()), X, y


def test_with_as_many_neighbours_as_others_all_is_exact():
    model, X, y = built(50, 40)
    at = np.random.default_rng(1).random((7, 3))
    noise = np.array([NOISE] * 40 + [NOISE + 1e-8 * SCALE] * 10)
    mean, covariance = conditioned(model.core.mean, X, y, noise, at)
    found = model.posterior(at)
    np.testing.assert_allclose(found[0][:, 0], mean, atol=1e-10)
    np.testing.assert_allclose(found[1][:, 0], covariance.diagonal(), atol=1e-10)
    joint = model.joint(at[None])
    np.testing.assert_allclose(joint[0][0, :, 0], mean, atol=1e-10)
    np.testing.assert_allclose(joint[1][0, 0], covariance, atol=1e-10)


def test_each_point_knows_the_core_and_its_nearest_others():
    model, X, y = built(400, 60)
    for x in np.random.default_rng(1).random((5, 3)):
        apart = (((X[60:] - x) / LENGTHS) ** 2).sum(axis=1)
        rows = np.r_[:60, 60 + np.argsort(apart)[: local.NEIGHBOURS]]
        noise = np.r_[np.full(60, NOISE), np.full(local.NEIGHBOURS, NOISE + 1e-8 * SCALE)]
        mean, covariance = conditioned(model.core.mean, X[rows], y[rows], noise, x[None])
        found = model.posterior(x[None])
        np.testing.assert_allclose(found[0][0], mean, atol=1e-10)
        np.testing.assert_allclose(found[1][0], covariance[0], atol=1e-10)


@pytest.mark.parametrize("kept", [10**6, 20])
def test_posteriors_do_not_depend_on_what_was_asked_before_or_beside(kept, monkeypatch):
    model, _, _ = built(400, 60)
    at = np.random.default_rng(2).random((150, 3))
    fresh, _, _ = built(400, 60)
    monkeypatch.setattr(neighbours, "MOST_ROWS", kept)
    _, _, pull = fresh.posterior_vjp(at[:5])
    fresh.posterior(at[::-1])
    ones = np.ones((5, 1))
    np.testing.assert_allclose(pull(ones, ones), model.posterior_vjp(at[:5])[2](ones, ones), atol=1e-10)
    for part, other in zip(model.posterior(at), fresh.posterior(at), strict=True):
        np.testing.assert_allclose(part, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "kernel", [Matern(), RBF() + Linear(), Linear(), Periodic(("x0",)) * Matern(1.5)], ids=repr
)
def test_every_kernel_says_what_is_close(kernel):
    space = box(3)
    covariance = Covariance(space, kernel)
    theta = covariance.hyperprior.starts[1]
    model, X, y = built(300, 40, kernel, theta=theta)
    x = np.array([[0.3, 0.7, 0.2]])

    def place(X):
        return covariance.place_points(theta, X)[0]

    k, variance = place(x).cross(place(X[40:]))[0][0], place(X[40:]).diagonal()[0]
    rows = 40 + np.argsort(-(k**2) / variance, kind="stable")[: local.NEIGHBOURS]
    expected = model.core.condition(X[rows], y[rows, None], NOISE + 1e-8 * SCALE).posterior(x)
    for part, other in zip(model.posterior(x), expected, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-6, atol=1e-9)


def slope(value, at, step=1e-6):
    found = np.empty_like(at)
    for j in np.ndindex(at.shape):
        e = np.zeros_like(at)
        e[j] = step
        found[j] = (value(at + e) - value(at - e)) / (2 * step)
    return found


@pytest.mark.parametrize(("kernel", "draws"), [(Matern(), 1), (Matern(), 3), (RBF() + Linear(), 1)], ids=repr)
def test_gradients_are_derivatives_with_neighbours_held(kernel, draws):
    model, _, _ = built(300, 50, kernel, theta=Covariance(box(3), kernel).hyperprior.starts[1])
    model = model if draws == 1 else model.draws(draws, np.random.default_rng(5))
    at = np.random.default_rng(3).random((4, 3))
    mean, _, pull = model.posterior_vjp(at)
    weights = np.random.default_rng(4).standard_normal(mean.shape), np.array([[2.0], [-1.0], [0.5], [3.0]])

    def value(X):
        return sum((w * part).sum() for w, part in zip(weights, model.posterior(X), strict=True))

    np.testing.assert_allclose(pull(*weights), slope(value, at), rtol=1e-4, atol=1e-5)


def test_gradients_of_joint_posteriors_are_derivatives_with_neighbours_held():
    model, _, _ = built(300, 50)
    sets = np.random.default_rng(3).random((2, 3, 3))
    mean, covariance, pull = model.joint_vjp(sets)
    draw = np.random.default_rng(4)
    by_mean, by_covariance = draw.standard_normal(mean.shape), draw.standard_normal(covariance.shape)
    by_covariance = by_covariance + by_covariance.swapaxes(-1, -2)

    def value(X):
        mean, covariance = model.joint(X)
        return (by_mean * mean).sum() + (by_covariance * covariance).sum()

    np.testing.assert_allclose(pull(by_mean, by_covariance), slope(value, sets), rtol=1e-4, atol=1e-5)


def test_what_is_pending_takes_the_uncertainty_and_hardly_moves_means():
    model, _, _ = built(400, 60)
    at = np.random.default_rng(6).random((20, 3))
    before, seen = model.posterior(at), model.fantasize(at[:2])
    mean, variance = seen.posterior(at)
    np.testing.assert_allclose(mean[:2], before[0][:2], atol=1e-6)
    assert (variance[:2] < 1e-4 * before[1][:2] + 1e-6).all()
    assert (variance <= before[1] + 1e-9).all()
    assert (np.abs(mean - before[0]) < 0.3 * np.sqrt(before[1])).all()


def test_draws_average_to_the_posterior_mean():
    model, _, _ = built(300, 50)
    at = np.random.default_rng(7).random((10, 3))
    drawn, _ = model.draws(2000, np.random.default_rng(8)).posterior(at)
    mean, variance = model.posterior(at)
    spread = np.sqrt(variance[:, 0])
    assert (np.abs(drawn.mean(axis=1) - mean[:, 0]) < 0.3 * spread).all()


def test_a_core_holds_the_centres_and_hardly_changes_with_another_result():
    covariance, X = Covariance(box(3)), np.random.default_rng(0).random((501, 3))
    theta, centres = covariance.hyperprior.starts[0], X[[3, 77]]
    rows = gather(covariance, theta, X[:500], centres, 100, 0.6)
    assert len(set(rows)) == 100
    assert (np.diff(rows) > 0).all()
    assert {3, 77} <= set(rows)
    nearest = np.argsort(((X[:500, None] - centres[None]) ** 2).sum(axis=2).min(axis=1))[:60]
    assert set(nearest) <= set(rows)
    assert len(set(rows) - set(gather(covariance, theta, X, centres, 100, 0.6))) <= 2
    elsewhere = X[np.setdiff1d(rows, nearest)]
    assert np.ptp(elsewhere, axis=0).min() > 0.8  # the rest lies everywhere


def test_up_to_the_limit_a_process_is_exact():
    X = np.random.default_rng(0).random((41, 2))
    y = bumpy(X)
    at_limit, notes = GaussianProcess(exact=40).fit(box(2), X[:40], y[:40])
    assert isinstance(at_limit, GP)
    assert "exact" not in notes
    beyond, notes = GaussianProcess(exact=40).fit(box(2), X, y, previous=notes)
    assert isinstance(beyond, LocalGP)
    assert (len(beyond.X), len(beyond.others), notes["exact"]) == (40, 1, 40)
    again, _ = GaussianProcess(exact=40).fit(box(2), np.vstack([X, X]), np.concatenate([y, y]))
    assert len(again.X) + len(again.others) == 41  # replicates are one point
    with pytest.raises(SpaceError, match="exact must be an integer of at least 1, got 0"):
        GaussianProcess(exact=0)


def test_it_predicts_as_well_as_the_exact_process_and_better_than_its_core():
    draw = np.random.default_rng(0)

    def rugged(X):
        return bumpy(X) + 0.3 * np.sin(12 * X).sum(axis=1)

    X = np.concatenate([draw.random((300, 3)), np.clip(0.4 + 0.1 * draw.standard_normal((300, 3)), 0, 1)])
    at = 0.4 + 0.1 * draw.standard_normal((200, 3))
    y = rugged(X) + 0.05 * draw.standard_normal(600)
    every = log_posterior(Covariance(box(3)), X, y, Outcome())
    hyper = Hyperparameters(np.log(np.full(3, 0.4)), 1.0, 0.05**2)
    rows = gather(every.covariance, hyper.theta, X, X[np.argsort(y)[:10]], 200, 0.6)
    model = LocalGP.build(every, rows, hyper, Outcome())

    def error(gp):
        return np.sqrt(np.mean((gp.posterior(at)[0][:, 0] - rugged(at)) ** 2))

    assert error(model) < 1.2 * error(every.process(hyper))
    assert error(model) < 0.6 * error(model.core)  # neighbours are worth having


def test_hyper_parameters_are_kept_until_there_is_news_and_the_same_after_reading_the_notes():
    X = np.random.default_rng(0).random((1300, 2))
    y = bumpy(X)
    kept, notes = [], None
    for n in (1101, 1102, 1103, 1105, 1107, 1250):
        model, notes = GaussianProcess().fit(box(2), X[:n], y[:n], previous=notes)
        assert isinstance(model, LocalGP)
        assert len(model.X) + len(model.others) == n
        kept.append((n, notes["theta"], notes.get("learnt_at")))
        notes = json.loads(json.dumps(notes))
    (_, first, at_first), (_, second, at), *held, (_, _, at_later), (_, last, at_last) = kept
    assert at_first is None  # learnt from few points: the next fit goes on with more
    assert (at, at_later, at_last) == (1102, 1107, 1250)
    assert all((theta, learnt_at) == (second, 1102) for _, theta, learnt_at in held)
    assert len({tuple(theta) for theta in (first, second, last)}) == 3


def test_mixed_and_conditional_spaces():
    space = Space(
        [
            Real("rate", 1e-4, 1, log=True),
            Categorical("kind", ["a", "b", "c"]),
            Real("only_a", 0, 1, when={"kind": "a"}),
        ]
    )
    X = space.sample(300, Key(0))
    y = X[:, 0] + (X[:, 1] == 0) * (X[:, 2] - 0.3) ** 2
    model, _ = GaussianProcess(exact=100).fit(space, X, y, rng=Key(0))
    at = space.sample(40, Key(1))
    truth = at[:, 0] + (at[:, 1] == 0) * (at[:, 2] - 0.3) ** 2
    assert np.sqrt(np.mean((model.predict(at)[0] - truth) ** 2)) < 0.02
    x = maximize(LogExpectedImprovement(model, model.incumbent), space, 1, model.X[:3], None, Key(2))
    assert space.feasible(x).all()


@pytest.mark.parametrize("n", [45, 400])
def test_no_points_are_an_answer_too(n):
    """With all others as neighbours, and with some of them."""
    model, _, _ = built(n, 40)
    sheaf = model.draws(5, np.random.default_rng(0))
    for process, s in ((model, 1), (sheaf, 5)):
        assert [part.shape for part in process.posterior(np.empty((0, 3)))] == [(0, s), (0, 1)]
        for points in (np.empty((0, 2, 3)), np.empty((0, 1, 3))):
            q = points.shape[1]
            mean, covariance, pull = process.joint_vjp(points)
            assert [mean.shape, covariance.shape] == [(0, q, s), (0, 1, q, q)]
            assert [part.shape for part in process.joint(points)] == [mean.shape, covariance.shape]
            assert pull(mean, covariance).shape == points.shape


def test_climbs_pass_the_steps_where_neighbours_change():
    """The best point found is as good as the best of very many, looked at one by one."""
    model, _, _ = built(600, 60)
    promise = LogExpectedImprovement(model, model.incumbent)
    x = maximize(promise, box(3), 1, model.X[np.argsort(model.fitted[:, 0])[:5]], None, Key(0))
    many = promise.value(box(3).sample(1500, Key(1)))
    assert promise.value(x)[0] > many.max() - 1e-3


def history_of(X, y):
    """A study's trials without the study: asked and told."""
    spec = Spec(box(X.shape[1]), (Objective("value"),))
    history = History(spec)
    numbers = np.array(history.append(X))
    status = np.where(np.isfinite(y), Status.COMPLETE, Status.FAILED).astype(np.int8)
    history.finish(numbers, status, Y=y[:, None])
    return history


@pytest.mark.parametrize("acquisition", ["auto", "lognei", "noisy-ei", "thompson", "ucb"])
def test_every_acquisition_takes_many_results(acquisition):
    X = np.random.default_rng(0).random((120, 2))
    history = history_of(X, bumpy(X))
    for ensemble in (1, 2) if acquisition in ("auto", "noisy-ei") else (1,):
        surrogate = GaussianProcess(exact=50, ensemble=ensemble)
        strategy = BayesianOptimization(acquisition, surrogate=surrogate)
        found = strategy.ask(None, history, Request(2), Key(0))
        assert not any("fallback" in tag for tag in found.tags)
        assert found.tags[0]["model"]["exact"] == 50
        assert len(np.unique(found.X, axis=0)) == 2


def test_averaged_processes_are_local_too():
    X = np.random.default_rng(0).random((120, 2))
    model, notes = GaussianProcess(exact=60, ensemble=3).fit(box(2), X, bumpy(X), rng=Key(0))
    assert isinstance(model, Ensemble)
    assert all(isinstance(member, LocalGP) for member in model.members)
    assert len(notes["members"]) == 3
    assert np.abs(model.predict(X)[0] - bumpy(X)).max() < 0.01


def test_ten_thousand_results_take_seconds():
    """One ask, with failures; an exact one would take minutes."""
    X = np.random.default_rng(0).random((10_000, 3))
    y = bumpy(X)
    y[::500] = np.nan  # some failed
    found = BayesianOptimization().ask(None, history_of(X, y), Request(1), Key(0))
    assert "fallback" not in found.tags[0]
    assert found.tags[0]["model"]["exact"] == local.EXACT
    assert bumpy(found.X)[0] < np.nanquantile(y, 0.01)


def test_where_runs_fail_is_learnt_from_many_labels():
    draw = np.random.default_rng(0)
    X = draw.random((3000, 2))
    bad = X[:, 0] > 0.7
    model = LogFeasibility.fit(box(2), X[~bad], X[bad], centres=X[:5])
    assert isinstance(model.labels, LocalGP)
    at = draw.random((200, 2))
    at = at[np.abs(at[:, 0] - 0.7) > 0.05]
    assert ((model.probability(at) < 0.5) == (at[:, 0] > 0.7)).all()
    few = np.tile(X[:40], (40, 1))  # many labels at few places need no neighbours
    assert isinstance(LogFeasibility.fit(box(2), few, X[bad][:5]).labels, GP)


class TestContract(SurrogateContract):
    def make(self):
        return GaussianProcess(exact=15)


def test_a_study_goes_on_from_its_journal_and_says_that_its_model_is_local(tmp_path):
    strategy = BayesianOptimization(surrogate=GaussianProcess(exact=20))
    X = np.random.default_rng(0).random((40, 2))
    study = Study(box(2), "loss", strategy=strategy, storage=tmp_path / "many.db", seed=0)
    for params, y in zip(study.space.decode(X), bumpy(X), strict=True):
        study.add(params, float(y))
    study.tell(study.ask(), 0.3)
    shutil.copytree(tmp_path, tmp_path / "copy")
    trial = study.ask()
    assert "as a local model: to 20 of them" in study.explain(trial)
    assert study.predict([]) == []
    assert abs(study.predict(dict(study.space.decode(X[:1])[0])).mean - bumpy(X)[0]) < 0.1
    assert study.recommend().mean <= study.best("model").mean + 1e-9
    with Study.open(tmp_path / "copy" / "many.db") as again:
        assert again.ask().params == trial.params
    study.close()
