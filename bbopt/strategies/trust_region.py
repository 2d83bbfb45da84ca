"""TuRBO: Bayesian optimization in trust regions that follow success, for many columns and many results.

Eriksson, Pearce, Gardner, Turner & Poloczek, "Scalable global optimization via local Bayesian
optimization", NeurIPS 2019. See :mod:`bbopt.strategies.region` for when a region moves, grows, shrinks and
begins anew, and :mod:`bbopt.maximizers.box` for its box and the candidates in it.

What differs from the paper:

- The process knows all results, whoever asked for them and in whichever epoch, and is fitted to those next
  to the centre. So the time of an ask does not grow with the study.
- By default the expected improvement is maximised in the box, which begins half as large. Medians of three
  runs of 120 trials, regret of this and of Thompson samples on candidates, both from the paper's size on:
  Ackley-20 13.6 and 14.1, Levy-20 12.5 and 31.8, Rastrigin-10 36 and 38, Rosenbrock-20 7.0e3 and 2.2e4,
  Hartmann-6 5e-9 and 1e-4; in a third to a sixth of the time. From half the size on, means of two runs of
  150: Ackley-20 5.9 instead of 10.6, Levy-20 7.2 instead of 12.3, Rosenbrock-20 2.0e3 instead of 3.8e3; from
  a quarter of it Levy-20 27.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from bbopt.data.history import History, Rows
from bbopt.data.trial import Status
from bbopt.errors import FitError, SpaceError
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.checking import check_problem
from bbopt.strategies.designs import Sobol, initial_size
from bbopt.strategies.local import Choice, LocalSearch, Place
from bbopt.strategies.modelling import without_penalties
from bbopt.strategies.region import Region, Sides
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.strategies.view import View, Whole
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, Tag, is_finite, is_whole


@dataclass(slots=True)
class Regions:
    """The state: the regions, and the newest trial told."""

    regions: list[Region]
    newest: int = -1


@dataclass(frozen=True, slots=True)
class TrustRegion:
    """Search in boxes about the best points, which grow with success and shrink without.

    Parameters
    ----------
    n_regions : int
        Regions that compete for every proposal by joint Thompson samples. Trials that no region asked for
        are shared out among them by their numbers.
    acquisition : {"logei", "thompson"}
        What chooses within a box.
    n_initial : int or None
        Trials of every region and epoch before its model takes over, laid out on a scrambled Sobol
        sequence; trials added count. None: :func:`~bbopt.strategies.designs.initial_size`.
    length_initial, length_min, length_max : float
        The geometric mean of a box's sides at first, below which the region begins anew elsewhere, and at
        most; the cube's side is 1.
    successes : int
        After so many in a row a region doubles.
    failures : int or None
        After so many trials in a row without success it halves; None: max(4, d).
    n_local : int
        Results nearest the centre that the model is fitted to.
    surrogate : GaussianProcess
        The model; one process, no ensemble.

    Raises
    ------
    SpaceError
        For a setting outside its range.
    """

    n_regions: int = 1
    acquisition: Choice = "logei"
    n_initial: int | None = None
    length_initial: float = 0.4
    length_min: float = 2.0**-7
    length_max: float = 1.6
    successes: int = 3
    failures: int | None = None
    n_local: int = 500
    surrogate: GaussianProcess = field(default_factory=GaussianProcess)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def supports(self) -> Supports:
        """One objective."""
        return Supports(objectives=1)

    def batch_size(self, spec: Spec) -> int:
        """Return 1: every result changes the next suggestion."""
        return 1

    def init(self, spec: Spec, rng: Key) -> Regions:
        """Begin with regions that know nothing.

        Raises
        ------
        SpaceError
            For a kernel or a transform of outcomes that does not suit the problem.
        """
        check_problem(self.surrogate, self.acquisition, spec)
        return Regions([Region(self.length_initial) for _ in range(self.n_regions)])

    def tell(self, state: Regions, trials: Rows, rng: Key) -> Regions:
        """Fold trials into the region that asked for them, foreign ones into the one of their number."""
        failures = self.failures if self.failures is not None else max(4, trials.spec.space.d)
        values, sides = outcomes(trials), Sides(self.length_initial, self.length_min, self.length_max)
        for k, tag in enumerate(trials.tags):
            number = int(trials.numbers[k])
            state.newest = max(state.newest, number)
            r = self._owner(tag, number)
            region = state.regions[r]
            if trials.status[k] != Status.ABANDONED and region.is_of(tag):
                region.tell(trials.X[k], float(values[k]), tag, sides, self.successes, failures)
            if region.length < self.length_min:
                state.regions[r] = region.renewed(sides, state.newest)
        return state

    def ask(self, state: Regions, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: designs of regions that lack them first, then the most promising ones."""
        regions = dict(enumerate(state.regions))
        owners: list[int] = []
        for r, region in regions.items():
            owners += [r] * self._n_lacking(r, region, history)
        ready = {r: region for r, region in regions.items() if region.centre is not None}
        if not ready:  # everything is pending or failed: more of the design
            owners += [0] * request.n
        owners = owners[: request.n]
        X, tags = np.empty((0, history.spec.space.d)), list[Tag]()
        if owners:
            design = Sobol().ask(None, history, Request(len(owners), request.fixed), rng)
            X, epochs = design.X, [{"region": r, "epoch": regions[r].epoch} for r in owners]
            tags = [{**tag, **epoch} for tag, epoch in zip(design.tags, epochs, strict=True)]
        if len(owners) < request.n:
            rest = Request(request.n - len(owners), request.fixed)
            views = dict.fromkeys(ready, Whole(history.spec.space))
            found = search_regions(self._search, ready, views, history, rest, rng)
            X, tags = np.concatenate([X, found.X]), tags + found.tags
        return Proposals(X, tags)

    def _owner(self, tag: Tag, number: int) -> int:
        """Return the region that a trial belongs to."""
        r = tag.get("region")
        return int(r) if is_whole(r) and 0 <= r < self.n_regions else number % self.n_regions

    def _n_lacking(self, r: int, region: Region, history: History) -> int:
        """Return how many trials a region's design still lacks in this epoch."""
        lacking = self.n_initial if self.n_initial is not None else initial_size(history.spec.space)
        for number in range(region.after + 1, len(history)):
            if lacking == 0:
                break
            tag = history.tag(number)
            lacking -= self._owner(tag, number) == r and region.is_of(tag)
        return lacking

    @property
    def _search(self) -> LocalSearch:
        return LocalSearch(self.surrogate, self.acquisition, self.n_local)


def search_regions(
    search: LocalSearch,
    regions: dict[int, Region],
    views: Mapping[int, View],
    history: History,
    request: Request,
    rng: Key,
) -> Proposals:
    """Return the most promising points of regions that have centres, random ones where none is found.

    Parameters
    ----------
    search : LocalSearch
    regions, views : dict
        By the number of the region.
    history, request, rng
        As for a strategy's ``ask``.
    """
    space, places = history.spec.space, dict[int, Place]()
    rng = rng.child("ask", len(history))
    data = without_penalties(history.dataset())
    trouble = "no region has a result"
    with single_threaded():
        for r, region in regions.items():
            notes = history.latest(_notes(r)).get(_notes(r), {})
            previous = notes if notes.get("in_epoch") == region.epoch else {}
            key = rng.child("region", r)
            try:
                places[r] = search.place(views[r], region, data, history, request.fixed, previous, key)
            except FitError as error:
                trouble = str(error)
        found = search.propose(places, request.n, history, request.fixed, rng) if places else []
    if places:
        trouble = "; ".join(dict.fromkeys(place.trouble for place in places.values()))
    spare = request.n - len(found)
    X = np.array([x for _, x, _ in found]).reshape(len(found), space.d)
    X = np.concatenate([X, space.sample(spare, rng.child("fallback"), fixed=request.fixed)])
    out = {r: sum(owner == r for owner, _, _ in found) for r in regions}
    for number in history.pending():
        owner = history.tag(int(number)).get("region")
        if owner in out:
            out[owner] += 1
    notes = {r: {**place.notes, "in_epoch": regions[r].epoch} for r, place in places.items()}
    tags: list[Tag] = []
    for r, _, tag in found:
        # The first of a batch keeps the notes of all models, since all were fitted and the next fits are
        # several times as fast with them; its own last, where explanations look. With many columns they
        # are long: the others keep their own alone.
        kept = [r] if tags else sorted(notes, key=lambda s: s == r)
        models = {_notes(s): notes[s] for s in kept}
        tags.append({**tag, **regions[r].tag(r), "out": out[r], **models})
    r = min(regions)  # a random point counts, too: a region in which all was asked is to come to an end
    tags += [{**regions[r].tag(r), "out": request.n, "fallback": trouble} for _ in range(spare)]
    return Proposals(X, tags)


def _notes(r: int) -> str:
    """Return the word under which the tag of region r's trials keeps what its next fit may start from."""
    return f"model of region {r}"


def outcomes(trials: Rows) -> FloatArray:
    """Return what regions are told of trials, (k,): minimised, inf for those that failed or ran outside."""
    y = trials.Y[:, 0]
    return np.where((trials.status == Status.COMPLETE) & np.isfinite(y) & trials.inside, y, np.inf)


def check_settings(strategy: Any) -> None:
    """Raise SpaceError for a setting of a strategy with regions that is outside its range."""
    for name in ("n_regions", "n_initial", "successes", "failures", "n_local", "new_bins", "budget"):
        value = getattr(strategy, name, 1)
        may_be_none = name in ("n_initial", "failures", "budget")
        if not ((is_whole(value) and value >= 1) or (value is None and may_be_none)):
            right = "an integer of at least 1" + (", or None" if may_be_none else "")
            raise _wrong(strategy, name, right)
    if strategy.acquisition not in get_args(Choice):
        raise _wrong(strategy, "acquisition", "'logei' or 'thompson'")
    for name in ("length_min", "length_initial", "length_max"):
        if not is_finite(getattr(strategy, name)):
            raise _wrong(strategy, name, "a finite number")
    if not 0 < strategy.length_min < strategy.length_initial <= strategy.length_max:
        names = ("length_min", "length_initial", "length_max")
        given = ", ".join(f"{name}={getattr(strategy, name)!r}" for name in names)
        raise SpaceError(
            f"{type(strategy).__name__}: 0 < length_min < length_initial <= length_max must hold, got {given}"
        )
    surrogate = strategy.surrogate
    if not isinstance(surrogate, GaussianProcess) or surrogate.ensemble != 1:
        raise _wrong(strategy, "surrogate", "a GaussianProcess with ensemble=1")


def _wrong(strategy: Any, name: str, right: str) -> SpaceError:
    return SpaceError(f"{type(strategy).__name__}: {name} must be {right}, got {getattr(strategy, name)!r}")
