"""Bayesian optimization: dataset -> fit -> acquisition -> maximize.

Jones, Schonlau & Welch (1998) in today's form: Matérn-5/2 process with dimension-scaled priors
(Hvarfner et al. 2024), log expected improvement (Ament et al. 2023), its noisy form (Letham et al.
2019), failures learnt from the first one on. See :mod:`bbopt.surrogates.process`,
:mod:`bbopt.strategies.criteria`, :mod:`bbopt.maximizers.multistart`.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition, Sum
from bbopt.acquisitions.batch import LogExpectedImprovementOfBatch, WithRisk, normal_samples
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.acquisitions.interior import Interior
from bbopt.data.history import Dataset, History, Rows
from bbopt.errors import FitError, SpaceError, SpaceExhausted
from bbopt.maximizers.joint import maximize_joint
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies import criteria
from bbopt.strategies.checking import check_fit, check_problem
from bbopt.strategies.criteria import Criterion, Situation
from bbopt.strategies.designs import Sobol, initial_size
from bbopt.strategies.modelling import (
    Fit,
    fit_data,
    fit_failures,
    good_points,
    incumbent,
    is_noisy,
    outside,
    without_penalties,
)
from bbopt.strategies.remarks import held, risk, set_aside
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.surrogate import Surrogate
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, Tag, is_whole

_JOINT_SAMPLES = 256
_MOST_JOINT = 8
"""Batches larger than this are chosen one by one: a joint search in q d columns would take too long."""


@dataclass(frozen=True, slots=True)
class BayesianOptimization:
    """Fit a Gaussian process to what was told, ask where it promises most.

    Parameters
    ----------
    acquisition : str or callable
        "logei": log expected improvement on the incumbent. "lognei": averaged over what noise hides of
        the incumbent. "auto": the latter where noise is declared, told (``sd=``) or learnt to be large.
        "ei", "logpi", "ucb"; "noisy-ei": the expected gain in the best posterior mean, exactly;
        "thompson": a sample path. Or a function of a model and a
        :class:`~bbopt.strategies.criteria.Situation` that returns an acquisition. Where runs fail, a log
        probability is added to it: right for a logarithm. "ei" becomes "logei" then, for their product has
        the same maxima; to "ucb", "thompson" and others the log probability is a penalty in model units.
    n_initial : int or None
        Trials before the model takes over, laid out on a scrambled Sobol sequence; trials added count.
        None: :func:`~bbopt.strategies.designs.initial_size`.
    surrogate : GaussianProcess or another fit
        What is fitted; see :class:`bbopt.surrogates.process.GaussianProcess` for kernels, transforms and
        averaging, and :class:`~bbopt.strategies.modelling.Fit` for models of your own.
    batch : {"greedy", "joint"}
        How several points at once are chosen: one after the other, each as if those before had been told
        at their means; or then moved together by the log expected improvement of all (up to 8 at once).

    Raises
    ------
    SpaceError
        For an argument that is none of these; by ``init``, before the first trial, for parts that do not
        suit the problem or each other.
    """

    acquisition: "str | Criterion" = "auto"
    n_initial: int | None = None
    surrogate: Fit = field(default_factory=GaussianProcess)
    batch: Literal["greedy", "joint"] = "greedy"

    def __post_init__(self) -> None:
        criteria.check(self.acquisition)
        if self.n_initial is not None and not (is_whole(self.n_initial) and self.n_initial >= 1):
            raise SpaceError(
                "BayesianOptimization: n_initial must be an integer of at least 1 or None, "
                f"got {self.n_initial!r}"
            )
        check_fit(self.surrogate)
        if self.batch not in ("greedy", "joint"):
            raise SpaceError(f"BayesianOptimization: batch must be 'greedy' or 'joint', got {self.batch!r}")
        if self.batch == "joint" and self.acquisition not in ("auto", "logei", "lognei"):
            raise SpaceError(
                "BayesianOptimization: batch='joint' is for acquisition 'auto', 'logei' or 'lognei', got "
                f"{self.acquisition!r}; batch='greedy' takes any"
            )

    @property
    def supports(self) -> Supports:
        """One objective."""
        return Supports(objectives=1)

    def batch_size(self, spec: Spec) -> int:
        """Return 1: every result changes the next suggestion."""
        return 1

    def init(self, spec: Spec, rng: Key) -> None:
        """Keep no state: results reach the model through the history.

        Raises
        ------
        SpaceError, UnsupportedError
            For parts that cannot work on this problem, or not together.
        """
        check_problem(self.surrogate, self.acquisition, spec)

    def tell(self, state: None, trials: Rows, rng: Key) -> None:
        """Keep no state."""
        return None

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: the initial design first, then the maxima of the acquisition."""
        n_initial = self.n_initial if self.n_initial is not None else initial_size(history.spec.space)
        early = min(max(n_initial - len(history), 0), request.n)
        data = without_penalties(history.dataset())
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
        space = history.spec.space
        fitted, notes = fit_data(self.surrogate, data, history, rng)
        failures, shared = fit_failures(data, history)
        acquisition = self._acquisition(fitted, data, history.spec.objectives[0].noise, failures)
        unreachable = outside(fitted, space)
        starts = good_points(fitted, unreachable, data, history)
        seen = np.vstack([history.X, chosen])
        # Pending and chosen points count as if their means were told: there, nothing is left to gain.
        model = criteria.with_pending(acquisition, fitted, np.vstack([data.X_pending, chosen]), rng)
        first = model
        X = np.empty((0, space.d))
        tags: list[Tag] = []
        for k in range(request.n):
            best = incumbent(model, unreachable, space, request.fixed)
            promise = criteria.make(acquisition, model, Situation(best, rng.child(k), space))
            goal = promise if failures is None else Sum((promise, failures))
            search = Sum((goal, Interior(space, len(data.X)))) if self.acquisition == "auto" else goal
            taken = np.vstack([seen, X])
            try:
                x = maximize(search, space, 1, starts, request.fixed, rng.child(k), exclude=taken)
            except SpaceExhausted:
                # Every point was asked: repeat the most promising one, and let the gate judge.
                x = maximize(search, space, 1, starts, request.fixed, rng.child(k))
            tag = _tag(criteria.title(acquisition), promise, fitted, failures, x)
            tags.append({**tag, "acquisition": float(goal.value(x)[0])})
            X = np.vstack([X, x])
            if k + 1 < request.n:
                # A model of draws (LogNEI) takes one more point like any other: at its means.
                model = criteria.with_pending("logei", model, x, rng) if acquisition != "thompson" else model
        if self.batch == "joint" and 1 < request.n <= _MOST_JOINT:
            best = incumbent(first, unreachable, space, request.fixed)
            together = LogExpectedImprovementOfBatch(
                first, best, normal_samples(_JOINT_SAMPLES, request.n, rng.child("joint"))
            )
            joint = together if failures is None else WithRisk(together, failures)
            try:
                X = maximize_joint(joint, space, request.n, X[None], request.fixed, rng, exclude=seen)
            except (SpaceExhausted, FitError) as error:
                # Those chosen one by one may be replicates, which the gate judges.
                shared["one_by_one"] = str(error)
            else:
                alone = LogExpectedImprovement(first, best)
                title = f"joint {criteria.title(acquisition)}"
                tags = [_tag(title, alone, fitted, failures, x[None]) for x in X]
        elif self.batch == "joint" and request.n > 1:
            shared["one_by_one"] = f"{request.n} are too many to be moved together, at most {_MOST_JOINT} are"
        shared |= set_aside(history, data) | held(space, request.fixed)
        return Proposals(X, [{**tag, "model": notes, **shared} for tag in tags])

    def _acquisition(
        self, model: Surrogate, data: Dataset, noise: float | None, failures: LogFeasibility | None
    ) -> "str | Criterion":
        """Return the acquisition, "auto" made definite."""
        if self.acquisition == "ei" and failures is not None:
            return "logei"  # the logarithm of EI is what a log probability can be added to
        if self.acquisition != "auto":
            return self.acquisition
        return "lognei" if is_noisy(model, data, noise) and criteria.has_draws(model) else "logei"


def _tag(
    title: str, promise: Acquisition, fitted: Surrogate, failures: LogFeasibility | None, x: FloatArray
) -> Tag:
    """Return what explanations need to know of a point x (1, d), as plain data."""
    mean, sd = fitted.predict(x)
    tag: Tag = {"by": title, "mean": float(mean[0]), "sd": float(sd[0]), **criteria.doubt(promise, x)}
    return tag | risk(failures, x)
