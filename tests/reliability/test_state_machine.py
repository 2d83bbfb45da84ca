"""Studies against a model of forty lines: any order of calls, two handles on one journal, any store."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bbopt import Categorical, DataError, Integer, Objective, Random, Real, Space, Status, Study
from bbopt.study.storage import open_journal

SPACE = Space([Real("x", 0, 1), Integer("k", 1, 3), Categorical("c", ["a", "b"])])
PARAMS = st.fixed_dictionaries(
    {"x": st.sampled_from([0.0, 0.1, 0.5, 1.0]), "k": st.integers(1, 3), "c": st.sampled_from("ab")}
)
VALUES = st.sampled_from([0.0, 1.0, -2.5, 1e300, float("nan")])
HANDLE = st.integers(0, 1)
INDEX = st.integers(0, 99)


class Model:
    """What a study should hold: for each trial [params, status, value, late values]; the queue."""

    def __init__(self):
        self.trials, self.queue = [], []

    def tell(self, k, value):
        trial = self.trials[k]
        outcome = read(value)
        if trial[1] in ("PENDING", "ABANDONED"):
            trial[1:3] = outcome
        elif (
            outcome != trial[1:3] and not (trial[1] == outcome[0] == "FAILED") and outcome[1] not in trial[3]
        ):
            trial[3].append(outcome[1])

    def fail(self, k):
        if self.trials[k][1] in ("PENDING", "ABANDONED"):
            self.trials[k][1] = "FAILED"

    def abandon(self, k):
        trial = self.trials[k]
        if trial[2] is not None:
            trial[3].append(trial[2])
        trial[1:3] = "ABANDONED", None

    def best(self):
        values = [trial[2] for trial in self.trials if trial[1] == "COMPLETE"]
        return max(values, default=None)


def read(value):
    return ["FAILED", None] if value != value else ["COMPLETE", value]


class Machine(RuleBasedStateMachine):
    """Calls on one of two handles, mirrored in the model."""

    store = None

    @initialize()
    def begin(self):
        self.directory = Path(tempfile.mkdtemp())
        self.path = None if self.store is None else self.directory / self.store
        self.shared = open_journal(None) if self.path is None else None
        self.model = Model()
        self.handles = [self.open(), self.open()]

    def open(self):
        storage = self.shared if self.path is None else self.path
        return Study(SPACE, Objective("gain", maximize=True), storage=storage, strategy=Random(), seed=3)

    def pick(self, index):
        return index % len(self.model.trials)

    @rule(h=HANDLE, n=st.one_of(st.none(), st.integers(1, 3)))
    def ask(self, h, n):
        trials = self.handles[h].ask() if n is None else self.handles[h].ask(n)
        for trial in [trials] if n is None else trials:
            assert trial.number == len(self.model.trials)
            params = dict(SPACE.validate(trial.params))
            if self.model.queue:
                wanted = self.model.queue.pop(0)
                assert wanted.items() <= params.items()
            self.model.trials.append([params, "PENDING", None, []])

    @precondition(lambda self: self.model.trials)
    @rule(h=HANDLE, index=INDEX, value=VALUES)
    def tell(self, h, index, value):
        k = self.pick(index)
        told = self.handles[h].tell(self.handles[1 - h].trials[k], value)
        self.model.tell(k, value)
        assert told == self.handles[1 - h].trials[k]

    @precondition(lambda self: self.model.trials)
    @rule(h=HANDLE, index=INDEX)
    def fail(self, h, index):
        if self.model.trials[self.pick(index)][1] == "COMPLETE":
            with pytest.raises(DataError, match="abandon withdraws it"):
                self.handles[h].fail(self.pick(index), "broke")
        else:
            self.handles[h].fail(self.pick(index), "broke")
            self.model.fail(self.pick(index))

    @precondition(lambda self: self.model.trials)
    @rule(h=HANDLE, index=INDEX)
    def abandon(self, h, index):
        self.handles[h].abandon(self.pick(index))
        self.model.abandon(self.pick(index))

    @precondition(lambda self: self.model.trials)
    @rule(h=HANDLE, index=INDEX, value=VALUES)
    def amend(self, h, index, value):
        k = self.pick(index)
        if self.model.trials[k][1] == "PENDING":
            with pytest.raises(DataError, match="use tell"):
                self.handles[h].amend(k, value)
        else:
            self.handles[h].amend(k, value)
            self.model.trials[k][1:3] = read(value)

    @rule(h=HANDLE, params=PARAMS, value=VALUES)
    def add(self, h, params, value):
        self.handles[h].add(params, value)
        self.model.trials.append([params, *read(value), []])

    @rule(h=HANDLE, params=PARAMS, whole=st.booleans())
    def enqueue(self, h, params, whole):
        params = params if whole else {"k": params["k"]}
        self.handles[h].enqueue(params)
        self.model.queue.append(params)

    @rule(
        h=HANDLE, wrong=st.sampled_from(["1", None, [1.0], {"loss": 1.0}, 10**400]), index=st.integers(-9, 99)
    )
    def refuse(self, h, wrong, index):
        with pytest.raises(DataError):
            self.handles[h].tell(index, wrong)

    @rule(h=HANDLE)
    def reopen(self, h):
        if self.path is not None:
            self.handles[h].close()
        self.handles[h] = self.open()

    @invariant()
    def both_handles_equal_the_model(self):
        if not hasattr(self, "handles"):
            return
        for study in self.handles:
            seen = [
                [dict(t.params), t.status.name, t.value, [o.values.get("gain") for o in t.late]]
                for t in study.trials
            ]
            assert seen == self.model.trials
            assert [t.number for t in study.pending] == [
                k for k, trial in enumerate(self.model.trials) if trial[1] == "PENDING"
            ]
            if self.model.best() is None:
                with pytest.raises(DataError, match="no trial is complete"):
                    study.best(by="observed")
            else:
                assert study.best(by="observed").value == self.model.best()
        assert list(self.handles[0].trials) == list(self.handles[1].trials)

    def teardown(self):
        if hasattr(self, "directory"):
            for study in self.handles:
                study.close()
            shutil.rmtree(self.directory)


def machine(store, examples):
    class OnStore(Machine):
        pass

    OnStore.store = store
    OnStore.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return OnStore.TestCase


TestInMemory = machine(None, 40)
TestJsonl = machine("study.jsonl", 12)
TestSqlite = machine("study.db", 12)


def test_the_model_knows_all_statuses():
    assert {s.name for s in Status} == {"PENDING", "COMPLETE", "FAILED", "STOPPED", "ABANDONED"}
