"""Where runs fail: the probability of success at a point, learnt from the first failed trial on.

A Gaussian process is fitted to the labels 0 (finished) and 1 (failed), like any outcome: its marginal
likelihood finds the columns that matter, which a handful of failures suffices for. With its posterior,
P(success) = Phi((1/2 - mean) / sd): certain near what was seen, undecided far from it. Least-squares
classification is as good as a Laplace approximation here, and needs no second machinery (Rasmussen and
Williams 2006, section 6.5).

A first failure may well have nothing to do with the place: a typing mistake, a full disk. So the model is
believed more with every failure: with f of them, what it says is mixed with a chance of 2^(-f²) that
places do not matter. Without that a single mishap shuts off whatever lies on its side of the space.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from bbopt.space import Space
from bbopt.surrogates.fit import Prior, fit
from bbopt.surrogates.gp import GP
from bbopt.types import FloatArray

CAUTION = 30.0
"""The power of the probability. A run that fails wastes an evaluation and teaches nothing of the
objective, while the improvement promised inside a crash region grows without bound relative to what is
left outside: at 30, a chance of one half must be outweighed by twenty nats. Measured on six crash
regions of 15% of the domain, 80 evaluations: with 1 to 3 half as many again to three times as many runs
fail, at equal best values."""

LABELS = Prior(noise_floor=0.1)
"""Label noise keeps the length-scales from collapsing where a success and a failure lie side by side."""


@dataclass(frozen=True, slots=True)
class LogFeasibility:
    """What the chance to finish at x is worth in an acquisition: log((1 - doubt) P^CAUTION + doubt).

    Attributes
    ----------
    labels : GP
        The model of the labels.
    doubt : float
        The chance that the failures had nothing to do with their places, in [0, 1/2].
    """

    labels: GP
    doubt: float

    @classmethod
    def fit(
        cls,
        space: Space,
        X: FloatArray,
        X_failed: FloatArray,
        previous: list[float] | None = None,
    ) -> "LogFeasibility":
        """Learn from where runs finished, X (n, d), and where they failed, X_failed (f, d), f >= 1.

        Raises
        ------
        FitError
            See :func:`bbopt.surrogates.fit.fit`.
        """
        labels = np.concatenate([np.zeros(len(X)), np.ones(len(X_failed))])
        model = fit(space, np.concatenate([X, X_failed]), labels, previous=previous, prior=LABELS)
        return cls(model, max(2.0 ** -(len(X_failed) ** 2), 1e-300))

    @property
    def theta(self) -> list[float]:
        """Hyper-parameters for the next fit to start from."""
        return self.labels.theta

    @property
    def scale(self) -> FloatArray:
        """The model's lengths."""
        return self.labels.scale

    def probability(self, X: FloatArray) -> FloatArray:
        """Return the probability of success (b,) if places matter."""
        mean, variance = self.labels.posterior(X)
        return np.asarray(ndtr((self._boundary - mean[:, 0]) / np.sqrt(variance + self._slack)))

    def value(self, X: FloatArray) -> FloatArray:
        """Return what to add to a log acquisition (b,), at most 0."""
        mean, variance = self.labels.posterior(X)
        return self._mixed(log_ndtr((self._boundary - mean[:, 0]) / np.sqrt(variance + self._slack)))

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what to add to a log acquisition (b,) and its gradient (b, d)."""
        mean, variance, pull = self.labels.posterior_vjp(X)
        sd = np.sqrt(variance + self._slack)
        z = (self._boundary - mean[:, 0]) / sd
        log_p = log_ndtr(z)
        value = self._mixed(log_p)
        share = (1.0 - self.doubt) * np.exp(CAUTION * log_p - value)  # of the model in the mixture
        slope = share * CAUTION * np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2.0))  # phi / Phi
        return value, pull((-slope / sd)[:, None], -0.5 * slope * z / sd**2)

    def _mixed(self, log_p: FloatArray) -> FloatArray:
        return np.asarray(np.logaddexp(np.log1p(-self.doubt) + CAUTION * log_p, np.log(self.doubt)))

    @property
    def _boundary(self) -> float:
        """The label 1/2 in model units."""
        return float(self.labels.outcome(np.array(0.5)))

    @property
    def _slack(self) -> float:
        """Variance of the label noise, in model units."""
        return self.labels.hyperparameters.noise
