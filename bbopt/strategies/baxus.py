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
"""

from dataclasses import dataclass, field
from math import floor, log

import numpy as np

from bbopt.data.history import History, Rows
from bbopt.data.trial import Status
from bbopt.rng import Key
from bbopt.sobol import sobol
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.checking import check_problem
from bbopt.strategies.embedding import INNERMOST, Embedding, binned, first_bins, rest, split
from bbopt.strategies.local import Choice, LocalSearch
from bbopt.strategies.region import Region, Sides
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.strategies.trust_region import check_settings, outcomes, search_regions
from bbopt.surrogates.process import GaussianProcess
from bbopt.types import FloatArray, IntArray, Tag

USUAL_BUDGET = 1000
FEWEST_INITIAL = 10


@dataclass(slots=True)
class Nest:
    """The state: a region, the embedding in which it searches, and the newest trial told.

    Attributes
    ----------
    region : Region
    bins : array (p,)
    signs, anchor : array (p,)
    n_splits : int
    anchored : float
        The outcome at the anchor; inf where it is the middle.
    has_begun : bool
        Whether a trial of this strategy was told: from then on the anchor stays where it is.
    newest : int
    """

    region: Region
    bins: IntArray
    signs: FloatArray
    anchor: FloatArray
    n_splits: int = 0
    anchored: float = np.inf
    has_begun: bool = False
    newest: int = -1

    def view(self, space: Space) -> Embedding:
        """Return the embedding of the search."""
        return Embedding(space, self.bins, self.signs, self.anchor)


@dataclass(frozen=True, slots=True)
class BAxUS:
    """Search a few bins of columns first, then ever more and smaller ones, in a trust region.

    Parameters
    ----------
    budget : int or None
        Evaluations planned, N: when they are used up, every column has its own bin. None: 1000.
    new_bins : int
        Into how many bins more each one is split, b.
    n_initial : int or None
        Trials of the design at the beginning of an epoch, on a scrambled Sobol sequence. None: 10, and one
        for each column that is in no bin.
    acquisition, length_initial, length_min, length_max, successes, n_local, surrogate
        As for :class:`bbopt.strategies.trust_region.TrustRegion`.

    Raises
    ------
    SpaceError
        For a setting outside its range.
    """

    budget: int | None = None
    new_bins: int = 3
    n_initial: int | None = None
    acquisition: Choice = "logei"
    length_initial: float = 0.8
    length_min: float = 2.0**-7
    length_max: float = 1.6
    successes: int = 3
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

    def init(self, spec: Spec, rng: Key) -> Nest:
        """Begin with the first bins.

        Raises
        ------
        SpaceError
            For a kernel or a transform of outcomes that does not suit the problem.
        """
        check_problem(self.surrogate, self.acquisition, spec)
        p = len(binned(spec.space))
        bins, signs = first_bins(p, self.first_dimension(p), rng.child("bins"))
        return Nest(Region(self.length_initial), bins, signs, np.zeros(p))

    def n_splits(self, p: int) -> int:
        """Return after how many splits p columns have bins of their own, or nearly."""
        return round(log(p, self.new_bins + 1)) if p else 0

    def first_dimension(self, p: int) -> int:
        """Return how many bins p columns are put into at first."""
        end = int((self.new_bins + 1) ** self.n_splits(p))
        return min(range(1, self.new_bins + 1), key=lambda i: abs(i * end - p))

    def budget_of(self, n_bins: int, p: int) -> int:
        """Return for how many evaluations a stage with so many bins of p columns is planned."""
        b, n = self.new_bins, (self.budget or USUAL_BUDGET) - (self.n_initial or FEWEST_INITIAL)
        ends = self.first_dimension(p) * (int((b + 1) ** (self.n_splits(p) + 1)) - 1)
        return round(b * max(n, 1) * n_bins / ends)

    def failure_tolerance(self, view: Embedding) -> int:
        """Return after how many failures in a row the region halves."""
        d, p = view.space.d, len(view.bins)
        if view.n_bins == p:
            return max(d, 1)
        halvings = max(floor(log(self.length_initial / self.length_min, 2)), 1)
        return min(d, max(1, self.budget_of(view.n_bins, p) // halvings))

    def tell(self, state: Nest, trials: Rows, rng: Key) -> Nest:
        """Fold trials into the region; split bins, or begin anew, when it has collapsed."""
        space, values = trials.spec.space, outcomes(trials)
        sides = Sides(self.length_initial, self.length_min, self.length_max)
        for k, tag in enumerate(trials.tags):
            state.newest = max(state.newest, int(trials.numbers[k]))
            if trials.status[k] == Status.ABANDONED or not state.region.is_of(tag):
                continue
            x, value = trials.X[k], float(values[k])
            if "region" in tag:
                state.has_begun = True
            elif not state.has_begun and value < state.anchored:
                middle = 2.0 * x[binned(space)] - 1.0
                state.anchored, state.anchor = value, np.clip(middle, -INNERMOST, INNERMOST)
                state.region = Region(self.length_initial)
            view, region = state.view(space), state.region
            if not view.holds(x[None])[0]:
                continue
            region.tell(x, value, tag, sides, self.successes, self.failure_tolerance(view))
            if region.length >= self.length_min:
                continue
            if view.n_bins < len(state.bins):
                state.n_splits += 1
                state.bins = split(state.bins, self.new_bins, rng.child("split", state.n_splits))
                region.enlarge(sides)
            else:
                state.region = region.renewed(sides, state.newest)
        return state

    def ask(self, state: Nest, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: what the design lacks first, then the most promising ones."""
        view, region, space = state.view(history.spec.space), state.region, history.spec.space
        lacking = self.n_initial if self.n_initial is not None else FEWEST_INITIAL + len(rest(space))
        for number in range(region.after + 1, len(history)):
            if lacking == 0:
                break
            tag = history.tag(number)
            lacking -= "region" in tag and region.is_of(tag)
        n_design = min(lacking, request.n) if region.centre is not None else request.n
        X, tags = np.empty((0, space.d)), list[Tag]()
        if n_design:
            first = history.latest("index").get("index", -1) + 1
            U = sobol(first, n_design, view.space.d, rng.child("design"))
            X = view.up(view.space.from_unit(U), request.fixed)
            bad = ~space.feasible(X)
            fresh = space.sample(n_design, rng.child("feasible"), start=len(history), fixed=request.fixed)
            X = np.where(bad[:, None], fresh, X)
            tags = [{"index": first + k, "region": 0, "epoch": region.epoch} for k in range(n_design)]
        if n_design < request.n:
            search = LocalSearch(self.surrogate, self.acquisition, self.n_local)
            more = Request(request.n - n_design, request.fixed)
            found = search_regions(search, {0: region}, {0: view}, history, more, rng)
            X = np.concatenate([X, found.X])
            tags += [{**tag, "bins": view.n_bins} for tag in found.tags]
        return Proposals(X, tags)
