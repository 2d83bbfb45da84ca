"""Posteriors of several processes on the same points in one go: what an ensemble spends its time on.

Every array has the members first: (M, b, n) covariances with the data, (M, n, n) factors. Up to a few
hundred observations this costs little more than one process, whose time is mostly that of the calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbopt.surrogates.gp import GP, TINY_VARIANCE
from bbopt.surrogates.kernels import profiles
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.profiles import Profile
from bbopt.surrogates.kernels.stationary import Scaled
from bbopt.surrogates.kernels.warp import warp
from bbopt.surrogates.local import LocalGP
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class Stack:
    """Processes with one stationary kernel and different hyper-parameters; the symbols of ``gp.py``.

    Attributes
    ----------
    profile : Profile
    features : Features
    first : Scaled
        How the first member sees the points: which features it takes is the same for all.
    inverse : array (M, f)
        What features are multiplied by.
    data : array (M, n, f + 2)
        Scaled points, widened for distances.
    scale : array (M,)
    mean : array (M,)
    L_inverse : array (M, n, n)
    residual : array (M, n, r)
        r draws a member.
    warping : array (M, 2 p) or None
        Hyper-parameters of learnt warpings.
    """

    profile: Profile
    features: Features
    first: Scaled
    inverse: FloatArray
    data: FloatArray
    scale: FloatArray
    mean: FloatArray
    L_inverse: FloatArray
    residual: FloatArray
    warping: FloatArray | None

    @classmethod
    def of(cls, processes: Sequence[GP | LocalGP]) -> "Stack | None":
        """Return processes stacked; None where they are not all exact, with one stationary kernel."""
        members = [one for one in processes if isinstance(one, GP)]
        if len(members) < len(processes):
            return None
        placed = [member.placed for member in members]
        if not all(type(one) is Scaled for one in placed):
            return None
        first: Scaled = placed[0]
        covariance = members[0].covariance
        warping = [member.hyperparameters.theta[covariance.n_kernel :] for member in members]
        return cls(
            first.profile,
            covariance.features,
            first,
            np.stack([one.inverse[first.selection.column] for one in placed]),
            np.stack([one.data for one in placed]),
            np.array([member.hyperparameters.scale for member in members]),
            np.array([member.mean for member in members]),
            np.stack([member.L_inverse for member in members]),
            np.stack([member.residual for member in members]),
            np.stack(warping) if covariance.is_warped else None,
        )

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, M r) and variances (b, M r)."""
        k, _, _, _ = self._cross(X)
        V = k @ self.L_inverse.transpose(0, 2, 1)
        return self._means(k), self._wide(self._variances(V))

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (b, M r), variances (b, M r) and their pullback to points (b, d)."""
        k, slope, Z, unwarp = self._cross(X)
        V = k @ self.L_inverse.transpose(0, 2, 1)
        variance = self._variances(V)
        (members, b, _), r = k.shape, self.residual.shape[2]
        is_above = variance > (TINY_VARIANCE * self.scale)[:, None]

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            d_mean = np.ascontiguousarray(d_mean.reshape(b, members, r).transpose(1, 0, 2))
            d_variance = d_variance.reshape(b, members, r).sum(axis=2).T * is_above
            weights = d_mean @ self.residual.transpose(0, 2, 1)
            back = V @ self.L_inverse
            back *= 2.0 * d_variance[:, :, None]
            weights -= back
            weights *= slope
            product = weights @ self.data[:, :, :-1]
            dZ = product[:, :, :-1] - product[:, :, -1:] * Z
            dZ *= (self.inverse * self.scale[:, None])[:, None]
            selection = self.first.selection
            if unwarp is None:
                dF = selection.widen(dZ.sum(axis=0))
            else:
                dF = unwarp(np.stack([selection.widen(d) for d in dZ]))[1].sum(axis=0)
            return self.features.pull(dF, X)

        return self._means(k), self._wide(variance), pull

    def _cross(self, X: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, Any]:
        """Return s k (M, b, n), its slopes, the scaled points (M, b, f), and the warpings' pullback."""
        F, unwarp = self.features(X), None
        if self.warping is not None:
            F, unwarp = warp(self.features, self.warping, F)
        chosen = self.first.selection.features
        Z = (F if chosen is None else F[..., chosen]) * self.inverse[:, None]
        query = np.empty((*Z.shape[:2], Z.shape[2] + 2))
        np.multiply(Z, -2.0, out=query[:, :, :-2])
        np.einsum("mbf,mbf->mb", Z, Z, out=query[:, :, -2])
        query[:, :, -1] = 1.0
        u = query @ self.data.transpose(0, 2, 1)
        flat = profiles.evaluate(self.profile.formula, u.reshape(-1, u.shape[2]))
        k, slope = (array.reshape(u.shape) for array in flat)
        k *= self.scale[:, None, None]
        return k, slope, Z, unwarp

    def _means(self, k: FloatArray) -> FloatArray:
        mean = self.mean[:, None, None] + k @ self.residual
        (members, b, _), r = k.shape, self.residual.shape[2]
        return np.ascontiguousarray(mean.transpose(1, 0, 2)).reshape(b, members * r)

    def _variances(self, V: FloatArray) -> FloatArray:
        """Return the members' variances (M, b)."""
        variance = self.scale[:, None] - np.einsum("mbn,mbn->mb", V, V)
        return np.asarray(np.maximum(variance, (TINY_VARIANCE * self.scale)[:, None]))

    def _wide(self, variance: FloatArray) -> FloatArray:
        return np.repeat(variance.T, self.residual.shape[2], axis=1)
