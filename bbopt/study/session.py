"""What a study does between its journal and its strategy: read, fold, propose, write.

The session is the engine below :class:`bbopt.study.study.Study`, which checks what users give and holds
the locks; here arguments are right and the caller holds what has to be held.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bbopt.data.history import History
from bbopt.errors import Conflict, SpaceError, SpaceExhausted
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.gate import propose
from bbopt.strategies.strategy import AnyStrategy, Proposals, Request
from bbopt.study.journal import Event, Journal
from bbopt.study.record import Queued, Record
from bbopt.types import FloatArray, Params, Tag


class Session:
    """A journal, the record folded from it, and the strategy's state folded from that.

    Parameters
    ----------
    journal : Journal
    spec : Spec
    strategy : strategy
    seed : int
    lease : float or None
        Seconds after which a trial asked and not told is taken for lost.
    """

    def __init__(
        self, journal: Journal, spec: Spec, strategy: AnyStrategy, seed: int, lease: float | None
    ) -> None:
        self.journal = journal
        self.record = Record(spec)
        self.strategy = strategy
        self.key = Key(seed).child("strategy")
        self.lease = lease
        self.is_closed = False
        self._state: Any = None
        self._n_folded: int | None = None
        self._corrections = 0
        self.sync()

    @property
    def history(self) -> History:
        """All trials."""
        return self.record.history

    def sync(self) -> None:
        """Fold in what the journal holds beyond the last event seen, from any process."""
        if not self.is_closed:
            for event in self.journal.read(self.record.seq):
                self.record.apply(event)

    def write(self, event: Event) -> None:
        """Append an event, then fold it in."""
        event["time"] = time.time()
        self.journal.append([event])
        self.sync()

    def write_trials(self, make: Callable[[], Event], worker: str | None = None) -> int:
        """Append an event that begins trials; return the number of the first. The ask lock is held.

        Results may arrive meanwhile and do not matter. Where trials do, on a file system whose locks
        do not work, the event is made anew.
        """
        while True:
            number, read = len(self.history), self.record.seq
            event = {**make(), "number": number, "read": read, "time": time.time()}
            if worker is not None:
                event["worker"] = worker
            if self.lease is not None and event["kind"] != "add":
                event["until"] = event["time"] + self.lease
            while len(self.history) == number:
                try:
                    self.journal.append([event], expect=self.record.seq)
                except Conflict:
                    self.sync()
                else:
                    self.sync()
                    return number

    def ask(self, n: int, fixed: FloatArray | None, worker: str | None) -> list[int]:
        """Begin n trials, or hand a worker its own open ones; return their numbers. The ask lock is held."""
        self._expire()
        if worker is None or fixed is not None:
            return self._begin(n, fixed, worker, self._from_strategy)
        mine: list[int] = self.history.open_trials(worker)[:n].tolist()
        return mine + self._begin(n - len(mine), None, worker, self._from_strategy)

    def ask_block(self, n: int, worker: str | None) -> range:
        """Begin n trials in a row, or hand a worker its own open ones. The ask lock is held."""
        self._expire()
        if worker is not None and len(mine := self.history.open_trials(worker)):
            in_a_row = mine - mine[0] == np.arange(len(mine))
            return range(int(mine[0]), int(mine[0]) + min(n, int(np.count_nonzero(in_a_row))))
        begun = self._begin(n, None, worker, self._block)
        return range(begun[0], begun[0] + n)

    def state(self) -> Any:
        """Return the strategy's state: the fold of its ``tell`` over the finished trials."""
        record = self.record
        if self._n_folded is None or self._corrections != record.corrections:
            self._state, self._n_folded = self.strategy.init(record.spec, self.key), 0
            self._corrections = record.corrections
        new = record.finished[self._n_folded :]
        if new:
            self._state = self.strategy.tell(self._state, self.history.rows(new), self.key)
            self._n_folded += len(new)
        return self._state

    def _propose(self, request: Request) -> Proposals:
        return propose(self.strategy, self.state(), self.history, request, self.key)

    def _from_strategy(self, n: int, fixed: FloatArray | None) -> Event:
        proposals = self._propose(Request(n, fixed))
        params = self.record.spec.space.decode(proposals.X)
        return {"kind": "ask", "params": params, "tags": proposals.tags}

    def _begin(
        self,
        n: int,
        fixed: FloatArray | None,
        worker: str | None,
        ask: Callable[[int, FloatArray | None], Event],
    ) -> list[int]:
        """Begin n new trials, or none: first what is queued, then what the strategy proposes."""
        begun: list[int] = []
        try:
            # A caller who fixes values wants those: what is queued waits for the next plain ask.
            while len(begun) < n and self.record.queue and fixed is None:
                begun.append(self._begin_queued(self.record.queue[0], worker))
            if missing := n - len(begun):
                first = self.write_trials(partial(ask, missing, fixed), worker)
                begun += range(first, first + missing)
        except Exception:
            if begun:  # nobody will see them: they go back to the queue
                self.write({"kind": "release", "numbers": begun, "error": "fewer were left than asked for"})
            raise
        return begun

    def _block(self, n: int, fixed: FloatArray | None) -> Event:
        proposals = self._propose(Request(n, fixed))
        return {"kind": "ask_block", "X": proposals.X, "tags": proposals.tags}

    def _begin_queued(self, item: Queued, worker: str | None) -> int:
        try:
            return self.write_trials(partial(self._from_queue, item), worker)
        except (SpaceExhausted, SpaceError):
            # It cannot be filled in, now or ever: said once, and the next ask works.
            self.write({"kind": "dequeue", "queued": [item.id]})
            raise

    def _from_queue(self, item: Queued) -> Event:
        space = self.record.spec.space
        params: Params = item.params
        tag: Tag = {"enqueued": True} if item.retry_of is None else {"retry_of": item.retry_of}
        if not space.is_complete(params):
            proposals = self._propose(Request(1, space.fix(params)))
            params = {**space.decode(proposals.X)[0], **params}
            tag = {**proposals.tags[0], **tag}
        return {"kind": "ask", "params": [params], "tags": [tag], "queued": [item.id]}

    def _expire(self) -> None:
        if self.lease is not None and len(lost := self.history.expired(time.time())):
            self.write({"kind": "release", "numbers": lost.tolist(), "error": "its lease expired"})
