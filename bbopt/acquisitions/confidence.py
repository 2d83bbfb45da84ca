"""Confidence bounds: how good a point may well be. GP-UCB (Srinivas et al. 2010), for minimisation.

    value = -(mean - sqrt(beta) sd)

Known as upper confidence bound where outcomes are maximised.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

from bbopt.acquisitions.pointwise import Pointwise
from bbopt.errors import SpaceError
from bbopt.types import FloatArray


def lower_confidence_bound(mean: Any, sd: Any, beta: float) -> tuple[Any, Any, Any]:
    """Return sqrt(beta) sd - mean and its derivatives with respect to mean and sd; NumPy or torch."""
    root = beta**0.5
    value = root * sd - mean
    return value, 0.0 * value - 1.0, 0.0 * value + root


@dataclass(frozen=True, slots=True)
class LowerConfidenceBound(Pointwise):
    """Minus the lower confidence bound of the outcome, averaged over the columns of the surrogate.

    Parameters
    ----------
    surrogate : Surrogate
    beta : float
        At least 0. The theory lets it grow like log t at the t-th outcome; in practice 1 to 9 are common.

    Raises
    ------
    SpaceError
        For a beta that is none.
    """

    beta: float = 4.0

    is_log: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.beta < inf:
            raise SpaceError(
                f"LowerConfidenceBound: beta must be a finite number of at least 0, got {self.beta!r}"
            )

    def formula(self, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return minus the bound and its derivatives."""
        return lower_confidence_bound(mean, sd, self.beta)
