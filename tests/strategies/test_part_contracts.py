"""Every kernel, surrogate and acquisition of the library keeps the contracts that users inherit."""

from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from bbopt.strategies.criteria import CRITERIA, make, with_pending
from bbopt.surrogates.kernels import (
    RBF,
    Linear,
    Matern,
    Periodic,
    RationalQuadratic,
    Stationary,
    profiles,
    stationary,
)
from bbopt.surrogates.process import GaussianProcess
from bbopt.testing.parts import AcquisitionContract, KernelContract, SurrogateContract
from bbopt.testing.parts.differences import slope


@pytest.fixture(
    params=[
        Matern(),
        Matern(1.5),
        Matern(0.5),
        RBF(),
        RationalQuadratic(),
        Linear(),
        Periodic(("x",)),
        Matern() + Linear(("x",)),
        RBF(("kind",)) * Matern(1.5),
    ],
    ids=repr,
)
def kernel(request):
    return request.param


class TestKernels(KernelContract):
    @pytest.fixture(autouse=True)
    def _chosen(self, kernel):
        self.kernel = kernel

    def make(self):
        return self.kernel


@pytest.fixture(
    params=[
        GaussianProcess(),
        GaussianProcess(outcome="auto", warping=True),
        GaussianProcess(outcome="rank"),
        GaussianProcess(ensemble=4),
    ],
    ids=repr,
)
def process(request):
    return request.param


class TestProcesses(SurrogateContract):
    @pytest.fixture(autouse=True)
    def _chosen(self, process):
        self.process = process

    def make(self):
        return self.process


class TestAcquisitions(AcquisitionContract):
    @pytest.fixture(autouse=True, params=CRITERIA)
    def _chosen(self, request):
        self.name = request.param

    def make(self, model, situation):
        drawn = with_pending(self.name, model, model.X[:0], situation.key)
        return make(self.name, drawn, replace(situation, best=drawn.incumbent))


class TestAcquisitionsOfAnEnsemble(TestAcquisitions):
    def model(self):
        single = super().model()
        return GaussianProcess(ensemble=4).fit(single.covariance.space, single.X, single.y)[0]


class TestBotorchModels(SurrogateContract):
    def make(self):
        pytest.importorskip("botorch")
        return import_module("bbopt.surrogates.botorch").BotorchModel()


class TestForests(SurrogateContract):
    is_gaussian = False
    tolerance = 0.3

    def make(self):
        pytest.importorskip("sklearn")
        return import_module("bbopt.surrogates.sklearn").SklearnModel()


class TestProcessesOfOthers(SurrogateContract):
    is_gaussian = False  # the kernel is fitted again
    tolerance = 0.3

    def make(self):
        regression = pytest.importorskip("sklearn.gaussian_process")
        kernel = regression.kernels.RBF(0.5) + regression.kernels.WhiteKernel(0.01)
        estimator = regression.GaussianProcessRegressor(kernel, random_state=0)
        return import_module("bbopt.surrogates.sklearn").SklearnModel(estimator)


# --- the contracts can fail ---------------------------------------------------------------------------


def unsure_as_before(model, name, arguments):
    return model if name == "fantasize" else None


def forgetful(model, name, arguments):
    return model.fantasize(arguments[0]) if name == "condition" else None


def drifting(model, name, arguments):
    if name == "fantasize":
        return model.condition(arguments[0], model.posterior(arguments[0])[0] + 0.01)
    return None


def slanted(model, name, arguments):
    if name == "joint_vjp":
        mean, covariance, pull = model.joint_vjp(*arguments)
        return mean, covariance, lambda m, c: pull(m, c) * (1 + 1e-5)
    return None


def steep(model, name, arguments):
    if name == "posterior_vjp":
        mean, variance, pull = model.posterior_vjp(*arguments)
        return mean, variance, lambda m, v: pull(m, v * (1 + 1e-4))
    return None


def apart(model, name, arguments):
    if name == "joint":
        mean, covariance = model.joint(*arguments)
        return mean, covariance * 1.001
    return None


class Flawed:
    """A good model with one flaw."""

    def __init__(self, model, flaw):
        self.model, self.flaw = model, flaw

    def __getattr__(self, name):
        value = getattr(self.model, name)
        if not callable(value):
            return value

        def call(*arguments):
            wrong = self.flaw(self.model, name, arguments)
            found = value(*arguments) if wrong is None else wrong
            return Flawed(found, self.flaw) if name in ("condition", "fantasize") else found

        return call


@pytest.mark.parametrize(
    ("flaw", "test"),
    [
        (unsure_as_before, "test_what_is_pending_takes_the_uncertainty_and_leaves_the_mean"),
        (drifting, "test_what_is_pending_takes_the_uncertainty_and_leaves_the_mean"),
        (forgetful, "test_what_is_told_is_believed"),
        (slanted, "test_gradients_of_joint_posteriors_are_derivatives_where_there_are_any"),
        (steep, "test_gradients_are_derivatives_where_there_are_any"),
        (apart, "test_shapes_and_signs"),
    ],
)
def test_a_flawed_surrogate_fails_its_contract(flaw, test):
    class Broken(SurrogateContract):
        def make(self):
            return SimpleNamespace(fit=lambda *a, **o: (Flawed(GaussianProcess().fit(*a, **o)[0], flaw), {}))

    with pytest.raises(AssertionError):
        getattr(Broken(), test)()


class Kernels(KernelContract):
    def __init__(self, kernel):
        self.kernel = kernel

    def make(self):
        return self.kernel


def test_a_kernel_that_is_not_positive_definite_is_told_so():
    parabola = Kernels(Stationary(profiles.Profile("parabola", 1.0, lambda u: (1 - u, 2 + 0 * u))))
    with pytest.raises(
        AssertionError, match="not positive definite: the covariance of 30 points has the eigen"
    ):
        parabola.test_covariances_are_positive_definite_and_agree()


def test_a_wrong_derivative_is_told_what_it_should_be(monkeypatch):
    half = replace(profiles.MATERN52, formula=lambda u: (profiles.rbf(u)[0], 0.5 * profiles.rbf(u)[1]))
    monkeypatch.setitem(stationary._MATERN, 2.5, half)
    with pytest.raises(AssertionError, match="the second output of its formula must be -2 dk/du"):
        Kernels(Matern()).test_pullbacks_are_derivatives()


def test_what_make_returns_must_be_the_part():
    with pytest.raises(AssertionError, match=r"make returned the class Matern: return an object, Matern\(\)"):
        Kernels(Matern).test_the_prior_is_complete()
    with pytest.raises(AssertionError, match="make returned None"):
        Kernels(None).test_the_prior_is_complete()


@pytest.mark.parametrize(
    ("contract", "test"),
    [
        (KernelContract, "test_the_prior_is_complete"),
        (SurrogateContract, "test_shapes_and_signs"),
        (AcquisitionContract, "test_lengths_are_given"),
    ],
)
def test_a_contract_without_make_says_so(contract, test):
    mine = type("Mine", (contract,), {})
    with pytest.raises(NotImplementedError, match=r"Mine: define make, which returns .* under test"):
        getattr(mine(), test)()


def test_random_features_of_another_kernel_fail_the_contract(monkeypatch):
    class Rough(KernelContract):
        def make(self):
            return Matern()

    test = Rough().test_random_features_have_the_kernel_as_their_expectation
    test()
    rough = replace(profiles.MATERN52, freedom=3.0)
    monkeypatch.setitem(stationary._MATERN, 2.5, rough)
    with pytest.raises(AssertionError, match="is not k"):
        test()


def test_a_kernel_without_random_features_may_say_so():
    class Mine(KernelContract):
        def make(self):
            return Stationary(replace(profiles.RBF, freedom=None))

    Mine().test_random_features_have_the_kernel_as_their_expectation()


def test_slopes_are_those_of_the_formula():
    x = np.array([0.3, 0.8])
    found = slope(lambda x: np.sin(20 * x[:1]) / x[1:], x, np.array([1.0, 0.0]))
    np.testing.assert_allclose(found, 20 * np.cos(6.0) / 0.8, rtol=1e-9)
