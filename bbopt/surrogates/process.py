"""The Gaussian process as a strategy uses it: what is learnt when, and what one ask leaves for the next."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble, sample_hyperparameters
from bbopt.surrogates.fit import Maximum, check, is_due, log_posterior, maximize, starts
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.kernels import Kernel, Matern
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.surrogates.outcomes import KINDS, Outcome, choose, learn
from bbopt.types import FloatArray, Tag, is_whole

FEW = 50
"""With fewer observations every fit goes on from the last one: it costs less than it may gain."""
NEGLIGIBLE = 0.5
"""Nats that hyper-parameters may lag behind, by what the last fit gained per new observation."""
SMALL = 0.05
"""Nats per new observation: a fit that gained less was near its maximum, even if it was cut short."""
MOST_SKIPPED = 0.05
"""The share of new observations at which the hyper-parameters are fitted again in any case."""
WARPING_PAYS = 3.0
"""Nats of log posterior that a warping must gain, and one a column where that is more: two more parameters
a column always fit a little better, and everything takes half as long again."""
CHOSEN_ON = 100
"""Observations on which transforms of outcomes are compared: their shape shows on a part."""
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

    Raises
    ------
    SpaceError
        For an argument that is none of these.
    """

    kernel: Kernel = field(default_factory=Matern)
    outcome: str = "auto"
    warping: bool | Literal["auto"] = "auto"
    ensemble: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, Kernel):
            raise SpaceError(
                f"GaussianProcess: kernel must be a kernel such as Matern(), got {self.kernel!r}"
            )
        if self.outcome not in (*KINDS, "auto"):
            known = ", ".join((*KINDS, "auto"))
            raise SpaceError(f"GaussianProcess: outcome must be one of {known}, got {self.outcome!r}")
        if self.warping not in (True, False, "auto"):
            raise SpaceError(f"GaussianProcess: warping must be True, False or 'auto', got {self.warping!r}")
        if not (is_whole(self.ensemble) and self.ensemble >= 1):
            raise SpaceError(
                f"GaussianProcess: ensemble must be an integer of at least 1, got {self.ensemble!r}"
            )

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
    ) -> "tuple[GP | Ensemble, Tag]":
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
        FitError
            When there is nothing to fit, or no factorisation succeeds.
        DataError
            For outcomes that a transform asked for by name cannot take.
        """
        check(X, y)
        task = _Task(self, space, X, y, variance, noise, _Notes.read(previous))
        z, outcome = task.outcome()
        posterior, found = task.fitted(z, outcome)
        notes: Tag = {
            "theta": found.hyperparameters.to_list(),
            "n": task.notes.n if task.is_kept else len(y),
            "gain": task.gain(found),
            "outcome": outcome.name,
            "warped": posterior.covariance.is_warped,
        }
        if (power := getattr(outcome.shape, "power", None)) is not None:
            notes["power"] = power
        if self.ensemble == 1:
            gp = posterior.process(found.hyperparameters, outcome)
            wanted = posterior.observation_noise(found.hyperparameters.noise)
            added = float((gp.noise - wanted).max(initial=0.0)) / found.hyperparameters.scale
            if added > 1e-12:
                notes["jitter"] = added
            return gp, notes
        draws = task.members(posterior, found.hyperparameters, (rng or Key(0)).child("ensemble"), notes)
        return Ensemble(tuple(posterior.process(one, outcome) for one in draws)), notes


@dataclass(frozen=True, slots=True)
class _Notes:
    """What an earlier fit left; theta is None where there was none."""

    theta: list[float] | None = None
    n: int = 0
    gain: float | None = None
    outcome: str | None = None
    is_warped: bool = False
    members: tuple[list[float], ...] = ()
    n_members: int = 0
    power: float | None = None

    @classmethod
    def read(cls, tag: Tag | None) -> "_Notes":
        """Read notes from a journal: whatever is malformed counts as absent."""
        if not tag or not isinstance(tag.get("theta"), list) or not is_whole(tag.get("n")):
            return cls()
        theta = [float(value) for value in tag["theta"]]
        form = tag.get("gain"), tag.get("outcome"), bool(tag.get("warped"))
        members = tuple(tag.get("members", ()))
        return cls(theta, int(tag["n"]), *form, members, tag.get("drawn_at", 0), tag.get("power"))


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
        notes: _Notes,
    ) -> None:
        self.config, self.space, self.X, self.y = config, space, X, y
        self.variance, self.noise, self.notes = variance, noise, notes
        self.n_new = max(len(y) - notes.n, 0)
        self.is_cold = notes.theta is None
        self.is_fresh = self.is_cold or is_due(len(y), max(self.n_new, 1))
        self.is_kept = not self.is_fresh and self._lags_little()

    def _lags_little(self) -> bool:
        """Whether what the last fit gained says that another one would gain next to nothing."""
        gain = self.notes.gain
        return (
            len(self.y) >= FEW
            and gain is not None
            and self.n_new <= MOST_SKIPPED * len(self.y)
            and self.n_new * gain < NEGLIGIBLE
        )

    def outcome(self) -> tuple[FloatArray, Outcome]:
        """Return outcomes in model units, and the map."""
        kind = self.notes.outcome if self.config.outcome == "auto" else self.config.outcome
        if not self.is_fresh and kind in KINDS:  # with the power of last time, so that the fit can go on
            return learn(self.y, str(kind), self.notes.power if kind == self.notes.outcome else None)
        if self.config.outcome != "auto":
            return learn(self.y, self.config.outcome)
        rows = np.linspace(0, len(self.y) - 1, min(len(self.y), CHOSEN_ON)).astype(np.int64)
        variance = None if self.variance is None else self.variance[rows]

        def score(z: FloatArray, outcome: Outcome) -> float:
            covariance = Covariance(self.space, self.config.kernel, self._warped)
            posterior = log_posterior(covariance, self.X[rows], z, outcome, variance, noise=self.noise)
            first = starts(posterior, self.notes.theta, n_new=0)
            return maximize(posterior, first).value

        _, chosen = choose(self.y[rows], score, self.notes.outcome)
        return learn(self.y, chosen.name)

    def fitted(self, z: FloatArray, outcome: Outcome) -> tuple[LogPosterior, Maximum]:
        """Return the log posterior and its maximum, or where the last fit left it."""
        posterior = self._posterior(z, outcome, self._warped)
        if self.is_kept:
            kept = Hyperparameters.from_list(self.notes.theta or [])
            return posterior, Maximum(kept, np.nan, 0.0, True)
        n_new = max(self.n_new, 1)
        found = maximize(posterior, starts(posterior, self.notes.theta, n_new), n_new)
        if self.config.warping == "auto" and self.is_fresh:
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

    def gain(self, found: Maximum) -> float | None:
        """Return what a fit gained per new observation; None where that says nothing of the next one."""
        if self.is_kept:
            return self.notes.gain
        gain = float(found.gain) / max(self.n_new, 1)
        is_known = not self.is_cold and (found.has_converged or gain < SMALL)
        return gain if is_known else None

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
        other = self._posterior(z, outcome, not is_warped)
        theta = found.hyperparameters.to_list()
        p = posterior.covariance.n_kernel
        start = [*theta[:p], *theta[-2:]] if is_warped else [*theta[:p], *[0.0] * (2 * n_plain), *theta[-2:]]
        rival = maximize(other, np.array([start]), self.n_new + 3)
        pays = max(WARPING_PAYS, n_plain)
        needed = -pays if is_warped else pays
        return (other, rival) if rival.value - found.value > needed else (posterior, found)

    def _posterior(self, z: FloatArray, outcome: Outcome, is_warped: bool) -> LogPosterior:
        covariance = Covariance(self.space, self.config.kernel, is_warped)
        return log_posterior(covariance, self.X, z, outcome, self.variance, noise=self.noise)
