"""Acquisitions by name, as strategies make them for a fitted model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TypeGuard

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.acquisitions.confidence import LowerConfidenceBound
from bbopt.acquisitions.improvement import (
    ExpectedImprovement,
    LogExpectedImprovement,
    LogProbabilityOfImprovement,
    exploration,
)
from bbopt.acquisitions.noisy import LogExpectedImprovementUnderNoise
from bbopt.acquisitions.thompson import Thompson
from bbopt.errors import SpaceError, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.ensemble import Ensemble, exact
from bbopt.surrogates.gp import GP
from bbopt.surrogates.local import LocalGP, core_of
from bbopt.surrogates.paths import Paths
from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray, Tag

XI = 0.05
"""What LogPI asks a point to be better by, in standard deviations of what was told; with 0 it clings to the
incumbent: on Branin its regret stayed at 0.9 and above."""
DRAWS = 32
"""Joint posterior draws that LogNEI averages over."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What an acquisition may want to know beside the model.

    Attributes
    ----------
    best : array (s,)
        The lowest means that can be asked for, one a column of the model.
    key : Key
        For what is drawn at random; another one for every member of a batch.
    space : Space or None
        Where the points lie; strategies always say it.
    """

    best: FloatArray
    key: Key
    space: Space | None = None


Criterion = Callable[[Surrogate, Situation], Acquisition]
"""From a fitted model to what is maximised. ``BayesianOptimization(acquisition=...)`` takes any."""


def _noisy_ei(model: Surrogate, situation: Situation) -> Acquisition:
    return LogExpectedImprovementUnderNoise(_exact(model, "noisy-ei"))


def _thompson(model: Surrogate, situation: Situation) -> Acquisition:
    process: GP | LocalGP | Ensemble = _exact(model, "thompson")
    if isinstance(process, Ensemble):  # hyper-parameters are drawn, too
        drawn = situation.key.child("member").generator().integers(len(process.members))
        process = process.members[drawn]
    return Thompson(Paths.draw(core_of(process), 1, situation.key.child("path")))


CRITERIA: Mapping[str, tuple[str, Criterion]] = {
    "ei": ("EI", lambda model, it: ExpectedImprovement(model, it.best)),
    "logei": ("LogEI", lambda model, it: LogExpectedImprovement(model, it.best)),
    "lognei": ("LogNEI", lambda model, it: LogExpectedImprovement(model, it.best)),
    "logpi": ("LogPI", lambda model, it: LogProbabilityOfImprovement(model, it.best, xi=XI)),
    "ucb": ("UCB", lambda model, it: LowerConfidenceBound(model)),
    "noisy-ei": ("noisy EI", _noisy_ei),
    "thompson": ("Thompson sample", _thompson),
}
"""Name -> title, and how it is made. "lognei" is LogEI on joint draws, see :func:`with_pending`."""


def check(acquisition: object) -> None:
    """Raise SpaceError for what is neither "auto", a name nor a callable, and for acquisitions themselves."""
    made = acquisition if isinstance(acquisition, type) else type(acquisition)
    name = made.__name__
    if any(base.__module__.startswith("botorch.") for base in made.__mro__):
        raise SpaceError(
            f"BayesianOptimization: acquisition={name} is one of BoTorch's: give BotorchCriterion({name}) of "
            "bbopt.acquisitions"
        )
    if acquisition is made and made.__module__.startswith("bbopt.acquisitions."):
        raise SpaceError(
            f"BayesianOptimization: acquisition={name} is a class: give a name such as 'logei', or a "
            f"function that makes one, such as lambda model, situation: {name}(model, ...)"
        )
    if callable(acquisition) or (
        isinstance(acquisition, str) and (acquisition in CRITERIA or acquisition == "auto")
    ):
        return
    known = ", ".join(("auto", *CRITERIA))
    raise SpaceError(
        f"BayesianOptimization: acquisition must be one of {known}, or a function (model, situation) -> "
        f"Acquisition; got {acquisition!r}"
    )


def title(acquisition: "str | Criterion") -> str:
    """Return what explanations call it."""
    if isinstance(acquisition, str):
        return CRITERIA[acquisition][0]
    return getattr(acquisition, "__name__", type(acquisition).__name__)


def make(acquisition: "str | Criterion", model: Surrogate, situation: Situation) -> Acquisition:
    """Return the acquisition for a model that knows what is pending."""
    criterion = CRITERIA[acquisition][1] if isinstance(acquisition, str) else acquisition
    return criterion(model, situation)


def doubt(acquisition: Acquisition, x: FloatArray) -> Tag:
    """Return how not knowing counts in the value of a point x (1, d), where that can be said.

    "exploration": the share of an expected improvement that is owed to it, in [0, 1]; "gain": whether the
    mean itself promises one. "sds": how many standard deviations a confidence bound lies off the mean.
    """
    match acquisition:
        case ExpectedImprovement() | LogExpectedImprovement():
            mean, variance = acquisition.surrogate.posterior(x)
            share = exploration(mean, np.sqrt(variance), acquisition.best)
            return {
                "exploration": float(np.mean(share)),
                "gain": bool(np.mean(acquisition.best - mean) > 0),
            }
        case LowerConfidenceBound():
            return {"sds": sqrt(acquisition.beta)}
    return {}


def with_pending(
    acquisition: "str | Criterion", model: Surrogate, X_pending: FloatArray, key: Key
) -> Surrogate:
    """Return the model as if what is pending had been told at its mean.

    For LogNEI: joint draws of the noise-free outcome, also there. A Thompson sample needs neither: it
    varies by itself.
    """
    if acquisition == "lognei":
        if not has_draws(model):
            raise _unsupported(model, "lognei")
        return model.draws(DRAWS, key.child("draws").generator(), X_pending)
    if acquisition == "thompson" or not len(X_pending):
        return model
    return model.fantasize(X_pending)


def has_draws(model: Surrogate) -> TypeGuard[GP | LocalGP | Ensemble]:
    """Whether LogNEI can draw from the model."""
    return isinstance(model, (GP, LocalGP, Ensemble))


def _exact(model: Surrogate, name: str) -> GP | Ensemble:
    """Return the exact process, or an ensemble of such ones: cores, where there are many results."""
    if not has_draws(model):
        raise _unsupported(model, name)
    return exact(model)


def _unsupported(model: Surrogate, name: str) -> UnsupportedError:
    return UnsupportedError(
        f"acquisition {name!r} needs bbopt's own Gaussian process, got {type(model).__name__}; "
        "logei, ei, logpi and ucb work with every surrogate"
    )
