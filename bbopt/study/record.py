"""What follows from a journal: the fold of its events into history, queue and leases.

Live work and replay go through the same function, :meth:`Record.apply`: a study that is reopened is,
by construction, the study that was closed. One event kind, one method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from bbopt.data.history import History
from bbopt.data.trial import Observation, Status
from bbopt.errors import JournalError
from bbopt.spec import Spec
from bbopt.study.journal import Event
from bbopt.types import FloatArray, Params


@dataclass(frozen=True, slots=True)
class Queued:
    """Params to be tried next: enqueued by the user, or given back by a trial that was lost.

    ``id`` counts what was ever queued in this study.
    """

    id: int
    params: Params
    retry_of: int | None = None


@dataclass(slots=True)
class Record:
    """Everything known of a study after the events up to ``seq``.

    Attributes
    ----------
    spec : Spec
    history : History
    seq : int
        The last event folded in.
    queue : list of Queued
    n_queued : int
        How many items were ever queued.
    finished : list of int
        Trials in the order in which they finished first. One that was lost is not finished: its retry
        will be, or it itself when it is told after all.
    lost : set of int
        Trials that were taken back: their leases expired, or they were never handed out.
    corrections : int
        How many events changed a trial that had already finished; strategies are then folded anew.
    """

    spec: Spec
    seq: int = 0
    history: History = field(init=False)
    queue: list[Queued] = field(default_factory=list)
    n_queued: int = 0
    finished: list[int] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    corrections: int = 0

    def __post_init__(self) -> None:
        self.history = History(self.spec)

    def apply(self, event: Event) -> None:
        """Fold one event in; raises JournalError for an unknown kind."""
        kind = event["kind"]
        if kind not in _KINDS:
            raise JournalError(
                f"event {event['seq']} has the unknown kind {kind!r}: written by a newer bbopt?"
            )
        getattr(self, f"_{kind}")(event)
        self.seq = event["seq"]

    # -- trials begin -----------------------------------------------------------------------------

    def _study(self, event: Event) -> None:
        pass

    def _ask(self, event: Event) -> None:
        params: list[Params] = event["params"]
        numbers = self.history.append(
            self.spec.space.encode(params),
            params=params,
            tags=event["tags"],
            worker=event.get("worker"),
            asked=event["time"],
            until=event.get("until", np.nan),
        )
        self._check_number(event, numbers)
        self._dequeue(event)

    def _ask_block(self, event: Event) -> None:
        numbers = self.history.append(
            event["X"],
            tags=event.get("tags"),
            worker=event.get("worker"),
            asked=event["time"],
            until=event.get("until", np.nan),
        )
        self._check_number(event, numbers)

    def _add(self, event: Event) -> None:
        params = event["params"]
        X = self.spec.space.encode([params])
        numbers = self.history.append(
            X, params=[params], tags=[{"added": True}], asked=event["time"], inside=event["inside"]
        )
        self._check_number(event, numbers)
        self._complete(numbers[0], event)

    def _check_number(self, event: Event, numbers: range) -> None:
        if event["number"] != numbers.start:
            raise JournalError(
                f"event {event['seq']} numbers its first trial {event['number']}, {numbers.start} is next: "
                "the journal was edited or two studies wrote to it"
            )

    # -- trials end -------------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        number = event["number"]
        status = self.history.status[number]
        if status in (Status.COMPLETE, Status.FAILED):
            if not self.is_known(event):
                self.history.add_late(number, _observation(event))
            return
        self._complete(number, event)  # an abandoned one was run after all: a result is never thrown away

    def is_known(self, event: Event) -> bool:
        """Whether a finished trial was told just this before: a repeat adds nothing."""
        trial, told = self.history.trial(event["number"]), _observation(event)
        if "error" in event and trial.status == Status.FAILED:
            return True
        first = trial.observation
        is_first = (
            "error" not in event
            and trial.status == Status.COMPLETE
            and told.values == first.values
            and told.sd == first.sd
            and told.cost in (None, first.cost)
            and event.get("at", trial.at) == trial.at
        )
        return is_first or told in trial.late

    def is_block_known(self, event: Event) -> bool:
        """Whether all trials of a block are finished and were told just this before."""
        finished = self.history.status[event["number"] + np.arange(len(event["values"]))]
        if not np.isin(finished, (Status.COMPLETE, Status.FAILED)).all():
            return False
        return all(self.is_known(self._one_of(event, k)) for k in range(len(finished)))

    def _complete(self, number: int, event: Event) -> None:
        if "at" in event:
            at = event["at"]
            self.history.move(number, at, self.spec.space.encode([at])[0], event["inside"])
        Y, sd = self._row(event["values"]) * self.spec.sign, self._row(event.get("sd", {}))
        failed = "error" in event
        self._finish(
            np.array([number]),
            Status.FAILED if failed else Status.COMPLETE,
            Y=Y,
            sd=sd,
            cost=event.get("cost"),
            told=event["time"],
            error=event.get("error", ""),
        )

    def _tell_block(self, event: Event) -> None:
        values: FloatArray = event["values"]
        numbers = np.arange(event["number"], event["number"] + len(values))
        status_now = self.history.status[numbers]
        open_rows = (status_now == Status.PENDING) | (status_now == Status.ABANDONED)
        for k in np.flatnonzero(~open_rows).tolist():
            self._tell(self._one_of(event, k))
        ok = np.asarray(np.isfinite(values).all(axis=1))
        status = np.where(ok, Status.COMPLETE, Status.FAILED).astype(np.int8)[open_rows]
        Y = np.where(np.isfinite(values), values * self.spec.sign, np.nan)
        sd, cost = event.get("sd"), event.get("cost")
        self._finish(
            numbers[open_rows],
            status,
            Y=Y[open_rows],
            sd=None if sd is None else sd[open_rows],
            cost=None if cost is None else cost[open_rows],
            told=event["time"],
        )

    def _one_of(self, event: Event, k: int) -> Event:
        """Return row k of a block's results as a tell of its own."""
        names = [objective.name for objective in self.spec.objectives]
        told: Event = {"number": event["number"] + k}
        values = dict(zip(names, event["values"][k].tolist(), strict=True))
        told["values"] = {name: value for name, value in values.items() if isfinite(value)}
        if len(told["values"]) < len(values):
            told["error"] = "told a value that is not finite"
        if "sd" in event:
            sd = dict(zip(names, event["sd"][k].tolist(), strict=True))
            told["sd"] = {name: value for name, value in sd.items() if isfinite(value)}
        if "cost" in event and isfinite(cost := float(event["cost"][k])):
            told["cost"] = cost
        return told

    def _fail(self, event: Event) -> None:
        number = event["number"]
        status = self.history.status[number]
        if status in (Status.COMPLETE, Status.FAILED):
            return
        numbers = np.array([number])
        cost = event.get("cost")
        self._finish(numbers, Status.FAILED, cost=cost, told=event["time"], error=event["error"])

    def _abandon(self, event: Event) -> None:
        number = event["number"]
        status = self.history.status[number]
        told = self.history.observation(number)
        if status in (Status.COMPLETE, Status.FAILED) and told.values:
            self.history.add_late(number, told)  # withdrawn, not thrown away
        if status != Status.ABANDONED or number in self.lost:
            numbers = np.array([number])
            self._finish(numbers, Status.ABANDONED, cost=told.cost, told=event["time"], error=event["error"])

    def _release(self, event: Event) -> None:
        for number in event["numbers"]:
            if self.history.is_pending(number):
                self._queue(self.history.params(number), retry_of=number)
                self.lost.add(number)
                self.history.finish(
                    np.array([number]), Status.ABANDONED, told=event["time"], error=event["error"]
                )

    def _renew(self, event: Event) -> None:
        self.history.renew(event["numbers"], event["until"])

    def _amend(self, event: Event) -> None:
        number = event["number"]
        told = self.history.observation(number)
        kept: Event = {} if told.cost is None else {"cost": told.cost}
        if told.sd and "error" not in event:
            kept["sd"] = dict(told.sd)
        self._complete(number, {**kept, **event})

    # -- what is to be tried next -----------------------------------------------------------------

    def _enqueue(self, event: Event) -> None:
        self._queue(event["params"])

    def _dequeue(self, event: Event) -> None:
        if "queued" in event:
            self.queue = [item for item in self.queue if item.id not in event["queued"]]

    def _queue(self, params: Params, retry_of: int | None = None) -> None:
        self.queue.append(Queued(self.n_queued, params, retry_of))
        self.n_queued += 1

    # -- how ----------------------------------------------------------------------------------------

    def _finish(self, numbers: Any, status: Any, **written: Any) -> None:
        is_pending = self.history.status[numbers] == Status.PENDING
        first = {*numbers[is_pending].tolist(), *self.lost.intersection(numbers.tolist())}
        self.finished.extend(sorted(first))
        self.corrections += len(numbers) - len(first)
        if self.lost:
            self.lost -= first
            self.queue = [item for item in self.queue if item.retry_of not in first]
        self.history.finish(numbers, status, **written)

    def _row(self, values: Mapping[str, float]) -> FloatArray:
        names = [objective.name for objective in self.spec.objectives]
        return np.array([[values.get(name, np.nan) for name in names]])


def _observation(event: Event) -> Observation:
    return Observation(dict(event["values"]), dict(event.get("sd", {})), event.get("cost"))


_KINDS: Sequence[str] = (
    "study", "ask", "ask_block", "add", "tell", "tell_block", "fail", "abandon", "release", "renew",
    "amend", "enqueue", "dequeue",
)  # fmt: skip
