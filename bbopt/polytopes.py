"""Polytopes as arrays, one a start: what is active, where descent may go, and sliding along what blocks.

    A x <= b,   lower <= x <= upper

A working set is a set of active constraints whose normals, the rows of N, are linearly independent. Only
what blocks a direction in its null space ever joins it, and that cannot depend on what it has.
"""

from dataclasses import dataclass

import numpy as np

from bbopt.types import BoolArray, FloatArray, IntArray

ROUNDING = 1e-13
"""A constraint is active when its slack is at most this share of the sizes of its terms; it is left out
where it cannot be broken by ten times as much."""
_BREAKS = 1e-10  # a share of the gradient: what breaks constraints by less does not
_PARALLEL = 1e-13  # directions that close a slack by no more than this a length do not meet it
_NOISE = 1e-15  # what projections leave of a direction in the range of N
_AT_ONCE = 1e-6  # bends in this first share of a path do not count


@dataclass(frozen=True, slots=True, eq=False)
class Polytopes:
    """r polytopes of M = m + 2d constraints: rows of A scaled to \\|a\\| = 1, upper bounds, lower bounds.

    Coordinates that cannot move are left out of the rows and taken into their limits.

    Attributes
    ----------
    rows : array (r, m, d)
        Zero where a row cannot be broken.
    limits : array (r, M)
        Right-hand sides; inf where a row cannot be broken.
    rounding : array (r, M)
        Slack up to which a constraint is active.
    diameter : array (r,)
        Of the box: no step is longer.
    """

    rows: FloatArray
    limits: FloatArray
    rounding: FloatArray
    diameter: FloatArray

    @classmethod
    def of(
        cls, X: FloatArray, lower: FloatArray, upper: FloatArray, A: FloatArray, b: FloatArray
    ) -> "Polytopes":
        """Return the polytopes of starts X (r, d), with bounds (r, d), A (m, d) and b (r, m)."""
        free, largest = upper > lower, np.maximum(np.abs(lower), np.abs(upper))
        size = np.abs(b) + largest @ np.abs(A).T
        matters = np.isfinite(b) & ((upper - lower) @ np.abs(A).T > 10 * ROUNDING * size)
        rows = np.where(matters[:, :, None] & free[:, None, :], A, 0.0)
        norm = np.where(matters, np.linalg.norm(rows, axis=2), 1.0)
        limits = np.where(matters, (b - np.where(free, 0.0, X) @ A.T) / norm, np.inf)
        rounding = np.where(matters, ROUNDING * size / norm, 0.0)
        return cls(
            rows / norm[:, :, None],
            np.concatenate([limits, upper, -lower], axis=1),
            np.concatenate([rounding, ROUNDING * largest, ROUNDING * largest], axis=1),
            np.linalg.norm(upper - lower, axis=1),
        )

    def __getitem__(self, starts: IntArray) -> "Polytopes":
        """Return those of some starts."""
        return Polytopes(self.rows[starts], self.limits[starts], self.rounding[starts], self.diameter[starts])

    def slack(self, X: FloatArray) -> FloatArray:
        """Return how far each constraint is from points X (r, d), shape (r, M)."""
        return self.limits - _rates(self.rows, X)

    def steepest(
        self, near: BoolArray, g: FloatArray, working: BoolArray, multipliers: FloatArray
    ) -> tuple[FloatArray, BoolArray, FloatArray]:
        """Return the steepest descents that active constraints leave.

        They are t = -(g + Nᵀ l) with the l >= 0 for which t is shortest, found by non-negative least squares
        (Lawson & Hanson 1974, chapter 23) from the last working set: what pulls leaves it, what t would
        break enters, until neither exists. Bounds alone need no search.

        Parameters
        ----------
        near : array (r, M)
            What is active.
        g : array (r, d)
            Gradients, zero in coordinates that cannot move.
        working, multipliers : array (r, M)
            A guess of working sets, and any l >= 0 for them.

        Returns
        -------
        t : array (r, d)
            Zero where, and only where, a point is stationary.
        working, multipliers : array (r, M)
            What t is normal to, and l.
        """
        m = self.rows.shape[1]
        push, oblique = _rates(self.rows, -g), np.asarray(near[:, :m].any(axis=1))
        working = np.asarray(near & np.where(oblique[:, None], working, push > 0))
        multipliers = np.where(working, np.where(oblique[:, None], multipliers, push), 0.0)
        t = np.where(_held(working, m), 0.0, -g)
        todo = np.flatnonzero(oblique)
        for _ in range(3 * near.shape[1]):
            if len(todo) == 0:
                break
            rows, inside, old = self.rows[todo], working[todo], multipliers[todo]
            null = NullSpace(rows, inside)
            found = null.multipliers(g[todo])
            pulls = inside & (found <= 0)
            share = np.full(inside.shape, np.inf)
            share[pulls] = old[pulls] / np.maximum(old[pulls] - found[pulls], 1e-300)
            part = np.minimum(share.min(axis=1), 1.0)[:, None]
            leaves = pulls & (share <= part)
            multipliers[todo] = np.where(leaves, 0.0, np.maximum(old + part * (found - old), 0.0))
            working[todo] = inside & ~leaves

            t[todo] = null.project(-g[todo])
            breaks = np.where(near[todo] & ~inside, _rates(rows, t[todo]), 0.0)
            worst, is_whole = breaks.argmax(axis=1), ~leaves.any(axis=1)
            enters = is_whole & (breaks.max(axis=1) > _BREAKS * np.linalg.norm(g[todo], axis=1))
            working[todo[enters], worst[enters]] = True
            todo = todo[enters | ~is_whole]
        return t, working, multipliers

    def slide(
        self, slack: FloatArray, directions: FloatArray, null: "NullSpace"
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Follow directions (r, d) along working sets: what blocks the way joins, the rest goes along it.

        Parameters
        ----------
        slack : array (r, M)
        directions : array (r, d)
            Only their parts in the null space count.
        null : NullSpace
            Of the working sets.

        Returns
        -------
        move : array (r, d)
            From the start to the end of the path.
        straight : array (r, d)
            From the start to the first bend, or to the end.
        working : array (r, M)
            Working sets at the end.
        """
        move, straight, working, slack = *np.zeros((2, *directions.shape)), null.working.copy(), slack.copy()
        directions = null.project(directions)
        length = np.linalg.norm(directions, axis=1)
        longest = np.minimum(length, self.diameter)
        directions = null.project(directions * (longest / np.maximum(length, 1e-300))[:, None])
        todo, left = np.arange(len(directions)), np.ones(len(directions))
        for _ in range(directions.shape[1] + 1):
            p = directions[todo]
            rate = _rates(self.rows[todo], p)
            least = np.maximum(_PARALLEL * np.linalg.norm(p, axis=1), _NOISE * longest[todo])
            closes = (rate > least[:, None]) & ~working[todo]
            share = np.full(rate.shape, np.inf)
            share[closes] = np.maximum(slack[todo][closes], 0.0) / rate[closes]
            first, step = share.argmin(axis=1), np.minimum(share.min(axis=1), left[todo])
            slack[todo] -= step[:, None] * rate
            move[todo] += step[:, None] * p
            is_first = left[todo] > 1 - _AT_ONCE
            straight[todo] = np.where(is_first[:, None], move[todo], straight[todo])
            is_blocked = step < left[todo]
            left[todo] -= step
            todo, first = todo[is_blocked], first[is_blocked]
            if len(todo) == 0:
                break
            working[todo, first] = True
            directions[todo] = NullSpace(self.rows[todo], working[todo]).project(directions[todo])
        return move, straight, working


class NullSpace:
    """The directions along working sets: zero where a bound holds a coordinate, normal to the rows.

    Parameters
    ----------
    rows : array (r, m, d)
    working : array (r, M)

    Attributes
    ----------
    is_free : array (r, d)
        Which coordinates no bound holds.
    Q : array (r, d, k)
        Orthonormal bases of the working rows in the free coordinates; zeros where there are fewer than k.
    """

    def __init__(self, rows: FloatArray, working: BoolArray) -> None:
        m = rows.shape[1]
        self.rows, self.working = rows, working
        self.is_free = ~_held(working, m)
        self.k = int(working[:, :m].sum(axis=1).max(initial=0))
        if self.k:
            members = np.argsort(~working[:, :m], axis=1, kind="stable")[:, : self.k]
            self.members = np.arange(len(rows))[:, None], members
            self.is_member = working[self.members][:, None, :]
            mask = self.is_free[:, :, None] & self.is_member
            self.Q, self.R = np.linalg.qr(_flip(rows[self.members]) * mask)
            self.Q *= mask  # of rows that are almost parallel, rounding would leave parts elsewhere

    def project(self, V: FloatArray) -> FloatArray:
        """Return the parts of vectors V (r, d), or (r, p, d), that lie in the null spaces."""
        V = np.where(self.is_free if V.ndim == 2 else self.is_free[:, None, :], V, 0.0)
        if not self.k:
            return V
        if V.ndim == 2:
            return V - _times(self.Q, _times(_flip(self.Q), V))
        return np.asarray(V - (V @ self.Q) @ _flip(self.Q))

    def multipliers(self, g: FloatArray) -> FloatArray:
        """Return l (r, M), zero outside the working sets, for which g + Nᵀ l is shortest."""
        m = self.rows.shape[1]
        found = np.zeros(self.working.shape)
        if self.k:
            R = np.where(self.is_member, self.R, np.eye(self.k))
            solved = np.linalg.solve(R, -_times(_flip(self.Q), g)[..., None])[..., 0]
            found[self.members] = np.where(self.is_member[:, 0], solved, 0.0)
            g = g + _times(_flip(self.rows), found[:, :m])
        found[:, m:] = np.where(self.working[:, m:], np.concatenate([-g, g], axis=1), 0.0)
        return found


def _held(working: BoolArray, m: int) -> BoolArray:
    """Return which coordinates are held by bounds, (r, d)."""
    d = (working.shape[1] - m) // 2
    return working[:, m : m + d] | working[:, m + d :]


def _rates(rows: FloatArray, V: FloatArray) -> FloatArray:
    """Return how fast vectors V (r, d) approach each constraint, (r, M)."""
    return np.concatenate([_times(rows, V), V, -V], axis=1)


def _times(M: FloatArray, v: FloatArray) -> FloatArray:
    return np.asarray((M @ v[..., None])[..., 0])


def _flip(M: FloatArray) -> FloatArray:
    return np.swapaxes(M, -1, -2)
