"""Numbers that break optimizers: nothing raises, nothing warns, nothing leaves the bounds, it still finds.

One easy problem, a quadratic on [0, 1]^3 with values in [0, 1], and the same in hard clothes: scaled,
shifted, clipped, failing, in odd units. Twenty asks, several seeds. A row shows the median regret (the
quadratic at the trial with the best value told; 0 is the optimum, 0.1 what a random point has), the
median ratio to the plain problem at the same seeds, how many runs failed, how many different points were
asked, and what went wrong. Rows that are other problems (grids, other dimensions, values that hide the
optimum) show no ratio. A regret below 1e-4 counts as found, whatever the ratio. Warnings count as errors.
"""

import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from harness import Table, command_line

from bbopt import BayesianOptimization, Categorical, Integer, Objective, Real, Space, Status, Study
from bbopt.types import Params

ASKS = 20
TOLERANCE = 3.0  # times the regret of the plain problem
FOUND = 1e-4  # regret
SHARE = 0.9  # of the rows compared that must keep it
TARGET = (0.3, 0.6, 0.45, 0.7)


def cube(low: float, high: float, d: int = 3, log: bool = False) -> Space:
    """Return d equal real parameters."""
    return Space([Real(f"x{j}", low, high, log=log) for j in range(d)])


def quadratic(u: Sequence[float]) -> float:
    """Return the mean squared distance from the optimum: 0 there, below 1 in the unit cube."""
    return sum((x - TARGET[j % 4]) ** 2 for j, x in enumerate(u)) / len(u)


def unit(space: Space, params: Params) -> list[float]:
    """Return where params lie in their ranges, computed apart from the library's own encoding."""
    place = []
    for parameter in space.parameters:
        if parameter.n_levels == 1:
            continue
        value, low, high = params[parameter.name], parameter.low, parameter.high
        if parameter.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        place.append((value - low) / (high - low))
    return place


@dataclass
class Case:
    """One row: a space, and what becomes of the quadratic's value q at unit point u.

    Attributes
    ----------
    name : str
    space : Space
    value : callable
        ``value(q, u)``: what is told.
    is_compared : bool
        Whether the regret should be that of the plain problem.
    added : list
        Params and q of trials added before the first ask.
    sd : float or None
        Standard error told with each value.
    strategy : str or strategy
    """

    name: str
    space: Space = field(default_factory=lambda: cube(0, 1))
    value: Callable[[float, list[float]], float] = lambda q, u: q
    is_compared: bool = True
    added: list[Params] = field(default_factory=list)
    sd: float | None = None
    strategy: Any = "auto"
    maximize: bool = False


def scaled(a: float, b: float = 0.0) -> Callable[[float, list[float]], float]:
    """Return values a q + b."""
    return lambda q, u: a * q + b


def in_a_tenth(strange: float) -> Callable[[float, list[float]], float]:
    """Return values that are strange in a tenth of the space, away from the optimum."""
    return lambda q, u: strange if u[0] > 0.9 else q


def in_a_tenth_near(strange: float) -> Callable[[float, list[float]], float]:
    """Return values that are strange in a tenth of the space, a slab that ends close to the optimum."""
    return lambda q, u: strange if 0.35 < u[0] < 0.45 else q


def cauchy(q: float, u: list[float]) -> float:
    """Return values with heavy-tailed noise that follows from the point."""
    quantile = math.modf(1e6 * sum(u))[0]
    return q + 0.05 * math.tan(math.pi * (quantile - 0.5))


def grid(levels: int) -> Space:
    """Return two integers."""
    return Space([Integer("i", 1, levels), Integer("j", 1, levels)])


PLAIN = Case("the plain problem")
CASES = [
    PLAIN,
    Case("y constant", value=lambda q, u: 3.5, is_compared=False),
    Case("y constant, 1e300", value=lambda q, u: 1e300, is_compared=False),
    Case("two distinct y only", value=lambda q, u: float(q > 0.1), is_compared=False),
    Case("a plateau of 99%", value=lambda q, u: min(q, 0.01), is_compared=False),
    Case("y x 1e12", value=scaled(1e12)),
    Case("y x 1e-12", value=scaled(1e-12)),
    Case("y x 1e300", value=scaled(1e300)),
    Case("y x 1e-300", value=scaled(1e-300)),
    Case("y x 1e-320 (subnormal)", value=scaled(1e-320), is_compared=False),
    Case("y from -1e308 to 1e308", value=scaled(1.7e308, -0.8e308)),
    Case("y x -1, maximized", value=scaled(-1.0), maximize=True),
    Case("offset 1e9, signal 1e-3", value=scaled(1e-3, 1e9)),
    Case("offset -1e15, signal 1", value=scaled(1.0, -1e15), is_compared=False),
    Case("a region returns 1e20", value=in_a_tenth(1e20)),
    Case("a region returns 1e300", value=in_a_tenth(1e300)),
    Case("a region returns -1e20", value=in_a_tenth(-1e20), is_compared=False),
    Case("a near slab returns 1e20", value=in_a_tenth_near(1e20)),
    Case("nan in a tenth", value=in_a_tenth(math.nan)),
    Case("nan in a near tenth", value=in_a_tenth_near(math.nan)),
    Case("+inf in a tenth", value=in_a_tenth(math.inf)),
    Case("-inf in a tenth", value=in_a_tenth(-math.inf)),
    Case("nan everywhere", value=lambda q, u: math.nan, is_compared=False),
    Case("nan but for a twentieth", value=lambda q, u: q if u[0] < 0.05 else math.nan, is_compared=False),
    Case("-0.0 and 0.0", value=lambda q, u: -0.0 if q < 0.1 else 0.0, is_compared=False),
    Case("x in [1e-9, 1.001e-9]", cube(1e-9, 1.001e-9)),
    Case("x in [1e6, 1e6 + 1e-3]", cube(1e6, 1e6 + 1e-3)),
    Case("x in [-1e12, 1e12]", cube(-1e12, 1e12)),
    Case("x in [-1e300, 1e300]", cube(-1e300, 1e300)),
    Case("x in [-1e-300, 1e-300]", cube(-1e-300, 1e-300)),
    Case("log x in 1e-300..1e300", cube(1e-300, 1e300, log=True)),
    Case("log x in [1, 1.0001]", cube(1, 1.0001, log=True)),
    Case("x one ulp wide", cube(1.0, math.nextafter(1.0, 2.0)), is_compared=False),
    Case("integers 2^53 wide", Space([Integer(f"x{j}", -(2**52), 2**52) for j in range(3)])),
    Case("2 x 2 integer grid", grid(2), is_compared=False),
    Case("4 x 4 integer grid", grid(4), is_compared=False),
    Case(
        "one level each",
        Space([Integer("i", 7, 7), Categorical("c", ["only"])]),
        lambda q, u: 1.0,
        is_compared=False,
    ),
    Case("Cauchy noise", value=cauchy, is_compared=False),
    Case("d = 1", cube(0, 1, 1), is_compared=False),
    Case("d = 200", cube(0, 1, 200), is_compared=False, strategy=BayesianOptimization(n_initial=5)),
    Case("sd = 0", sd=0.0),
    Case("sd = 1e-300", sd=1e-300),
    Case("sd = 1e300", sd=1e300, is_compared=False),
    Case("1000 copies of a point added", added=[{"x0": 0.5, "x1": 0.5, "x2": 0.5}] * 1000),
    Case("a line of points added", added=[dict.fromkeys(("x0", "x1", "x2"), k / 100) for k in range(100)]),
    Case(
        "twins 1e-15 apart added",
        added=[dict.fromkeys(("x0", "x1", "x2"), 0.5 + k * 1e-15) for k in range(20)],
    ),
    Case(
        "far points added",
        added=[dict.fromkeys(("x0", "x1", "x2"), x) for x in (-1e6, 1e6, 1e150)],
        is_compared=False,
    ),
]


def main(quick: bool) -> Table:
    """Run all rows; compare with the plain problem."""
    seeds = range(1 if quick else 3)
    print(f"d = 3 quadratic, {ASKS} asks, {len(seeds)} seeds, the default strategy\n")
    table = Table(" " * 28, "regret    ", "x plain", "failed", "distinct")
    plain = [run(PLAIN, seed).regret for seed in seeds]
    ratios = []
    for case in CASES:
        outcomes = [run(case, seed) for seed in seeds]
        regret = median(outcome.regret for outcome in outcomes)
        ratio = median(outcome.regret / p for outcome, p in zip(outcomes, plain, strict=True))
        if case.is_compared:
            ratios.append((ratio, regret))
        problems = sorted({problem for outcome in outcomes for problem in outcome.problems})
        table.row(
            case.name.ljust(28),
            (f"{regret:.2g}" if math.isfinite(regret) else "-").ljust(10),
            f"{ratio:.2g}".ljust(7) if case.is_compared else "-".ljust(7),
            sum(outcome.failed for outcome in outcomes),
            min(outcome.distinct for outcome in outcomes),
            problems=problems,
        )
    strictly = sum(ratio <= TOLERANCE for ratio, _ in ratios)
    kept = sum(ratio <= TOLERANCE or regret <= FOUND for ratio, regret in ratios)
    print(
        f"\n{kept} of {len(ratios)} rows found the optimum as well as the plain problem does: "
        f"within {TOLERANCE:g} x its regret ({strictly} rows) or below {FOUND:g}"
    )
    if kept < SHARE * len(ratios):
        table.failures.append("too many rows are worse than the plain problem")
    return table


@dataclass
class Outcome:
    """What one run gave."""

    regret: float = math.inf
    failed: int = 0
    distinct: int = 0
    problems: list[str] = field(default_factory=list)


def run(case: Case, seed: int, asks: int = ASKS) -> Outcome:
    """Run one case once; whatever it raises or warns is a problem, not an exception."""
    outcome = Outcome()
    study = Study(case.space, Objective("y", maximize=case.maximize), strategy=case.strategy, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            for params in case.added:
                study.add(params, case.value(quadratic(unit(case.space, params)), unit(case.space, params)))
            for _ in range(asks):
                trial = study.ask()
                case.space.validate(trial.params)  # a DataError out of bounds
                json.dumps(trial.tag, allow_nan=False)  # what a file could not hold
                u = unit(case.space, trial.params) if case.space.d else [0.5]
                study.tell(trial, case.value(quadratic(u), u), sd=case.sd)
            if any(trial.status == Status.COMPLETE for trial in study.trials):
                study.best()
                study.recommend()
                study.predict(study.trials[-1].params)
        except Exception as error:
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = "" if where is None else f" ({where.tb_frame.f_code.co_filename}:{where.tb_lineno})"
            outcome.problems.append(
                f"{case.name}: after {len(study)} trials: {type(error).__name__}: {error}{place}"
            )
    asked = study.trials[len(case.added) :]
    outcome.failed = sum(trial.status == Status.FAILED for trial in asked)
    outcome.distinct = len({tuple(trial.params.items()) for trial in asked})
    complete = [trial for trial in asked if trial.status == Status.COMPLETE]
    if complete and case.space.d:
        sign = -1 if case.maximize else 1
        best = min(complete, key=lambda trial: sign * trial.value)
        outcome.regret = quadratic(unit(case.space, best.params))
    return outcome


if __name__ == "__main__":
    command_line(__doc__, main)
