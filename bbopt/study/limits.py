"""When a run stops: trials, time, cost, or what the user says."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bbopt.data.trial import Status

if TYPE_CHECKING:
    from bbopt.study.study import Study


class Limits:
    """The limits of one run, checked arguments of :func:`bbopt.study.loop.run`; the clock starts here."""

    def __init__(
        self,
        study: "Study",
        budget: float | None,
        deadline: float | None,
        max_cost: float | None,
        until: Callable[["Study"], bool] | None,
    ) -> None:
        self.study, self.max_cost, self.until = study, max_cost, until
        self.budget = None if budget is None else int(budget)
        self.end = None if deadline is None else time.monotonic() + float(deadline)

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
