"""Outcome transforms learnt from what was told, and the choice among them."""

from collections.abc import Callable
from dataclasses import replace
from math import frexp, log

import numpy as np
from scipy.special import ndtri

from bbopt.errors import DataError
from bbopt.surrogates.outcomes.outcome import Outcome
from bbopt.surrogates.outcomes.shapes import (
    BoxCox,
    Piecewise,
    PowerTail,
    Shape,
    Tail,
    YeoJohnson,
    box_cox,
    yeo_johnson,
)
from bbopt.types import FloatArray

KINDS = ("tail", "standardize", "yeo-johnson", "power-tail", "box-cox", "log", "rank", "winsorize")
"""What :func:`learn` knows by name."""
POSITIVE = ("box-cox", "log")
"""Those of them that need outcomes above 0."""
AUTO = ("power-tail", "tail", "standardize")
"""What :func:`choose` chooses among, the first where nothing else is known."""
MARGIN = 3.0
"""By how many nats a kind must be better than the one in use: odds of 20 to 1. Evidence below that is
within what one more result, or a search stopped early, moves it by; changing to and fro would throw away
the hyper-parameters that the next fit starts from."""

TAIL = 1.0
"""Bad values further than this many best-half spreads above the median are compressed."""
CAP = 2.0
"""Where "winsorize" caps, in best-half spreads above the median: 2.6 standard deviations of a Gaussian."""
CAPPED_SLOPE, CAPPED_RISE = 1e-3, 0.1
"""Slope above the cap, and the most best-half spreads that all values above it may take together."""
YEO_JOHNSON_POWERS = (0.0, 2.0)
"""With powers outside of it the map is bounded on one side, and model values there come from no outcome."""
BOX_COX_POWERS = (-1.0, 2.0)
"""From the reciprocal to the square."""
FEW = 4
"""With fewer distinct outcomes there is no shape to learn."""
MOST_KNOTS = 128
"""Of a rank map, which stays small however many outcomes are told."""

_EPS, _TINY, _LARGEST = (float(getattr(np.finfo(np.float64), name)) for name in ("eps", "tiny", "max"))
_LEAST_WIDTH = 1e-290
"""Of a first scaling, in units of the largest outcome: the largest divided by it is still a float."""
_MOST_LOG = 670.0
"""The most that a power times a logarithm may be: the exponential is still a float."""

Learnt = tuple[FloatArray, Outcome]
Power = Callable[[FloatArray, FloatArray], FloatArray]


def learn(y: FloatArray, kind: str = "tail", power: float | None = None) -> Learnt:
    """Return finite outcomes (n,), minimised, in model units, and the map of a kind that led there.

    Model units have mean 0 and standard deviation 1; outcomes that are all equal, up to rounding, become
    0. All kinds but "box-cox" and "log" give the same for a y + b, a > 0, as for y.

    Parameters
    ----------
    y : array (n,)
        Finite outcomes, minimised: the bad tail is the upper one.
    kind : str
        * "standardize": an affine map.
        * "tail": the bad tail is compressed by logarithms from ``median + (median - 10% quantile)`` on.
          One 1e20, or a cliff, would otherwise leave no resolution where the optimum lies. The good tail
          is never touched.
        * "yeo-johnson": the power transform that makes outcomes most like a sample of a Gaussian, of
          values centred at the median and scaled by the median minus the 10% quantile.
        * "power-tail": the same, and the bad tail of what it gives compressed as in "tail".
        * "box-cox", "log": the power transform of positive outcomes, and their logarithm. These know
          where 0 is.
        * "rank": the normal scores (Blom's (r - 3/8) / (n + 1/4)) of ranks r, straight lines between.
        * "winsorize": above ``median + 2 (median - 10% quantile)`` the map is nearly flat: it rises by
          no more than a tenth of that spread up to the largest outcome. A flat map would have no inverse,
          and predictions would be sure of the cap; this one is unsure there by all it has capped.

    power : float, optional
        A power to take instead of the most likely one, in kinds "yeo-johnson" and "power-tail": one of an
        earlier fit, say. It is kept within what the outcomes allow.

    Raises
    ------
    DataError
        For an unknown kind; for outcomes of 0 or less in kinds "box-cox" and "log".
    """
    if kind not in KINDS:
        raise DataError(f"an outcome transform is one of {', '.join(KINDS)}, got {kind!r}")
    largest = float(np.abs(y).max(initial=0.0))
    if possible(kind, y) != kind:
        raise DataError(
            f'outcome transform "{kind}" needs outcomes above 0, as minimised, but the smallest is '
            f'{float(y.min())!r}; "yeo-johnson" and "tail" take any'
        )
    if largest == 0.0:
        return np.zeros_like(y), Outcome(kind)
    if kind == "tail":
        return _tail(y, largest)
    unit = 2.0 ** (frexp(largest)[1] - 1)  # a division that rounds nothing
    scaled = y / unit
    if scaled.std() <= 4 * _EPS:
        return np.zeros_like(y), Outcome(kind, unit, centre=float(scaled.mean()))
    first = Outcome(kind, unit) if kind in POSITIVE else _first(kind, unit, scaled)
    return _standardize(first, _shape(kind, first.scale(y), power), y)


def possible(kind: str, y: FloatArray) -> str:
    """Return the kind, or "yeo-johnson", which takes any, where outcomes (n,) of 0 or less rule it out."""
    return "yeo-johnson" if kind in POSITIVE and len(y) and y.min() <= 0 else kind


def choose(
    y: FloatArray, score: Callable[[FloatArray, Outcome], float], previous: str | None = None
) -> Learnt:
    """Return outcomes (n,) in model units and the map under which a model finds them most probable.

    Kinds are compared by the density of y itself: that of z, times the slopes of the map,

        log p(y) = score(z, outcome) + sum_i log dz/dy (y_i),  i over distinct outcomes.

    What happens several times, like the value of a plateau, is an atom. No map changes the probability
    of an atom, and its slopes are left out but for one: else the kind that stretches the plateau most
    would win by as much as it has copies. One outcome far off is no such trap: dividing by a deviation
    of 1e20 costs an affine map 46 nats for every *other* outcome, and rightly so, since it leaves no
    difference between them that a model could resolve.

    The comparison is fair among kinds that fit few numbers to the data: a knee and its width, or a
    power. "rank" fits as many as there are outcomes, gains without limit as two of them approach, and
    would always win; "winsorize" pays for its cap with a slope of next to 0 at the very outcomes that it
    is there to ignore, and would hardly ever win. Both are for people who name them.

    Parameters
    ----------
    y : array (n,)
        Finite outcomes, minimised.
    score : callable
        From outcomes in model units (n,) and their map to the log density that a model gives them, its
        hyper-parameters fitted to these units; what is not finite loses.
    previous : str, optional
        The kind in use. Another one must be better by ``MARGIN``. Without one, and for a kind that is
        not in ``AUTO``, it is the first of these.
    """
    held = previous if previous in AUTO else AUTO[0]
    distinct = np.unique(y)
    best, highest = learn(y, held), -np.inf
    for kind in (held, *(kind for kind in AUTO if kind != held)):
        z, outcome = learn(y, kind)
        density = score(z, outcome) + float(outcome.log_slope(distinct).sum())
        density -= 0.0 if kind == held else MARGIN
        if density > highest:
            best, highest = (z, outcome), density
    return best


def _tail(y: FloatArray, largest: float) -> Learnt:
    z = y / largest
    knee, width = _knee(z)
    tamed = z.copy() if np.isinf(knee) else Tail(knee, width, 1.0)(z)
    rest = float(np.abs(tamed).max())  # the tail may have been all of the largest
    tamed /= rest
    unit = largest * rest
    centre = float(tamed.mean())
    spread = float(tamed.std())
    if spread <= 4 * _EPS:  # relative to the unit: all equal up to rounding
        return np.zeros_like(y), Outcome("tail", unit, centre=centre)
    shape = None if np.isinf(knee) else Tail(knee / rest, width / rest, 1 / rest)
    return (tamed - centre) / spread, Outcome("tail", unit, shape=shape, centre=centre, spread=spread)


def _knee(z: FloatArray) -> tuple[float, float]:
    """Return where the bad tail of values (n,) begins, and its unit."""
    if len(z) < FEW:
        return np.inf, 1.0
    median, width = _spread(z)
    if width == 0.0:  # nearly half of all values are equal: any spread must come from the rest
        return np.inf, 1.0
    width = max(width, _TINY)  # what is divided by it is still a float
    return median + TAIL * width, width


def _spread(z: FloatArray) -> tuple[float, float]:
    """Return the median of values (n,), and its distance from the 10% quantile."""
    ordered = np.sort(z)
    median = float(ordered[(len(z) - 1) // 2])
    return median, median - float(ordered[len(z) // 10])


def _first(kind: str, unit: float, scaled: FloatArray) -> Outcome:
    """Return the robust scaling of values already divided by the unit."""
    median, width = _spread(scaled)
    if width == 0.0:
        width = float(np.abs(scaled - median).mean())
    return Outcome(kind, unit, median, max(width, _LEAST_WIDTH))


def _standardize(first: Outcome, shape: Shape | None, y: FloatArray) -> Learnt:
    """Bend what the first scaling gives, and take out mean and deviation."""
    t = first.scale(y)
    s = t if shape is None else shape(t)
    centre = float(s.mean())
    farthest = float(np.abs(s - centre).max())  # a square of s may be no float
    spread = farthest * float(((s - centre) / farthest).std())
    return (s - centre) / spread, replace(first, shape=shape, centre=centre, spread=spread)


def _shape(kind: str, t: FloatArray, power: float | None) -> Shape | None:
    """Return the bend that a kind learns from roughly scaled outcomes (n,)."""
    is_few = len(np.unique(t)) < FEW
    match kind:
        case "yeo-johnson" if not is_few:
            return _yeo_johnson(t, power)
        case "power-tail" if not is_few:
            return _power_tail(t, power)
        case "box-cox" if not is_few:
            return _box_cox(t)
        case "log":
            return _box_cox(t, 0.0)
        case "rank":
            return _rank(t)
        case "winsorize" if not is_few and t.max() > CAP:
            slope = min(CAPPED_SLOPE, CAPPED_RISE / (float(t.max()) - CAP))
            return Piecewise((CAP,), (CAP,), 1.0, slope)
    return None


def _yeo_johnson(t: FloatArray, power: float | None) -> YeoJohnson:
    logs = np.sign(t) * np.log1p(np.abs(t))
    low, high = YEO_JOHNSON_POWERS
    low = max(low, 2.0 - _MOST_LOG / max(-float(logs.min()), 1.0))
    high = min(high, _MOST_LOG / max(float(logs.max()), 1.0))
    if power is None:
        power = _most_likely(yeo_johnson, t, float(logs.sum()), low, high)
    power = min(max(power, low), high)
    return YeoJohnson(power, float(np.log1p(10.0 * np.abs(t).max())))


def _power_tail(t: FloatArray, given: float | None) -> PowerTail:
    power = _yeo_johnson(t, given)
    s = power(t)
    knee, width = _knee(s)
    return PowerTail(power.power, power.reach, min(knee, _LARGEST), width, float(np.abs(s).max()))


def _box_cox(t: FloatArray, power: float | None = None) -> BoxCox:
    logs = box_cox(t, np.array(0.0))
    if power is None:
        most = _MOST_LOG / max(float(np.abs(logs).max()), 1.0)
        low, high = max(BOX_COX_POWERS[0], -most), min(BOX_COX_POWERS[1], most)
        power = _most_likely(box_cox, t, float(logs.sum()), low, high)
    return BoxCox(power, float(logs.min()) - log(10.0), float(logs.max()) + log(10.0))


def _most_likely(transform: Power, t: FloatArray, logs: float, low: float, high: float) -> float:
    """Return the power under which t (n,) is most like a Gaussian sample of any mean and variance.

    It maximises -n/2 log var s_p + (p - 1) logs, concave in p, to within 0.001: far less than n values
    can tell, and what is recorded is read more easily.
    """
    best, powers = 0, np.array([low])
    for _ in range(6):
        powers = np.linspace(low, high, 9)
        s = transform(t, powers[:, None])
        s = s - s.mean(axis=1, keepdims=True)
        farthest = np.abs(s).max(axis=1)
        log_sd = np.log(farthest) + np.log((s / farthest[:, None]).std(axis=1))
        best = int(np.argmax((powers - 1.0) * logs - len(t) * log_sd))
        low, high = powers[max(best - 1, 0)], powers[min(best + 1, 8)]
    return round(float(powers[best]), 3)


def _rank(t: FloatArray) -> Piecewise:
    """Return the map to normal scores; ties have the score of their mean rank.

    Beyond the ends the slope is that from the end to the middle: two best outcomes that nearly agree
    would else make predictions sure that there is nothing below.
    """
    t = np.where(np.abs(t) < _LEAST_WIDTH, 0.0, t)  # or slopes between knots would be no floats
    values, counts = np.unique(t, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1)
    scores = ndtri((ranks - 0.375) / (len(t) + 0.25))
    if len(values) > MOST_KNOTS:  # all of the best, fewer and fewer of the others
        kept = np.unique(np.geomspace(1, len(values), MOST_KNOTS).round().astype(np.int64)) - 1
        values, scores = values[kept], scores[kept]
    half = len(values) // 2
    below = (scores[half] - scores[0]) / (values[half] - values[0])
    above = (scores[-1] - scores[-1 - half]) / (values[-1] - values[-1 - half])
    return Piecewise(tuple(values.tolist()), tuple(scores.tolist()), float(below), float(above))
