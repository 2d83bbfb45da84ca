"""One suggestion for each of many optimisation loops: together on a device, or one after the other here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.batched.dispatch import bucket, choose_device, form, is_box
from bbopt.errors import DataError, MissingExtra, UnsupportedError
from bbopt.maximizers.multistart import RAW, maximize
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.surrogates import fit
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.surrogates.outcomes import learn
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, is_whole

N_INCUMBENTS = 5


@dataclass(frozen=True, slots=True)
class Loop:
    """What is known in one optimisation loop.

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
        Standard deviation where the variance is not known: None learns it, 0 says exact.
    theta : list of float, optional
        ``Suggestion.theta`` of an earlier ask, for the fit to start from.
    n_fitted : int, optional
        On how many observations that one was made; default: one less than now.

    Raises
    ------
    DataError
        When the shapes do not go together.
    """

    space: Space
    X: FloatArray
    y: FloatArray
    variance: FloatArray | None = None
    noise: float | None = None
    theta: list[float] | None = None
    n_fitted: int | None = None

    def __post_init__(self) -> None:
        n, d = len(self.y), self.space.d
        for name, shape in (("X", (n, d)), ("y", (n,)), ("variance", (n,)), ("theta", (d + 2,))):
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise DataError(f"Loop: {name} must have shape {shape}, got {np.shape(value)}")

    @property
    def n_new(self) -> int:
        """How many observations an earlier fit has not seen."""
        return 1 if self.n_fitted is None else max(len(self.y) - self.n_fitted, 1)

    def log_posterior(self) -> LogPosterior:
        """Return what is known of hyper-parameters; raises FitError where there is nothing to fit."""
        fit.check(self.X, self.y)
        z, outcome = learn(self.y)
        return fit.log_posterior(Covariance(self.space), self.X, z, outcome, self.variance, noise=self.noise)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What one loop should try next.

    Attributes
    ----------
    x : array (d,)
        Encoded.
    acquisition : float
        Its log expected improvement, in model units.
    theta : list of float
        Logarithms of the fitted hyper-parameters, for the next ask.
    log_posterior : float
        Their log posterior density.
    """

    x: FloatArray
    acquisition: float
    theta: list[float]
    log_posterior: float


def suggest_many(
    loops: Sequence[Loop],
    device: str | None = None,
    rng: Key | None = None,
    *,
    draws: int = 0,
    raw: int = RAW,
) -> list[Suggestion]:
    """Fit a process to every loop and return the point where it promises most, one for each.

    Loops are independent: each gets what it would get alone. Those whose sizes fall into one bucket (64,
    128, 256, ... points), with equally many columns, are worked on together on a device.

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

    Raises
    ------
    DataError
        For a device that is none, or numbers below these.
    FitError
        When there is nothing to fit, or no factorisation succeeds.
    MissingExtra
        When a device is asked for and torch is not installed.
    UnsupportedError
        When a GPU is asked for and there is none.
    """
    if not is_whole(draws) or draws < 0:
        raise DataError(f"suggest_many: draws must be an integer of at least 0, got {draws!r}")
    if not is_whole(raw) or raw < 1:
        raise DataError(f"suggest_many: raw must be an integer of at least 1, got {raw!r}")
    device = _checked(device)
    posteriors = [loop.log_posterior() for loop in loops]
    rngs = [(rng or Key(0)).child(i) for i in range(len(loops))]
    groups = defaultdict(list)
    for i, (loop, posterior) in enumerate(zip(loops, posteriors, strict=True)):
        group = (bucket(posterior.n), *form(posterior)) if device and is_box(loop.space) else None
        groups[group].append(i)
    found: dict[int, Suggestion] = {}
    for group, members in groups.items():
        where = None if group is None else device
        if where == "auto":
            n, d = max(posteriors[i].n for i in members), loops[members[0]].space.d
            where = choose_device(n, d, len(members), raw)
        if where is None:
            with single_threaded():
                found |= {i: _alone(loops[i], posteriors[i], rngs[i], draws, raw) for i in members}
        else:
            chosen = [(loops[i], posteriors[i], rngs[i]) for i in members]
            found |= dict(zip(members, _together(chosen, where, draws, raw), strict=True))
    return [found[i] for i in range(len(loops))]


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


def _alone(loop: Loop, posterior: LogPosterior, rng: Key, draws: int, raw: int) -> Suggestion:
    """The CPU path: NumPy and LAPACK."""
    found = fit.maximize(posterior, fit.starts(posterior, loop.theta, loop.n_new), loop.n_new)
    gp = posterior.process(found.hyperparameters)
    near = gp.X[np.argsort(gp.fitted[:, 0], kind="stable")[:N_INCUMBENTS]]
    model = gp.draws(draws, rng.child("draws").generator()) if draws else gp
    acquisition = LogExpectedImprovement(model, model.incumbent)
    x = maximize(acquisition, loop.space, 1, near, None, rng, exclude=loop.X, raw=raw)
    return Suggestion(x[0], float(acquisition.value(x)[0]), gp.theta, found.value)


def _together(
    loops: Sequence[tuple[Loop, LogPosterior, Key]], device: str, draws: int, raw: int
) -> list[Suggestion]:
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
    """As on the CPU, but of a large data set cold starts are tried on all of it: here that is cheap."""
    if posterior.n <= fit.LARGE:
        return fit.starts(posterior, loop.theta, loop.n_new)
    cold = np.column_stack([posterior.covariance.hyperprior.starts, fit.COLD_STARTS])
    return cold if loop.theta is None else np.array([loop.theta])
