"""Thompson sampling: what one function drawn from the posterior promises (Thompson 1933).

Several points are asked at once by drawing a path for each; these differ as much as the posterior does.
"""

from dataclasses import dataclass

import numpy as np

from bbopt.surrogates.paths import Paths
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class Thompson:
    """Minus one posterior sample path.

    Parameters
    ----------
    paths : Paths
    index : int
        Which of the paths.
    """

    paths: Paths
    index: int = 0

    @property
    def scale(self) -> FloatArray:
        """The process's lengths."""
        return self.paths.scale

    @property
    def is_smooth(self) -> bool:
        """Whether the paths are."""
        return self.paths.is_smooth

    def value(self, X: FloatArray) -> FloatArray:
        """Return minus the path (b,), in model units."""
        return -self.paths.values(X)[:, self.index]

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return minus the path (b,) and its gradient (b, d)."""
        values, pull = self.paths.values_vjp(X)
        one = np.zeros_like(values)
        one[:, self.index] = -1.0
        return -values[:, self.index], pull(one)
