"""A Gaussian process of many results: a core that it knows exactly, and the nearest others of each point.

What is asked at x is what the core C says, and then the others N(x) that are closest to x:

    mean(x) = mean_C(x) + S(x, N) (S(N, N) + diag(v_N))⁻¹ (y_N - mean_C(N))
    variance(x) = S(x, x) - S(x, N) (S(N, N) + diag(v_N))⁻¹ S(N, x)

with S the posterior covariance given the core. The core lies where the search goes on and is dense there; a
part of it is spread over all results, from which trends come that no neighbourhood shows. With as many
neighbours as there are others, all is exact. Closest are the points with the largest correlation a priori,
whatever the kernel. Where the set of neighbours changes means jump, by little, since what neighbours add to
the core falls with their distance. Gradients are those with neighbours held, and climbs keep their neighbours
for a stretch: on steps a search by gradients goes on and on.

Snelson and Ghahramani 2007, "Local and global sparse Gaussian process approximations"; Gramacy and Apley
2015, arXiv 1303.0383, for neighbourhoods of the point asked.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import blas

from bbopt.rng import Key
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.factor import unwhiten, whiten
from bbopt.surrogates.gp import GP, TINY_VARIANCE, Hyperparameters
from bbopt.surrogates.kernels.stationary import Scaled
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.surrogates.neighbours import NEIGHBOURS, Known, Others, distances, lowest
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray, IntArray

EXACT, LEARNT_FIRST, LEARNT_FROM = 1000, 400, 750
"""Points of the core, and those that hyper-parameters are learnt from: at first, and by later asks."""
CENTRES = 10
"""The core lies around so many of the best results."""
NEAR, LEARNT_NEAR = 0.6, 0.25
"""The share of the core that is nearest to these, the rest being spread over all results; and the share of
what hyper-parameters are learnt from: with more than that, what is far away is predicted badly."""
_CHECKED = 50
"""The lowest means of the core are corrected by neighbours: one of them is the incumbent."""
_POINTS = 64
"""So many are looked at at once."""
_FEW = 4
"""Products of so many vectors with triangles take less time one by one; climbs end with one point moving."""


def gather(
    covariance: Covariance,
    theta: FloatArray,
    X: FloatArray,
    centres: FloatArray,
    count: int,
    near: float,
) -> IntArray:
    """Return the rows of a core, rising: those closest to the centres, and some of all the others.

    A further result changes little: when its turn comes to be among those others is decided once for each.

    Parameters
    ----------
    covariance : Covariance
    theta : array (p,)
        Its hyper-parameters, by which closeness is judged.
    X : array (n, d)
    centres : array (k, d)
        Such as the :data:`CENTRES` best results.
    count : int
        How many rows, at most n.
    near : float
        The share of the first, in [0, 1].
    """
    middle, _ = covariance.place_points(theta, centres)
    apart = distances(middle, covariance.place_points(theta, X)[0]).min(axis=0)
    turn = Key(0).child("core").uniform_rows(0, len(X), 1)[:, 0]
    turn[np.argsort(apart, kind="stable")[: max(int(near * count), 1)]] = -1.0
    return np.sort(np.argsort(turn, kind="stable")[:count])


@dataclass(frozen=True)
class LocalGP:
    """A fitted process of many results; see the module.

    Attributes
    ----------
    core : GP
        What is known exactly; one column a draw, where it holds draws.
    others : Others
        The other results.
    """

    core: GP
    others: Others

    @classmethod
    def build(
        cls, every: LogPosterior, rows: IntArray, hyperparameters: Hyperparameters, outcome: Outcome
    ) -> "LocalGP":
        """Condition on all results of a log posterior, with its ``rows`` as the core.

        Raises
        ------
        FitError
            When the core's covariance cannot be made positive definite.
        """
        rest = np.setdiff1d(np.arange(every.n), rows)
        y, noise = every.observed.y[rest], every.observation_noise(hyperparameters.noise)[rest]
        core = every.some(rows).process(hyperparameters, outcome)
        placed, _ = every.covariance.place(hyperparameters.theta, every.F[rest])
        return cls(core, Others(every.F[rest], placed, y, noise))

    @property
    def is_smooth(self) -> bool:
        """True: climbs keep their neighbours, so that they meet few of the steps."""
        return True

    @property
    def scale(self) -> FloatArray:
        """Lengths over which the process changes, at most 1, (d,)."""
        return self.core.scale

    @property
    def X(self) -> FloatArray:
        """The points of the core, the best results among them, (c, d)."""
        return self.core.X

    @cached_property
    def fitted(self) -> FloatArray:
        """Posterior means there, (c, s); neighbours are looked at where these are lowest."""
        fitted = self.core.fitted.copy()
        good = np.argsort(fitted.mean(axis=1), kind="stable")[:_CHECKED]
        fitted[good] = self.posterior(self.X[good])[0]
        return fitted

    @property
    def incumbent(self) -> FloatArray:
        """The lowest of these, one a draw, (s,)."""
        return np.asarray(self.fitted.min(axis=0))

    @property
    def outcome(self) -> Outcome:
        """From model units to outcomes."""
        return self.core.outcome

    @property
    def noise_variance(self) -> float:
        """The learnt noise variance, in model units."""
        return self.core.noise_variance

    @property
    def covariance(self) -> Covariance:
        """That of the core."""
        return self.core.covariance

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Those of the core."""
        return self.core.hyperparameters

    @property
    def theta(self) -> list[float]:
        """The logarithms of all hyper-parameters as plain numbers, for the next fit to start from."""
        return self.core.theta

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and variances (b, 1) of the noise-free outcome in model units."""
        pairs = [self._single(X[i : i + _POINTS])[:2] for i in range(0, max(len(X), 1), _POINTS)]
        return np.concatenate([m for m, _ in pairs]), np.concatenate([v for _, v in pairs])

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (b, s), variances (b, 1) and their pullback to points; see the protocol.

        For climbs: next to points of earlier calls with the neighbours of these; see ``Known.held``.
        """
        return self._single(X, held=True)

    def _single(self, X: FloatArray, held: bool = False) -> tuple[FloatArray, FloatArray, Pullback]:
        mean, variance, back = self._joint(X[:, None], held)
        variance, floor = variance[:, :, 0, 0], TINY_VARIANCE * self.core.hyperparameters.scale

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            d_variance = np.where(variance > floor, d_variance, 0.0)
            return back(d_mean[:, None], d_variance[:, :, None, None])[:, 0]

        return mean[:, 0], np.maximum(variance, floor), pull

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (t, q, s) and covariances (t, 1, q, q) of the noise-free outcome at X (t, q, d)."""
        sets = max(_POINTS // X.shape[1], 1)
        pairs = [self.joint_vjp(X[i : i + sets])[:2] for i in range(0, max(len(X), 1), sets)]
        return np.concatenate([m for m, _ in pairs]), np.concatenate([c for _, c in pairs])

    def joint_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (t, q, s), covariances (t, 1, q, q) and their pullback to points (t, q, d).

        The points of a set share their neighbours: the closest to any of them.
        """
        return self._joint(X)

    def _joint(self, X: FloatArray, held: bool = False) -> tuple[FloatArray, FloatArray, Pullback]:
        core, s = self.core, self.core.hyperparameters.scale
        (t, q, d), c = X.shape, len(core.X)
        if not t:  # there are no neighbours to stack
            nothing = np.empty((0, q, core.residual.shape[1])), np.empty((0, 1, q, q))
            return *nothing, lambda d_mean, d_covariance: np.empty_like(X)
        at, to_X = core.covariance.place_points(core.hyperparameters.theta, X.reshape(t * q, d))
        k, pull_core = at.cross(core.placed)
        k *= s
        mean = (core.mean + k @ core.residual).reshape(t, q, -1)
        V = _by_triangle(whiten, k, core.L_inverse).reshape(t, q, c)
        covariance, pull_prior = self._prior(at, X)
        covariance -= V @ V.transpose(0, 2, 1)

        rows = self._nearest(at, t, held)
        white, L_inverse, weights = self._known.hoods(rows)
        used, place = np.unique(rows, return_inverse=True)
        place = place.reshape(t, 1, -1)
        k_used, pull_others = at.cross(self.others.at(core, used))
        k = s * np.take_along_axis(k_used.reshape(t, q, -1), place, axis=2)
        k -= V @ white.transpose(0, 2, 1)  # from here on it is what the core leaves of it
        mean = mean + k @ weights
        U = k @ L_inverse.transpose(0, 2, 1)
        covariance -= U @ U.transpose(0, 2, 1)

        def pull(d_mean: FloatArray, d_covariance: FloatArray) -> FloatArray:
            G = d_covariance.sum(axis=1)
            G = G + G.transpose(0, 2, 1)  # each entry depends on both of its points
            d_k = d_mean @ weights.transpose(0, 2, 1) - (G @ U) @ L_inverse
            d_V = -(G @ V) - d_k @ white
            d_core = d_mean.reshape(t * q, -1) @ core.residual.T
            d_core += _by_triangle(unwhiten, d_V.reshape(t * q, c), core.L_inverse)
            d_used = np.zeros((t, q, len(used)))
            np.put_along_axis(d_used, np.broadcast_to(place, d_k.shape), d_k, axis=2)
            d_F = pull_core(d_core) + pull_others(d_used.reshape(t * q, -1)) + pull_prior(G)
            return np.asarray(to_X(s * d_F)).reshape(t, q, d)

        return mean, covariance[:, None], pull

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations (b,) of the noise-free outcome in the outcome's units."""
        mean, variance = self.posterior(X)
        sd = self.outcome.inverse_sd(mean[:, 0], np.sqrt(variance[:, 0]))
        return self.outcome.inverse(mean[:, 0]), sd

    def fantasize(self, X: FloatArray) -> "LocalGP":
        """Condition on the posterior mean at X (q, d): the uncertainty there goes."""
        return self.condition(X, self.posterior(X)[0]) if len(X) else self

    def condition(self, X: FloatArray, Y: FloatArray, noise: float = 0.0) -> "LocalGP":
        """Return a new process whose core has also seen Y (q, s), in model units, at X (q, d)."""
        return replace(self, core=self.core.condition(X, Y, noise))

    def draws(self, s: int, generator: np.random.Generator, X_pending: FloatArray | None = None) -> "LocalGP":
        """Return s joint posterior draws of the core; see ``GP.draws``. Neighbours are given as before."""
        return replace(self, core=self.core.draws(s, generator, X_pending))

    @cached_property
    def _known(self) -> Known:
        return Known(self.core, self.others)

    def _prior(self, at: Any, X: FloatArray) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
        """Return prior covariances (t, q, q), and what turns derivatives, G + Gᵀ, into those of features."""
        core, s = self.core, self.core.hyperparameters.scale
        if X.shape[1] == 1:
            variance, back = at.diagonal()
            return s * variance[:, None, None], lambda G: np.asarray(back(0.5 * G[:, 0, 0]))
        sets = [core.covariance.place_points(core.hyperparameters.theta, x)[0] for x in X]
        within = [one.cross(one) for one in sets]

        def pull(G: FloatArray) -> FloatArray:
            return np.concatenate([pull_set(g) for g, (_, pull_set) in zip(G, within, strict=True)])

        return s * np.stack([k for k, _ in within]), pull

    def _nearest(self, at: Any, t: int, held: bool) -> IntArray:
        """Return the rows of the others that are closest to any point of t sets, rising, (t, r)."""
        k = len(self.others)
        if k <= NEIGHBOURS:
            return np.tile(np.arange(k), (t, 1))
        if held and type(at) is Scaled:
            return self._known.held(at)
        apart = distances(at, self.others.placed)
        if len(apart) > t:
            apart = apart.reshape(t, -1, k).min(axis=1)
        return lowest(apart, NEIGHBOURS)


def _by_triangle(
    product: Callable[[FloatArray, FloatArray], FloatArray], k: FloatArray, L_inverse: FloatArray
) -> FloatArray:
    """Return a product of k (b, n) with L⁻ᵀ (``whiten``) or L⁻¹ (``unwhiten``)."""
    if len(k) > _FEW:
        return product(k, L_inverse)
    return np.stack([blas.dtrmv(L_inverse.T, row, trans=product is whiten) for row in k])


def core_of(process: GP | LocalGP) -> GP:
    """Return what of a process is exact, for what needs one factor of all covariances."""
    return process if isinstance(process, GP) else process.core
