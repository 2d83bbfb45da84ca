"""Rejection sampling in which every row is a function of its own number alone."""

from collections.abc import Callable

import numpy as np

from bbopt.rng import Key
from bbopt.types import BoolArray, FloatArray, IntArray

_ROUNDS = 9  # 4^0 + 4^1 + ... + 4^8 = 87381 draws for one row
_SOON = 4  # after so many rounds, 85 draws for one row, it is asked whether to go on
_BLOCK = 2**16  # draws made at once from the second round on


def sample_rows(
    draw: Callable[[FloatArray], tuple[FloatArray, BoolArray]],
    n: int,
    d: int,
    rng: Key,
    start: int,
    is_thin: Callable[[], bool],
) -> tuple[FloatArray, IntArray]:
    """Draw rows ``start .. start + n`` of an endless table of good points.

    In round k every row that is still open looks at its own 4^k uniform draws and takes the first
    good one, so that a row comes out the same whether it is drawn alone or in a block.

    Parameters
    ----------
    draw : callable
        Takes uniform U of shape (b, d); returns points of the same shape and which of them are good.
    n, d : int
    rng : Key
    start : int
    is_thin : callable
        Says whether hardly any draw is good, so that rows not found soon are given up. It must not
        depend on the rows; it is asked only where there are such rows.

    Returns
    -------
    X : ndarray, shape (n, d)
    left : ndarray of int
        The places, ascending, of the rows that were not found.
    """
    X, is_good = draw(rng.child("sample", 0).uniform_rows(start, n, d))
    todo = np.flatnonzero(~is_good)
    for k in range(1, _ROUNDS):
        if not todo.size or (k == _SOON and is_thin()):
            break
        key, each = rng.child("sample", k), 4**k
        window = max(1, _BLOCK // each)
        left = []
        for rows in np.split(todo, np.flatnonzero(np.diff(todo // window)) + 1):
            first, span = int(rows[0]), int(rows[-1] - rows[0]) + 1
            U = key.uniform_rows((start + first) * each, span * each, d)
            if span > len(rows):
                U = U.reshape(span, each, d)[rows - first].reshape(-1, d)
            points, is_good = draw(U)
            is_good = is_good.reshape(len(rows), each)
            found, choice = is_good.any(axis=1), is_good.argmax(axis=1)
            X[rows[found]] = points.reshape(len(rows), each, d)[found, choice[found]]
            left.append(rows[~found])
        todo = np.concatenate(left)
    return X, todo
