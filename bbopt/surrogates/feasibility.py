"""Where runs fail: the probability of success at a point, learnt from the first failed trial on.

A Gaussian process is fitted to the labels 0 (finished) and 1 (failed), like any outcome: its marginal
likelihood finds the columns that matter, which a handful of failures suffices for. With its posterior,
P(success) = Phi((1/2 - mean) / sd): certain near what was seen, undecided far from it. Least-squares
classification is as good as a Laplace approximation here, and needs no second machinery (Rasmussen and
Williams 2006, section 6.5).

A first failure may well have nothing to do with the place: a typing mistake, a full disk. So the model is
believed more with every failure: with f of them, what it says is mixed with a chance of 2^(-f²) that
places do not matter. Without that a single mishap shuts off whatever lies on its side of the space.

Many failures may have nothing to do with their places either: a machine that is preempted one time in
five. The fit itself tells: it explains the labels by noise then, not by places. So the caution with which
an acquisition treats the model shrinks with the share of the labels' variance that places explain. In a
crash region that share stayed at 0.88 to 0.97; with failures at random it was mostly 0.2 to 0.5 from the
fourth to sixth failure on. With both at once it lies between, and more runs fail in the region than
without the random ones. Where no two runs are neighbours, as in a scattered design in six dimensions,
short length-scales explain any labels, and random failures are not recognised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from bbopt.space import Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import fit, log_posterior, maximize, starts
from bbopt.surrogates.gp import GP
from bbopt.surrogates.likelihood import Prior
from bbopt.surrogates.local import CENTRES, EXACT, LEARNT_FIRST, LEARNT_NEAR, LocalGP, gather
from bbopt.surrogates.outcomes import learn
from bbopt.types import FloatArray

CAUTION = 30.0
"""The power of the probability. A run that fails wastes an evaluation and teaches nothing of the
objective, while the improvement promised inside a crash region grows without bound relative to what is
left outside: at 30, a chance of one half must be outweighed by twenty nats. Measured on six crash
regions of 15% of the domain, 80 evaluations: with 1 to 3 half as many again to three times as many runs
fail, at equal best values."""

TRUST = 4
"""The power of the explained share of the labels' variance that CAUTION is multiplied by: what a region
explains keeps 0.6 of it or more, random failures a hundredth to a tenth. Measured with 20% of the runs
failing at random: Branin's worst regret of ten seeds 0.01 instead of 25, Hartmann-6's median 3e-6 instead
of 0.07, both as if failures were ignored; with 30%, one of twenty runs on Branin still ended at 1.5. In
the crash regions at most 9 of 80 runs are wasted, where a constant caution wastes at most 8; a power of 3
costs more with random failures on Branin."""

LABELS = Prior(noise_floor=0.1, short=0.0)
"""Label noise keeps the length-scales from collapsing where a success and a failure lie side by side. Short
ones cost nothing: regions have sharp edges."""


@dataclass(frozen=True, slots=True)
class LogFeasibility:
    """What the chance to finish at x is worth in an acquisition: log((1 - doubt) P^caution + doubt).

    Attributes
    ----------
    labels : GP or LocalGP
        The model of the labels; of many a local one.
    doubt : float
        The chance that the failures had nothing to do with their places, in [0, 1/2].
    """

    labels: GP | LocalGP
    doubt: float

    @classmethod
    def fit(
        cls,
        space: Space,
        X: FloatArray,
        X_failed: FloatArray,
        previous: list[float] | None = None,
        centres: FloatArray | None = None,
    ) -> "LogFeasibility":
        """Learn from where runs finished, X (n, d), and where they failed, X_failed (f, d), f >= 1.

        Parameters
        ----------
        space : Space
        X, X_failed : array
        previous : list of float, optional
            ``theta`` of an earlier fit, to start from.
        centres : array (k, d), optional
            Where the search goes on: around them very many labels are looked at more closely. Default: where
            runs failed.

        Raises
        ------
        FitError
            See :func:`bbopt.surrogates.fit.fit`.
        """
        labels = np.concatenate([np.zeros(len(X)), np.ones(len(X_failed))])
        points = np.concatenate([X, X_failed])
        doubt = max(2.0 ** -(len(X_failed) ** 2), 1e-300)
        if len(labels) <= EXACT:
            return cls(fit(space, points, labels, previous=previous, prior=LABELS), doubt)
        return cls(_local(space, points, labels, previous, X_failed if centres is None else centres), doubt)

    @property
    def caution(self) -> float:
        """The power of the probability: CAUTION, less what of the labels is noise."""
        h = self.labels.hyperparameters
        return float(CAUTION * (h.scale / (h.scale + h.noise)) ** TRUST)

    @property
    def theta(self) -> list[float]:
        """Hyper-parameters for the next fit to start from."""
        return self.labels.theta

    @property
    def scale(self) -> FloatArray:
        """The model's lengths."""
        return self.labels.scale

    @property
    def is_smooth(self) -> bool:
        """True."""
        return True

    def probability(self, X: FloatArray) -> FloatArray:
        """Return the probability of success (b,) if places matter."""
        mean, variance = self.labels.posterior(X)
        return np.asarray(ndtr((self._boundary - mean[:, 0]) / np.sqrt(variance[:, 0] + self._slack)))

    def value(self, X: FloatArray) -> FloatArray:
        """Return what to add to a log acquisition (b,), at most 0."""
        mean, variance = self.labels.posterior(X)
        return self._mixed(log_ndtr((self._boundary - mean[:, 0]) / np.sqrt(variance[:, 0] + self._slack)))

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what to add to a log acquisition (b,) and its gradient (b, d)."""
        mean, variance, pull = self.labels.posterior_vjp(X)
        sd = np.sqrt(variance[:, 0] + self._slack)
        z = (self._boundary - mean[:, 0]) / sd
        log_p = log_ndtr(z)
        value = self._mixed(log_p)
        share = (1.0 - self.doubt) * np.exp(self.caution * log_p - value)  # of the model in the mixture
        slope = share * self.caution * np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2.0))  # phi / Phi
        return value, pull((-slope / sd)[:, None], (-0.5 * slope * z / sd**2)[:, None])

    def _mixed(self, log_p: FloatArray) -> FloatArray:
        return np.asarray(np.logaddexp(np.log1p(-self.doubt) + self.caution * log_p, np.log(self.doubt)))

    @property
    def _boundary(self) -> float:
        """The label 1/2 in model units."""
        return float(self.labels.outcome(np.array(0.5)))

    @property
    def _slack(self) -> float:
        """Variance of the label noise, in model units."""
        return self.labels.hyperparameters.noise


def _local(
    space: Space, X: FloatArray, labels: FloatArray, previous: list[float] | None, centres: FloatArray
) -> GP | LocalGP:
    """Return a local model of many labels, whose core is what its hyper-parameters are learnt from."""
    z, outcome = learn(labels)
    covariance = Covariance(space)
    whole = log_posterior(covariance, X, z, outcome, prior=LABELS)
    if whole.n <= EXACT:
        return whole.process(maximize(whole, starts(whole, previous)).hyperparameters, outcome)
    theta = covariance.hyperprior.starts[0]
    if previous is not None and len(previous) == len(theta) + 2 and np.isfinite(previous).all():
        theta = np.array(previous[:-2])
    rows = gather(covariance, theta, whole.observed.X, centres[:CENTRES], LEARNT_FIRST, LEARNT_NEAR)
    part = whole.some(rows)
    found = maximize(part, starts(part, previous))
    return LocalGP.build(whole, rows, found.hyperparameters, outcome)
