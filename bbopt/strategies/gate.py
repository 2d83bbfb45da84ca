"""The gate between every strategy and the user: exactly n points, new ones, with the fixed values.

Laws 7 and 8 of ``docs/strategies.md`` are kept here, once, for all strategies.
"""

from collections.abc import Iterator

import numpy as np

from bbopt.data.history import History, keys
from bbopt.errors import SpaceExhausted, UnsupportedError
from bbopt.rng import Key
from bbopt.strategies.strategy import AnyStrategy, Proposals, Request
from bbopt.types import FloatArray, IntArray

_ENUMERABLE = 100_000
_REDRAWS = 16


def propose(strategy: AnyStrategy, state: object, history: History, request: Request, rng: Key) -> Proposals:
    """Ask a strategy and mend its answer where it repeats a point of a space without noise.

    With every objective declared ``noise=0``, a point already asked is replaced by one never asked,
    else SpaceExhausted is raised (exact for spaces up to 10^5 points, after a bounded search above).
    With unknown or positive noise the same is done while new points are to be had; after that a
    repeat goes out, with the first trial at that point in its tag as ``replicate_of``.

    Raises
    ------
    UnsupportedError
        When the strategy gives something else than n feasible points with a tag each.
    SpaceExhausted
        When fewer than ``request.n`` new points are left and none may be asked twice.
    """
    if history.spec.space.d == 0:  # constants alone: there is nothing to choose
        proposals = Proposals(np.empty((request.n, 0)))
    else:
        proposals = _checked(strategy, strategy.ask(state, history, request, rng), history, request)
    if strategy.supports.repeats:
        return proposals
    repeats = _repeats(history, proposals.X)
    if not len(repeats):
        return proposals
    X, tags = proposals.X.copy(), list(proposals.tags)
    taken = set(keys(np.delete(X, repeats, axis=0)))
    found = _unused(history, request, taken, len(repeats), rng.child("gate", len(history)))
    if len(found) < len(repeats) and history.spec.is_deterministic:
        left = request.n - len(repeats) + len(found)
        raise SpaceExhausted(_exhausted(history, left, request))
    X[repeats[: len(found)]] = found
    rows = keys(X)
    first = {key: len(history) + k for k, key in reversed(list(enumerate(rows)))}
    for k in repeats[len(found) :]:
        [number] = history.numbers_of(X[k : k + 1])
        tags[k] = {**tags[k], "replicate_of": first[rows[k]] if number is None else number}
    return Proposals(X, tags)


def _checked(strategy: AnyStrategy, proposals: Proposals, history: History, request: Request) -> Proposals:
    """Return the proposals; UnsupportedError where the strategy broke its word: nothing is journaled then."""
    X, space = proposals.X, history.spec.space
    if np.shape(X) != (request.n, space.d):
        wrong = f"points of shape {np.shape(X)} instead of {(request.n, space.d)}"
    elif len(proposals.tags) != request.n:
        wrong = f"{len(proposals.tags)} tags for {request.n} points"
    elif not (np.isfinite(X).all() and space.feasible(X).all()):
        wrong = "points that are not finite, or break the known constraints"
    else:
        return proposals
    raise UnsupportedError(
        f"{type(strategy).__name__}.ask returned {wrong}; see docs/strategies.md, laws 6 and 8"
    )


def _repeats(history: History, X: FloatArray) -> IntArray:
    """Return the rows of X that were asked before or stand earlier in X."""
    seen: set[bytes] = set()
    rows = []
    for k, (key, number) in enumerate(zip(keys(X), history.numbers_of(X), strict=True)):
        if number is not None or key in seen:
            rows.append(k)
        seen.add(key)
    return np.array(rows, np.int64)


def _unused(history: History, request: Request, taken: set[bytes], n: int, rng: Key) -> FloatArray:
    """Return up to n feasible points that were never asked and are not taken, (<= n, d)."""
    found: list[FloatArray] = []
    for X in _candidates(history, request, n, rng):
        for x, key, number in zip(X, keys(X), history.numbers_of(X), strict=True):
            if number is None and key not in taken:
                taken.add(key)
                found.append(x)
                if len(found) == n:
                    return np.array(found)
    return np.array(found).reshape(len(found), history.spec.space.d)


def _candidates(history: History, request: Request, n: int, rng: Key) -> Iterator[FloatArray]:
    space = history.spec.space
    small = space.size is not None and space.size <= _ENUMERABLE
    for attempt in range(2 if small else _REDRAWS):
        yield space.sample(max(n, 16 << min(attempt, 6)), rng.child("redraw", attempt), fixed=request.fixed)
    if small:
        X = space.enumerate()
        if request.fixed is not None:
            free = np.isnan(request.fixed)
            X = X[np.all(free | (request.fixed == X), axis=1)]
        yield X[rng.child("order").generator().permutation(len(X))]


def _exhausted(history: History, left: int, request: Request) -> str:
    size = history.spec.space.size
    what = "the space" if request.fixed is None else "the part of the space with these fixed values"
    points = "" if size is None or request.fixed is not None else f" of {size} points"
    if left:
        return (
            f"{what}{points} has {left} new points left, {request.n} were asked for: ask for at most {left}"
        )
    return (
        f"every point of {what}{points} was asked, and noise=0 says that asking one again tells nothing; "
        "if measurements vary, declare Objective(..., noise=None)"
    )
