"""BoTorch's acquisitions behind our protocol, against BoTorch, differences and our own formulas."""

import importlib
import sys
from functools import partial

import numpy as np
import pytest

from bbopt.acquisitions.improvement import LogExpectedImprovement as OurLogEI
from bbopt.errors import MissingExtra, UnsupportedError
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.strategies.criteria import Situation
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.fit import fit
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.process import GaussianProcess

torch = pytest.importorskip("torch")
pytest.importorskip("botorch")

from botorch.acquisition import (  # noqa: E402
    AcquisitionFunction,
    LogExpectedImprovement,
    UpperConfidenceBound,
    qKnowledgeGradient,
    qLogExpectedImprovement,
    qLogNoisyExpectedImprovement,
    qLowerBoundMaxValueEntropy,
)
from botorch.models import SingleTaskGP  # noqa: E402
from botorch.models.map_saas import EnsembleMapSaasSingleTaskGP  # noqa: E402
from botorch.optim import optimize_acqf  # noqa: E402
from botorch.sampling import SobolQMCNormalSampler  # noqa: E402

from bbopt import BayesianOptimization, Study  # noqa: E402
from bbopt.acquisitions.botorch import BotorchAcquisition, BotorchCriterion  # noqa: E402
from bbopt.surrogates.botorch import BotorchModel, BotorchSurrogate, to_botorch  # noqa: E402
from bbopt.surrogates.botorch.models import quietly, tensor  # noqa: E402

BOX = Space([Real("a", 0, 1), Real("b", 0, 1), Real("c", 0, 1)])
MIXED = Space([Real("a", 0, 1), Categorical("k", ["u", "v", "w"]), Real("c", 0, 1, when={"k": "u"})])
SPACES = {"box": BOX, "mixed": MIXED}


def gp_of(space, n=20, noise=None):
    X = space.sample(n, Key(0))
    y = np.sin(6 * X[:, 0]) + ((X - 0.4) ** 2).sum(axis=1) + 0.05 * np.random.default_rng(0).random(n)
    return fit(space, X, y, noise=noise)


def surrogate_of(space, make=SingleTaskGP, n=20):
    gp = gp_of(space, n)
    surrogate, _ = BotorchModel(make, fit_model=lambda model: None).fit(space, gp.X, gp.y)
    return surrogate


def situation(model, seed=0):
    return Situation(model.incumbent, Key(seed))


def monte_carlo(model, best_f):
    return qLogExpectedImprovement(model, best_f, SobolQMCNormalSampler(torch.Size([64]), seed=1))


MAKERS = {
    "LogEI": LogExpectedImprovement,
    "UCB": lambda model: UpperConfidenceBound(model, beta=4.0),
    "qLogEI": monte_carlo,
    "qLogNEI": partial(qLogNoisyExpectedImprovement, sampler=SobolQMCNormalSampler(torch.Size([32]), seed=2)),
}


@pytest.mark.parametrize("make", [SingleTaskGP, EnsembleMapSaasSingleTaskGP])
@pytest.mark.parametrize("name", MAKERS)
def test_values_are_those_of_botorch(name, make):
    surrogate = surrogate_of(MIXED, make)
    acquisition = BotorchCriterion(MAKERS[name])(surrogate, situation(surrogate))
    at = MIXED.sample(6, Key(1))
    with torch.no_grad(), quietly():
        F = tensor(Features(MIXED)(at))
        np.testing.assert_allclose(acquisition.value(at), acquisition.acqf(F[:, None]), rtol=1e-9)
        if name.startswith("q"):
            together = acquisition.acqf(F.reshape(2, 3, -1))
            np.testing.assert_allclose(acquisition.value(at.reshape(2, 3, -1)), together, rtol=1e-9)
    assert acquisition.value(at[:0]).shape == (0,)
    if name == "LogEI":  # -y is maximised, and the incumbent of columns is their mean
        assert acquisition.acqf.best_f == pytest.approx(-surrogate.incumbent.mean())
    assert acquisition.is_smooth
    np.testing.assert_array_equal(acquisition.scale, surrogate.scale)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("name", MAKERS)
def test_gradients_equal_differences(name, space):
    gp = gp_of(space)
    acquisition = BotorchCriterion(MAKERS[name])(gp, situation(gp))
    at = space.sample(6, Key(1))
    moves = ~np.asarray(space.is_categorical) & space.active(at)
    h = 1e-6
    for points in (at, at.reshape(2, 3, -1)) if name.startswith("q") else (at,):
        value, gradient = acquisition.value_and_grad(points)
        np.testing.assert_allclose(value, acquisition.value(points), rtol=1e-9)
        assert gradient.shape == points.shape
        for i, j in np.ndindex(at.shape):
            step = np.zeros(at.shape)
            step[i, j] = h
            step = step.reshape(points.shape)
            rise = (acquisition.value(points + step) - acquisition.value(points - step)).sum()
            slope = rise / (2 * h) if moves[i, j] else 0.0
            assert gradient.reshape(at.shape)[i, j] == pytest.approx(slope, rel=2e-4, abs=1e-4)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_on_our_process_their_log_ei_is_ours(space):
    gp = gp_of(space)
    at = space.sample(8, Key(1))
    for model in (gp, gp.fantasize(space.sample(2, Key(2)))):
        theirs = BotorchCriterion(LogExpectedImprovement)(model, situation(gp))
        ours = OurLogEI(model, gp.incumbent)
        for value, expected in zip(theirs.value_and_grad(at), ours.value_and_grad(at), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_an_ensemble_is_averaged_over(name):
    gp = gp_of(MIXED)
    draws = [np.array(gp.theta) + d for d in (0.0, 0.2, -0.3)]
    members = [GP.build(gp.covariance, Hyperparameters.from_list(one), gp.X, gp.y, gp.noise) for one in draws]
    model = Ensemble(tuple(members))
    best = np.full(3, model.incumbent.mean())
    acquisition = BotorchCriterion(MAKERS[name])(model, Situation(best, Key(0)))
    at = MIXED.sample(6, Key(1))
    values, gradients = acquisition.value_and_grad(at)
    assert np.isfinite(values).all()
    if name == "LogEI":
        expected = OurLogEI(model, best).value_and_grad(at)
    elif name == "UCB":
        parts = [
            BotorchCriterion(MAKERS[name])(one, Situation(best[:1], Key(0))).value_and_grad(at)
            for one in members
        ]
        expected = [np.mean([part[i] for part in parts], axis=0) for i in (0, 1)]
    else:
        return
    np.testing.assert_allclose(values, expected[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gradients, expected[1], rtol=1e-5, atol=1e-6)


def test_what_is_pending_is_known():
    surrogate = surrogate_of(MIXED)
    pending = MIXED.sample(3, Key(1))
    for name, make in MAKERS.items():
        before = BotorchCriterion(make)(surrogate, situation(surrogate)).value(pending)
        known = surrogate.fantasize(pending)
        after = BotorchCriterion(make)(known, situation(known)).value(pending)
        assert np.all(after < before), name


@pytest.mark.parametrize("make", [qLogNoisyExpectedImprovement, qLowerBoundMaxValueEntropy])
@pytest.mark.parametrize("is_conditioned", [False, True])  # then BoTorch makes its sampler at the first value
def test_draws_come_from_the_key_and_leave_no_trace(make, is_conditioned):
    surrogate = surrogate_of(BOX)
    if is_conditioned:
        surrogate = surrogate.fantasize(BOX.sample(2, Key(2)))
    at = BOX.sample(4, Key(1))
    state = torch.get_rng_state()
    values = [BotorchCriterion(make)(surrogate, situation(surrogate, seed)).value(at) for seed in (0, 0, 1)]
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(values[0], values[1])
    assert np.any(values[0] != values[2])


@pytest.mark.parametrize("name", ["LogEI", "UCB", "qLogEI"])
@pytest.mark.parametrize("d", [2, 5])
def test_the_maximizer_finds_what_optimize_acqf_finds(name, d):
    space = Space([Real(f"x{j}", 0, 1) for j in range(d)])
    gp = gp_of(space, n=8 * d, noise=0.02)
    acquisition = BotorchCriterion(MAKERS[name])(gp, situation(gp))
    starts = gp.X[np.argsort(gp.fitted[:, 0])[:5]]
    x = maximize(acquisition, space, 1, starts, None, Key(0))
    torch.manual_seed(0)
    with quietly():
        bounds = torch.tensor([[0.0] * d, [1.0] * d], dtype=torch.float64)
        _, best = optimize_acqf(acquisition.acqf, bounds, q=1, num_restarts=8, raw_samples=128)
    assert acquisition.value(x)[0] >= best.item() - 1e-5


class Broken(AcquisitionFunction):
    def forward(self, X):
        return torch.where(X[..., 0, 0] < 0.5, torch.nan, X[..., 0, 0].sqrt())


def test_what_is_no_number_is_the_worst():
    gp = gp_of(BOX)
    acquisition = BotorchAcquisition(Broken(to_botorch(gp)), BOX)
    value, gradient = acquisition.value_and_grad(np.array([[0.2, 0.5, 0.5], [0.64, 0.5, 0.5]]))
    np.testing.assert_allclose(value, [-np.inf, 0.8])
    np.testing.assert_allclose(gradient[1], [0.625, 0.0, 0.0])
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(acquisition.scale, gp.scale)  # read from the kernel


def test_what_cannot_be_done_is_said():
    gp = gp_of(BOX)
    with pytest.raises(
        UnsupportedError, match=r"qKnowledgeGradient is optimised together with its fantasies.*noisy-ei"
    ):
        BotorchCriterion(qKnowledgeGradient)(gp, situation(gp))
    with pytest.raises(UnsupportedError, match="a BoTorch model, got str"):
        BotorchCriterion(LogExpectedImprovement)("model", situation(gp))


def test_a_plain_acquisition_of_encoded_points():
    gp = gp_of(MIXED)
    model = SingleTaskGP(tensor(gp.X), -tensor(gp.y)[:, None])
    surrogate = BotorchSurrogate(model, MIXED, gp.X, encoded=True)
    acquisition = BotorchAcquisition(LogExpectedImprovement(model, 1.0), MIXED, encoded=True)
    at = MIXED.sample(4, Key(1))
    ours = OurLogEI(surrogate, np.array([-1.0]))
    for value, expected in zip(acquisition.value_and_grad(at), ours.value_and_grad(at), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"surrogate": GaussianProcess(ensemble=4)},
        {"surrogate": BotorchModel(fit_model=lambda model: None)},
    ],
    ids=["ours", "ensemble", "theirs"],
)
def test_a_strategy_takes_such_an_acquisition(options):
    strategy = BayesianOptimization(
        acquisition=BotorchCriterion(qLogNoisyExpectedImprovement), n_initial=4, **options
    )
    study = Study(MIXED, strategy=strategy, seed=0)
    for _ in range(5):
        trial = study.ask()
        study.tell(trial, trial.params["a"])
    first, second = study.ask(2)
    assert first.params != second.params
    assert first.tag["by"] == "qLogNoisyExpectedImprovement"


def test_without_botorch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "botorch.acquisition.acquisition", None)
    monkeypatch.delitem(sys.modules, "bbopt.acquisitions.botorch")
    with pytest.raises(MissingExtra, match=r"botorch, which bbopt's extra \[torch\] brings"):
        importlib.import_module("bbopt.acquisitions.botorch")
