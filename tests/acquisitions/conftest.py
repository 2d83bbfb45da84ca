"""Models, points and references that the tests of acquisitions share."""

import numpy as np
import pytest

from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.threads import single_threaded

LENGTHS = np.array([0.4, 0.7, 1.3])


@pytest.fixture(autouse=True)
def one_thread():
    """One BLAS thread, as in an ask: the tests measure nothing that more threads would help."""
    with single_threaded():
        yield


@pytest.fixture
def box():
    return lambda d: Space([Real(f"x{j}", 0, 1) for j in range(d)])


@pytest.fixture
def process(box):
    """A process on n noisy outcomes in three columns; what it has learnt of the noise is its variance."""

    def build(n=20, noise=0.01, scale=1.7, seed=0, lengths=LENGTHS):
        rng = np.random.default_rng(seed)
        X = rng.random((n, 3))
        y = np.sin(4 * X[:, 0]) + ((X - 0.4) ** 2).sum(1)
        y = (y - y.mean()) / max(y.std(), 0.1) + np.sqrt(noise) * rng.standard_normal(n)
        parameters = Hyperparameters(np.log(lengths), scale, noise)
        return GP.build(Covariance(box(3)), parameters, X, y, np.full(n, noise))

    return build


@pytest.fixture(params=["process", "draws", "ensemble", "ensemble of draws"])
def model(request, process):
    """What acquisitions are put on: one mean; several on one variance; several of each."""
    gp = process()
    ensemble = Ensemble((gp, process(lengths=0.5 * LENGTHS, noise=0.1)))
    return {
        "process": lambda: gp,
        "draws": lambda: gp.draws(5, Key(0).generator()),
        "ensemble": lambda: ensemble,
        "ensemble of draws": lambda: ensemble.draws(6, Key(0).generator()),
    }[request.param]()


@pytest.fixture
def points():
    """Around the lowest outcomes, where improvement is neither certain nor hopeless; and one far away."""
    near = np.array([0.95, 0.4, 0.4]) + 0.2 * np.random.default_rng(2).standard_normal((5, 3))
    return np.clip(np.concatenate([near, [[0.3, 0.9, 0.9]]]), 0.0, 1.0)


@pytest.fixture
def differences():
    """Central differences of a function of points (b, ...) with values (b,), shaped like the points."""

    def of(function, X, h=1e-5):
        gradient = np.empty_like(X)
        for entry in np.ndindex(X.shape[1:]):
            step = np.zeros(X.shape[1:])
            step[entry] = h
            gradient[(slice(None), *entry)] = (function(X + step) - function(X - step)) / (2 * h)
        return gradient

    return of


@pytest.fixture
def botorch_model():
    """The same process in BoTorch, of the negated outcome, since BoTorch maximises."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("botorch")
    from botorch.models import SingleTaskGP
    from gpytorch.kernels import MaternKernel, ScaleKernel

    def convert(gp):
        kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=3)).double()
        model = SingleTaskGP(
            torch.tensor(gp.X),
            -torch.tensor(gp.y)[:, None],
            train_Yvar=torch.tensor(gp.noise)[:, None],
            covar_module=kernel,
            outcome_transform=None,
        )
        kernel.base_kernel.lengthscale = torch.tensor(np.exp(gp.hyperparameters.theta))[None]
        kernel.outputscale = torch.tensor(gp.hyperparameters.scale, dtype=torch.double)
        model.mean_module.constant.data = torch.tensor(-gp.mean, dtype=torch.double)
        return model.eval()

    return convert
