"""The state of BAxUS: a trust region, the subspace in which it searches, and which results lie in that.

See :mod:`bbopt.strategies.baxus`.
"""

from dataclasses import dataclass, field

import numpy as np

from bbopt.rng import Key
from bbopt.space import Space
from bbopt.strategies.embedding import INNERMOST, NEAR, OUTERMOST, Embedding, binned, split
from bbopt.strategies.region import Region
from bbopt.types import BoolArray, FloatArray, IntArray


@dataclass(slots=True)
class Subspace:
    """The state: a region, the embedding in which it searches, and the newest trial told.

    Attributes
    ----------
    region : Region
    bins : array (p,)
    signs, anchor : array (p,)
    n_splits : int
    anchored : float
        The outcome at the anchor; inf where it is the middle.
    has_begun : bool
        Whether a trial of this strategy was told: from then on the anchor stays where it is.
    newest : int
    origin : array (d,) or None
        A feasible point of the subspace, where there are known constraints.
    apart : array (p,)
        Columns that some ask fixed: see :class:`~bbopt.strategies.embedding.Embedding`.
    n_told, n_inside : int
        Own results with values, and those of them that lie in the subspace.
    best_outside : tuple of float and array (d,), or None
        The lowest outcome of one that does not, and where it was measured.
    is_projected : bool
        Whether results outside count as if measured at the nearest coordinates.
    """

    region: Region
    bins: IntArray
    signs: FloatArray
    anchor: FloatArray
    n_splits: int = 0
    anchored: float = np.inf
    has_begun: bool = False
    newest: int = -1
    origin: FloatArray | None = None
    apart: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    n_told: int = 0
    n_inside: int = 0
    best_outside: tuple[float, FloatArray] | None = None
    is_projected: bool = False

    def view(self, space: Space, fixed: BoolArray | None = None) -> Embedding:
        """Return the embedding of the search; ``fixed`` (p,) says which columns the ask fixes."""
        apart = self.apart if fixed is None else self.apart | fixed
        near = np.inf if self.is_projected else NEAR
        return Embedding(space, self.bins, self.signs, self.anchor, apart, near)

    def anchor_at(self, space: Space, x: FloatArray, value: float = np.inf) -> None:
        """Lay the subspace through a point x (d,), or next to it where that is on a face."""
        columns, self.origin, self.anchored = binned(space), None, value
        for innermost in (INNERMOST, OUTERMOST) if space.constraints else (INNERMOST,):
            self.anchor = np.clip(2.0 * x[columns] - 1.0, -innermost, innermost)
            here = x.copy()
            here[columns] = 0.5 * (1.0 + self.anchor)
            here = space.project(here[None])
            if space.constraints and space.feasible(here)[0]:
                self.origin = here[0]
                break

    def count(self, space: Space, x: FloatArray, value: float) -> None:
        """Count an own result as one inside or outside."""
        is_inside = bool(self.view(space).holds(x[None])[0])
        self.n_told, self.n_inside = self.n_told + 1, self.n_inside + is_inside
        if not is_inside and (self.best_outside is None or value < self.best_outside[0]):
            self.best_outside = value, np.array(x)

    def split(self, n_new: int, rng: Key) -> None:
        """Divide every bin into n_new + 1, or into single columns."""
        self.n_splits += 1
        self.bins = split(self.bins, n_new, rng.child("split", self.n_splits))


def are_named(space: Space, names: object) -> BoolArray:
    """Return which binned columns are among the names, (p,)."""
    listed = names if isinstance(names, list) else []
    varying = [parameter.name for parameter in space.parameters if not parameter.is_constant]
    return np.array([varying[j] in listed for j in binned(space)], np.bool_)
