"""What a point is worth trying for, larger is better.

Names are loaded when first used; ``BotorchAcquisition`` and ``BotorchCriterion`` need the extra ``torch``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bbopt.acquisitions.acquisition import Acquisition
    from bbopt.acquisitions.batch import LogExpectedImprovementOfBatch, normal_samples
    from bbopt.acquisitions.botorch import BotorchAcquisition as BotorchAcquisition
    from bbopt.acquisitions.botorch import BotorchCriterion as BotorchCriterion
    from bbopt.acquisitions.confidence import LowerConfidenceBound
    from bbopt.acquisitions.improvement import (
        ExpectedImprovement,
        LogExpectedImprovement,
        LogProbabilityOfImprovement,
    )
    from bbopt.acquisitions.mean import PosteriorMean
    from bbopt.acquisitions.noisy import LogExpectedImprovementUnderNoise
    from bbopt.acquisitions.pointwise import Pointwise
    from bbopt.acquisitions.thompson import Thompson

_HOME = {
    "bbopt.acquisitions.acquisition": ("Acquisition",),
    "bbopt.acquisitions.batch": (
        "LogExpectedImprovementOfBatch",
        "normal_samples",
    ),
    "bbopt.acquisitions.confidence": ("LowerConfidenceBound",),
    "bbopt.acquisitions.improvement": (
        "ExpectedImprovement",
        "LogExpectedImprovement",
        "LogProbabilityOfImprovement",
    ),
    "bbopt.acquisitions.mean": ("PosteriorMean",),
    "bbopt.acquisitions.noisy": ("LogExpectedImprovementUnderNoise",),
    "bbopt.acquisitions.pointwise": ("Pointwise",),
    "bbopt.acquisitions.thompson": ("Thompson",),
    "bbopt.acquisitions.botorch": (
        "BotorchAcquisition",
        "BotorchCriterion",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Acquisition",
    "ExpectedImprovement",
    "LogExpectedImprovement",
    "LogExpectedImprovementOfBatch",
    "LogExpectedImprovementUnderNoise",
    "LogProbabilityOfImprovement",
    "LowerConfidenceBound",
    "Pointwise",
    "PosteriorMean",
    "Thompson",
    "normal_samples",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bbopt.acquisitions' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
