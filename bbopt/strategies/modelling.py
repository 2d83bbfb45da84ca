"""From a history to fitted models, for suggestions and for questions, and what is read off them."""

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition, Sum
from bbopt.acquisitions.mean import PosteriorMean
from bbopt.data.history import Dataset, History
from bbopt.errors import FitError
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.local import CENTRES
from bbopt.surrogates.surrogate import Surrogate
from bbopt.surrogates.threads import single_threaded
from bbopt.types import BoolArray, FloatArray, IntArray, Tag

PENALTY = 1e5
"""How many times the usual spread of results a result must be off to count as a failure."""
ALONE = 1e3
"""How many times as far from the best as the next lower result a failure must be, at least."""
TIED = 3e-7
"""First results that spread by less than this, relative to their size, may differ by rounding alone: their
size takes the place of the spread. An offset of a million times their spread leaves them more."""
NOISY = 0.05
"""Learnt noise above this standard deviation, in units of the outcomes' spread, is not ignored."""
_FEW_RESULTS = 5
_SLICE = 128
"""Points at which the model is asked what fixed values allow."""


class Fit(Protocol):
    """What fits a surrogate: frozen configuration, such as ``GaussianProcess(...)``."""

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
    ) -> "tuple[Any, Tag]":
        """Return a :class:`~bbopt.surrogates.surrogate.Surrogate`, and notes for the next fit.

        Parameters
        ----------
        space : Space
        X : array (n, d)
            Encoded points, n >= 1.
        y : array (n,)
            Finite outcomes, minimised.
        variance : array (n,), optional
            Known noise variances of these; nan where unknown.
        noise : float or None
            Standard deviation of the others: None learns it, 0 says exact.
        previous : dict, optional
            The notes of the last fit, plain JSON data.
        rng : Key, optional

        Raises
        ------
        FitError
            When nothing can be fitted; a random point is asked then.
        """
        ...


def fit_data(surrogate: Fit, data: Dataset, history: History, rng: Key) -> tuple[Surrogate, Tag]:
    """Fit a surrogate to a study's one objective; returns it and notes for the next ask's tag."""
    previous = history.latest("model").get("model")
    return surrogate.fit(
        history.spec.space,
        data.X,
        data.Y[:, 0],
        data.Yvar[:, 0],
        noise=history.spec.objectives[0].noise,
        previous=previous if isinstance(previous, dict) else None,
        rng=rng.child("fit"),
    )


def without_penalties(data: Dataset) -> Dataset:
    """Return the data with results that can only be penalties among the failures.

    Many tell 1e20 where a run breaks. A process would spend its length-scales on such a cliff, however its
    height is transformed, and learn nothing of the rest. So a result counts as a failure where it is
    PENALTY times as far above the better part of the first results as these spread down to the best, and
    alone: see :func:`_alone`. The first ones are looked at because later ones gather around the optimum,
    where they spread over nothing.
    """
    y = data.Y[:, 0]
    if len(y) < _FEW_RESULTS:
        return data
    z = y / max(float(np.abs(y).max()), np.finfo(np.float64).tiny)
    early = z[: max(_FEW_RESULTS, len(z) // 5)]
    usual = np.sort(early)[-(-3 * len(early) // 5) - 1]
    # First results may lie next to each other too, where a study goes on from the best of another one. Near
    # an optimum, results rise with the square of the distance.
    places = np.clip(data.X[: len(early)][early <= usual], 0.0, 1.0)
    extent = np.square(np.ptp(places, axis=0)).sum() / max(data.X.shape[1], 1)
    spread = usual - z.min()
    if spread <= TIED * abs(usual):
        spread = abs(usual)
    is_far = extent * (z - usual) > PENALTY * spread
    if spread == 0 or not is_far.any():
        return data
    is_penalty = _alone(z - z.min(), is_far)
    if not is_penalty.any():
        return data
    kept = ~is_penalty
    return replace(
        data,
        X=data.X[kept],
        Y=data.Y[kept],
        Yvar=data.Yvar[kept],
        cost=data.cost[kept],
        numbers=data.numbers[kept],
        X_failed=np.concatenate([data.X_failed, data.X[is_penalty]]),
    )


def _alone(height: FloatArray, is_far: BoolArray) -> BoolArray:
    """Return which results lie above a cliff, where results are the same, or rise by another cliff.

    One penalty is told again and again, or dwarfs another one. Results that differ by less are those of an
    objective that varies a lot, or whose first results were nearly the same.

    Parameters
    ----------
    height : array (n,)
        Results, counted from the best.
    is_far : array (n,) of bool
        Which may be penalties: the highest ones, not all.
    """
    rising = np.sort(height)
    n_usual = len(height) - np.count_nonzero(is_far)
    low, high = rising[n_usual - 1 : -1], rising[n_usual:]
    is_cliff = high >= ALONE * low
    is_slope = ~is_cliff & (high > (1.0 + 1.0 / ALONE) * low)
    cliffs = np.flatnonzero(is_cliff & (np.arange(len(high)) > np.flatnonzero(is_slope).max(initial=-1)))
    return height >= high[cliffs[0]] if len(cliffs) else np.zeros(len(height), np.bool_)


def is_noisy(model: Surrogate, data: Dataset, noise: float | None) -> bool:
    """Whether the lowest outcome may be a lucky one: noise is declared, told, or learnt to be large."""
    if np.any(data.Yvar[:, 0] > 0):
        return True
    return model.noise_variance > NOISY**2 if noise is None else noise > 0


def fit_failures(data: Dataset, history: History) -> tuple[LogFeasibility | None, Tag]:
    """Learn where the runs of a study fail; see :func:`learn_failures`."""
    previous = history.latest("failure_theta").get("failure_theta")
    best = data.X[np.argsort(data.Y[:, 0], kind="stable")[:CENTRES]] if len(data.X) else None
    return learn_failures(history.spec.space, data.X, data.X_failed, previous, best)


def learn_failures(
    space: Space, X: FloatArray, X_failed: FloatArray, previous: Any, centres: FloatArray | None = None
) -> tuple[LogFeasibility | None, Tag]:
    """Learn where runs fail, from the first failure on; returns it and notes for the tag of this ask.

    See :meth:`bbopt.surrogates.feasibility.LogFeasibility.fit` for the arguments.
    """
    if not len(X_failed):
        return None, {}
    try:
        failures = LogFeasibility.fit(space, X, X_failed, previous, centres)
    except FitError as error:
        return None, {"failures_ignored": str(error)}
    return failures, {"failure_theta": list(failures.theta)}


def fit_history(history: History, surrogate: Fit) -> Surrogate:
    """Fit the model that a study's questions (best, predict) are put to.

    Raises
    ------
    FitError
        Where nothing is complete, or nothing can be fitted.
    """
    data = without_penalties(history.dataset())
    if not len(data.X):
        raise FitError("no trial is complete yet")
    with single_threaded():
        return fit_data(surrogate, data, history, Key(0))[0]


def best_of_model(history: History, surrogate: Fit, rng: Key) -> tuple[FloatArray, Surrogate]:
    """Return the feasible point (d,) with the lowest posterior mean, and the model; raises FitError."""
    data = without_penalties(history.dataset())
    if len(data.X) < 2:
        raise FitError("a model needs two results")
    space = history.spec.space
    with single_threaded():
        model, _ = fit_data(surrogate, data, history, Key(0))
        promise: Acquisition = PosteriorMean(model)
        failures, _ = fit_failures(data, history)
        if failures is not None:
            promise = Sum((promise, failures))
        starts = good_points(model, outside(model, space), data, history)
        x = maximize(promise, space, 1, starts, None, rng.child("recommend", len(history)))
        return x[0], model


def outside(model: Surrogate, space: Space) -> IntArray:
    """Return the rows of the model that nobody could ask again: outside the space, or off its steps."""
    X = model.X
    is_there = np.all(np.abs(space.project(X) - X) < 1e-9, axis=1) & space.feasible(X)
    return np.flatnonzero(~is_there)


def incumbent(
    model: Surrogate, outside: IntArray, space: Space, fixed: FloatArray | None = None
) -> FloatArray:
    """Return the lowest posterior mean that a proposal can be compared with, one a column, (s,).

    Over the rows that lie in the space: a better value outside would switch exploitation off, since
    nothing inside promises to beat it. With fixed values, for the same reason, over the rows and a sample
    that have these.
    """
    if fixed is None and not len(outside):
        return model.incumbent
    X = model.X
    rows = np.delete(np.arange(len(X)), outside)
    if fixed is not None:
        free = np.isnan(fixed)
        rows = rows[np.all(free | (np.abs(X[rows] - fixed) < 1e-9), axis=1)]
    fitted = model.fitted[rows]
    if fixed is not None or not len(rows):
        sampled, _ = model.posterior(space.sample(_SLICE, Key(0), fixed=fixed))
        fitted = np.concatenate([fitted, sampled])
    return np.asarray(fitted.min(axis=0))


def good_points(model: Surrogate, outside: IntArray, data: Dataset, history: History) -> FloatArray:
    """Return points of the space from which to search, (<= 5, d): the best told, the lowest means."""
    inside = np.delete(np.arange(len(model.X)), outside)
    mean = model.fitted[inside].mean(axis=1)
    lowest = model.X[inside[np.argsort(mean, kind="stable")[:5]]]
    told = np.flatnonzero(history.inside[data.numbers])
    if not len(told):
        return lowest
    best = data.X[told[np.argmin(data.Y[told, 0])]]
    others = lowest[np.any(lowest != best, axis=1)]
    return np.vstack([best, others])[:5]
