"""The shortest way: a study, made and run."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from inspect import signature
from typing import Any

from bbopt.errors import DataError
from bbopt.space import Space
from bbopt.spec import Objective
from bbopt.strategies.auto import Auto
from bbopt.study import loop
from bbopt.study.arguments import check_run
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
    if of_study.get("strategy") in (None, "auto"):
        of_study["strategy"] = Auto(budget)
    study = Study(space, objective, **of_study)
    study.run(f, budget, **for_run)
    return study
