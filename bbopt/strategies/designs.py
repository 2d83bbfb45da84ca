"""Designs: points that do not look at results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd, prod

import numpy as np

from bbopt.data.history import History, Rows, keys
from bbopt.errors import SpaceError, SpaceExhausted
from bbopt.rng import Key
from bbopt.sobol import sobol
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.types import FloatArray, Tag, is_whole

INITIAL = 5, 20
"""The fewest and the most points of an initial design, unless told otherwise."""
_ANY = Supports(objectives=10**6)
_CHUNK = 4096
_PATIENCE = 2**16
_MAX_CELLS = 2**53


@lru_cache(maxsize=64)
def initial_size(space: Space) -> int:
    """Return how many points to lay out before a model takes over: 5 to 20.

    One more than a point has active columns on average. More than 20 teach a model of many columns little: it
    sees where it errs as soon as it is asked. In 60 to 1000 columns, one more than columns wasted the budget.
    """
    active = float(space.d)
    if space.is_conditional:
        points = space.from_unit(sobol(0, 256, space.d, Key(0)))
        active = float(space.active(points).sum(axis=1).mean())
    fewest, most = INITIAL
    return min(max(fewest, ceil(active) + 1), most)


class _Stateless:
    """What all designs share: they learn nothing."""

    @property
    def supports(self) -> Supports:
        """Any number of objectives."""
        return _ANY

    def init(self, spec: Spec, rng: Key) -> None:
        """Keep no state."""
        return None

    def tell(self, state: None, trials: Rows, rng: Key) -> None:
        """Learn nothing."""
        return None

    def batch_size(self, spec: Spec) -> int:
        """Return how many points to take at once when the caller does not care."""
        return 1024


@dataclass(frozen=True, slots=True)
class Random(_Stateless):
    """Independent uniform points; trial k is the same whether asked alone or in a block."""

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n uniform feasible points."""
        return Proposals(history.spec.space.sample(request.n, rng, start=len(history), fixed=request.fixed))


@dataclass(frozen=True, slots=True)
class Sobol(_Stateless):
    """The next points of one scrambled Sobol sequence (see :mod:`bbopt.sobol`).

    Infeasible points of the sequence are left out.
    """

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose the next n feasible points of the sequence."""
        space = history.spec.space
        return _next_of_sequence(
            lambda start, n: space.from_unit(sobol(start, n, space.d, rng.child("sobol"))),
            history,
            request,
            rng,
        )


@dataclass(frozen=True, slots=True)
class LatinHypercube(_Stateless):
    """Latin hypercubes of n points, one after another.

    Parameters
    ----------
    n : int or None
        Points of one hypercube; None takes max(5, 2 (d + 1)).

    Source: McKay, Beckman & Conover, Technometrics 21 (1979).
    """

    n: int | None = None

    def __post_init__(self) -> None:
        if self.n is not None and not (is_whole(self.n) and self.n >= 1):
            raise SpaceError(f"LatinHypercube: n must be an integer of at least 1 or None, got {self.n!r}")

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose the next n feasible points of the hypercubes."""
        space = history.spec.space
        size = self.n if self.n is not None else max(5, 2 * (space.d + 1))

        def points(start: int, n: int) -> FloatArray:
            first, last = start // size, (start + n - 1) // size
            U = np.vstack([_hypercube(size, space.d, rng.child("cube", k)) for k in range(first, last + 1)])
            return space.from_unit(U[start - first * size :][:n])

        return _next_of_sequence(points, history, request, rng)


@dataclass(frozen=True, slots=True)
class Grid(_Stateless):
    """Every combination of levels, once; then SpaceExhausted.

    The cells are visited in golden-section strides, so that a grid stopped early has seen all parts of
    the space.

    Parameters
    ----------
    levels : int or mapping of str to int
        How many levels a continuous parameter gets, for all or by name (others: 5). Discrete
        parameters are taken whole.
    """

    levels: int | Mapping[str, int] = 5

    def __post_init__(self) -> None:
        counts = list(self.levels.values()) if isinstance(self.levels, Mapping) else [self.levels]
        for count in counts:
            if not (is_whole(count) and count >= 1):
                raise SpaceError(f"Grid: levels must be integers of at least 1, got {count!r}")

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose the next n cells; raises SpaceExhausted at the end."""
        space = history.spec.space
        axes = self._axes(space)
        total = prod(len(axis) for axis in axes)
        if total >= _MAX_CELLS:
            raise SpaceError(
                f"Grid: {total} cells are too many to visit (at most 2^53); lower levels=, or use 'sobol'"
            )
        # Asks with fixed values go through the grid of their own slice, from its start.
        start = history.latest("cell").get("cell", -1) + 1 if request.fixed is None else 0
        X: list[FloatArray] = []
        tags: list[Tag] = []
        seen: set[bytes] = set()
        stride = _stride(total)
        while start < total and len(X) < request.n:
            stop = min(start + _CHUNK, total)
            visited = np.array([step * stride % total for step in range(start, stop)])
            cells = np.stack(np.unravel_index(visited, [len(a) for a in axes]), axis=1)
            points = np.stack([axis[cells[:, j]] for j, axis in enumerate(axes)], axis=1)
            if request.fixed is not None:
                points = np.where(np.isnan(request.fixed), points, request.fixed)
            points = space.project(points)
            new = [number is None for number in history.numbers_of(points)]
            names = keys(points)
            for cell in np.flatnonzero(space.feasible(points) & new):
                key = names[cell]
                if key not in seen and len(X) < request.n:
                    seen.add(key)
                    X.append(points[cell])
                    tags.append({"cell": start + int(cell)} if request.fixed is None else {})
            start = stop
        if len(X) < request.n:
            raise SpaceExhausted(
                f"the grid of {total} cells has {len(X)} new points left, {request.n} were asked for"
            )
        return Proposals(np.array(X), tags)

    def _axes(self, space: Space) -> list[FloatArray]:
        by_name = self.levels if isinstance(self.levels, Mapping) else {}
        unknown = [name for name in by_name if space.column(name) is None]
        if unknown:
            raise SpaceError(f"Grid: levels names {unknown[0]!r}, which is no parameter of this space")
        other = 5 if isinstance(self.levels, Mapping) else self.levels
        counts = {space.column(name): count for name, count in by_name.items()}
        axes = []
        for j in range(space.d):
            if space.n_levels[j]:
                axes.append(space.levels(j))
            else:
                count = counts.get(j, other)
                axes.append(np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5]))
        return axes


def _stride(total: int) -> int:
    """Return the number nearest above total / golden ratio that shares no factor with total."""
    stride = int(total / 1.618033988749895) + 1
    while gcd(stride, total) > 1:
        stride += 1
    return stride


def _hypercube(n: int, d: int, rng: Key) -> FloatArray:
    generator = rng.generator()
    strata = np.stack([generator.permutation(n) for _ in range(d)], axis=1) if d else np.empty((n, 0))
    return (strata + generator.random((n, d))) / n


def _next_of_sequence(
    points: Callable[[int, int], FloatArray], history: History, request: Request, rng: Key
) -> Proposals:
    """Return the next n feasible points of an endless sequence, each tagged with its index.

    The index of the newest own point is read back from the history, so the design needs no state
    and continues after a crash. Where the feasible part is too thin for the sequence, plain uniform
    feasible points take over for good, tagged ``thin``.
    """
    space = history.spec.space
    newest = history.latest("index", "thin")
    start = newest.get("index", -1) + 1
    end = start if "thin" in newest else start + _PATIENCE
    rows: list[FloatArray] = []
    tags: list[Tag] = []
    step = request.n
    while start < end and len(rows) < request.n:
        X = points(start, step)
        if request.fixed is not None:
            X = space.project(np.where(np.isnan(request.fixed), X, request.fixed))
        for k in np.flatnonzero(space.feasible(X))[: request.n - len(rows)]:
            rows.append(X[k])
            tags.append({"index": start + int(k)})
        start += step
        step = min(max(64, 2 * step), _CHUNK)
    missing = request.n - len(rows)
    if missing:
        spare = space.sample(missing, rng.child("thin"), start=len(history) + len(rows), fixed=request.fixed)
        rows.extend(spare)
        tags.extend({"thin": True} for _ in range(missing))
    return Proposals(np.array(rows).reshape(request.n, space.d), tags)
