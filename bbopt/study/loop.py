"""The loop that calls the objective: the only code in bbopt that does."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bbopt.data.trial import Observation, Trial
from bbopt.errors import BboptError, SpaceError, SpaceExhausted
from bbopt.study.arguments import check_run, executor_size
from bbopt.study.limits import Limits
from bbopt.study.progress import Progress, open_progress

if TYPE_CHECKING:
    from bbopt.study.study import Study

Callback = Callable[["Study", Trial], object]
T = TypeVar("T")
_HOPELESS = 5
_LONGEST_TEXT = 10_000


class EvaluationError(BboptError):
    """The objective raised at each of the first evaluations; the last exception is the cause."""


def run(
    study: "Study",
    f: Callable[..., Any],
    budget: float | None = None,
    *,
    executor: Executor | None = None,
    concurrency: int | None = None,
    vectorized: bool = False,
    deadline: float | None = None,
    max_cost: float | None = None,
    until: Callable[["Study"], bool] | None = None,
    callbacks: "Callback | Sequence[Callback]" = (),
    worker: str | None = None,
    progress: bool | None = None,
) -> str:
    """Evaluate ``f`` at what the study asks until a limit is reached; return which limit it was.

    An exception in ``f`` marks the trial failed and the loop goes on, unless each of the first five
    evaluations raises: then the objective itself is broken, and EvaluationError says so. A vectorized
    ``f`` that raises fails its whole block, and EvaluationError says so at once.

    Where the run itself ends with an error (Ctrl-C, a callback that raises, an outcome that is no
    number), everything that had finished is told first, without calling back; unfinished trials are
    taken up by the next run. A point may also kill its worker process, which breaks the pool. If it was
    the only one under way, its trial is failed. With several under way nobody knows which one did it:
    they are abandoned, so that nothing wrong is learnt and the next run, on a new pool, goes on with
    other points. Either way the BrokenExecutor is raised.

    What was enqueued in part and cannot be filled in any more is dropped.

    Parameters
    ----------
    study : Study
    f : callable
        ``f(params) -> value``, where value is anything :meth:`Study.tell` takes, or a
        ``bbopt.Observation`` to give sd and cost too. With ``vectorized=True``: ``f(X) -> (n,)`` with
        X (n, d) in the user's units, all parameters numeric.
    budget : int, optional
        Finished trials (complete or failed) in the study at which to stop, earlier runs counted in:
        the same script run again after a crash goes on and ends at the same number. Of several runs on
        one study at once, each may still have one trial (or ``concurrency`` trials) under way when
        it is reached: the study may then end a few above it.
    executor : concurrent.futures.Executor, optional
        Where to evaluate; default: here, one at a time. Not with ``vectorized``.
    concurrency : int, optional
        Trials under way at once; default: the executor's number of workers. For ``vectorized``: the
        size of a block; default: what the strategy prefers.
    deadline : float, optional
        Seconds from now after which nothing new is started.
    max_cost : float, optional
        Stop when the costs told add up to this.
    until : callable, optional
        ``until(study) -> bool``, looked at once there is a complete trial.
    callbacks : callable or sequence of callables
        ``callback(study, trial)`` after every result.
    worker : str, optional
        The name under which trials are asked; by default each run on a study gets one of its own, which
        a run that was killed leaves to its successor.
    progress : bool, optional
        Show a progress bar; default: only on a terminal.

    Raises
    ------
    DataError
        If no limit is given, or an argument makes no sense; nothing is asked then. Later, if ``f``
        returns what cannot be told.
    UnsupportedError
        With ``vectorized``, if a parameter has categories or a condition; nothing is asked then.
    EvaluationError, BrokenExecutor
        See above.
    """
    check_run(
        study.space,
        f,
        budget,
        executor=executor,
        concurrency=concurrency,
        vectorized=vectorized,
        deadline=deadline,
        max_cost=max_cost,
        until=until,
        callbacks=callbacks,
        worker=worker,
    )
    limits = Limits(study, budget, deadline, max_cost, until)
    called = (callbacks,) if callable(callbacks) else tuple(callbacks)
    bar = open_progress(study, limits.budget, progress)
    try:
        # Each of several runs on one study has a seat of its own. A run that was killed left it free, and
        # the next one to sit there takes up its unfinished trials.
        with study.journal.seat() as seat:
            loop = _Loop(study, f, limits, called, worker or f"run-{seat}", bar)
            if vectorized:
                return loop.in_blocks(concurrency or study.strategy.batch_size(study.spec))
            if executor is None:
                return loop.here()
            return loop.on(executor, concurrency or executor_size(executor))
    finally:
        bar.close()


class _Loop:
    """One run of single evaluations, here or on an executor."""

    def __init__(
        self,
        study: "Study",
        f: Callable[..., Any],
        limits: Limits,
        callbacks: tuple[Callback, ...],
        worker: str,
        bar: Progress,
    ) -> None:
        self.study, self.f, self.limits, self.callbacks = study, f, limits, callbacks
        self.worker, self.bar = worker, bar
        self.raised, self.succeeded = 0, False

    def here(self) -> str:
        """Evaluate one trial after the other in this thread."""
        while not (reason := self.limits.reached()):
            try:
                trial = self.ask(partial(self.study.ask, worker=self.worker))
            except SpaceExhausted as error:
                return str(error)
            try:
                outcome = self.f(dict(trial.params))
            except Exception as error:  # whatever the user's code raises is a failed evaluation
                self.broke(trial, error)
            else:
                self.came(trial, outcome)
        return reason

    def on(self, executor: Executor, size: int) -> str:
        """Keep up to ``size`` trials under way on an executor."""
        running: dict[Future[Any], Trial] = {}
        reason = ""
        try:
            while True:
                while len(running) < size and not (reason := self.limits.reached(len(running))):
                    try:
                        trial = self.ask(partial(self.next, running.values()))
                    except SpaceExhausted as error:
                        reason = str(error)
                        break
                    running[executor.submit(self.f, dict(trial.params))] = trial
                if not running:
                    return reason
                wait(running, return_when=FIRST_COMPLETED)
                for future in [future for future in running if future.done()]:
                    if isinstance(death := future.exception(), BrokenExecutor):
                        raise death
                    self.collect(running.pop(future), future)
        except BaseException as error:  # Ctrl-C, a broken pool, an error in a callback, a bad outcome
            self.keep(running, error)
            raise

    def keep(self, running: dict[Future[Any], Trial], error: BaseException) -> None:
        """Tell what has come in, now that the run ends with this error, whatever else is wrong."""
        self.callbacks = ()
        if pool_broke := isinstance(error, BrokenExecutor):
            wait(running, timeout=10)  # a broken pool gives its futures up one after the other
        suspects = []
        for future, trial in running.items():
            if future.cancel() or not future.done():
                continue
            if isinstance(future.exception(), BrokenExecutor):
                suspects.append(trial)
            elif isinstance(future.exception(), Exception | None):
                with suppress(Exception):
                    self.collect(trial, future)
        if pool_broke and len(suspects) == 1:
            self.study.fail(suspects[0], _text(error))
        elif pool_broke:
            for trial in suspects:
                self.study.abandon(trial, "its pool broke while it ran")

    def ask(self, ask: Callable[[], T]) -> T:
        """Ask, again where it was only a queued item that could not be filled in: it was dropped."""
        while True:
            n_queued = self.n_queued()
            try:
                return ask()
            except (SpaceExhausted, SpaceError):
                if self.n_queued() >= n_queued:
                    raise

    def n_queued(self) -> int:
        """Return how many items are queued."""
        return len(self.study._session.record.queue)

    def next(self, running: Iterable[Trial]) -> Trial:
        """Return a trial of this worker that is not running: one left over from before, or a new one."""
        numbers = {trial.number for trial in running}
        n_open = sum(self.study.history.is_pending(number) for number in numbers)
        mine = self.study.ask(n_open + 1, worker=self.worker)
        return next(trial for trial in mine if trial.number not in numbers)

    def in_blocks(self, size: int) -> str:
        """Evaluate whole blocks in this thread."""
        while not (reason := self.limits.reached()):
            n = min(size, self.limits.room(0))
            try:
                block = self.ask(partial(self.study.ask_block, n, worker=self.worker))
            except SpaceExhausted as error:
                if n == 1:
                    return str(error)
                size = n // 2  # what is left may still fill a smaller block
                continue
            points = block.values()
            try:
                values = self.f(points)
            except Exception as error:
                for number in block.numbers:
                    self.study.fail(number, _text(error))
                raise EvaluationError(
                    f"the objective raised {_text(error)}; "
                    f"the {len(block)} trials of the block are kept as failed"
                ) from error
            self.study.tell_block(block, values)
            self.bar.show(len(block))
            for number in block.numbers if self.callbacks else ():
                self.call_back(self.study.history.trial(number))
        return reason

    def collect(self, trial: Trial, future: "Future[Any]") -> None:
        """Tell what a future brought."""
        error = future.exception()
        if error is None:
            self.came(trial, future.result())
        elif isinstance(error, Exception):
            self.broke(trial, error)
        else:
            raise error

    def came(self, trial: Trial, outcome: Any) -> None:
        """Tell a result."""
        self.succeeded = True
        value, sd, cost = _read(outcome)
        self.after(self.study.tell(trial, value, sd=sd, cost=cost))

    def broke(self, trial: Trial, error: Exception) -> None:
        """Tell that the objective raised."""
        told = self.study.fail(trial, _text(error))
        self.raised += 1
        if not self.succeeded and self.raised >= min(_HOPELESS, self.limits.budget or _HOPELESS):
            raise EvaluationError(
                f"the objective raised at each of the first {self.raised} evaluations, the last time "
                f"{_text(error)}; the trials are kept as failed"
            ) from error
        self.after(told)

    def after(self, trial: Trial) -> None:
        """Show progress and call back."""
        self.bar.show(1)
        self.call_back(trial)

    def call_back(self, trial: Trial) -> None:
        """Call back."""
        for callback in self.callbacks:
            callback(self.study, trial)


def _read(outcome: Any) -> tuple[Any, Any, float | None]:
    """Return value, sd and cost of what an objective returned."""
    if isinstance(outcome, Observation):
        return dict(outcome.values), dict(outcome.sd) or None, outcome.cost
    return outcome, None, None


def _text(error: BaseException) -> str:
    """Return type and text of an exception, though its text may be endless or raise itself."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"[:_LONGEST_TEXT]
    except Exception:
        return name
