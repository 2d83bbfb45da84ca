"""What one fit of a Gaussian process leaves for the next, as plain JSON data in a trial's tag."""

from dataclasses import dataclass

import numpy as np

from bbopt.types import Tag, is_whole


@dataclass(frozen=True, slots=True)
class Notes:
    """What an earlier fit left.

    Attributes
    ----------
    theta : list of float or None
        The logarithms of all hyper-parameters; None where there was no earlier fit.
    n : int
        How many outcomes it knew.
    learnt_at : int
        How many there were when these were last learnt from a part of very many; 0: the first time.
    outcome, power : str or None, float or None
        The transform of outcomes, and its exponent.
    is_warped : bool
    members, n_members : tuple of list of float, int
        Samples of theta, and how many outcomes there were when they were drawn.
    """

    theta: list[float] | None = None
    n: int = 0
    learnt_at: int = 0
    outcome: str | None = None
    power: float | None = None
    is_warped: bool = False
    members: tuple[list[float], ...] = ()
    n_members: int = 0

    @classmethod
    def read(cls, tag: Tag | None) -> "Notes":
        """Read them from a journal: whatever is malformed counts as absent."""
        theta = _numbers((tag or {}).get("theta"))
        if not tag or theta is None or not is_whole(tag.get("n")):
            return cls()
        kind, power, members = tag.get("outcome"), tag.get("power"), tag.get("members")
        read = [_numbers(one) for one in members] if isinstance(members, list) else []
        return cls(
            theta,
            int(tag["n"]),
            _count(tag.get("learnt_at")),
            kind if isinstance(kind, str) else None,
            power if isinstance(power, float) else None,
            tag.get("warped") is True,
            tuple(one for one in read if one is not None),
            _count(tag.get("drawn_at")),
        )


def _count(value: object) -> int:
    return int(value) if is_whole(value) else 0


def _numbers(value: object) -> list[float] | None:
    """Return a list of finite numbers as floats; None for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, (int, float)) for one in value):
        return None
    return [float(one) for one in value] if np.isfinite(value).all() else None
