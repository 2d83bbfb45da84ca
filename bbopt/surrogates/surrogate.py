"""The protocol of surrogates: always fitted, immutable, asked for posteriors."""

from collections.abc import Callable
from typing import Protocol, Self, TypeAlias

from bbopt.types import FloatArray

Pullback: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""Turns derivatives with respect to means and variances into gradients with respect to points."""


class Surrogate(Protocol):
    """A fitted model of one minimised outcome, in its own standardised units.

    ``mean`` has shape (b, s): s = 1 for an ordinary model, more for a sheaf of posterior draws that
    share one variance.
    """

    @property
    def scale(self) -> FloatArray:
        """Per column, a length over which the model changes, in (0, 1]; shape (d,)."""
        ...

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and variances (b,) of the noise-free outcome at X (b, d)."""
        ...

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means, variances and their vector-Jacobian product.

        The pullback maps d(value)/d(mean) (b, s) and d(value)/d(variance) (b,) to d(value)/dX (b, d).
        """
        ...

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and the covariance (b, b)."""
        ...

    def condition(self, X: FloatArray, Y: FloatArray) -> Self:
        """Return a NEW surrogate that has also seen Y (q, s), in model units, at X (q, d)."""
        ...
