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

from dataclasses import dataclass
from functools import partial

import numpy as np

from bbopt.data.history import History, Rows
from bbopt.data.trial import Status
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.checking import check_problem
from bbopt.strategies.designs import Sobol, initial_size
from bbopt.strategies.region import Region
from bbopt.strategies.region_search import RegionSearch, n_lacking, search_regions, told_values
from bbopt.strategies.remarks import held
from bbopt.strategies.strategy import Proposals, Request
from bbopt.strategies.view import Whole
from bbopt.types import Tag, is_whole


@dataclass(slots=True)
class Regions:
    """The state: the regions, and the newest trial told."""

    regions: list[Region]
    newest: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRegion(RegionSearch):
    """Search in boxes about the best points, which grow with success and shrink without.

    Parameters
    ----------
    n_regions : int
        Regions that compete for every proposal by joint Thompson samples. Trials that no region asked for
        are shared out among them by their numbers.
    n_initial : int or None
        Trials of every region and epoch before its model takes over, laid out on a scrambled Sobol
        sequence; trials added count. None: :func:`~bbopt.strategies.designs.initial_size`.
    failures : int or None
        After so many trials in a row without success a region halves; None: max(4, d).
    acquisition, length_initial, length_min, length_max, successes, n_local, surrogate
        As for :class:`bbopt.strategies.region_search.RegionSearch`. A region that has collapsed begins anew
        elsewhere.

    Raises
    ------
    SpaceError
        For a setting outside its range.
    """

    n_regions: int = 1
    length_initial: float = 0.4
    failures: int | None = None

    def __post_init__(self) -> None:
        RegionSearch.__post_init__(self)  # super() does not know a class with slots, which is a copy
        self._check_counts("n_regions")
        self._check_counts("failures", or_none=True)

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
        values = told_values(trials)
        for k, tag in enumerate(trials.tags):
            number = int(trials.numbers[k])
            state.newest = max(state.newest, number)
            r = self._owner(tag, number)
            region = state.regions[r]
            if trials.status[k] != Status.ABANDONED and region.is_of(tag):
                region.tell(trials.X[k], float(values[k]), tag, self.sides, self.successes, failures)
            if region.length < self.length_min:
                state.regions[r] = region.renewed(self.sides, state.newest)
        return state

    def ask(self, state: Regions, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: designs of regions that lack them first, then the most promising ones.

        A region whose whole design failed gets more of it, one trial an ask when it is its turn, until it has
        a result.
        """
        regions = dict(enumerate(state.regions))
        lacking = {r: self._n_lacking(r, region, history) for r, region in regions.items()}
        owners = [r for r, n in lacking.items() for _ in range(n)]
        turns = {number % self.n_regions for number in range(len(history), len(history) + request.n)}
        owners += [r for r in turns if not lacking[r] and self._has_nothing(r, regions[r], history)]
        ready = {r: region for r, region in regions.items() if region.centre is not None}
        if not ready:  # everything is pending or failed: more of the design
            owners += [0] * request.n
        owners = owners[: request.n]
        X, tags = np.empty((0, history.spec.space.d)), list[Tag]()
        if owners:
            design = Sobol().ask(None, history, Request(len(owners), request.fixed), rng)
            X, epochs = design.X, [{"region": r, "epoch": regions[r].epoch} for r in owners]
            known = held(history.spec.space, request.fixed)
            tags = [{**tag, **epoch, **known} for tag, epoch in zip(design.tags, epochs, strict=True)]
        if len(owners) < request.n:
            rest = Request(request.n - len(owners), request.fixed)
            views = dict.fromkeys(ready, Whole(history.spec.space))
            found = search_regions(self.search, ready, views, history, rest, rng)
            X, tags = np.concatenate([X, found.X]), tags + found.tags
        return Proposals(X, tags)

    def _owner(self, tag: Tag, number: int) -> int:
        """Return the region that a trial belongs to."""
        r = tag.get("region")
        return int(r) if is_whole(r) and 0 <= r < self.n_regions else number % self.n_regions

    def _n_lacking(self, r: int, region: Region, history: History) -> int:
        """Return how many trials a region's design still lacks in this epoch."""
        size = self.n_initial if self.n_initial is not None else initial_size(history.spec.space)
        return n_lacking(size, region.after, history, partial(self._is_of, r, region))

    def _has_nothing(self, r: int, region: Region, history: History) -> bool:
        """Whether a region has no centre, and nothing out that could give it one: its whole design failed."""
        if region.centre is not None:
            return False
        numbers = [int(number) for number in history.pending() if number > region.after]
        return not any(self._is_of(r, region, number, history.tag(number)) for number in numbers)

    def _is_of(self, r: int, region: Region, number: int, tag: Tag) -> bool:
        """Whether a trial belongs to a region, and to its epoch."""
        return self._owner(tag, number) == r and region.is_of(tag)
