"""What is asked of torch models of any kind: one interface, joint moments, conditioning, no side effects."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from botorch.models.gpytorch import GPyTorchModel
from botorch.models.model import Model
from botorch.posteriors.ensemble import EnsemblePosterior
from botorch.posteriors.fully_bayesian import GaussianMixturePosterior
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch import models as gpytorch_models
from gpytorch.distributions import MultivariateNormal
from gpytorch.settings import max_cholesky_size
from linear_operator import to_linear_operator
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor

from bbopt.errors import FitError, UnsupportedError
from bbopt.rng import Key
from bbopt.types import FloatArray

_MOST_EXACT = 5000
"""Up to so many observations GPyTorch factorises; beyond, it iterates from random starts (800 by itself)."""
_NUGGETS = (1e-8, 1e-6, 1e-4)
"""Noise variances of what is conditioned on, relative to the largest variance there, until it works."""
_LEAST_VARIANCE = 1e-10


def tensor(array: FloatArray) -> Tensor:
    """Return a float64 tensor that shares nothing with the array."""
    return torch.tensor(array, dtype=torch.float64)


@contextmanager
def quietly() -> Iterator[None]:
    """One torch thread, exact factorisations and no warnings inside the ``with`` block.

    On a busy machine two threads made small posteriors ten times slower. The limit is the calling
    thread's own. Raises FitError where GPyTorch finds no factorisation.
    """
    threads = torch.get_num_threads()
    with warnings.catch_warnings(), max_cholesky_size(_MOST_EXACT):
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        try:
            yield
        except (NanError, NotPSDError, torch.linalg.LinAlgError) as error:
            raise FitError(f"GPyTorch cannot factorise a covariance: {error}") from error
        finally:
            torch.set_num_threads(threads)


@contextmanager
def seeded(rng: Key) -> Iterator[None]:
    """Torch's generator begins at a key inside the ``with`` block, and afterwards is where it was."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(int(rng.generator().integers(2**63)))
    try:
        yield
    finally:
        torch.set_rng_state(state)


def as_model(model: Any) -> Model:
    """Return a BoTorch model as it is, and a GPyTorch model with BoTorch's interface.

    Raises
    ------
    UnsupportedError
        For anything else, and for models of several outcomes or in another precision than float64.
    """
    if not isinstance(model, Model):
        if not isinstance(model, gpytorch_models.GP):
            raise UnsupportedError(f"model must be a BoTorch or GPyTorch model, got {type(model).__name__}")
        model = Wrapped(model)
    if model.num_outputs != 1:
        raise UnsupportedError(
            f"model must have one outcome, {type(model).__name__} has {model.num_outputs}; "
            "model.subset_output([i]) picks one"
        )
    others = {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float64}
    if others:
        raise UnsupportedError(f"model must be in float64, got {others.pop()}: fit model.double()")
    return model


def batch_shape(model: Model) -> torch.Size:
    """Return the shape of a model's batch of hyper-parameters; () where it has none."""
    try:
        return torch.Size(model.batch_shape)
    except NotImplementedError:
        return torch.Size()


def joint_moments(model: Model, F: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (..., q) and covariances (..., q, q) at F (..., q, f).

    Of an ensemble of functions these are the moments over its members.

    Raises
    ------
    UnsupportedError
        Where the model's posterior is neither Gaussian nor an ensemble.
    """
    posterior = model.posterior(F)
    if isinstance(posterior, EnsemblePosterior):
        root = posterior.weights.sqrt()[:, None]
        values = root * posterior.values.squeeze(-1)
        mean = (root * values).sum(dim=-2)
        scatter = values - root * mean.unsqueeze(-2)
        return mean, scatter.mT @ scatter
    distribution = getattr(posterior, "distribution", None)
    if not isinstance(distribution, MultivariateNormal):
        raise UnsupportedError(
            f"{type(model).__name__} has a posterior of type {type(posterior).__name__}, without joint "
            "covariances: it cannot be conditioned on pending points"
        )
    return distribution.mean, distribution.covariance_matrix


class Wrapped(GPyTorchModel):  # type: ignore[misc]
    """A GPyTorch model, exact or approximate, with BoTorch's interface."""

    _num_outputs = 1

    def __init__(self, gp: gpytorch_models.GP) -> None:
        super().__init__()
        self.gp = gp
        self.likelihood = getattr(gp, "likelihood", None)

    @property
    def batch_shape(self) -> torch.Size:
        """The shape of the batch of hyper-parameters."""
        return torch.Size(getattr(self.gp, "batch_shape", ()))

    def forward(self, X: Tensor) -> MultivariateNormal:
        """Return the posterior at X (..., q, f)."""
        return self.gp(X)


class Conditioned(Model):  # type: ignore[misc]
    """A model that has also seen values V of the noise-free outcome at points P.

        mean(x) + c(x, P) C⁻¹ (V - mean(P)),   cov(x, y) - c(x, P) C⁻¹ c(P, y),   C = cov(P, P)

    with the model's own joint moments, so that it needs no ``condition_on_observations``; of a Gaussian
    process this is exact, and hyper-parameters stay.

    Parameters
    ----------
    model : Model
    P : tensor (p, f)
    V : tensor (p,) or (s, p)
        One row for each of the model's batch of hyper-parameters.

    Raises
    ------
    FitError
        When C cannot be factorised.
    """

    def __init__(self, model: Model, P: Tensor, V: Tensor) -> None:
        super().__init__()
        self.model, self.P, self.V = model, P, V
        with torch.no_grad():
            mean, C = joint_moments(model, P)
            self._L = _cholesky(C)
            self._is_ensemble = model._is_ensemble and mean.dim() > 1
            self._is_fully_bayesian = model._is_fully_bayesian
            self._white = torch.linalg.solve_triangular(self._L, (V - mean).unsqueeze(-1), upper=False)

    @classmethod
    def on(cls, model: Model, P: Tensor, V: Tensor) -> "Conditioned":
        """Condition a model, which may have been conditioned before."""
        if isinstance(model, Conditioned):
            P, V = torch.cat([model.P, P]), torch.cat([model.V, V], dim=-1)
            model = model.model
        return cls(model, P, V)

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @property
    def batch_shape(self) -> torch.Size:
        """The shape of the batch of hyper-parameters."""
        return batch_shape(self.model)

    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: Any = None,
    ) -> GPyTorchPosterior:
        """Return the posterior of the noise-free outcome at X (..., q, f)."""
        q = X.shape[-2]
        joined = torch.cat([X, self.P.expand(*X.shape[:-2], *self.P.shape)], dim=-2)
        mean, covariance = joint_moments(self.model, joined)
        W = torch.linalg.solve_triangular(self._L, covariance[..., q:, :q], upper=False)
        mean = mean[..., :q] + (W.mT @ self._white).squeeze(-1)
        covariance = covariance[..., :q, :q] - W.mT @ W
        lacking = (_LEAST_VARIANCE - covariance.diagonal(dim1=-2, dim2=-1)).clamp_min(0.0)
        kind = GaussianMixturePosterior if self._is_ensemble else GPyTorchPosterior
        lazy = to_linear_operator(covariance + torch.diag_embed(lacking))  # dense, it would be factorised
        posterior = kind(MultivariateNormal(mean, lazy))
        return posterior if posterior_transform is None else posterior_transform(posterior, X=X)


def _cholesky(C: Tensor) -> Tensor:
    """Return the factor of a covariance (..., p, p) with the least nugget that lets it have one."""
    diagonal = C.diagonal(dim1=-2, dim2=-1)
    unit = torch.diag_embed(torch.ones_like(diagonal) * diagonal.amax(dim=-1, keepdim=True))
    for nugget in _NUGGETS:
        L, failed = torch.linalg.cholesky_ex(C + nugget * unit)
        if not failed.any() and L.isfinite().all():
            return L
    raise FitError(f"the posterior covariance of {C.shape[-1]} points to condition on has no factorisation")
