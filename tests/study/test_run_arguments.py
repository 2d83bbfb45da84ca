"""What `run`, `minimize` and `maximize` refuse, and that they do so before anything happens."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bbopt import (
    Categorical,
    DataError,
    Integer,
    JournalError,
    Random,
    Real,
    Study,
    UnsupportedError,
    maximize,
    minimize,
)
from bbopt.strategies.auto import Auto
from bbopt.strategies.baxus import BAxUS

LINE = [Real("x", -1, 1)]
HUGE = 10**400


def square(params):
    return params["x"] ** 2


def not_called(params):
    raise AssertionError("the objective was called")


class SizeUnknown(ThreadPoolExecutor):
    def __init__(self):
        super().__init__(3)
        self._max_workers = None


@pytest.mark.parametrize(
    ("f", "options", "message"),
    [
        (None, {"budget": 5}, "f must be a function, .* got None"),
        (3.0, {"budget": 5}, "f must be a function, .* got 3.0"),
        (not_called, {}, "run needs a limit: budget=, deadline=, max_cost= or until="),
        (not_called, {"budget": 2.5}, "budget must be a whole number of trials, got 2.5"),
        (not_called, {"budget": -1}, "budget must be a finite number of at least 0, got -1"),
        (not_called, {"budget": True}, "budget must be .* got True"),
        (not_called, {"budget": "9"}, "budget must be .* got '9'"),
        (not_called, {"budget": math.inf}, "budget must be a finite number .* got inf"),
        (not_called, {"budget": HUGE}, "budget must be a finite number .* got 1000"),
        (not_called, {"deadline": HUGE}, "deadline must be a finite number .* got 1000"),
        (not_called, {"deadline": -1}, "deadline must be .* got -1"),
        (not_called, {"max_cost": math.nan}, "max_cost must be .* got nan"),
        (not_called, {"until": 3}, r"until must be a function, until\(study\) -> bool, got 3"),
        (not_called, {"budget": 5, "callbacks": 3}, "callbacks must be a function, .* got 3"),
        (not_called, {"budget": 5, "callbacks": None}, "callbacks must be a function, .* got None"),
        (not_called, {"budget": 5, "callbacks": [print, 3]}, "callbacks must be .* a list of them, got"),
        (not_called, {"budget": 5, "callbacks": "print"}, "callbacks must be .* got 'print'"),
        (not_called, {"budget": 5, "worker": 3}, "worker must be a string, got 3"),
        (not_called, {"budget": 5, "concurrency": 0}, "concurrency must be an integer of at least 1, got 0"),
        (not_called, {"budget": 5, "concurrency": 4}, "concurrency=4 needs an executor"),
        (not_called, {"budget": 5, "executor": "threads"}, "executor must have a method submit, .*'threads'"),
        (not_called, {"budget": 5, "executor": ThreadPoolExecutor}, r"submit, as a .*Executor\(\) has, got"),
        (not_called, {"budget": 5, "executor": SizeUnknown()}, "SizeUnknown does not tell its size"),
        (
            not_called,
            {"budget": 5, "executor": ThreadPoolExecutor(2), "vectorized": True},
            "executor must be None with vectorized=True",
        ),
    ],
)
@pytest.mark.parametrize("call", [Study.run, minimize, maximize])
def test_nonsense_is_refused_before_anything_happens(tmp_path, call, f, options, message):
    if call is Study.run:
        study = Study(LINE, strategy="random")
        with pytest.raises(DataError, match=message):
            study.run(f, **options)
        assert len(study.trials) == 0
    else:
        with pytest.raises(DataError, match=message):
            call(f, LINE, storage=tmp_path / "study.db", **options)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "odd", [Categorical("c", ["a", "b"]), Integer("c", 1, 3, when={"k": 2})], ids=["category", "condition"]
)
def test_vectorized_needs_numbers_and_says_so_before_a_block_is_asked(tmp_path, odd):
    space = [Integer("k", 1, 3), odd]
    study = Study(space, strategy="random")
    with pytest.raises(UnsupportedError, match="c is not: without vectorized=True"):
        study.run(not_called, 10, vectorized=True)
    assert len(study.trials) == 0
    with pytest.raises(UnsupportedError, match="c is not"):
        minimize(not_called, space, 10, vectorized=True, storage=tmp_path / "study.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("budget", [4, 4.0, np.int64(4), np.float64(4.0)])
def test_a_whole_float_is_a_budget(budget):
    study = Study(LINE, strategy="random", seed=0)
    assert study.run(square, budget) == "budget of 4 trials used"
    assert study.run(lambda X: X[:, 0], budget + 3, vectorized=True) == "budget of 7 trials used"
    assert len(study.trials) == 7
    assert len(minimize(square, LINE, budget).trials) == 4
    assert maximize(square, LINE, budget).strategy == Auto(4)
    with pytest.raises(DataError, match="budget must be at least 1, got 0"):
        minimize(square, LINE, budget - 4)


def test_concurrency_of_one_needs_no_executor():
    study = Study(LINE, strategy="random")
    study.run(square, 3, concurrency=1)
    assert len(study.trials) == 3


@pytest.mark.parametrize("strategy", [{}, {"strategy": "auto"}, {"strategy": None}])
def test_auto_is_told_the_budget_whichever_way_it_is_named(strategy):
    study = minimize(lambda X: X[:, 0] ** 2, LINE, 3000, vectorized=True, seed=0, **strategy)
    assert study.strategy == Auto(3000)


@pytest.mark.parametrize(
    ("strategy", "planned"),
    [
        ("baxus", BAxUS(budget=4)),
        (BAxUS(new_bins=2), BAxUS(budget=4, new_bins=2)),
        (BAxUS(budget=9), BAxUS(budget=9)),
        (Auto(seconds=2.0), Auto(4, seconds=2.0)),
        ("random", Random()),
    ],
)
def test_strategies_that_plan_are_told_the_budget(strategy, planned):
    assert maximize(square, LINE, 4, strategy=strategy).strategy == planned
    assert minimize(square, LINE, deadline=0.0, strategy="baxus").strategy == BAxUS()


@pytest.mark.parametrize("ending", ["db", "jsonl"])
def test_a_study_that_goes_on_keeps_the_budget_it_was_planned_for(tmp_path, ending):
    path, begun_without = tmp_path / f"study.{ending}", tmp_path / f"other.{ending}"
    Study(LINE, strategy="baxus", storage=begun_without).close()
    for budget in (4, 6):
        minimize(square, LINE, budget, storage=path, strategy="baxus").close()
        study = minimize(square, LINE, budget, storage=begun_without, strategy="baxus")
        assert len(study.trials) == budget
        study.close()
    assert Study.open(path).strategy == BAxUS(budget=4)
    assert study.strategy == BAxUS()
    for other in ("sobol", BAxUS(budget=7), BAxUS(new_bins=1)):
        with pytest.raises(JournalError, match="it differs in strategy"):
            minimize(square, LINE, 6, storage=path, strategy=other)
