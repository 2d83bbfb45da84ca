"""The log posterior of hyper-parameters on many data sets at once: values and gradients by torch, in batches.

The formulas, symbols and results are those of :mod:`bbopt.surrogates.likelihood`; here all matrices have a
leading axis. Data sets differ in size, so they are padded to a common one: a padded row has unit variance,
no covariance with any other, no noise and no residual, and leaves the factor, the weights, the determinant
and the gradient of the rest as they are. Everything is float64 (which TF32 never touches) and derivatives
are written out: no graph is recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbopt.batched.dispatch import bucket, form, kernel_of
from bbopt.batched.lbfgs import minimize_batch
from bbopt.errors import FitError, UnsupportedError
from bbopt.surrogates.factor import JITTERS
from bbopt.surrogates.fit import limits
from bbopt.surrogates.kernels.profiles import Profile
from bbopt.surrogates.likelihood import NOTICED, LogPosterior
from bbopt.types import FloatArray

_LOG_2PI = float(np.log(2 * np.pi))

MOST_ELEMENTS = 2**27
"""Of one stack of matrices; larger ones are worked through in parts. Six of them are alive at once."""


@dataclass(frozen=True, slots=True)
class BatchedLogPosterior:
    """The log posterior densities of S problems, padded to n points; theta as in ``LogPosterior``.

    Attributes
    ----------
    profile : Profile
    column : tensor (f,)
        Which length-scale divides each feature.
    F : tensor (S, n, f)
        Features.
    y, real, known, share : tensors (S, n)
        Outcomes; 1 for points and 0 for padding; noise variances v = known + noise * share.
    count, learns, repeats, scatter : tensors (S,)
        Points; whether the noise is learnt (0, 1); what merged replicates know of it.
    mu, sigma, is_density, short, lower, upper : tensors (S, p)
        The prior N(mu, sigma²) of theta, or of exp(theta); what short lengths cost with much noise; bounds.
    """

    profile: Profile
    column: Tensor
    F: Tensor
    y: Tensor
    real: Tensor
    known: Tensor
    share: Tensor
    count: Tensor
    learns: Tensor
    repeats: Tensor
    scatter: Tensor
    mu: Tensor
    sigma: Tensor
    is_density: Tensor
    short: Tensor
    lower: Tensor
    upper: Tensor

    @classmethod
    def of(
        cls, posteriors: Sequence[LogPosterior], device: str | torch.device, n: int | None = None
    ) -> "BatchedLogPosterior":
        """Put log posteriors of one form on a device, padded to n points; default: their bucket.

        Raises
        ------
        UnsupportedError
            For different kernels or features, or a kernel that batches do not take.
        """
        forms = {form(p) for p in posteriors}
        if len(forms) != 1:
            raise UnsupportedError(f"one batch needs one kernel over equal columns, got {len(forms)} forms")
        profile, column = forms.pop()
        n = n or bucket(max(p.n for p in posteriors))

        entries = zip(*(_padded(p, n) for p in posteriors), strict=True)
        tensors = (torch.as_tensor(np.stack(entry), device=device) for entry in entries)
        return cls(profile, torch.as_tensor(column, device=device), *tensors)

    def __call__(self, theta: Tensor, problem: Tensor) -> tuple[Tensor, Tensor]:
        """Return log densities (r,) of theta (r, p) on the problems (r,), and their gradients (r, p).

        -inf where K cannot be factorised, however much jitter it gets. The host waits once, at the end,
        for whether any row needs jitter.
        """
        value, gradient, failed = self._in_parts(theta, problem, JITTERS[0])
        for jitter in JITTERS[1:]:
            again = failed.nonzero()[:, 0]
            if not len(again):
                return value, gradient
            value[again], gradient[again], failed[again] = self._in_parts(
                theta[again], problem[again], jitter
            )
        return value.masked_fill(failed, -torch.inf), gradient.masked_fill(failed[:, None], 0.0)

    def _in_parts(self, theta: Tensor, problem: Tensor, jitter: float) -> tuple[Tensor, Tensor, Tensor]:
        most = max(1, MOST_ELEMENTS // self.y.shape[1] ** 2)
        parts = zip(torch.split(theta, most), torch.split(problem, most), strict=True)
        value, gradient, failed = zip(*(self._evaluate(t, p, jitter) for t, p in parts), strict=True)
        return torch.cat(value), torch.cat(gradient), torch.cat(failed)

    def _evaluate(self, theta: Tensor, problem: Tensor, jitter: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return values, gradients, and whether the factorisation failed; R = K / s."""
        s, noise = torch.exp(theta[:, -2:]).T
        real, y, share, count = (a[problem] for a in (self.real, self.y, self.share, self.count))
        v = self.known[problem] + noise[:, None] * share + (jitter * s)[:, None] * real
        Z = self.F[problem] * self.inverse(theta)[:, None, :]
        R, slope = gram(self.profile, Z, real)
        R.diagonal(dim1=1, dim2=2).add_(v / s[:, None])
        L, info = torch.linalg.cholesky_ex(R)
        L_inverse = invert(L)
        white = L_inverse @ torch.stack([y, real], dim=2)
        mean = (white[..., 0] * white[..., 1]).sum(1) / (white[..., 1] ** 2).sum(1)
        white_gap = white[..., 0] - mean[:, None] * white[..., 1]
        a = torch.einsum("rij,ri->rj", L_inverse, white_gap)  # R⁻¹ (y - m)
        fit_term = (white_gap * white_gap).sum(1) / s
        log_det = 2.0 * torch.log(L.diagonal(dim1=1, dim2=2)).sum(1) + count * theta[:, -2]
        value = -0.5 * (fit_term + log_det + count * _LOG_2PI)

        inverse = L_inverse.mT @ L_inverse
        noise_gradient = (a * a / s[:, None] - inverse.diagonal(dim1=1, dim2=2)) * (0.5 / s[:, None])
        a = a / torch.sqrt(s)[:, None]
        G = torch.baddbmm(inverse, a[:, :, None], a[:, None, :], alpha=-1.0)  # s (K⁻¹ - a aᵀ)
        G *= slope
        per_feature = -(Z * (Z * G.sum(2, keepdim=True) - G @ Z)).sum(1)  # z falls as a log length grows
        gradient = torch.zeros_like(theta).index_add_(1, self.column, per_feature)
        gradient[:, -2] = 0.5 * (fit_term - count) - (noise_gradient * v).sum(1)

        repeats, scatter = self.repeats[problem], self.scatter[problem] / noise
        learns, by_noise = self.learns[problem], noise * (noise_gradient * share).sum(1)
        value -= 0.5 * learns * (repeats * (_LOG_2PI + theta[:, -1]) + scatter)
        gradient[:, -1] = learns * (by_noise + 0.5 * (scatter - repeats))

        sigma, is_density = self.sigma[problem], self.is_density[problem]
        z = (theta - self.mu[problem]) / sigma
        sd = torch.sqrt(noise)
        noticed = sd / (sd + NOTICED)
        cost = noticed[:, None] * self.short[problem] * torch.exp(-2.0 * theta)
        value -= (0.5 * z * z + is_density * theta + cost).sum(1)
        gradient += 2.0 * cost - z / sigma - is_density
        gradient[:, -1] -= 0.5 * (1.0 - noticed) * cost.sum(1)
        return value, gradient, info > 0

    def inverse(self, theta: Tensor) -> Tensor:
        """Return what features are multiplied by, (r, f)."""
        inverse: Tensor = self.profile.factor**0.5 * torch.exp(-theta[:, self.column])
        return inverse

    def maximize(self, starts: Sequence[FloatArray], n_new: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the best of the local maxima reached from each problem's starts, (S, p), and values (S,).

        Tolerances, limits and first steps are those of :func:`bbopt.surrogates.fit.maximize`.

        Parameters
        ----------
        starts : sequence of arrays (k, p)
            As from :func:`bbopt.surrogates.fit.starts`; one row is a warm start.
        n_new : sequence of int
            Observations that a warm start has not seen.

        Raises
        ------
        FitError
            When a problem has no start with a finite density.
        """
        counts = [len(rows) for rows in starts]
        each = [limits(int(n), k, new) for n, k, new in zip(self.count, counts, n_new, strict=True)]

        def tensor(values: Sequence[float] | FloatArray) -> Tensor:
            return torch.as_tensor(np.asarray(values), device=self.y.device)

        problem = tensor(np.repeat(np.arange(len(counts)), counts))
        unit, gradient_tolerance, value_tolerance, most = (
            tensor(values)[problem] for values in zip(*each, strict=True)
        )
        unit = unit[:, None]
        first: list[Tensor] = []

        def loss(Z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
            value, gradient = self(Z * unit[rows], problem[rows])
            if not first:  # of all rows; values are relative to these, so that tolerances are nats
                first.append(torch.where(torch.isfinite(value), value, 0.0))
            return first[0][rows] - value, -gradient * unit[rows]

        z, f = minimize_batch(
            loss,
            tensor(np.concatenate(starts)) / unit,
            self.lower[problem] / unit,
            self.upper[problem] / unit,
            problem,
            gradient_tolerance=gradient_tolerance,
            value_tolerance=value_tolerance,
            rounds=most,
            look_every=1,  # an evaluation waits anyway, and costs more than the question
        )
        f = f - first[0]
        lowest = f.new_full((len(counts),), torch.inf).scatter_reduce(0, problem, f, "amin")
        if not bool(torch.isfinite(lowest).all()):
            which = (~torch.isfinite(lowest)).nonzero()[:, 0].tolist()
            raise FitError(f"no hyper-parameters give a finite likelihood on the data sets {which}")
        row = torch.arange(len(f), device=f.device)
        first = row.new_full((len(counts),), len(f)).scatter_reduce(
            0, problem, torch.where(f == lowest[problem], row, len(f)), "amin"
        )
        return (z * unit)[first], -lowest


def _padded(posterior: LogPosterior, n: int) -> tuple[Any, ...]:
    """Return what ``BatchedLogPosterior`` keeps of one problem, from F on in its order, padded to n rows."""

    def pad(rows: FloatArray) -> FloatArray:
        return np.concatenate([rows, np.zeros((n - len(rows), *rows.shape[1:]))])

    observed, hyper, prior = posterior.observed, posterior.covariance.hyperprior, posterior.prior
    known = posterior.observation_noise(0.0)
    noise_sigma = prior.noise_sigma if posterior.learns_noise else np.inf  # what is not learnt has no prior
    is_density = np.append(hyper.is_density, [0.0, 0.0])
    return (
        pad(kernel_of(posterior)[1].of(posterior.F)),
        pad(observed.y),
        pad(np.ones(posterior.n)),
        pad(known),
        pad(posterior.observation_noise(1.0) - known),
        float(posterior.n),
        float(posterior.learns_noise),
        float((observed.counts - 1)[posterior.unknown].sum()),
        observed.scatter,
        np.append(hyper.mu, [prior.scale_mu, prior.noise_mu]),
        np.append(hyper.sigma, [prior.scale_sigma, noise_sigma]),
        is_density,
        prior.short * posterior.learns_noise * is_density,
        *posterior.bounds,
    )


def gram(profile: Profile, Z: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return k and its steepness t of scaled features Z (r, n, f) with themselves, (r, n, n) each.

    k is 1 on the diagonal and 0 in the rest of padded rows: of a symmetric matrix a factorisation reads the
    lower triangle, so that their columns may hold anything. t is 0 on the diagonal.
    """
    k, slope = covariance(profile, Z, Z)
    k = k * real[:, :, None]
    k.diagonal(dim1=1, dim2=2).fill_(1.0)
    slope.diagonal(dim1=1, dim2=2).zero_()
    return k, slope


def covariance(profile: Profile, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Return k and t, (r, a, b) each, of scaled features A (r, a, f) and B (r, b, f)."""
    squares = (A * A).sum(2)[:, :, None] + (B * B).sum(2)[:, None, :]
    k, slope = profile.formula(torch.baddbmm(squares, A, B.mT, alpha=-2.0).clamp_(min=0.0))
    return k, slope


def invert(L: Tensor) -> Tensor:
    """Return the inverses of lower triangles (r, n, n)."""
    eye = torch.eye(L.shape[1], dtype=L.dtype, device=L.device)
    inverse: Tensor = torch.linalg.solve_triangular(L, eye.expand_as(L), upper=False)
    return inverse
