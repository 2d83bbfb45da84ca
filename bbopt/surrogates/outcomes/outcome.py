"""The increasing map between the outcomes of a study and the units of its model."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from math import log
from typing import Any

import numpy as np

from bbopt.errors import DataError
from bbopt.surrogates.outcomes.shapes import BoxCox, Piecewise, PowerTail, Shape, Tail, YeoJohnson
from bbopt.types import FloatArray

_LARGEST = float(np.finfo(np.float64).max)
_MOST_SD = 1e6

_SHAPES: Mapping[str, type[Shape] | None] = {
    "standardize": None,
    "tail": Tail,
    "yeo-johnson": YeoJohnson,
    "power-tail": PowerTail,
    "box-cox": BoxCox,
    "log": BoxCox,
    "rank": Piecewise,
    "winsorize": Piecewise,
}
_WORDS = {
    "standardize": "centred and scaled",
    "tail": "with the bad tail compressed by logarithms",
    "yeo-johnson": "made more normal by the Yeo-Johnson power {power:g}",
    "power-tail": "made more normal by the Yeo-Johnson power {power:g}, their bad tail then compressed",
    "box-cox": "made more normal by the Box-Cox power {power:g}",
    "log": "as their logarithms",
    "rank": "as the normal scores of their ranks",
    "winsorize": "capped where far worse than the median",
}


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

    @property
    def words(self) -> str:
        """The map in words, to follow "outcomes"."""
        if self.shape is None:
            return _WORDS["standardize"]
        return _WORDS[self.name].format(**asdict(self.shape))

    def to_dict(self) -> dict[str, Any]:
        """Return the map as plain JSON data."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.shape is not None:
            numbers = asdict(self.shape)
            data["shape"] = {key: list(n) if isinstance(n, tuple) else n for key, n in numbers.items()}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Outcome":
        """Return the map that :meth:`to_dict` wrote down.

        Raises
        ------
        DataError
            When the data describe no map.
        """
        try:
            rest = dict(data)
            shape, written = _SHAPES[rest["name"]], rest.pop("shape")
            if shape is None or written is None:
                return cls(**rest)
            numbers: dict[str, Any] = dict(written)
            for key in numbers.keys() & {"t", "s"}:
                numbers[key] = tuple(numbers[key])
            return cls(**rest, shape=shape(**numbers))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"outcome transform: expected what to_dict() writes, got {data!r}") from error


def _chord(increasing: Callable[[FloatArray], FloatArray], x: FloatArray, reach: FloatArray) -> FloatArray:
    """Return half the distance between the images of x - reach and x + reach."""
    most = 0.25 * _LARGEST
    above, below = (np.clip(increasing(x + step), -most, most) for step in (reach, -reach))
    return 0.5 * (above - below)
