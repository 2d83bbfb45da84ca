"""Models of the objective, fitted to what was told.

Names are loaded when first used; those of BoTorch's and scikit-learn's models need the extras ``torch`` and
``sklearn``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bbopt.surrogates.botorch import BotorchModel as BotorchModel
    from bbopt.surrogates.botorch import BotorchSurrogate as BotorchSurrogate
    from bbopt.surrogates.botorch import from_botorch as from_botorch
    from bbopt.surrogates.botorch import saas as saas
    from bbopt.surrogates.botorch import to_botorch as to_botorch
    from bbopt.surrogates.ensemble import Ensemble
    from bbopt.surrogates.feasibility import LogFeasibility
    from bbopt.surrogates.gp import GP
    from bbopt.surrogates.kernels import (
        RBF,
        Kernel,
        Linear,
        Matern,
        Periodic,
        Product,
        RationalQuadratic,
        Sum,
    )
    from bbopt.surrogates.outcomes import Outcome
    from bbopt.surrogates.paths import Paths
    from bbopt.surrogates.process import GaussianProcess
    from bbopt.surrogates.sklearn import SklearnModel as SklearnModel
    from bbopt.surrogates.sklearn import SklearnSurrogate as SklearnSurrogate
    from bbopt.surrogates.surrogate import Surrogate

_HOME = {
    "bbopt.surrogates.ensemble": ("Ensemble",),
    "bbopt.surrogates.feasibility": ("LogFeasibility",),
    "bbopt.surrogates.gp": ("GP",),
    "bbopt.surrogates.kernels": (
        "RBF",
        "Kernel",
        "Linear",
        "Matern",
        "Periodic",
        "Product",
        "RationalQuadratic",
        "Sum",
    ),
    "bbopt.surrogates.outcomes": ("Outcome",),
    "bbopt.surrogates.paths": ("Paths",),
    "bbopt.surrogates.process": ("GaussianProcess",),
    "bbopt.surrogates.surrogate": ("Surrogate",),
    "bbopt.surrogates.botorch": (
        "BotorchModel",
        "BotorchSurrogate",
        "from_botorch",
        "saas",
        "to_botorch",
    ),
    "bbopt.surrogates.sklearn": (
        "SklearnModel",
        "SklearnSurrogate",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "GP",
    "RBF",
    "Ensemble",
    "GaussianProcess",
    "Kernel",
    "Linear",
    "LogFeasibility",
    "Matern",
    "Outcome",
    "Paths",
    "Periodic",
    "Product",
    "RationalQuadratic",
    "Sum",
    "Surrogate",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bbopt.surrogates' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
