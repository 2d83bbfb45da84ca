"""What is optimised: a space and one or more objectives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbopt.errors import SpaceError
from bbopt.space import Space
from bbopt.types import FloatArray, is_finite


@dataclass(frozen=True, slots=True)
class Objective:
    """One outcome to be made small or, with ``maximize=True``, large.

    Parameters
    ----------
    name : str
        The name under which its values are told.
    maximize : bool
        The user's direction; inside bbopt everything is minimised.
    noise : float or None
        Standard deviation of repeated measurements at one point, in the objective's own units.
        0 says that the objective is deterministic: then no point is ever asked twice. None (the
        default) says unknown: the noise is learnt, and a point is repeated only when all others
        are used.
    reference : float or None
        The worst value still of interest, for several objectives; recorded, no method looks at it yet.

    Raises
    ------
    SpaceError
        For an empty name, a negative or non-finite noise, a non-finite reference.
    """

    name: str = "value"
    maximize: bool = False
    noise: float | None = None
    reference: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SpaceError(f"Objective name must be a non-empty string, got {self.name!r}")
        if not isinstance(self.maximize, bool):
            raise SpaceError(
                f"Objective {self.name!r}: maximize must be True or False, got {self.maximize!r}"
            )
        if self.noise is not None and not (is_finite(self.noise) and self.noise >= 0):
            raise SpaceError(
                f"Objective {self.name!r}: noise must be None (unknown), 0 (deterministic) or a positive "
                f"standard deviation, got {self.noise!r}"
            )
        if self.reference is not None and not is_finite(self.reference):
            raise SpaceError(
                f"Objective {self.name!r}: reference must be a finite number, got {self.reference!r}"
            )
        for field in ("noise", "reference"):  # one way to write a number: 0, 0.0 and np.float32(0) agree
            if (value := getattr(self, field)) is not None:
                object.__setattr__(self, field, float(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the objective as plain JSON data."""
        return {
            "name": self.name,
            "maximize": self.maximize,
            "noise": self.noise,
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True)
class Spec:
    """The problem as strategies see it: space and objectives, no seed, no objective function."""

    space: Space
    objectives: tuple[Objective, ...] = (Objective(),)

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.objectives]
        if not names:
            raise SpaceError("objectives must hold at least one Objective, got none")
        if len(set(names)) < len(names):
            raise SpaceError(f"objectives must have different names, got {names}")

    @classmethod
    def of(cls, space: Space, objectives: "str | Objective | Sequence[str | Objective]") -> "Spec":
        """Build a spec from what a user types: one name or Objective, or several of them."""
        if isinstance(objectives, (str, Objective)):
            objectives = [objectives]
        if isinstance(objectives, Mapping) or not isinstance(objectives, Iterable):
            raise SpaceError(
                f"objectives must be a name, an Objective(...) or a list of these, got {objectives!r}"
            )
        made = []
        for item in objectives:
            if not isinstance(item, (str, Objective)):
                raise SpaceError(f"objectives must be names or Objective(...), got {item!r}")
            made.append(Objective(item) if isinstance(item, str) else item)
        return cls(space, tuple(made))

    @property
    def sign(self) -> FloatArray:
        """Per objective +1 (minimised) or -1 (maximised), shape (m,); turns user values inward and back."""
        return np.array([-1.0 if objective.maximize else 1.0 for objective in self.objectives])

    @property
    def is_deterministic(self) -> bool:
        """Whether every objective declares ``noise=0``."""
        return all(objective.noise == 0 for objective in self.objectives)

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON data."""
        return {"space": self.space.to_dict(), "objectives": [o.to_dict() for o in self.objectives]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Spec":
        """Rebuild a spec from :meth:`to_dict`; raises SpaceError for malformed data."""
        try:
            objectives = tuple(Objective(**entry) for entry in data["objectives"])
            space = data["space"]
        except (KeyError, TypeError) as error:
            raise SpaceError(f"not a spec: {error}") from error
        return cls(Space.from_dict(space), objectives)
