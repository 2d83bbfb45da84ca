"""The study: the one stateful object. It asks, is told, and never forgets.

Every change is an event: written to the journal first, then folded into the record
(:mod:`bbopt.study.record`). Reopening a study reads the same events through the same fold.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from bbopt.data.history import History, Trials
from bbopt.data.trial import Status, Trial
from bbopt.errors import Conflict, DataError, JournalError, UnsupportedError
from bbopt.rng import Key, draw_seed
from bbopt.space import Space
from bbopt.spec import Objective, Spec
from bbopt.strategies.auto import Auto
from bbopt.strategies.registry import make_strategy
from bbopt.strategies.strategy import AnyStrategy
from bbopt.study import explanation, loop, results
from bbopt.study.block import Block
from bbopt.study.header import check_header, header_event, read_spec, recorded_strategy
from bbopt.study.journal import Event, Journal
from bbopt.study.outcomes import read_block, read_cost, read_outcome, read_place, read_text
from bbopt.study.session import Session
from bbopt.study.storage import open_journal
from bbopt.types import Params, is_finite, is_whole

if TYPE_CHECKING:
    import pandas as pd

_MOST_AT_ONCE = 10**7


class Study:
    """Ask what to try, tell what came out.

    Parameters
    ----------
    space : Space or sequence of parameters
    objectives : str, Objective or a sequence of these
        Default: one objective named "value", minimised.
    strategy : str or strategy, optional
        A name ("auto", "bo", "turbo", "baxus", "dumbo", "cbo", "sobol", "random", "lhs", "grid") or an
        object. Default "auto", which for an existing journal is what it recorded.
    storage : None, path or Journal
        None keeps everything in memory; a path ending in ``.db`` (SQLite) or ``.jsonl`` creates the
        file or reopens what is there.
    seed : int, optional
        Same seed, same suggestions. A missing one is drawn and recorded.
    lease : float, optional
        Seconds after which a trial asked and not told is taken for lost: it is abandoned and its
        params are handed out again. None (default): trials may take weeks.

    Raises
    ------
    SpaceError
        For a malformed space, objective or strategy.
    UnsupportedError
        If the strategy cannot handle this problem.
    JournalError
        If the file belongs to another study (the message shows the difference) or is damaged.
    """

    def __init__(
        self,
        space: "Space | Sequence[Any]",
        objectives: "str | Objective | Sequence[str | Objective]" = Objective(),  # noqa: B008 (frozen)
        *,
        strategy: "str | AnyStrategy | None" = None,
        storage: "str | PathLike[str] | Journal | None" = None,
        seed: int | None = None,
        lease: float | None = None,
    ) -> None:
        if not isinstance(space, Space):
            space = Space(space)
        spec = Spec.of(space, objectives)
        if seed is not None and not is_whole(seed):
            raise DataError(f"seed must be an integer or None, got {seed!r}")
        if lease is not None and not (is_finite(lease) and lease > 0):
            raise DataError(f"lease must be a positive number of seconds or None, got {lease!r}")
        chosen = make_strategy("auto" if strategy is None else strategy)
        # "Choose for me" agrees with whatever was chosen when the study began.
        made = None if isinstance(chosen, Auto) else chosen
        _check_support(chosen, spec)
        journal = open_journal(storage)
        header = next(iter(journal.read(0)), None)
        if header is None:
            seed = draw_seed() if seed is None else int(seed)
            event = header_event(spec, chosen, seed, None if lease is None else float(lease))
            try:
                journal.append([event], expect=0)
                header = event
            except Conflict:  # another process created the study first: join it
                header = next(iter(journal.read(0)))
        self._open(journal, header, spec, made, seed, None if lease is None else float(lease))

    @classmethod
    def open(
        cls,
        storage: "str | PathLike[str] | Journal",
        *,
        strategy: "str | AnyStrategy | None" = None,
        constraints: Mapping[str, Callable[..., Any]] | None = None,
    ) -> "Study":
        """Reopen a study from its journal alone.

        Parameters
        ----------
        storage : path or Journal
        strategy : strategy, optional
            Needed where the study was made with a strategy object of a class of your own.
        constraints : mapping of str to callable, optional
            Known constraints that are callables, by name: code is never stored.

        Raises
        ------
        JournalError
            If there is no study, or the file is damaged.
        """
        journal = open_journal(storage, create=False)
        header = next(iter(journal.read(0)), None)
        if header is None:
            raise JournalError(
                f"there is no study in {journal.where}: create one with Study(space, storage=...)"
            )
        study = cls.__new__(cls)
        spec = read_spec(header, constraints or {}, journal.where)
        made = None if strategy is None else make_strategy(strategy)
        if made is not None:
            _check_support(made, spec)
        study._open(journal, header, spec, None if isinstance(made, Auto) else made, None, None)
        return study

    def _open(
        self,
        journal: Journal,
        header: Event,
        spec: Spec,
        strategy: AnyStrategy | None,
        seed: int | None,
        lease: float | None,
    ) -> None:
        check_header(header, spec, strategy, seed, lease, journal.where)
        if strategy is None:
            strategy = recorded_strategy(header, journal.where)
        self.seed: int = header["seed"]
        self._session = Session(journal, spec, strategy, self.seed, header["lease"])
        # Asks take the journal's lock first and this one second, so that a result never waits for an ask
        # of another process; it serialises the threads of this one.
        self._mutex = threading.RLock()
        self._cache: dict[str, Any] = {}

    # -- ask --------------------------------------------------------------------------------------

    @overload
    def ask(self, n: None = None, *, fixed: Params | None = None, worker: str | None = None) -> Trial: ...
    @overload
    def ask(self, n: int, *, fixed: Params | None = None, worker: str | None = None) -> list[Trial]: ...
    def ask(
        self, n: int | None = None, *, fixed: Params | None = None, worker: str | None = None
    ) -> Trial | list[Trial]:
        """Return the next trial to run, or a list of n.

        Parameters
        ----------
        n : int, optional
            How many; without it one Trial is returned, with it a list, also for n = 1.
        fixed : mapping, optional
            Parameters to be kept at these values.
        worker : str, optional
            Who runs it. A worker that asks again gets its own unfinished trials first, so that one
            that crashed takes up where it was.

        Raises
        ------
        SpaceExhausted
            If fewer new points are left and the objective is declared ``noise=0``.
        DataError
            For a malformed argument; nothing is asked then.
        """
        if n is not None:
            _check_n("ask", n)
        _check_worker("ask", worker)
        with self.journal.lock(), self._mutex:
            self._session.sync()
            if fixed is not None:
                self.space.fix(fixed)  # a DataError now, before anything else happens
            numbers = self._session.ask(1 if n is None else int(n), fixed, worker)
            trials = [self.history.trial(number) for number in numbers]
        return trials[0] if n is None else trials

    def ask_block(self, n: int, *, worker: str | None = None) -> Block:
        """Ask n trials as arrays, one event for all: the way to 10^5 evaluations.

        Parameters
        ----------
        n : int
            How many, at least 1.
        worker : str, optional
            Who runs it. A worker that asks again gets its own unfinished trials first: then the block
            holds those, at most n.

        Raises
        ------
        SpaceExhausted, DataError
            As :meth:`ask`.
        """
        _check_n("ask_block", n)
        _check_worker("ask_block", worker)
        with self.journal.lock(), self._mutex:
            self._session.sync()
            numbers = self._session.ask_block(int(n), worker)
            return Block(numbers, self.history.X[numbers.start : numbers.stop].copy(), self.space)

    # -- tell -------------------------------------------------------------------------------------

    def tell(
        self,
        trial: Trial | int,
        value: Any,
        *,
        sd: Any = None,
        cost: float | None = None,
        at: Params | None = None,
    ) -> Trial:
        """Record the result of a trial; when this returns, it is on disk.

        Parameters
        ----------
        trial : Trial or int
            A trial of this study, or its number.
        value : float, mapping or sequence
            The outcome, in the user's direction; a mapping by name, or a sequence in the order of
            the objectives. NaN or an infinity records the trial as failed.
        sd : float, mapping or sequence, optional
            Standard error of the value, at least 0.
        cost : float, optional
            What the evaluation cost.
        at : mapping, optional
            The params that were really run, where they differ; they may lie outside the space.

        Returns
        -------
        Trial
            As it stands now. A second, equal tell changes nothing; a different one is kept under
            ``late`` while the first counts (:meth:`amend` corrects).

        Raises
        ------
        DataError
            For an unknown trial, a wrong name, or a value that is no number; nothing is stored.
        """
        with self._mutex:
            self._session.sync()
            number = self._number(trial)
            event = self._outcome_event("tell", number, value, sd, cost, at)
            finished = self.history.status[number] in (Status.COMPLETE, Status.FAILED)
            if not (finished and self._session.record.is_known(event)):
                self._session.write(event)
            return self.history.trial(number)

    def tell_block(self, block: Block, values: Any, *, sd: Any = None, cost: Any = None) -> None:
        """Record the results of a block: values (n,) or (n, m), rows with NaN or infinities failed.

        For trials that have a result already, what :meth:`tell` says of a second one holds.

        Raises
        ------
        DataError
            For a shape that does not fit, or a block of another study; nothing is stored.
        """
        with self._mutex:
            self._session.sync()
            if not isinstance(block, Block):
                raise DataError(f"tell_block: block must be what ask_block returned, got {block!r}")
            numbers = slice(block.numbers.start, block.numbers.stop)
            pending = self.history.status[numbers] == Status.PENDING
            if len(pending) != len(block) or not np.array_equal(
                self.history.X[numbers][pending], block.X[pending]
            ):
                raise DataError(f"tell_block: trials {block.numbers} with these points are not of this study")
            event = read_block(self.spec, len(block), values, sd, cost)
            event = {"kind": "tell_block", "number": block.numbers.start, **event}
            if pending.any() or not self._session.record.is_block_known(event):
                self._session.write(event)

    def fail(self, trial: Trial | int, error: str = "", *, cost: float | None = None) -> Trial:
        """Record that the run of a trial broke: strategies learn to keep away from there.

        Raises
        ------
        DataError
            If the trial has a result: :meth:`abandon` withdraws it, :meth:`amend` corrects it.
        """
        return self._end("fail", trial, error, cost)

    def abandon(self, trial: Trial | int, reason: str = "") -> Trial:
        """Never mind a trial: nothing is learnt from it. A result told later still counts.

        A result that it has already is withdrawn, and kept under ``late``.
        """
        return self._end("abandon", trial, reason, None)

    def _end(self, kind: str, trial: Trial | int, error: str, cost: float | None) -> Trial:
        if not isinstance(error, str):
            raise DataError(f"{kind}: the reason must be a string, got {error!r}")
        with self._mutex:
            self._session.sync()
            number = self._number(trial)
            now = self.history.trial(number)
            if kind == "fail" and now.status == Status.COMPLETE:
                raise DataError(
                    f"fail: trial {number} has a result, {dict(now.values)}; abandon withdraws it, "
                    "amend corrects it"
                )
            event: Event = {"kind": kind, "number": number, "error": read_text(error)}
            if cost is not None:
                event |= read_cost(cost, failed=kind == "fail")
            is_lost = number in self._session.record.lost
            if now.status != (Status.FAILED if kind == "fail" else Status.ABANDONED) or is_lost:
                self._session.write(event)
            return self.history.trial(number)

    def amend(
        self,
        trial: Trial | int,
        value: Any,
        *,
        sd: Any = None,
        cost: float | None = None,
        at: Params | None = None,
    ) -> Trial:
        """Correct the result of a finished trial (a typing mistake); arguments as in :meth:`tell`.

        What is left out of ``sd``, ``cost`` and ``at`` stays as it was told.

        Raises
        ------
        DataError
            If the trial is still pending, or as in :meth:`tell`.
        """
        with self._mutex:
            self._session.sync()
            number = self._number(trial)
            if self.history.is_pending(number):
                raise DataError(f"amend: trial {number} has no result yet; use tell")
            self._session.write(self._outcome_event("amend", number, value, sd, cost, at))
            return self.history.trial(number)

    def add(self, params: Params, value: Any, *, sd: Any = None, cost: float | None = None) -> Trial:
        """Add a result from before, or from elsewhere, as a new trial.

        The point may lie off the steps or outside the space: models learn from it, ``best`` does not
        return it then.

        Raises
        ------
        DataError
            As in :meth:`tell`, and for params whose names or kinds do not fit.
        """
        with self.journal.lock(), self._mutex:
            self._session.sync()
            params, is_inside = read_place(self.spec, params)

            def make() -> Event:
                event = self._outcome_event("add", len(self.history), value, sd, cost, None)
                return {**event, "params": params, "inside": is_inside}

            return self.history.trial(self._session.write_trials(make))

    def enqueue(self, params: Params) -> None:
        """Try these params at the next ask; parameters left out are filled in by the strategy.

        Raises
        ------
        DataError
            For params that do not lie in the space.
        SpaceError
            Where no feasible point has these values.
        """
        with self._mutex:
            self._session.sync()
            if self.space.is_complete(params):
                params = self.space.validate(params, strict=True)
            else:
                fixed = self.space.fix(params)
                self.space.sample(1, Key(0), fixed=fixed)  # is there such a point at all?
                params = self.space.partial(params)
            self._session.write({"kind": "enqueue", "params": dict(params)})

    def _outcome_event(
        self, kind: str, number: int, value: Any, sd: Any, cost: float | None, at: Params | None
    ) -> Event:
        event: Event = {"kind": kind, "number": number, **read_outcome(self.spec, value, sd)}
        if cost is not None:
            event |= read_cost(cost, failed="error" in event)
        if at is not None:
            event["at"], event["inside"] = read_place(self.spec, at)
        return event

    def _number(self, trial: Trial | int) -> int:
        if isinstance(trial, Trial):
            number = trial.number
            if number < len(self.history) and dict(self.history.params(number)) == dict(trial.params):
                return number
            raise DataError(f"trial {number} with params {dict(trial.params)} is not of this study")
        if not is_whole(trial):
            raise DataError(f"trial must be a Trial of this study or its number, got {trial!r}")
        if not 0 <= trial < len(self.history):
            raise DataError(f"there is no trial {trial}; this study has {len(self.history)} trials")
        return int(trial)

    # -- look -------------------------------------------------------------------------------------

    @property
    def space(self) -> Space:
        """The space."""
        return self.spec.space

    @property
    def spec(self) -> Spec:
        """What is optimised."""
        return self._session.record.spec

    @property
    def strategy(self) -> AnyStrategy:
        """The strategy."""
        return self._session.strategy

    @property
    def journal(self) -> Journal:
        """Where the events are."""
        return self._session.journal

    @property
    def history(self) -> History:
        """All trials in columns, minimised and encoded."""
        return self._session.history

    @property
    def trials(self) -> Trials:
        """All trials, a lazy sequence."""
        with self._mutex:
            self._session.sync()
            return Trials(self.history)

    @property
    def pending(self) -> list[Trial]:
        """The trials asked and not yet told."""
        with self._mutex:
            self._session.sync()
            return [self.history.trial(int(k)) for k in self.history.pending()]

    @property
    def n_finished(self) -> int:
        """How many trials have a result, complete or failed: what the budget of :meth:`run` counts."""
        with self._mutex:
            self._session.sync()
            return self.history.count(Status.COMPLETE, Status.FAILED)

    def __len__(self) -> int:
        return len(self.trials)

    def __repr__(self) -> str:
        counts = [(self.history.count(status), status.name.lower()) for status in Status]
        shown = "".join(f", {n} {name}" for n, name in counts if n or name == "complete")
        names = ", ".join(o.name for o in self.spec.objectives)
        return f"<Study of {names}: {len(self.history)} trials{shown}, in {self.journal.where}>"

    def best(self, by: str | None = None) -> results.Best:
        """Return the best trial and the rule by which it was chosen; see :func:`bbopt.study.results.best`."""
        with self._mutex:
            self._session.sync()
            found: results.Best = self._cached(
                f"best {by}", lambda: results.best(self.history, self.strategy, by)
            )
            return found

    def recommend(self) -> results.Recommendation:
        """Return what the model would pick: params, mean, sd; the point need not have been evaluated."""
        with self._mutex:
            self._session.sync()
            found: results.Recommendation = self._cached(
                "recommend", lambda: results.recommend(self.history, self.strategy, self._session.key)
            )
            return found

    @overload
    def predict(self, params: Params) -> results.Prediction: ...
    @overload
    def predict(self, params: Sequence[Params]) -> list[results.Prediction]: ...
    def predict(self, params: Params | Sequence[Params]) -> results.Prediction | list[results.Prediction]:
        """Return mean and sd of the objective at one point or several, from a Gaussian process.

        Raises
        ------
        DataError
            For params that do not fit, or while nothing is complete.
        FitError
            Where no model can be fitted.
        UnsupportedError
            With several objectives.
        """
        with self._mutex:
            self._session.sync()
            model = self._cached("model", lambda: results.fit_model(self.history, self.strategy))
            if not isinstance(params, Iterable):
                raise DataError(f"predict: params must be a mapping or several of them, got {params!r}")
            points = [params] if isinstance(params, Mapping) else list(params)
            X = self.space.encode([self.space.validate(p, strict=False) for p in points])
            found = results.predict(self.spec, model, X)
            return found[0] if isinstance(params, Mapping) else found

    def explain(self, trial: Trial | int) -> str:
        """Say in words why a trial was proposed."""
        with self._mutex:
            self._session.sync()
            return explanation.explain(self.history.trial(self._number(trial)), self.strategy, self.spec)

    def to_dataframe(self) -> "pd.DataFrame":
        """Return all trials as a pandas DataFrame, one row a trial."""
        return results.to_dataframe(self.trials, self.space, self.spec)

    def _cached(self, name: str, make: Callable[[], Any]) -> Any:
        version, value = self._cache.get(name, (-1, None))
        if version != self.history.version:
            value = make()
            self._cache[name] = (self.history.version, value)
        return value

    # -- run --------------------------------------------------------------------------------------

    def run(self, f: Callable[..., Any], budget: float | None = None, **options: Any) -> str:
        """Call ``f(params)`` until a limit is reached; options as in :func:`bbopt.study.loop.run`."""
        return loop.run(self, f, budget, **options)

    def close(self) -> None:
        """Let go of the journal; nothing needs saving. What is known stays readable."""
        self._session.is_closed = True
        self.journal.close()

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_support(strategy: AnyStrategy, spec: Spec) -> None:
    most = strategy.supports.objectives
    if len(spec.objectives) > most:
        raise UnsupportedError(
            f"{type(strategy).__name__} handles {most} objective{'s' if most > 1 else ''}, "
            f"this study has {len(spec.objectives)}"
        )
    strategy.init(spec, Key(0))  # refuses what cannot work, before anything is stored or paid for


def _check_n(call: str, n: Any) -> None:
    if not (is_whole(n) and 1 <= n <= _MOST_AT_ONCE):
        raise DataError(f"{call}: n must be an integer from 1 to {_MOST_AT_ONCE}, got {n!r}")


def _check_worker(call: str, worker: Any) -> None:
    if worker is not None and not isinstance(worker, str):
        raise DataError(f"{call}: worker must be a string, got {worker!r}")
