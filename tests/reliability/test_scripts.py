"""The reliability scripts in reduced form."""

import math
import warnings
from itertools import cycle

import affine
import exhaustion
import fuzz_tells
import peers
import pytest
import torture
from cases import CASES, Dimension, unit
from harness import Table


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

REFUSED = {  # by bbopt, with a SpaceError: ranges of integers are at most 2^53 wide
    "integers, all of int64",
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_that_break_optimizers(name, request):
    if name in REFUSED:
        request.applymarker(pytest.mark.xfail(strict=True, reason="refused"))
    assert torture.run("bbopt", name, seed=0, asks=8).findings == []


@pytest.mark.slow
def test_the_optimum_is_found_in_hard_clothes():
    table, rows = torture.show("bbopt", range(torture.SEEDS), torture.ASKS, processes=2)
    assert {name for name, row in rows.items() if row.findings()} <= REFUSED
    assert "too many rows are worse than their clean problem" not in table.failures


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
