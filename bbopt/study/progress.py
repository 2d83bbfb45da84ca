"""The progress of a run: a bar on a terminal, nothing elsewhere."""

import sys
from typing import TYPE_CHECKING, Protocol

from bbopt.errors import DataError

if TYPE_CHECKING:
    from bbopt.study.study import Study


class Progress(Protocol):
    """What a run shows of itself."""

    def show(self, n: int) -> None:
        """Show that n more trials have finished."""

    def close(self) -> None:
        """Show nothing more."""


class Silence:
    """Show nothing."""

    def show(self, n: int) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Bar:
    """A bar with the best value so far."""

    def __init__(self, study: "Study", budget: int | None) -> None:
        from tqdm import tqdm

        self.study = study
        self.bar = tqdm(total=budget, initial=study.n_finished, unit="trial", file=sys.stderr)

    def show(self, n: int) -> None:
        """Show that n more trials have finished."""
        self.bar.update(n)
        self.bar.set_postfix_str(_best_text(self.study))

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


def open_progress(study: "Study", budget: int | None, wanted: bool | None) -> Progress:
    """Return a bar where it is wanted; by default on a terminal."""
    if wanted is None:
        wanted = sys.stderr.isatty()
    return Bar(study, budget) if wanted else Silence()


def _best_text(study: "Study") -> str:
    if len(study.spec.objectives) > 1:
        return ""
    try:
        best = study.best(by="observed")
    except DataError:
        return "no result yet"
    return f"best {best.value:.6g}"
