"""BoTorch's acquisitions behind the protocol of acquisitions, with gradients by autograd; needs torch.

They belong to models of the negated outcome, which :mod:`bbopt.surrogates.botorch` makes; so values need
no change of sign, and ``best_f`` is minus the incumbent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np

from bbopt.errors import MissingExtra, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.ensemble import Ensemble, exact
from bbopt.surrogates.gp import GP
from bbopt.surrogates.local import LocalGP
from bbopt.types import FloatArray

try:
    import torch
    from botorch.acquisition.acquisition import AcquisitionFunction, OneShotAcquisitionFunction
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("bbopt.acquisitions.botorch", "botorch", "torch") from error

from bbopt.surrogates.botorch.exports import to_botorch
from bbopt.surrogates.botorch.models import quietly, seeded, tensor
from bbopt.surrogates.botorch.surrogate import BotorchSurrogate, gradient, inputs_of, lengths

_BLOCK = 256
"""So many sets of points are evaluated at once: Monte Carlo draws hundreds of samples of each."""
CANDIDATES = 512


@dataclass(frozen=True)
class BotorchAcquisition:
    """Any of BoTorch's acquisitions, of single points or of sets of q points.

    Parameters
    ----------
    acqf : botorch AcquisitionFunction
        With its model, and what is pending.
    space : Space
    lengths : array (d,), optional
        Per column, a length over which the value changes; by default the shortest length-scale of any
        kernel within, at most 1.
    encoded : bool
        Whether its model sees encoded points; by default it sees their features
        (``surrogates.kernels.features``).

    key : Key
        Whatever an evaluation draws through torch begins here, so that values are a function of points;
        torch's own generator is not touched.

    Raises
    ------
    UnsupportedError
        For one-shot acquisitions, such as ``qKnowledgeGradient``: theirs are functions of the points to
        propose and of one more for each fantasy, all moved together, so that no point has a value by itself.
        A search that scores and compares points cannot go there; an AcquisitionFunction that maximises over
        a fixed set of points inside can.
    """

    acqf: AcquisitionFunction
    space: Space
    lengths: FloatArray | None = None
    encoded: bool = False
    key: Key = field(default_factory=lambda: Key(0))

    def __post_init__(self) -> None:
        if isinstance(self.acqf, OneShotAcquisitionFunction):
            raise UnsupportedError(
                f"{type(self.acqf).__name__} is optimised together with its fantasies: its value at a point "
                "is not known. Take one whose values are, such as qLogNoisyExpectedImprovement or "
                'qLowerBoundMaxValueEntropy, or acquisition="noisy-ei", the knowledge gradient over what was '
                "told and the point to come"
            )

    @cached_property
    def scale(self) -> FloatArray:
        """Per column, a length over which the value changes, (d,)."""
        if self.lengths is not None:
            return self.lengths
        return lengths(self.acqf, self._inputs)

    @cached_property
    def is_smooth(self) -> bool:
        """Whether the values can be differentiated."""
        with quietly(), seeded(self.key), torch.enable_grad():
            middle = self.space.project(np.full((1, self.space.d), 0.5))
            return bool(self.acqf(self._see(middle).requires_grad_()).requires_grad)

    def value(self, X: FloatArray) -> FloatArray:
        """Return values of points X (b, d), (b,), or of sets of q points X (t, q, d), (t,)."""
        with quietly(), seeded(self.key), torch.no_grad():
            values = [self.acqf(self._see(X[i : i + _BLOCK])) for i in range(0, len(X), _BLOCK)]
        return _finite(torch.cat(values).numpy()) if values else np.empty(0)

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (b,) or (t,) and gradients shaped like X."""
        with quietly(), seeded(self.key), torch.enable_grad():
            F = self._see(X).requires_grad_()
            values = self.acqf(F)
        dF = np.nan_to_num(gradient(F, [(values, torch.ones_like(values))]), nan=0.0)
        dX = self._inputs.pull(dF.reshape(-1, dF.shape[-1]), X.reshape(-1, X.shape[-1]))
        return _finite(values.detach().numpy()), dX.reshape(X.shape)

    @cached_property
    def _inputs(self) -> Any:
        return inputs_of(self.space, self.encoded)

    def _see(self, X: FloatArray) -> Tensor:
        """Return inputs (t, q, f) of points (b, d) or sets of points (t, q, d)."""
        sets = X.reshape(len(X), -1, X.shape[-1])
        F = self._inputs(sets.reshape(-1, X.shape[-1]))
        return tensor(F.reshape(*sets.shape[:2], F.shape[-1]))


def _finite(values: FloatArray) -> FloatArray:
    """Return values in which what is no number is the worst there can be."""
    return np.where(np.isnan(values), -np.inf, values)


@dataclass(frozen=True)
class BotorchCriterion:
    """A kind of BoTorch acquisition, made anew for every model: what a strategy takes as its acquisition.

    ``BotorchCriterion(qLogNoisyExpectedImprovement)``
    ``BotorchCriterion(lambda model: UpperConfidenceBound(model, beta=4.0))``

    Parameters
    ----------
    make : callable
        A class of acquisitions or a function, called with those of these by name that it takes:

        * ``model``: of the negated outcome in model units; it has seen its own mean where trials are pending.
          An ensemble's has a mixture as its posterior, over which BoTorch averages
        * ``best_f``: minus the incumbent, a number: of a model of s columns their mean
        * ``X_baseline`` (n, f): inputs that were observed or are pending
        * ``candidate_set`` (512, f): inputs anywhere in the space
    """

    make: Callable[..., Any]

    @property
    def __name__(self) -> str:
        """What explanations call it."""
        made = getattr(self.make, "func", self.make)  # of functools.partial
        return str(getattr(made, "__name__", type(made).__name__))

    def __call__(self, model: Any, situation: Any) -> BotorchAcquisition:
        """Return the acquisition for a model and a situation (``strategies.criteria``).

        Parameters
        ----------
        model : BotorchSurrogate, GP or Ensemble
        situation
            With the incumbent ``best`` (s,) in model units, and a ``key`` for what ``make`` draws through
            torch.

        Raises
        ------
        UnsupportedError
            For another kind of model, and for one-shot acquisitions.
        """
        if isinstance(model, (GP, LocalGP, Ensemble)):
            model = exact(model)
            one = model.members[0] if isinstance(model, Ensemble) else model
            theirs, space, encoded = to_botorch(model), one.covariance.space, False
        elif isinstance(model, BotorchSurrogate):
            theirs, space, encoded = model.model, model.space, model.encoded
        else:
            raise UnsupportedError(
                f"a BoTorch acquisition needs a Gaussian process of bbopt, an ensemble of them or a BoTorch "
                f"model, got {type(model).__name__}"
            )
        see = inputs_of(space, encoded)
        given: dict[str, Callable[[], Any]] = {
            "model": lambda: theirs,
            "best_f": lambda: -tensor(situation.best).mean(),
            "X_baseline": lambda: tensor(see(model.X)),
            "candidate_set": lambda: tensor(see(space.sample(CANDIDATES, situation.key.child("candidates")))),
        }
        wanted = signature(self.make).parameters
        with quietly(), seeded(situation.key):
            acqf = self.make(**{name: get() for name, get in given.items() if name in wanted})
        return BotorchAcquisition(acqf, space, model.scale, encoded, situation.key)
