"""Any BoTorch or GPyTorch model behind the protocol of surrogates, with gradients by autograd."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from botorch.models.model import Model
from botorch.models.transforms.input import AffineInputTransform
from gpytorch.kernels import Kernel
from gpytorch.likelihoods import GaussianLikelihood
from torch import Tensor

from bbopt.errors import DataError
from bbopt.space import Space
from bbopt.surrogates.botorch.models import (
    Conditioned,
    as_model,
    batch_shape,
    joint_moments,
    quietly,
    tensor,
)
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray, IntArray

_BLOCK = 512
"""So many points are predicted at once: their joint covariance comes along."""


@dataclass(frozen=True)
class Columns:
    """Encoded points as they are, for models that know themselves which columns are categorical."""

    space: Space

    @cached_property
    def column(self) -> IntArray:
        """The column that each input comes from: itself, (d,)."""
        return np.arange(self.space.d)

    def __call__(self, X: FloatArray) -> FloatArray:
        """Return the points, (b, d)."""
        return X

    def pull(self, dF: FloatArray, X: FloatArray) -> FloatArray:
        """Return gradients (b, d) with zeros in categorical and inactive columns."""
        return np.where(self.space.is_categorical | ~self.space.active(X), 0.0, dF)


def inputs_of(space: Space, encoded: bool) -> Columns | Features:
    """Return the map from encoded points to what a model sees."""
    return Columns(space) if encoded else Features(space)


@dataclass(frozen=True)
class BotorchSurrogate:
    """A fitted model of the negated outcome as a surrogate of the outcome.

    Parameters
    ----------
    model : botorch Model, or gpytorch GP
        Fitted, of one outcome, in float64. A batch of hyper-parameters, as of fully Bayesian models, gives
        as many columns s. It is put into evaluation mode.
    space : Space
    X : array (n, d)
        The distinct encoded points that it has observed, n >= 1.
    outcome : Outcome
        From model units to outcomes; by default they are the same.
    encoded : bool
        Whether the model sees encoded points. By default it sees their features (``kernels.features``),
        which are the same in spaces without categoricals and conditions.
    maximize : bool
        Whether the model is of something to be maximised, as is BoTorch's habit. Model units are negated
        then.

    Raises
    ------
    UnsupportedError
        For what is no such model.
    DataError
        For X of another shape.
    """

    model: Model
    space: Space
    X: FloatArray
    outcome: Outcome = field(default_factory=Outcome)
    encoded: bool = False
    maximize: bool = True

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or self.X.shape[1] != self.space.d or len(self.X) == 0:
            raise DataError(
                f"X must be the (n, {self.space.d}) encoded points that the model has observed, "
                f"got an array of shape {self.X.shape}"
            )
        object.__setattr__(self, "model", as_model(self.model))

    @cached_property
    def inputs(self) -> Columns | Features:
        """The map from encoded points to what the model sees."""
        return inputs_of(self.space, self.encoded)

    @cached_property
    def is_smooth(self) -> bool:
        """Whether the model's posterior can be differentiated."""
        with quietly():
            F = tensor(self.inputs(self.X[:1])).requires_grad_()
            return any(moment.requires_grad for moment in self._moments(F))

    @cached_property
    def scale(self) -> FloatArray:
        """Per column the shortest length-scale of any kernel, at most 1, (d,); 1 where there is none."""
        return lengths(self.model, self.inputs)

    @cached_property
    def fitted(self) -> FloatArray:
        """Posterior means at X, (n, s)."""
        return self.posterior(self.X)[0]

    @property
    def incumbent(self) -> FloatArray:
        """The lowest posterior mean over the observed points, (s,)."""
        return np.asarray(self.fitted.min(axis=0))

    @cached_property
    def noise_variance(self) -> float:
        """The learnt noise variance, in model units; 0 where it was given, or there is none."""
        return learnt_noise(self.model)

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and variances (b, s) of the noise-free outcome in model units."""
        with quietly(), torch.no_grad():
            blocks = [X[i : i + _BLOCK] for i in range(0, max(len(X), 1), _BLOCK)]
            pairs = [self._moments(tensor(self.inputs(block))) for block in blocks]
        mean, variance = (torch.cat(moment).numpy() for moment in zip(*pairs, strict=True))
        return mean, variance

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means and variances (b, s) and their pullback to points; see the protocol."""
        return self._vjp(X, self._moments)

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (t, q, s) and covariances (t, s, q, q) of the noise-free outcome at X (t, q, d)."""
        with quietly(), torch.no_grad():
            mean, covariance = self._joint_moments(tensor(self._see(X)))
        return mean.numpy(), covariance.numpy()

    def joint_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (t, q, s), covariances (t, s, q, q) and their pullback to points (t, q, d)."""
        return self._vjp(X, self._joint_moments)

    def condition(self, X: FloatArray, Y: FloatArray) -> "BotorchSurrogate":
        """Return a new surrogate that has also seen Y (q, s), in model units and without noise, at X (q, d).

        Hyper-parameters stay. The new model is one of BoTorch's, too.
        """
        with quietly():
            V = tensor(self._sign * Y.T).reshape(*self._batch, len(X))
            model = Conditioned.on(self.model, tensor(self.inputs(X)), V)
        return replace(self, model=model, X=np.concatenate([self.X, X]))

    def fantasize(self, X: FloatArray) -> "BotorchSurrogate":
        """Condition on the posterior mean at X (q, d): no mean changes, the uncertainty there goes."""
        return self.condition(X, self.posterior(X)[0]) if len(X) else self

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations (b,) in the outcome's units; of the mixture over s."""
        means, variances = self.posterior(X)
        mean = means.mean(axis=1)
        sd = np.sqrt(variances.mean(axis=1) + means.var(axis=1))
        return self.outcome.inverse(mean), self.outcome.inverse_sd(mean, sd)

    @property
    def _sign(self) -> float:
        return -1.0 if self.maximize else 1.0

    @property
    def _batch(self) -> torch.Size:
        return batch_shape(self.model)

    def _see(self, X: FloatArray) -> FloatArray:
        """Return what the model sees of points (..., d), (..., f)."""
        return self.inputs(X.reshape(-1, X.shape[-1])).reshape(*X.shape[:-1], len(self.inputs.column))

    def _moments(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and variances (b, s) at inputs (b, f), asked for as one set: that is cheaper."""
        posterior = self.model.posterior(F)
        shape = self._batch.numel(), len(F)
        mean, variance = (m.reshape(shape).mT for m in (posterior.mean, posterior.variance))
        return self._sign * mean, variance

    def _joint_moments(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Return means (t, q, s) and covariances (t, s, q, q) at inputs (t, q, f)."""
        t, q, _ = F.shape
        if len(self._batch) and not self.model._is_ensemble:  # an ensemble makes room for its batch itself
            F = F.unsqueeze(-3)
        mean, covariance = joint_moments(self.model, F)
        return self._sign * mean.reshape(t, -1, q).mT, covariance.reshape(t, -1, q, q)

    def _vjp(
        self, X: FloatArray, moments: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[FloatArray, FloatArray, Pullback]:
        with quietly(), torch.enable_grad():
            F = tensor(self._see(X)).requires_grad_()
            outputs = moments(F)

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            pairs = zip(outputs, (d_mean, d_variance), strict=True)
            dF = gradient(F, [(value, tensor(d)) for value, d in pairs])
            dX = self.inputs.pull(dF.reshape(-1, dF.shape[-1]), X.reshape(-1, X.shape[-1]))
            return dX.reshape(X.shape)

        mean, variance = (value.detach().numpy() for value in outputs)
        return mean, variance, pull


def gradient(F: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> FloatArray:
    """Return the gradient in F of the sum of (value * weight); zeros where the values know no gradient."""
    known = [(value, weight) for value, weight in pairs if value.requires_grad]
    if not known:
        return np.zeros(F.shape)
    values, weights = zip(*known, strict=True)
    with quietly():
        (dF,) = torch.autograd.grad(values, F, weights, retain_graph=True, allow_unused=True)
    return np.zeros(F.shape) if dF is None else np.asarray(dF.numpy())


def lengths(module: torch.nn.Module, inputs: Any) -> FloatArray:
    """Return per column the shortest length-scale of any kernel within a module, at most 1, (d,).

    Of a batch of length-scales the median counts. 1 where there is none.
    """
    shortest = np.ones(inputs.space.d)
    stretch = np.ones(len(inputs.column))
    for part in module.modules():
        if isinstance(part, AffineInputTransform):
            stretch = np.broadcast_to(part.coefficient.detach().numpy().ravel(), stretch.shape)
            break
    for part in module.modules():
        if not isinstance(part, Kernel) or not part.has_lengthscale:
            continue
        length = part.lengthscale.detach()
        length = length.reshape(-1, length.shape[-1]).median(dim=0).values.numpy()
        seen = np.arange(len(stretch)) if part.active_dims is None else part.active_dims.numpy()
        if len(length) in (1, len(seen)):
            np.minimum.at(shortest, inputs.column[seen], length * stretch[seen])
    return shortest


def learnt_noise(module: torch.nn.Module) -> float:
    """Return the noise variance of the first Gaussian likelihood within a module, in its outcome's units."""
    for part in module.modules():
        likelihood: Any = getattr(part, "likelihood", None)
        if type(likelihood) is GaussianLikelihood:
            spread = getattr(getattr(part, "outcome_transform", None), "stdvs", torch.ones(1))
            return float((likelihood.noise.detach() * spread**2).mean())
    return 0.0
