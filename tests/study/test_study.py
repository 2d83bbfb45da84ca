"""What users do with a study, and what it answers."""

import contextlib
import math
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from bbopt import (
    BayesianOptimization,
    Categorical,
    ConsensusBasedOptimization,
    DataError,
    Integer,
    JournalError,
    Objective,
    Random,
    Real,
    Sobol,
    Space,
    SpaceError,
    SpaceExhausted,
    Status,
    Study,
    Then,
    UnsupportedError,
)

SPACE = Space(
    [
        Real("lr", 1e-5, 1e-1, log=True),
        Integer("layers", 1, 5),
        Categorical("kernel", ["rbf", "poly"]),
        Integer("degree", 2, 5, when={"kernel": "poly"}),
        Real("temperature", 20, 90, step=0.5, unit="°C"),
    ]
)
LINE = Space([Real("x", 0, 1)])


@pytest.fixture(params=["memory", "study.jsonl", "study.db"])
def storage(request, tmp_path):
    return None if request.param == "memory" else tmp_path / request.param


def line(storage=None, **options):
    return Study(
        LINE, options.pop("objectives", "loss"), storage=storage, seed=0, strategy="random", **options
    )


# -- ask and tell -----------------------------------------------------------------------------------


def test_the_round_trip_of_the_readme(storage):
    study = Study(SPACE, "loss", storage=storage, seed=0)
    for _ in range(8):
        trial = study.ask()
        SPACE.validate(trial.params)
        told = study.tell(trial, 1.0 + trial.params["layers"])
        assert told.status == Status.COMPLETE
        assert told.value == 1.0 + trial.params["layers"]
        assert trial.status == Status.PENDING, "a trial is a snapshot"
    best = study.best()
    assert best.value == min(t.value for t in study.trials)
    assert "best value told among 8" in best.rule
    assert len(study) == len(study.trials) == study.n_finished == 8
    assert study.trials[-1].number == 7
    assert [t.number for t in study.trials[2:4]] == [2, 3]


def test_ask_n_gives_a_list():
    study = line()
    assert study.ask().number == 0
    assert [t.number for t in study.ask(1)] == [1]
    assert [t.number for t in study.ask(3)] == [2, 3, 4]
    assert [t.number for t in study.pending] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True])
def test_ask_refuses_other_counts(n):
    with pytest.raises(DataError, match=r"n must be an integer from 1 to 10000000"):
        line().ask(n)


def test_values_by_name_sequence_and_scalar_kinds():
    study = line()
    for value in (2, 2.5, np.float32(1.5), np.int64(3), np.array(0.5), Fraction(1, 2), Decimal("0.25"), True):
        assert study.tell(study.ask(), value).value == float(value)
    assert study.tell(study.ask(), {"loss": 0.125}).value == 0.125


def test_two_objectives_are_stored_in_the_users_direction(storage):
    study = Study(LINE, [Objective("gain", maximize=True), "cost"], storage=storage, strategy="sobol", seed=1)
    told = study.tell(study.ask(), {"gain": 5.0, "cost": 2.0})
    assert told.values == {"gain": 5.0, "cost": 2.0}
    assert study.tell(study.ask(), [7.0, 1.0]).values == {"gain": 7.0, "cost": 1.0}
    assert study.tell(study.ask(), {"gain": 6.0}).values == {"gain": 6.0}
    np.testing.assert_array_equal(study.history.Y[:2], [[-5.0, 2.0], [-7.0, 1.0]])
    with pytest.raises(UnsupportedError, match="one objective"):
        study.best()
    with pytest.raises(ValueError, match="several outcomes"):
        _ = told.value


def test_maximize_turns_the_direction_once():
    study = Study(LINE, Objective("gain", maximize=True), strategy="random", seed=0)
    for value in (1.0, 3.0, 2.0):
        study.tell(study.ask(), value)
    assert study.best().value == 3.0
    assert study.best(by="model").trial.number == 1
    assert study.predict({"x": study.trials[1].params["x"]}).mean == pytest.approx(3.0, abs=0.2)


# -- what cannot be told ------------------------------------------------------------------------------

WRONG = [
    ("1.5", "must be a real number|must be a number"),
    (None, "if the run broke, use fail"),
    ([1.0], "one number"),
    ([1.0, 2.0], "one number"),
    ({}, "must hold an outcome"),
    ({"los": 1.0}, "there is 'loss'"),
    ({"loss": "1"}, "must be a"),
    (1j, "must be a"),
    (10**400, "fits a float"),
    (np.ma.masked, "must be a number"),
    (object(), "must be a number"),
    (np.array([1.0]), "one number"),
]


@pytest.mark.parametrize(("value", "message"), WRONG, ids=[repr(v)[:20] for v, _ in WRONG])
def test_a_wrong_value_changes_nothing(storage, value, message):
    study = line(storage)
    trial = study.ask()
    seq = study._session.record.seq
    with pytest.raises(DataError, match=message):
        study.tell(trial, value)
    assert study._session.record.seq == seq
    assert study.trials[0] == trial
    assert study.tell(trial, 1.0).value == 1.0
    assert study.ask().number == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_not_finite_means_failed_and_says_so(storage, value):
    study = line(storage)
    told = study.tell(study.ask(), value)
    assert told.status == Status.FAILED
    assert "told loss = " in told.error
    assert "counted as failed" in told.error
    assert study.tell(told.number, value) == told, "told twice is told once"
    assert study.ask().number == 1
    with pytest.raises(DataError, match=r"no trial is complete yet \(2 trials, 1 failed\)"):
        study.best()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sd": -1.0}, "sd of loss"),
        ({"sd": math.nan}, "sd of loss"),
        ({"sd": "x"}, "sd of loss"),
        ({"cost": -1}, "cost must be"),
        ({"cost": "x"}, "cost must be"),
        ({"at": {"y": 1}}, "'y'"),
        ({"at": {"x": "a"}}, "x"),
        ({"at": 3}, "mapping"),
    ],
)
def test_wrong_sd_cost_and_at_change_nothing(options, message):
    study = line()
    trial = study.ask()
    with pytest.raises(DataError, match=message):
        study.tell(trial, 1.0, **options)
    assert study.pending == [trial]


@pytest.mark.parametrize("trial", [5, -1, "0", None, True, 0.0])
def test_unknown_trials(trial):
    study = line()
    study.ask()
    with pytest.raises(DataError, match="trial"):
        study.tell(trial, 1.0)


def test_a_trial_of_another_study():
    study, other = line(), Study(LINE, "loss", seed=1, strategy="random")
    study.ask()
    with pytest.raises(DataError, match="not of this study"):
        study.tell(other.ask(), 1.0)


# -- second tells, late tells, corrections ------------------------------------------------------------


def test_a_second_equal_tell_is_nothing_a_different_one_is_late(storage):
    study = line(storage)
    trial = study.ask()
    study.tell(trial, 1.0, cost=2.0)
    seq = study._session.record.seq
    study.tell(trial, 1.0)
    study.tell(trial, 1.0, cost=2.0)
    assert study._session.record.seq == seq
    late = study.tell(trial, 9.0)
    assert late.value == 1.0
    assert [o.values for o in late.late] == [{"loss": 9.0}]
    assert study.best().value == 1.0
    amended = study.amend(trial, 0.5, sd=0.1)
    assert amended.value == 0.5
    assert amended.observation.sd == {"loss": 0.1}
    assert study.best().value == 0.5


def test_fail_then_tell_is_late_and_amend_corrects():
    study = line()
    trial = study.ask()
    assert study.fail(trial, "diverged").error == "diverged"
    assert study.tell(trial, 1.0).status == Status.FAILED
    assert study.trials[0].late[0].values == {"loss": 1.0}
    assert study.amend(trial, 1.0).status == Status.COMPLETE
    assert study.trials[0].error == ""


def test_a_result_of_an_abandoned_trial_still_counts():
    study = line()
    trial = study.ask()
    assert study.abandon(trial, "no time").status == Status.ABANDONED
    assert study.pending == []
    assert study.tell(trial, 3.0).status == Status.COMPLETE
    assert study.best().value == 3.0


def test_amend_needs_a_result():
    study = line()
    with pytest.raises(DataError, match="use tell"):
        study.amend(study.ask(), 1.0)


def test_at_is_what_was_really_run(storage):
    study = Study(SPACE, "loss", storage=storage, strategy="random", seed=0)
    trial = study.ask()
    ran = {**trial.params, "temperature": 90.3}
    told = study.tell(trial, 1.0, at=ran)
    assert told.params == trial.params
    assert told.at == ran
    assert study.history.X[0, -1] == pytest.approx(70.3 / 70)
    with pytest.raises(DataError, match="outside the space"):
        study.best()
    study.tell(study.ask(), 2.0)
    assert study.best().value == 2.0, "the best trial lies in the space"


# -- add, enqueue, fixed ------------------------------------------------------------------------------


def test_add_brings_old_data(storage):
    study = Study(SPACE, "loss", storage=storage, strategy="random", seed=0)
    params = {"lr": 0.01, "layers": 2, "kernel": "rbf", "temperature": 20.25}
    added = study.add(params, 0.5, sd=0.01, cost=3.0)
    assert added.status == Status.COMPLETE
    assert added.params == params
    assert study.add({**params, "temperature": 21}, math.nan).status == Status.FAILED
    for wrong in (
        {**params, "degree": 3},
        {"lr": 0.01},
        {**params, "kernel": "sigmoid"},
        {**params, "lr": -1.0},
    ):
        with pytest.raises(DataError):
            study.add(wrong, 1.0)
    assert len(study) == 2
    assert study.explain(0).endswith("added from elsewhere.")


def test_enqueued_params_come_first_and_verbatim(storage):
    study = Study(SPACE, "loss", storage=storage, strategy="random", seed=0)
    params = {"lr": 0.012345, "layers": 2, "kernel": "poly", "degree": 3, "temperature": 21.5}
    study.enqueue(params)
    study.enqueue({"kernel": "rbf", "layers": 4})
    first, second, third = study.ask(3)
    assert first.params == params
    assert (second.params["kernel"], second.params["layers"]) == ("rbf", 4)
    assert SPACE.validate(second.params)
    assert "enqueued" not in third.tag
    assert "you asked for these" in study.explain(first)
    for wrong in ({"layers": 9}, {"layer": 2}, {"degree": 3, "kernel": "rbf"}, {**params, "lr": 1.0}):
        with pytest.raises(DataError):
            study.enqueue(wrong)


def test_fixed_values_are_kept():
    study = Study(SPACE, "loss", strategy="random", seed=0)
    for trial in study.ask(20, fixed={"kernel": "poly", "degree": 5}):
        assert (trial.params["kernel"], trial.params["degree"]) == ("poly", 5)
    assert study.ask(fixed={"degree": 5}).params["kernel"] == "poly", "what makes it active is fixed, too"
    with pytest.raises(DataError, match="degree"):
        study.ask(fixed={"degree": 5, "kernel": "rbf"})
    with pytest.raises(DataError, match="layers"):
        study.ask(fixed={"layers": 6})
    assert len(study) == 21


# -- reopening ----------------------------------------------------------------------------------------


@pytest.fixture(params=["study.jsonl", "study.db"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_reopening_needs_nothing(path):
    study = Study(
        SPACE, Objective("loss", noise=0.1), storage=path, strategy=Then(Sobol(), 3, Random()), seed=4
    )
    for trial in study.ask(5):
        study.tell(trial, float(trial.number))
    study.fail(study.ask(), "broke")
    study.enqueue({"layers": 3})
    study.close()
    again = Study.open(path)
    assert again.seed == 4
    assert again.strategy == Then(Sobol(), 3, Random())
    assert again.spec.objectives == (Objective("loss", noise=0.1),)
    assert again.space == SPACE
    assert list(again.trials) == list(study.trials)
    assert again.ask().params["layers"] == 3
    once_more = Study(SPACE, Objective("loss", noise=0.1), storage=path)
    assert len(once_more) == 7


def test_another_spec_raises_with_the_difference(path):
    Study(SPACE, "loss", storage=path, seed=0).ask()
    before = path.read_bytes()
    for spec, options, words in [
        ((LINE, "loss"), {}, ("temperature", '"x"')),
        ((SPACE, "error"), {}, ('-    "name": "loss"', '+    "name": "error"')),
        ((SPACE, "loss"), {"seed": 1}, ('- "seed": 0', '+ "seed": 1')),
        ((SPACE, "loss"), {"strategy": "random"}, ("auto", "random")),
        ((SPACE, "loss"), {"lease": 3.0}, ("lease", "3")),
    ]:
        with pytest.raises(JournalError, match="holds another study") as raised:
            Study(*spec, storage=path, **options)
        for word in words:
            assert word in str(raised.value)
    assert path.read_bytes() == before
    assert len(Study.open(path)) == 1


def test_open_needs_a_study(tmp_path):
    with pytest.raises(JournalError, match="no study"):
        Study.open(tmp_path / "missing.db")
    with pytest.raises(JournalError, match=r"\.db"):
        Study(LINE, storage=tmp_path / "study.xlsx")


def test_callable_constraints_are_supplied_again(path):
    def below(params):
        return params["x"] < 0.5

    study = Study(Space([Real("x", 0, 1)], [below]), storage=path, strategy="random", seed=0)
    assert all(t.params["x"] < 0.5 for t in study.ask(5))
    with pytest.raises(JournalError, match="below"):
        Study.open(path)
    assert Study.open(path, constraints={"below": below}).ask().params["x"] < 0.5


def test_a_custom_strategy_is_supplied_again(path):
    class Mine(Random):
        pass

    Study(LINE, storage=path, strategy=Mine(), seed=0).ask()
    with pytest.raises(JournalError, match="strategy of your own"):
        Study.open(path)
    assert len(Study.open(path, strategy=Mine())) == 1


@pytest.mark.parametrize(
    "strategy", [BayesianOptimization(n_initial=4), ConsensusBasedOptimization(n_particles=5)]
)
def test_killed_at_any_moment_equals_uninterrupted(path, strategy):
    """A fresh study object for every call: nothing but the journal carries over."""

    def f(params):
        return (params["x"] - 0.3) ** 2

    straight = Study(LINE, Objective("loss", noise=0), strategy=strategy, seed=7)
    for _ in range(14):
        trial = straight.ask(worker="w")
        straight.tell(trial, f(trial.params))
    Study(LINE, Objective("loss", noise=0), strategy=strategy, seed=7, storage=path).close()
    for k in range(14):
        with Study.open(path) as study:
            trial = study.ask(worker="w")
        if k % 3 == 0:  # killed between ask and tell: the worker gets its own trial back
            with Study.open(path) as study:
                assert study.ask(worker="w") == trial
        with Study.open(path) as study:
            study.tell(trial, f(trial.params))
    with Study.open(path) as study:
        assert [t.params for t in study.trials] == [t.params for t in straight.trials]


# -- workers and leases -------------------------------------------------------------------------------


def test_a_worker_gets_its_own_open_trial_back():
    study = line()
    a, b = study.ask(worker="a"), study.ask(worker="b")
    assert study.ask(worker="a") == a
    assert study.ask().number == 2
    study.tell(a, 1.0)
    assert study.ask(worker="a").number == 3
    assert [t.number for t in study.ask(2, worker="b")] == [b.number, 4]


def test_an_expired_lease_hands_the_params_out_again(storage):
    study = line(storage, lease=0.05)
    lost = study.ask()
    time.sleep(0.1)
    again = study.ask()
    assert again.params == lost.params
    assert again.tag == {"retry_of": 0}
    assert study.trials[0].status == Status.ABANDONED
    assert study.trials[0].error == "its lease expired"
    assert "trial 0 came to nothing" in study.explain(again)
    assert study.tell(lost, 1.0).status == Status.COMPLETE, "a result that comes after all counts"
    assert study.tell(again, 1.5).value == 1.5
    assert study.ask().params != lost.params


def test_every_lost_trial_comes_back(storage):
    study = line(storage, lease=0.05)
    lost = [trial.params for trial in study.ask(3)] + study.ask_block(2).params()
    time.sleep(0.1)
    assert [study.ask().params for _ in range(5)] == lost
    assert study.ask().params not in lost


def test_without_a_lease_nothing_expires():
    study = line()
    first = study.ask()
    time.sleep(0.01)
    assert study.ask().params != first.params
    assert study.pending[0] == first


def test_n_trials_or_none(storage):
    study = Study([Integer("k", 1, 4)], Objective(noise=0), storage=storage, strategy="random", seed=0)
    asked = study.ask(2)
    new = sorted({1, 2, 3, 4} - {trial.params["k"] for trial in asked})
    study.enqueue({"k": new[0]})
    for call in (study.ask, study.ask_block):
        with pytest.raises(SpaceExhausted, match="has 1 new points left, 2 were asked for"):
            call(3)
        assert [t.number for t in study.pending] == [0, 1], "nobody was told of others"
    assert study.ask().params == {"k": new[0]}, "what was queued is still to be tried"
    assert study.ask().params == {"k": new[1]}


# -- blocks -------------------------------------------------------------------------------------------


def test_a_block_begins_with_what_is_queued(storage):
    study = Study([Real("x", 0, 1), Real("y", 0, 1)], storage=storage, strategy="cbo", seed=0)
    study.enqueue({"x": 0.25, "y": 0.75})
    study.enqueue({"x": 0.5})
    block = study.ask_block(5)
    assert len(block) == 5
    np.testing.assert_array_equal(block.values()[0], [0.25, 0.75])
    assert block.params()[1]["x"] == 0.5
    assert 0.25 not in study.ask_block(5).columns()["x"]
    study.tell_block(block, np.arange(5.0))
    assert [t.value for t in study.trials[:5]] == [0, 1, 2, 3, 4]
    assert study.ask().number == 10


def test_a_worker_gets_its_own_block_back(storage):
    study = line(storage)
    study.ask(worker="b")
    mine = study.ask_block(4, worker="a")
    assert study.ask_block(2, worker="b").numbers == range(0, 1)
    assert study.ask_block(4, worker="a").numbers == mine.numbers
    assert study.ask_block(3, worker="a").numbers == mine.numbers[:3]
    study.tell(mine.numbers[1], 1.0)
    assert study.ask_block(4, worker="a").numbers == mine.numbers[:1], "as far as they are in a row"
    study.fail(mine.numbers[0])
    assert study.ask_block(4, worker="a").numbers == mine.numbers[2:]
    study.tell_block(mine, np.arange(4.0))
    assert study.trials[2].value == 1.0
    assert study.trials[1].late[0].values == {"loss": 0.0}
    assert study.ask_block(4, worker="a").numbers == range(5, 9)
    with pytest.raises(DataError, match="ask_block: worker must be a string, got 3"):
        study.ask_block(2, worker=3)


def test_a_second_tell_of_a_block_is_kept_as_late(storage):
    study = line(storage)
    block = study.ask_block(3)
    study.tell_block(block, [1.0, 2.0, np.nan], cost=[1.0, 1.0, 1.0])
    study.tell_block(block, [1.0, 2.0, np.nan])
    assert not any(trial.late for trial in study.trials)
    for _ in range(2):
        study.tell_block(block, [1.0, 5.0, 6.0], cost=[1.0, 1.0, 1.0])
    assert [[o.values for o in trial.late] for trial in study.trials] == [
        [],
        [{"loss": 5.0}],
        [{"loss": 6.0}],
    ]
    assert [trial.value for trial in study.trials] == [1.0, 2.0, None]


def test_a_late_result_is_kept_once(storage):
    study = line(storage)
    trial = study.ask()
    for value in (1.0, 2.0, 2.0, np.nan, np.nan, 1.0):
        study.tell(trial, value)
    late = study.trials[0].late
    assert [observation.values for observation in late] == [{"loss": 2.0}, {}]
    assert study.tell(trial, 1.0, at={"x": 0.5}).late[-1].values == {"loss": 1.0}


def test_blocks(storage):
    study = Study(Space([Real("x", -5, 5), Integer("k", 0, 9)]), storage=storage, strategy="sobol", seed=0)
    block = study.ask_block(50)
    assert len(block) == 50
    values = block.values()
    assert values.shape == (50, 2)
    assert ((values[:, 0] >= -5) & (values[:, 0] <= 5)).all()
    y = values[:, 0] ** 2
    y[3] = np.nan
    study.tell_block(block, y)
    assert study.trials[3].status == Status.FAILED
    assert study.trials[4].value == y[4]
    assert study.trials[4].params == block.params()[4]
    assert study.best().value == np.nanmin(y)
    for wrong in (y[:-1], np.ones((50, 2)), ["a"] * 50, None):
        with pytest.raises(DataError, match="values must"):
            study.tell_block(study.ask_block(50), wrong)
    if storage is not None:
        study.close()
        again = Study.open(storage)
        assert list(again.trials[:50]) == list(study.trials[:50])


def test_block_rows_and_single_trials_mix():
    study = Study(LINE, strategy="random", seed=0)
    block = study.ask_block(4)
    study.tell(2, 1.0)
    study.abandon(1)
    study.tell_block(block, [5.0, 6.0, 7.0, 8.0], cost=[1, 1, 1, 1])
    assert [t.status.name for t in study.trials] == ["COMPLETE"] * 4
    assert study.trials[2].value == 1.0


# -- looking ------------------------------------------------------------------------------------------


def test_best_under_noise_looks_at_the_model():
    study = Study(LINE, Objective("loss", noise=0.5), strategy="random", seed=3)
    rng = np.random.default_rng(0)
    for _ in range(40):
        trial = study.ask()
        study.tell(trial, 4 * (trial.params["x"] - 0.5) ** 2 + 0.5 * rng.standard_normal())
    best = study.best()
    assert "posterior mean" in best.rule
    assert abs(best.params["x"] - 0.5) < 0.25
    assert study.best(by="observed").value == min(t.value for t in study.trials)
    with pytest.raises(DataError, match="by must be"):
        study.best(by="luck")


def test_recommend_predict_explain():
    study = Study(LINE, "loss", strategy=BayesianOptimization(n_initial=4), seed=0)
    for _ in range(12):
        trial = study.ask()
        study.tell(trial, (trial.params["x"] - 0.3) ** 2)
    recommended = study.recommend()
    assert recommended.params["x"] == pytest.approx(0.3, abs=0.01)
    assert recommended.mean == pytest.approx(0.0, abs=0.01)
    for trial in study.trials:
        told = study.predict(trial.params)
        assert told.mean == pytest.approx(trial.value, rel=0.05, abs=1e-3)
        assert told.sd >= 0
    assert len(study.predict([{"x": 0.1}, {"x": 0.2}])) == 2
    assert "the model expected loss = " in study.explain(11)
    assert "space-filling" in study.explain(0)
    assert study.best() is study.best(), "nothing is computed twice"


def test_nothing_told_yet():
    study = line()
    for ask in (study.best, study.recommend):
        with pytest.raises(DataError, match="no trial is complete yet"):
            ask()


def test_to_dataframe():
    study = Study(SPACE, "loss", strategy="random", seed=0)
    study.tell(study.ask(), 1.0, sd=0.5, cost=2.0)
    study.fail(study.ask(), "broke")
    study.ask()
    frame = study.to_dataframe()
    assert list(frame["status"]) == ["COMPLETE", "FAILED", "PENDING"]
    assert list(frame.columns) == [
        "number", "status", "lr", "layers", "kernel", "degree", "temperature",
        "loss", "loss sd", "cost", "seconds", "error",
    ]  # fmt: skip
    assert frame.loc[0, "loss"] == 1.0
    assert frame.loc[1, "error"] == "broke"


def test_repr_says_what_it_is():
    study = line()
    study.tell(study.ask(), 1.0)
    study.ask()
    assert repr(study) == "<Study of loss: 2 trials, 1 pending, 1 complete, in memory>"
    assert repr(study.trials) == "<2 trials>"


# -- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"strategy": "bayes"}, SpaceError, "'bayes' is unknown; there are auto, random"),
        ({"strategy": Random}, SpaceError, "is a class: make an object"),
        ({"strategy": object()}, SpaceError, "lacks init, ask, tell"),
        ({"seed": 1.5}, DataError, "seed must be"),
        ({"lease": -1}, DataError, "lease must be"),
        ({"objectives": []}, SpaceError, "at least one"),
        ({"objectives": ["a", "a"]}, SpaceError, "different names"),
        ({"objectives": [1]}, SpaceError, "names or Objective"),
        (
            {"objectives": ["a", "b"], "strategy": "bo"},
            UnsupportedError,
            "handles 1 objective, this study has 2",
        ),
        ({"objectives": Objective("a"), "storage": 3}, JournalError, "storage"),
    ],
)
def test_malformed_studies(options, error, message):
    with pytest.raises(error, match=message):
        Study(LINE, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Objective(""),
        lambda: Objective("a", noise=-1),
        lambda: Objective("a", noise=math.nan),
        lambda: Objective("a", maximize="yes"),
        lambda: Objective("a", reference=math.inf),
    ],
)
def test_malformed_objectives(make):
    with pytest.raises(SpaceError):
        make()


def test_a_missing_seed_is_drawn_and_recorded(path):
    study = Study(LINE, storage=path, strategy="random")
    first = study.ask()
    assert Study.open(path).seed == study.seed
    assert Study(LINE, seed=study.seed, strategy="random").ask().params == first.params


def test_a_list_of_parameters_is_a_space():
    assert Study([Real("x", 0, 1)], strategy="random").space == LINE


def test_unknown_noise_repeats_only_when_all_is_used():
    study = Study([Integer("k", 1, 3)], strategy="random", seed=0)
    trials = study.ask(7)
    assert sorted(t.params["k"] for t in trials[:3]) == [1, 2, 3]
    assert all("replicate_of" in t.tag for t in trials[3:])
    exact = Study([Integer("k", 1, 3)], Objective(noise=0), strategy="random", seed=0)
    exact.ask(2)
    with pytest.raises(SpaceExhausted, match=r"of 3 points has 1 new points left, 2 were asked for"):
        exact.ask(2)
    exact.ask()
    with pytest.raises(SpaceExhausted, match="every point of the space of 3 points was asked"):
        exact.ask()


@pytest.mark.parametrize(
    ("space", "far"),
    [([Integer("x", 1, 9)], -(10**400)), ([Real("x", 1e-9, 1.001e-9)], 1e308), ([Real("x", 0, 1)], 1e300)],
)
def test_observations_far_away_never_break_a_study(storage, space, far):
    study = Study(space, strategy=BayesianOptimization(n_initial=3), seed=0, storage=storage)
    for k in range(6):
        study.tell(study.ask(), float(k))
    for do in (lambda: study.add({"x": far}, 1.0), lambda: study.tell(study.ask(), 1.0, at={"x": far})):
        with contextlib.suppress(DataError):  # either way is fine, but it must be the user's to see
            do()
    assert study.ask().number == len(study) - 1
    if storage is not None:
        study.close()
        assert len(Study.open(storage)) == len(study)


def test_what_cannot_be_enqueued_or_filled_in_never_blocks_the_queue(storage):
    space = Space([Integer("i", 0, 1), Integer("j", 0, 1)], constraints=["i + j <= 1.5"])
    study = Study(space, Objective(noise=0), strategy="random", seed=0, storage=storage)
    with pytest.raises(DataError):
        study.enqueue({"i": 1, "j": 1})
    study.enqueue({"i": 0, "j": 0})
    study.enqueue({"j": 1})
    study.enqueue({"j": 1})
    study.ask(2)
    with pytest.raises(SpaceExhausted):
        study.ask()
    assert study.ask().params == {"i": 1, "j": 0}
    half = Study(Space([Real("x", 0, 1), Real("y", 0, 1)], ["x + y <= 0.5"]), strategy="random", seed=0)
    with pytest.raises(SpaceError, match="no feasible point"):
        half.enqueue({"x": 0.9})
    assert half.ask().number == 0


def test_blocks_are_checked_like_single_tells():
    study, other = (Study(LINE, strategy="random", seed=s) for s in (0, 1))
    block = study.ask_block(3)
    other.ask_block(3)
    with pytest.raises(DataError, match="not of this study"):
        other.tell_block(block, [1.0, 2.0, 3.0])
    for options in (
        {"cost": [1, math.nan, 1]},
        {"cost": [-1, 1, 1]},
        {"sd": [math.inf, 1, 1]},
        {"sd": [-1, 1, 1]},
    ):
        with pytest.raises(DataError, match="finite numbers of at least 0"):
            study.tell_block(block, [1.0, 2.0, 3.0], **options)
    with pytest.raises(DataError, match="array of numbers"):
        study.tell_block(block, ["1", "2", "3"])
    study.abandon(1)
    study.tell_block(block, [1.0, 2.0, 3.0])
    assert [t.value for t in study.trials] == [1.0, 2.0, 3.0], "a result is never thrown away"


def test_fixed_values_come_before_a_workers_open_trial():
    study = line()
    study.ask(worker="a")
    assert study.ask(worker="a", fixed={"x": 0.25}).params == {"x": 0.25}
