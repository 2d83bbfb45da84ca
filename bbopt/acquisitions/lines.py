"""The expected maximum of lines, E[max_i (a_i + b_i Z)] with Z standard normal, exactly.

What the best of several means will be after one more observation (Frazier, Powell and Dayanik 2009). The
maximum is a convex chain of lines. Where the slope rises from line l to line u, at z,

    T = E[(line u - line l)^+] for z > 0, E[(line l - line u)^+] for z <= 0;   T = (b_u - b_l) h(-|z|)

with h as in ``improvement.py``, and E[max] = max_i a_i + the sum of all T. No term is negative and no
digit is lost, so that the logarithm of what is gained over one of the lines can be taken however small.

The chain is found by asking: the two outermost lines meet at z; if no line is higher there, this is a
corner, else the highest one is part of the chain and parts the interval. A row takes about twice as many
questions as its chain has lines, of which there are few; those of all rows are answered together. A corner
is kept within its interval, so that it does no harm when rounding decides which line is the highest.
"""

from typing import NamedTuple

import numpy as np

from bbopt.acquisitions.improvement import log_h
from bbopt.types import FloatArray, IntArray

_FAR, _LARGEST = 1e100, 700.0
_NOTHING = -1e12
"""The least log of a gain: finite where one line covers all others and nothing can be gained."""


class Corners(NamedTuple):
    """Where the upper envelopes of r rows of lines bend.

    Attributes
    ----------
    top : array (r,)
        The highest line of each row at z = 0; just above 0 where several meet.
    row, lower, upper : array (k,)
        In which row, from which line to which steeper one.
    z : array (k,)
    """

    top: IntArray
    row: IntArray
    lower: IntArray
    upper: IntArray
    z: FloatArray


def corners(a: FloatArray, b: FloatArray) -> Corners:
    """Return the corners of the upper envelopes of the lines a + b z, (r, n) each."""
    rows = np.arange(len(a))
    left, right = _highest_at_infinity(a, -b), _highest_at_infinity(a, b)
    top = left.copy()
    row = np.flatnonzero(b[rows, left] < b[rows, right])
    left, right = left[row], right[row]
    start, stop = np.full(len(row), -_FAR), np.full(len(row), _FAR)
    found = []
    while len(row):
        b_left, b_right = b[row, left], b[row, right]
        with np.errstate(over="ignore"):
            z = (a[row, left] - a[row, right]) / (b_right - b_left)
        z = z.clip(start, stop)  # which is where it lies, but for rounding
        heights = b[row]
        heights -= b_left[:, None]  # all turned alike: large slopes in common cost no digits
        heights *= z[:, None]
        heights += a[row]
        middle = heights.argmax(axis=1)
        b_middle = b[row, middle]
        splits = (b_left < b_middle) & (b_middle < b_right)
        found.append((row[~splits], left[~splits], right[~splits], z[~splits]))
        row, left, middle, right, z = row[splits], left[splits], middle[splits], right[splits], z[splits]
        start, stop = np.concatenate([start[splits], z]), np.concatenate([z, stop[splits]])
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
        row = np.concatenate([row, row])
    if not found:
        nothing = np.empty(0, np.int64)
        return Corners(top, nothing, nothing, nothing, np.empty(0))
    row, lower, upper = (np.concatenate([step[i] for step in found]) for i in range(3))
    z = np.concatenate([step[3] for step in found])
    before = np.flatnonzero(z <= 0.0)
    before = before[np.lexsort((b[row[before], upper[before]], z[before]))]
    top[row[before]] = upper[before]  # the last one stays
    return Corners(top, row, lower, upper, z)


def expected_maximum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return E[max_i (a_i + b_i Z)] of each row, (r,), and its derivatives with respect to a and b, (r, n).

    dE/da_i is the probability that line i is the highest, dE/db_i the integral of z phi(z) over where it
    is.
    """
    found = corners(a, b)
    log_value, cdf_ratio, pdf_ratio = log_h(-np.abs(found.z))
    h = np.exp(log_value)
    rise = b[found.row, found.upper] - b[found.row, found.lower]
    value = a[np.arange(len(a)), found.top] + np.bincount(found.row, rise * h, minlength=len(a))
    d_a, d_b = _spread(found, a.shape, cdf_ratio * h, pdf_ratio * h)
    d_a[np.arange(len(a)), found.top] += 1.0
    return value, d_a, d_b


def log_expected_gain(
    a: FloatArray, b: FloatArray, reference: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log(E[max_i (a_i + b_i Z)] - a_reference) and its derivatives with respect to a and b.

    Parameters
    ----------
    a, b : array (r, n)
    reference : array (r,)
        The line of each row that the maximum is compared with.

    Returns
    -------
    value (r,); -1e12 where nothing can be gained. Derivatives (r, n).
    """
    found = corners(a, b)
    rows = np.arange(len(a))
    log_value, cdf_ratio, pdf_ratio = log_h(-np.abs(found.z))
    rise = b[found.row, found.upper] - b[found.row, found.lower]
    terms = np.log(rise) + log_value
    lead = a[rows, found.top] - a[rows, reference]
    log_lead = np.log(lead, out=np.full(len(a), -np.inf), where=lead > 0.0)
    largest = np.maximum(log_lead, _NOTHING)
    np.maximum.at(largest, found.row, terms)
    total = np.exp(log_lead - largest)
    total += np.bincount(found.row, np.exp(terms - largest[found.row]), minlength=len(a))
    value = largest + np.log(total, out=np.zeros(len(a)), where=total > 0.0)
    share = np.exp(terms - value[found.row]) / rise
    d_a, d_b = _spread(found, a.shape, share * cdf_ratio, share * pdf_ratio)
    is_other = found.top != reference
    per_lead = np.exp(np.minimum(-value[is_other], _LARGEST))
    d_a[rows[is_other], found.top[is_other]] += per_lead
    d_a[rows[is_other], reference[is_other]] -= per_lead
    return value, d_a, d_b


def _spread(
    found: Corners, shape: tuple[int, int], by_height: FloatArray, by_slope: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return derivatives with respect to a and b, (r, n), from those of each term.

    ``by_height`` are derivatives with respect to the difference in a of the line that gains to the other,
    ``by_slope`` with respect to b_upper - b_lower.
    """
    by_height = np.where(found.z > 0.0, by_height, -by_height)
    d_a, d_b = np.zeros(shape), np.zeros(shape)
    for line, sign in ((found.upper, 1.0), (found.lower, -1.0)):
        np.add.at(d_a, (found.row, line), sign * by_height)
        np.add.at(d_b, (found.row, line), sign * by_slope)
    return d_a, d_b


def _highest_at_infinity(a: FloatArray, b: FloatArray) -> IntArray:
    """Return the steepest line of each row, the highest of several, the first of several equal ones."""
    return np.asarray(np.where(b == b.max(axis=1, keepdims=True), a, -np.inf).argmax(axis=1))
