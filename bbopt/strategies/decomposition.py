"""Which columns belong together: Metropolis-Hastings over the partitions of the columns.

A partition stands for an additive function, one factor a block. From one state a neighbour is proposed, each
kind with probability 1/2 where both are possible:

    split   a block of several columns, chosen uniformly, into two non-empty parts, chosen uniformly
    merge   two blocks, chosen uniformly among the pairs that are not too large together

and accepted with probability min(1, exp((score' - score) / temperature) q(old | new) / q(new | old)). With
scores that are log marginal likelihoods the chain samples from the posterior over partitions, all equally
likely before data.

Gardner et al., "Discovering and exploiting additive structure for Bayesian optimization" (AISTATS 2017),
section 4; as in DuMBO (Bardou, Thiran & Begin, ICLR 2024).
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import exp, log, log1p
from typing import Protocol, TypeVar

import numpy as np

from bbopt.surrogates.additive import Decomposition


class Scored(Protocol):
    """A state of the chain."""

    @property
    def decomposition(self) -> Decomposition:
        """The partition, in canonical form."""
        ...

    @property
    def score(self) -> float:
        """The logarithm of what its probability is proportional to."""
        ...


S = TypeVar("S", bound=Scored)


def canonical(blocks: Sequence[tuple[int, ...]]) -> Decomposition:
    """Return blocks in ascending order, their columns too: equal partitions are equal tuples."""
    return tuple(sorted(tuple(sorted(block)) for block in blocks))


def random_partition(d: int, largest: int, generator: np.random.Generator) -> Decomposition:
    """Return d columns, shuffled, in blocks of ``largest``: all in one where they fit."""
    shuffled = generator.permutation(d).tolist()
    return canonical([tuple(shuffled[k : k + largest]) for k in range(0, d, largest)])


def sample(
    start: S,
    fit: Callable[[Decomposition, S], S],
    n: int,
    largest: int,
    temperature: float,
    generator: np.random.Generator,
) -> list[S]:
    """Return the next n states of the chain that is at ``start``; where proposals are rejected they repeat.

    Parameters
    ----------
    start : Scored
    fit : callable
        Makes a proposed partition a state; it is told where the chain is.
    n : int
    largest : int
        The most columns of a block.
    temperature : float
        What scores are divided by, above 0.
    generator : numpy.random.Generator
    """
    states, now = [], start
    for _ in range(n):
        proposed, log_ratio = propose(now.decomposition, largest, generator)
        luck = generator.random()
        if proposed != now.decomposition:
            rival = fit(proposed, now)
            gain = (rival.score - now.score) / temperature + log_ratio
            if gain >= 0 or luck < exp(gain):
                now = rival
        states.append(now)
    return states


def propose(
    blocks: Decomposition, largest: int, generator: np.random.Generator
) -> tuple[Decomposition, float]:
    """Return a neighbour of a partition and log q(old | new) - log q(new | old); itself where it has none."""
    splittable, pairs = _splittable(blocks), _pairs(blocks, largest)
    kinds = [kind for kind, choices in (("split", splittable), ("merge", pairs)) if choices]
    if not kinds:
        return blocks, 0.0
    if kinds[int(generator.integers(len(kinds)))] == "split":
        block = splittable[int(generator.integers(len(splittable)))]
        new = canonical([b for b in blocks if b != block] + _parts(block, generator))
        forth = log(len(splittable)) + _log_splits(len(block))
        back = log(len(_pairs(new, largest)))
    else:
        one, other = pairs[int(generator.integers(len(pairs)))]
        new = canonical([b for b in blocks if b not in (one, other)] + [one + other])
        forth = log(len(pairs))
        back = log(len(_splittable(new))) + _log_splits(len(one + other))
    kinds_back = bool(_splittable(new)) + bool(_pairs(new, largest))
    return new, forth + log(len(kinds)) - back - log(kinds_back)


def _splittable(blocks: Decomposition) -> list[tuple[int, ...]]:
    return [block for block in blocks if len(block) > 1]


def _pairs(blocks: Decomposition, largest: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(one, other) for one, other in combinations(blocks, 2) if len(one) + len(other) <= largest]


def _parts(block: tuple[int, ...], generator: np.random.Generator) -> list[tuple[int, ...]]:
    """Return two non-empty parts of a block, every choice equally likely."""
    first, *others = block
    while True:
        leaves = (generator.random(len(others)) < 0.5).tolist()  # the first one stays: parts have no order
        if any(leaves):
            pairs = list(zip(others, leaves, strict=True))
            return [(first, *(c for c, gone in pairs if not gone)), tuple(c for c, gone in pairs if gone)]


def _log_splits(m: int) -> float:
    """Return the logarithm of the number of ways to split m columns in two, 2^(m-1) - 1."""
    return (m - 1) * log(2.0) + log1p(-(2.0 ** -(m - 1)))
