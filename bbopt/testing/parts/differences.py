"""What the contracts share: derivatives by differences, and words for what is missing."""

from typing import Any

import numpy as np

from bbopt.types import FloatArray

STEPS = 0.02 * 0.5 ** np.arange(9)
"""Steps of differences: each half of the one before."""
RELATIVE, ABSOLUTE = 1e-6, 1e-7
"""How far gradients may be from differences: as a share of themselves, and of the largest."""


def slope(function: Any, x: FloatArray, direction: FloatArray) -> FloatArray:
    """Return the derivative of a function along a direction, of whatever shape its values have.

    Central differences with ever smaller steps, extrapolated to a step of 0; of each value the
    extrapolation that agrees best with the one before. So neither curvature nor rounding is in the way.

    Ridders 1982; Press et al. 2007, section 5.7.
    """
    steps = [h * direction for h in STEPS]
    rough = np.array(
        [(function(x + e) - function(x - e)) / (2 * h) for e, h in zip(steps, STEPS, strict=True)]
    )
    better = (4 * rough[1:] - rough[:-1]) / 3
    best = (16 * better[1:] - better[:-1]) / 15
    chosen = np.abs(np.diff(best, axis=0)).argmin(axis=0)
    return np.asarray(np.take_along_axis(best[1:], chosen[None], axis=0)[0])


def differences(function: Any, X: FloatArray) -> FloatArray:
    """Return derivatives (b, d) of a function of points (b, d) whose rows do not mix."""
    return np.stack([slope(function, X, e) for e in np.eye(X.shape[1])], axis=1)


def assert_derivatives(gradient: FloatArray, numeric: FloatArray, what: str) -> None:
    """Raise AssertionError, in words, where a gradient is not what differences say."""
    largest = np.abs(numeric).max(initial=0.0)
    message = f"{what}: this (actual) is not what differences of the values say (desired)"
    np.testing.assert_allclose(gradient, numeric, RELATIVE, ABSOLUTE * largest, err_msg=message)


def made(part: Any) -> Any:
    """Return what ``make`` returned, unless that is no object."""
    assert part is not None, "make returned None: return the part under test"
    assert not isinstance(part, type), (
        f"make returned the class {part.__name__}: return an object, {part.__name__}()"
    )
    return part


def unnamed(contract: object, what: str) -> NotImplementedError:
    """Return the error of a contract whose part is not named."""
    return NotImplementedError(f"{type(contract).__name__}: define make, which returns {what} under test")


def wave(X: FloatArray) -> FloatArray:
    """Return outcomes (n,) of points (n, d) for a surrogate to follow."""
    return np.asarray(np.sin(4 * X[:, 0]) + (X**2).sum(axis=1))
