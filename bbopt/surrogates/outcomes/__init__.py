"""From outcomes, in any units and of any shape, to what a Gaussian process likes, and back."""

from bbopt.surrogates.outcomes.learning import AUTO, KINDS, POSITIVE, choose, learn, possible
from bbopt.surrogates.outcomes.outcome import Outcome

__all__ = ["AUTO", "KINDS", "POSITIVE", "Outcome", "choose", "learn", "possible"]
