"""Ranks, normalised regrets and intervals of the side-by-side comparison, against SciPy and by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, rankdata

HERE = Path(__file__).parent.parent.parent / "benchmarks" / "compare"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    yield
    for name in ("scores", "store", "suites"):
        sys.modules.pop(name, None)


def _run(problem, optimizer, regrets, *, seconds=0.0, known=True, budget=None, batch=1):
    from store import Run
    from suites import Cell

    cell = Cell("problems", problem, 1, budget or len(regrets), batch)
    run = Run(cell, optimizer, known, 2, regrets, seconds=[seconds] * len(regrets))
    return run.key, run


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=6))
def test_ranks_are_those_of_scipy(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        from scores import ranks
    values = np.array(rows, float).T
    np.testing.assert_array_equal(ranks(values), rankdata(values, axis=0))


def test_failed_evaluations_and_runs_cut_short_keep_what_was_found():
    from scores import Table

    runs = dict([_run("a", "one", [None, 3.0, None, 1.0]), _run("a", "two", [2.0], budget=4)])
    table = Table(runs, ("one", "two"))
    np.testing.assert_array_equal(table.at(), [[1.0], [2.0]])
    np.testing.assert_array_equal(table.at(0.25), [[np.inf], [2.0]])
    np.testing.assert_array_equal(table.at(0.5), [[3.0], [2.0]])


def test_a_cell_that_somebody_lacks_is_left_out_and_so_is_who_lacks_many():
    from scores import Table

    runs = dict(_run(f"p{k}", name, [1.0]) for k in range(5) for name in ("one", "two", "three"))
    del runs[_run("p0", "two", [1.0])[0]]
    for k in range(2):
        del runs[_run(f"p{k}", "three", [1.0])[0]]
    table = Table(runs, ("one", "two", "three"))
    assert table.optimizers == ["one", "two"]
    assert [cell.problem for cell in table.cells] == ["p1", "p2", "p3", "p4"]
    assert table.left_out == 1


def test_normalised_regrets_are_shares_of_what_random_search_reaches_on_that_cell():
    from scores import Table

    runs = dict(
        entry
        for budget, regret in ((1, 0.5), (2, 1e-9), (3, 30.0), (4, None))
        for entry in (_run("a", "one", [regret] * budget), _run("a", "random", [1.0] * budget))
    )
    scales = {("a", 1, 1): 2.0, ("a", 2, 1): 2.0, ("a", 3, 1): 4.0, ("a", 4, 1): 0.5}
    table = Table(runs, ("one", "random"), scales)
    np.testing.assert_allclose(table.normalised(table.at()), [[0.25, 0, 2, 2], [0.5, 0.5, 0.25, 2]])


def test_where_random_search_solves_fails_or_was_not_run_normalised_regrets_say_so():
    from scores import Table

    runs = dict(_run(name, "one", [1.0]) for name in "abc")
    runs |= dict([_run("solved", "one", [0.0])])
    scales = {("a", 1, 1): np.inf, ("b", 1, 1): 0.0, ("solved", 1, 1): 0.0}
    table = Table(runs, ("one",), scales)
    np.testing.assert_array_equal(table.normalised(table.at()), [[np.nan, 2.0, np.nan, 0.0]])


def test_scales_of_raced_runs_are_medians_over_seeds_and_want_several():
    from scores import scales_of
    from store import Run
    from suites import Cell

    regrets = {"a": ([5.0, 1.0], [2.0], [None, 4.0]), "b": ([1.0], [2.0]), "c": ([None], [None], [3.0])}
    cells = {Cell("tuning", name, seed, 2): one for name in regrets for seed, one in enumerate(regrets[name])}
    runs = {(cell, "random"): Run(cell, "random", True, 2, one) for cell, one in cells.items()}
    assert scales_of(runs) == {("a", 2, 1): 2.0, ("c", 2, 1): np.inf}


def test_where_no_optimum_is_known_and_nobody_succeeds_all_are_equal():
    from scores import Table, ranks

    runs = dict(_run("a", name, [None], known=False) for name in ("one", "random"))
    table = Table(runs, ("one", "random"), {("a", 1, 1): 3.0})
    np.testing.assert_array_equal(ranks(table.at()), [[1.5], [1.5]])
    np.testing.assert_array_equal(table.normalised(table.at()), [[2.0], [2.0]])


def test_where_no_optimum_is_known_the_best_value_seen_stands_for_it():
    from scores import Table

    runs = dict([_run("a", "random", [5.0, 4.0], known=False), _run("a", "one", [3.5, 3.0], known=False)])
    np.testing.assert_allclose(Table(runs, ("random", "one")).at(), [[1.0], [0.0]])


def test_by_the_clock_who_is_slow_gets_fewer_evaluations():
    from scores import Table

    falling = [4.0, 3.0, 2.0, 1.0]
    runs = dict([_run("a", "random", falling), _run("a", "slow", falling, seconds=1.0)])
    np.testing.assert_array_equal(Table(runs, ("random", "slow")).at_wall(1.0), [[1.0], [3.0]])
    batched = dict([_run("a", "random", falling, batch=2), _run("a", "slow", falling, seconds=0.5, batch=2)])
    np.testing.assert_array_equal(Table(batched, ("random", "slow")).at_wall(1.0), [[1.0], [3.0]])


def test_seconds_are_means_of_ten_evaluations_in_runs_that_got_so_far():
    from scores import seconds_at

    _, run = _run("a", "one", [1.0] * 25)
    run.seconds = [float(k) for k in range(25)]
    assert seconds_at([run], 20) == [np.mean(range(10, 20))]
    assert seconds_at([run], 5) == [2.0]
    assert seconds_at([run], 26) == []


def test_intervals_are_those_of_scipys_bootstrap_and_wider_when_problems_are_drawn_whole():
    from scores import mean_and_interval

    rng = np.random.default_rng(1)
    values = rng.normal(size=(1, 60))
    mean, interval = mean_and_interval(values, list(range(60)))
    reference = bootstrap((values[0],), np.mean, n_resamples=20_000, method="percentile", rng=2)
    assert mean[0] == pytest.approx(values.mean())
    np.testing.assert_allclose(interval[0], reference.confidence_interval, atol=0.02)
    repeated = np.repeat(values[:, :20], 3, axis=1)
    _, alone = mean_and_interval(repeated, list(range(60)))
    _, together = mean_and_interval(repeated, np.repeat(np.arange(20), 3))
    assert np.ptp(together) > 1.4 * np.ptp(alone)


def test_runs_are_read_as_they_were_written_and_the_last_one_counts(tmp_path, monkeypatch):
    import store

    monkeypatch.setattr(store, "RESULTS", tmp_path)
    for regret in (3.0, 1 / 3):
        key, run = _run("a", "Optuna GP", [regret, None], seconds=0.0123456)
        store.save(run)
    stored = store.load("problems")
    assert list(stored) == [key]
    assert stored[key].regrets == [pytest.approx(1 / 3, rel=1e-6), None]
    store.save(_run("a", "Ax", [1.0])[1])
    store.save(_run("a", "Ax", [2.0])[1])
    store.tidy("problems", ["Optuna GP", "SMAC3"])
    assert len((tmp_path / "problems" / "Ax.jsonl").read_text().splitlines()) == 2  # somebody may be writing
    (tmp_path / "problems" / "Ax.jsonl").unlink()
    (path,) = (tmp_path / "problems").iterdir()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["seconds"] == [0.0123, 0.0123]


def test_the_halves_share_no_instance():
    import re

    from suites import SUITES, cells

    for suite in SUITES:
        tuned, reported = cells(suite, "full", "tuning"), cells(suite, "full", "reporting")
        assert tuned
        assert reported
        assert {cell.half for cell in reported} == {"reporting"}
        instances = [
            {cell.problem for cell in half if re.search(r"-i\d+$|shifted\d", cell.problem)}
            for half in (tuned, reported)
        ]
        assert not instances[0] & instances[1]
        assert not {cell.seed for cell in tuned} & {cell.seed for cell in reported}
