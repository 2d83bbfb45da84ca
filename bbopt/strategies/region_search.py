"""What strategies with trust regions share: their settings, the count of a design, and the search.

They are :mod:`bbopt.strategies.trust_region` and :mod:`bbopt.strategies.baxus`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from bbopt.data.history import History, Rows
from bbopt.data.trial import Status
from bbopt.errors import FitError, SpaceError
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.local import Choice, LocalSearch, Place
from bbopt.strategies.modelling import without_penalties
from bbopt.strategies.region import Region, Sides
from bbopt.strategies.remarks import held, set_aside
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.strategies.view import View
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, Tag, is_finite, is_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSearch:
    """Settings of a strategy that searches trust regions.

    Parameters
    ----------
    acquisition : {"logei", "thompson"}
        What chooses within a box.
    n_initial : int or None
        Trials of a design before the model takes over.
    length_initial, length_min, length_max : float
        The geometric mean of a box's sides at first, below which the region has collapsed, and at most; the
        cube's side is 1.
    successes : int
        After so many in a row a region doubles.
    n_local : int
        Results nearest the centre that the model is fitted to.
    surrogate : GaussianProcess
        The model; one process, no ensemble.

    Raises
    ------
    SpaceError
        For a setting outside its range.
    """

    acquisition: Choice = "logei"
    n_initial: int | None = None
    length_initial: float = 0.8
    length_min: float = 2.0**-7
    length_max: float = 1.6
    successes: int = 3
    n_local: int = 500
    surrogate: GaussianProcess = field(default_factory=GaussianProcess)

    def __post_init__(self) -> None:
        self._check_counts("successes", "n_local")
        self._check_counts("n_initial", or_none=True)
        if self.acquisition not in get_args(Choice):
            raise self._wrong("acquisition", "'logei' or 'thompson'")
        lengths = ("length_min", "length_initial", "length_max")
        for name in lengths:
            if not is_finite(getattr(self, name)):
                raise self._wrong(name, "a finite number")
        if not 0 < self.length_min < self.length_initial <= self.length_max:
            given = ", ".join(f"{name}={getattr(self, name)!r}" for name in lengths)
            raise SpaceError(
                f"{type(self).__name__}: 0 < length_min < length_initial <= length_max must hold, got {given}"
            )
        if not isinstance(self.surrogate, GaussianProcess) or self.surrogate.ensemble != 1:
            raise self._wrong("surrogate", "a GaussianProcess with ensemble=1")

    @property
    def supports(self) -> Supports:
        """One objective."""
        return Supports(objectives=1)

    def batch_size(self, spec: Spec) -> int:
        """Return 1: every result changes the next suggestion."""
        return 1

    @property
    def sides(self) -> Sides:
        """How long the sides of a region's box may be."""
        return Sides(self.length_initial, self.length_min, self.length_max)

    @property
    def search(self) -> LocalSearch:
        """How points in a region are found."""
        return LocalSearch(self.surrogate, self.acquisition, self.n_local)

    def _check_counts(self, *names: str, or_none: bool = False) -> None:
        """Raise SpaceError where one of these settings is no integer of at least 1."""
        for name in names:
            value = getattr(self, name)
            if not ((is_whole(value) and value >= 1) or (or_none and value is None)):
                raise self._wrong(name, "an integer of at least 1" + (", or None" if or_none else ""))

    def _wrong(self, name: str, right: str) -> SpaceError:
        return SpaceError(f"{type(self).__name__}: {name} must be {right}, got {getattr(self, name)!r}")


def told_values(trials: Rows) -> FloatArray:
    """Return what regions are told of trials, (k,): minimised, inf for those that failed or ran outside."""
    y = trials.Y[:, 0]
    return np.where((trials.status == Status.COMPLETE) & np.isfinite(y) & trials.inside, y, np.inf)


def n_lacking(size: int, after: int, history: History, counts: Callable[[int, Tag], bool]) -> int:
    """Return how many of a design's trials are still to be asked.

    Parameters
    ----------
    size : int
        How many it has.
    after : int
        Trials up to this number are of earlier epochs.
    history : History
    counts : callable
        Of a trial's number and tag: whether it belongs to the design, or makes one of its trials needless.
    """
    lacking = size
    for number in range(after + 1, len(history)):
        if lacking == 0:
            break
        lacking -= counts(number, history.tag(number))
    return lacking


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
    space, fixed = history.spec.space, request.fixed
    rng = rng.child("ask", len(history))
    data = without_penalties(history.dataset())
    places, trouble = dict[int, Place](), "no region has a result"
    with single_threaded():
        for r, region in regions.items():
            notes = history.latest(_notes(r)).get(_notes(r), {})
            previous = notes if notes.get("in_epoch") == region.epoch else {}
            key = rng.child("region", r)
            try:
                places[r] = search.place(views[r], region, data, history, fixed, previous, key)
            except FitError as error:
                trouble = str(error)
        found = search.propose(places, request.n, history, fixed, rng) if places else []
    if places:
        trouble = "; ".join(dict.fromkeys(place.trouble for place in places.values()))
    spare = request.n - len(found)
    X = np.array([x for _, x, _ in found]).reshape(len(found), space.d)
    X = np.concatenate([X, space.sample(spare, rng.child("fallback"), fixed=fixed)])
    left_out, known = set_aside(history, data), held(space, fixed)
    tags = [{**tag, **left_out, **known} for tag in _tags(found, regions, places, history)]
    r = min(regions)  # a random point counts, too: a region in which all was asked is to come to an end
    random = {**regions[r].tag(r), "out": request.n, "fallback": trouble, **known}
    return Proposals(X, [*tags, *(dict(random) for _ in range(spare))])


def _tags(
    found: list[tuple[int, FloatArray, Tag]],
    regions: dict[int, Region],
    places: dict[int, Place],
    history: History,
) -> list[Tag]:
    """Return the tags of what was found, with what regions and the next fits are to remember."""
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
    return tags


def _notes(r: int) -> str:
    """Return the word under which the tag of region r's trials keeps what its next fit may start from."""
    return f"model of region {r}"
