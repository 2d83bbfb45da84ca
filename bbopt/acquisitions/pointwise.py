"""Acquisitions that a point's mean and standard deviation suffice for: a formula, averaged, pulled back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray


@dataclass(frozen=True, slots=True)
class Pointwise(ABC):
    """A formula in mean and standard deviation, averaged over the columns of the surrogate.

    To write one, give it the formula with its derivatives; ``is_log`` says whether it is a logarithm, of
    which not the mean but the log mean exp is taken.
    """

    surrogate: Surrogate

    is_log: ClassVar[bool] = True

    @abstractmethod
    def formula(self, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return values (b, s) and their derivatives in mean and sd, from mean (b, s) and sd (b, s or 1)."""

    @property
    def scale(self) -> FloatArray:
        """The surrogate's lengths."""
        return self.surrogate.scale

    @property
    def is_smooth(self) -> bool:
        """Whether the surrogate is."""
        return self.surrogate.is_smooth

    def value(self, X: FloatArray) -> FloatArray:
        """Return values (b,), in model units or logarithms of these."""
        mean, variance = self.surrogate.posterior(X)
        values, _, _ = self.formula(mean, np.sqrt(variance))
        return log_mean_exp(values) if self.is_log else values.mean(axis=1)

    def value_and_grad(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (b,) and their gradients (b, d)."""
        mean, variance, pull = self.surrogate.posterior_vjp(X)
        sd = np.sqrt(variance)
        values, d_mean, d_sd = self.formula(mean, sd)
        s = values.shape[1]
        if s == 1:
            return values[:, 0], pull(d_mean, d_sd / (2.0 * sd))
        value = log_mean_exp(values) if self.is_log else values.mean(axis=1)
        share = np.exp(values - value[:, None]) / s if self.is_log else 1.0 / s  # in the average
        d_variance = share * d_sd / (2.0 * sd)
        if variance.shape[1] == 1:  # shared by all columns
            d_variance = d_variance.sum(axis=1, keepdims=True)
        return value, pull(share * d_mean, d_variance)


def log_mean_exp(logs: FloatArray) -> FloatArray:
    """Return log mean exp over all axes but the first, (b,)."""
    if logs.shape[1:] == (1,):
        return logs[:, 0]
    axes = tuple(range(1, logs.ndim))
    largest = logs.max(axis=axes, keepdims=True)
    return np.asarray(np.log(np.exp(logs - largest).mean(axis=axes)) + largest.squeeze(axes))
