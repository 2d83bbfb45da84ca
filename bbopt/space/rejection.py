"""Rejection sampling in which every row is a function of its own number alone."""

from collections.abc import Callable

import numpy as np

from bbopt.rng import Key
from bbopt.types import BoolArray, FloatArray

_ROUNDS = 9  # 4^0 + 4^1 + ... + 4^8 = 87381 draws for one row
_HOPELESS = 2**17  # draws for all rows together, none of them good
_BLOCK = 2**16  # draws made at once from the second round on


def sample_rows(
    draw: Callable[[FloatArray], tuple[FloatArray, BoolArray]], n: int, d: int, rng: Key, start: int
) -> tuple[FloatArray, int]:
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

    Returns
    -------
    X : ndarray, shape (n, d)
    n_draws : int
        0 if all rows were found; otherwise how many draws were made before giving up.
    """
    X, is_good = draw(rng.child("sample", 0).uniform_rows(start, n, d))
    todo = np.flatnonzero(~is_good)
    n_draws = n
    for k in range(1, _ROUNDS):
        if not todo.size or (len(todo) == n and n_draws >= _HOPELESS):
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
        n_draws += len(todo) * each
        todo = np.concatenate(left)
    return X, n_draws if todo.size else 0
