"""The cost model: its arithmetic, and what it decides with the constants of this version."""

import pytest

from bbopt.batched import Costs, choose_device
from bbopt.batched.dispatch import CLIMB_ROUNDS, FIT_EVALUATIONS, FIT_ROUNDS, bucket


def test_sizes_are_padded_to_powers_of_two():
    assert [bucket(n) for n in (1, 64, 65, 128, 129, 500, 1000)] == [64, 64, 128, 128, 256, 512, 1024]


def test_one_after_the_other_pays_every_call_and_a_batch_one_a_round():
    call = {"call": 1.0, "column": 0.0, "square": 0.0, "cube": 0.0, "cross": 0.0, "product": 0.0}
    assert Costs(**call, is_batched=False).ask(50, 3, 10, 320) == 10 * (FIT_EVALUATIONS + CLIMB_ROUNDS + 1)
    assert Costs(**call, is_batched=True).ask(50, 3, 10, 320) == FIT_ROUNDS + CLIMB_ROUNDS + 1


def test_arithmetic_grows_with_loops_and_candidates_wherever_it_is_done():
    work = {"call": 0.0, "column": 0.0, "square": 0.0, "cube": 1.0, "cross": 0.0, "product": 1.0}
    for is_batched in (True, False):
        costs = Costs(**work, is_batched=is_batched)
        assert costs.ask(64, 3, 10, 320) == pytest.approx(10 * costs.ask(64, 3, 1, 320))
        fit, climb = FIT_EVALUATIONS * 64**3, CLIMB_ROUNDS * 20 * 64**2
        assert costs.ask(64, 3, 1, 320) == pytest.approx(fit + climb + 320 * 64**2)
    assert Costs(**work, is_batched=True).log_posterior(65, 2) == 2 * 128**3


def test_one_small_loop_stays_and_many_or_large_ones_go():
    assert choose_device(20, 6) is None
    assert choose_device(100, 6) is None
    assert choose_device(100, 6, loops=64) == "cuda"
    assert choose_device(2000, 20) == "cuda"
    assert choose_device(100, 6, candidates=10**7) == "cuda"


def test_costs_of_another_machine_decide_otherwise():
    slow = Costs(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, is_batched=True)
    assert choose_device(100, 6, loops=64, cuda=slow) is None
