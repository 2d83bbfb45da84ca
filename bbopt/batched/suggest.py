"""One suggestion for each of many optimisation loops: together on a device, or one after the other here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TypeAlias

import numpy as np

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.batched.dispatch import bucket, choose_device, form, is_box
from bbopt.data.history import keys
from bbopt.errors import DataError, FitError, MissingExtra, UnsupportedError
from bbopt.maximizers.multistart import RAW, maximize
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates import cold, fit
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.surrogates.outcomes import KINDS, learn
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, is_whole

N_INCUMBENTS = 5


@dataclass(frozen=True, slots=True)
class Loop:
    """What is known in one optimisation loop.

    Parameters
    ----------
    space : Space
    X : array (n, d), or what makes one
        Encoded, snapped points.
    y : array (n,)
        Finite outcomes, minimised.
    variance : array (n,), optional
        Known noise variances, in the outcome's units squared; nan where unknown.
    noise : float or None
        Standard deviation where the variance is not known: None learns it, 0 says exact.
    theta : list of float, optional
        ``Suggestion.theta`` of an earlier ask, for the fit to start from.
    n_fitted : int, optional
        On how many observations that one was made; default: one less than now.

    Raises
    ------
    DataError
        For what are no finite numbers, and when the shapes do not go together.
    """

    space: Space
    X: FloatArray
    y: FloatArray
    variance: FloatArray | None = None
    noise: float | None = None
    theta: list[float] | None = None
    n_fitted: int | None = None

    def __post_init__(self) -> None:
        for name in ("X", "y", "variance", "theta"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _numbers(name, value))
        n, d = len(self.y) if np.ndim(self.y) else 0, self.space.d
        for name, shape in (("y", (n,)), ("X", (n, d)), ("variance", (n,)), ("theta", (d + 2,))):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise DataError(f"Loop: {name} must have shape {shape}, got {value.shape}")
        if self.theta is not None:
            object.__setattr__(self, "theta", np.asarray(self.theta).tolist())

    @property
    def n_new(self) -> int:
        """How many observations an earlier fit has not seen."""
        return 1 if self.n_fitted is None else max(len(self.y) - self.n_fitted, 1)

    def log_posterior(self, outcome: str = "tail") -> LogPosterior:
        """Return what is known of hyper-parameters; raises FitError where there is nothing to fit."""
        fit.check(self.X, self.y)
        z, learnt = learn(self.y, outcome)
        return fit.log_posterior(Covariance(self.space), self.X, z, learnt, self.variance, noise=self.noise)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What one loop should try next.

    Attributes
    ----------
    x : array (d,)
        Encoded.
    acquisition : float
        Its log expected improvement, in model units.
    theta : list of float or None
        Logarithms of the fitted hyper-parameters, for the next ask.
    log_posterior : float
        Their log posterior density.

    Of a loop that no process could be fitted to, x is drawn at random, theta is None, and the others are
    nan.
    """

    x: FloatArray
    acquisition: float
    theta: list[float] | None
    log_posterior: float


_Job: TypeAlias = tuple[Loop, LogPosterior, Key]


def suggest_many(
    loops: Sequence[Loop],
    device: str | None = None,
    rng: Key | None = None,
    *,
    draws: int = 0,
    raw: int = RAW,
    outcome: str = "tail",
) -> list[Suggestion]:
    """Fit a process to every loop and return the point where it promises most, one for each.

    Loops are independent: each gets what it would get alone. Those whose sizes fall into one bucket (64,
    128, 256, ... points), with equally many columns, are worked on together on a device. A loop without
    results, or to which no process can be fitted, gets a random point of its space and disturbs no other.

    ``Study.ask`` does more. It chooses a transform of outcomes, whether to warp columns, and the
    acquisition by the noise it learns; it begins with a design, knows of failures and of what is pending,
    and looks whether a fit is due. Here the model is always Matérn-5/2 without warping, fitted at every call,
    the transform and the acquisition are what the arguments say, and what is pending is not known.

    Parameters
    ----------
    loops : sequence of Loop
    device : str or None
        None: one after the other on the CPU, without torch. A torch device such as "cuda", or "cpu" to try
        it out: together on that. "auto": where :func:`bbopt.batched.dispatch.choose_device` expects to be
        faster. Loops whose space is more than a box of continuous columns take the CPU path in any case.
    rng : Key, optional
        Loop i draws from its child i; default: ``Key(0)``.
    draws : int
        0: log expected improvement on the lowest posterior mean. More: averaged over so many joint
        posterior draws (LogNEI), for loops with much noise; 32 are enough.
    raw : int
        How many points of each space are scored before the best are refined, at least 1.
    outcome : str
        The transform of outcomes, a kind of :func:`bbopt.surrogates.outcomes.learn`. A study's choice
        begins with "power-tail", whose power takes milliseconds a loop to learn on the host.

    Raises
    ------
    DataError
        For a device or a transform that is none, numbers below these, and outcomes that a transform
        cannot take.
    MissingExtra
        When a device is asked for and torch is not installed.
    UnsupportedError
        When a GPU is asked for and there is none.
    """
    if not is_whole(draws) or draws < 0:
        raise DataError(f"suggest_many: draws must be an integer of at least 0, got {draws!r}")
    if not is_whole(raw) or raw < 1:
        raise DataError(f"suggest_many: raw must be an integer of at least 1, got {raw!r}")
    if outcome not in KINDS:
        raise DataError(f"suggest_many: outcome must be one of {', '.join(KINDS)}, got {outcome!r}")
    device = _checked(device)
    found: dict[int, Suggestion] = {}
    jobs: dict[int, _Job] = {}
    groups = defaultdict(list)
    for i, loop in enumerate(loops):
        key = (rng or Key(0)).child(i)
        try:
            posterior = loop.log_posterior(outcome)
        except FitError:
            found[i] = _at_random(loop, key)
            continue
        except DataError as error:
            raise DataError(f"suggest_many: loop {i}: {error}") from error
        jobs[i] = loop, posterior, key
        groups[(bucket(posterior.n), *form(posterior)) if device and is_box(loop.space) else None].append(i)
    for group, members in groups.items():
        where = None if group is None else device
        if where == "auto":
            n, d = max(jobs[i][1].n for i in members), loops[members[0]].space.d
            where = choose_device(n, d, len(members), raw)
        found |= dict(zip(members, _suggest([jobs[i] for i in members], where, draws, raw), strict=True))
    return [found[i] for i in range(len(loops))]


def _numbers(name: str, value: object) -> FloatArray:
    """Return what a loop was given as an array; raises DataError."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Loop: {name} must be numbers: {error}") from error
    if name != "variance" and not np.isfinite(array).all():
        raise DataError(f"Loop: {name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array


def _checked(device: str | None) -> str | None:
    """Return a device that is there, "auto" if there is anything to choose, or None for the CPU path."""
    if device is None:
        return None
    try:
        import torch
    except ImportError:
        raise MissingExtra("suggest_many on a device", "torch", "torch") from None
    has_gpu = torch.cuda.is_available()
    if device == "auto":
        return device if has_gpu else None
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError):
        kind = ""
    if kind not in ("cpu", "cuda"):
        raise DataError(
            f"suggest_many: device must be None, 'auto', or a torch device with float64 such as 'cuda' or "
            f"'cpu', got {device!r}"
        )
    if kind == "cuda" and not has_gpu:
        raise UnsupportedError(
            f"suggest_many: device={device!r}, but torch finds no GPU here; None takes the CPU path"
        )
    return device


def _suggest(jobs: Sequence[_Job], device: str | None, draws: int, raw: int) -> list[Suggestion]:
    """Return a suggestion for each of some loops of one form."""
    if device is not None:
        try:
            return _together(jobs, device, draws, raw)
        except FitError:  # of one of them: the others go on without it
            pass
    with single_threaded():
        return [_alone(*job, draws, raw) for job in jobs]


def _at_random(loop: Loop, rng: Key) -> Suggestion:
    """Return a point that was not asked before, if there is one among a few."""
    drawn, seen = loop.space.sample(RAW, rng.child("random")), set(keys(loop.X))
    fresh = [x for x, name in zip(drawn, keys(drawn), strict=True) if name not in seen]
    return Suggestion(fresh[0] if fresh else drawn[0], nan, None, nan)


def _alone(loop: Loop, posterior: LogPosterior, rng: Key, draws: int, raw: int) -> Suggestion:
    """The CPU path: NumPy and LAPACK; a random point where no factorisation succeeds."""
    try:
        return _fitted(loop, posterior, rng, draws, raw)
    except FitError:
        return _at_random(loop, rng)


def _fitted(loop: Loop, posterior: LogPosterior, rng: Key, draws: int, raw: int) -> Suggestion:
    found = fit.maximize(posterior, fit.starts(posterior, loop.theta, loop.n_new), loop.n_new)
    gp = posterior.process(found.hyperparameters)
    near = gp.X[np.argsort(gp.fitted[:, 0], kind="stable")[:N_INCUMBENTS]]
    model = gp.draws(draws, rng.child("draws").generator()) if draws else gp
    acquisition = LogExpectedImprovement(model, model.incumbent)
    x = maximize(acquisition, loop.space, 1, near, None, rng, exclude=loop.X, raw=raw)
    return Suggestion(x[0], float(acquisition.value(x)[0]), gp.theta, found.value)


def _together(loops: Sequence[_Job], device: str, draws: int, raw: int) -> list[Suggestion]:
    """The same in batches on a device."""
    import torch

    from bbopt.batched.gp import BatchedGP, BatchedLogEI
    from bbopt.batched.likelihood import BatchedLogPosterior
    from bbopt.batched.multistart import maximize

    posteriors = [posterior for _, posterior, _ in loops]
    data = BatchedLogPosterior.of(posteriors, device)
    starts = [_starts(loop, posterior) for loop, posterior, _ in loops]
    theta, value = data.maximize(starts, [loop.n_new for loop, _, _ in loops])
    gp = BatchedGP.build(data, theta)
    order = np.argsort(gp.fitted[..., 0].cpu().numpy(), axis=1, kind="stable")[:, :N_INCUMBENTS]
    near = [p.observed.X[rows[: p.n]] for p, rows in zip(posteriors, order, strict=True)]
    if draws:
        normals = np.zeros((2, *gp.real.shape, draws))
        for i, (_, posterior, rng) in enumerate(loops):
            shape = 2, posterior.n, draws
            normals[:, i, : posterior.n] = rng.child("draws").generator().standard_normal(shape)
        gp = gp.draws(*torch.as_tensor(normals, device=device))
    logs = theta.cpu().numpy()
    X, acquisition = maximize(
        BatchedLogEI(gp, gp.incumbent),
        [loop.space for loop, _, _ in loops],
        np.minimum(np.exp(logs[:, :-2]), 1.0),
        near,
        [loop.X for loop, _, _ in loops],
        [rng for _, _, rng in loops],
        raw=raw,
    )
    rows = zip(X, acquisition.tolist(), logs.tolist(), value.tolist(), strict=True)
    return [Suggestion(*row) for row in rows]


def _starts(loop: Loop, posterior: LogPosterior) -> FloatArray:
    """As on the CPU, but all cold starts are tried at once, and of a large data set on all of it."""
    prior = posterior.covariance.hyperprior
    if posterior.n <= fit.LARGE:
        found = fit.starts(posterior, loop.theta, loop.n_new)
    elif loop.theta is None:
        found = cold.first_starts(prior)
    else:
        found = np.array([loop.theta])
    return cold.every_start(prior, found) if len(found) > 2 else found
