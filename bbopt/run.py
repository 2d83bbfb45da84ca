"""The shortest way: a study, made and run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass, replace
from difflib import get_close_matches
from inspect import signature
from typing import Any

from bbopt.errors import DataError, JournalError
from bbopt.space import Space
from bbopt.spec import Objective
from bbopt.strategies.registry import make_strategy
from bbopt.strategies.strategy import AnyStrategy
from bbopt.study import loop
from bbopt.study.arguments import check_run
from bbopt.study.storage import open_journal
from bbopt.study.study import Study


def minimize(
    f: Callable[..., Any], space: "Space | Sequence[Any]", budget: float | None = None, **options: Any
) -> Study:
    """Minimise ``f`` and return the study; ``study.best()`` has the result.

    Parameters
    ----------
    f : callable
        ``f(params)``, or with ``vectorized=True`` ``f(X)`` with X (n, d) in the user's units.
    space : Space or sequence of parameters
    budget : int, optional
        Finished trials the study shall hold in the end. With ``storage=``, a run that was broken off
        goes on where it was. May be left out where another limit is given (``deadline=``, ...).
        A strategy that plans for a budget and has none of its own ("auto", "baxus") is told it when the
        study begins.
    **options
        ``name`` and ``noise`` of the objective (see :class:`bbopt.Objective`); what
        :class:`bbopt.Study` takes: strategy, storage, seed, lease; what
        :func:`bbopt.study.loop.run` takes: executor, deadline, callbacks, progress, ...

    Raises
    ------
    DataError
        For an unknown option, a budget below 1, no limit at all. Nothing is asked then, and no file made.
    SpaceError, JournalError, EvaluationError
        As :class:`bbopt.Study` and :func:`bbopt.study.loop.run` do.
    """
    return _optimize(f, space, budget, False, options)


def maximize(
    f: Callable[..., Any], space: "Space | Sequence[Any]", budget: float | None = None, **options: Any
) -> Study:
    """Maximise ``f`` and return the study; arguments as in :func:`minimize`."""
    return _optimize(f, space, budget, True, options)


_OF_OBJECTIVE = ("name", "noise")
_OF_STUDY = ("strategy", "storage", "seed", "lease")


def _optimize(
    f: Callable[..., Any],
    space: "Space | Sequence[Any]",
    budget: float | None,
    is_maximized: bool,
    options: dict[str, Any],
) -> Study:
    of_run = tuple(signature(loop.run).parameters)[3:]
    known = (*_OF_OBJECTIVE, *_OF_STUDY, *of_run)
    for name in options:
        if name not in known:
            close = get_close_matches(name, ("budget", *known), 1, cutoff=0.7)
            hint = f"did you mean {close[0]!r}?" if close else f"there are budget, {', '.join(known)}"
            raise DataError(f"{name!r} is no option; {hint}")
    space = space if isinstance(space, Space) else Space(space)
    for_run = {name: options[name] for name in of_run if name in options}
    check_run(space, f, budget, **for_run)
    budget = None if budget is None else int(budget)
    if budget == 0:
        raise DataError(f"budget must be at least 1, got {budget}")
    objective = Objective(
        **{name: options[name] for name in _OF_OBJECTIVE if name in options}, maximize=is_maximized
    )
    of_study = {name: options[name] for name in _OF_STUDY if name in options}
    given = of_study.get("strategy")
    strategy = make_strategy("auto" if given is None else given)
    of_study["strategy"] = _planned(strategy, budget, of_study.get("storage"))
    study = Study(space, objective, **of_study)
    study.run(f, budget, **for_run)
    return study


def _planned(strategy: AnyStrategy, budget: int | None, storage: Any) -> AnyStrategy:
    """Return a strategy that plans for a budget with this one filled in, if it has none of its own.

    Where the study goes on it is the budget of its beginning: with another one it would be another strategy,
    with other suggestions.
    """
    if not (is_dataclass(strategy) and hasattr(strategy, "budget")) or strategy.budget is not None:
        return strategy
    recorded = _recorded(storage)
    return replace(strategy, budget=recorded["options"].get("budget") if recorded else budget)


def _recorded(storage: Any) -> Mapping[str, Any]:
    """Return the strategy of the study in a storage as plain data; empty where there is none yet."""
    with suppress(JournalError):  # of what is wrong with it the study will speak
        journal = open_journal(storage, create=False)
        try:
            header = next(iter(journal.read(0)), {})
        finally:
            if journal is not storage:
                journal.close()
        recorded: Mapping[str, Any] = header.get("strategy", {})
        return recorded
    return {}
