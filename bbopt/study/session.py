"""What a study does between its journal and its strategy: read, fold, propose, write.

The session is the engine below :class:`bbopt.study.study.Study`, which checks what users give and holds
the locks; here arguments are right and the caller holds what has to be held.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

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
            if self.lease is not None and event["kind"] == "ask":
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
        numbers = self._open_trials(worker)[:n] if fixed is None else []
        # A caller who fixes values wants those: what is queued waits for the next plain ask.
        while len(numbers) < n and self.record.queue and fixed is None:
            item = self.record.queue[0]
            try:
                numbers.append(self.write_trials(partial(self._from_queue, item), worker))
            except (SpaceExhausted, SpaceError):
                # It cannot be filled in, now or ever: said once, and the next ask works.
                self.write({"kind": "dequeue", "queued": [item.seq]})
                raise
        if missing := n - len(numbers):
            first = self.write_trials(partial(self._from_strategy, missing, fixed), worker)
            numbers += range(first, first + missing)
        return numbers

    def ask_block(self, n: int) -> range:
        """Begin n trials as one array. The ask lock is held."""
        self._expire()

        def make() -> Event:
            proposals = self._propose(Request(n))
            return {"kind": "ask_block", "X": proposals.X, "tags": proposals.tags}

        first = self.write_trials(make)
        return range(first, first + n)

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

    def _from_queue(self, item: Queued) -> Event:
        space = self.record.spec.space
        params: Params = item.params
        tag: Tag = {"enqueued": True} if item.retry_of is None else {"retry_of": item.retry_of}
        if not space.is_complete(params):
            proposals = self._propose(Request(1, space.fix(params)))
            params = {**space.decode(proposals.X)[0], **params}
            tag = {**proposals.tags[0], **tag}
        return {"kind": "ask", "params": [params], "tags": [tag], "queued": [item.seq]}

    def _open_trials(self, worker: str | None) -> list[int]:
        if worker is None:
            return []
        return [int(k) for k in self.history.pending() if self.history.worker(int(k)) == worker]

    def _expire(self) -> None:
        now = time.time()
        lost = [number for number, until in self.record.leases.items() if until < now]
        if lost:
            self.write({"kind": "expire", "numbers": sorted(lost)})
