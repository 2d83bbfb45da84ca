"""The shortest way: a study, made and run."""

from collections.abc import Callable, Sequence
from typing import Any

from bbopt.errors import DataError
from bbopt.space import Space
from bbopt.spec import Objective
from bbopt.strategies.auto import Auto
from bbopt.study.study import Study


def minimize(f: Callable[..., Any], space: "Space | Sequence[Any]", budget: int, **options: Any) -> Study:
    """Minimise ``f`` and return the study; ``study.best()`` has the result.

    Parameters
    ----------
    f : callable
        ``f(params)``, or with ``vectorized=True`` ``f(X)`` with X (n, d) in the user's units.
    space : Space or sequence of parameters
    budget : int
        Finished trials the study shall hold in the end. With ``storage=``, a run that was broken off
        goes on where it was.
    **options
        What :class:`bbopt.Study` takes (strategy, storage, seed, ...; ``noise=`` declares the
        objective's noise) and what :func:`bbopt.study.loop.run` takes (executor, deadline, ...).

    Raises
    ------
    DataError
        For an unknown option, and as the two named above.
    """
    return _optimize(f, space, budget, False, options)


def maximize(f: Callable[..., Any], space: "Space | Sequence[Any]", budget: int, **options: Any) -> Study:
    """Maximise ``f`` and return the study; arguments as in :func:`minimize`."""
    return _optimize(f, space, budget, True, options)


_STUDY_OPTIONS = ("strategy", "storage", "seed", "lease")


def _optimize(
    f: Callable[..., Any],
    space: "Space | Sequence[Any]",
    budget: int,
    is_maximized: bool,
    options: dict[str, Any],
) -> Study:
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise DataError(f"budget must be an integer of at least 1, got {budget!r}")
    of_study = {name: options.pop(name) for name in _STUDY_OPTIONS if name in options}
    if of_study.get("strategy", "auto") == "auto":
        of_study["strategy"] = Auto(budget)
    objective = Objective(
        options.pop("name", "value"), maximize=is_maximized, noise=options.pop("noise", None)
    )
    study = Study(space, objective, **of_study)
    study.run(f, budget, **options)
    return study
