"""Replicates merged: the means of their outcomes, and what these know of the noise."""

from dataclasses import dataclass

import numpy as np

from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class Merged:
    """Observations with all replicates of a point put together.

    Attributes
    ----------
    X : array (n, d)
        Distinct points, in order of first appearance.
    y : array (n,)
        Their mean outcomes, weighted by precision where variances are known.
    variance : array (n,)
        Known variances of these means; nan where the noise is to be learnt.
    counts : array (n,)
        How many outcomes of unknown variance each mean holds.
    scatter : float
        Sum of squared deviations from these means over the outcomes of unknown variance: with the
        counts it is all that the likelihood of the noise needs to know of the single outcomes.
    """

    X: FloatArray
    y: FloatArray
    variance: FloatArray
    counts: FloatArray
    scatter: float


def merge(X: FloatArray, y: FloatArray, variance: FloatArray) -> Merged:
    """Merge rows of X (n, d) that are equal; known and unknown (nan) variances stay apart."""
    known = ~np.isnan(variance)
    rows = np.column_stack([X + 0.0, known])
    names = [row.tobytes() for row in rows]
    if len(set(names)) == len(names):
        return Merged(X, y, variance, np.ones(len(X)), 0.0)
    group_of: dict[bytes, int] = {}
    group = np.array([group_of.setdefault(name, len(group_of)) for name in names])
    first = np.unique(group, return_index=True)[1]
    weight = 1.0 / np.maximum(np.where(known, variance, 1.0), 1e-300)
    total = np.bincount(group, weight)
    mean = np.bincount(group, weight * y) / total
    scatter = float((((y - mean[group]) ** 2)[~known]).sum())
    merged_variance = np.where(known[first], 1.0 / total, np.nan)
    return Merged(X[first], mean, merged_variance, np.bincount(group).astype(np.float64), scatter)
