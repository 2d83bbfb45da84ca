"""The factorisation of covariances, with as much jitter as it takes."""

import numpy as np
from scipy.linalg import blas, lapack

from bbopt.errors import FitError
from bbopt.types import FloatArray

JITTERS = (0.0, 1e-9, 1e-7, 1e-5, 1e-3)
"""Added to the diagonal, relative to the output scale, until the factorisation succeeds."""


def factorize(K: FloatArray, noise: FloatArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """Return L⁻¹ with L Lᵀ = K + diag(noise), and the noise with the jitter that was needed.

    Raises
    ------
    FitError
        When no jitter of the ladder makes the matrix positive definite.
    """
    diagonal = K.diagonal().copy()
    for jitter in JITTERS:
        widened = noise + jitter * scale
        A = K.copy()
        A.flat[:: len(A) + 1] = diagonal + widened
        # A C-ordered symmetric matrix is its own transpose in LAPACK's order: no copy is made.
        U, failed = lapack.dpotrf(A.T, lower=0, clean=1, overwrite_a=1)
        if not failed:
            U_inverse, failed = lapack.dtrtri(U, lower=0, overwrite_c=1)
            if not failed and np.isfinite(U_inverse[-1, -1]):
                return np.asarray(U_inverse.T), widened
    raise FitError(
        f"the covariance of {len(K)} points is not positive definite, even with {JITTERS[-1]:g} of the "
        "output scale added to its diagonal; are there values that are not finite?"
    )


def whiten(k: FloatArray, L_inverse: FloatArray) -> FloatArray:
    """Return k L⁻ᵀ (b, n); k (b, n) may be overwritten. Half of a full product's time."""
    # In LAPACK's order both are transposed: nothing is copied.
    return np.asarray(blas.dtrmm(1.0, L_inverse.T, k.T, trans_a=1, overwrite_b=1).T)


def unwhiten(V: FloatArray, L_inverse: FloatArray) -> FloatArray:
    """Return V L⁻¹ (b, n)."""
    return np.asarray(blas.dtrmm(1.0, L_inverse.T, V.T).T)
