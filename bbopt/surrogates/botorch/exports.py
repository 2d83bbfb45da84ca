"""Processes of ours as BoTorch models, exactly.

Ours are of outcomes z to be minimised, BoTorch's of -z; both over features F (``kernels.features``).

    s k, mean m, noise variances v           ScaleKernel, -m, fixed noise v
    Matérn, RBF, RationalQuadratic           the same; a length a column becomes one a feature
    Periodic                                 PeriodicKernel, whose lengthscale is length²
    Linear                                   LinearKernel of its centred coordinates
    k_1 + w_2 k_2 + ..., k_1 k_2 ...         AdditiveKernel of scaled kernels, ProductKernel
    learnt warping                           an input transform of our own
    several side by side                     a model of our own, with a mixture as its posterior
"""

from typing import Any

import gpytorch.kernels as theirs
import numpy as np
import torch
from botorch.models import SingleTaskGP
from botorch.models.model import Model
from botorch.models.transforms.input import InputTransform
from botorch.posteriors.fully_bayesian import GaussianMixturePosterior
from gpytorch.distributions import MultivariateNormal
from gpytorch.settings import min_fixed_noise
from linear_operator import to_linear_operator
from torch import Tensor

from bbopt.errors import UnsupportedError
from bbopt.surrogates.botorch.models import joint_moments, quietly, tensor
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.gp import GP
from bbopt.surrogates.kernels import (
    RBF,
    Kernel,
    Linear,
    Matern,
    Periodic,
    Product,
    RationalQuadratic,
    Sum,
)
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.linear import Coordinates
from bbopt.surrogates.kernels.warp import EDGE
from bbopt.surrogates.local import LocalGP
from bbopt.types import FloatArray


def to_botorch(gp: GP | LocalGP | Ensemble) -> "SingleTaskGP | Mixture":
    """Return the same process as a BoTorch model of the negated outcome, in model units.

    Its inputs are ``gp.covariance.features(X)``: the encoded points themselves in spaces without
    categoricals and conditions. Its posterior has minus the mean, and the variance, of ``gp.posterior(X)``;
    ``gp.outcome.inverse`` turns minus its means into outcomes. An ensemble becomes a model whose posterior
    is a mixture, over which BoTorch's acquisitions are averaged.

    Raises
    ------
    UnsupportedError
        For a kernel that GPyTorch does not have, for draws of a process, for a local model of many results,
        and for anything else.
    """
    if isinstance(gp, Ensemble):
        return Mixture([to_botorch(member) for member in gp.members]).eval()
    if not isinstance(gp, GP):
        raise UnsupportedError(
            f"to_botorch: takes a Gaussian process of bbopt or an ensemble of them, got {type(gp).__name__}"
        )
    if gp.residual.shape[1] != 1:
        raise UnsupportedError(f"to_botorch: a model is one process, got {gp.residual.shape[1]} draws of one")
    covariance, parameters = gp.covariance, gp.hyperparameters
    features = covariance.features
    theta, bends = np.split(parameters.theta, [covariance.n_kernel])
    with quietly(), min_fixed_noise(double_value=0.0):
        inner = _kernel(covariance.kernel, features, theta)
        kernel = _set(theirs.ScaleKernel(inner), outputscale=parameters.scale)
        model = SingleTaskGP(
            tensor(features(gp.X)),
            -tensor(gp.y)[:, None],
            tensor(gp.noise)[:, None],
            covar_module=kernel,
            outcome_transform=None,
            input_transform=Warping(*np.exp(bends).reshape(2, -1)) if len(bends) else None,
        )
        _set(model.mean_module, constant=-gp.mean)
        return model.eval()


def _kernel(kernel: Kernel, features: Features, theta: FloatArray) -> Any:
    """Return a kernel of ours, with hyper-parameters theta (p,), as one of GPyTorch."""
    match kernel:
        case Sum(parts):
            own, weights = np.split(theta, [len(theta) - len(parts) + 1])
            first, *rest = _parts(parts, features, own)
            pairs = zip(rest, np.exp(weights), strict=True)
            scaled = [_set(theirs.ScaleKernel(part), outputscale=weight) for part, weight in pairs]
            return theirs.AdditiveKernel(first, *scaled)
        case Product(parts):
            return theirs.ProductKernel(*_parts(parts, features, theta))
        case Matern(nu, columns):
            made = theirs.MaternKernel(nu=nu, **_look(features, columns))
            return _set(made, lengthscale=_spread(features, columns, theta))
        case RBF(columns):
            made = theirs.RBFKernel(**_look(features, columns))
            return _set(made, lengthscale=_spread(features, columns, theta))
        case RationalQuadratic(columns):
            made = theirs.RQKernel(**_look(features, columns))
            return _set(made, lengthscale=_spread(features, columns, theta[:-1]), alpha=np.exp(theta[-1]))
        case Periodic(_, period):
            columns = kernel.selection(features).names
            lengths = _spread(features, columns, theta if period is not None else theta[: len(theta) // 2])
            periods = _spread(features, columns, theta[len(theta) // 2 :]) if period is None else period
            made = theirs.PeriodicKernel(**_look(features, columns))
            return _set(made, lengthscale=lengths**2, period_length=periods + 0.0 * lengths)
        case Linear(columns):
            coordinates = Coordinates.of(features, features.select(columns))
            made = CentredLinear(coordinates, _look(features, columns).get("active_dims"))
            return _set(made, variance=np.exp(theta)[coordinates.column])
    raise UnsupportedError(f"to_botorch: GPyTorch has no kernel like {kernel!r}")


def _parts(parts: tuple[Kernel, ...], features: Features, theta: FloatArray) -> list[Any]:
    ends = np.cumsum([len(part.hyperprior(features)) for part in parts])[:-1]
    return [_kernel(part, features, t) for part, t in zip(parts, np.split(theta, ends), strict=True)]


def _look(features: Features, columns: tuple[str, ...] | None) -> dict[str, Any]:
    """Return the options that let a kernel look at the features of some parameters."""
    selection = features.select(columns)
    if selection.features is None:
        return {"ard_num_dims": selection.width}
    return {"ard_num_dims": len(selection.features), "active_dims": tuple(selection.features.tolist())}


def _spread(features: Features, columns: tuple[str, ...] | None, logs: FloatArray) -> FloatArray:
    """Return quantities given by their logarithms, one a column, as one a feature, (k,)."""
    return np.asarray(np.exp(logs)[features.select(columns).column])


def _set(module: Any, **values: FloatArray | float) -> Any:
    """Set parameters, in double precision: plain numbers would be rounded to float32."""
    return module.double().initialize(**{name: tensor(np.asarray(value)) for name, value in values.items()})


class CentredLinear(theirs.LinearKernel):  # type: ignore[misc]
    """GPyTorch's linear kernel of the coordinates that ours has (``kernels.linear``), a variance each."""

    def __init__(self, coordinates: Coordinates, active_dims: tuple[int, ...] | None = None) -> None:
        super().__init__(ard_num_dims=len(coordinates.column), active_dims=active_dims)
        self.ard_num_dims = None  # there may be fewer coordinates than features
        self.coordinates = coordinates

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Any:
        """Return covariances of features (..., n, k) with others (..., m, k)."""
        return super().forward(self.coordinates(x1), self.coordinates(x2), diag, **params)


class Warping(InputTransform):  # type: ignore[misc]
    """Our warping (``kernels.warp``) of the first features by Kumaraswamy's distribution function.

    BoTorch's ``Warp`` squeezes the range a little before it bends, and so differs at its ends.

    Parameters
    ----------
    a, b : array (p,)
    """

    is_one_to_many = False
    transform_on_train = transform_on_eval = transform_on_fantasize = True

    def __init__(self, a: FloatArray, b: FloatArray) -> None:
        super().__init__()
        self.register_buffer("a", tensor(a))
        self.register_buffer("b", tensor(b))

    def transform(self, X: Tensor) -> Tensor:
        """Return features (..., f) with the first p warped."""
        p = len(self.a)
        x = X[..., :p]
        on = x.clamp(EDGE, 1.0 - EDGE)
        bent = 1.0 - (1.0 - on**self.a) ** self.b + (x - on)
        return torch.cat([bent, X[..., p:]], dim=-1)


class Mixture(Model):  # type: ignore[misc]
    """Models side by side: a posterior with one batch dimension more, of which BoTorch takes averages.

    Parameters
    ----------
    members : list of SingleTaskGP
        In evaluation mode, on the same points.
    """

    _is_ensemble = True
    num_outputs = 1

    def __init__(self, members: list[Any]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)

    @property
    def batch_shape(self) -> torch.Size:
        """How many members there are, (s,)."""
        return torch.Size([len(self.members)])

    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: Any = None,
    ) -> GaussianMixturePosterior:
        """Return the posterior of the noise-free outcome at X (..., q, f)."""
        moments = [joint_moments(member, X) for member in self.members]
        mean = torch.stack([mean for mean, _ in moments], dim=-2)
        covariance = torch.stack([covariance for _, covariance in moments], dim=-3)
        posterior = GaussianMixturePosterior(MultivariateNormal(mean, to_linear_operator(covariance)))
        return posterior if posterior_transform is None else posterior_transform(posterior, X=X)
