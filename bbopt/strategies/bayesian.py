"""Bayesian optimization: dataset -> fit -> acquisition -> maximize.

Jones, Schonlau & Welch (1998) in today's form: Matérn-5/2 process with dimension-scaled priors
(Hvarfner et al. 2024), log expected improvement (Ament et al. 2023), its noisy form (Letham et al.
2019), failures learnt from the first one on. See :mod:`bbopt.surrogates.fit`,
:mod:`bbopt.acquisitions.improvement`, :mod:`bbopt.maximizers.multistart`.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition, Sum
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.acquisitions.mean import PosteriorMean
from bbopt.data.history import Dataset, History, Rows
from bbopt.errors import FitError, SpaceError, SpaceExhausted
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.designs import Sobol
from bbopt.strategies.sobol import sobol
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.fit import fit
from bbopt.surrogates.gp import GP
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, IntArray, Tag, is_whole

_ACQUISITIONS = ("auto", "logei", "lognei")
_DRAWS = 32
_SLICE = 128
"""Points at which the model is asked what fixed values allow."""
_MOST_RESULTS = 3000
"""For questions to a study; an ask is never refused, and takes what it takes."""
_NOISY = 0.05
"""Learnt noise above this standard deviation, in units of the outcomes' spread, asks for LogNEI."""


@dataclass(frozen=True, slots=True)
class BayesianOptimization:
    """Fit a Gaussian process to what was told, ask where it promises most.

    Parameters
    ----------
    acquisition : {"auto", "logei", "lognei"}
        "logei": log expected improvement on the incumbent. "lognei": averaged over what noise hides of
        the incumbent. "auto": the latter where noise is declared, told (``sd=``) or learnt to be large.
    n_initial : int or None
        Trials before the model takes over, laid out on a scrambled Sobol sequence; trials added count.
        None takes one more than a point has active columns on average, at least 5.

    Raises
    ------
    SpaceError
        For an unknown acquisition or an n_initial below 1.
    """

    acquisition: str = "auto"
    n_initial: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.acquisition, str) or self.acquisition not in _ACQUISITIONS:
            raise SpaceError(
                f"BayesianOptimization: acquisition must be one of {', '.join(_ACQUISITIONS)}, "
                f"got {self.acquisition!r}"
            )
        if self.n_initial is not None and not (is_whole(self.n_initial) and self.n_initial >= 1):
            raise SpaceError(
                "BayesianOptimization: n_initial must be an integer of at least 1 or None, "
                f"got {self.n_initial!r}"
            )

    @property
    def supports(self) -> Supports:
        """One objective."""
        return Supports(objectives=1)

    def batch_size(self, spec: Spec) -> int:
        """Return 1: every result changes the next suggestion."""
        return 1

    def init(self, spec: Spec, rng: Key) -> None:
        """Keep no state: results reach the model through the history."""
        return None

    def tell(self, state: None, trials: Rows, rng: Key) -> None:
        """Keep no state."""
        return None

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: the initial design first, then the maxima of the acquisition."""
        n_initial = self.n_initial if self.n_initial is not None else _initial_size(history.spec.space)
        early = min(max(n_initial - len(history), 0), request.n)
        data = history.dataset()
        if early == request.n or not len(data.X):
            return Sobol().ask(None, history, request, rng)
        if early:
            first = Sobol().ask(None, history, Request(early, request.fixed), rng)
            rest = self._model_based(data, history, Request(request.n - early, request.fixed), rng, first.X)
            return Proposals(np.vstack([first.X, rest.X]), first.tags + rest.tags)
        return self._model_based(data, history, request, rng, data.X[:0])

    def _model_based(
        self, data: Dataset, history: History, request: Request, rng: Key, chosen: FloatArray
    ) -> Proposals:
        number = len(history) + len(chosen)
        rng = rng.child("ask", number)
        space = history.spec.space
        with single_threaded():
            try:
                return self._maxima(data, history, request, rng, chosen)
            except FitError as error:
                X = space.sample(request.n, rng.child("fallback"), fixed=request.fixed)
                return Proposals(X, [{"fallback": str(error)} for _ in range(request.n)])

    def _maxima(
        self, data: Dataset, history: History, request: Request, rng: Key, chosen: FloatArray
    ) -> Proposals:
        space, objective = history.spec.space, history.spec.objectives[0]
        gp = _fit(data, history)
        outside = _outside(gp, space)
        starts = _starts(gp, outside)
        pending = np.vstack([data.X_pending, chosen])
        is_noisy = self._is_noisy(gp, data, objective.noise)
        model = (
            gp.draws(_DRAWS, rng.child("draws").generator(), pending) if is_noisy else gp.fantasize(pending)
        )
        failures = _feasibility(data, history)
        seen = np.vstack([history.X, chosen])
        X = np.empty((0, space.d))
        tags: list[Tag] = []
        for k in range(request.n):
            # Pending and chosen points count as if their means were told: there, nothing is left to gain.
            improvement = LogExpectedImprovement(model, _incumbent(model, outside, space, request.fixed))
            acquisition: Acquisition = improvement if failures is None else Sum((improvement, failures))
            tag: Tag = {
                "by": "LogNEI" if is_noisy else "LogEI",
                "theta": list(gp.theta),
                "fitted": len(data.X),
            }
            try:
                x = maximize(
                    acquisition, space, 1, starts, request.fixed, rng.child(k), exclude=np.vstack([seen, X])
                )
            except SpaceExhausted:
                # Every point was asked: repeat the most promising one, and let the gate judge.
                x = maximize(acquisition, space, 1, starts, request.fixed, rng.child(k))
            mean, sd = gp.predict(x)
            tag.update(mean=float(mean[0]), sd=float(sd[0]), acquisition=float(acquisition.value(x)[0]))
            if failures is not None:
                tag.update(chance=float(failures.probability(x)[0]), failure_theta=list(failures.theta))
            X = np.vstack([X, x])
            tags.append(tag)
            if k + 1 < request.n:
                model = model.fantasize(x)
        return Proposals(X, tags)

    def _is_noisy(self, gp: GP, data: Dataset, noise: float | None) -> bool:
        if self.acquisition != "auto":
            return self.acquisition == "lognei"
        if noise is not None:
            return noise > 0 or bool(np.any(data.Yvar[:, 0] > 0))
        return bool(np.any(data.Yvar[:, 0] > 0)) or gp.hyperparameters.noise > _NOISY**2


@lru_cache(maxsize=64)
def _initial_size(space: Space) -> int:
    if not space.is_conditional:
        return max(5, space.d + 1)
    points = space.from_unit(sobol(0, 256, space.d, Key(0)))
    return max(5, ceil(float(space.active(points).sum(axis=1).mean())) + 1)


def fit_history(history: History) -> GP:
    """Fit the process that a study's questions (best, predict) are put to.

    Raises
    ------
    FitError
        Where nothing is complete, there are too many results, or nothing can be fitted.
    """
    data = _few_enough(history.dataset())
    if not len(data.X):
        raise FitError("no trial is complete yet")
    with single_threaded():
        return _fit(data, history)


def _few_enough(data: Dataset) -> Dataset:
    if len(data.X) > _MOST_RESULTS:
        raise FitError(
            f"a Gaussian process on {len(data.X)} results would take too long; at most {_MOST_RESULTS}"
        )
    return data


def best_of_model(history: History, rng: Key) -> tuple[FloatArray, GP]:
    """Return the feasible point (d,) with the lowest posterior mean, and the model; raises FitError."""
    data = _few_enough(history.dataset())
    if len(data.X) < 2:
        raise FitError("a model needs two results")
    with single_threaded():
        gp = _fit(data, history)
        improvement: Acquisition = PosteriorMean(gp)
        failures = _feasibility(data, history)
        if failures is not None:
            improvement = Sum((improvement, failures))
        starts = _starts(gp, _outside(gp, history.spec.space))
        x = maximize(improvement, history.spec.space, 1, starts, None, rng.child("recommend", len(history)))
        return x[0], gp


def _fit(data: Dataset, history: History) -> GP:
    newest = history.latest("theta")
    return fit(
        history.spec.space,
        data.X,
        data.Y[:, 0],
        data.Yvar[:, 0],
        noise=history.spec.objectives[0].noise,
        previous=newest.get("theta"),
        previous_n=newest.get("fitted"),
    )


def _outside(gp: GP, space: Space) -> IntArray:
    """Return the rows of the process that nobody could ask again: outside the space, or off its steps."""
    is_there = np.all(np.abs(space.project(gp.X) - gp.X) < 1e-9, axis=1) & space.feasible(gp.X)
    return np.flatnonzero(~is_there)


def _incumbent(model: GP, outside: IntArray, space: Space, fixed: FloatArray | None = None) -> FloatArray:
    """Return the lowest posterior mean that a proposal can be compared with, one a draw, (s,).

    Over the rows that lie in the space: a better value outside would switch exploitation off, since
    nothing inside promises to beat it. With fixed values, for the same reason, over the rows and a sample
    that have these.
    """
    if fixed is None and not len(outside):
        return model.incumbent
    rows = np.delete(np.arange(len(model.X)), outside)
    if fixed is not None:
        free = np.isnan(fixed)
        rows = rows[np.all(free | (np.abs(model.X[rows] - fixed) < 1e-9), axis=1)]
    fitted = model.fitted[rows]
    if fixed is not None or not len(rows):
        sampled, _ = model.posterior(space.sample(_SLICE, Key(0), fixed=fixed))
        fitted = np.concatenate([fitted, sampled])
    return np.asarray(fitted.min(axis=0))


def _starts(gp: GP, outside: IntArray) -> FloatArray:
    """Return the points of the space with the lowest posterior means, (<= 5, d), from which to search."""
    inside = np.delete(np.arange(len(gp.X)), outside)
    return gp.X[inside[np.argsort(gp.fitted[inside, 0], kind="stable")[:5]]]


def _feasibility(data: Dataset, history: History) -> LogFeasibility | None:
    """Learn where runs fail, from the first failure on."""
    if not len(data.X_failed):
        return None
    try:
        return LogFeasibility.fit(
            history.spec.space,
            data.X,
            data.X_failed,
            previous=history.latest("failure_theta").get("failure_theta"),
        )
    except FitError:
        return None
