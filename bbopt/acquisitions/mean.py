"""The negative posterior mean: its maximum is the point that the model would pick, for recommendations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bbopt.acquisitions.pointwise import Pointwise
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class PosteriorMean(Pointwise):
    """Minus the posterior mean, averaged over the columns of the surrogate."""

    is_log: ClassVar[bool] = False

    def formula(self, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return minus the mean and its derivatives."""
        return -mean, np.full_like(mean, -1.0), np.zeros_like(mean)
