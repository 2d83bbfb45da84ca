"""What a run may be given: checked before anything is asked, for ``minimize`` before there is a study."""

from collections.abc import Sequence
from typing import Any

from bbopt.errors import DataError
from bbopt.space import Space
from bbopt.study.block import check_numeric
from bbopt.types import is_finite, is_whole


def check_run(
    space: Space,
    f: object,
    budget: object = None,
    *,
    executor: Any = None,
    concurrency: object = None,
    vectorized: bool = False,
    deadline: object = None,
    max_cost: object = None,
    until: object = None,
    callbacks: object = (),
    worker: object = None,
    progress: object = None,
) -> None:
    """Raise DataError or UnsupportedError where an argument of ``run`` makes no sense."""
    if not callable(f):
        raise DataError(f"f must be a function, f(params) -> value, got {f!r}")
    if not callable(callbacks) and not (isinstance(callbacks, Sequence) and all(map(callable, callbacks))):
        raise DataError(
            f"callbacks must be a function, callback(study, trial), or a list of them, got {callbacks!r}"
        )
    if worker is not None and not isinstance(worker, str):
        raise DataError(f"worker must be a string, got {worker!r}")
    _check_limits(budget, deadline, max_cost, until)
    _check_where(executor, concurrency, vectorized)
    if vectorized:
        check_numeric(space, "without vectorized=True, f gets the params of one trial at a time")


def _check_limits(budget: object, deadline: object, max_cost: object, until: object) -> None:
    if budget is None and deadline is None and max_cost is None and until is None:
        raise DataError("run needs a limit: budget=, deadline=, max_cost= or until=")
    for name, value in (("budget", budget), ("deadline", deadline), ("max_cost", max_cost)):
        if value is not None and not (is_finite(value) and value >= 0):
            raise DataError(f"{name} must be a finite number of at least 0, got {value!r}")
    if is_finite(budget) and budget != int(budget):
        raise DataError(f"budget must be a whole number of trials, got {budget!r}")
    if until is not None and not callable(until):
        raise DataError(f"until must be a function, until(study) -> bool, got {until!r}")


def _check_where(executor: Any, concurrency: object, vectorized: bool) -> None:
    if concurrency is not None and not (is_whole(concurrency) and concurrency >= 1):
        raise DataError(f"concurrency must be an integer of at least 1, got {concurrency!r}")
    if executor is None:
        if concurrency is not None and concurrency > 1 and not vectorized:
            raise DataError(
                f"concurrency={concurrency} needs an executor, "
                f"such as executor=concurrent.futures.ThreadPoolExecutor({concurrency})"
            )
        return
    if vectorized:
        raise DataError(
            "executor must be None with vectorized=True: f gets all points of a block at once and may "
            f"share them out itself; got {executor!r}"
        )
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise DataError(
            "executor must have a method submit, as a concurrent.futures.ThreadPoolExecutor() has, "
            f"got {executor!r}"
        )
    if concurrency is None and executor_size(executor) is None:
        raise DataError(f"{type(executor).__name__} does not tell its size: say concurrency=")


def executor_size(executor: Any) -> Any:
    """Return how many an executor runs at once; None where it does not tell."""
    # Executors do not publish their size; the two in the standard library agree on this name.
    return getattr(executor, "_max_workers", None)
