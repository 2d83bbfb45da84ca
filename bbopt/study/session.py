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
from bbopt.errors import Conflict, JournalError, SpaceError, SpaceExhausted
from bbopt.rng import Key
from bbopt.spec import Spec
from bbopt.strategies.gate import propose
from bbopt.strategies.strategy import AnyStrategy, Proposals, Request
from bbopt.study.journal import Event, Journal
from bbopt.study.record import Queued, Record
from bbopt.types import Params, Tag


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
        self._is_torn = False
        self.sync()

    @property
    def history(self) -> History:
        """All trials."""
        return self.record.history

    def sync(self) -> None:
        """Fold in what the journal holds beyond the last event seen, from any process."""
        if self.is_closed:
            return
        if self._is_torn:  # Ctrl-C came amid a fold: the journal has all of it, so fold anew
            self.record, self._n_folded = Record(self.record.spec), None
        self._is_torn = True
        for event in self.journal.read(self.record.seq):
            self.record.apply(event)
        self._is_torn = False

    def check_open(self) -> None:
        """Raise JournalError where the study was closed."""
        if self.is_closed:
            again = "" if self.journal.where == "memory" else "; reopen it with Study.open"
            raise JournalError(f"the study in {self.journal.where} is closed: nothing was stored{again}")

    def write(self, event: Event) -> None:
        """Append an event, then fold it in."""
        self.check_open()
        event["time"] = time.time()
        self.journal.append([event])
        self.sync()

    def write_trials(self, make: Callable[[], Event], worker: str | None = None) -> int:
        """Append an event that begins trials; return the number of the first. The ask lock is held.

        Results may arrive meanwhile and do not matter. Where trials do, on a file system whose locks
        do not work, the event is made anew.
        """
        self.check_open()
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

    def ask(self, n: int, fixed: Params | None, worker: str | None) -> list[int]:
        """Begin n trials, or hand a worker its own open ones; return their numbers. The ask lock is held."""
        self._expire()
        if worker is None or fixed is not None:
            return self._begin(n, fixed, worker, self._from_strategy)
        mine: list[int] = self.history.open_trials(worker)[:n].tolist()
        self._renew(mine)
        return mine + self._begin(n - len(mine), None, worker, self._from_strategy)

    def ask_block(self, n: int, worker: str | None) -> range:
        """Begin n trials in a row, or hand a worker its own open ones. The ask lock is held."""
        self._expire()
        if worker is not None and len(mine := self.history.open_trials(worker)):
            in_a_row = mine - mine[0] == np.arange(len(mine))
            block = range(int(mine[0]), int(mine[0]) + min(n, int(np.count_nonzero(in_a_row))))
            self._renew(list(block))
            return block
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
            # Meanwhile there is no state: Ctrl-C may leave it half updated.
            n_folded, self._n_folded = self._n_folded, None
            self._state = self.strategy.tell(self._state, self.history.rows(new), self.key)
            self._n_folded = n_folded + len(new)
        return self._state

    def _propose(self, request: Request) -> Proposals:
        return propose(self.strategy, self.state(), self.history, request, self.key)

    def _from_strategy(self, n: int, fixed: Params | None) -> Event:
        space = self.record.spec.space
        if fixed is None:
            proposals = self._propose(Request(n))
            return {"kind": "ask", "params": space.decode(proposals.X), "tags": proposals.tags}
        proposals = self._propose(Request(n, space.fix(fixed)))
        held = space.partial(fixed)  # to the last digit, not as encoded and decoded
        return {
            "kind": "ask",
            "params": [{**params, **held} for params in space.decode(proposals.X)],
            "tags": proposals.tags,
        }

    def _begin(
        self,
        n: int,
        fixed: Params | None,
        worker: str | None,
        ask: Callable[[int, Params | None], Event],
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

    def _block(self, n: int, _: Params | None) -> Event:
        proposals = self._propose(Request(n))
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
        if item.retry_of is not None:  # a population takes the result for that of its lost member
            tag: Tag = {**self.history.tag(item.retry_of), "retry_of": item.retry_of}
            event: Event = {"kind": "ask", "params": [item.params], "tags": [tag]}
        elif space.is_complete(item.params):
            event = {"kind": "ask", "params": [item.params], "tags": [{"enqueued": True}]}
        else:
            event = self._from_strategy(1, item.params)
            event["tags"] = [{**event["tags"][0], "enqueued": True}]
        return {**event, "queued": [item.id]}

    def _renew(self, numbers: list[int]) -> None:
        if self.lease is not None and numbers:
            self.write({"kind": "renew", "numbers": numbers, "until": time.time() + self.lease})

    def _expire(self) -> None:
        if self.lease is not None and len(lost := self.history.expired(time.time())):
            self.write({"kind": "release", "numbers": lost.tolist(), "error": "its lease expired"})
