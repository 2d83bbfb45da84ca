"""Consensus-based optimization (CBO): particles drift to a weighted mean and diffuse around it.

Pinnau, Totzeck, Tse & Martin, "A consensus-based model for global optimization and its mean-field
limit", M3AS 27 (2017); anisotropic noise: Carrillo, Jin, Li & Zhu, ESAIM: COCV 27 (2021).

One generation is one Euler-Maruyama step. With positions x_i and values f_i of N particles::

    w_i  = exp(-alpha (f_i - min f))              weights
    c    = sum w_i x_i / sum w_i                  consensus point
    x_i <- x_i - drift dt (x_i - c) + noise sqrt(dt) (x_i - c) * xi_i,   xi_i ~ N(0, I)

When the swarm has collapsed to a point it is laid out anew, one particle staying at the best point.

alpha is chosen at every step so that the effective sample size (sum w)^2 / sum w^2 is a given share
of N; the method then does not depend on the scale of f.
"""

from dataclasses import dataclass
from math import ceil, exp, log, sqrt

import numpy as np

from bbopt.data.history import History, Rows
from bbopt.data.trial import Status
from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.sobol import sobol
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.types import BoolArray, FloatArray, IntArray, Tag, is_finite, is_whole

_GRID = np.linspace(-16.0, 26.0, 43)
_FINE = np.linspace(-1.0, 1.0, 33)
"""Where log alpha, in units of f, is looked for."""
_NEVER = 2**62
_COLLAPSED = 1e-5
"""Standard deviation of all columns about the consensus, in the unit cube, below which a swarm has
nothing left to find."""


@dataclass(slots=True)
class Swarm:
    """The state: one generation of particles.

    Attributes
    ----------
    positions : array (N, d)
        Latent positions in the unit cube, not rounded to levels.
    values : array (N,)
        Minimised outcomes of the members told so far; inf for those that failed.
    told : array (N,) of bool
    best : array (d,) or None
        The best point of earlier generations: infeasible moves are pulled back towards it.
    best_value : float
    generation : int
    newest : int
        The largest trial number among the members and spare points told so far.
    after : int
        The largest trial number of earlier generations: members of this one have larger ones.
    n_spare : int
        Spare points told while all members of this generation were out.
    """

    positions: FloatArray
    values: FloatArray
    told: BoolArray
    best: FloatArray | None = None
    best_value: float = np.inf
    generation: int = 0
    newest: int = -1
    after: int = -1
    n_spare: int = 0


@dataclass(frozen=True, slots=True)
class ConsensusBasedOptimization:
    """Plain CBO with anisotropic noise in the unit cube, reflected at its faces.

    Parameters
    ----------
    n_particles : int or None
        N; None takes max(20, ceil(20 sqrt(d))).
    drift : float
        Pull towards the consensus, lambda > 0; drift * dt at most 1.
    noise : float
        Anisotropic diffusion, sigma >= 0; contracts on average where 2 drift > noise^2.
    dt : float
        Step in (0, 1].
    share : float
        Effective sample size as a share of N, in (0, 1].

    Raises
    ------
    SpaceError
        For a setting outside its range.
    """

    n_particles: int | None = None
    drift: float = 1.0
    noise: float = 1.3
    dt: float = 0.3
    share: float = 0.1

    def __post_init__(self) -> None:
        n = self.n_particles
        _check(
            n is None or (is_whole(n) and n >= 2),
            "n_particles",
            n,
            "an integer of at least 2, or None",
        )
        for name in ("drift", "noise", "dt", "share"):
            value = getattr(self, name)
            _check(is_finite(value), name, value, "a finite number")
        _check(self.drift > 0, "drift", self.drift, "a positive number")
        _check(self.noise >= 0, "noise", self.noise, "a number of at least 0")
        _check(
            0 < self.dt <= 1 and self.drift * self.dt <= 1, "dt", self.dt, "in (0, 1] with drift * dt <= 1"
        )
        _check(0 < self.share <= 1, "share", self.share, "in (0, 1]")

    @property
    def supports(self) -> Supports:
        """One objective."""
        return Supports(objectives=1)

    def batch_size(self, spec: Spec) -> int:
        """Return the number of particles."""
        return self.n_particles if self.n_particles is not None else max(20, ceil(20 * sqrt(spec.space.d)))

    def init(self, spec: Spec, rng: Key) -> Swarm:
        """Lay the first generation out on Sobol points."""
        n = self.batch_size(spec)
        return Swarm(sobol(0, n, spec.space.d, rng.child("swarm")), np.full(n, np.inf), np.zeros(n, bool))

    def ask(self, state: Swarm, history: History, request: Request, rng: Key) -> Proposals:
        """Hand out members of this generation; when all are out, spare points tagged ``fill``."""
        space = history.spec.space
        out = np.zeros(len(state.positions), bool)
        for number in range(state.after + 1, len(history)):
            tag = history.tag(number)
            if tag.get("generation") == state.generation:
                out[_member(tag)] = True
        members = np.flatnonzero(~out)[: request.n]
        tags: list[Tag] = [{"generation": state.generation, "member": int(k)} for k in members]
        X = _feasible(state.positions[members], state.best, space, request.fixed)
        lost = np.flatnonzero(np.isnan(X).any(axis=1))
        if len(lost):
            first, last = int(members[lost[0]]), int(members[lost[-1]])
            key = rng.child("lost", state.generation)
            fresh = space.sample(last - first + 1, key, start=first, fixed=request.fixed)
            X[lost] = fresh[members[lost] - first]
        n_fill = request.n - len(members)
        if n_fill:
            start = len(history) + len(members)
            X = np.vstack([X, space.sample(n_fill, rng.child("fill"), start=start, fixed=request.fixed)])
            tags.extend({"fill": state.generation} for _ in range(n_fill))
        return Proposals(X, tags)

    def tell(self, state: Swarm, trials: Rows, rng: Key) -> Swarm:
        """Record members; when a generation is complete, move it. Other trials are ignored.

        The first result of a member counts: a corrected or late one comes after the move. Members whose
        results never come hold their generation up only until as many spare points were told as it has
        members; then they count worst.
        """
        generation = np.array([tag.get("generation", -1) for tag in trials.tags], np.int64)
        fill = np.array([tag.get("fill", -1) for tag in trials.tags], np.int64)
        ok = (trials.status == Status.COMPLETE) & np.isfinite(trials.Y[:, 0]) & trials.inside
        start = 0
        while start < len(trials):
            rows = start + np.flatnonzero(generation[start:] == state.generation)
            spare = start + np.flatnonzero(fill[start:] == state.generation)
            mine = np.array([_member(trials.tags[k]) for k in rows.tolist()], np.int64)
            members, first = np.unique(mine, return_index=True)
            new = ~state.told[members]
            members, rows = members[new], rows[first[new]]
            end = self._end(state, rows, spare)
            members, rows, spare = members[rows < end], rows[rows < end], spare[spare < end]

            # Run elsewhere than planned: fixed values, pulled back, or told with `at=`.
            planned = trials.spec.space.project(state.positions[members])
            moved = trials.inside[rows] & np.any(planned != trials.X[rows], axis=1)
            state.positions[members[moved]] = trials.X[rows[moved]]
            state.values[members] = np.where(ok[rows], trials.Y[rows, 0], np.inf)
            state.told[members] = True
            state.n_spare += len(spare)
            state.newest = max(
                [state.newest, *trials.numbers[rows].tolist(), *trials.numbers[spare].tolist()]
            )
            if end < _NEVER:
                state = self._move(state, rng.child("generation", state.generation + 1))
            start = end
        return state

    def _end(self, state: Swarm, rows: IntArray, spare: IntArray) -> int:
        """Return the row after the one that completes the generation; _NEVER if none does."""
        n, ends = len(state.told), []
        if len(rows) and np.count_nonzero(state.told) + len(rows) == n:
            ends.append(int(rows.max()) + 1)
        if len(spare) >= n - state.n_spare:
            ends.append(int(spare[n - state.n_spare - 1]) + 1)
        return min(ends, default=_NEVER)

    def _move(self, state: Swarm, rng: Key) -> Swarm:
        """Return the next generation: one Euler-Maruyama step, or a new swarm after a collapse."""
        X, values = state.positions, state.values
        n, d = X.shape
        leader = int(np.argmin(values))
        best, best_value = state.best, state.best_value
        if values[leader] < best_value:
            best, best_value = X[leader].copy(), float(values[leader])
        away = X - _weights(values, self.share) @ X
        if np.einsum("nd,nd->d", away, away).max(initial=0.0) < n * _COLLAPSED**2:
            moved = sobol(0, n, d, rng.child("restart"))
            if best is not None:
                moved[0] = best
        else:
            xi = rng.generator().standard_normal((n, d))
            moved = _reflect(X - self.drift * self.dt * away + self.noise * sqrt(self.dt) * away * xi)
        return Swarm(
            positions=moved,
            values=np.full(n, np.inf),
            told=np.zeros(n, bool),
            best=best,
            best_value=best_value,
            generation=state.generation + 1,
            newest=state.newest,
            after=state.newest,
        )


def _member(tag: Tag) -> int:
    return int(tag["member"])


def _weights(values: FloatArray, share: float) -> FloatArray:
    """Return weights that sum to 1, with an effective sample size of share * N where possible."""
    ok = np.isfinite(values)
    if not ok.any():
        return np.full(len(values), 1.0 / len(values))
    excess = np.where(ok, values / 2 - values[ok].min() / 2, np.inf)  # halves: the spread fits a float
    ordered = np.sort(excess[ok])
    if ordered[-1] == 0:
        return ok / np.count_nonzero(ok)
    # In units of the excess at that share of the ranks: outliers, however far, do not blur the rest.
    unit = ordered[min(int(share * len(values)), len(ordered) - 1)] or ordered[ordered > 0][0]
    with np.errstate(over="ignore"):
        excess = np.minimum(excess / unit, 1e200)
    # The effective sample size falls with alpha: look at a grid, at a finer one between the two points
    # that it falls through, and go straight between two of those.
    wanted = log(share * len(values))
    place = _between(_GRID, excess, wanted)
    place = _between(place + _FINE, excess, wanted)
    w = np.exp(-exp(place) * excess)
    return np.asarray(w / w.sum())


def _between(grid: FloatArray, excess: FloatArray, wanted: float) -> float:
    """Return log alpha at which the logarithm of the effective sample size is as wanted, on a chord."""
    W = np.exp(-np.exp(grid)[:, None] * excess)
    sizes = np.log(W.sum(axis=1) ** 2 / np.einsum("gn,gn->g", W, W))
    k = min(max(int(np.count_nonzero(sizes > wanted)), 1), len(grid) - 1)
    drop = float(sizes[k - 1] - sizes[k])
    share = min(max(float(sizes[k - 1] - wanted) / drop, 0.0), 1.0) if drop > 0 else 0.5
    return float(grid[k - 1] + share * (grid[k] - grid[k - 1]))


def _reflect(X: FloatArray) -> FloatArray:
    """Fold positions back into the unit cube at its faces."""
    return 1.0 - np.abs(1.0 - np.mod(X, 2.0))


def _feasible(
    latent: FloatArray, anchor: FloatArray | None, space: Space, fixed: FloatArray | None
) -> FloatArray:
    """Return snapped feasible points, infeasible ones pulled to the anchor; nan rows where that fails."""
    step = np.ones(len(latent))
    home = latent if anchor is None else anchor
    for _ in range(20):
        X = space.project(home + step[:, None] * (latent - home))
        if fixed is not None:
            X = space.project(np.where(np.isnan(fixed), X, fixed))
        bad = ~space.feasible(X)
        if not bad.any() or anchor is None:
            break
        step[bad] /= 2
    X[bad] = np.nan
    return X


def _check(ok: bool, name: str, value: object, right: str) -> None:
    if not ok:
        raise SpaceError(f"ConsensusBasedOptimization: {name} must be {right}, got {value!r}")
