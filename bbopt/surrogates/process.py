"""The Gaussian process as a strategy uses it: what is learnt when, and what one ask leaves for the next."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bbopt.errors import DataError, SpaceError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates import cold
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble, sample_hyperparameters
from bbopt.surrogates.fit import (
    FRESH_START_EVERY,
    LARGE,
    Maximum,
    check,
    is_due,
    log_posterior,
    maximize,
    starts,
)
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import Kernel, Matern
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.surrogates.local import (
    CENTRES,
    EXACT,
    LEARNT_FIRST,
    LEARNT_FROM,
    LEARNT_NEAR,
    NEAR,
    LocalGP,
    gather,
)
from bbopt.surrogates.notes import Notes
from bbopt.surrogates.outcomes import KINDS, Outcome, choose, learn, possible
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, IntArray, Tag, is_whole

WARPING_PAYS = 3.0
"""Nats of log posterior that a warping must gain, and one a column where that is more: two more parameters
a column always fit a little better, and everything takes half as long again."""
CHOSEN_ON = 100
"""Observations on which transforms of outcomes are compared: their shape shows on a part."""
LEARNT_AGAIN = 0.003
"""The share of new observations up to which a local process keeps its hyper-parameters: most of them lie next
to each other, and to learn from hundreds of points takes as long as all the rest."""
MEMBERS_LAST = 0.1
"""The share of new observations up to which samples of hyper-parameters are used again."""
FEW_TO_WARP = 4
"""Observations per numeric column below which no warping is tried: it has two parameters a column."""


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """What to fit to the results of a study.

    Parameters
    ----------
    kernel : Kernel
        Default: Matérn-5/2 with a length-scale a column.
    outcome : str
        The transform of outcomes: a kind of :func:`bbopt.surrogates.outcomes.learn`, or "auto": chosen
        from the data, whenever a fresh start of the fit is due.
    warping : bool or "auto"
        Whether to learn a warping of numeric columns with the rest; "auto": where it pays, tried whenever
        a fresh start is due.
    ensemble : int
        Over how many samples of the hyper-parameters to average; 1 takes the most probable ones. 4 to 8
        are useful.
    exact : int
        Up to how many distinct points the process is exact. With more it knows as many exactly, most of them
        around the best results, and of the others those next to the points that it is asked about: see
        :mod:`bbopt.surrogates.local`. The time of a fit grows with its cube.

    Raises
    ------
    SpaceError
        For an argument that is none of these.
    """

    kernel: Kernel = field(default_factory=Matern)
    outcome: str = "auto"
    warping: bool | Literal["auto"] = "auto"
    ensemble: int = 1
    exact: int = EXACT

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, Kernel):
            raise SpaceError(
                f"GaussianProcess: kernel must be a kernel such as Matern(), got {self.kernel!r}"
            )
        if self.outcome not in (*KINDS, "auto"):
            known = ", ".join((*KINDS, "auto"))
            raise SpaceError(f"GaussianProcess: outcome must be one of {known}, got {self.outcome!r}")
        if not (isinstance(self.warping, bool) or self.warping == "auto"):
            raise SpaceError(f"GaussianProcess: warping must be True, False or 'auto', got {self.warping!r}")
        for name in ("ensemble", "exact"):
            number = getattr(self, name)
            if not (is_whole(number) and number >= 1):
                raise SpaceError(f"GaussianProcess: {name} must be an integer of at least 1, got {number!r}")

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
    ) -> "tuple[GP | LocalGP | Ensemble, Tag]":
        """Return the fitted process, or an ensemble, and notes for the next fit, as plain JSON data.

        Parameters
        ----------
        space, X, y, variance, noise
            As for :func:`bbopt.surrogates.fit.fit`.
        previous : dict, optional
            The notes of the last fit; what does not fit is ignored.
        rng : Key, optional
            Used by an ensemble alone.

        Raises
        ------
        DataError
            For arrays of other shapes, and noise below 0.
        FitError
            When there is nothing to fit, or no factorisation succeeds.
        """
        _check_shapes(space, X, y, variance, noise)
        check(X, y)
        with single_threaded():
            return self._fit(_Task(self, space, X, y, variance, noise, Notes.read(previous)), rng or Key(0))

    def _fit(self, task: "_Task", rng: Key) -> "tuple[GP | LocalGP | Ensemble, Tag]":
        z, outcome = task.outcome()
        posterior, found = task.fitted(z, outcome)
        notes: Tag = {
            "theta": found.hyperparameters.to_list(),
            "n": len(task.y),
            "outcome": outcome.name,
            "warped": posterior.covariance.is_warped,
        }
        if (power := getattr(outcome.shape, "power", None)) is not None:
            notes["power"] = power
        if self.outcome not in ("auto", outcome.name):
            notes["instead_of"] = self.outcome
        if posterior.whole.n > self.exact:
            notes["exact"] = self.exact
            if task.learnt_at:
                notes["learnt_at"] = task.learnt_at
        draws = [found.hyperparameters]
        if self.ensemble > 1:
            draws = task.members(posterior, found.hyperparameters, rng.child("ensemble"), notes)
        processes = task.processes(posterior, draws, outcome)
        if self.ensemble > 1:
            return Ensemble(tuple(processes)), notes
        [gp] = processes
        if isinstance(gp, GP):
            wanted = posterior.observation_noise(found.hyperparameters.noise)
            added = float((gp.noise - wanted).max(initial=0.0)) / found.hyperparameters.scale
            if added > 1e-12:
                notes["jitter"] = added
        return gp, notes


def _check_shapes(
    space: Space, X: FloatArray, y: FloatArray, variance: FloatArray | None, noise: float | None
) -> None:
    if not isinstance(space, Space):
        raise DataError(f"GaussianProcess.fit: space must be a Space, got {space!r}")
    wanted = {"X": (len(y), space.d), "y": (len(y),), "variance": (len(y),)}
    for name, array in (("X", X), ("y", y), ("variance", variance)):
        if array is not None and np.shape(array) != wanted[name]:
            raise DataError(
                f"GaussianProcess.fit: {name} must have shape {wanted[name]} for {len(y)} outcomes in "
                f"{space.d} columns, got {np.shape(array)}"
            )
    if noise is not None and not noise >= 0:
        raise DataError(f"GaussianProcess.fit: noise must be None or a number of at least 0, got {noise!r}")


class _Task:
    """One fit: decides what is learnt anew and what is kept."""

    def __init__(
        self,
        config: GaussianProcess,
        space: Space,
        X: FloatArray,
        y: FloatArray,
        variance: FloatArray | None,
        noise: float | None,
        notes: Notes,
    ) -> None:
        self.config, self.space, self.X, self.y = config, space, X, y
        self.variance, self.noise, self.notes = variance, noise, notes
        self.n_new = max(len(y) - notes.n, 0)
        self.is_fresh = notes.theta is None or is_due(len(y), max(self.n_new, 1))
        self.theta = notes.theta
        # A first fit learns from few points: the next one goes on with more.
        self.learnt_at = 0 if notes.theta is None else len(y)

    def outcome(self) -> tuple[FloatArray, Outcome]:
        """Return outcomes in model units, and the map."""
        asked, last = self.config.outcome, self.notes.outcome
        kind = last if asked == "auto" else possible(asked, self.y)
        if not self.is_fresh and kind in KINDS:  # with the power of last time, so that the fit can go on
            return learn(self.y, str(kind), self.notes.power if kind == last else None)
        if asked != "auto":
            return learn(self.y, str(kind))
        rows = np.linspace(0, len(self.y) - 1, min(len(self.y), CHOSEN_ON)).astype(np.int64)
        variance = None if self.variance is None else self.variance[rows]

        def score(z: FloatArray, outcome: Outcome) -> float:
            covariance = Covariance(self.space, self.config.kernel, self._warped)
            posterior = log_posterior(covariance, self.X[rows], z, outcome, variance, noise=self.noise)
            first = starts(posterior, self.theta, n_new=0)
            if len(self.y) <= LARGE:
                return maximize(posterior, first).value
            # Of many results the first search is a short one, and the others go on from its end: mostly the
            # hyper-parameters of the other kinds are next to it.
            if self.theta is None:
                first = cold.first_starts(covariance.hyperprior)[:3]
            found = maximize(posterior, first, n_new=len(rows), most_starts=len(first))
            self.theta = self.theta or found.hyperparameters.to_list()
            return found.value

        _, chosen = choose(self.y[rows], score, self.notes.outcome)
        return learn(self.y, chosen.name)

    def fitted(self, z: FloatArray, outcome: Outcome) -> tuple[LogPosterior, Maximum]:
        """Return the log posterior and its maximum."""
        whole = self._whole(z, outcome, self._warped)
        if self._is_kept(whole, outcome):
            self.learnt_at = self.notes.learnt_at
            return whole, Maximum(Hyperparameters.from_list(self.notes.theta or []), np.nan)
        posterior = self._learnt_from(whole)
        n_new, is_fresh = max(self.n_new, 1), self.is_fresh
        first = starts(posterior, self.theta, n_new)
        if posterior is not whole and self.notes.theta:
            # Evaluations as for all results since hyper-parameters were learnt; and what the first fit, from
            # fewer points, said of warping is looked at again.
            n_new = max(n_new, min(len(self.y) - self.notes.learnt_at, FRESH_START_EVERY))
            is_fresh = is_fresh or not self.notes.learnt_at
        found = maximize(posterior, first, n_new)
        if self.config.warping == "auto" and is_fresh:
            return self._warping_if_it_pays(posterior, found, z, outcome)
        return posterior, found

    def members(
        self, posterior: LogPosterior, best: Hyperparameters, rng: Key, notes: Tag
    ) -> list[Hyperparameters]:
        """Return samples of the hyper-parameters: those of the last fit while there is little news."""
        n, last = len(self.y), self.notes
        kept = [theta for theta in last.members if len(theta) == len(notes["theta"])]
        is_current = n - last.n_members <= MEMBERS_LAST * n and len(kept) == self.config.ensemble
        if is_current and not self.is_fresh and last.is_warped == notes["warped"]:
            notes.update(members=kept, drawn_at=last.n_members)
            return [Hyperparameters.from_list(theta) for theta in kept]
        drawn = sample_hyperparameters(posterior, best, self.config.ensemble, rng)
        notes.update(members=[one.to_list() for one in drawn], drawn_at=n)
        return drawn

    @property
    def _warped(self) -> bool:
        """Whether the process has a warping, before any other form is tried."""
        if self.config.warping == "auto":
            return self.notes.is_warped
        return bool(self.config.warping)

    def _warping_if_it_pays(
        self, posterior: LogPosterior, found: Maximum, z: FloatArray, outcome: Outcome
    ) -> tuple[LogPosterior, Maximum]:
        is_warped = posterior.covariance.is_warped
        n_plain = len(posterior.covariance.features.plain)
        if not is_warped and len(self.y) < FEW_TO_WARP * max(n_plain, 1):
            return posterior, found
        other = self._learnt_from(self._whole(z, outcome, not is_warped))
        theta = found.hyperparameters.to_list()
        p = posterior.covariance.n_kernel
        start = [*theta[:p], *theta[-2:]] if is_warped else [*theta[:p], *[0.0] * (2 * n_plain), *theta[-2:]]
        rival = maximize(other, np.array([start]), min(self.n_new, FRESH_START_EVERY) + 3)
        pays = max(WARPING_PAYS, n_plain)
        needed = -pays if is_warped else pays
        return (other, rival) if rival.value - found.value > needed else (posterior, found)

    def processes(
        self, posterior: LogPosterior, draws: list[Hyperparameters], outcome: Outcome
    ) -> list[GP] | list[LocalGP]:
        """Return the processes with these hyper-parameters, on all data."""
        whole = posterior.whole
        if whole.n <= self.config.exact:
            return [posterior.process(one, outcome) for one in draws]
        rows = self._some(whole, draws[0].theta, self.config.exact, NEAR)
        return [LocalGP.build(whole, rows, one, outcome) for one in draws]

    def _whole(self, z: FloatArray, outcome: Outcome, is_warped: bool) -> LogPosterior:
        """Return the log posterior on all points."""
        covariance = Covariance(self.space, self.config.kernel, is_warped)
        return log_posterior(covariance, self.X, z, outcome, self.variance, noise=self.noise)

    def _learnt_from(self, whole: LogPosterior) -> LogPosterior:
        """Return what hyper-parameters are learnt from: all points, or some of very many."""
        if whole.n <= self.config.exact:
            return whole
        theta = whole.covariance.hyperprior.starts[0]
        if self.theta is not None and len(self.theta) == len(theta) + 2:
            theta = np.array(self.theta[:-2])
        # A search from nothing takes some forty evaluations; the asks after it, a few each, go on with more.
        count = LEARNT_FROM if self.notes.theta else LEARNT_FIRST
        return whole.some(self._some(whole, theta, min(count, self.config.exact), LEARNT_NEAR))

    def _is_kept(self, whole: LogPosterior, outcome: Outcome) -> bool:
        """Whether to go on with the hyper-parameters of the last fit as they are."""
        last, n = self.notes, len(self.y)
        is_same = (
            not self.is_fresh
            and self.config.ensemble == 1
            and outcome.name == last.outcome
            and len(last.theta or ()) == len(whole.covariance.hyperprior) + 2
        )
        return is_same and whole.n > self.config.exact and abs(n - last.learnt_at) <= LEARNT_AGAIN * n

    @staticmethod
    def _some(whole: LogPosterior, theta: FloatArray, count: int, near: float) -> IntArray:
        """Return rows around the best results, and of all."""
        X, y = whole.observed.X, whole.observed.y
        return gather(whole.covariance, theta, X, X[np.argsort(y, kind="stable")[:CENTRES]], count, near)
