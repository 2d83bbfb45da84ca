"""bbopt: black-box and Bayesian optimization behind one ask/tell loop.

Names are loaded when first used, so that ``import bbopt`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bbopt.data.trial import Observation, Status, Trial
    from bbopt.errors import (
        BboptError,
        DataError,
        FitError,
        JournalError,
        MissingExtra,
        SpaceError,
        SpaceExhausted,
        UnsupportedError,
    )
    from bbopt.run import maximize, minimize
    from bbopt.space import Categorical, Constant, Integer, Ordinal, Real, Space
    from bbopt.spec import Objective, Spec
    from bbopt.strategies.auto import Auto
    from bbopt.strategies.baxus import BAxUS
    from bbopt.strategies.bayesian import BayesianOptimization
    from bbopt.strategies.compose import Alternate, Then
    from bbopt.strategies.consensus import ConsensusBasedOptimization
    from bbopt.strategies.designs import Grid, LatinHypercube, Random, Sobol
    from bbopt.strategies.dumbo import DuMBO
    from bbopt.strategies.trust_region import TrustRegion
    from bbopt.study.study import Study
    from bbopt.surrogates.process import GaussianProcess

_HOME = {
    "bbopt.data.trial": ("Observation", "Status", "Trial"),
    "bbopt.errors": (
        "BboptError",
        "DataError",
        "FitError",
        "JournalError",
        "MissingExtra",
        "SpaceError",
        "SpaceExhausted",
        "UnsupportedError",
    ),
    "bbopt.run": ("maximize", "minimize"),
    "bbopt.space": ("Categorical", "Constant", "Integer", "Ordinal", "Real", "Space"),
    "bbopt.spec": ("Objective", "Spec"),
    "bbopt.strategies.auto": ("Auto",),
    "bbopt.strategies.baxus": ("BAxUS",),
    "bbopt.strategies.bayesian": ("BayesianOptimization",),
    "bbopt.strategies.compose": ("Alternate", "Then"),
    "bbopt.strategies.consensus": ("ConsensusBasedOptimization",),
    "bbopt.strategies.designs": ("Grid", "LatinHypercube", "Random", "Sobol"),
    "bbopt.strategies.dumbo": ("DuMBO",),
    "bbopt.strategies.trust_region": ("TrustRegion",),
    "bbopt.study.study": ("Study",),
    "bbopt.surrogates.process": ("GaussianProcess",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Alternate",
    "Auto",
    "BAxUS",
    "BayesianOptimization",
    "BboptError",
    "Categorical",
    "ConsensusBasedOptimization",
    "Constant",
    "DataError",
    "DuMBO",
    "FitError",
    "GaussianProcess",
    "Grid",
    "Integer",
    "JournalError",
    "LatinHypercube",
    "MissingExtra",
    "Objective",
    "Observation",
    "Ordinal",
    "Random",
    "Real",
    "Sobol",
    "Space",
    "SpaceError",
    "SpaceExhausted",
    "Spec",
    "Status",
    "Study",
    "Then",
    "Trial",
    "TrustRegion",
    "UnsupportedError",
    "maximize",
    "minimize",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bbopt' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
