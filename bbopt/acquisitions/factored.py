"""A confidence bound for each factor of additive models, which neighbours share their uncertainty with.

Of outcomes that are minimised, so it is a lower bound, with its sign turned: larger is better. For factor i
of a pool, with neighbours N_i (the factors that share a column with it, itself included), n_i = |N_i|:

    phi_i(x) = -mean_i(x_i) + sqrt(beta |V_i|) sqrt( sum_{j in N_i} variance_j(x_j) / n_j² )

One root over the variances of a neighbourhood, instead of a root each, is what keeps bounds that are added up
from exploring too much. In a search by factors (:mod:`bbopt.maximizers.admm`) phi_i moves in x_i alone, with
the neighbours' variances frozen; the sum of all phi_i at one point is what the point is worth.

The official code has the number of all columns in the place of |V_i|, those of the factor. Where many small
factors do not overlap, nothing else restrains the sum of their roots: with the six factors of Powell's
function in 24 columns known, that took it to the corners of the space again and again. |V_i| is what GP-UCB
has for a function of so many columns (Kandasamy, Schneider & Poczos, ICML 2015).

The pool holds the factors of several models, say one for each decomposition that is likely, and is averaged
over these: factors of different models are neighbours like any others.

Bardou, Thiran & Begin, "Relaxing the additivity constraints in decentralized no-regret high-dimensional
Bayesian optimization" (ICLR 2024, arXiv 2305.19838), section 4.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bbopt.errors import SpaceError
from bbopt.surrogates.additive import AdditiveGP
from bbopt.types import BoolArray, FloatArray, IntArray

_MOST = 4_000_000
"""Covariances held at once."""

_Pull = Callable[[FloatArray, FloatArray], FloatArray]


class FactoredConfidenceBound:
    """Minus the lower confidence bound, summed over the factors of some models; see the module.

    Parameters
    ----------
    models : sequence of AdditiveGP
        On the same columns.
    copies : sequence of int
        How often each of them counts, at least once.
    beta : float
        For each column of a factor, at least 0.

    Attributes
    ----------
    members : array (P, d)
        Which columns each factor of the pool looks at.
    copies : array (P,)
        How often each factor counts.

    Raises
    ------
    SpaceError
        For a beta that is none.
    """

    is_smooth = True

    def __init__(self, models: Sequence[AdditiveGP], copies: Sequence[int], beta: float) -> None:
        if not 0 <= beta < np.inf:
            raise SpaceError(
                f"FactoredConfidenceBound: beta must be a finite number of at least 0, got {beta!r}"
            )
        self.models = tuple(models)
        ends = np.cumsum([len(model.decomposition) for model in models])
        self._rows = [slice(end - len(m.decomposition), end) for m, end in zip(models, ends, strict=True)]
        factors = [factor for model in models for factor in model.decomposition]
        self.members: BoolArray = np.zeros((len(factors), models[0].X.shape[1]), np.bool_)
        for member, factor in zip(self.members, factors, strict=True):
            member[list(factor)] = True
        self.copies: FloatArray = np.empty(len(factors))
        for rows, count in zip(self._rows, copies, strict=True):
            self.copies[rows] = count
        shared = self.members.astype(np.float64)
        self._neighbours = np.where(shared @ shared.T > 0, self.copies, 0.0)
        self._share = self._neighbours.sum(axis=1) ** -2.0  # 1 / n_i²
        self._weight = self.copies / float(np.sum(copies))
        self._root_beta = np.sqrt(beta * shared.sum(axis=1))

    @property
    def scale(self) -> FloatArray:
        """The shortest length-scale of any factor, at most 1, (d,)."""
        lengths = np.concatenate([model.lengths for model in self.models])
        shortest = np.where(self.members, lengths[:, None], np.inf).min(axis=0)
        return np.asarray(np.minimum(shortest, 1.0))

    def value(self, X: FloatArray) -> FloatArray:
        """Return the bounds (b,), summed over factors, averaged over models."""
        return self._summed(X, with_gradient=False)[0]

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the summed bounds (b,) and gradients (b, d)."""
        return self._summed(X, with_gradient=True)

    def one(self, which: IntArray, X: FloatArray, frozen: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return phi (r,) of one factor at each point, with frozen neighbours, and its gradient (r, d).

        Parameters
        ----------
        which : array (r,)
            The factor, as its place in the pool.
        X : array (r, d)
            Columns outside of the factor do not matter.
        frozen : array (P,)
            See :meth:`freeze`.
        """
        mean, variance, pull = self._moments(which, X)
        share, root_beta = self._share[which], self._root_beta[which]
        root = np.sqrt(share * variance + frozen[which])
        slope = 0.5 * root_beta * share / root
        return root_beta * root - mean, pull(np.full(len(X), -1.0), slope)

    def freeze(self, X: FloatArray) -> FloatArray:
        """Return for each factor what its neighbours add under its root, (P,): row i of X (P, d) is i's."""
        _, variance, _ = self._moments(np.arange(len(self.members)), X)
        own = self._share * variance
        return np.asarray(np.maximum(self._neighbours @ own - own, 0.0))

    def _moments(self, which: IntArray, X: FloatArray) -> tuple[FloatArray, FloatArray, _Pull]:
        """Return mean and variance (r,) of one factor a row, and their pullback."""
        mean, variance = np.empty((2, len(X)))
        pulls = []
        for model, mine in zip(self.models, self._rows, strict=True):  # rows of a model share its Gram matrix
            rows = np.flatnonzero((which >= mine.start) & (which < mine.stop))
            if len(rows):
                mean[rows], variance[rows], back = model.factors(which[rows] - mine.start, X[rows])
                pulls.append((rows, back))

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            dX = np.empty_like(X)
            for rows, back in pulls:
                dX[rows] = back(d_mean[rows], d_variance[rows])
            return dX

        return mean, variance, pull

    def _summed(self, X: FloatArray, with_gradient: bool) -> tuple[FloatArray, FloatArray]:
        value, gradient = np.empty(len(X)), np.zeros(X.shape)
        at_once = max(1, _MOST // (len(self.members) * max(len(model.X) for model in self.models)))
        for k in range(0, len(X), at_once):
            block = slice(k, k + at_once)
            value[block], gradient[block] = self._block(X[block], with_gradient)
        return value, gradient

    def _block(self, X: FloatArray, with_gradient: bool) -> tuple[FloatArray, FloatArray]:
        moments = [model.all_factors(X) for model in self.models]
        mean = np.concatenate([mean for mean, _, _ in moments], axis=1)
        variance = np.concatenate([variance for _, variance, _ in moments], axis=1)
        root = np.sqrt((self._share * variance) @ self._neighbours.T)
        value = (self._root_beta * root - mean) @ self._weight
        gradient = np.zeros_like(X)
        if with_gradient:
            d_mean = np.broadcast_to(-self._weight, mean.shape)
            d_root = self._weight * self._root_beta
            d_variance = 0.5 * ((d_root / root) @ self._neighbours) * self._share
            for (_, _, pull), rows in zip(moments, self._rows, strict=True):
                gradient += pull(d_mean[:, rows], d_variance[:, rows])
        return value, gradient
