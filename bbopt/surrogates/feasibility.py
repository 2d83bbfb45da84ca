"""Where runs fail: the probability of success at a point, learnt from the first failed trial on.

A Gaussian process is fitted to the labels 0 (finished) and 1 (failed), like any outcome: its marginal
likelihood finds the columns that matter, which a handful of failures suffices for. With its posterior,
P(success) = Phi((1/2 - mean) / sd): certain near what was seen, undecided far from it. Least-squares
classification is as good as a Laplace approximation here, and needs no second machinery (Rasmussen and
Williams 2006, section 6.5).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr

from bbopt.space import Space
from bbopt.surrogates.fit import Prior, fit
from bbopt.surrogates.gp import GP
from bbopt.types import FloatArray

LABELS = Prior(noise_floor=1e-2)


@dataclass(frozen=True, slots=True)
class LogFeasibility:
    """Log of the probability that a run at x finishes; an acquisition to be added to another.

    Attributes
    ----------
    labels : GP
        The model of the labels.
    """

    labels: GP

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
        return cls(fit(space, np.concatenate([X, X_failed]), labels, previous=previous, prior=LABELS))

    @property
    def theta(self) -> list[float]:
        """Hyper-parameters for the next fit to start from."""
        return self.labels.theta

    @property
    def scale(self) -> FloatArray:
        """The model's lengths."""
        return self.labels.scale

    def probability(self, X: FloatArray) -> FloatArray:
        """Return the probability of success (b,)."""
        return np.asarray(np.exp(self.value(X)))

    def value(self, X: FloatArray) -> FloatArray:
        """Return the log probability of success (b,)."""
        mean, variance = self.labels.posterior(X)
        return np.asarray(log_ndtr((self._boundary - mean[:, 0]) / np.sqrt(variance + self._slack)))

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log probability of success (b,) and its gradient (b, d)."""
        mean, variance, pull = self.labels.posterior_vjp(X)
        sd = np.sqrt(variance + self._slack)
        z = (self._boundary - mean[:, 0]) / sd
        slope = np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2.0))  # phi / Phi
        return log_ndtr(z), pull((-slope / sd)[:, None], -0.5 * slope * z / sd**2)

    @property
    def _boundary(self) -> float:
        """The label 1/2 in model units."""
        return float(self.labels.outcome(np.array(0.5)))

    @property
    def _slack(self) -> float:
        """Variance of the label noise, in model units."""
        return self.labels.hyperparameters.noise
