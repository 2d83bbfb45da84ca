"""The nine laws of a strategy as tests: inherit the class, name your strategy, run pytest.

class TestMine(StrategyContract):
    def make(self):
        return MyStrategy()
"""

import copy
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar
from unittest import mock

import numpy as np

from bbopt.data.history import Rows
from bbopt.data.trial import Status
from bbopt.errors import SpaceExhausted
from bbopt.space import Categorical, Constant, Integer, Ordinal, Real, Space
from bbopt.spec import Objective
from bbopt.strategies.gate import propose
from bbopt.strategies.registry import strategy_from_dict, strategy_to_dict
from bbopt.strategies.strategy import AnyStrategy, Request
from bbopt.study.journal import MemoryJournal
from bbopt.study.study import Study


class StrategyContract:
    """What every strategy keeps; see ``docs/strategies.md`` for the laws in words.

    Override ``make`` and, where the defaults do not suit the strategy, the three spaces.
    """

    n_trials = 24
    """How many trials the studies of these tests hold; more than one generation of a population."""

    fixed: ClassVar[dict[str, Any]] = {"kernel": "poly", "degree": 4, "x": 0.5}
    """Values of the mixed space that an ask is to keep."""

    def make(self) -> AnyStrategy:
        """Return the strategy under test."""
        raise NotImplementedError

    def mixed_space(self) -> Space:
        """Return a constrained space with all kinds of columns, conditional ones nested."""
        return Space(
            [
                Real("lr", 1e-4, 1.0, log=True),
                Real("x", -1.0, 2.0),
                Integer("depth", 1, 9),
                Real("temperature", 20.0, 90.0, step=0.5),
                Ordinal("size", ["small", "medium", "large"]),
                Constant("seed", 7),
                Categorical("kernel", ["rbf", "poly", "linear"]),
                Real("gamma", 1e-3, 1e3, log=True, when={"kernel": ["rbf", "poly"]}),
                Integer("degree", 2, 5, when={"kernel": "poly"}),
                Real("offset", 0.0, 5.0, when={"degree": [2, 3, 4]}),
            ],
            constraints=["x + depth <= 9.5"],
        )

    def smooth_space(self) -> Space:
        """Return a continuous space."""
        return Space([Real("a", 0.0, 1.0), Real("b", 10.0, 20.0)])

    def small_space(self) -> Space:
        """Return a space of twelve points."""
        return Space([Integer("i", 0, 3), Categorical("c", ["p", "q", "r"])])

    # -- the laws ---------------------------------------------------------------------------------

    def test_law_1_ask_is_pure(self) -> None:
        """Same state, history, request and key give the same proposals, and nothing changes."""
        for space in (self.smooth_space(), self.mixed_space()):
            study = self._run(space, self.n_trials)
            state = study._session.state()
            before = copy.deepcopy(state)
            version = study.history.version
            first = study.strategy.ask(state, study.history, Request(3), study._session.key)
            second = study.strategy.ask(state, study.history, Request(3), study._session.key)
            np.testing.assert_array_equal(first.X, second.X)
            assert first.tags == second.tags
            assert _is_equal(state, before), "ask changed the state"
            assert study.history.version == version, "ask changed the history"

    def test_law_2_draws_are_keyed(self) -> None:
        """Same seed, same proposals; the next seed, others; no generator is stored."""
        space = self.mixed_space()
        runs = [self._run(space, self.n_trials, seed=seed) for seed in (0, 0, 1)]
        np.testing.assert_array_equal(runs[0].history.X, runs[1].history.X)
        if type(self.make()).__name__ != "Grid":
            assert not np.array_equal(runs[0].history.X, runs[2].history.X)
        generators = (np.random.Generator, np.random.RandomState, np.random.BitGenerator)
        assert not any(isinstance(part, generators) for part in _parts(runs[0]._session.state()))

    def test_law_3_state_is_a_fold(self) -> None:
        """The fold of ``tell`` does not depend on chunks, and replay equals live."""
        study = self._run(self.mixed_space(), self.n_trials)
        finished = study._session.record.finished
        rng = np.random.default_rng(0)
        for cuts in (
            [],
            [1, 2, 3],
            sorted(rng.choice(len(finished), 5, replace=False)),
            range(len(finished)),
        ):
            state = study.strategy.init(study.spec, study._session.key)
            for chunk in np.split(np.array(finished), list(cuts)):
                state = study.strategy.tell(state, study.history.rows(chunk), study._session.key)
            assert _is_equal(state, study._session.state()), (
                f"the fold depends on chunks, cut at {list(cuts)}"
            )
        replayed = Study.open(_through_json(study.journal), strategy=self.make())
        np.testing.assert_array_equal(replayed.history.X, study.history.X)
        assert _is_equal(replayed._session.state(), study._session.state())
        assert replayed.ask().params == study.ask().params

    def test_law_4_what_an_ask_learnt_is_in_the_tags(self) -> None:
        """Tags are plain JSON data, and a cold copy of strategy and history asks the same."""
        study = self._run(self.mixed_space(), self.n_trials)
        for trial in study.trials:
            assert json.loads(json.dumps(trial.tag, allow_nan=False)) == trial.tag
        data = json.loads(json.dumps(strategy_to_dict(study.strategy)))
        cold = Study.open(_through_json(study.journal), strategy=strategy_from_dict(data) or self.make())
        assert cold.ask().params == study.ask().params

    def test_law_5_tell_takes_anything(self) -> None:
        """Failed, abandoned, foreign, late, repeated and disordered trials never raise in tell."""
        study = self._run(self.mixed_space(), self.n_trials)
        rows = study.history.rows(np.arange(len(study.history)))
        d = study.space.d
        order = np.random.default_rng(1).permutation(len(rows))
        disordered = study.history.rows(order)
        foreign = Rows(
            study.spec,
            np.array([0, 10**6]),
            np.full((2, d), 0.25),
            np.array([[np.nan], [1e300]]),
            np.array([Status.FAILED, Status.COMPLETE], np.int8),
            [{}, {"somebody": "else"}],
            np.array([True, False]),
        )
        state = study.strategy.init(study.spec, study._session.key)
        for told in (foreign, disordered, rows, rows, foreign):
            state = study.strategy.tell(state, told, study._session.key)
        proposals = propose(study.strategy, state, study.history, Request(2), study._session.key)
        assert proposals.X.shape == (2, d)

    def test_law_6_proposals_lie_in_the_space(self) -> None:
        """Every proposal decodes, is feasible, keeps fixed values; every active column moves."""
        space = self.mixed_space()
        study = self._run(space, 2 * self.n_trials)
        X = study.history.X
        np.testing.assert_array_equal(space.project(X), X)
        assert space.feasible(X).all()
        for params in (trial.params for trial in study.trials):
            space.validate(params, strict=True)
        active = space.active(X)
        for j in range(space.d):
            seen = X[active[:, j], j]
            assert len(np.unique(seen)) > 1, f"column {j} never moved in {len(seen)} proposals"
        trial = study.ask(fixed=self.fixed)
        assert {name: trial.params[name] for name in self.fixed} == self.fixed

    def test_law_7_no_point_twice(self) -> None:
        """With noise=0 a small space is asked point by point, pending ones included, then exhausted."""
        for pending in (False, True):
            study = self._study(self.small_space(), seed=5)
            asked: list[tuple[object, ...]] = []
            try:
                while len(asked) <= 12:
                    trial = study.ask()
                    asked.append(tuple(trial.params.values()))
                    if not pending:
                        study.tell(trial, float(len(asked) % 5))
            except SpaceExhausted:
                pass
            assert len(asked) == len(set(asked)) == 12

    def test_law_8_exactly_n(self) -> None:
        """``ask(n)`` gives n trials or raises SpaceExhausted."""
        study = self._study(self.smooth_space())
        for n in (1, 2, 7, 13):
            trials = study.ask(n)
            assert len(trials) == n
            for trial in trials[: n // 2]:
                study.tell(trial, float(trial.params["a"]))  # type: ignore[arg-type]
        study = self._study(self.small_space())
        assert len(study.ask(9)) == 9
        try:
            study.ask(4)
        except SpaceExhausted:
            assert len(study.ask(3)) == 3
        else:
            raise AssertionError("13 of 12 points were asked")

    def test_law_9_sees_no_clock_no_file_no_logger(self) -> None:
        """Ask and tell use no clock, no file and no logger."""
        study = self._run(self.mixed_space(), self.n_trials)
        study.strategy.ask(
            study._session.state(), study.history, Request(2), study._session.key
        )  # loads modules and tables
        finished = study.history.rows(study._session.record.finished)
        with _blind():
            state = study.strategy.init(study.spec, study._session.key)
            state = study.strategy.tell(state, finished, study._session.key)
            proposals = study.strategy.ask(state, study.history, Request(2), study._session.key)
        assert proposals.X.shape == (2, study.space.d)

    # -- how they are driven ----------------------------------------------------------------------

    def _study(self, space: Space, seed: int = 0) -> Study:
        return Study(
            space, Objective("loss", noise=0), strategy=self.make(), storage=MemoryJournal(), seed=seed
        )

    def _run(self, space: Space, n: int, seed: int = 0) -> Study:
        """Ask and tell n trials, some failing, some abandoned, some in pairs and told the other way round."""
        study = self._study(space, seed)
        while len(study.history) < n:
            for trial in reversed(study.ask(2)):
                x = space.encode(trial.params)[0]
                if trial.number % 11 == 7:
                    study.fail(trial, "broke")
                elif trial.number % 11 == 9:
                    study.abandon(trial)
                else:
                    study.tell(trial, float(np.sum((x - 0.3) ** 2)))
        return study


def _through_json(journal: Any) -> MemoryJournal:
    """Return a copy of a journal that went through text, as a file would have made it."""
    from bbopt.study.wire import decode, encode, seal

    copied = MemoryJournal()
    for event in journal.read(0):
        copied.append([decode(seal(event["seq"], encode(event)))])
    return copied


@contextmanager
def _blind() -> Iterator[None]:
    def forbidden(*_: object, **__: object) -> Any:
        raise AssertionError("a strategy looked at the clock, a file, a logger or the system's randomness")

    with ExitStack() as stack:
        for clock in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
            stack.enter_context(mock.patch.object(time, clock, forbidden))
            stack.enter_context(mock.patch.object(time, f"{clock}_ns", forbidden))
        for name in ("builtins.open", "io.open", "os.open", "os.urandom", "logging.Logger._log"):
            stack.enter_context(mock.patch(name, forbidden))
        yield


def _parts(state: Any) -> Iterator[Any]:
    """Yield a state and everything inside it."""
    yield state
    if isinstance(state, dict):
        children: list[Any] = list(state.values())
    elif isinstance(state, (list, tuple)):
        children = list(state)
    elif hasattr(state, "__dataclass_fields__"):
        children = [getattr(state, name) for name in state.__dataclass_fields__]
    else:
        children = list(vars(state).values()) if hasattr(state, "__dict__") else []
    for child in children:
        yield from _parts(child)


def _is_equal(left: Any, right: Any) -> bool:
    """Whether two states are equal, arrays bit by bit."""
    if isinstance(left, np.ndarray):
        return isinstance(right, np.ndarray) and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(_is_equal(left[k], right[k]) for k in left)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_is_equal, left, right))
    if hasattr(left, "__dataclass_fields__"):
        return type(left) is type(right) and all(
            _is_equal(getattr(left, name), getattr(right, name)) for name in left.__dataclass_fields__
        )
    return bool(left == right)
