"""Local search: a process fitted around a centre proposes what is most promising in a box about it.

What trust regions (:mod:`bbopt.strategies.trust_region`) and nested embeddings
(:mod:`bbopt.strategies.baxus`) have in common. The latter search in coordinates of their own: everything
here goes through a :class:`~bbopt.strategies.view.View`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition, Sum
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.data.history import Dataset, History, keys
from bbopt.errors import FitError
from bbopt.maximizers.box import LONGEST, SHORTEST, Box, climb_within
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.strategies import criteria
from bbopt.strategies.feasible import drawn_back, more_feasible, settled
from bbopt.strategies.modelling import incumbent, is_noisy, learn_failures
from bbopt.strategies.region import Region
from bbopt.strategies.remarks import risk
from bbopt.strategies.view import View
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.gp import GP
from bbopt.surrogates.paths import Paths
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import BoolArray, FloatArray, IntArray, Tag

Choice = Literal["thompson", "logei"]

SCORED = 256
"""Candidates in each of the boxes below whose expected improvement is looked at."""
SHRUNK = (1.0, 0.25, 0.06)
"""The region's box, and it shrunk by these factors: the best basin is often next to the centre."""
MOST_FAILED, MOST_PENDING = 200, 100
"""So many failed and pending runs are looked at, those nearest the centre."""


@dataclass(frozen=True)
class Place:
    """A process around a centre, and the candidates in a box about it.

    Attributes
    ----------
    view : View
    box : Box
    model : GP
    is_noisy : bool
        Whether the lowest outcome may be a lucky one.
    failures : LogFeasibility or None
    X : array (n, d)
        Candidates: snapped, feasible, never asked.
    lack : str
        Why X is empty, where it is.
    notes : dict
        What the next fit may start from, as plain data.
    """

    view: View
    box: Box
    model: GP
    is_noisy: bool
    failures: LogFeasibility | None
    X: FloatArray
    lack: str
    notes: Tag

    @cached_property
    def keys(self) -> list[bytes]:
        """The keys of the candidates, by which each point of a batch is told from those before."""
        return keys(self.X)

    @property
    def trouble(self) -> str:
        """Why nothing was proposed."""
        if len(self.X) and self.failures is not None:
            return "every point found in the region was asked before, or drawn as one whose run fails"
        return self.lack

    def paths(self, n: int, rng: Key) -> FloatArray:
        """Return n sample paths at the candidates, (len(X), n), in the outcome's units; inf where runs fail.

        Whether a run would fail is drawn, too, once for all paths.
        """
        Y = self.view.down(self.X)
        values = self.model.outcome.inverse(Paths.draw(self.model, n, rng.child("paths")).values(Y))
        if self.failures is not None:
            fails = rng.child("failures").generator().random(len(Y)) > np.exp(self.failures.value(Y))
            values = np.where(fails[:, None], np.inf, values)
        return values

    def most_promising(
        self, model: Surrogate, taken: set[bytes], history: History, fixed: FloatArray | None
    ) -> tuple[FloatArray | None, Tag]:
        """Return the point (d,) with the largest log expected improvement found in the box, and a tag.

        Parameters
        ----------
        model : Surrogate
            The process, with what is pending.
        taken : set of bytes
            The keys of points already chosen, see :func:`bbopt.data.history.keys`.
        history : History
        fixed : array (d,) or None
        """
        space, held = self.view.space, self.view.fixed(fixed)
        best = incumbent(model, np.flatnonzero(~self.box.contains(model.X)), space, held)
        promise = LogExpectedImprovement(model, best)
        goal: Acquisition = promise if self.failures is None else Sum((promise, self.failures))
        Y = self.view.down(self.X)
        values = goal.value(Y)
        climbed = climb_within(goal, space, self.box, Y, values, held)
        whole = history.spec.space
        if whole.constraints and len(climbed):  # the climb may have left them
            start = Y[[int(np.argmin(((Y - y) ** 2).sum(axis=1))) for y in climbed]]
            climbed = drawn_back(self.view, whole, start, climbed, fixed)
        climbed = askable(self.view.up(climbed, fixed), history)
        X = np.concatenate([climbed, self.X])
        values = np.concatenate([goal.value(self.view.down(climbed)), values])
        if taken:
            values[_are_in([*keys(climbed), *self.keys], taken)] = -np.inf
        i = int(np.argmax(values)) if len(values) else -1
        if i < 0 or not values[i] > -np.inf:
            return None, {}
        doubt = criteria.doubt(promise, self.view.down(X[i : i + 1]))
        return X[i], {**doubt, "acquisition": float(values[i])}

    def with_pending(self, history: History, rng: Key) -> Surrogate:
        """Return the process as if what is pending had been told at its means, drawn jointly under noise.

        Then expected improvement is averaged over what noise hides of the incumbent, as in LogNEI.
        """
        X = history.X[history.pending()]
        Y = self.view.down(X[self.view.holds(X)])
        rows = nearest(self.view.space, Y, self.box.centre, self.model.scale, MOST_PENDING)
        return criteria.with_pending("lognei" if self.is_noisy else "logei", self.model, Y[rows], rng)


@dataclass(frozen=True, slots=True)
class LocalSearch:
    """How the next points around a centre are found.

    Parameters
    ----------
    surrogate : GaussianProcess
    acquisition : {"thompson", "logei"}
    n_local : int
        The process is fitted to so many results, those nearest the centre in length-scales.
    """

    surrogate: GaussianProcess
    acquisition: Choice
    n_local: int

    def place(
        self,
        view: View,
        region: Region,
        data: Dataset,
        history: History,
        fixed: FloatArray | None,
        previous: Tag,
        rng: Key,
    ) -> Place:
        """Return the process around a region's centre, and candidates in its box.

        ``previous`` are the notes of the last fit in this view. FitError when no process can be fitted.
        """
        if region.centre is None:
            raise FitError("a region without a result has no centre")
        space, whole = view.space, history.spec.space
        lengths = self._lengths(previous, space)
        scale = np.clip(lengths, SHORTEST, LONGEST)
        y = settled(view, whole, view.down(region.centre[None])[0], scale, fixed, rng)
        rows = np.flatnonzero(view.holds(data.X))
        Y = view.down(data.X[rows])
        near = nearest(space, Y, y, lengths, self.n_local)
        rows, Y = rows[near], Y[near]
        noise = history.spec.objectives[0].noise
        exact = replace(self.surrogate, exact=max(self.surrogate.exact, self.n_local))
        model, notes = exact.fit(
            space,
            Y,
            data.Y[rows, 0],
            data.Yvar[rows, 0],
            noise=noise,
            previous=previous,
            rng=rng.child("fit"),
        )
        if not isinstance(model, GP):
            raise FitError(f"a local search needs one Gaussian process, got {type(model).__name__}")
        box = Box.around(space, y, region.length, self._lengths(notes, space))
        noisy = is_noisy(model, data, noise)
        if noisy:  # the centre is where the process expects most
            y = settled(view, whole, _lowest_mean(model, box), scale, fixed, rng)
            box = Box.around(space, y, region.length, self._lengths(notes, space))
        failed = view.down(data.X_failed[view.holds(data.X_failed)])
        failed = failed[nearest(space, failed, y, lengths, MOST_FAILED)]
        failures, learnt = learn_failures(space, Y, failed, previous.get("failure_theta"))
        X = view.up(self._candidates(view, whole, box, fixed, rng.child("candidates")), fixed)
        X = X[whole.feasible(X)]
        lack = "every point found in the region was asked before"
        if not len(X):
            lack = "no point found in the region meets the known constraints"
        return Place(view, box, model, noisy, failures, askable(X, history), lack, {**notes, **learnt})

    def propose(
        self, places: dict[int, Place], n: int, history: History, fixed: FloatArray | None, rng: Key
    ) -> list[tuple[int, FloatArray, Tag]]:
        """Return up to n proposals: the number of the place, the point (d,), and a tag.

        Where there are several places, joint samples decide whose turn it is: that of the lowest value at
        any of their candidates, on the scale of the outcome (Eriksson et al. 2019, section 3.1).
        """
        drawn: dict[int, FloatArray] = {}
        if self.acquisition == "thompson" or len(places) > 1:
            drawn = {r: place.paths(n, rng.child("place", r)) for r, place in places.items()}
        models: dict[int, Surrogate] = {}  # with what is pending; paths are drawn without it
        if self.acquisition == "logei":
            models = {r: place.with_pending(history, rng.child("pending", r)) for r, place in places.items()}
        found: list[tuple[int, FloatArray, Tag]] = []
        taken = set[bytes]()
        for k in range(n):
            lowest = {r: _lowest(values[:, k], places[r], taken) for r, values in drawn.items()}
            x: FloatArray | None = None
            for r in sorted(places, key=lambda r: lowest[r][0]) if drawn else places:
                place, tag = places[r], Tag()
                if self.acquisition == "thompson":
                    value, row = lowest[r]
                    x = place.X[row] if value < np.inf else None
                else:
                    x, tag = place.most_promising(models[r], taken, history, fixed)
                if x is not None:
                    break
            if x is None:
                break
            y = place.view.down(x[None])
            mean, sd = place.model.predict(y)
            is_averaged = self.acquisition == "logei" and place.is_noisy
            by = criteria.title("lognei" if is_averaged else self.acquisition)
            tag = {"by": by, "mean": float(mean[0]), "sd": float(sd[0]), **tag, **risk(place.failures, y)}
            found.append((r, x, tag))
            taken.update(keys(x[None]))
            if k + 1 < n and self.acquisition == "logei":
                models[r] = models[r].fantasize(y)
        return found

    def _lengths(self, notes: Tag, space: Space) -> FloatArray:
        """Return the length-scales (d,) that a fit noted, inf where there are none; ones without a fit."""
        theta = notes.get("theta")
        covariance = Covariance(space, self.surrogate.kernel, notes.get("warped") is True)
        if not isinstance(theta, list) or len(theta) != len(covariance.hyperprior) + 2:
            return np.ones(space.d)
        own = np.array(theta[: covariance.n_kernel], np.float64)
        return covariance.kernel.lengths(covariance.features, own)

    def _candidates(
        self, view: View, whole: Space, box: Box, fixed: FloatArray | None, rng: Key
    ) -> FloatArray:
        """Return candidates (n, k) in the box, not all of which meet the known constraints."""
        space = view.space
        if self.acquisition == "thompson":
            boxes, sets = [box], [box.candidates(space, min(5000, max(2000, 200 * space.d)), rng)]
        else:
            boxes = [box.shrunk(factor) for factor in SHRUNK]
            sets = [one.candidates(space, SCORED, rng.child(i)) for i, one in enumerate(boxes)]
        if whole.constraints:
            sets += more_feasible(view, whole, boxes, sets, fixed, rng)
        return np.concatenate(sets)


def _lowest_mean(model: GP, box: Box) -> FloatArray:
    """Return the point in a box that the process knows and expects most of; the centre without any."""
    inside = np.flatnonzero(box.contains(model.X))
    return model.X[inside[np.argmin(model.fitted[inside, 0])]] if len(inside) else box.centre


def nearest(space: Space, Y: FloatArray, centre: FloatArray, lengths: FloatArray, count: int) -> IntArray:
    """Return the rows of the ``count`` points nearest to a centre, in length-scales, in their order."""
    if len(Y) <= count:
        return np.arange(len(Y))
    away = np.where(space.is_categorical, Y != centre, (Y - centre) / lengths)
    return np.sort(np.argsort(np.einsum("nd,nd->n", away, away), kind="stable")[:count])


def askable(X: FloatArray, history: History) -> FloatArray:
    """Return those of snapped points X (n, d) that are feasible and were never asked."""
    X = X[history.spec.space.feasible(X)]
    return X[[number is None for number in history.numbers_of(X)]]


def _lowest(values: FloatArray, place: Place, taken: set[bytes]) -> tuple[float, int]:
    """Return the lowest of values (n,) at candidates that are not taken, or inf, and its row."""
    if taken:
        values = np.where(_are_in(place.keys, taken), np.inf, values)
    row = int(np.argmin(values)) if len(values) else -1
    return (float(values[row]) if row >= 0 else np.inf), row


def _are_in(names: Sequence[bytes], taken: set[bytes]) -> BoolArray:
    """Return which keys are among those taken, (n,)."""
    return np.array([name in taken for name in names], np.bool_)
