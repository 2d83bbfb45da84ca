"""Scrambled Sobol points with random access: point k costs the same whether or not k - 1 was drawn.

Direction numbers: Joe & Kuo, "Constructing Sobol sequences with better two-dimensional projections",
SIAM J. Sci. Comput. 30 (2008), the table new-joe-kuo-6, first 1024 dimensions. Scrambling: nested
uniform (Owen) by hashing, Burley, "Practical hash-based Owen scrambling", JCGT 9(4) (2020), with the
constants that the paper attributes to Vegdahl.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from bbopt.rng import Key
from bbopt.types import FloatArray

_BITS = 32
_MAX_D = 1024
_HASH = (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6)


def sobol(start: int, n: int, d: int, rng: Key) -> FloatArray:
    """Return points ``start .. start + n`` of one scrambled sequence in (0, 1)^d, shape (n, d).

    Parameters
    ----------
    start, n : int
        Which points; start + n at most 2^32.
    d : int
        Columns; those beyond 1024 are filled with plain uniform numbers.
    rng : Key
        Chooses the scrambling; row k is a function of (rng, k) alone.
    """
    width = min(d, _MAX_D)
    index = np.arange(start, start + n, dtype=np.uint64)
    X = np.zeros((n, width), np.uint32)
    directions = _directions(max(-(-width // 64), 1) * 64)
    for bit in range(int(start + n - 1).bit_length() if n else 0):
        odd = (index >> np.uint64(bit)) & np.uint64(1) == 1
        X[odd] ^= directions[bit, :width]
    seeds = rng.child("scramble").generator().integers(0, 2**32, size=width, dtype=np.uint32)
    U: FloatArray = (_scramble(X, seeds).astype(np.float64) + 0.5) / 2.0**_BITS
    if d > width:
        U = np.hstack([U, rng.child("beyond").uniform_rows(start, n, d - width)])
    return U


def _scramble(X: NDArray[np.uint32], seeds: NDArray[np.uint32]) -> NDArray[np.uint32]:
    X = _reverse_bits(X) + seeds
    for constant in _HASH:
        X ^= X * np.uint32(constant)
    return _reverse_bits(X)


def _reverse_bits(X: NDArray[np.uint32]) -> NDArray[np.uint32]:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        low, by = np.uint32(mask), np.uint32(shift)
        X = ((X >> by) & low) | ((X & low) << by)
    return (X >> np.uint32(16)) | (X << np.uint32(16))


@cache
def _directions(d: int) -> NDArray[np.uint32]:
    """Return the direction numbers of the first d dimensions as 32-bit fractions, shape (32, d)."""
    with (files("bbopt") / "joe_kuo.npz").open("rb") as stream, np.load(stream) as table:
        polynomial, initial = table["polynomial"].astype(np.uint32), table["initial"].astype(np.uint32)
    V = np.zeros((_BITS, d), np.uint32)
    V[:, 0] = 1  # the first dimension is van der Corput's sequence
    for j in range(1, d):
        degree = int(polynomial[j]).bit_length() - 1
        V[:degree, j] = initial[j, :degree]
        for i in range(degree, _BITS):
            # Bratley & Fox (1988), the recurrence for m_i; coefficients from the polynomial's bits.
            m = V[i - degree, j] ^ (V[i - degree, j] << np.uint32(degree))
            for k in range(1, degree):
                if (int(polynomial[j]) >> (degree - k)) & 1:
                    m ^= V[i - k, j] << np.uint32(k)
            V[i, j] = m
    return V << np.arange(_BITS - 1, -1, -1, dtype=np.uint32)[:, None]
