"""Other units, same suggestions: values told as a y + b, parameters declared on other ranges.

A study in plain units and one in each other dress go side by side. At each of 30 asks all hold the same
trials, every one in its own units; the next suggestions are compared, as places in the range; then all are
told what came out where the plain one asked. A row shows how many digits its units leave of 16, in how many
of 30 asks the two agree to 1e-4 of the range, on average over all problems and seeds and in the worst run,
and the median and the largest difference. Below stand the runs that fell short.

Required of bbopt, two readings of one promise: agreement in 29 of 30 asks on average, in every row; and in
29 of 30 asks of every single run, in rows whose units leave nine digits. An offset of 1e6 units leaves y 10
of them; a range at 1e6 with a width of 1e-3 leaves x 7, and in a long run that may be enough to go apart.
"""

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from cases import Case, cube, quadratic, unit
from harness import Table
from peers import LIBRARIES, Run, described

from bbopt import problems

ASKS, SEEDS = 30, 5
AGREED = 1e-4  # of the range
SHARE = 29 / 30
ENOUGH = 9  # digits, with which every single run has to agree

Value = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Dress:
    """Units: y is told as a y + b, parameters lie in [low, high]."""

    name: str
    a: float = 1.0
    b: float = 0.0
    low: float = 0.0
    high: float = 1.0

    @property
    def digits(self) -> float:
        """How many digits float64 leaves to the y of a problem, or to places in the range."""
        of_y = math.ulp(abs(self.a) + abs(self.b)) / abs(self.a)
        of_x = math.ulp(max(abs(self.low), abs(self.high))) / (self.high - self.low)
        return -math.log10(max(of_y, of_x))


DRESSES = (
    Dress("y x 1e-12", 1e-12),
    Dress("y x 1e12", 1e12),
    Dress("y x 1e-12 + 1e-6", 1e-12, 1e-6),
    Dress("y + 1e6", 1.0, 1e6),
    Dress("y x 1e12 + 1e18", 1e12, 1e18),
    Dress("x in [0, 1e-9]", low=0.0, high=1e-9),
    Dress("x in [-1e12, 1e12]", low=-1e12, high=1e12),
    Dress("x in [3, 17]", low=3.0, high=17.0),
    Dress("x in [1e6, 1e6 + 1e-3]", low=1e6, high=1e6 + 1e-3),
    Dress("y x 1e12 + 1e18, x in [3, 17]", 1e12, 1e18, 3.0, 17.0),
)


def on_the_unit_cube(name: str) -> Value:
    """Return a problem of the suite as a function of the unit cube."""
    problem = problems.get(name)
    low, high = (problem.spec.space.decode([[end] * problem.spec.space.d])[0] for end in (0.0, 1.0))
    return lambda u: problem(
        {key: low[key] + x * (high[key] - low[key]) for key, x in zip(low, u, strict=True)}
    )


PROBLEMS: dict[str, tuple[int, Value]] = {
    "quadratic": (3, quadratic),
    "branin": (2, on_the_unit_cube("branin")),
    "rosenbrock2": (2, on_the_unit_cube("rosenbrock2")),
    "hartmann6": (6, on_the_unit_cube("hartmann6")),
    "rough quadratic": (3, lambda u: quadratic(u) + 0.05 * math.sin(1e4 * sum(u))),  # passes for noise
}


@dataclass
class Dressed:
    """A library at work in one dress: how far its suggestions are from the plain ones, in ranges."""

    library: str
    case: Case
    dress: Dress
    seed: int
    apart: list[float] = field(default_factory=list)
    error: str = ""
    run: Run | None = None

    def follow(self, u: list[float], y: float) -> None:
        """Ask, compare with the plain suggestion u, tell the y found there; infinitely far once it raised."""
        if not self.error:
            try:
                self.run = self.run or LIBRARIES[self.library](self.case, self.seed)
                v = unit(self.case.dimensions, self.run.ask())
                there = {one.name: one.at(x) for one, x in zip(self.case.dimensions, u, strict=True)}
                self.run.tell([self.dress.a * y + self.dress.b], at=there)
                self.apart.append(max(abs(p - q) for p, q in zip(u, v, strict=True)))
                return
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}"
        self.apart.append(math.inf)

    @property
    def n_agreed(self) -> int:
        """In how many asks the two agree."""
        return sum(one <= AGREED for one in self.apart)

    def trouble(self) -> str:
        """Return at which asks the two parted, or why there were none; empty where all agree."""
        parted = [f"{one:.0e} with {n} results" for n, one in enumerate(self.apart) if one > AGREED]
        shown = ", ".join(parted[:4]) + (", ..." if len(parted) > 4 else "")
        return f"{shown} {self.error}"[:240].strip()


def follow(library: str, problem: str, seed: int, asks: int = ASKS) -> list[Dressed]:
    """Run one problem in plain units and in all dresses, side by side."""
    d, value = PROBLEMS[problem]
    dimensions = cube(0, 1, d)
    plain = LIBRARIES[library](Case("plain", dimensions), seed)
    dressed = [Dressed(library, Case(one.name, cube(one.low, one.high, d)), one, seed) for one in DRESSES]
    for _ in range(asks):
        params = plain.ask()
        u = unit(dimensions, params)
        y = value(u)
        plain.tell([y], at=params)
        for one in dressed:
            one.follow(u, y)
    return dressed


def shortfalls(dress: Dress, agreed: Sequence[int], asks: int = ASKS) -> list[str]:
    """Return what a row misses of both readings, from the numbers of asks that agreed, one a run."""
    missed = []
    if mean(agreed) < SHARE * asks:
        missed.append(f"{dress.name}: fewer than 29 of 30 agree on average, {mean(agreed):.2f} of {asks}")
    if dress.digits >= ENOUGH and min(agreed) < SHARE * asks:
        missed.append(f"{dress.name}: fewer than 29 of 30 agree in a run, {min(agreed)} of {asks}")
    return missed


def compare(library: str, seeds: range, asks: int) -> Table:
    """Print the table of one library."""
    print(f"\n{described(library)}\n")
    runs = {
        f"{problem}, seed {seed}": follow(library, problem, seed, asks)
        for problem in PROBLEMS
        for seed in seeds
    }
    table = Table(" " * 30, "digits", "agree", "worst run", "median", "largest")
    for k, dress in enumerate(DRESSES):
        dressed = {name: run[k] for name, run in runs.items()}
        agreed = [one.n_agreed for one in dressed.values()]
        apart = [difference for one in dressed.values() for difference in one.apart]
        table.row(
            dress.name.ljust(30),
            f"{dress.digits:.0f}",
            f"{mean(agreed):.2f}",
            min(agreed),
            f"{median(apart):.1e}",
            f"{max(apart):.1e}",
            problems=shortfalls(dress, agreed, asks),
        )
        for name, one in dressed.items():
            if trouble := one.trouble():
                print(f"    {name}: apart by {trouble}", flush=True)
    return table


def main() -> None:
    """Run what the command line asks for; exit with status 1 if bbopt failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, in about a minute")
    parser.add_argument("--library", nargs="+", choices=LIBRARIES, default=["bbopt"])
    parser.add_argument("--seeds", type=int, help=f"{SEEDS}, or 1 with --quick")
    options = parser.parse_args()
    seeds = range(options.seeds or (1 if options.quick else SEEDS))
    start = time.monotonic()
    print(f"{len(DRESSES)} dresses, {len(PROBLEMS)} problems, {len(seeds)} seeds, {ASKS} asks")
    failures = []
    for library in options.library:
        with warnings.catch_warnings():
            warnings.simplefilter("error" if library == "bbopt" else "ignore")
            table = compare(library, seeds, ASKS)
        failures += table.failures if library == "bbopt" else []
    verdict = (
        "shown" if "bbopt" not in options.library else f"{len(failures)} FAILED" if failures else "passed"
    )
    print(f"\n{verdict} in {time.monotonic() - start:.0f} s ({'quick' if options.quick else 'full'} form)")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
