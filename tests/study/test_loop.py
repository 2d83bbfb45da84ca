"""The loop that calls the objective, and the two functions built on it."""

import io
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from bbopt import (
    DataError,
    Integer,
    Objective,
    Observation,
    Real,
    Status,
    Study,
    maximize,
    minimize,
)
from bbopt.study.loop import EvaluationError

LINE = [Real("x", -1, 1)]


def square(params):
    return params["x"] ** 2


def random_study(**options):
    return Study(LINE, Objective("loss"), strategy="random", seed=0, **options)


def test_budget_counts_what_is_already_there(tmp_path):
    path = tmp_path / "study.db"
    calls = []

    def f(params):
        calls.append(params)
        return square(params)

    first = minimize(f, LINE, 6, storage=path, seed=0, strategy="random")
    assert len(first.trials) == len(calls) == 6
    first.close()
    again = minimize(f, LINE, 10, storage=path, seed=0, strategy="random")
    assert len(calls) == 10
    assert again.run(f, 10) == "budget of 10 trials used"
    assert len(calls) == 10


def test_a_larger_budget_goes_on_with_the_same_study(tmp_path):
    path = tmp_path / "study.db"
    for budget in (2001, 2500):
        study = minimize(lambda X: X[:, 0] ** 2, LINE, budget, vectorized=True, storage=path, seed=0)
        assert len(study.trials) == budget
        study.close()


def test_minimize_and_maximize():
    assert minimize(square, LINE, 15, seed=0).best().value < 1e-3
    assert maximize(lambda p: -square(p), LINE, 15, seed=0).best().value > -1e-3
    with pytest.raises(DataError, match="'sede' is no option; did you mean 'seed'"):
        minimize(square, LINE, 5, sede=1)
    assert len(minimize(square, LINE, deadline=0.05, strategy="random").trials) >= 1


def test_vectorized_gets_the_users_units():
    shapes = []

    def f(X):
        shapes.append(X.shape)
        assert (X[:, 1] >= 10).all()
        assert (X[:, 1] == np.round(X[:, 1])).all()
        return X[:, 0] ** 2 + X[:, 1]

    study = minimize(f, [Real("x", -1, 1), Integer("k", 10, 99)], 5000, vectorized=True, seed=0)
    assert sum(n for n, _ in shapes) == len(study.trials) == 5000
    assert study.best().value == pytest.approx(10, abs=0.01)


def test_failures_go_on_but_a_broken_objective_stops():
    def sometimes(params):
        if params["x"] > 0.5:
            raise RuntimeError("diverged")
        return params["x"]

    study = random_study()
    study.run(sometimes, 20)
    failed = [t for t in study.trials if t.status == Status.FAILED]
    assert failed
    assert {t.error for t in failed} == {"RuntimeError: diverged"}

    def broken(params):
        raise KeyError("y")

    study = random_study()
    with pytest.raises(
        EvaluationError, match=r"each of the first 5 evaluations, the last time KeyError: 'y'"
    ) as raised:
        study.run(broken, 20)
    assert isinstance(raised.value.__cause__, KeyError)
    assert len(study.trials) == 5


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_executors(pool):
    study = random_study()
    with pool(max_workers=3) as executor:
        assert study.run(square, 14, executor=executor) == "budget of 14 trials used"
    assert study.history.count(Status.COMPLETE) == len(study.trials) == 14
    for trial in study.trials:
        assert trial.value == square(trial.params)


def test_concurrency_is_used_and_kept():
    running, most, lock = 0, 0, threading.Lock()

    def f(params):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return square(params)

    study = random_study()
    with ThreadPoolExecutor(8) as executor:
        study.run(f, 12, executor=executor, concurrency=4)
    assert most == 4


def test_limits():
    study = random_study()
    assert study.run(lambda p: time.sleep(0.01) or 1.0, deadline=0.1) == "deadline reached"
    assert 2 <= len(study.trials) <= 12
    study = random_study()

    def costly(params):
        return Observation({"loss": 1.0}, {"loss": 0.1}, cost=2.0)

    assert study.run(costly, max_cost=7) == "max_cost of 7 reached"
    assert len(study.trials) == 4
    assert study.trials[0].observation == Observation({"loss": 1.0}, {"loss": 0.1}, cost=2.0)
    study = random_study()
    assert study.run(square, until=lambda s: len(s.trials) >= 3) == "until(study) is true"
    assert len(study.trials) == 3
    exact = Study([Integer("k", 1, 3)], Objective(noise=0), strategy="random")
    assert "every point of the space of 3 points was asked" in exact.run(lambda p: p["k"], 10)


def test_callbacks_see_every_result():
    seen = []
    study = random_study()
    study.run(square, 5, callbacks=[lambda s, trial: seen.append((len(s.trials), trial.value))])
    assert [n for n, _ in seen] == [1, 2, 3, 4, 5]
    assert [v for _, v in seen] == [t.value for t in study.trials]


@pytest.mark.parametrize("parallel", [False, True])
def test_ctrl_c_keeps_everything_told(tmp_path, parallel):
    path = tmp_path / "study.jsonl"
    study = random_study(storage=path)
    count = 0

    def f(params):
        nonlocal count
        count += 1
        if count == 6:
            raise KeyboardInterrupt
        return square(params)

    with ThreadPoolExecutor(2) as executor, pytest.raises(KeyboardInterrupt):
        study.run(f, 20, executor=executor if parallel else None)
    told = study.history.count(Status.COMPLETE)
    assert told >= 5
    study.close()
    again = Study.open(path)
    assert again.history.count(Status.COMPLETE) == told
    open_before = [t.number for t in again.pending]
    assert again.run(square, 20) == "budget of 20 trials used"
    assert open_before
    assert again.pending == [], "the interrupted trials were taken up again, here one by one"
    assert len(again.trials) == 20


def test_two_runs_on_one_study_do_not_share_a_trial(tmp_path):
    path = tmp_path / "study.db"
    random_study(storage=path).close()
    numbers = []

    def work():
        with Study.open(path) as study:
            study.run(slow, 16, callbacks=[lambda s, trial: numbers.append(trial.number)])

    def slow(params):
        time.sleep(0.02)
        return square(params)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers) == len(set(numbers)), "a trial was run twice"
    assert len(numbers) >= 16


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_and_nowhere_else(monkeypatch, capsys):
    random_study().run(square, 3)
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    random_study().run(square, 3)
    assert "3/3" in terminal.getvalue()
    assert "best " in terminal.getvalue()
    quiet = Terminal()
    monkeypatch.setattr(sys, "stderr", quiet)
    random_study().run(square, 3, progress=False)
    assert quiet.getvalue() == ""


def test_until_is_asked_once_there_is_a_result():
    study = random_study()
    with ThreadPoolExecutor(2) as executor:
        reason = study.run(square, budget=500, until=lambda s: s.best().value < 0.01, executor=executor)
    assert reason == "until(study) is true"


def test_vectorized_uses_the_last_points_and_keeps_failures():
    grid = [Integer("i", 0, 8), Integer("j", 0, 4)]
    study = minimize(lambda X: X.sum(axis=1), grid, 1000, vectorized=True, noise=0, strategy="sobol", seed=0)
    assert study.n_finished == 45
    study = random_study()
    with pytest.raises(EvaluationError, match="ZeroDivisionError"):
        study.run(lambda X: 1 / 0, 10, vectorized=True, concurrency=4)
    assert study.history.count(Status.FAILED) == 4


def test_a_wider_run_takes_up_what_a_narrower_one_left_and_back(tmp_path):
    path = tmp_path / "study.db"
    with random_study(storage=path) as study, study.journal.seat():
        left = study.ask(5, worker="run-0")
    seen = []

    def f(params):
        seen.append(params)
        return square(params)

    with Study.open(path) as study, ThreadPoolExecutor(2) as executor:
        study.run(f, 8, executor=executor)
        assert study.pending == []
        assert len(study.trials) == 8
    assert [trial.params for trial in left] == [p for p in seen if p in [trial.params for trial in left]]


def test_an_interrupted_block_is_taken_up(tmp_path):
    path = tmp_path / "study.db"

    def interrupted(X):
        raise KeyboardInterrupt

    with random_study(storage=path) as study, pytest.raises(KeyboardInterrupt):
        study.run(interrupted, 10, vectorized=True, concurrency=4)
    sizes = []

    def f(X):
        sizes.append(len(X))
        return X[:, 0] ** 2

    with Study.open(path) as study:
        assert [trial.number for trial in study.pending] == [0, 1, 2, 3]
        assert study.run(f, 10, vectorized=True, concurrency=6) == "budget of 10 trials used"
        assert (len(study.trials), study.pending) == (10, [])
    assert sizes == [4, 6]


def test_vectorized_calls_back():
    seen = []
    study = random_study()
    study.run(
        lambda X: X[:, 0] ** 2,
        7,
        vectorized=True,
        concurrency=5,
        callbacks=[lambda s, trial: seen.append((trial.number, trial.value == trial.params["x"] ** 2))],
    )
    assert seen == [(k, True) for k in range(7)]


def crowded():
    """Return a study of 40 points, 20 of them known, and a queued item of which all points are known."""
    grid = [Integer("a", 1, 2), Integer("b", 1, 20)]
    study = Study(grid, Objective(noise=0), strategy="random", seed=0)
    for b in range(1, 21):
        study.add({"a": 1, "b": b}, 1.0)
    study.enqueue({"a": 1})
    study.enqueue({"a": 2, "b": 7})
    return study


@pytest.mark.parametrize("n_threads", [0, 3])
def test_a_queued_item_that_cannot_be_filled_in_is_dropped_and_the_run_goes_on(n_threads):
    study = crowded()
    with ThreadPoolExecutor(3) as threads:
        executor = threads if n_threads else None
        assert study.run(lambda p: p["b"], 40, executor=executor) == "budget of 40 trials used"
        assert study.trials[20].params == {"a": 2, "b": 7}
        assert "every point of the space" in study.run(lambda p: p["b"], 50, executor=executor)
    assert len(study.trials) == 40


@pytest.mark.parametrize(("size", "sizes"), [(1, [1] * 20), (12, [12, 8])])
def test_a_queued_item_that_cannot_be_filled_in_does_not_shrink_the_blocks(size, sizes):
    study, seen = crowded(), []

    def f(X):
        seen.append(len(X))
        return X[:, 1]

    assert study.run(f, 40, vectorized=True, concurrency=size) == "budget of 40 trials used"
    assert seen == sizes


def test_one_callback_needs_no_list():
    seen = []
    random_study().run(square, 3, callbacks=lambda study, trial: seen.append(trial.number))
    assert seen == [0, 1, 2]
