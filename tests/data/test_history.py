"""The columnar history."""

import numpy as np
import pytest

from bbopt import Integer, Objective, Real, Space, Status, Study
from bbopt.data.history import History
from bbopt.spec import Spec

SPEC = Spec(Space([Real("x", 0, 10), Integer("k", 0, 4)]), (Objective("a"), Objective("b", maximize=True)))


def test_columns_grow_and_stay_read_only():
    history = History(SPEC)
    for n in (1, 5, 300):
        history.append(np.full((n, 2), 0.5))
    assert len(history) == 306
    assert history.X.shape == (306, 2)
    assert history.count(Status.PENDING) == 306
    for column in (history.X, history.Y, history.status, history.cost, history.sd, history.inside):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_dataset_holds_what_models_learn_from():
    history = History(SPEC)
    history.append(np.arange(12.0).reshape(6, 2) / 12)
    history.finish(
        np.array([0]), Status.COMPLETE, Y=np.array([[1.0, -2.0]]), sd=np.array([[0.5, np.nan]]), cost=3.0
    )
    history.finish(np.array([1]), Status.FAILED, error="broke")
    history.finish(np.array([2]), Status.ABANDONED)
    history.finish(np.array([3]), Status.COMPLETE, Y=np.array([[4.0, np.nan]]))
    data = history.dataset()
    np.testing.assert_array_equal(data.numbers, [0, 3])
    np.testing.assert_array_equal(data.Y, [[1.0, -2.0], [4.0, np.nan]])
    np.testing.assert_array_equal(data.Yvar, [[0.25, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(data.X_failed, history.X[1:2])
    np.testing.assert_array_equal(data.X_pending, history.X[4:])
    np.testing.assert_array_equal(data.cost, [3.0, np.nan])
    trial = history.trial(0)
    assert trial.values == {"a": 1.0, "b": 2.0}
    assert trial.observation.sd == {"a": 0.5}
    assert trial.observation.cost == 3.0
    assert history.trial(1).error == "broke"
    assert [history.count(s) for s in Status] == [2, 2, 1, 0, 1]


def test_asked_points_are_found_again():
    history = History(SPEC)
    history.append(np.array([[0.0, 0.25], [0.5, 0.5]]))
    history.append(np.array([[-0.0, 0.25]]))
    assert history.numbers_of(np.array([[0.0, 0.25], [0.5, 0.5], [0.5, 0.75]])) == [0, 1, None]


def test_a_scope_shows_only_its_part_of_the_tags():
    history = History(SPEC)
    history.append(np.zeros((3, 2)), tags=[{"first": {"index": 3}}, {"after": {"index": 7}}, {}])
    first, after = history.scoped("first"), history.scoped("after")
    assert [first.tag(k) for k in range(3)] == [{"index": 3}, {}, {}]
    assert first.latest("index")["index"] == first.latest("other", "index")["index"] == 3
    assert (after.latest("index")["index"], history.latest("index")) == (7, {})
    assert first.rows([0, 1]).tags == [{"index": 3}, {}]


def test_trials_are_a_lazy_sequence():
    study = Study([Real("x", 0, 1)], strategy="random", seed=0)
    study.ask_block(1000)
    trials = study.trials
    assert len(trials) == 1000
    assert trials[-1].number == 999
    assert [t.number for t in trials[10:40:10]] == [10, 20, 30]
    with pytest.raises(IndexError):
        trials[1000]
    assert trials[0] in list(trials[:2])
