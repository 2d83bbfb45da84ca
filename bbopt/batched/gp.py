"""Many Gaussian processes at once, and their log expected improvement, with gradients, by torch.

The formulas, symbols and results are those of :mod:`bbopt.surrogates.gp` and
:mod:`bbopt.acquisitions.improvement`. In the kept L⁻¹ the padded rows are zero, so that whatever a
padded point has to do with a candidate counts nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log

import torch
from torch import Tensor

from bbopt.acquisitions.improvement import log_expected_improvement
from bbopt.batched.likelihood import MOST_ELEMENTS, BatchedLogPosterior, covariance, gram, invert
from bbopt.errors import FitError
from bbopt.surrogates.factor import JITTERS
from bbopt.surrogates.gp import DRAW_NUGGET, TINY_VARIANCE
from bbopt.surrogates.kernels.profiles import Profile


@dataclass(frozen=True, slots=True)
class BatchedGP:
    """S fitted processes on n points each, t means (posterior draws) each; see ``GP`` for the symbols.

    Attributes
    ----------
    profile : Profile
    scale, mean : tensors (S,)
    inverse : tensor (S, f)
        What features are multiplied by.
    Z : tensor (S, n, f)
        Scaled features.
    real, noise : tensors (S, n)
    L_inverse : tensor (S, n, n)
    residual, fitted : tensors (S, n, t)
        ``fitted`` is inf at padded points.
    """

    profile: Profile
    scale: Tensor
    mean: Tensor
    inverse: Tensor
    Z: Tensor
    real: Tensor
    noise: Tensor
    L_inverse: Tensor
    residual: Tensor
    fitted: Tensor

    @classmethod
    def build(cls, data: BatchedLogPosterior, theta: Tensor) -> "BatchedGP":
        """Condition on the data with hyper-parameters theta (S, p).

        Raises
        ------
        FitError
            When no jitter makes a covariance positive definite.
        """
        scale, real, y = torch.exp(theta[:, -2]), data.real, data.y
        inverse = data.inverse(theta)
        Z = data.F * inverse[:, None, :]
        noise = data.known + torch.exp(theta[:, -1:]) * data.share
        L_inverse, noise = _factorize(data.profile, Z, real, scale, noise)
        ones = (L_inverse @ real[..., None])[..., 0]
        white = (L_inverse @ y[..., None])[..., 0]
        mean = (ones * white).sum(1) / (ones * ones).sum(1)
        a = torch.einsum("sij,si->sj", L_inverse, white - mean[:, None] * ones)
        fitted = (y - noise * a).masked_fill(real == 0, torch.inf)
        return cls(
            data.profile, scale, mean, inverse, Z, real, noise, L_inverse, a[..., None], fitted[..., None]
        )

    @property
    def incumbent(self) -> Tensor:
        """The lowest posterior mean over each process's points, (S, t)."""
        return self.fitted.amin(1)

    def posterior(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Return means (S, b, t) and variances (S, b) at features F (S, b, f), in model units."""
        mean, variance, _ = self.posterior_vjp(F)
        return mean, variance

    def posterior_vjp(self, F: Tensor) -> tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]:
        """Return means, variances, and the map of derivatives shaped like them to dL/dF (S, b, f)."""
        s = self.scale[:, None, None]
        at = F * self.inverse[:, None, :]
        k, slope = covariance(self.profile, at, self.Z)
        k = k * s
        V = k @ self.L_inverse.mT
        variance = self.scale[:, None] - (V * V).sum(2)
        floor = TINY_VARIANCE * self.scale[:, None]

        def pull(d_mean: Tensor, d_variance: Tensor) -> Tensor:
            d_variance = torch.where(variance > floor, d_variance, 0.0)
            weights = d_mean @ self.residual.mT - (V * (2.0 * d_variance)[..., None]) @ self.L_inverse
            weights = weights * slope
            return s * self.inverse[:, None, :] * (weights @ self.Z - weights.sum(2, keepdim=True) * at)

        return self.mean[:, None, None] + k @ self.residual, torch.maximum(variance, floor), pull

    def draws(self, normals: Tensor, noise: Tensor) -> "BatchedGP":
        """Return the processes as t joint draws of f at their points: ``GP.draws`` of the same normals.

        Parameters
        ----------
        normals, noise : tensor (S, n, t)
            Standard normal draws, for the prior and for the observation noise.
        """
        real, scale = self.real[..., None], self.scale[:, None, None]
        nugget = DRAW_NUGGET * self.scale[:, None] * self.real
        L_inverse, nugget = _factorize(self.profile, self.Z, self.real, self.scale, nugget)
        weights = L_inverse.mT @ (normals * real)
        K = gram(self.profile, self.Z, self.real)[0] * scale
        y = self.fitted[..., :1].masked_fill(real == 0, 0.0) + self.noise[..., None] * self.residual[..., :1]
        prior = K @ weights
        gap = (y - self.mean[:, None, None] - prior - torch.sqrt(self.noise)[..., None] * noise) * real
        weights = weights + self.L_inverse.mT @ (self.L_inverse @ gap)
        fitted = (self.mean[:, None, None] + K @ weights).masked_fill(real == 0, torch.inf)
        return replace(self, noise=nugget, L_inverse=L_inverse, residual=weights, fitted=fitted)


@dataclass(frozen=True, slots=True)
class BatchedLogEI:
    """Log expected improvement of each process below its ``best`` (S, t); over draws (t > 1): LogNEI."""

    gp: BatchedGP
    best: Tensor

    def value(self, F: Tensor) -> Tensor:
        """Return values (S, b) at features F (S, b, f), in parts that fit into memory."""
        S, n = self.gp.real.shape
        parts = torch.split(F, max(1, MOST_ELEMENTS // (S * n)), dim=1)
        return torch.cat([self._terms(*self.gp.posterior(part))[0] for part in parts], dim=1)

    def value_and_grad(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Return values (S, b) and gradients (S, b, f)."""
        mean, variance, pull = self.gp.posterior_vjp(F)
        value, d_mean, d_variance = self._terms(mean, variance)
        return value, pull(d_mean, d_variance)

    def _terms(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the value and its derivatives with respect to means and variances."""
        sd = torch.sqrt(variance)[..., None]
        logs, d_mean, d_sd = log_expected_improvement(mean, sd, self.best[:, None, :])
        total = torch.logsumexp(logs, 2)
        share = torch.exp(logs - total[..., None])  # of each draw in the average
        return total - log(mean.shape[2]), share * d_mean, (share * d_sd / (2.0 * sd)).sum(2)


def _factorize(
    profile: Profile, Z: Tensor, real: Tensor, scale: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Return L⁻¹ (S, n, n), padded rows zero, with L Lᵀ = s k + diag(noise), and the noise with jitter."""
    n = real.shape[1]
    L_inverse, noise = Z.new_zeros(len(Z), n, n), noise.clone()
    rows = torch.arange(len(Z), device=Z.device)
    for jitter in JITTERS:
        failed = []
        for part in torch.split(rows, max(1, MOST_ELEMENTS // n**2)):
            widened = noise[part] + jitter * scale[part, None] * real[part]
            K = gram(profile, Z[part], real[part])[0] * scale[part, None, None]
            K.diagonal(dim1=1, dim2=2).add_(widened)
            L, info = torch.linalg.cholesky_ex(K)
            good = info == 0
            L_inverse[part[good]] = invert(L[good]) * real[part[good]][:, None, :]
            noise[part[good]] = widened[good]
            failed.append(part[~good])
        rows = torch.cat(failed)
        if not len(rows):
            return L_inverse, noise
    raise FitError(
        f"the covariances of the data sets {rows.tolist()} are not positive definite, even with "
        f"{JITTERS[-1]:g} of the output scale added to the diagonal; are there values that are not finite?"
    )
