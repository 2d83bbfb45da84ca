"""A run that ends with an error: what had finished is kept, nothing wrong is learnt, the next one goes on."""

import os
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from bbopt import DataError, Objective, Real, Status, Study
from bbopt.study.loop import EvaluationError

LINE = [Real("x", -1, 1)]


def square(params):
    return params["x"] ** 2


def random_study(**options):
    return Study(LINE, Objective("loss"), strategy="random", seed=0, **options)


def statuses(study):
    return [Status(trial.status).name for trial in study.trials]


class AtOnce(Executor):
    """Everything submitted has finished at once: neighbours come in together, whatever the clock does."""

    def submit(self, f, /, *args):
        future = Future()
        try:
            future.set_result(f(*args))
        except BaseException as error:
            future.set_exception(error)
        return future


def returns(*outcomes):
    """Return an objective that returns, or raises, these one after the other."""
    left = iter(outcomes)

    def f(params):
        outcome = next(left)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return f


def test_a_forgotten_return_is_said_and_the_trial_comes_back():
    study = random_study()
    with pytest.raises(DataError, match="must be a number, got None"):
        study.run(lambda params: None, 5)
    pending = study.pending
    study.run(square, 5)
    assert pending[0].number == 0
    assert len(study.trials) == 5


def test_a_bad_outcome_costs_its_neighbours_nothing():
    study = random_study()
    f = returns(None, 0.25, "two", RuntimeError("diverged"), 0.5)
    with pytest.raises(DataError, match="must be a number, got None"):  # the first of the two
        study.run(f, 9, executor=AtOnce(), concurrency=5)
    assert statuses(study) == ["PENDING", "COMPLETE", "PENDING", "FAILED", "COMPLETE"]
    assert [study.trials[k].value for k in (1, 4)] == [0.25, 0.5]
    assert study.trials[3].error == "RuntimeError: diverged"
    assert study.run(square, 9, executor=AtOnce(), concurrency=5) == "budget of 9 trials used"
    assert (len(study.trials), study.pending) == (9, [])


def test_interrupts_in_several_workers_cost_their_neighbours_nothing():
    study = random_study()
    f = returns(KeyboardInterrupt(), KeyboardInterrupt(), 0.5)
    with pytest.raises(KeyboardInterrupt):
        study.run(f, 9, executor=AtOnce(), concurrency=3)
    assert statuses(study) == ["PENDING", "PENDING", "COMPLETE"]


def test_a_callback_that_raises_loses_no_result_and_is_not_called_again():
    study = random_study()
    calls = []

    def callback(s, trial):
        calls.append(trial.number)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        study.run(square, 8, executor=AtOnce(), concurrency=4, callbacks=[callback])
    assert study.n_finished == 4
    assert calls == [0]


def test_a_slow_callback_that_raises_loses_no_result_of_threads():
    study = random_study()

    def callback(s, trial):
        time.sleep(0.1)
        raise RuntimeError("mine")

    with ThreadPoolExecutor(4) as executor, pytest.raises(RuntimeError, match="mine"):
        study.run(square, 8, executor=executor, callbacks=[callback])
    assert study.n_finished == 4


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("storage", [None, "study.jsonl", "study.db"])
@pytest.mark.parametrize("executor", [None, AtOnce()])
def test_exceptions_that_are_hard_to_write_down_are_failures_like_others(tmp_path, storage, executor):
    path = None if storage is None else tmp_path / storage
    study = random_study(storage=path)
    f = returns(0.5, OSError("cannot open '\udcff.csv'"), Mute(), ValueError("long " * 10**5), 0.25)
    assert study.run(f, 5, executor=executor, concurrency=1) == "budget of 5 trials used"
    if path is not None:
        study.close()
        study = Study.open(path)
    assert statuses(study) == ["COMPLETE", "FAILED", "FAILED", "FAILED", "COMPLETE"]
    assert study.trials[1].error == "OSError: cannot open '\\udcff.csv'"
    assert study.trials[2].error == "Mute"
    assert study.trials[3].error.startswith("ValueError: long long")
    assert len(study.trials[3].error) == 10_000


@pytest.mark.parametrize("vectorized", [False, True])
def test_an_objective_that_raises_a_mute_exception_each_time_is_broken(vectorized):
    def f(params):
        raise Mute

    with pytest.raises(EvaluationError, match=r"the objective raised .*Mute; the"):
        random_study().run(f, 3, vectorized=vectorized)


def dies_on_the_right(params):
    if params["x"] > 0.5:
        os._exit(3)
    return square(params)


def test_a_point_that_kills_its_worker_is_failed_and_the_next_run_goes_on(tmp_path):
    study = random_study(storage=tmp_path / "study.db")
    n_broken = 0
    for _ in range(12):  # each run finishes, or fails one
        with ProcessPoolExecutor(1) as executor:
            try:
                study.run(dies_on_the_right, 12, executor=executor)
            except BrokenExecutor:
                n_broken += 1
            assert study.pending == []
    failed = [trial for trial in study.trials if trial.status == Status.FAILED]
    assert len(study.trials) == 12
    assert len(failed) == n_broken >= 1
    assert all(trial.params["x"] > 0.5 for trial in failed)
    assert all(trial.error.startswith("BrokenProcessPool: ") for trial in failed)


def dies_slowly(params):
    time.sleep(0.5)  # until the other one is under way
    os._exit(3)


def test_a_broken_pool_with_several_under_way_accuses_none():
    study = random_study()
    with ProcessPoolExecutor(2) as executor, pytest.raises(BrokenExecutor):
        study.run(dies_slowly, 6, executor=executor)
    assert statuses(study) == ["ABANDONED", "ABANDONED"]
    assert {trial.error for trial in study.trials} == {"its pool broke while it ran"}
    seen = []
    study.run(lambda params: seen.append(params) or 1.0, 6)
    assert len(seen) == 6
    assert all(trial.params not in seen for trial in study.trials[:2]), "they were run again"


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((BrokenExecutor("dead"), 0.5, ValueError()), ["FAILED", "COMPLETE", "FAILED"]),
        ((0.5, BrokenExecutor("dead"), BrokenExecutor("dead")), ["COMPLETE", "ABANDONED", "ABANDONED"]),
        ((KeyboardInterrupt(), 0.5, BrokenExecutor("dead")), ["PENDING", "COMPLETE", "PENDING"]),
    ],
    ids=["one", "two", "interrupted"],
)
def test_what_had_finished_when_the_pool_broke_is_told(outcomes, expected):
    study = random_study()
    with pytest.raises((BrokenExecutor, KeyboardInterrupt)):
        study.run(returns(*outcomes), 9, executor=AtOnce(), concurrency=3)
    assert statuses(study) == expected


class SlowToGiveUp(Executor):
    """A broken pool that says so of one future after the other."""

    def __init__(self):
        self.futures = []

    def submit(self, f, /, *args):
        self.futures.append(Future())
        death = [BrokenExecutor("dead")]
        threading.Timer(0.1 * len(self.futures), self.futures[-1].set_exception, death).start()
        self.futures[-1].set_running_or_notify_cancel()
        return self.futures[-1]


def test_a_broken_pool_may_give_up_its_futures_one_after_the_other():
    study = random_study()
    with pytest.raises(BrokenExecutor):
        study.run(square, 9, executor=SlowToGiveUp(), concurrency=3)
    assert statuses(study) == ["ABANDONED"] * 3


def test_a_pool_that_was_broken_before_accuses_none():
    study = random_study()
    with ProcessPoolExecutor(1) as executor:
        with pytest.raises(BrokenExecutor):
            executor.submit(os._exit, 3).result()
        with pytest.raises(BrokenExecutor):
            study.run(square, 6, executor=executor)
    assert statuses(study) == ["PENDING"]
