"""A trial as the user sees it: one row of the history, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from bbopt.types import Params, Tag


class Status(IntEnum):
    """Where a trial stands."""

    PENDING = 0
    """Asked; no result yet."""
    COMPLETE = 1
    """Told a finite value."""
    FAILED = 2
    """The run broke, or the value told was not finite."""
    STOPPED = 3
    """Stopped early on purpose."""
    ABANDONED = 4
    """Never mind, or its lease expired: says nothing about the point."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one evaluation gave.

    Attributes
    ----------
    values : mapping of str to float
        Outcomes by name, in the user's direction and units; outcomes not measured are absent.
    sd : mapping of str to float
        Standard errors of the values, where given.
    cost : float or None
        What the evaluation cost, in any unit that stays the same over the study.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    sd: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation: asked (or added), then told. A snapshot: it does not change under the holder.

    Attributes
    ----------
    number : int
        Its place in the study, from 0.
    params : mapping
        What was proposed (or added), verbatim.
    status : Status
    observation : Observation
        What was told; empty while pending. The first tell counts.
    at : mapping or None
        What was really run, where it differed from params.
    late : tuple of Observation
        Different values told after the first; kept, not used.
    tag : mapping
        What the strategy noted at the ask.
    error : str
        Why it failed or was abandoned.
    worker : str or None
        To whom it was handed.
    asked, told : float or None
        Seconds since the epoch.
    """

    number: int
    params: Params
    status: Status = Status.PENDING
    observation: Observation = Observation()
    at: Params | None = None
    late: tuple[Observation, ...] = ()
    tag: Tag = field(default_factory=dict)
    error: str = ""
    worker: str | None = None
    asked: float | None = None
    told: float | None = None

    def __repr__(self) -> str:
        told = "".join(f", {name}={value:.6g}" for name, value in self.values.items())
        sd = "".join(f", sd of {name}={value:.3g}" for name, value in self.observation.sd.items())
        at = "" if self.at is None else f", run at={dict(self.at)}"
        error = f", error={self.error!r}" if self.error else ""
        late = f", late={[dict(one.values) for one in self.late]}" if self.late else ""
        return (
            f"Trial({self.number}, {self.status.name}{told}{sd}, params={dict(self.params)}{at}{error}{late})"
        )

    @property
    def values(self) -> Mapping[str, float]:
        """Outcomes by name in the user's direction."""
        return self.observation.values

    @property
    def value(self) -> float | None:
        """The single outcome; None while there is none. ValueError with several outcomes."""
        if not self.values:
            return None
        if len(self.values) > 1:
            raise ValueError(
                f"trial {self.number} has several outcomes ({', '.join(self.values)}): use trial.values"
            )
        return next(iter(self.values.values()))
