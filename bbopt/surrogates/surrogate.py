"""The protocol of surrogates: always fitted, immutable, asked for posteriors."""

from collections.abc import Callable
from typing import Protocol, Self, TypeAlias

from bbopt.types import FloatArray

Pullback: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""Turns derivatives with respect to means and variances into gradients with respect to points."""


class Surrogate(Protocol):
    """A fitted model of one minimised outcome, in its own standardised units.

    Means have shape (b, s): s = 1 for an ordinary model, more for an ensemble, or a sheaf of posterior
    draws. Variances have shape (b, s), or (b, 1) where all s share them. What is asked of a surrogate
    is averaged over s by the acquisition, not before.
    """

    @property
    def is_smooth(self) -> bool:
        """Whether there are gradients. Where not, pullbacks give zeros and maximizers go without."""
        ...

    @property
    def scale(self) -> FloatArray:
        """Per column, a length over which the model changes, in (0, 1]; shape (d,)."""
        ...

    @property
    def X(self) -> FloatArray:
        """The distinct points that the model has seen, (n, d)."""
        ...

    @property
    def fitted(self) -> FloatArray:
        """Its means there, (n, s)."""
        ...

    @property
    def incumbent(self) -> FloatArray:
        """The lowest of these, (s,)."""
        ...

    @property
    def noise_variance(self) -> float:
        """The learnt variance of an observation's noise, in model units; 0 where none is learnt."""
        ...

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and variances (b, s or 1) of the noise-free outcome at X (b, d)."""
        ...

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means, variances and their vector-Jacobian product.

        The pullback maps d(value)/d(mean) and d(value)/d(variance), shaped like these, to d(value)/dX
        (b, d).
        """
        ...

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (t, q, s) and covariances (t, s or 1, q, q) of t sets of q points X (t, q, d)."""
        ...

    def joint_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means, covariances and the pullback from derivatives shaped like them to (t, q, d)."""
        ...

    def condition(self, X: FloatArray, Y: FloatArray) -> Self:
        """Return a NEW surrogate that has also seen Y (q, s), in model units, at X (q, d)."""
        ...

    def fantasize(self, X: FloatArray) -> Self:
        """Return a NEW surrogate that has seen its own mean at X (q, d): what is pending promises nothing."""
        ...

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations (b,) of the noise-free outcome in the outcome's units."""
        ...
