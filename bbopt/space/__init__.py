"""Spaces: parameters, when they are active, what is known to be infeasible."""

from bbopt.space.constraints import Formula, KnownConstraint, LinearForm, Predicate
from bbopt.space.numeric import Integer, Real
from bbopt.space.parameters import Categorical, Constant, Ordinal, Parameter
from bbopt.space.space import Space

__all__ = [
    "Categorical",
    "Constant",
    "Formula",
    "Integer",
    "KnownConstraint",
    "LinearForm",
    "Ordinal",
    "Parameter",
    "Predicate",
    "Real",
    "Space",
]
