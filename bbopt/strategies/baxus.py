"""BAxUS: a trust region in a subspace that grows, for hundreds of columns of which few may matter.

Papenmeier, Nardi & Poloczek, "Increasing the scope as you learn: adaptive Bayesian optimization in nested
subspaces", NeurIPS 2022. The subspace is :mod:`bbopt.strategies.embedding`, the region that of
:mod:`bbopt.strategies.region`. With b new bins a split, N evaluations and D columns (section 3.2):

    splits            n = round(log_{b+1} D)
    first dimension   d_0 = argmin over 1 <= i <= b of |i (b+1)^n - D|
    budget at d       m(d) = round(b N d / (d_0 ((b+1)^{n+1} - 1)))
    failures at d     min(d, max(1, floor(m(d) / k))),  k = floor(log_2(length_initial / length_min))

When the region collapses every bin is split and the region starts at its first size about the same centre;
all results are kept. When no bin is left to be split, a new epoch begins with a new design.

What is added before the first results come in anchors the subspace: it goes through the best of that.
Afterwards only results in the subspace count; it holds all points once every column has a bin of its own.
Columns that an ask fixed need not follow their bins. Where fewer than half of the own results lie in the
subspace, because they were told for other points than were asked, all count from then on as if they had been
measured at the nearest coordinates; tags say so.

Under known constraints the subspace goes through a feasible point, and the design is drawn back to it.
"""

from dataclasses import dataclass
from math import floor, log

import numpy as np

from bbopt.data.history import History, Rows
from bbopt.data.trial import Status
from bbopt.rng import Key
from bbopt.sobol import sobol
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.checking import check_bins, check_problem
from bbopt.strategies.designs import INITIAL
from bbopt.strategies.embedding import Embedding, binned, first_bins, rest
from bbopt.strategies.feasible import drawn_back, settled
from bbopt.strategies.region import Region
from bbopt.strategies.region_search import RegionSearch, n_lacking, search_regions, told_values
from bbopt.strategies.remarks import held
from bbopt.strategies.strategy import Proposals, Request
from bbopt.strategies.subspace import Subspace, are_named
from bbopt.types import FloatArray, Tag

USUAL_BUDGET = 1000
FEWEST_INITIAL = 10
CONSTRAINED = 64
"""Under known constraints the subspace goes through the mean of so many feasible points."""
_PROJECTED = "most results lie beside the subspace: all count as if measured at its nearest coordinates"


@dataclass(frozen=True, slots=True, kw_only=True)
class BAxUS(RegionSearch):
    """Search a few bins of columns first, then ever more and smaller ones, in a trust region.

    Parameters
    ----------
    budget : int or None
        Evaluations planned; N is what the design leaves of them. When they are used up, every column has its
        own bin. None: what :func:`bbopt.minimize` is given, else 1000.
    new_bins : int
        Into how many bins more each one is split, b.
    n_initial : int or None
        Trials of the design at the beginning of an epoch, on a scrambled Sobol sequence. None: 10, and one
        for each column that is in no bin, up to 20.
    acquisition, length_initial, length_min, length_max, successes, n_local, surrogate
        As for :class:`bbopt.strategies.region_search.RegionSearch`.

    Raises
    ------
    SpaceError
        For a setting outside its range.
    """

    budget: int | None = None
    new_bins: int = 3

    def __post_init__(self) -> None:
        RegionSearch.__post_init__(self)  # super() does not know a class with slots, which is a copy
        self._check_counts("new_bins")
        self._check_counts("budget", or_none=True)

    def init(self, spec: Spec, rng: Key) -> Subspace:
        """Begin with the first bins.

        Raises
        ------
        SpaceError
            For a kernel or a transform of outcomes that does not suit the problem, or not the bins.
        """
        check_problem(self.surrogate, self.acquisition, spec)
        space, p = spec.space, len(binned(spec.space))
        bins, signs = first_bins(p, self.first_dimension(p), rng.child("bins"))
        state = Subspace(Region(self.length_initial), bins, signs, np.zeros(p), apart=np.zeros(p, np.bool_))
        check_bins(self.surrogate, space, state.view(space).space)
        if space.constraints:
            points = space.sample(CONSTRAINED, rng.child("origin"))
            middle = space.project(np.where(space.is_categorical, points[0], points.mean(axis=0))[None])
            state.anchor_at(space, middle[0] if space.feasible(middle)[0] else points[0])
        return state

    def n_splits(self, p: int) -> int:
        """Return after how many splits p columns have bins of their own, or nearly."""
        return round(log(p, self.new_bins + 1)) if p else 0

    def first_dimension(self, p: int) -> int:
        """Return how many bins p columns are put into at first."""
        end = int((self.new_bins + 1) ** self.n_splits(p))
        return min(range(1, self.new_bins + 1), key=lambda i: abs(i * end - p))

    def budget_of(self, n_bins: int, space: Space) -> int:
        """Return for how many evaluations a stage with so many bins is planned."""
        p, b, n = len(binned(space)), self.new_bins, (self.budget or USUAL_BUDGET) - self._size(space)
        ends = self.first_dimension(p) * (int((b + 1) ** (self.n_splits(p) + 1)) - 1)
        return round(b * max(n, 1) * n_bins / ends)

    def failure_tolerance(self, view: Embedding) -> int:
        """Return after how many failures in a row the region halves."""
        d, p = view.space.d, len(view.bins)
        if view.n_bins == p:
            return max(d, 1)
        halvings = max(floor(log(self.length_initial / self.length_min, 2)), 1)
        return min(d, max(1, self.budget_of(view.n_bins, view.whole) // halvings))

    def tell(self, state: Subspace, trials: Rows, rng: Key) -> Subspace:
        """Fold trials into the region; split bins, or begin anew, when it has collapsed."""
        space, values = trials.spec.space, told_values(trials)
        for k, tag in enumerate(trials.tags):
            state.newest = max(state.newest, int(trials.numbers[k]))
            if trials.status[k] == Status.ABANDONED or not state.region.is_of(tag):
                continue
            x, value = trials.X[k], float(values[k])
            if "region" in tag:
                state.has_begun = True
            elif not state.has_begun and value < state.anchored:
                state.anchor_at(space, x, value)
                state.region = Region(self.length_initial)
            state.apart |= are_named(space, tag.get("held"))
            if "region" in tag and np.isfinite(value):
                state.count(space, x, value)
                self._project_if_most_are_outside(state, space)
            view = state.view(space)
            if view.holds(x[None])[0]:
                failures = self.failure_tolerance(view)
                state.region.tell(x, value, tag, self.sides, self.successes, failures)
                self._follow(state, rng)
        return state

    def _project_if_most_are_outside(self, state: Subspace, space: Space) -> None:
        """Let results outside the subspace count, too, if most are, once there are as many as in a design."""
        if state.is_projected or state.n_told < self._size(space) or 2 * state.n_inside >= state.n_told:
            return
        state.is_projected = True
        if state.best_outside is not None:
            value, x = state.best_outside
            state.region.tell(x, value, {}, self.sides, self.successes, 1)

    def _follow(self, state: Subspace, rng: Key) -> None:
        """Split bins where the region has collapsed, or begin anew where none is left to be split."""
        if state.region.length >= self.length_min:
            return
        if state.bins.max(initial=-1) + 1 < len(state.bins):
            state.split(self.new_bins, rng)
            state.region.enlarge(self.sides)
        else:
            state.region = state.region.renewed(self.sides, state.newest)

    def ask(self, state: Subspace, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: what the design lacks first, then the most promising ones."""
        space, region, fixed = history.spec.space, state.region, request.fixed
        is_fixed = None if fixed is None else ~np.isnan(fixed[binned(space)])
        view = state.view(space, is_fixed)

        def counts(number: int, tag: Tag) -> bool:
            return "region" in tag and region.is_of(tag)

        lacking = n_lacking(self._size(space), region.after, history, counts)
        n_design = min(lacking, request.n) if region.centre is not None else request.n
        X, tags = np.empty((0, space.d)), list[Tag]()
        if n_design:
            first = history.latest("index").get("index", -1) + 1
            X = self._design(state, view, history, first, Request(n_design, fixed), rng)
            tags = [{"index": first + k, "region": 0, "epoch": region.epoch} for k in range(n_design)]
        if n_design < request.n:
            more = Request(request.n - n_design, fixed)
            found = search_regions(self.search, {0: region}, {0: view}, history, more, rng)
            X = np.concatenate([X, found.X])
            tags += [{**tag, "bins": view.n_bins} for tag in found.tags]
        if state.is_projected:
            tags = [{**tag, "projected": _PROJECTED} for tag in tags]
        return Proposals(X, [{**tag, **held(space, fixed)} for tag in tags])

    def _size(self, space: Space) -> int:
        """Return how many trials a design has."""
        if self.n_initial is not None:
            return self.n_initial
        return min(FEWEST_INITIAL + len(rest(space)), INITIAL[1])

    def _design(
        self, state: Subspace, view: Embedding, history: History, first: int, request: Request, rng: Key
    ) -> FloatArray:
        """Return points (n, d) of the sequence from ``first`` on, drawn back to be feasible.

        They stay in the subspace; where nothing is found there, they are feasible points of the space.
        """
        space, n, fixed = history.spec.space, request.n, request.fixed
        Y = view.space.from_unit(sobol(first, n, view.space.d, rng.child("design")))
        X = view.up(Y, fixed)
        bad = ~space.feasible(X)
        if bad.any() and state.origin is not None:
            key = rng.child("origin", len(history))
            start = settled(view, space, view.down(state.origin[None])[0], np.ones(view.space.d), fixed, key)
            back = drawn_back(view, space, np.repeat(start[None], n, axis=0), Y, fixed)
            X = np.where(bad[:, None], view.up(back, fixed), X)
            bad = ~space.feasible(X)
        if not bad.any():
            return X
        fresh = space.sample(n, rng.child("feasible"), start=len(history), fixed=fixed)
        return np.where(bad[:, None], fresh, X)
