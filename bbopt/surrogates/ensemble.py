"""Averaging over hyper-parameters: several processes, one a sample of their posterior.

Laplace's approximation: theta ~ N(theta*, H⁻¹), H being minus the Hessian of the log posterior at its
maximum, from differences of analytic gradients; draws that are far less probable than that says are
pulled back towards the maximum. With 4 to 8 samples acquisitions are averaged, not predictions.

MacKay 1992; Snoek, Larochelle and Adams 2012, section 3.2, for the averaging of acquisitions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bbopt.rng import Key
from bbopt.surrogates.gp import GP, Hyperparameters
from bbopt.surrogates.likelihood import LogPosterior
from bbopt.surrogates.local import LocalGP, core_of
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.stack import Stack
from bbopt.surrogates.surrogate import Pullback
from bbopt.types import FloatArray

_DIFFERENCE = 1e-4
_WIDEST = 2.0
"""Standard deviations of log hyper-parameters are at most this: beyond, the data say nothing."""
_SLACK = 4.0
"""Nats that a draw may be less probable than the approximation says before it is pulled back."""


def sample_hyperparameters(
    posterior: LogPosterior, best: Hyperparameters, count: int, rng: Key
) -> list[Hyperparameters]:
    """Return samples of the hyper-parameters' posterior around its maximum; the same for the same key.

    Parameters
    ----------
    posterior : LogPosterior
    best : Hyperparameters
        Where it is largest.
    count : int
        At least 2. Draws come in pairs on opposite sides, so that their mean stays at the maximum.
    rng : Key
    """
    theta = np.array(best.to_list())
    lower, upper = posterior.bounds
    free = np.flatnonzero(upper > lower)
    highest, slope = posterior(theta)
    H = np.empty((len(free), len(free)))
    for i, j in enumerate(free):
        e = np.zeros(len(theta))
        e[j] = _DIFFERENCE if theta[j] < upper[j] else -_DIFFERENCE
        H[i] = (slope[free] - posterior(theta + e)[1][free]) / e[j]
    values, vectors = np.linalg.eigh(0.5 * (H + H.T))
    root = vectors / np.sqrt(np.maximum(values, _WIDEST**-2))
    half = rng.generator().standard_normal((-(-count // 2), len(free)))
    normal = np.concatenate([half, -half])[:count]
    draws = []
    for z in normal:
        for shrink in (1.0, 0.5, 0.25, 0.0):
            draw = theta.copy()
            draw[free] = np.clip(theta[free] + shrink * (root @ z), lower[free], upper[free])
            expected = highest - 0.5 * shrink**2 * float(z @ z)
            if shrink == 0.0 or posterior(draw)[0] > expected - _SLACK:
                break
        draws.append(Hyperparameters.from_list(draw))
    return draws


@dataclass(frozen=True)
class Ensemble:
    """Several processes on the same data side by side: means (b, s) and variances (b, s).

    Attributes
    ----------
    members : tuple of GP or of LocalGP
        At least one; each with one mean, or each with equally many draws.
    """

    members: tuple[GP | LocalGP, ...]

    @property
    def is_smooth(self) -> bool:
        """True."""
        return True

    @property
    def scale(self) -> FloatArray:
        """The geometric mean of the members' lengths, (d,)."""
        return np.asarray(np.exp(np.mean([np.log(member.scale) for member in self.members], axis=0)))

    @property
    def X(self) -> FloatArray:
        """Distinct points (n, d), the same for all members."""
        return self.members[0].X

    @property
    def fitted(self) -> FloatArray:
        """Posterior means at X, (n, s)."""
        return self._beside([member.fitted for member in self.members])

    @property
    def incumbent(self) -> FloatArray:
        """The lowest posterior mean over the observed points, one a member, (s,)."""
        return np.asarray(self.fitted.min(axis=0))

    @property
    def outcome(self) -> Outcome:
        """From model units to outcomes."""
        return self.members[0].outcome

    @property
    def noise_variance(self) -> float:
        """The learnt noise variance, averaged, in model units."""
        return float(np.mean([member.noise_variance for member in self.members]))

    def posterior(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (b, s) and variances (b, s)."""
        if self._stack is not None:
            return self._stack.posterior(X)
        pairs = [member.posterior(X) for member in self.members]
        return self._beside([m for m, _ in pairs]), self._wide([m for m, _ in pairs], [v for _, v in pairs])

    def posterior_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (b, s), variances (b, s) and their pullback."""
        if self._stack is not None:
            return self._stack.posterior_vjp(X)
        triples = [member.posterior_vjp(X) for member in self.members]
        means, variances = [t[0] for t in triples], [t[1] for t in triples]
        pull = self._pullback([t[2] for t in triples], means, variances, axis=1)
        return self._beside(means), self._wide(means, variances), pull

    def joint(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means (t, q, s) and covariances (t, s, q, q)."""
        mean, covariance, _ = self.joint_vjp(X)
        return mean, covariance

    def joint_vjp(self, X: FloatArray) -> tuple[FloatArray, FloatArray, Pullback]:
        """Return means (t, q, s), covariances (t, s, q, q) and their pullback."""
        triples = [member.joint_vjp(X) for member in self.members]
        means, covariances = [t[0] for t in triples], [t[1] for t in triples]
        widths = [m.shape[2] for m in means]
        wide = [
            np.broadcast_to(c, (len(c), w, *c.shape[2:])) for c, w in zip(covariances, widths, strict=True)
        ]
        pulls, ends = [t[2] for t in triples], np.cumsum(widths)[:-1]

        def pull(d_mean: FloatArray, d_covariance: FloatArray) -> FloatArray:
            parts = zip(pulls, np.split(d_mean, ends, 2), np.split(d_covariance, ends, 1), strict=True)
            return np.asarray(sum(back(m, c) for back, m, c in parts))

        return np.concatenate(means, axis=2), np.concatenate(wide, axis=1), pull

    def condition(self, X: FloatArray, Y: FloatArray) -> "Ensemble":
        """Return a new ensemble that has also seen Y (q, s), in model units, at X (q, d)."""
        parts = np.split(Y, len(self.members), axis=1)
        return Ensemble(tuple(m.condition(X, y) for m, y in zip(self.members, parts, strict=True)))

    def fantasize(self, X: FloatArray) -> "Ensemble":
        """Return a new ensemble whose members have seen their own means at X (q, d)."""
        return Ensemble(tuple(member.fantasize(X) for member in self.members)) if len(X) else self

    def draws(
        self, s: int, generator: np.random.Generator, X_pending: FloatArray | None = None
    ) -> "Ensemble":
        """Return about s joint posterior draws, shared out among the members; see ``GP.draws``."""
        each = -(-s // len(self.members))
        return Ensemble(tuple(member.draws(each, generator, X_pending) for member in self.members))

    def predict(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (b,) of the mixture, in the outcome's units."""
        mean, variance = self.posterior(X)
        centre = mean.mean(axis=1)
        spread = variance.mean(axis=1) + ((mean - centre[:, None]) ** 2).mean(axis=1)
        return self.outcome.inverse(centre), self.outcome.inverse_sd(centre, np.sqrt(spread))

    @cached_property
    def _stack(self) -> Stack | None:
        return Stack.of(self.members)

    @staticmethod
    def _beside(arrays: list[FloatArray]) -> FloatArray:
        return np.concatenate(arrays, axis=1)

    def _wide(self, means: list[FloatArray], variances: list[FloatArray]) -> FloatArray:
        return self._beside([np.broadcast_to(v, m.shape) for m, v in zip(means, variances, strict=True)])

    @staticmethod
    def _pullback(
        pulls: list[Pullback], means: list[FloatArray], variances: list[FloatArray], axis: int
    ) -> Callable[[FloatArray, FloatArray], FloatArray]:
        ends = np.cumsum([m.shape[axis] for m in means])[:-1]

        def pull(d_mean: FloatArray, d_variance: FloatArray) -> FloatArray:
            total: Any = 0.0
            parts = zip(
                pulls, variances, np.split(d_mean, ends, axis), np.split(d_variance, ends, axis), strict=True
            )
            for back, v, m, c in parts:
                total = total + back(m, c if v.shape == c.shape else c.sum(axis=1, keepdims=True))
            return np.asarray(total)

        return pull


def exact(model: GP | LocalGP | Ensemble) -> GP | Ensemble:
    """Return the model without the neighbours that it looks at, where there are many results."""
    if isinstance(model, Ensemble):
        return Ensemble(tuple(core_of(member) for member in model.members))
    return core_of(model)
