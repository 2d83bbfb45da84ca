"""Races are run, broken off, gone on with and reported: by a made-up optimizer that follows a script."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent.parent.parent / "benchmarks" / "compare"
MODULES = ("client", "figures", "report", "run", "scale", "scores", "store", "suites", "tasks", "words")
SERVER = """
import json, pathlib, sys
log = pathlib.Path(__file__).with_name("log")
for line in sys.stdin:
    request = json.loads(line)
    answer = {"seconds": 0.0}
    if request["do"] == "start":
        point = {p["name"]: p["low"] for p in request["parameters"]}
        answer["versions"] = {}
        with log.open("a") as file:
            file.write(request["optimizer"] + chr(10))
    elif request["do"] == "ask":
        answer["params"] = [point] * request["n"]
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(autouse=True)
def _apart(monkeypatch, tmp_path):
    """What is stored lies in a folder of its own."""
    monkeypatch.syspath_prepend(HERE.parent)
    monkeypatch.syspath_prepend(HERE)
    before = set(sys.modules)
    import store

    monkeypatch.setattr(store, "RESULTS", tmp_path / "race")
    yield
    if "run" in sys.modules and sys.modules["run"]._client:
        sys.modules["run"]._client.close()
    for name in set(MODULES) & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.fixture
def environments(tmp_path):
    """A folder that has the environment of random search alone, with the made-up optimizer in it."""
    home = tmp_path / "envs"
    python = home / "peers" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (home / "server.py").write_text(SERVER)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{home}/server.py"\n')
    python.chmod(0o755)
    return home


def _main(monkeypatch, *arguments):
    spec = importlib.util.spec_from_file_location("compare_main", HERE / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
    return module.main()


def _cells(n):
    from suites import Cell

    return [Cell("batches", "shifted2-branin", seed, 4, 4) for seed in range(1, 2 * n, 2)]


def _run(cell, optimizer, regrets, *, known=True, error=None):
    from store import Run

    return Run(cell, optimizer, known, 2, regrets, seconds=[0.0] * len(regrets), error=error)


# --- run -------------------------------------------------------------------------------------------


def test_what_cannot_be_run_costs_no_other_run(environments):
    import run
    import store

    jobs = [(cell, name) for name in ("Ax", "random") for cell in _cells(3)]
    run.run_all(jobs, environments, 1)
    assert sorted(store.load("batches")) == [(cell, "random") for cell in _cells(3)]


def test_an_interrupt_keeps_what_is_finished_and_begins_nothing_new(environments, monkeypatch):
    import run
    import store

    save, saved = store.save, []

    def save_and_break_off(one):
        save(one)
        saved.append(one)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(store, "save", save_and_break_off)
    with pytest.raises(KeyboardInterrupt):
        run.run_all([(cell, "random") for cell in _cells(20)], environments, 1)
    begun = (environments / "log").read_text().splitlines()
    assert 2 <= len(store.load("batches")) == len(begun) <= 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Optuna", "'Optuna' is unknown; there are .*Optuna TPE"),
        ("Ax", "Ax needs the environment ax.*make.sh ax"),
    ],
)
def test_names_and_environments_are_looked_at_before_anything_runs(
    environments, monkeypatch, capsys, name, message
):
    options = ("--environments", environments, "--suites", "batches")
    with pytest.raises(SystemExit) as ended:
        _main(monkeypatch, "run", "--optimizers", "random", name, *options)
    assert ended.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert re.search(message, line)
    assert not (environments / "log").exists()


def test_accidents_are_run_again_and_runs_whose_time_was_up_are_not():
    import run
    import store

    errors = (None, "ended after 601 CPU seconds", "the process died at ask", "no answer to ask in 900 s")
    cells = _cells(len(errors))
    for cell, error in zip(cells, errors, strict=True):
        store.save(_run(cell, "random", [1.0], error=error))
    assert run.missing(cells, ["random"]) == [(cell, "random") for cell in cells[2:]]


def test_tidying_that_is_broken_off_loses_nothing(monkeypatch):
    import store

    for cell in _cells(3):
        store.save(_run(cell, "random", [1.0]))
    write = Path.write_text

    def break_off(path, text):
        write(path, text[:50])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", break_off)
    with pytest.raises(OSError, match="no space"):
        store.tidy("batches", ["random"])
    assert len(store.load("batches")) == 3


# --- cell ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "budget"), [(4, 48), (8, 64)])
def test_a_cell_is_chosen_by_its_batch(environments, monkeypatch, capsys, batch, budget):
    options = ("--batch", batch, "--environments", environments)
    _main(monkeypatch, "cell", "batches", "shifted2-branin", 1, "random", *options)
    assert capsys.readouterr().out.strip().splitlines()[-1].split()[0] == str(budget)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("batches", "shifted2-branin", 1), "batches of 4, 8: say --batch"),
        (("bbob", "bbob-f1-d5-i2", 2), "bbob-f1-d5-i2 has no seed 2, but 1"),
        (("bbob", "bbob-f1-d5", 1), "bbob has no problem 'bbob-f1-d5'; it has .*bbob-f1-d5-i"),
        (("bob", "bbob-f1-d5-i2", 1), "invalid choice: 'bob'"),
    ],
)
def test_a_cell_that_is_not_there_is_refused_with_what_is(
    environments, monkeypatch, capsys, arguments, message
):
    with pytest.raises(SystemExit) as ended:
        _main(monkeypatch, "cell", *arguments, "random", "--environments", environments)
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)


# --- scale -----------------------------------------------------------------------------------------


def test_the_scale_is_the_median_of_many_random_searches():
    import scale

    from bbopt import problems

    problem, rng = problems.get("shifted2-branin"), np.random.default_rng(0)
    low, high = np.array([[p.low, p.high] for p in problem.spec.space.parameters]).T
    names = [p.name for p in problem.spec.space.parameters]
    points = rng.uniform(low, high, (600, 10, 2))
    values = [[problem(dict(zip(names, x, strict=True))) for x in search] for search in points]
    least = np.min(values, axis=1) - problem.optimum.value
    # The median of 51 lies between these quantiles but for one time in 300.
    assert np.quantile(least, 0.3) < scale.measure("shifted2-branin", 10) < np.quantile(least, 0.7)


def test_scales_are_read_as_they_were_written_and_measured_once(monkeypatch):
    import scale
    import store

    measured = []
    monkeypatch.setattr(scale, "measure", lambda *place: measured.append(place) or np.inf)
    store.save_scales("batches", {("shifted2-branin", 4, 8): 1 / 3})
    for _ in range(2):
        scale.measure_missing("batches", _cells(3))
    assert measured == [("shifted2-branin", 4)]
    expected = {("shifted2-branin", 4, 8): pytest.approx(1 / 3, rel=1e-4), ("shifted2-branin", 4, 4): np.inf}
    assert store.load_scales("batches") == expected
    assert len(store.load("batches")) == 0


# --- report ----------------------------------------------------------------------------------------


def test_the_page_of_results_is_what_the_stored_runs_say(monkeypatch):
    import report
    import store

    monkeypatch.setattr(store, "RESULTS", HERE.parent / "results" / "race")
    written = (report.DOCS / "results.md").read_text(encoding="utf-8")
    assert report.page(*report.collect()) == written, "write it again: python benchmarks/compare report"


def _two_suites():
    """In the first suite Ax is best and bbopt second; in the second Ax has not run."""
    from suites import Cell

    for k in range(10):
        bbob, noisy = (
            Cell("bbob", f"bbob-f{k + 1}-d2-i2", 1, 2),
            Cell("noisy", f"bbob-noisy-f{101 + k}-d2-i2", 1, 2),
        )
        for name, regret in (("Ax", 1.0), ("bbopt", 2.0), ("random", 3.0)):
            yield _run(bbob, name, [regret, 4.0])
            if name != "Ax":
                yield _run(noisy, name, [regret, 4.0])


def test_over_all_suites_ranks_are_among_those_who_are_in_all():
    import report
    import store
    from scores import Table, ranks

    for one in _two_suites():
        store.save(one)
    tables = {suite: Table(store.load(suite)) for suite in ("bbob", "noisy")}
    names, values, groups = report.overall(tables, lambda table: ranks(table.at()))
    assert names == ["bbopt", "random"]
    np.testing.assert_array_equal(values, [[1.0] * 20, [2.0] * 20])
    assert len(groups) == 20


def test_the_page_says_who_is_missing_where_and_what_is_left_out():
    import report
    import store

    for one in _two_suites():
        if (one.cell.problem, one.optimizer) != ("bbob-noisy-f101-d2-i2", "bbopt"):
            store.save(one)
    page = report.page(*report.collect())
    assert "Ax is not in noisy (0 of 10 cells run), and so neither in *all* nor by the clock." in page
    assert "SMAC3 is in no table: it has run 0 of 20 cells." in page
    assert "somebody in the table lacks them: 1 of noisy." in page
    assert "| **all** (19) | **1.00** [1.00, 1.00] |  | 2.00 [2.00, 2.00] |" in page


def test_the_page_says_how_far_ahead_bbopt_is_and_of_whom():
    import report
    import store

    for one in _two_suites():
        store.save(one)
    page = report.page(*report.collect())
    assert "| bbob | 2 | Ax | -1.00 [-1.00, -1.00] |" in page
    assert "| noisy | 1 | random | +1.00 [+1.00, +1.00] |" in page


def test_what_a_change_costs_is_told_with_its_time_and_as_a_ratio_where_the_optimum_is_known():
    import report
    import store
    from suites import Cell

    for name, regrets, seconds in (("bbopt", [1.0, 0.01], 0.5), ("bbopt:RBF", [1.0, 0.1], 1.5)):
        for k, suite in enumerate(("problems", "tuning")):
            one = _run(Cell(suite, f"one of {suite}", 0, 2), name, regrets)
            one.optimum_known, one.seconds = not k, [seconds, seconds]
            one.versions = {"source": f"of {name}" if k else "one"}
            store.save(one)
    for one in _two_suites():
        store.save(one)
    page = report.page(*report.collect())
    assert "| RBF | problems | 1 | 0 | +1.00 [+1.00, +1.00] (1) | 3.0 |" in page
    assert "| RBF \\* | tuning | 1 | 0 |  | 3.0 |" in page


def test_the_page_tells_accidents_from_time_and_names_versions():
    import report
    import store

    for k, one in enumerate(_two_suites()):
        one.versions = {"numpy": "2.0" if k % 2 else "2.1"} if one.optimizer == "random" else {"numpy": "1.9"}
        if one.optimizer == "bbopt" and k < 9:
            one.error = f"ended after {600 + k} CPU seconds" if k % 2 else "the process died at ask"
            one.seconds = [300.0 + k, 300.0]
        store.save(one)
    page = report.page(*report.collect())
    assert "| bbopt | bbob | its time was up | 1 | 100% | 601 |" in page
    assert "| bbopt | bbob | the process died at ask | 1 | 100% | 606 |" in page
    assert "| bbopt | numpy 1.9 |" in page
    assert "| random | numpy 2.0 (10 runs) / 2.1 (10 runs) |" in page
