"""What asks that look at results note of themselves, in the same words whichever strategy it is.

:mod:`bbopt.study.explanation` reads it.
"""

import numpy as np

from bbopt.data.history import Dataset, History
from bbopt.data.trial import Status
from bbopt.space import Space
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.types import FloatArray, Tag


def set_aside(history: History, data: Dataset) -> Tag:
    """Return a tag of how many results are not in the data (n rows) of a model; empty where all are."""
    left_out = int(np.count_nonzero(history.status == Status.COMPLETE)) - len(data.X)
    return {"set_aside": left_out} if left_out else {}


def risk(failures: LogFeasibility | None, x: FloatArray) -> Tag:
    """Return a tag of the chance that a run at x (1, d) does not fail, and of how sure that is."""
    if failures is None:
        return {}
    return {"chance": float(failures.probability(x)[0]), "doubt": failures.doubt}


def held(space: Space, fixed: FloatArray | None) -> Tag:
    """Return a tag of the parameters that an ask fixed, by name: those of ``fixed`` (d,) that are not nan.

    Empty where the ask fixed nothing.
    """
    if fixed is None:
        return {}
    varying = [parameter.name for parameter in space.parameters if not parameter.is_constant]
    return {"held": [varying[j] for j in np.flatnonzero(~np.isnan(fixed))]}
