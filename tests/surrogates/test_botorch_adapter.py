"""BoTorch and GPyTorch models as surrogates, against these models themselves, differences and formulas."""

import importlib
import sys

import numpy as np
import pytest

from bbopt.errors import DataError, FitError, MissingExtra, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space

torch = pytest.importorskip("torch")
pytest.importorskip("botorch")

import gpytorch  # noqa: E402
from botorch.exceptions.errors import ModelFittingError  # noqa: E402
from botorch.fit import fit_gpytorch_mll  # noqa: E402
from botorch.models import SingleTaskGP  # noqa: E402
from botorch.models.ensemble import EnsembleModel  # noqa: E402
from botorch.models.map_saas import EnsembleMapSaasSingleTaskGP  # noqa: E402
from botorch.models.transforms import Normalize  # noqa: E402
from gpytorch.kernels import MaternKernel, RBFKernel, ScaleKernel  # noqa: E402
from gpytorch.mlls import ExactMarginalLogLikelihood  # noqa: E402
from linear_operator.utils.errors import NotPSDError  # noqa: E402

from bbopt import BayesianOptimization, Study  # noqa: E402
from bbopt.surrogates.botorch import BotorchModel, BotorchSurrogate  # noqa: E402
from bbopt.surrogates.botorch.models import quietly, tensor  # noqa: E402
from bbopt.surrogates.kernels.features import Features  # noqa: E402
from bbopt.surrogates.outcomes import learn  # noqa: E402

BOX = Space([Real("a", 0, 1), Real("b", 0, 1), Real("c", 0, 1)])
MIXED = Space([Real("a", 0, 1), Categorical("k", ["u", "v", "w"]), Real("c", 0, 1, when={"k": "u"})])
SPACES = {"box": BOX, "mixed": MIXED}


def data(space, n=25):
    X = space.sample(n, Key(0))
    y = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 - X[:, 2]
    return X, (y - y.mean()) / y.std(ddof=1)


def model_of(space, make=SingleTaskGP, n=25, **options):
    """A BoTorch model of -y with rough hyper-parameters, and the points behind it."""
    X, y = data(space, n)
    torch.manual_seed(0)
    with quietly():
        model = make(tensor(Features(space)(X)), -tensor(y)[:, None], **options)
    for name, parameter in model.named_parameters():
        if "noise" not in name:
            parameter.data += 0.3 * torch.randn(parameter.shape, dtype=torch.float64)
    if "train_Yvar" not in options:
        model.likelihood.noise = 0.02
    return model.eval(), X


def surrogate_of(space, make=SingleTaskGP, **options):
    model, X = model_of(space, make, **options)
    return BotorchSurrogate(model, space, X)


def members(model, F):
    """BoTorch's own posterior, one point at a time: means and variances (b, s)."""
    with torch.no_grad(), quietly():
        posterior = model.posterior(tensor(F)[:, None])
    return (m.numpy().reshape(len(F), -1) for m in (posterior.mean, posterior.variance))


@pytest.mark.parametrize("make", [SingleTaskGP, EnsembleMapSaasSingleTaskGP])
@pytest.mark.parametrize("name", SPACES)
def test_posterior_is_that_of_the_model_with_the_sign_turned(name, make):
    space = SPACES[name]
    surrogate = surrogate_of(space, make)
    at = space.sample(9, Key(1))
    expected_mean, expected_variance = members(surrogate.model, Features(space)(at))
    mean, variance = surrogate.posterior(at)
    assert mean.shape == variance.shape == (9, 4 if make is EnsembleMapSaasSingleTaskGP else 1)
    np.testing.assert_allclose(mean, -expected_mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-9)
    np.testing.assert_allclose(surrogate.incumbent, surrogate.posterior(surrogate.X)[0].min(axis=0))
    as_it_is = BotorchSurrogate(surrogate.model, space, surrogate.X, maximize=False)
    np.testing.assert_allclose(as_it_is.posterior(at)[0], expected_mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [SingleTaskGP, EnsembleMapSaasSingleTaskGP])
def test_joint_posterior_is_that_of_the_model(make):
    surrogate = surrogate_of(BOX, make)
    at = BOX.sample(8, Key(1)).reshape(2, 4, 3)
    mean, covariance = surrogate.joint(at)
    for one, m, c in zip(at, mean, covariance, strict=True):
        with torch.no_grad(), quietly():
            expected = surrogate.model.posterior(tensor(one)).distribution
        np.testing.assert_allclose(m, -expected.mean.numpy().reshape(-1, 4).T, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(c, expected.covariance_matrix.numpy().reshape(-1, 4, 4), atol=1e-12)


def test_a_plain_batch_of_hyperparameters_gives_columns():
    X, y = data(BOX)
    kernel = ScaleKernel(
        MaternKernel(ard_num_dims=3, batch_shape=torch.Size([2])), batch_shape=torch.Size([2])
    )
    F, Y = tensor(X).expand(2, -1, -1), -tensor(y)[:, None].expand(2, -1, -1)
    model = SingleTaskGP(F, Y, covar_module=kernel, outcome_transform=None)
    kernel.base_kernel.lengthscale = torch.tensor([[[0.3, 0.5, 1.0]], [[1.0, 0.7, 0.2]]])
    surrogate = BotorchSurrogate(model, BOX, X)
    at = BOX.sample(6, Key(1))
    mean, variance = surrogate.posterior(at)
    alone = [SingleTaskGP(tensor(X), Y[0], outcome_transform=None) for _ in range(2)]
    for s, one in enumerate(alone):
        one.covar_module = ScaleKernel(MaternKernel(ard_num_dims=3)).double()
        one.covar_module.base_kernel.lengthscale = kernel.base_kernel.lengthscale[s].detach()
        one.likelihood.noise = model.likelihood.noise[s].detach()
        expected_mean, expected_variance = members(one, at)
        np.testing.assert_allclose(mean[:, s], -expected_mean[:, 0], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(variance[:, s], expected_variance[:, 0], rtol=1e-8)
    _, joint = surrogate.joint(at.reshape(2, 3, 3))
    np.testing.assert_allclose(np.einsum("tsqq->tqs", joint).reshape(6, 2), variance, rtol=1e-8)
    known = surrogate.fantasize(at[:2]).posterior(at)
    np.testing.assert_allclose(known[0], mean, atol=1e-8)
    assert np.all(known[1][:2] < 1e-6)


@pytest.mark.parametrize("make", [SingleTaskGP, EnsembleMapSaasSingleTaskGP])
@pytest.mark.parametrize("name", SPACES)
def test_pullbacks_equal_differences(name, make):
    space = SPACES[name]
    surrogate = surrogate_of(space, make).fantasize(space.sample(2, Key(5)))
    at = space.sample(6, Key(1))
    rng = np.random.default_rng(2)
    for points, function, vjp in (
        (at, surrogate.posterior, surrogate.posterior_vjp),
        (at.reshape(2, 3, -1), surrogate.joint, surrogate.joint_vjp),
    ):
        mean, spread, pull = vjp(points)
        weights = [rng.standard_normal(part.shape) for part in (mean, spread)]
        if points.ndim == 3:
            weights[1] = weights[1] + weights[1].swapaxes(-1, -2)

        def total(points, function=function, weights=weights):
            return np.array(
                [(w * part).sum() for w, part in zip(weights, function(points), strict=True)]
            ).sum()

        gradient = pull(*weights)
        assert gradient.shape == points.shape
        np.testing.assert_array_equal(pull(*weights), gradient)  # a pullback may be used twice
        h = 1e-6
        moves = ~np.asarray(space.is_categorical) & space.active(at)
        for i, j in np.ndindex(at.shape):
            step = np.zeros(at.shape)
            step[i, j] = h
            step = step.reshape(points.shape)
            slope = (total(points + step) - total(points - step)) / (2 * h) if moves[i, j] else 0.0
            assert gradient.reshape(at.shape)[i, j] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_conditioning_equals_botorch():
    noise = torch.full((25, 1), 0.01, dtype=torch.float64)
    surrogate = surrogate_of(BOX, train_Yvar=noise, outcome_transform=None)
    new, at = BOX.sample(3, Key(2)), BOX.sample(7, Key(3))
    Y = np.array([[0.3], [-0.2], [1.0]])
    model = surrogate.model
    members(model, at)  # BoTorch conditions what it has evaluated
    with quietly():
        theirs = model.condition_on_observations(tensor(new), -tensor(Y), noise=tensor(np.full((3, 1), 1e-8)))
    expected_mean, expected_variance = members(theirs, at)
    told = surrogate.condition(new[:2], Y[:2]).condition(new[2:], Y[2:])
    mean, variance = told.posterior(at)
    np.testing.assert_allclose(mean, -expected_mean, atol=1e-5)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(told.X[25:], new)
    np.testing.assert_allclose(told.fitted[-3:], Y, atol=1e-5)
    assert len(surrogate.X) == 25


@pytest.mark.parametrize("make", [SingleTaskGP, EnsembleMapSaasSingleTaskGP])
def test_fantasies_change_no_mean_and_take_the_variance(make):
    surrogate = surrogate_of(MIXED, make)
    pending, at = MIXED.sample(3, Key(2)), MIXED.sample(8, Key(3))
    fantasised = surrogate.fantasize(pending)
    np.testing.assert_allclose(fantasised.posterior(at)[0], surrogate.posterior(at)[0], atol=1e-8)
    assert np.all(fantasised.posterior(at)[1] < surrogate.posterior(at)[1])
    assert np.all(fantasised.posterior(pending)[1] < 1e-5)
    twice = fantasised.fantasize(pending)  # the same points again must not break the factor
    np.testing.assert_allclose(twice.posterior(at)[0], surrogate.posterior(at)[0], atol=1e-8)
    assert surrogate.fantasize(pending[:0]) is surrogate


class Plain(gpytorch.models.ExactGP):
    def __init__(self, X, y):
        super().__init__(X, y, gpytorch.likelihoods.GaussianLikelihood())
        self.mean, self.kernel = gpytorch.means.ConstantMean(), ScaleKernel(RBFKernel(ard_num_dims=3))

    def forward(self, X):
        return gpytorch.distributions.MultivariateNormal(self.mean(X), self.kernel(X))


def test_plain_gpytorch_models_are_wrapped():
    X, y = data(BOX)
    gp = Plain(tensor(X), -tensor(y)).double().eval()
    gp.likelihood.noise = 0.01
    gp.kernel.base_kernel.lengthscale = torch.tensor([[0.2, 0.5, 3.0]], dtype=torch.float64)
    surrogate = BotorchSurrogate(gp, BOX, X)
    at = BOX.sample(6, Key(1))
    with torch.no_grad(), quietly():
        expected = gp(tensor(at))
    mean, variance = surrogate.posterior(at)
    np.testing.assert_allclose(mean[:, 0], -expected.mean, rtol=1e-8)
    np.testing.assert_allclose(variance[:, 0], expected.variance, rtol=1e-7)
    np.testing.assert_allclose(surrogate.scale, [0.2, 0.5, 1.0])
    assert surrogate.noise_variance == pytest.approx(0.01)
    assert surrogate.is_smooth
    assert surrogate.fantasize(at[:1]).posterior(at)[1][0] < 1e-5


class Sines(EnsembleModel):
    _num_outputs = 1
    speeds = torch.tensor([[[1.0]], [[2.0]], [[3.0]], [[5.0]]], dtype=torch.float64)

    def __init__(self, rounds=False):
        super().__init__()
        self.rounds = rounds

    def forward(self, X):
        values = torch.sin(self.speeds * X[..., None, :, :1])
        return torch.sign(values.detach()) if self.rounds else values


def test_ensembles_of_functions_have_the_moments_of_their_members():
    at = BOX.sample(6, Key(1))
    surrogate = BotorchSurrogate(Sines(), BOX, at)
    values = np.sin(np.array([1.0, 2.0, 3.0, 5.0])[:, None] * at[:, 0])
    mean, covariance = surrogate.joint(at[None])
    np.testing.assert_allclose(mean[0, :, 0], -values.mean(axis=0))
    np.testing.assert_allclose(covariance[0, 0], np.cov(values.T, ddof=0), atol=1e-12)
    np.testing.assert_array_equal(surrogate.scale, np.ones(3))
    assert surrogate.is_smooth
    _, variance = surrogate.fantasize(at[:2]).posterior(at)
    assert np.all(variance[:2] < 1e-6)


def test_what_cannot_be_differentiated_is_not_smooth():
    at = BOX.sample(4, Key(1))
    surrogate = BotorchSurrogate(Sines(rounds=True), BOX, at)
    assert not surrogate.is_smooth
    mean, variance, pull = surrogate.posterior_vjp(at)
    np.testing.assert_array_equal(pull(mean, variance), np.zeros((4, 3)))


def test_scale_is_the_shortest_length_a_column():
    X, _ = data(MIXED)
    kernel = RBFKernel(active_dims=[0]) + MaternKernel(ard_num_dims=6)
    model, _ = model_of(
        MIXED,
        covar_module=kernel,
        input_transform=Normalize(6, bounds=torch.tensor([[0.0], [2.0]]).double().expand(2, 6)),
    )
    kernel.kernels[0].lengthscale = 0.1
    kernel.kernels[1].lengthscale = torch.tensor([[0.5, 0.2, 0.3, 0.3, 0.1, 9.0]])
    # features: a; c on an arc, two; k, three; lengths are in units of half the inputs'
    np.testing.assert_allclose(BotorchSurrogate(model, MIXED, X).scale, [0.2, 0.2, 0.4], rtol=1e-6)


def test_fit_is_what_botorch_fits_and_leaves_no_trace():
    X, y = data(MIXED, 14)
    y = 3.0 + 10.0 * y
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    surrogate, notes = BotorchModel().fit(MIXED, X, y, noise=1.0, rng=Key(0))
    again, _ = BotorchModel().fit(MIXED, X, y, noise=1.0, rng=Key(0))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert torch.equal(before, torch.get_rng_state())
    assert notes == {}
    at = MIXED.sample(5, Key(1))
    np.testing.assert_array_equal(surrogate.posterior(at), again.posterior(at))
    z, outcome = learn(y)
    Yvar = tensor(outcome.variance(np.ones(14), z))[:, None]
    reference = SingleTaskGP(tensor(Features(MIXED)(X)), -tensor(z)[:, None], Yvar)
    with quietly():
        fit_gpytorch_mll(ExactMarginalLogLikelihood(reference.likelihood, reference))
    expected_mean, expected_variance = members(reference, Features(MIXED)(at))
    mean, sd = surrogate.predict(at)
    np.testing.assert_allclose(mean, outcome.inverse(-expected_mean[:, 0]), rtol=1e-6)
    np.testing.assert_allclose(sd, outcome.inverse_sd(-expected_mean[:, 0], np.sqrt(expected_variance[:, 0])))


def test_known_noise_reaches_the_model_and_replicates_are_merged():
    X, y = data(BOX, 10)
    X, y = np.concatenate([X, X[:1]]), np.append(y, y[0] + 0.2)
    unfitted = BotorchModel(fit_model=lambda model: None)
    z, outcome = learn(y)
    given, _ = unfitted.fit(BOX, X, y, np.full(11, np.nan), noise=0.3)
    precision = 1.0 / outcome.variance(np.full(11, 0.3**2), z)
    expected = 1.0 / np.append(precision[0] + precision[10], precision[1:10])
    stretch = given.model.outcome_transform.stdvs.item() ** 2
    np.testing.assert_allclose(given.model.likelihood.noise * stretch, expected, rtol=1e-9)
    assert given.noise_variance == 0.0
    exact, _ = unfitted.fit(BOX, X[:10], y[:10], None, noise=0.0)
    np.testing.assert_allclose(exact.posterior(X[:10])[1], 0.0, atol=1e-5)
    learnt, _ = unfitted.fit(BOX, X, y)
    assert len(learnt.X) == 10  # distinct
    assert len(learnt.model.train_targets) == 11
    assert learnt.noise_variance > 0.0


def test_models_may_see_encoded_points():
    seen = []

    def make(train_X, train_Y):
        seen.append(train_X.numpy())
        return SingleTaskGP(train_X, train_Y)

    X, y = data(MIXED)
    kind = BotorchModel(make, fit_model=lambda model: None, encoded=True)
    surrogate, _ = kind.fit(MIXED, X, y, noise=0.1)  # make takes no train_Yvar, and learns
    np.testing.assert_array_equal(seen[0], X)
    gradient = surrogate.posterior_vjp(X)[2](np.ones((25, 1)), np.zeros((25, 1)))
    still = np.asarray(MIXED.is_categorical) | ~MIXED.active(X)
    np.testing.assert_array_equal(gradient[still], 0.0)
    assert np.all(gradient[~still] != 0.0)


def test_what_is_no_such_model_is_refused_by_name():
    X, y = data(BOX)
    two = SingleTaskGP(tensor(X), torch.stack([tensor(y), -tensor(y)], dim=-1))
    with pytest.raises(UnsupportedError, match="one outcome, SingleTaskGP has 2"):
        BotorchSurrogate(two, BOX, X)
    with pytest.raises(UnsupportedError, match="model must be a BoTorch or GPyTorch model, got str"):
        BotorchSurrogate("model", BOX, X)
    with pytest.raises(UnsupportedError, match=r"float64, got torch.float32"):
        BotorchSurrogate(Plain(tensor(X), tensor(y)), BOX, X)
    with pytest.raises(DataError, match=r"\(n, 3\) encoded points .* shape \(25, 2\)"):
        BotorchSurrogate(model_of(BOX)[0], BOX, X[:, :2])
    with pytest.raises(FitError, match="at least one finite observation"):
        BotorchModel().fit(BOX, X[:0], y[:0])


def test_failing_fits_are_fit_errors():
    def fail(error):
        def fit_model(model):
            raise error

        return BotorchModel(fit_model=fit_model)

    with pytest.raises(FitError, match="SingleTaskGP could not be fitted to 25 points"):
        fail(ModelFittingError("all attempts")).fit(BOX, *data(BOX))
    with pytest.raises(FitError, match="cannot factorise a covariance: no jitter"):
        fail(NotPSDError("no jitter")).fit(BOX, *data(BOX))


def test_a_strategy_takes_such_a_model():
    strategy = BayesianOptimization(surrogate=BotorchModel(fit_model=lambda model: None), n_initial=4)
    study = Study(MIXED, strategy=strategy, seed=0)
    for _ in range(5):
        trial = study.ask()
        study.tell(trial, trial.params["a"])
    pair = study.ask(2)
    assert pair[0].params != pair[1].params


def test_without_botorch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "botorch", None)
    monkeypatch.delitem(sys.modules, "bbopt.surrogates.botorch")
    with pytest.raises(MissingExtra, match=r"botorch, which bbopt's extra \[torch\] brings"):
        importlib.import_module("bbopt.surrogates.botorch")
