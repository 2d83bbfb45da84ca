"""The chain over partitions: it visits each as often as its probability says, and knows its own proposals."""

from dataclasses import dataclass
from math import exp

import numpy as np
import pytest

from bbopt.strategies.decomposition import canonical, propose, random_partition, sample


def partitions(columns):
    """All set partitions."""
    if not columns:
        yield ()
        return
    first, rest = columns[0], columns[1:]
    for smaller in partitions(rest):
        yield canonical([(first,), *smaller])
        for k, block in enumerate(smaller):
            yield canonical([*smaller[:k], (first, *block), *smaller[k + 1 :]])


@dataclass(frozen=True)
class State:
    decomposition: tuple
    score: float


def uneven(decomposition):
    """A score that tells all partitions apart, by one part in six at most."""
    return float(sum(len(block) ** 2 * (1 + min(block)) for block in decomposition) % 7) / 3


@pytest.mark.parametrize(
    ("d", "largest", "temperature"), [(4, 4, 1.0), (4, 2, 1.0), (3, 3, 2.5), (5, 3, 1.0)]
)
def test_partitions_are_visited_as_often_as_their_scores_say(d, largest, temperature):
    possible = [p for p in partitions(tuple(range(d))) if max(map(len, p)) <= largest]
    weights = np.array([exp(uneven(p) / temperature) for p in possible])
    start = State(possible[0], uneven(possible[0]))
    n = 20_000
    states = sample(
        start, lambda p, _: State(p, uneven(p)), n, largest, temperature, np.random.default_rng(0)
    )
    seen = [state.decomposition for state in states]
    assert set(seen) == set(possible)
    share = np.array([seen.count(p) for p in possible]) / n
    np.testing.assert_allclose(share, weights / weights.sum(), atol=0.015)


@pytest.mark.parametrize("largest", [2, 3])
def test_a_proposal_knows_how_likely_it_was_and_its_return(largest):
    """Frequencies of proposals there and back, against the ratio that is returned with them."""
    rng, n = np.random.default_rng(1), 6_000
    possible = [p for p in partitions((0, 1, 2)) if max(map(len, p)) <= largest]
    forth, ratio = {}, {}
    for old in possible:
        for _ in range(n):
            new, log_ratio = propose(old, largest, rng)
            forth[old, new] = forth.get((old, new), 0) + 1 / n
            ratio[old, new] = log_ratio
    for (old, new), log_ratio in ratio.items():
        assert np.log(forth[new, old] / forth[old, new]) == pytest.approx(log_ratio, abs=0.12)


def test_what_has_no_neighbours_stays():
    assert propose(((0,), (1,)), 1, np.random.default_rng(0)) == (((0,), (1,)), 0.0)
    start = State(((0,),), 0.0)
    assert (
        sample(start, lambda p, s: pytest.fail("nothing to fit"), 3, 1, 1.0, np.random.default_rng(0))
        == [start] * 3
    )


def test_a_large_block_is_split_without_counting_beyond_floats():
    new, log_ratio = propose((tuple(range(3000)),), 3000, np.random.default_rng(0))
    assert len(new) == 2
    assert np.isfinite(log_ratio)


def test_a_first_partition_has_blocks_that_are_allowed():
    assert random_partition(6, 6, np.random.default_rng(0)) == ((0, 1, 2, 3, 4, 5),)
    drawn = random_partition(7, 3, np.random.default_rng(0))
    assert sorted(map(len, drawn)) == [1, 3, 3]
    assert sorted(sum(drawn, ())) == list(range(7))
    assert drawn != random_partition(7, 3, np.random.default_rng(1))
