"""BoTorch's single-task processes as ours: exactly, or not at all."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import gpytorch.kernels as theirs
import numpy as np
import torch
from botorch.models import SingleTaskGP
from botorch.models.transforms.input import (
    AffineInputTransform,
    ChainedInputTransform,
    InputStandardize,
    Normalize,
)
from botorch.models.transforms.outcome import Standardize
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood, GaussianLikelihood
from gpytorch.means import ConstantMean, ZeroMean

from bbopt.errors import UnsupportedError
from bbopt.space import Space
from bbopt.surrogates.botorch.exports import CentredLinear, Warping
from bbopt.surrogates.botorch.models import quietly
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.gp import GP, Hyperparameters
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
from bbopt.surrogates.merging import merge
from bbopt.surrogates.outcomes import Outcome
from bbopt.types import FloatArray, IntArray

_CENTRE = 0.5
"""Where linear kernels of ours have no variance in numeric columns."""
_AFFINE = (AffineInputTransform, Normalize, InputStandardize)


def from_botorch(
    model: SingleTaskGP, space: Space, X: FloatArray | None = None, *, maximize: bool = True
) -> GP:
    """Return a fitted BoTorch process as one of ours, with the same posterior.

    Carried over is what ``to_botorch`` makes of one process; and of others Matérn, RBF, RQ, periodic and
    (centred) linear kernels with their scales, sums and products, a constant or zero mean, Gaussian noise,
    affine input transforms and ``Standardize``. Model units are the standardised ones, negated;
    ``gp.predict`` is in the negated outcome's units.

    Parameters
    ----------
    model : SingleTaskGP
        Of one outcome, without a batch; its inputs are features of encoded points
        (``kernels.features``), the points themselves in spaces without categoricals and conditions.
    space : Space
    X : array (n, d), optional
        The encoded points behind its training inputs; needed where these are features.
    maximize : bool
        Whether the model is of something to be maximised: then it is negated.

    Raises
    ------
    UnsupportedError
        For anything else, naming what cannot be carried over. ``BotorchSurrogate(model, space, X)`` takes
        any model as it is.
    """
    if not isinstance(model, SingleTaskGP) or model.num_outputs != 1 or len(model.batch_shape):
        _refuse(f"a model of type {type(model).__name__}", "only a SingleTaskGP of one outcome is")
    features = Features(space)
    with quietly(), torch.no_grad():
        F = model._original_train_inputs if model._has_transformed_inputs else model.train_inputs[0]
        X = _points(F.numpy(), features, X)
        transform = getattr(model, "input_transform", None)
        bends = _bends(transform, features)
        stretch, offset = _affine(None if len(bends) else transform, F)
        kernel, theta, log_scale = _Reader(features, stretch, offset).read(model.covar_module)
        z, m, outcome = _outcome(model, -1.0 if maximize else 1.0)
        noise = _noise(model, len(X))
    merged = merge(X, z, noise)
    parameters = Hyperparameters(
        np.concatenate([theta, bends]), float(np.exp(log_scale)), float(noise.mean())
    )
    covariance = Covariance(space, kernel, is_warped=len(bends) > 0)
    gp = GP.build(covariance, parameters, merged.X, merged.y, merged.variance, outcome)
    residual = gp.L_inverse.T @ (gp.L_inverse @ (merged.y - m))  # at their mean instead of the likeliest
    fitted = merged.y - gp.noise * residual
    return replace(gp, mean=m, residual=residual[:, None], fitted=fitted[:, None])


def _refuse(what: str, advice: str) -> NoReturn:
    raise UnsupportedError(
        f"from_botorch: {what} cannot be carried over; {advice}. BotorchSurrogate(model, space, X) takes any "
        "model as it is"
    )


def _points(F: FloatArray, features: Features, X: FloatArray | None) -> FloatArray:
    """Return the encoded points whose features are F (n, f)."""
    space = features.space
    if F.shape[1] != len(features.column):
        _refuse(
            f"a model of {F.shape[1]} inputs",
            f"the kernels of this space see {len(features.column)} features: fit it to Features(space)(X)",
        )
    if X is None:
        if len(features.plain) < space.d:
            _refuse("features of categorical or conditional columns", "give the encoded points, X=")
        return F.astype(np.float64)
    if X.shape != (len(F), space.d) or not np.allclose(features(X), F, rtol=0, atol=1e-9):
        _refuse("training inputs that are no features of X", "X= must be what the model was fitted to")
    return X


def _bends(transform: Any, features: Features) -> FloatArray:
    """Return log a, then log b, of a warping of ours, (2 p,); nothing where the transform is none."""
    if not isinstance(transform, Warping):
        return np.empty(0)
    if len(transform.a) != len(features.plain):
        _refuse(
            f"a warping of {len(transform.a)} columns",
            f"the space has {len(features.plain)} numeric ones that are always active",
        )
    return np.asarray(np.log(torch.cat([transform.a, transform.b]).numpy()))


def _affine(transform: Any, F: torch.Tensor) -> tuple[FloatArray, FloatArray]:
    """Return stretch and offset (f,) of an input transform x -> (x - offset) / stretch."""
    if transform is None:
        return np.ones(F.shape[-1]), np.zeros(F.shape[-1])
    steps = list(transform.values()) if isinstance(transform, ChainedInputTransform) else [transform]
    for step in steps:
        if type(step) not in _AFFINE:
            _refuse(
                f"the input transform {type(step).__name__}",
                "only affine ones, as Normalize, are, and the warping of to_botorch alone",
            )
    transform = deepcopy(transform).eval()
    ends = torch.stack([torch.zeros_like(F[0]), torch.ones_like(F[0])])
    zero, one = transform(ends).numpy()
    return 1.0 / (one - zero), -zero / (one - zero)


def _outcome(model: SingleTaskGP, sign: float) -> tuple[FloatArray, float, Outcome]:
    """Return targets (n,) and mean in model units, and the map from these to outcomes."""
    if isinstance(model.mean_module, ConstantMean):
        mean = float(model.mean_module.constant)
    elif isinstance(model.mean_module, ZeroMean):
        mean = 0.0
    else:
        _refuse(f"the mean {type(model.mean_module).__name__}", "only a constant one is")
    transform = getattr(model, "outcome_transform", None)
    if transform is None:
        outcome = Outcome()
    elif type(transform) is Standardize:
        outcome = Outcome(centre=sign * float(transform.means), spread=float(transform.stdvs))
    else:
        _refuse(f"the outcome transform {type(transform).__name__}", "only Standardize is")
    return sign * model.train_targets.numpy(), sign * mean, outcome


def _noise(model: SingleTaskGP, n: int) -> FloatArray:
    if type(model.likelihood) not in (GaussianLikelihood, FixedNoiseGaussianLikelihood):
        _refuse(f"the likelihood {type(model.likelihood).__name__}", "only Gaussian ones are")
    return np.broadcast_to(model.likelihood.noise.numpy(), n).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads GPyTorch's kernels of (features - offset) / stretch as kernels of features.

    Each gives a kernel, its theta, and the logarithm of a factor before it.
    """

    features: Features
    stretch: FloatArray
    offset: FloatArray

    def read(self, kernel: Any) -> tuple[Kernel, FloatArray, float]:
        if type(kernel) is theirs.ScaleKernel:
            if kernel.active_dims is not None and kernel.base_kernel.active_dims is None:
                _refuse("a ScaleKernel with active_dims", "give them to the kernel that it scales")
            made, theta, log_scale = self.read(kernel.base_kernel)
            return made, theta, log_scale + float(kernel.outputscale.log())
        if type(kernel) in (theirs.AdditiveKernel, theirs.ProductKernel):
            if kernel.active_dims is not None:
                _refuse(f"{type(kernel).__name__} with active_dims", "give them to its parts")
            parts, thetas, scales = zip(*(self.read(part) for part in kernel.kernels), strict=True)
            if type(kernel) is theirs.ProductKernel:
                return Product(parts), np.concatenate(thetas), sum(scales)
            return Sum(parts), np.concatenate([*thetas, np.array(scales[1:]) - scales[0]]), scales[0]
        return *self._leaf(kernel), 0.0

    def _leaf(self, kernel: Any) -> tuple[Kernel, FloatArray]:
        if type(kernel) not in (
            CentredLinear,
            theirs.MaternKernel,
            theirs.RBFKernel,
            theirs.RQKernel,
            theirs.PeriodicKernel,
            theirs.LinearKernel,
        ):
            _refuse(f"the kernel {type(kernel).__name__}", "bbopt has none like it")
        seen = np.arange(len(self.stretch)) if kernel.active_dims is None else kernel.active_dims.numpy()
        columns = self._columns(seen)
        if type(kernel) is CentredLinear:
            if np.any(self.offset) or np.any(self.stretch != 1.0):
                _refuse("a CentredLinear of transformed inputs", "it centres features as they are")
            return Linear(columns), self._by_column(
                np.log(kernel.variance.numpy().ravel()), kernel.coordinates.column
            )
        if type(kernel) is theirs.LinearKernel:
            is_centred = np.abs(self.offset[seen] - _CENTRE) <= 1e-9
            if not (is_centred & np.isin(seen, np.arange(len(self.features.plain)))).all():
                _refuse(
                    "a LinearKernel through another point than 0.5, or of features",
                    "bbopt's are centred there in numeric columns",
                )
            return Linear(columns), self._logs(kernel.variance, seen, -2.0)
        if type(kernel) is theirs.PeriodicKernel:
            if not np.isin(seen, np.arange(len(self.features.plain))).all():
                _refuse("the kernel PeriodicKernel", "it looks at columns that are not plain numbers")
            logs = self._logs(kernel.lengthscale.sqrt(), seen, 0.0)
            return Periodic(columns), np.append(logs, self._logs(kernel.period_length, seen))
        logs = self._logs(kernel.lengthscale, seen)
        if type(kernel) is theirs.RBFKernel:
            return RBF(columns), logs
        if type(kernel) is theirs.RQKernel:
            return RationalQuadratic(columns), np.append(logs, float(kernel.alpha.log()))
        return Matern(kernel.nu, columns), logs

    def _columns(self, seen: Any) -> tuple[str, ...] | None:
        """Return the parameters that a kernel sees, None for all of them."""
        own = np.isin(self.features.column, self.features.column[seen])
        if own.sum() != len(seen):
            _refuse("a kernel of some of the features of a column", "ours see all of them or none")
        if own.all():
            return None
        names = [p.name for p in self.features.space.parameters if not p.is_constant]
        return tuple(names[j] for j in np.unique(self.features.column[seen]))

    def _logs(self, values: torch.Tensor, seen: Any, power: float = 1.0) -> FloatArray:
        """Return the logarithms of values, one for each feature seen or one for all, as one a column."""
        logs = np.log(values.numpy().ravel()) + power * np.log(self.stretch[seen])
        return self._by_column(logs, self.features.column[seen])

    def _by_column(self, logs: FloatArray, column: IntArray) -> FloatArray:
        first = np.array([np.flatnonzero(column == j)[0] for j in np.unique(column)])
        by_column = logs[first]
        if not np.allclose(by_column[np.searchsorted(np.unique(column), column)], logs, rtol=0, atol=1e-9):
            _refuse("several length-scales or variances for the features of one column", "ours have one")
        return np.asarray(by_column)
