"""BoTorch models fitted afresh at every ask: what a strategy takes as its surrogate."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch
from botorch.exceptions.errors import ModelFittingError
from botorch.fit import fit_fully_bayesian_model_nuts, fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.approximate_gp import ApproximateGPyTorchModel
from botorch.models.fully_bayesian import AbstractFullyBayesianSingleTaskGP
from botorch.models.model import Model
from gpytorch.mlls import ExactMarginalLogLikelihood, VariationalELBO
from gpytorch.models import ExactGP

from bbopt.errors import FitError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.botorch.models import quietly, seeded, tensor
from bbopt.surrogates.botorch.surrogate import BotorchSurrogate, inputs_of
from bbopt.surrogates.merging import merge
from bbopt.surrogates.outcomes import learn
from bbopt.types import FloatArray, Tag

LEAST_NOISE = 1e-6
"""The least noise variance of standardised outcomes; GPyTorch raises lower ones to it."""


def fit_by_kind(model: Model) -> None:
    """Fit a model in place, in the way that belongs to its kind.

    Exact processes by marginal likelihood and priors, variational ones by their evidence bound, fully
    Bayesian ones by NUTS. Others are taken as they were made.
    """
    if isinstance(model, AbstractFullyBayesianSingleTaskGP):
        is_seeded = "seed" in signature(fit_fully_bayesian_model_nuts).parameters
        seed = {"seed": torch.initial_seed() % 2**31} if is_seeded else {}
        fit_fully_bayesian_model_nuts(model, disable_progbar=True, **seed)
    elif isinstance(model, ApproximateGPyTorchModel):
        n = len(model.model.train_targets)
        fit_gpytorch_mll(VariationalELBO(model.likelihood, model.model, num_data=n))
    elif isinstance(model, ExactGP):
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))


@dataclass(frozen=True)
class BotorchModel:
    """A kind of BoTorch model, made and fitted whenever a strategy asks for it.

    Parameters
    ----------
    make : callable
        ``make(train_X, train_Y)`` returns a model that is not yet fitted: a class, such as
        ``SingleTaskGP``, or a function. train_X (n, f) is float64, train_Y (n, 1) are the negated
        outcomes, standardised, their bad tail compressed (``outcomes.learn``). Where all noise is known
        and ``make`` takes ``train_Yvar``, it gets that, too.
    fit_model : callable
        ``fit_model(model)`` fits it in place.
    encoded : bool
        Whether models see encoded points, and treat categoricals themselves, as a ``MixedSingleTaskGP``.
        By default they see features (``kernels.features``), in which different levels are equally far
        apart, and what is inactive is the same everywhere.
    """

    make: Callable[..., Any] = SingleTaskGP
    fit_model: Callable[[Any], None] = fit_by_kind
    encoded: bool = False

    def fit(
        self,
        space: Space,
        X: FloatArray,
        y: FloatArray,
        variance: FloatArray | None = None,
        *,
        noise: float | None = None,
        previous: Tag | None = None,
        rng: Key | None = None,
    ) -> tuple[BotorchSurrogate, Tag]:
        """Return a fitted model, and no notes: every fit starts anew.

        A pure function of the arguments; torch's own generator is not touched.

        Parameters
        ----------
        space : Space
        X : array (n, d)
            Encoded, snapped points, n >= 1.
        y : array (n,)
            Finite outcomes, minimised.
        variance : array (n,), optional
            Known noise variances, in the outcome's units squared; nan where unknown.
        noise : float or None
            Standard deviation of outcomes whose variance is not known: None learns it, 0 says exact. Where
            some are known and some to be learnt, BoTorch learns one for all.
        previous : dict, optional
            Not used.
        rng : Key, optional
            What is random in ``make`` and ``fit_model`` through torch is drawn from it.

        Raises
        ------
        FitError
            When there is nothing to fit, or BoTorch finds no fit.
        """
        if len(y) == 0 or not np.isfinite(y).all() or not np.isfinite(X).all():
            raise FitError(f"a model needs at least one finite observation, got {len(y)} with y = {y}")
        z, outcome = learn(y)
        known = np.full(len(y), np.nan) if variance is None else variance
        if noise is not None:
            known = np.where(np.isnan(known), min(noise, 1e150) ** 2, known)
        options, told = {}, X
        merged = merge(X, z, outcome.variance(known, z))
        if not np.isnan(known).any():
            told, z = merged.X, merged.y
            if _takes(self.make, "train_Yvar"):
                options["train_Yvar"] = tensor(np.maximum(merged.variance, LEAST_NOISE))[:, None]
        F = inputs_of(space, self.encoded)(told)
        with quietly(), seeded(rng or Key(0)):
            model = self.make(tensor(F), -tensor(z)[:, None], **options)
            try:
                self.fit_model(model)
            except ModelFittingError as error:
                raise FitError(f"{type(model).__name__} could not be fitted to {len(z)} points") from error
        return BotorchSurrogate(model, space, merged.X, outcome, self.encoded), {}


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a callable takes an argument by name."""
    parameters = signature(function).parameters
    return name in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
