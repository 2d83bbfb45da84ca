"""Processes of ours as BoTorch models, exactly.

Ours are of outcomes z to be minimised, BoTorch's of -z; both over features F (``kernels.features``).

    s k, mean m, noise variances v           ScaleKernel, -m, fixed noise v
    Matérn, RBF, RationalQuadratic           the same; a length a column becomes one a feature
    Periodic                                 PeriodicKernel, whose lengthscale is length²
    Linear, centred at 0.5                   LinearKernel of F - 0.5, which moves no distance
    k_1 + w_2 k_2 + ..., k_1 k_2 ...         AdditiveKernel of scaled kernels, ProductKernel
    learnt warping                           an input transform of our own
"""

from typing import Any

import gpytorch.kernels as theirs
import numpy as np
import torch
from botorch.models import SingleTaskGP
from botorch.models.transforms.input import (
    AffineInputTransform,
    ChainedInputTransform,
    InputTransform,
)
from gpytorch.settings import min_fixed_noise
from torch import Tensor

from bbopt.errors import UnsupportedError
from bbopt.surrogates.botorch.models import quietly, tensor
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
from bbopt.surrogates.kernels.warp import EDGE
from bbopt.types import FloatArray

CENTRE = 0.5
"""Where linear kernels of ours have no variance."""


def to_botorch(gp: GP) -> SingleTaskGP:
    """Return the same process as a BoTorch model of the negated outcome, in model units.

    Its inputs are ``gp.covariance.features(X)``: the encoded points themselves in spaces without
    categoricals and conditions. Its posterior has minus the mean, and the variance, of ``gp.posterior(X)``;
    ``gp.outcome.inverse`` turns minus its means into outcomes.

    Raises
    ------
    UnsupportedError
        For a kernel that GPyTorch does not have, and for draws of a process.
    """
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
            input_transform=_transform(kernel, len(features.column), bends),
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
        case Periodic(columns, period):
            lengths = _spread(features, columns, theta if period is not None else theta[: len(theta) // 2])
            periods = _spread(features, columns, theta[len(theta) // 2 :]) if period is None else period
            made = theirs.PeriodicKernel(**_look(features, columns))
            return _set(made, lengthscale=lengths**2, period_length=periods + 0.0 * lengths)
        case Linear(columns):
            made = theirs.LinearKernel(**_look(features, columns))
            return _set(made, variance=_spread(features, columns, theta))
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


def _transform(kernel: torch.nn.Module, width: int, bends: FloatArray) -> InputTransform | None:
    """Return what happens to features before the kernel: bent, where that is learnt; centred, for planes."""
    steps: dict[str, InputTransform] = {}
    if len(bends):
        steps["warp"] = Warping(*np.exp(bends).reshape(2, -1))
    if any(isinstance(part, theirs.LinearKernel) for part in kernel.modules()):
        shift = torch.full((width,), CENTRE, dtype=torch.float64)
        steps["centre"] = AffineInputTransform(width, torch.ones_like(shift), shift)
    return ChainedInputTransform(**steps) if steps else None


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
