"""Whatever is told, the study takes it with a finite meaning or refuses it with an error of its own.

Random tells made of strange trials, values, standard errors, costs and points, to studies in memory and
in files, open and closed. A tell that is refused must raise an error of bbopt and leave no trace in the
journal; one that is taken must leave a trial that is complete with finite values, or failed with a
reason. The next ask must work, and in the end the reopened study must equal the live one.
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from harness import Table, command_line, scratch

from bbopt import BboptError, Categorical, Integer, Objective, Real, Space, Status, Study, Trial
from bbopt.study.storage import open_journal

SPACE = Space(
    [Real("x", 0, 1), Integer("k", 1, 9), Categorical("c", ["a", "b"]), Real("z", 0, 1, when={"c": "b"})]
)
OBJECTIVES = {"one objective": ["loss"], "two objectives": ["loss", Objective("gain", maximize=True)]}
LIFE = 250  # tells to one study


class Sly:
    """Turns into whatever it was made with when asked for a float, or raises it."""

    def __init__(self, inside: object) -> None:
        self.inside = inside

    def __float__(self) -> Any:
        if isinstance(self.inside, Exception):
            raise self.inside
        return self.inside


class OwnError(Exception):
    """Raised by what is told itself, when somebody tries to show it: may pass through, without a trace."""


class Unprintable:
    """Cannot even be shown in a message."""

    def __repr__(self) -> str:
        raise OwnError


PLAIN = [0.0, -0.0, 1, 2.5, -3, 1e-320, 1e308, -1.7e308, True, 10**308, 2**1023]
NUMPY = [
    np.float64(1.5), np.float32(0.1), np.float16(6e4), np.int8(-3), np.uint64(2**63), np.bool_(True),
    np.longdouble("1e4000"), np.array(0.5), np.array(7), np.array([1.0]), np.array([]),
    np.array([[1.0, 2.0]]), np.array([1.0, 2.0]), np.array(None), np.array("x"),
    np.array(object(), dtype=object), np.ma.masked, np.ma.array(1.0, mask=True),
    np.ma.array([1.0], mask=[True]), np.ma.array(2.0), np.datetime64("2020-01-01"),
    np.timedelta64(3, "s"), np.datetime64("NaT"), np.complex128(1), np.float64("nan"), np.array(math.inf),
    np.void(b"abc"), np.str_("1.5"),
]  # fmt: skip
OTHER = [
    math.nan, math.inf, -math.inf, 1e400, 10**400, -(10**400), Fraction(1, 3), Fraction(10**400),
    Decimal("0.1"), Decimal("1e400"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), None, "1.5",
    "nan", "", b"1", 1j, complex(1, 0), [], [1.0], [1.0, 2.0], [math.nan, 1.0], [None, None], ["a", "b"],
    (1.0,), (0.5, 10**400), {}, range(2), object(), int, print, ..., NotImplemented, Sly(1.0),
    Sly(math.nan), Sly("x"), Sly(ValueError("v")), Sly(TypeError("t")), Sly(OverflowError("o")),
    Sly(RuntimeError("r")), Sly(KeyError("k")), Unprintable(), [Unprintable()], bytearray(8),
    memoryview(b"12345678"), "\ud800", "x" * 10**5,
]  # fmt: skip
NAMED = [
    {"loss": 1.0}, {"loss": 1.0, "gain": 2.0}, {"gain": 0.5}, {"los": 1.0}, {"loss": None},
    {"loss": [1.0]}, {1: 1.0}, {None: 1.0}, {"loss": {"loss": 1.0}}, {"loss": math.inf, "gain": 1.0},
    {"loss": np.ma.masked}, {"loss": 1.0, "Loss": 2.0}, {("loss",): 1}, {"loss": 10**400, "gain": 1},
    {"\ud800": 1.0}, {"loss": "1"}, {"loss": Unprintable()}, {Unprintable(): 1.0},
]  # fmt: skip
POINTS = [
    {}, {"x": 0.5}, {"x": 0.5, "k": 2, "c": "a"}, {"x": 7.0, "k": 2, "c": "a"},
    {"x": 0.5, "k": 2.5, "c": "a"}, {"x": 0.5, "k": 2, "c": "q"}, {"x": 0.5, "k": 2, "c": "b", "z": 0.5},
    {"x": 0.5, "k": 2, "c": "a", "z": 0.5}, {"x": math.nan, "k": 2, "c": "a"},
    {"x": 1e308, "k": 10**30, "c": "a"}, {"x": -1e308, "k": -(10**400), "c": "a"},
    {"x": "0.5", "k": 2, "c": "a"}, {"x": 0.5, "k": 2, "c": ["a"]}, {"x": 0.5, "k": True, "c": "a"},
    {"x": np.float32(0.5), "k": np.int64(2), "c": np.str_("a")}, 3, "x", [0.5, 2, "a"], np.zeros(3),
    {"x": Sly(0.5), "k": 2, "c": "a"}, {"x": Unprintable(), "k": 2, "c": "a"}, {1: 2},
    {"x": math.inf, "k": math.inf, "c": "a"},
]  # fmt: skip
HANDLES = [
    -1, 10**6, 10**30, -(10**30), 0.0, 1.0, math.nan, "0", "", None, True, b"0", [], {}, (0,),
    np.float64(0), np.int64(10**9), object(), Unprintable(),
]  # fmt: skip


def main(quick: bool) -> Table:
    """Tell."""
    table = Table("store ", "problem       ", "tells", "complete", "failed", "nothing new", "refused")
    each = (
        {"memory": 150, "jsonl": 50, "sqlite": 50}
        if quick
        else {"memory": 8000, "jsonl": 1000, "sqlite": 1000}
    )
    for store, tells in each.items():
        for problem in OBJECTIVES:
            fuzz(table, store, problem, tells, seed=tells)
    return table


def fuzz(table: Table, store: str, problem: str, tells: int, seed: int) -> None:
    """Tell strange things to one study after another."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    problems: dict[str, None] = {}
    for start in range(0, tells, LIFE):
        with scratch() as directory:
            path = {"memory": None, "jsonl": directory / "s.jsonl", "sqlite": directory / "s.db"}[store]
            try:
                problems |= dict.fromkeys(_life(rng, path, problem, min(LIFE, tells - start), counts))
            except Exception as error:
                problems[f"the study is unusable: {type(error).__name__}: {error}"] = None
    total = sum(counts.values())
    row = [counts[word] for word in ("complete", "failed", "nothing new", "refused")]
    table.row(store, problem.ljust(14), total, *row, problems=list(problems)[:20])


def _life(rng: random.Random, path: Path | None, problem: str, tells: int, counts: Counter[str]) -> list[str]:
    journal = open_journal(path)
    study = Study(SPACE, OBJECTIVES[problem], storage=journal, strategy="random", seed=rng.randrange(2**30))
    stranger = Study(SPACE, OBJECTIVES[problem], strategy="random", seed=1).ask()
    problems = []
    for _ in range(tells):
        if rng.random() < 0.4 or not study.pending:
            asked = len(study)
            if study.ask().number != asked:
                problems.append("an ask gave a trial that was there before")
        call = _draw(rng, study, stranger)
        problems += _tell(study, call, lambda: sum(1 for _ in journal.read(0)), counts)
    live = list(study.trials)
    study.close()
    problems += _closed(study, rng, stranger)
    if path is not None:
        with Study.open(path) as again:
            if list(again.trials) != live:
                problems.append("the reopened study differs from the live one")
    return problems


def _draw(rng: random.Random, study: Study, stranger: Trial) -> dict[str, Any]:
    """Return random arguments of tell; each is more often sound than strange."""
    trials = study.trials
    known = rng.choice(
        [trials[-1], trials[-1].number, trials[rng.randrange(len(trials))], np.int64(trials[-1].number)]
    )
    moved = replace(trials[-1], params={**trials[-1].params, "x": 0.123}), replace(trials[-1], number=10**6)
    sound = {objective.name: rng.choice(PLAIN) for objective in study.spec.objectives}
    call = {
        "trial": known if rng.random() < 0.85 else rng.choice([stranger, *moved, *HANDLES]),
        "value": rng.choice(rng.choice([[sound], [list(sound.values())], PLAIN, NUMPY, OTHER, NAMED])),
    }
    if rng.random() < 0.3:
        call["sd"] = rng.choice(rng.choice([[0.5], PLAIN, NUMPY, OTHER, NAMED]))
    if rng.random() < 0.2:
        call["cost"] = rng.choice(rng.choice([[1.5], PLAIN, NUMPY, OTHER]))
    if rng.random() < 0.2:
        call["at"] = rng.choice(POINTS)
    return call


def _tell(
    study: Study, call: dict[str, Any], count_events: Callable[[], int], counts: Counter[str]
) -> list[str]:
    before, trials = count_events(), list(study.trials)
    try:
        told = study.tell(**call)
    except (BboptError, OwnError):
        counts["refused"] += 1
        left_traces = count_events() != before or list(study.trials) != trials
        return [f"{_show(call)} was refused, and changed something"] if left_traces else []
    except Exception as error:
        return [f"{_show(call)} raised {type(error).__name__}"]
    values = [*told.values.values(), *told.observation.sd.values(), told.observation.cost or 0.0]
    values += [v for late in told.late for v in (*late.values.values(), *late.sd.values(), late.cost or 0.0)]
    if not all(type(v) is float and math.isfinite(v) for v in values):
        return [f"{_show(call)} left {values}"]
    if count_events() == before:
        counts["nothing new"] += 1
        return [] if list(study.trials) == trials else [f"{_show(call)} changed trials without an event"]
    if told.status == Status.COMPLETE and told.values:
        counts["complete"] += 1
    elif told.status == Status.FAILED and told.error:
        counts["failed"] += 1
    else:
        return [f"{_show(call)} left the trial {told.status.name} with {told.values}, {told.error!r}"]
    return []


def _closed(study: Study, rng: random.Random, stranger: Trial) -> list[str]:
    problems = []
    for _ in range(5):
        call = _draw(rng, study, stranger)
        before = list(study.trials)
        try:
            study.tell(**call)
        except (BboptError, OwnError):
            pass
        except Exception as error:
            problems.append(f"a closed study, {_show(call)}, raised {type(error).__name__}")
        if study.journal.where != "memory" and list(study.trials) != before:
            problems.append(f"a closed study changed at {_show(call)}")
    return problems


def _show(call: dict[str, Any]) -> str:
    return "tell(" + ", ".join(f"{name}={_short(value)}" for name, value in call.items()) + ")"


def _short(value: object) -> str:
    if isinstance(value, Sly):
        return f"Sly({value.inside!r})"
    try:
        return repr(value)[:60]
    except OwnError:
        return f"{type(value).__name__} without a repr"


if __name__ == "__main__":
    command_line(__doc__, main)
