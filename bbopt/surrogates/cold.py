"""The highest mode of a log posterior, from nothing but data: many searches, which end where others ended.

Few points in many dimensions are explained in several ways, by other columns each, so the density has
several modes. Which of them a start leads to, and how high it is, does not show early: choosing starts by
their density, or giving up those behind, missed more than it saved. What is saved instead is

- the end of a search, where it comes next to a mode that is known and higher: there it would end, too;
- starts, where modes are few. When N starts led to w modes, w (w + 1) / (N - w - 2) modes that were not
  seen are to be expected, whatever their sizes; the search is over when that is little.

Boender and Rinnooy Kan 1987, "Bayesian stopping rules for multistart global optimization methods".
"""

import numpy as np

from bbopt.errors import FitError
from bbopt.lbfgs import minimize_batch
from bbopt.rng import Key
from bbopt.surrogates.kernels.kernel import Hyperprior
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.types import FloatArray

MOST_STARTS = 20
"""After this many starts a search ends in any case."""
FEW = 100
UNSEEN, UNSEEN_OF_MANY = 0.5, 0.8
"""How many unseen modes are little, on up to FEW points and on more, where evaluations are dear."""
NEAR = 0.7
"""Points are of one mode when no logarithm differs by more than this; at 1.5 different modes merge."""
SETTLED = 8
"""Evaluations after which a search may be given up: before, it passes by modes on its way to others."""
FIRST_STARTS = ((0.0, -11.5), (1.0, -11.5), (1.0, -3.0))
"""Log output scale and log noise of the first starts, beside the kernel's own (``Hyperprior.starts``: smooth,
rough, noisy)."""
UNEVEN_STARTS = ((0.5, 0.0, -8.0), (0.5, 1.0, -11.5), (0.0, 0.0, -5.0))
"""Of those in which columns differ in length: how far from smooth to rough, log scale, log noise."""
UNEVEN, RANDOM = 1.2, 1.5
"""By how much log lengths differ there, and in random starts, both ways."""
RANGES = ((-0.2, 1.0), (-0.5, 1.5), (-12.0, -2.0))
"""Of random starts: level of the lengths from smooth (0) to rough (1), log output scale, log noise."""
TOLERANCE, VALUE_TOLERANCE = 0.03, 3e-6
"""A search ends when no derivative of the log posterior exceeds the first: modes are compared by height."""
MOST = 100
"""The most evaluations of a search."""


class Modes:
    """Local maxima thetas (w, p) of a log density, their values, and how many starts led to them."""

    def __init__(self, p: int) -> None:
        self.thetas = np.empty((0, p))
        self.values: list[float] = []
        self.n_starts = 0

    def near(self, theta: FloatArray) -> int | None:
        """Return the number of the mode to which a point belongs; None: to none that is known."""
        if not self.values:
            return None
        gaps = np.abs(self.thetas - theta).max(axis=1)
        nearest = int(gaps.argmin())
        return nearest if gaps[nearest] < NEAR else None

    def add(self, theta: FloatArray, value: float) -> None:
        """Note where a search ended; at -inf it found nothing."""
        self.n_starts += 1
        if not np.isfinite(value):
            return
        known = self.near(theta)
        if known is None:
            self.thetas = np.vstack([self.thetas, theta])
            self.values.append(value)
        elif value > self.values[known]:
            self.thetas[known], self.values[known] = theta, value

    def unseen(self) -> float:
        """Return how many more modes are to be expected; inf where starts are too few to tell."""
        w, spare = len(self.values), self.n_starts - len(self.values) - 2
        return w * (w + 1) / spare if w > 0 and spare > 0 else np.inf


def search(posterior: LogPosterior, starts: FloatArray, most: int = MOST_STARTS) -> tuple[FloatArray, float]:
    """Return the highest mode found and its log density.

    Parameters
    ----------
    posterior : LogPosterior
    starts : array (k, p)
        Where to search first; random starts follow, the same ones on all data.
    most : int
        How many starts there are at most.

    Raises
    ------
    FitError
        When no start has a finite density.
    """
    modes = Modes(starts.shape[1])
    enough = UNSEEN if posterior.n <= FEW else UNSEEN_OF_MANY
    for start in every_start(posterior.covariance.hyperprior, starts)[:most]:
        modes.add(*_climb(posterior, start, modes))
        if modes.unseen() < enough:
            break
    if not modes.values:
        raise FitError(f"no hyper-parameters give a finite likelihood on {posterior.n} points")
    best = int(np.argmax(modes.values))
    return modes.thetas[best], modes.values[best]


def every_start(prior: Hyperprior, starts: FloatArray) -> FloatArray:
    """Return starts (k, p + 2) and the random ones after them, as many as a search makes at most."""
    return np.vstack([starts, random_starts(prior, max(MOST_STARTS - len(starts), 0))])


def first_starts(prior: Hyperprior) -> FloatArray:
    """Return starts theta (6, p + 2): smooth, rough, noisy; then three in which columns differ in length."""
    smooth, rough = prior.starts[:2]
    apart = UNEVEN * (2.0 * Key(0).child("uneven starts").uniform_rows(0, 3, len(prior)) - 1.0)
    uneven = [
        [*(smooth + share * (rough - smooth) + prior.is_density * u), scale, noise]
        for u, (share, scale, noise) in zip(apart, UNEVEN_STARTS, strict=True)
    ]
    return np.vstack([np.column_stack([prior.starts, FIRST_STARTS]), uneven])


def noisy_start(prior: Hyperprior) -> FloatArray:
    """Return the start theta (p + 2,) from which most is noise: smooth, log output scale 0, log noise -1."""
    return np.append(prior.starts[0], [0.0, -1.0])


def random_starts(prior: Hyperprior, count: int) -> FloatArray:
    """Return starts theta (count, p + 2): lengths differ by column, about a level from long to rough."""
    smooth, rough = prior.starts[:2]
    u = Key(0).child("cold starts").uniform_rows(0, count, len(prior) + 3)
    level, scale, noise = ((low + (high - low) * u[:, [i]]) for i, (low, high) in enumerate(RANGES))
    theta = smooth + level * (rough - smooth) + RANDOM * prior.is_density * (2.0 * u[:, 3:] - 1.0)
    return np.hstack([theta, scale, noise])


def _climb(posterior: LogPosterior, start: FloatArray, modes: Modes) -> tuple[FloatArray, float]:
    """Return where one search ends, or the mode next to which it comes, and the log density."""
    rounds, highest = 0, -np.inf
    met: int | None = None

    def loss(thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        nonlocal rounds, highest, met
        rounds += 1
        value, gradient = posterior(thetas[0])
        highest = max(highest, value)
        if rounds >= SETTLED and value == highest:  # not within a line search
            known = modes.near(thetas[0])
            if known is not None and value < modes.values[known]:
                met, value = known, -np.inf  # which ends the search
        return np.array([-value]), -gradient[None]

    theta, lowest = minimize_batch(
        loss,
        start[None],
        *posterior.bounds,
        gradient_tolerance=TOLERANCE,
        value_tolerance=VALUE_TOLERANCE,
        max_rounds=MOST,
    )
    if met is not None:
        return modes.thetas[met], modes.values[met]
    return theta[0], -float(lowest[0])
