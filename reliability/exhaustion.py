"""Every point of a grid without noise is asked exactly once, then SpaceExhausted is raised.

All numbers of points from 1 to 256, as a row of integers, as integers times categories, as a condition
(integers that exist in one category only), as nested conditions, and under a known constraint (where
the number is triangular); told one by one, all pending, and in batches with a remainder (these two take
one of the shapes for each number, in turn). Each space is asked five more times at the end, which must
raise each time.
"""

import time
from collections.abc import Iterator, Sequence
from math import isqrt

from harness import Table, command_line

from bbopt import Categorical, Integer, Objective, Ordinal, Real, Space, SpaceExhausted, Study
from bbopt.types import Params

MODES = ("sequential", "pending", "batches")
LARGEST = 256
FEW = (*range(1, 10), 11, 12, 15, 16, 21, 27, 32, 48, 64, 128, 256)  # a model at every ask takes its time


def main(quick: bool) -> Table:
    """Go through sizes, shapes, strategies and modes."""
    print("bo, which auto takes too, fits a model at every ask: a subset of the sizes\n")
    table = Table("strategy", "mode      ", "sizes       ", "spaces", "asks", "seconds")
    for strategy in ("random", "sobol", "grid", "lhs", "cbo", "bo"):
        sizes: Sequence[int] = range(1, LARGEST + 1)
        if strategy == "bo":
            sizes = [n for n in FEW if n <= 12] if quick else FEW
        elif quick:
            sizes = [n for n in sizes if n <= 8 or n % 31 == 0]
        for mode in MODES:
            go_through(table, strategy, mode, sizes)
    return table


def go_through(table: Table, strategy: str, mode: str, sizes: Sequence[int]) -> None:
    """Use up all spaces of these sizes with one strategy."""
    start, spaces, asks = time.perf_counter(), 0, 0
    problems: list[str] = []
    for size in sizes:
        spaces_here = list(shapes(size))
        if mode != "sequential":
            spaces_here = [spaces_here[size % len(spaces_here)]]
        for shape, space in spaces_here:
            found = [
                f"{strategy}, {mode}, {size} points as {shape}: {p}"
                for p in use_up(space, size, strategy, mode)
            ]
            problems += found
            spaces, asks = spaces + 1, asks + size
    span = f"{len(sizes)} in {sizes[0]}-{sizes[-1]}"
    table.row(
        strategy, mode.ljust(10), span.ljust(12), spaces, asks, time.perf_counter() - start, problems=problems
    )


def shapes(size: int) -> Iterator[tuple[str, Space]]:
    """Yield spaces of exactly this many points."""
    yield "integers", Space([Integer("i", -3, size - 4)])
    rows = next(k for k in range(isqrt(size), 0, -1) if size % k == 0)
    if rows > 1:
        yield (
            "a product",
            Space([Integer("i", 1, rows), Categorical("c", [f"c{k}" for k in range(size // rows)])]),
        )
        yield (
            "a product with steps",
            Space([Ordinal("o", list(range(rows))), Real("x", 0, (size // rows - 1) / 4, step=0.25)]),
        )
    if size >= 3:
        yield (
            "a condition",
            Space([Categorical("on", [True, False]), Integer("i", 1, size - 1, when={"on": True})]),
        )
    if size >= 6:
        nested = [
            Categorical("a", ["x", "y", "z"]),
            Categorical("b", ["p", "q"], when={"a": ["x", "y"]}),
            Integer("i", 1, (size - 3) // 2, when={"b": "p"}),
        ]
        if 2 * ((size - 3) // 2) + 3 == size:
            yield "nested conditions", Space(nested)
    side = isqrt(2 * size)
    if side > 1 and side * (side + 1) == 2 * size:
        yield "a triangle", Space([Integer("i", 1, side), Integer("j", 1, side)], ["i <= j"])


def use_up(space: Space, size: int, strategy: str, mode: str) -> list[str]:
    """Ask until the space is exhausted, and five times more; return what is wrong."""
    study = Study(space, Objective("loss", noise=0), strategy=strategy, seed=size)
    asked: list[Params] = []
    refusals = 0
    while refusals < 5 and len(asked) <= size + 5:
        batch = 7 if mode == "batches" and not refusals else 1
        try:
            trials = study.ask(batch)
        except SpaceExhausted:
            refusals += 1 if batch == 1 else 0
            if batch > 1:  # fewer than seven are left: take those one by one
                mode = "sequential"
            continue
        except Exception as error:  # whatever it is, it should not be
            return [f"{type(error).__name__} after {len(asked)} asks: {error}"]
        asked += [trial.params for trial in trials]
        for trial in trials if mode != "pending" else ():
            study.tell(trial, float(trial.number % 5))
    distinct = len({tuple(sorted(params.items())) for params in asked})
    if len(asked) == distinct == size:
        return []
    return [f"{len(asked)} asked, {distinct} of them different"]


if __name__ == "__main__":
    command_line(__doc__, main)
