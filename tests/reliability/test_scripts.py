"""The reliability scripts in reduced form."""

import exhaustion
import fuzz_tells
import pytest
import torture
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


@pytest.mark.parametrize("case", torture.CASES, ids=lambda case: case.name)
def test_numbers_that_break_optimizers(case):
    assert torture.run(case, seed=0, asks=9).problems == []


@pytest.mark.slow
def test_the_optimum_is_found_in_hard_clothes():
    assert torture.main(quick=False).failures == []
