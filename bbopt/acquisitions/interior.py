"""A weak preference for the inside of the space, which tells apart what the acquisition hardly does.

    value(x) = -(weight (e + 1) / n) (e / d) sum_j (2 x_j - 1)⁴,   over ordered columns j, e = min(d, 20)

A Gaussian process knows least in corners, so while it knows little, or noise hides most of what it could
know, expected improvements are nearly the same everywhere and a little larger in corners: there are 2ᵈ of
them, and an optimum is in none, mostly. Added to a logarithm of the expected improvement this is a prior on
where the optimum lies (Hvarfner et al. 2022, "piBO"), which fades as n results come in; where improvements
differ by more than a few nats, it decides nothing. What a corner costs in all is bounded: of a hundred
columns most hardly matter, and the few that do may well have their best values at an end.

Siivola et al. 2018, "Correcting boundary over-exploration deficiencies in Bayesian optimization with virtual
derivative sign observations", describe the effect, and cure it inside the model.
"""

from dataclasses import dataclass, field

import numpy as np

from bbopt.space import Space
from bbopt.types import FloatArray

WEIGHT = 2.0
"""What a corner costs in nats per column when the initial design is over, in up to MOST_COLUMNS of these."""
MOST_COLUMNS = 20
"""A corner of more columns costs as much as one of so many."""


@dataclass(frozen=True, slots=True)
class Interior:
    """A log acquisition to be added to others; see the module.

    Parameters
    ----------
    space : Space
    n : int
        Results so far; at least 1 counts.
    weight : float
        At least 0.
    """

    space: Space
    n: int
    weight: float = WEIGHT
    _cost: FloatArray = field(init=False, repr=False)
    _slope: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counted = min(self.space.d, MOST_COLUMNS)
        share = self.weight * (counted + 1) / max(self.n, 1) * (counted / max(self.space.d, 1))
        cost = np.where(self.space.is_categorical, 0.0, share)  # of either end of a column
        object.__setattr__(self, "_cost", cost)
        object.__setattr__(self, "_slope", -8.0 * cost)

    @property
    def scale(self) -> FloatArray:
        """It changes over the whole width."""
        return np.ones(self.space.d)

    @property
    def is_smooth(self) -> bool:
        """A polynomial."""
        return True

    def value(self, X: FloatArray) -> FloatArray:
        """Return values (b,) of encoded points X (b, d): 0 in the centre."""
        squares = (2.0 * X - 1.0) ** 2
        return np.asarray(-(squares * squares) @ self._cost)

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (b,) and their gradients (b, d)."""
        Z = 2.0 * X - 1.0
        squares = Z * Z
        return -(squares * squares) @ self._cost, squares * Z * self._slope
