"""The history of a study, in columns: one row a trial, arrays instead of objects.

Strategies read it; only the study writes it. Outcomes are stored minimised (the user's direction is
turned once, by :class:`bbopt.spec.Spec`), points are stored encoded.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbopt.data.trial import Observation, Status, Trial
from bbopt.spec import Spec
from bbopt.types import BoolArray, FloatArray, IntArray, Params, Tag

_EMPTY: Tag = {}
_PLACES = 2.0**40
FAR = 100.0
"""Encoded coordinates beyond this many widths of the space are kept, but not learnt from."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a surrogate learns from; everything minimised and encoded.

    Attributes
    ----------
    X : array (n, d)
        Points with at least one finite outcome.
    Y : array (n, m)
        Outcomes, nan where not measured.
    Yvar : array (n, m)
        Squared standard errors, nan where not given.
    cost : array (n,)
        Evaluation costs, nan where not given.
    numbers : array (n,)
        The trials the rows come from.
    X_pending : array (p, d)
        Points asked and not yet told.
    X_failed : array (f, d)
        Points where the run broke.
    """

    X: FloatArray
    Y: FloatArray
    Yvar: FloatArray
    cost: FloatArray
    numbers: IntArray
    X_pending: FloatArray
    X_failed: FloatArray


@dataclass(frozen=True, slots=True)
class Rows:
    """Finished trials as a strategy's ``tell`` gets them, in the order in which they finished.

    Attributes
    ----------
    spec : Spec
    numbers : array (k,)
    X : array (k, d)
        Where the runs really took place.
    Y : array (k, m)
        Minimised outcomes; nan where there is none (failed, abandoned).
    status : array (k,)
    tags : list of dict
        What the strategy noted at the ask; empty for trials that it did not propose.
    inside : array (k,)
        Whether X lies in the space and meets its known constraints.
    """

    spec: Spec
    numbers: IntArray
    X: FloatArray
    Y: FloatArray
    status: NDArray[np.int8]
    tags: Sequence[Tag]
    inside: BoolArray

    def __len__(self) -> int:
        return len(self.numbers)

    def scoped(self, name: str) -> "Rows":
        """Return the same rows with only the part ``name`` of each tag."""
        return replace(self, tags=[_part(tag, name) for tag in self.tags])


class History:
    """All trials of a study, row k being trial number k.

    Parameters
    ----------
    spec : Spec
        Gives the number of columns and the direction of the outcomes.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        d, m = spec.space.d, len(spec.objectives)
        self._n = 0
        self._scope: tuple[str, ...] = ()
        self._columns: dict[str, NDArray[Any]] = {
            "X": np.empty((0, d)),
            "Y": np.empty((0, m)),
            "sd": np.empty((0, m)),
            "cost": np.empty(0),
            "status": np.empty(0, np.int8),
            "inside": np.empty(0, np.bool_),
            "asked": np.empty(0),
            "told": np.empty(0),
            "worker": np.empty(0, np.int32),
            "until": np.empty(0),
        }
        self._worker_names: list[str] = []  # the column holds places in this list, -1 for nobody
        self._workers: dict[str, int] = {}
        self._tags: list[Tag] = []
        self._params: dict[int, Params] = {}  # absent for rows of blocks: decoded from X when looked at
        self._at: dict[int, Params] = {}
        self._late: dict[int, list[Observation]] = {}
        self._error: dict[int, str] = {}
        self._keys: dict[bytes, int] = {}
        self._n_keyed = 0
        self._counts = np.zeros(len(Status), np.int64)
        self.version = 0

    # -- what strategies read ---------------------------------------------------------------------

    def __len__(self) -> int:
        return self._n

    def _column(self, name: str) -> NDArray[Any]:
        view = self._columns[name][: self._n]
        view.flags.writeable = False
        return view

    @property
    def X(self) -> FloatArray:
        """Encoded points, (n, d); where the run really took place once that is known."""
        return self._column("X")

    @property
    def Y(self) -> FloatArray:
        """Minimised outcomes, (n, m); nan where there is none."""
        return self._column("Y")

    @property
    def sd(self) -> FloatArray:
        """Standard errors of the outcomes, (n, m); nan where not given."""
        return self._column("sd")

    @property
    def cost(self) -> FloatArray:
        """Evaluation costs, (n,); nan where not given."""
        return self._column("cost")

    @property
    def status(self) -> NDArray[np.int8]:
        """One :class:`Status` a trial, (n,)."""
        return self._column("status")

    @property
    def inside(self) -> BoolArray:
        """Whether the point really run lies in the space and meets its known constraints, (n,)."""
        return self._column("inside")

    def tag(self, number: int) -> Tag:
        """Return what the reading strategy noted on a trial; empty if it did not propose it."""
        tag = self._tags[number]
        for name in self._scope:
            tag = _part(tag, name)
        return tag

    def latest(self, *words: str) -> Tag:
        """Return the newest tag that holds one of the words, empty if none does; retries do not count."""
        for number in range(self._n - 1, -1, -1):
            tag = self.tag(number)
            if any(word in tag for word in words) and "retry_of" not in self._tags[number]:
                return tag
        return _EMPTY

    def scoped(self, name: str) -> "History":
        """Return a view on the same trials in which tags show only their part ``name``."""
        view = copy.copy(self)
        view._scope = (*self._scope, name)
        return view

    def numbers_of(self, X: FloatArray) -> list[int | None]:
        """Return for each row of X, (k, d), the first trial that asked this point, else None."""
        for number, key in enumerate(keys(self.X[self._n_keyed :]), self._n_keyed):
            self._keys.setdefault(key, number)
        self._n_keyed = self._n
        return [self._keys.get(key) for key in keys(X)]

    def dataset(self) -> Dataset:
        """Return what surrogates learn from."""
        status = self.status
        told, failed = status == Status.COMPLETE, status == Status.FAILED
        if not self.inside.all():  # a run far outside the space says nothing of it, and drowns the rest
            is_near = np.all(np.abs(self.X) <= FAR, axis=1)
            told &= is_near
            failed &= is_near
        rows = np.flatnonzero(told)
        return Dataset(
            X=self.X[rows],
            Y=self.Y[rows],
            Yvar=np.minimum(self.sd[rows], 1e150) ** 2,  # a larger one, squared, is no float
            cost=self.cost[rows],
            numbers=rows,
            X_pending=self.X[status == Status.PENDING] if self.count(Status.PENDING) else self.X[:0],
            X_failed=self.X[failed],
        )

    def rows(self, numbers: Sequence[int] | IntArray) -> Rows:
        """Return some trials as ``tell`` gets them."""
        index = np.asarray(numbers, np.int64)
        tags = [self.tag(number) for number in index]
        return Rows(
            self.spec, index, self.X[index], self.Y[index], self.status[index], tags, self.inside[index]
        )

    # -- what users look at -----------------------------------------------------------------------

    def params(self, number: int) -> Params:
        """Return what was proposed or added, verbatim."""
        found = self._params.get(number)
        return dict(found) if found is not None else self.spec.space.decode(self.X[number : number + 1])[0]

    def trial(self, number: int) -> Trial:
        """Return one row as a frozen :class:`Trial`."""
        if not 0 <= number < self._n:
            raise IndexError(f"trial {number} of {self._n}")
        asked, told = self._columns["asked"][number], self._columns["told"][number]
        return Trial(
            number=number,
            params=self.params(number),
            status=Status(int(self._columns["status"][number])),
            observation=self.observation(number),
            at=dict(self._at[number]) if number in self._at else None,
            late=tuple(replace(one, values=dict(one.values)) for one in self._late.get(number, ())),
            tag=dict(self._tags[number]),
            error=self._error.get(number, ""),
            worker=self._worker(number),
            asked=None if np.isnan(asked) else float(asked),
            told=None if np.isnan(told) else float(told),
        )

    def observation(self, number: int) -> Observation:
        """Return what was told of a trial, in the user's direction."""
        y = self._columns["Y"][number] * self.spec.sign
        sd, cost = self._columns["sd"][number], self._columns["cost"][number]
        names = [objective.name for objective in self.spec.objectives]
        return Observation(
            values={name: float(v) for name, v in zip(names, y, strict=True) if not np.isnan(v)},
            sd={name: float(v) for name, v in zip(names, sd, strict=True) if not np.isnan(v)},
            cost=None if np.isnan(cost) else float(cost),
        )

    def count(self, *statuses: Status) -> int:
        """Return how many trials have one of these statuses."""
        return int(sum(self._counts[status] for status in statuses))

    def pending(self) -> IntArray:
        """Return the numbers of the trials asked and not yet told."""
        if not self.count(Status.PENDING):
            return np.empty(0, np.int64)
        return np.flatnonzero(self.status == Status.PENDING)

    def open_trials(self, worker: str) -> IntArray:
        """Return the numbers of the trials handed to a worker and not yet told."""
        if worker not in self._workers:
            return np.empty(0, np.int64)
        pending = self.pending()
        mine: BoolArray = self._columns["worker"][pending] == self._workers[worker]
        return pending[mine]

    def expired(self, now: float) -> IntArray:
        """Return the numbers of the pending trials whose lease ended before ``now``."""
        pending = self.pending()
        return pending[self._columns["until"][pending] < now]

    def _worker(self, number: int) -> str | None:
        k = int(self._columns["worker"][number])
        return None if k < 0 else self._worker_names[k]

    def is_pending(self, number: int) -> bool:
        """Whether a trial is asked and not yet told."""
        return bool(self._columns["status"][number] == Status.PENDING)

    # -- what the study writes --------------------------------------------------------------------

    def append(
        self,
        X: FloatArray,
        *,
        params: Sequence[Params] | None = None,
        tags: Sequence[Tag] | None = None,
        worker: str | None = None,
        asked: float = np.nan,
        until: float = np.nan,
        inside: BoolArray | bool = True,
    ) -> range:
        """Add pending rows; return their numbers."""
        start, k = self._n, len(X)
        self._reserve(start + k)
        new = slice(start, start + k)
        self._n += k
        self._columns["X"][new] = X + 0.0  # -0.0 and 0.0 are one point
        self._columns["Y"][new] = np.nan
        self._columns["sd"][new] = np.nan
        self._columns["cost"][new] = np.nan
        self._columns["status"][new] = Status.PENDING
        self._columns["inside"][new] = inside
        self._columns["asked"][new] = asked
        self._columns["told"][new] = np.nan
        if worker is not None and worker not in self._workers:
            self._workers[worker] = len(self._worker_names)
            self._worker_names.append(worker)
        self._columns["worker"][new] = -1 if worker is None else self._workers[worker]
        self._columns["until"][new] = until
        self._tags.extend(tags if tags is not None else [_EMPTY] * k)
        if params is not None:
            self._params.update(zip(range(start, start + k), params, strict=True))
        self._counts[Status.PENDING] += k
        self.version += 1
        return range(start, start + k)

    def finish(
        self,
        numbers: IntArray,
        status: Status | NDArray[np.int8],
        *,
        Y: FloatArray | None = None,
        sd: FloatArray | None = None,
        cost: FloatArray | float | None = None,
        told: float = np.nan,
        error: str = "",
    ) -> None:
        """Write results, minimised (k, m), into rows; a row may be written again by a correction."""
        self._counts -= np.bincount(self._columns["status"][numbers], minlength=len(Status))
        self._columns["status"][numbers] = status
        self._counts += np.bincount(self._columns["status"][numbers], minlength=len(Status))
        self._columns["Y"][numbers] = np.nan if Y is None else Y
        self._columns["sd"][numbers] = np.nan if sd is None else sd
        self._columns["cost"][numbers] = np.nan if cost is None else cost
        self._columns["told"][numbers] = told
        for number in numbers if error or self._error else ():
            self._error.pop(int(number), None)
            if error:
                self._error[int(number)] = error
        self.version += 1

    def move(self, number: int, at: Params, x: FloatArray, inside: bool) -> None:
        """Record that a trial was really run at ``at`` (encoded x, (d,))."""
        self.numbers_of(self.X[:0])  # the proposed point stays known as asked
        self._params.setdefault(number, self.params(number))  # a block's rows are otherwise decoded from X
        self._at[number] = dict(at)
        self._columns["X"][number] = x + 0.0
        self._columns["inside"][number] = inside
        self._keys.setdefault(keys(self.X[number : number + 1])[0], number)

    def renew(self, numbers: Sequence[int], until: float) -> None:
        """Move the end of pending trials' leases."""
        self._columns["until"][list(numbers)] = until

    def add_late(self, number: int, observation: Observation) -> None:
        """Keep a result that came after the one that counts."""
        self._late.setdefault(number, []).append(observation)
        self.version += 1

    def _reserve(self, n: int) -> None:
        capacity = len(self._columns["cost"])
        if n <= capacity:
            return
        capacity = max(n, 2 * capacity, 64)
        for name, column in self._columns.items():
            grown = np.empty((capacity, *column.shape[1:]), column.dtype)
            grown[: self._n] = column[: self._n]
            self._columns[name] = grown


class Trials(Sequence[Trial]):
    """All trials of a study in order: a lazy view, rows become :class:`Trial` when looked at."""

    def __init__(self, history: History) -> None:
        self._history = history

    def __len__(self) -> int:
        return len(self._history)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._history.trial(k) for k in range(len(self))[index]]
        return self._history.trial(range(len(self))[index])

    def __iter__(self) -> Iterator[Trial]:
        return (self._history.trial(k) for k in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} trials>"


def keys(X: FloatArray) -> list[bytes]:
    """Return the rows of X, (k, d), as bytes: rows that differ by rounding alone have equal keys.

    Up to about 1e-12 in every column; what was decoded and encoded again is the same point.
    """
    if X.shape[1] == 0:
        return [b""] * len(X)
    with np.errstate(over="ignore"):  # what was run beyond all bounds is far away, wherever it is
        rounded = np.rint(X * _PLACES) + 0.0
    rows: Any = rounded.view(np.dtype((np.void, X.itemsize * X.shape[1])))
    found: list[bytes] = rows.ravel().tolist()
    return found


def _part(tag: Mapping[str, Any], name: str) -> Tag:
    part = tag.get(name)
    return part if isinstance(part, dict) else _EMPTY
