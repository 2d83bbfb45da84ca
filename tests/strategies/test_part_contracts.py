"""Every kernel, surrogate and acquisition of the library keeps the contracts that users inherit."""

from dataclasses import replace

import pytest

from bbopt.strategies.criteria import CRITERIA, make, with_pending
from bbopt.surrogates.kernels import RBF, Linear, Matern, Periodic, RationalQuadratic
from bbopt.surrogates.process import GaussianProcess
from bbopt.testing.parts import AcquisitionContract, KernelContract, SurrogateContract


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
