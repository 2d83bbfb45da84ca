"""Processes of ours as BoTorch models and back: the same posteriors, or a refusal that says why."""

import numpy as np
import pytest

from bbopt.errors import UnsupportedError
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import (
    RBF,
    Linear,
    Matern,
    Periodic,
    RationalQuadratic,
    Stationary,
    profiles,
)
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.process import GaussianProcess

torch = pytest.importorskip("torch")
pytest.importorskip("botorch")

import gpytorch.kernels as theirs  # noqa: E402
from botorch.models import SingleTaskGP  # noqa: E402
from botorch.models.transforms import Log, Normalize, Standardize, Warp  # noqa: E402
from botorch.models.transforms.input import AffineInputTransform  # noqa: E402
from gpytorch.means import LinearMean  # noqa: E402

from bbopt.surrogates.botorch import BotorchSurrogate, from_botorch, to_botorch  # noqa: E402
from bbopt.surrogates.botorch.exports import Warping  # noqa: E402
from bbopt.surrogates.botorch.models import quietly, tensor  # noqa: E402

BOX = Space([Real("a", 0, 1), Real("b", 0, 1), Integer("n", 1, 9)])
MIXED = Space(
    [
        Real("a", 0, 1),
        Categorical("k", ["u", "v", "w"]),
        Real("b", 0, 1),
        Real("c", 0, 1, when={"k": "u"}),
        Categorical("m", ["p", "q"], descriptors={"size": [1.0, 3.0], "mass": [2.0, 2.5]}),
    ]
)
KERNELS = {
    "matern52": Matern(),
    "matern32": Matern(1.5),
    "matern12": Matern(0.5),
    "rbf": RBF(),
    "rq": RationalQuadratic(),
    "some columns": Matern(columns=("b",)),
    "periodic": Matern() * Periodic(("a", "b")),
    "known period": Matern() + Periodic(("b",), period=0.25),
    "linear": Linear() + RBF(("a",)),
    "nested": (Matern(1.5, ("a",)) + RBF() * Linear(("a", "b"))) * RationalQuadratic(("b",))
    + Periodic(("a",)),
}


def gp_of(space, kernel, is_warped=False, n=24):
    rng = np.random.default_rng(1)
    covariance = Covariance(space, kernel, is_warped)
    theta = rng.normal(-0.3, 0.4, len(covariance.hyperprior))
    X = space.sample(n, Key(0))
    X[:2, 0] = 0.0, 1.0  # warping is most delicate at the ends
    y = np.sin(5 * X[:, 0]) + X[:, 1] + 0.3 * X[:, -1]
    return GP.build(covariance, Hyperparameters(theta, 1.7, 0.01), X, y, rng.uniform(1e-4, 0.05, n))


def posterior(model, F):
    with torch.no_grad(), quietly():
        moments = model.posterior(tensor(F))
    return moments.mean.numpy(), moments.variance.numpy()


def assert_same(gp, other, at):
    for ours, expected in zip(gp.posterior(at), other.posterior(at), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("space", [BOX, MIXED], ids=["box", "mixed"])
@pytest.mark.parametrize("name", KERNELS)
def test_there_and_back_the_posterior_is_the_same(space, name):
    gp = gp_of(space, KERNELS[name])
    at = space.sample(15, Key(1))
    model = to_botorch(gp)
    mean, variance = gp.posterior(at)
    their_mean, their_variance = posterior(model, Features(space)(at))
    np.testing.assert_allclose(-their_mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(their_variance, variance, rtol=1e-8)
    with torch.no_grad():
        np.testing.assert_allclose(model.likelihood.noise, gp.noise, rtol=1e-12)
    back = from_botorch(model, space, gp.X)
    assert_same(back, gp, at)
    if name != "known period":  # which comes back as a learnt one
        assert back.covariance.kernel == gp.covariance.kernel
        np.testing.assert_allclose(back.hyperparameters.theta, gp.hyperparameters.theta, atol=1e-9)
    assert back.mean == pytest.approx(gp.mean, rel=1e-9)
    assert back.hyperparameters.scale == pytest.approx(1.7)


@pytest.mark.parametrize("kernel", [Matern(), RBF() + Linear()])
def test_learnt_warping_goes_along_up_to_the_ends_of_the_range(kernel):
    gp = gp_of(MIXED, kernel, is_warped=True)
    at = MIXED.sample(15, Key(1))
    at[:2, 0] = 0.0, 1.0
    their_mean, their_variance = posterior(to_botorch(gp), Features(MIXED)(at))
    mean, variance = gp.posterior(at)
    np.testing.assert_allclose(-their_mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(their_variance, variance, rtol=1e-8)
    back = from_botorch(to_botorch(gp), MIXED, gp.X)
    assert back.covariance == gp.covariance
    np.testing.assert_allclose(back.hyperparameters.theta, gp.hyperparameters.theta, atol=1e-9)
    assert_same(back, gp, at)


@pytest.mark.parametrize("warping", [True, "auto"])
def test_a_default_fit_comes_back(warping):
    X = MIXED.sample(40, Key(5))
    y = np.sin(9 * X[:, 0] ** 0.25) + X[:, 2]
    gp, _ = GaussianProcess(warping=warping).fit(MIXED, X, y, noise=0.01)
    back = from_botorch(to_botorch(gp), MIXED, gp.X)
    at = MIXED.sample(15, Key(1))
    for ours, expected in zip(back.posterior(at), gp.posterior(at), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-8)


def test_a_warping_of_another_space_is_refused():
    other = to_botorch(gp_of(BOX, Matern(), is_warped=True))
    other.input_transform = Warping(np.ones(2), np.ones(2))
    with pytest.raises(UnsupportedError, match=r"a warping of 2 columns .* the space has 3 numeric ones"):
        from_botorch(other, BOX)


@pytest.mark.parametrize("is_warped", [False, True])
@pytest.mark.parametrize("kernel", [Matern(), Linear() + RBF()])
def test_an_ensemble_is_a_mixture_of_its_members(kernel, is_warped):
    gp = gp_of(MIXED, kernel, is_warped)
    theta = gp.hyperparameters.theta
    others = [
        GP.build(gp.covariance, Hyperparameters(theta + d, 1.0, 0.01), gp.X, gp.y, gp.noise)
        for d in (0.3, -0.2)
    ]
    ensemble = Ensemble((gp, *others))
    model = to_botorch(ensemble)
    at = MIXED.sample(6, Key(1))
    surrogate = BotorchSurrogate(model, MIXED, gp.X)
    for ours, expected in zip(surrogate.posterior(at), ensemble.posterior(at), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-10)
    sets = at.reshape(2, 3, -1)
    for ours, expected in zip(surrogate.joint(sets), ensemble.joint(sets), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-8)
    d_mean, d_variance = np.random.default_rng(0).standard_normal((2, 6, 3))
    pulls = [one.posterior_vjp(at)[2](d_mean, d_variance) for one in (surrogate, ensemble)]
    np.testing.assert_allclose(*pulls, rtol=1e-6, atol=1e-8)
    with pytest.raises(UnsupportedError, match="only a SingleTaskGP of one outcome is"):
        from_botorch(model, MIXED, gp.X)


def test_a_conditioned_process_keeps_what_it_knows():
    gp = gp_of(MIXED, Matern())
    pending, at = MIXED.sample(2, Key(3)), MIXED.sample(5, Key(4))
    fantasised = gp.fantasize(pending)
    mean, variance = fantasised.posterior(at)
    their_mean, their_variance = posterior(to_botorch(fantasised), Features(MIXED)(at))
    np.testing.assert_allclose(-their_mean, mean, rtol=1e-6)
    np.testing.assert_allclose(their_variance, variance, rtol=1e-5)


def native(covar_module=None, *, fixed=False, repeats=False, **options):
    """A BoTorch model with rough hyper-parameters, as a user might have fitted it."""
    X = BOX.sample(20, Key(0))
    if repeats:
        X[10:13] = X[0]
    Y = (
        40.0
        + 7.0 * tensor(np.sin(4 * X[:, 0]) - X[:, 1] + 0.1 * np.random.default_rng(0).random(20))[:, None]
    )
    Yvar = tensor(np.linspace(0.1, 2.0, 20))[:, None] if fixed else None
    with quietly():
        model = SingleTaskGP(tensor(X), Y, Yvar, covar_module=covar_module, **options)
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "noise" not in name:
            parameter.data += 0.5 * torch.rand(parameter.shape, dtype=torch.float64)
    if not fixed:
        model.likelihood.noise = 0.03
    return model


def ard(kernel, **options):
    return kernel(ard_num_dims=3, **options)


@pytest.mark.parametrize(
    "model",
    [
        lambda: native(),
        lambda: native(fixed=True),
        lambda: native(repeats=True),
        lambda: native(outcome_transform=None),
        lambda: native(ard(theirs.RBFKernel)),
        lambda: native(theirs.MaternKernel(nu=1.5)),
        lambda: native(theirs.ScaleKernel(ard(theirs.MaternKernel)), input_transform=Normalize(3)),
        lambda: native(
            theirs.ScaleKernel(theirs.PeriodicKernel(active_dims=[1]))
            * theirs.ScaleKernel(theirs.RBFKernel(active_dims=[2, 0], ard_num_dims=2)),
            input_transform=Normalize(3, indices=[1, 2]),
        ),
        lambda: native(
            theirs.ScaleKernel(ard(theirs.LinearKernel)) + theirs.ScaleKernel(ard(theirs.RQKernel)),
            input_transform=AffineInputTransform(
                3, tensor(np.array([2.0, 0.5, 3.0])), tensor(np.full(3, 0.5))
            ),
        ),
    ],
    ids=["default", "noise", "repeats", "raw", "rbf", "matern", "normalize", "active", "linear"],
)
def test_models_of_others_come_over_exactly(model):
    model = model()
    at = BOX.sample(12, Key(1))
    gp = from_botorch(model, BOX)
    as_it_is = from_botorch(model, BOX, maximize=False)
    their_mean, their_variance = posterior(model, at)
    for process, sign in ((gp, -1.0), (as_it_is, 1.0)):
        mean, sd = process.predict(at)
        np.testing.assert_allclose(mean, sign * their_mean[:, 0], rtol=1e-8)
        np.testing.assert_allclose(sd, np.sqrt(their_variance[:, 0]), rtol=1e-7)
    assert_same(from_botorch(model.eval(), BOX), gp, at)
    assert len(np.unique(gp.X, axis=0)) == len(gp.X)


def test_what_cannot_be_carried_over_is_named():
    gp = gp_of(MIXED, Matern())
    draws = gp.draws(3, np.random.default_rng(0))
    own = gp_of(BOX, Stationary(profiles.MATERN52))
    two = SingleTaskGP(tensor(BOX.sample(5, Key(0))), torch.randn(5, 2, dtype=torch.float64))
    apart = theirs.RBFKernel(ard_num_dims=9)
    apart.lengthscale = torch.linspace(0.1, 1.0, 9)[None]
    F = tensor(gp.covariance.features(gp.X))
    with quietly():
        several = SingleTaskGP(F, tensor(gp.y)[:, None], covar_module=apart)
        partly = SingleTaskGP(F, tensor(gp.y)[:, None], covar_module=theirs.RBFKernel(active_dims=[4]))
    for function, what in (
        (lambda: to_botorch("gp"), "a Gaussian process of bbopt or an ensemble of them, got str"),
        (lambda: to_botorch(draws), "got 3 draws"),
        (lambda: to_botorch(own), "GPyTorch has no kernel like Stationary"),
        (lambda: from_botorch(two, BOX), "only a SingleTaskGP of one outcome"),
        (lambda: from_botorch(to_botorch(gp), MIXED), "give the encoded points, X="),
        (lambda: from_botorch(to_botorch(gp), MIXED, gp.X[::-1]), "no features of X"),
        (lambda: from_botorch(native(), MIXED), "see 9 features"),
        (
            lambda: from_botorch(several, MIXED, gp.X),
            "several length-scales or variances for the features of one column",
        ),
        (lambda: from_botorch(partly, MIXED, gp.X), "some of the features of a column"),
        (lambda: from_botorch(native(theirs.CosineKernel()), BOX), "kernel CosineKernel"),
        (lambda: from_botorch(native(theirs.LinearKernel()), BOX), "another point than 0.5"),
        (lambda: from_botorch(native(mean_module=LinearMean(3)), BOX), "mean LinearMean"),
        (lambda: from_botorch(native(outcome_transform=Log()), BOX), "outcome transform Log"),
        (
            lambda: from_botorch(native(input_transform=Warp(3, [0, 1, 2], bounds=None)), BOX),
            r"input transform Warp .* BotorchSurrogate\(model, space, X\) takes any model",
        ),
    ):
        with pytest.raises(UnsupportedError, match=what):
            function()


def test_standardize_is_carried_as_the_outcome_transform():
    model = native(outcome_transform=Standardize(1))
    gp = from_botorch(model, BOX)
    assert gp.outcome.spread == pytest.approx(float(model.outcome_transform.stdvs))
    assert gp.outcome.centre == pytest.approx(-float(model.outcome_transform.means))
