"""The reliability scripts in reduced form."""

import math
import warnings
from dataclasses import replace
from itertools import cycle

import affine
import exhaustion
import fuzz_tells
import peers
import pytest
import torture
from cases import CASES, Dimension, unit
from harness import Table

from bbopt import SpaceError


@pytest.fixture
def table():
    table = Table(*"abcdefghi")
    table.widths = [10] * 20
    table._say = lambda cells: None
    yield table
    assert table.failures == []


@pytest.mark.parametrize("mode", exhaustion.MODES)
@pytest.mark.parametrize("strategy", ["random", "sobol", "grid", "lhs", "cbo", "bo"])
def test_every_point_once_then_exhausted(table, strategy, mode):
    exhaustion.go_through(
        table, strategy, mode, [1, 2, 3, 6, 7] if strategy == "bo" else [1, 2, 3, 10, 15, 64]
    )


@pytest.mark.parametrize("problem", fuzz_tells.OBJECTIVES)
@pytest.mark.parametrize(("store", "tells"), [("memory", 250), ("jsonl", 60), ("sqlite", 60)])
def test_strange_tells_are_taken_or_refused(table, store, problem, tells):
    fuzz_tells.fuzz(table, store, problem, tells, seed=7)


# -- numerical torture ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_numbers_that_break_optimizers(name):
    outcome = torture.run("bbopt", name, seed=0, asks=8)
    assert outcome.findings == []
    assert bool(outcome.refusal) == bool(CASES[name].refusal)


@pytest.mark.slow
def test_the_optimum_is_found_in_hard_clothes():
    table, _ = torture.show("bbopt", range(torture.SEEDS), torture.ASKS, processes=2)
    assert table.failures == []


def test_a_clean_problem_is_a_case_that_comes_first_and_is_clean():
    names = list(CASES)
    for case in CASES.values():
        if case.clean is not None:
            assert names.index(case.clean) < names.index(case.name)
            assert CASES[case.clean].clean is None


class Scripted:
    """A library that asks for x0 = 0.3, x1 = 0.6 and given x2 in turn, and does something on every tell."""

    def __init__(self, *x2, on_tell=lambda: None):
        self.x2, self.on_tell = x2 or (0.45,), on_tell

    def __call__(self, case, seed):
        self.turn = cycle(self.x2)
        return self

    def ask(self):
        return {"x0": 0.3, "x1": 0.6, "x2": next(self.turn)}

    def tell(self, values, sd=None, at=None):
        self.on_tell()

    def add(self, known):
        pass

    def close(self):
        pass


def _stumble():
    raise ValueError("no  more")


def _not_offered():
    raise peers.NotOffered("tells")


@pytest.mark.parametrize(
    ("library", "kind", "text"),
    [
        (Scripted(1.0000001), "outside", "x2 = 1.0000001"),
        (Scripted(math.nan), "outside", "x2 = nan"),
        (Scripted("0.5"), "outside", "x2 = '0.5'"),
        (Scripted(on_tell=_stumble), "raised", "after 1 asks: ValueError: no more"),
        (Scripted(on_tell=_not_offered), "not offered", "tells"),
        (Scripted(on_tell=lambda: warnings.warn("hm", stacklevel=1)), "warned", "UserWarning: hm"),
    ],
)
def test_what_goes_wrong_is_found_once_and_the_run_goes_on(library, kind, text, monkeypatch):
    monkeypatch.setitem(peers.LIBRARIES, "bbopt", library)
    outcomes = [torture.run("bbopt", "the plain problem", seed, asks=3) for seed in (0, 1)]
    [(found, (count, first))] = torture.Row(CASES["the plain problem"], outcomes).findings().items()
    assert (found, count) == (kind, 2)
    assert first.startswith(text)


def _refusing(error):
    """A library that refuses to begin."""

    def begin(case, seed):
        raise error

    return begin


NARROW = SpaceError(f"x0: at most 2^53 wide, got {-(2**63)} to {2**63 - 1}")


@pytest.mark.parametrize(
    ("library", "kinds"),
    [
        (_refusing(NARROW), []),
        (_refusing(SpaceError("x0: too wide")), ["raised"]),  # names no limit
        (_refusing(OverflowError(str(NARROW))), ["raised"]),
        (Scripted(on_tell=lambda: _refusing(NARROW)(None, 0)), ["raised"]),  # too late
        (Scripted(), ["taken"]),
    ],
)
def test_a_refusal_is_right_where_the_case_asks_for_it_in_its_words(library, kinds, monkeypatch):
    monkeypatch.setitem(peers.LIBRARIES, "bbopt", library)
    words = CASES["integers, all of int64"].refusal
    monkeypatch.setitem(CASES, "asks for it", replace(CASES["the plain problem"], refusal=words))
    outcome = torture.run("bbopt", "asks for it", 0, asks=2)
    assert [kind for kind, _ in outcome.findings] == kinds
    assert bool(outcome.refusal) == (kinds == [])


def test_a_refusal_is_a_finding_for_peers_and_where_no_case_asks_for_it(monkeypatch):
    monkeypatch.setitem(peers.LIBRARIES, "bbopt", _refusing(NARROW))
    monkeypatch.setitem(peers.LIBRARIES, "ax", _refusing(NARROW))
    for library, name in [("ax", "integers, all of int64"), ("bbopt", "the plain problem")]:
        [(kind, _)] = torture.run(library, name, 0, asks=2).findings
        assert kind == "raised"


def test_a_refused_row_is_shown_and_neither_fails_nor_counts_in_the_comparison(monkeypatch, capsys):
    names = ["the plain problem", "integers, all of int64"]
    monkeypatch.setattr(torture, "CASES", {name: CASES[name] for name in names})
    table, rows = torture.show("bbopt", range(1), asks=2, processes=1)
    assert table.failures == []
    assert rows[names[1]].ratio(rows) is None
    shown = capsys.readouterr().out
    assert "refused, as it should be: Integer 'x0': low and high must be at most 2^53" in shown
    assert "2 of 2 rows without a finding (1 of them refused, as it should be)" in shown


def test_warnings_about_versions_are_not_about_numbers(monkeypatch):
    def warn():
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    monkeypatch.setitem(peers.LIBRARIES, "bbopt", Scripted(on_tell=warn))
    assert torture.run("bbopt", "the plain problem", 0, asks=2).findings == []


def test_regret_is_the_quadratic_where_the_best_value_was_told(monkeypatch):
    monkeypatch.setitem(peers.LIBRARIES, "bbopt", Scripted(0.95, 0.75, 0.15))
    for name in ("the plain problem", "y x 1e12", "y x -1, maximized"):
        outcome = torture.run("bbopt", name, 0, asks=4)
        assert outcome.regret == pytest.approx(0.09 / 3)
        assert (outcome.asked, outcome.distinct, outcome.failed) == (4, 3, 0)
    assert torture.run("bbopt", "nan everywhere", 0, asks=2).failed == 2


def test_the_ratio_compares_medians_with_the_clean_case():
    rows = {}
    for name, regrets in [("the plain problem", (1.0, 2.0, 9.0)), ("y x 1e12", (3.0, 5.0, 6.0))]:
        rows[name] = torture.Row(CASES[name], [torture.Outcome(regret) for regret in regrets])
    assert rows["y x 1e12"].ratio(rows) == 2.5
    assert rows["the plain problem"].ratio(rows) is None


def test_places_are_right_at_the_ends_of_float64_and_int64():
    for case in CASES.values():
        ends = [{one.name: (one.choices or (one.low,))[0] for one in case.dimensions}]
        ends.append({one.name: (one.choices or (one.high,))[-1] for one in case.dimensions})
        free = sum(not one.is_constant for one in case.dimensions)
        for end, params in enumerate(ends):
            assert all(one.holds(params[one.name]) for one in case.dimensions)
            assert unit(case.dimensions, params) == pytest.approx([end] * free)
    middle = Dimension("x", 1e-300, 1e300, is_log=True).place(1.0)
    assert middle == pytest.approx(0.5)
    assert not Dimension("i", 1, 2, is_integer=True).holds(1.5)


@pytest.mark.parametrize(
    "name", ["the plain problem", "y x -1, maximized", "3 choices of 6, one-hot", "far points"]
)
def test_a_peer_goes_through_the_same_cases(name):
    pytest.importorskip("optuna")
    outcome = torture.run("optuna-tpe", name, seed=0, asks=4)
    if name == "far points":  # which Optuna refuses, rightly or not
        assert [kind for kind, _ in outcome.findings] == ["raised"]
    else:
        assert outcome.findings == []
        assert outcome.asked == outcome.distinct == 4


def test_standard_errors_are_not_offered_by_optuna():
    pytest.importorskip("optuna")
    [(kind, _)] = torture.run("optuna-tpe", "sd = 0", seed=0, asks=2).findings
    assert kind == "not offered"


# -- affine -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", ["quadratic", "rough quadratic"])
def test_other_units_give_the_same_suggestions(problem):
    for one in affine.follow("bbopt", problem, seed=0, asks=12):
        assert len(one.apart) == one.n_agreed == 12, one.dress.name


def test_affine_is_judged_on_average_and_run_by_run_where_digits_are_left():
    found = {one.name: one for one in affine.DRESSES}
    whole, few = found["y + 1e6"], found["x in [1e6, 1e6 + 1e-3]"]
    assert round(whole.digits) == 10
    assert round(few.digits) == 7
    for dress, agreed, n_missed in [
        (whole, [30] * 14 + [29], 0),
        (whole, [30] * 14 + [28], 1),  # on average 29.9
        (whole, [30] * 14 + [1], 2),
        (few, [30] * 14 + [19], 0),
        (few, [30] * 14 + [1], 1),
    ]:
        assert len(affine.shortfalls(dress, agreed)) == n_missed


class Peeking(Scripted):
    """A library whose suggestions depend on the units of what was told."""

    told = 0.0

    def __init__(self, case, seed):
        self.dimensions = case.dimensions

    def ask(self):
        return {one.name: one.at(0.5 + 0.1 * math.tanh(self.told)) for one in self.dimensions}

    def tell(self, values, sd=None, at=None):
        self.told = values[0]


def test_a_library_that_looks_at_units_is_found_out(monkeypatch):
    monkeypatch.setitem(peers.LIBRARIES, "bbopt", Peeking)
    for one in affine.follow("bbopt", "quadratic", seed=0, asks=3):
        assert one.apart[0] < 1e-6  # nothing was told yet
        is_other = one.dress.a != 1 or one.dress.b != 0
        assert one.n_agreed == (1 if is_other else 3)
        assert bool(one.trouble()) == is_other


def test_a_library_that_raises_in_a_dress_agrees_no_more(monkeypatch):
    class Raising(Peeking):
        def tell(self, values, sd=None, at=None):
            if values[0] > 1e5:
                raise OverflowError("too large")

    monkeypatch.setitem(peers.LIBRARIES, "bbopt", Raising)
    found = {one.dress.name: one for one in affine.follow("bbopt", "quadratic", seed=0, asks=3)}
    assert found["x in [3, 17]"].n_agreed == 3
    assert found["y + 1e6"].n_agreed == 0
    assert "OverflowError: too large" in found["y + 1e6"].trouble()
