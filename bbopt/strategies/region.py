"""A trust region as a fold over finished trials: it follows success, grows with it, shrinks without.

Eriksson, Pearce, Gardner, Turner & Poloczek, "Scalable global optimization via local Bayesian
optimization", NeurIPS 2019, section 2 and appendix D.

The paper counts batches. Here single trials are folded in, in any order and from any number of workers, and
two words in a trial's tag make the counts those of the paper:

``step``
    How often the region had moved or changed its size when the trial was asked. A trial asked before the
    last change says nothing of the region as it is now: it may give a new centre, but does not count. So of
    a batch only the first success counts.
``out``
    How many trials of the region were out once this one was. A run of successes ends when so many have
    failed, and failures are counted in multiples of it: a batch fails when all of it does.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from bbopt.types import FloatArray, Tag, is_whole

MARGIN = 1e-3
"""A success is better than the best by this share of it, or of what was gained so far where that is less:
how far zero is must not decide."""


@dataclass(frozen=True, slots=True)
class Sides:
    """How long the sides of the box may be, of which the geometric mean is meant; the cube's side is 1.

    Attributes
    ----------
    initial, least, most : float
        0 < least < initial <= most. Below ``least`` a region has collapsed.
    """

    initial: float
    least: float
    most: float


@dataclass(slots=True)
class Region:
    """The state of one region.

    Attributes
    ----------
    length : float
        The geometric mean of its box's sides.
    successes, failures : int
        In a row.
    step : int
        How often it moved or changed its size.
    epoch : int
        How often it began anew.
    after : int
        The newest trial when this epoch began.
    best, first : float
        The lowest and the first outcome of this epoch, minimised; inf before there is one.
    centre : array (d,) or None
        Where the lowest one was measured.
    """

    length: float
    successes: int = 0
    failures: int = 0
    step: int = 0
    epoch: int = 0
    after: int = -1
    best: float = np.inf
    first: float = np.inf
    centre: FloatArray | None = None

    def tell(
        self, x: FloatArray, value: float, tag: Tag, sides: Sides, grow_after: int, shrink_after: int
    ) -> None:
        """Fold one trial of this epoch in.

        Parameters
        ----------
        x : array (d,)
        value : float
            Minimised; inf where there is none.
        tag : dict
            Without ``step`` the trial is of a design, or was not proposed by the region: it does not count.
        sides : Sides
        grow_after, shrink_after : int
            After so many successes in a row the region doubles, after so many failures it halves.
        """
        is_success = value < self.best - self._margin()
        if value < self.best:
            self.best, self.centre = value, np.array(x)
            self.first = value if np.isinf(self.first) else self.first
        if tag.get("step") != self.step:
            return
        out = max(int(tag["out"]), 1) if is_whole(tag.get("out")) else 1
        if is_success:
            self.successes, self.failures, self.step = self.successes + 1, 0, self.step + 1
        else:
            self.failures += 1
            self.successes = self.successes if self.failures < out else 0
        if self.successes >= grow_after:
            self.length, self.successes = min(2.0 * self.length, sides.most), 0
        elif self.failures >= ceil(shrink_after / out) * out:
            self.length, self.failures, self.step = self.length / 2.0, 0, self.step + 1

    def is_of(self, tag: Tag) -> bool:
        """Whether a trial belongs to this epoch; one that says nothing of epochs does."""
        return bool(tag.get("epoch", self.epoch) == self.epoch)

    def tag(self, number: int) -> Tag:
        """Return what the trials asked now have to remember; ``number`` is that of the region."""
        return {"region": number, "epoch": self.epoch, "step": self.step, "length": self.length}

    def enlarge(self, sides: Sides) -> None:
        """Go on about the same centre with a box of the first size."""
        self.length, self.successes, self.failures, self.step = sides.initial, 0, 0, self.step + 1

    def renewed(self, sides: Sides, newest: int) -> "Region":
        """Return a region that knows nothing, for the next epoch; ``newest`` is the newest trial so far."""
        return Region(sides.initial, epoch=self.epoch + 1, after=newest)

    def _margin(self) -> float:
        return MARGIN * min(abs(self.best), self.first - self.best) if np.isfinite(self.best) else 0.0
