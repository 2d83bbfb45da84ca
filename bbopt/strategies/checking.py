"""What can be seen to be wrong with the parts of a strategy before the first trial is paid for.

A process of ours with an acquisition by name is looked at. Other parts are tried once, on a few made-up
results: what they do is known to them alone.
"""

import warnings
from dataclasses import replace
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np

from bbopt.errors import SpaceError, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies import criteria
from bbopt.strategies.criteria import Criterion, Situation
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.outcomes import POSITIVE
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.threads import single_threaded

_RESULTS = 4
"""Made up to try a model on."""


def check_fit(surrogate: Any) -> None:
    """Raise SpaceError for what has no method ``fit`` that can be called as strategies call it."""
    if not callable(getattr(surrogate, "fit", None)) or isinstance(surrogate, type):
        raise SpaceError(
            "BayesianOptimization: surrogate must be an object with a method fit, such as "
            f"GaussianProcess(), got {surrogate!r}"
        )
    try:
        call = signature(surrogate.fit)
    except ValueError:  # of compiled code nothing is known
        return
    try:
        call.bind(None, None, None, None, noise=None, previous=None, rng=None)
    except TypeError as error:
        raise SpaceError(
            "BayesianOptimization: surrogate.fit must take (space, X, y, variance, *, noise, previous, rng), "
            f"but {type(surrogate).__name__}.fit takes {call} ({error}); SklearnModel and BotorchModel of "
            "bbopt.surrogates wrap regressors of scikit-learn and models of BoTorch"
        ) from error


def check_problem(surrogate: Any, acquisition: "str | Criterion", spec: Spec) -> None:
    """Raise what the first fit to results would raise because the parts do not suit.

    Raises
    ------
    SpaceError
        For a kernel or a transform of outcomes that does not suit the problem, and for parts that are not
        what a strategy calls.
    UnsupportedError
        For parts that do not go with each other.
    """
    if spec.space.d == 0:  # constants alone: no model is ever fitted
        return
    if isinstance(surrogate, GaussianProcess):
        _check_process(surrogate, spec)
        if isinstance(acquisition, str):
            return
        surrogate = replace(surrogate, outcome="standardize", warping=False)  # as good to try out, and quick
    try:
        hash((surrogate, acquisition, spec))
    except TypeError:  # parts of one's own need not be hashable
        _try_out.__wrapped__(surrogate, acquisition, spec)
    else:
        _try_out(surrogate, acquisition, spec)


def check_bins(process: GaussianProcess, space: Space, bins: Space) -> None:
    """Raise SpaceError for a kernel that suits a space, but not the bins (a space) that BAxUS searches."""
    if space.d == 0:
        return
    try:
        _ = Covariance(bins, process.kernel).hyperprior
    except SpaceError as error:
        own = [p.name for p in bins.parameters if p.name in space.names and not p.is_constant]
        others = f", name only those in no bin ({', '.join(own)})" if own else ""
        raise SpaceError(
            f"BAxUS: the kernel of surrogate must suit the bins that stand for numeric parameters: {error}. "
            f"Leave columns out{others}, or take TrustRegion, which has no bins; got {process.kernel!r}"
        ) from error


def _check_process(process: GaussianProcess, spec: Spec) -> None:
    objective = spec.objectives[0]
    if objective.maximize and process.outcome in POSITIVE:
        raise SpaceError(
            f"GaussianProcess: outcome={process.outcome!r} is for positive outcomes that are minimised, but "
            f"{objective.name!r} is maximised, and negative inside; 'auto' and 'yeo-johnson' take any"
        )
    _ = Covariance(spec.space, process.kernel).hyperprior


@lru_cache(maxsize=8)  # what is right stays right, however often a study is opened and amended
def _try_out(surrogate: Any, acquisition: "str | Criterion", spec: Spec) -> None:
    """Fit made-up results and ask the acquisition for values.

    Only what real results could not change is raised: parts that refuse each other, and calls that their
    types do not allow. A model may rightly refuse what was made up here.
    """
    space, key = spec.space, Key(0)
    what = f"surrogate {type(surrogate).__name__} does not work"
    with single_threaded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            X = space.sample(_RESULTS, key)
            y = spec.sign[0] * np.arange(1.0, _RESULTS + 1.0)
            unknown = np.full(_RESULTS, np.nan)
            model, _ = surrogate.fit(
                space, X, y, unknown, noise=spec.objectives[0].noise, previous=None, rng=key
            )
            name = "logei" if acquisition == "auto" else acquisition
            model = criteria.with_pending(name, model, X[:0], key)
            best = model.incumbent
            what = (
                f"acquisition {criteria.title(name)}, called as (model, situation) -> Acquisition, does not "
                f"work with a {type(model).__name__}"
            )
            promise = criteria.make(name, model, Situation(best, key, space))
            if not hasattr(promise, "value"):
                raise SpaceError(
                    f"BayesianOptimization: acquisition {criteria.title(name)}(model, situation) "
                    f"must return an Acquisition (scale, is_smooth, value, value_and_grad), got {promise!r}"
                )
            values = promise.value_and_grad(X)[0] if promise.is_smooth else promise.value(X)
            shape, _ = np.shape(values), promise.scale
        except (SpaceError, UnsupportedError):
            raise
        except (TypeError, AttributeError) as error:
            raise SpaceError(f"BayesianOptimization: {what}: {error}") from error
        except Exception:
            return
    if shape == (_RESULTS,) and np.isnan(values).all():
        raise SpaceError(f"BayesianOptimization: {what}: its values are nan")
    if shape != (_RESULTS,):
        raise SpaceError(
            f"BayesianOptimization: {what}: of {_RESULTS} points it gives values of shape {shape} instead of "
            f"{(_RESULTS,)}"
        )
