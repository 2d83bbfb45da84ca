"""The former names of :mod:`bbopt.surrogates.outcomes` and :mod:`bbopt.surrogates.merging`."""

from bbopt.surrogates.merging import Merged, merge
from bbopt.surrogates.outcomes import Outcome as Standardizer
from bbopt.surrogates.outcomes import learn as standardize

__all__ = ["Merged", "Standardizer", "merge", "standardize"]
