"""The increasing map between the outcomes of a study and the units of its model."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np

from bbopt.surrogates.outcomes.shapes import Piecewise, Shape
from bbopt.types import FloatArray

_LARGEST = float(np.finfo(np.float64).max)
_MOST_SD = 1e6


@dataclass(frozen=True, slots=True)
class Outcome:
    """An increasing map from outcomes y to model units z: scaled, bent, standardised.

        t = (y / unit - location) / width,  s = shape(t),  z = (s - centre) / spread

    Attributes
    ----------
    name : str
        The kind that was learnt; see :func:`~bbopt.surrogates.outcomes.learning.learn`.
    unit, location, width : float
        A first scaling, robust against the bad tail. Dividing by the unit first lets nothing overflow.
    shape : Shape or None
        The bend; None where there is none: in kind "standardize", and where the data ask for none.
    centre, spread : float
        Mean and standard deviation of what was told, once bent.
    """

    name: str = "standardize"
    unit: float = 1.0
    location: float = 0.0
    width: float = 1.0
    shape: Shape | None = None
    centre: float = 0.0
    spread: float = 1.0

    def __call__(self, y: FloatArray) -> FloatArray:
        """Return outcomes in model units, finite for all that is finite."""
        with np.errstate(over="ignore"):
            z = (self.bend(self.scale(y)) - self.centre) / self.spread
        return np.clip(z, -_LARGEST, _LARGEST)

    def inverse(self, z: FloatArray) -> FloatArray:
        """Return model values as outcomes.

        Of a Gaussian in model units this maps the median; quantiles map to quantiles. Far beyond what
        was told the bent kinds stay behind, at about ten times the largest of it ("rank" and
        "winsorize" go on in straight lines).
        """
        with np.errstate(over="ignore"):
            s = z * self.spread + self.centre
            t = s if self.shape is None else self.shape.inverse(s)
            y = (t * self.width + self.location) * self.unit
        return np.clip(y, -_LARGEST, _LARGEST)

    def inverse_sd(self, z: FloatArray, sd: FloatArray) -> FloatArray:
        """Return standard deviations in model units, at model values z, as those of outcomes.

        By the slope at z. Where the map has corners, its slope says nothing of what lies a step
        further: there by half the distance between the images of z - sd and z + sd.
        """
        with np.errstate(over="ignore"):
            s, reach = z * self.spread + self.centre, sd * self.spread
            if isinstance(self.shape, Piecewise):
                t = _chord(self.shape.inverse, s, reach)
            else:
                t = reach * self._stretch(s)
            return np.asarray(np.minimum(t * self.width * self.unit, _LARGEST))

    def variance(self, variance: FloatArray, z: FloatArray) -> FloatArray:
        """Return variances of outcomes, measured at z in model units, in model units; nan stays nan."""
        s = z * self.spread + self.centre
        with np.errstate(over="ignore"):
            sd = np.sqrt(variance) / self.unit / self.width
            if isinstance(self.shape, Piecewise):
                sd = _chord(self.shape, self.shape.inverse(s), sd) / self.spread
            else:
                sd = sd / self.spread / self._stretch(s)
        return np.asarray(np.minimum(sd, _MOST_SD) ** 2)

    def log_slope(self, y: FloatArray) -> FloatArray:
        """Return log dz/dy at outcomes y.

        Its sum turns the density of a model of z into one of y, so that models on differently
        transformed outcomes can be compared: log p(y) = log p(z) + sum_i log dz/dy (y_i).
        """
        stretch = 0.0 if self.shape is None else self.shape.log_stretch(self.bend(self.scale(y)))
        return np.zeros_like(y) - stretch - log(self.unit) - log(self.width) - log(self.spread)

    def scale(self, y: FloatArray) -> FloatArray:
        """Return t, roughly scaled outcomes."""
        with np.errstate(over="ignore"):
            t = (y / self.unit - self.location) / self.width
        return np.asarray(t)

    def bend(self, t: FloatArray) -> FloatArray:
        """Return s, bent values."""
        return t if self.shape is None else self.shape(t)

    def _stretch(self, s: FloatArray) -> FloatArray:
        """Return dt/ds at s."""
        if self.shape is None:
            return np.ones_like(s)
        return np.exp(np.clip(self.shape.log_stretch(s), -708.0, 709.0))


def _chord(increasing: Callable[[FloatArray], FloatArray], x: FloatArray, reach: FloatArray) -> FloatArray:
    """Return half the distance between the images of x - reach and x + reach."""
    most = 0.25 * _LARGEST
    above, below = (np.clip(increasing(x + step), -most, most) for step in (reach, -reach))
    return 0.5 * (above - below)
