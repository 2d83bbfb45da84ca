"""Calls in odd orders and with odd arguments: nothing told is lost, nothing is silently ignored."""

import math
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from bbopt import (
    Categorical,
    ConsensusBasedOptimization,
    DataError,
    Grid,
    Integer,
    JournalError,
    LatinHypercube,
    Objective,
    Random,
    Real,
    Sobol,
    Space,
    SpaceError,
    Status,
    Study,
    Then,
    UnsupportedError,
)
from bbopt.strategies.strategy import Proposals
from bbopt.study.journal import MemoryJournal

LINE = [Real("x", 0, 1)]


def line(storage=None, strategy="sobol", **options):
    return Study(LINE, Objective("loss"), strategy=strategy, storage=storage, seed=0, **options)


@pytest.fixture(params=["memory", "study.jsonl", "study.db"])
def storage(request, tmp_path):
    return None if request.param == "memory" else tmp_path / request.param


# -- known constraints that raise ----------------------------------------------------------------------


def positive(params):
    return 1 / params["x"] > 0


def test_a_constraint_that_raises_at_an_observed_point_is_not_met_there(tmp_path):
    path = tmp_path / "study.db"
    with Study(Space(LINE, [positive]), strategy="sobol", storage=path, seed=0) as study:
        study.tell(study.ask(), 1.0)
        study.tell(study.ask(), 2.0, at={"x": 0.0})
        study.add({"x": 0.0}, -3.0)
        assert study.best().value == 1.0
        before = study.ask().params
    with Study.open(path, constraints={"positive": positive}) as study:
        assert study.pending[0].params == before
        assert [trial.value for trial in study.trials] == [1.0, 2.0, -3.0, None]
    with pytest.raises(JournalError, match=r"'negative', which is no function of .*; there is 'positive'"):
        Study.open(path, constraints={"negative": positive})


# -- closed, interrupted -------------------------------------------------------------------------------


def test_a_closed_study_says_so_and_stays_readable(storage):
    study = line(storage)
    trial = study.ask()
    study.tell(trial, 1.0)
    study.close()
    for call in (lambda: study.tell(trial, 2.0), study.ask, lambda: study.add({"x": 0.5}, 1.0)):
        with pytest.raises(JournalError, match="closed"):
            call()
    assert study.best().value == 1.0


@pytest.mark.parametrize("call", ["append", "finish"])
def test_an_interrupt_amid_a_fold_leaves_the_study_whole(storage, monkeypatch, call):
    study = line(storage)
    study.tell(study.ask(), 1.0)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study.history, call, interrupt)
        with pytest.raises(KeyboardInterrupt):
            study.tell(study.ask(), 2.0)
    study.tell(study.ask(), 3.0)
    assert study._session.record.finished == ([0, 2] if call == "append" else [0, 1, 2])
    assert study.trials[-1].value == 3.0


def test_an_interrupt_amid_a_strategys_tell_leaves_its_state_whole(monkeypatch):
    study = line(strategy=ConsensusBasedOptimization(n_particles=3))
    for k, trial in enumerate(study.ask(3)):
        study.tell(trial, float(k))
    real = ConsensusBasedOptimization.tell

    def interrupted(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ConsensusBasedOptimization, "tell", interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.ask()
    assert [t.params for t in study.ask(3)] == [t.params for t in Study.open(study.journal).trials[3:]]
    assert study._session.state().generation == 1
    undisturbed = line(strategy=ConsensusBasedOptimization(n_particles=3))
    for k, trial in enumerate(undisturbed.ask(3)):
        undisturbed.tell(trial, float(k))
    assert [t.params for t in undisturbed.ask(3)] == [t.params for t in study.trials[3:]]


# -- blocks and where they really ran ------------------------------------------------------------------


def test_what_a_block_proposed_stays_known(storage):
    study = line(storage)
    block = study.ask_block(2)
    trial, planned = study.trials[0], block.X.copy()
    assert study.tell(trial, 1.0, at={"x": 3.0}).params == trial.params
    np.testing.assert_array_equal(block.X, planned)
    assert study.amend(trial, 2.0).value == 2.0
    assert study.trials[0].at == {"x": 3.0}


# -- values given in part ------------------------------------------------------------------------------


def test_values_given_in_part_are_kept_to_the_last_digit(storage):
    space = [Integer("n", 1, 5), Real("lr", 1e-5, 0.1, log=True), Real("y", 0, 1)]
    study = Study(space, storage=storage, strategy="sobol", seed=0)
    assert study.ask(fixed={"lr": 1e-3}).params["lr"] == 1e-3
    study.enqueue({"n": 3.0, "lr": np.float64(1e-3)})
    params = study.ask().params
    assert (params["n"], params["lr"]) == (3, 1e-3)
    assert (type(params["n"]), type(params["lr"])) == (int, float)
    with pytest.raises(DataError):
        study.enqueue({"y": np.array([0.1, 0.2])})


def test_one_point_is_one_point_however_it_was_written():
    grid = Study(
        [Real("x", 0.1, 0.7), Real("y", 0.1, 0.7)], Objective(noise=0), strategy=Grid(levels=7), seed=0
    )
    seen = [grid.ask(fixed={"x": 0.3}).params["y"] for _ in range(7)]
    assert len({round(y, 9) for y in seen}) == 7
    grid = Study([Real("y", 0.1, 0.7)], Objective(noise=0), strategy=Grid(levels=3), seed=0)
    grid.add({"y": 0.4}, 1.0)
    assert 0.4 not in [round(grid.ask().params["y"], 9) for _ in range(2)]


# -- tables --------------------------------------------------------------------------------------------


def test_columns_with_one_name_do_not_cover_each_other():
    study = Study(
        [Real("cost", 0, 1), Real("loss", 10, 20), Real("x", 3, 4)],
        ["loss", "error"],
        strategy="sobol",
        seed=0,
    )
    trial = study.tell(study.ask(), [0.5, 2.0], cost=7)
    study.fail(study.ask(), "broke")
    table = study.to_dataframe()
    assert list(table.columns) == [
        "number", "status", "params.cost", "params.loss", "x", "loss", "values.error", "loss sd",
        "values.error sd", "cost", "seconds", "error",
    ]  # fmt: skip
    row = table.iloc[0]
    assert (row["params.cost"], row["loss"], row["values.error"], row["cost"]) == (
        trial.params["cost"],
        0.5,
        2.0,
        7,
    )
    assert table["loss sd"].dtype == float


# -- corrections ---------------------------------------------------------------------------------------


def test_an_amended_value_keeps_what_else_was_told(storage):
    study = line(storage)
    trial = study.ask()
    study.tell(trial, 31.0, sd=0.1, cost=5.0, at={"x": 0.3})
    amended = study.amend(trial, 0.31)
    assert (amended.value, amended.observation.sd, amended.observation.cost) == (0.31, {"loss": 0.1}, 5.0)
    assert amended.at == {"x": 0.3}
    assert study.amend(trial, math.nan).observation.cost == 5.0
    amended.at["x"] = 99
    assert study.trials[0].at == {"x": 0.3}


def test_abandon_withdraws_a_result_and_fail_refuses(storage):
    study = line(storage, strategy=ConsensusBasedOptimization(n_particles=3))
    trials = study.ask(3)
    for k, trial in enumerate(trials):
        study.tell(trial, float(k), cost=1.0)
    with pytest.raises(DataError, match=r"trial 0 has a result, \{'loss': 0.0\}; abandon withdraws it"):
        study.fail(trials[0], "sensor")
    withdrawn = study.abandon(trials[0], "the sensor was broken")
    assert (withdrawn.status, withdrawn.value, withdrawn.error) == (
        Status.ABANDONED,
        None,
        "the sensor was broken",
    )
    assert withdrawn.late[0].values == {"loss": 0.0}
    assert withdrawn.observation.cost == 1.0, "it was paid for"
    assert study.best().value == 1.0
    events = len(list(study.journal.read(0)))
    study.abandon(trials[0], "again")
    assert len(list(study.journal.read(0))) == events
    assert study._session.state().best_value == 1.0, "the strategy forgets it, too"
    assert study.tell(trials[0], -1.0).value == -1.0
    assert "added" in study.explain(study.amend(study.add({"x": 0.5}, 2.0), 3.0))


def test_what_was_measured_of_a_failure_is_kept():
    study = Study(LINE, ["a", "b"], strategy="sobol", seed=0)
    told = study.tell(study.ask(), {"a": 1.0, "b": math.nan}, sd={"a": 0.1, "b": math.nan}, cost=math.nan)
    assert (told.status, told.values, told.observation.sd) == (Status.FAILED, {"a": 1.0}, {"a": 0.1})
    block = study.ask_block(2)
    study.tell_block(block, [[1.0, 2.0], [3.0, np.inf]], sd=[[0.1, 0.2], [0.3, np.nan]], cost=[1, np.nan])
    assert study.trials[2].values == {"a": 3.0}
    assert study.trials[2].observation.cost is None
    assert study.fail(study.ask(), cost=math.nan).observation.cost is None
    with pytest.raises(DataError, match="cost must be a number that fits a float"):
        study.tell(study.ask(), {"a": math.nan, "b": 1.0}, cost=Decimal("sNaN"))


# -- leases --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", [lambda s, t: s.fail(t), lambda s, t: s.abandon(t), lambda s, t: s.amend(t, 1.0)]
)
def test_a_lost_trial_that_ends_after_all_is_not_tried_again(storage, end):
    study = line(storage, lease=0.05)
    lost = study.ask()
    time.sleep(0.1)
    study.ask(fixed={"x": 0.5})
    end(study, lost)
    assert "retry_of" not in study.ask().tag


def test_a_worker_that_comes_back_renews_its_lease(storage):
    study = line(storage, lease=0.4)
    mine = study.ask(worker="a")
    time.sleep(0.25)
    assert study.ask(worker="a") == mine
    time.sleep(0.25)
    assert study.ask(worker="b").number == 1
    assert study.trials[0].status == Status.PENDING


def test_a_retry_is_its_members_result(storage):
    study = line(storage, strategy=ConsensusBasedOptimization(n_particles=3), lease=0.05)
    lost, *others = study.ask(3)
    for trial in others:
        study.tell(trial, 1.0)
    time.sleep(0.1)
    retry = study.ask()
    assert retry.params == lost.params
    study.tell(retry, -5.0)
    state = study._session.state()
    assert (state.generation, state.best_value) == (1, -5.0)


def test_a_retry_does_not_turn_a_design_back(storage):
    study = line(storage, lease=0.5)
    study.ask()
    time.sleep(0.6)
    indices = [study.ask().tag.get("index") for _ in range(4)]
    assert indices == [0, 1, 2, 3]


# -- populations ---------------------------------------------------------------------------------------


def test_a_forgotten_member_holds_its_generation_up_for_a_while_only():
    study = line(strategy=ConsensusBasedOptimization(n_particles=4))
    study.ask()
    tags = []
    for _ in range(12):
        trial = study.ask()
        tags.append(trial.tag)
        study.tell(trial, trial.params["x"])
    assert [tag.get("fill") for tag in tags] == [None] * 3 + [0] * 4 + [None] * 4 + [None]
    assert [tag.get("generation") for tag in tags] == [0] * 3 + [None] * 4 + [1] * 4 + [2]
    study.tell(0, -1.0)  # too late for the swarm, not for the study
    assert study.best().value == -1.0


def test_members_run_outside_of_the_space_do_not_lead_the_swarm():
    study = line(strategy=ConsensusBasedOptimization(n_particles=3))
    for k, x in enumerate([3.0, -1e300, 0.5]):
        study.tell(study.ask(), float(k), at={"x": x})
    study.ask()
    state = study._session.state()
    assert (state.best.tolist(), state.best_value) == ([0.5], 2.0)
    assert np.isfinite(state.positions).all()
    assert study.predict({"x": 1e300}).sd > 0


def test_then_goes_on_where_the_first_has_nothing_left():
    study = Study([Integer("k", 1, 5)], Objective(noise=0), strategy=Then(Grid(), 9, Random()), seed=0)
    assert {study.ask().params["k"] for _ in range(5)} == {1, 2, 3, 4, 5}
    study = Study([Real("x", 0, 1)], strategy=Then(Grid(levels=3), 5, Random()), seed=0)
    assert len({trial.params["x"] for trial in [study.ask() for _ in range(5)]}) == 5


# -- configuration as data -----------------------------------------------------------------------------


def test_numbers_are_numbers_however_they_are_written(tmp_path):
    path = tmp_path / "study.jsonl"
    line_of = [
        Objective("v", noise=np.float32(0)),
        Objective("v", noise=0),
        Objective("v", noise=Fraction(0)),
    ]
    for objective, lease in zip(line_of, (60, 60.0, np.float32(60)), strict=True):
        strategy = LatinHypercube(n=np.int64(5) if lease == 60.0 else 5)
        Study(LINE, objective, strategy=strategy, storage=path, seed=0, lease=lease).close()
    with pytest.raises(SpaceError, match="noise must be"):
        Objective("v", noise=10**400)
    for wrong in (None, 5, {"loss": "maximize"}):
        with pytest.raises(SpaceError, match=r"objectives must be a name, an Objective\(...\) or a list"):
            Study(LINE, wrong)


@pytest.mark.parametrize("levels", [{"custom": 3}, {"name": 3, "options": 2}, {"strategy": 2}])
def test_levels_of_oddly_named_parameters(tmp_path, levels):
    path = tmp_path / "study.jsonl"
    strategy = Then(Grid(levels=levels), 3, Sobol())
    with Study([Real(name, 0, 1) for name in (*levels, "x")], strategy=strategy, storage=path, seed=0):
        pass
    assert Study.open(path).strategy == strategy


class Mine:
    supports = Random().supports
    wrong = None

    def batch_size(self, spec):
        return 1

    def init(self, spec, rng):
        return None

    def tell(self, state, trials, rng):
        return None

    def ask(self, state, history, request, rng):
        X = history.spec.space.sample(request.n, rng, start=len(history))
        if self.wrong == "shape":
            return Proposals(X[:-1])
        if self.wrong == "tags":
            return Proposals(X, [{}] * (request.n + 1))
        return Proposals(X + (9 if self.wrong == "place" else 0))


def test_a_strategy_of_ones_own_is_known_by_its_name_in_any_module(tmp_path):
    path = tmp_path / "study.db"
    Study(LINE, strategy=Mine(), storage=path).close()
    elsewhere = type("Mine", (Mine,), {"__module__": "__main__", "__qualname__": "Mine"})
    assert isinstance(Study.open(path, strategy=elsewhere()).strategy, Mine)
    with pytest.raises(JournalError, match="another study"):
        Study.open(path, strategy="random")
    Study(LINE, strategy="sobol", storage=tmp_path / "other.db").close()
    assert isinstance(Study.open(tmp_path / "other.db", strategy="auto").strategy, Sobol)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("shape", r"points of shape \(1, 1\) instead of \(2, 1\)"),
        ("tags", "3 tags for 2 points"),
        ("place", "break"),
    ],
)
def test_a_wrong_answer_of_a_strategy_is_not_written_down(storage, wrong, says):
    study = Study(Space(LINE, ["x <= 0.99"]), strategy=Mine(), storage=storage, seed=0)
    study.strategy.wrong = wrong
    with pytest.raises(UnsupportedError, match=says):
        study.ask(2)
    study.strategy.wrong = None
    assert study.ask().number == 0


# -- odd arguments -------------------------------------------------------------------------------------


def test_blocks_refuse_what_is_no_number():
    study = line()
    block = study.ask_block(2)
    for wrong in (np.ma.array([1.0, 2.0], mask=[0, 1]), [10**400, 1], [1 + 2j, 1], ["1", "2"], [None, 1]):
        with pytest.raises(DataError, match="values must be an array of numbers"):
            study.tell_block(block, wrong)
    with pytest.raises(DataError, match="block must be what ask_block returned, got 3"):
        study.tell_block(3, [1.0])
    assert len(study.pending) == 2
    study.tell_block(block, [1.0, 2.0])
    events = len(list(study.journal.read(0)))
    study.tell_block(block, [1.0, 2.0])
    assert len(list(study.journal.read(0))) == events


def test_odd_texts_are_kept(storage):
    study = line(storage)
    assert study.fail(study.ask(), "cannot open \udcff.csv").error == "cannot open \\udcff.csv"
    if storage is not None:
        assert Study.open(storage).trials[0].error == "cannot open \\udcff.csv"


def test_predict_says_what_it_needs():
    study = Study([Real("x", 0, 1), Categorical("c", ["a", "b"])], strategy="sobol", seed=0)
    study.tell(study.ask(), 1.0)
    with pytest.raises(DataError, match="predict: params must be a mapping or several of them, got 3"):
        study.predict(3)


@pytest.mark.parametrize(("version", "advice"), [(1, "open it with the version"), (99, "upgrade bbopt")])
def test_a_journal_of_another_format_is_refused(version, advice):
    header = {**next(iter(line().journal.read(0))), "format": version}
    journal = MemoryJournal()
    journal.append([header])
    for call in (lambda: Study.open(journal), lambda: line(journal)):
        with pytest.raises(JournalError, match=advice):
            call()
