"""Regressors of scikit-learn as surrogates: forests, and what predicts its standard deviation."""

from bbopt.errors import MissingExtra

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise MissingExtra("bbopt.surrogates.sklearn", "scikit-learn", "sklearn") from error

from bbopt.surrogates.sklearn.fit import SklearnModel, forest
from bbopt.surrogates.sklearn.surrogate import SklearnSurrogate

__all__ = ["SklearnModel", "SklearnSurrogate", "forest"]
