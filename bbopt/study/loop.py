"""The loop that calls the objective: the only code in bbopt that does."""

import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bbopt.data.trial import Observation, Status, Trial
from bbopt.errors import BboptError, DataError, SpaceExhausted
from bbopt.types import is_finite, is_whole

if TYPE_CHECKING:
    from bbopt.study.study import Study

Callback = Callable[["Study", Trial], object]
_HOPELESS = 5


class _Bar(Protocol):
    def update(self, n: int) -> object: ...
    def set_postfix_str(self, s: str) -> object: ...
    def close(self) -> object: ...


class EvaluationError(BboptError):
    """The objective raised at each of the first evaluations; the last exception is the cause."""


def run(
    study: "Study",
    f: Callable[..., Any],
    budget: int | None = None,
    *,
    executor: Executor | None = None,
    concurrency: int | None = None,
    vectorized: bool = False,
    deadline: float | None = None,
    max_cost: float | None = None,
    until: Callable[["Study"], bool] | None = None,
    callbacks: "tuple[Callback, ...] | list[Callback]" = (),
    worker: str | None = None,
    progress: bool | None = None,
) -> str:
    """Evaluate ``f`` at what the study asks until a limit is reached; return which limit it was.

    An exception in ``f`` marks the trial failed and the loop goes on, unless each of the first five
    evaluations raises: then the objective itself is broken, and EvaluationError says so. Ctrl-C
    leaves everything told in the study; unfinished trials are taken up by the next run. A vectorized
    ``f`` that raises fails its whole block, and EvaluationError says so at once.

    Parameters
    ----------
    study : Study
    f : callable
        ``f(params) -> value``, where value is anything :meth:`Study.tell` takes, or a
        ``bbopt.Observation`` to give sd and cost too. With ``vectorized=True``: ``f(X) -> (n,)`` with
        X (n, d) in the user's units, all parameters numeric.
    budget : int, optional
        Finished trials (complete or failed) in the study at which to stop, earlier runs counted in:
        the same script run again after a crash goes on and ends at the same number.
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
    callbacks : sequence of callables
        ``callback(study, trial)`` after every result.
    worker : str, optional
        The name under which trials are asked; by default each run on a study gets one of its own, which
        a run that was killed leaves to its successor.
    progress : bool, optional
        Show a progress bar; default: only on a terminal.

    Raises
    ------
    DataError
        If no limit is given, or an argument makes no sense.
    EvaluationError
        See above.
    """
    limits = _Limits(study, budget, deadline, max_cost, until)
    if concurrency is not None and not (is_whole(concurrency) and concurrency >= 1):
        raise DataError(f"concurrency must be an integer of at least 1, got {concurrency!r}")
    if vectorized and executor is not None:
        raise DataError(
            "executor must be None with vectorized=True: f gets all points of a block at once and may "
            f"share them out itself; got {executor!r}"
        )
    bar = _progress_bar(budget, limits.finished(), progress)
    try:
        # Each of several runs on one study has a seat of its own. A run that was killed left it free, and
        # the next one to sit there takes up its unfinished trials.
        with study.journal.seat() as seat:
            loop = _Loop(study, f, limits, callbacks, worker or f"run-{seat}", bar)
            if vectorized:
                return loop.in_blocks(concurrency or study.strategy.batch_size(study.spec))
            if executor is None:
                return loop.here()
            # Executors do not publish their size; the two in the standard library agree on this name.
            size = concurrency or getattr(executor, "_max_workers", None)
            if size is None:
                raise DataError(f"{type(executor).__name__} does not tell its size: say concurrency=")
            return loop.on(executor, size)
    finally:
        bar.close()


class _Limits:
    """When to stop."""

    def __init__(
        self,
        study: "Study",
        budget: int | None,
        deadline: float | None,
        max_cost: float | None,
        until: Callable[["Study"], bool] | None,
    ) -> None:
        if budget is None and deadline is None and max_cost is None and until is None:
            raise DataError("run needs a limit: budget=, deadline=, max_cost= or until=")
        for name, value in (("budget", budget), ("deadline", deadline), ("max_cost", max_cost)):
            if value is not None and not (is_finite(value) and value >= 0):
                raise DataError(f"{name} must be a number of at least 0, got {value!r}")
        self.study, self.budget, self.max_cost, self.until = study, budget, max_cost, until
        self.end = None if deadline is None else time.monotonic() + deadline

    def finished(self) -> int:
        """Return the number of trials that count against the budget."""
        return self.study.n_finished

    def reached(self, under_way: int = 0) -> str:
        """Return which limit forbids starting another trial; empty if none does."""
        if self.budget is not None and self.finished() + under_way >= self.budget:
            return f"budget of {self.budget} trials used"
        if self.end is not None and time.monotonic() >= self.end:
            return "deadline reached"
        if self.max_cost is not None and np.nansum(self.study.history.cost) >= self.max_cost:
            return f"max_cost of {self.max_cost} reached"
        if self.until is not None and self.study.history.count(Status.COMPLETE) and self.until(self.study):
            return "until(study) is true"
        return ""

    def room(self, under_way: int) -> int:
        """Return how many more trials the budget allows to start."""
        return 2**31 if self.budget is None else self.budget - self.finished() - under_way


class _Loop:
    """One run of single evaluations, here or on an executor."""

    def __init__(
        self,
        study: "Study",
        f: Callable[..., Any],
        limits: _Limits,
        callbacks: "tuple[Callback, ...] | list[Callback]",
        worker: str,
        bar: _Bar,
    ) -> None:
        self.study, self.f, self.limits, self.callbacks = study, f, limits, callbacks
        self.worker, self.bar = worker, bar
        self.raised, self.succeeded = 0, False

    def here(self) -> str:
        """Evaluate one trial after the other in this thread."""
        while not (reason := self.limits.reached()):
            try:
                trial = self.study.ask(worker=self.worker)
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
                        trial = self.next(running.values())
                    except SpaceExhausted as error:
                        reason = str(error)
                        break
                    running[executor.submit(self.f, dict(trial.params))] = trial
                if not running:
                    return reason
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self.collect(running.pop(future), future)
        except BaseException:  # Ctrl-C, a broken pool, an error in a callback: keep what has come in
            for future, trial in running.items():
                if not future.cancel() and future.done() and future.exception() is None:
                    value, sd, cost = _read(future.result())
                    self.study.tell(trial, value, sd=sd, cost=cost)
            raise

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
                block = self.study.ask_block(n, worker=self.worker)
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
                    self.study.fail(number, f"{type(error).__name__}: {error}")
                raise EvaluationError(
                    f"the objective raised {type(error).__name__}: {error}; "
                    f"the {len(block)} trials of the block are kept as failed"
                ) from error
            self.study.tell_block(block, values)
            self.show(len(block))
            for number in block.numbers if self.callbacks else ():
                self.call_back(self.study.history.trial(number))
        return reason

    def collect(self, trial: Trial, future: "Future[Any]") -> None:
        """Tell what a future brought."""
        error = future.exception()
        if error is None:
            self.came(trial, future.result())
        elif isinstance(error, Exception) and not isinstance(error, BrokenExecutor):
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
        told = self.study.fail(trial, f"{type(error).__name__}: {error}")
        self.raised += 1
        if not self.succeeded and self.raised >= min(_HOPELESS, self.limits.budget or _HOPELESS):
            raise EvaluationError(
                f"the objective raised at each of the first {self.raised} evaluations, the last time "
                f"{type(error).__name__}: {error}; the trials are kept as failed"
            ) from error
        self.after(told)

    def after(self, trial: Trial) -> None:
        """Show progress and call back."""
        self.show(1)
        self.call_back(trial)

    def show(self, n: int) -> None:
        """Show progress by n trials."""
        self.bar.update(n)
        if not isinstance(self.bar, _NoBar):
            self.bar.set_postfix_str(_best_text(self.study))

    def call_back(self, trial: Trial) -> None:
        """Call back."""
        for callback in self.callbacks:
            callback(self.study, trial)


def _read(outcome: Any) -> tuple[Any, Any, float | None]:
    """Return value, sd and cost of what an objective returned."""
    if isinstance(outcome, Observation):
        return dict(outcome.values), dict(outcome.sd) or None, outcome.cost
    return outcome, None, None


def _best_text(study: "Study") -> str:
    if len(study.spec.objectives) > 1:
        return ""
    try:
        best = study.best(by="observed")
    except DataError:
        return "no result yet"
    return f"best {best.value:.6g}"


class _NoBar:
    def update(self, n: int) -> None:
        """Show nothing."""

    def set_postfix_str(self, s: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


def _progress_bar(budget: int | None, start: int, wanted: bool | None) -> _Bar:
    if wanted is None:
        wanted = sys.stderr.isatty()
    if not wanted:
        return _NoBar()
    from tqdm import tqdm

    bar: _Bar = tqdm(total=budget, initial=start, unit="trial", file=sys.stderr)
    return bar
