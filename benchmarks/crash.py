"""Evaluations wasted in a crash region of 15% of the space around the path to the optimum, 80 evaluations.

The region is a drop whose point is the optimum and whose ball lies about the centre of the space
(``problems.crash_region``); every method tells a crash the way its library means it: ``study.fail``,
and ``TrialState.FAIL``, which Optuna's samplers then leave out of what they learn from.
Required of bbopt: at most 10 of 80 evaluations wasted, in the median on every problem.

Two more rows have failures that have nothing to do with places: one run in five fails. There what was
wasted says nothing, and the regret what believing in places costs.
"""

import common
import numpy as np
from methods import best, optimize

from bbopt import problems

CASES = {
    "branin": lambda: problems.branin(),
    "hartmann6": lambda: problems.hartmann(6),
    "levy4": lambda: problems.levy(4, bounds=(-10.0, 5.0)),
    "rosenbrock2": lambda: problems.rosenbrock(2),
}
AT_RANDOM = {
    "branin, 20% at random": problems.branin,
    "hartmann6, 20% at random": lambda: problems.hartmann(6),
}
RATE = 0.2
METHODS = ("bbopt", "Optuna GP", "Optuna TPE", "random")
BUDGET = 80
ALLOWED = 10


def in_region(make):
    """Return what makes a problem that crashes in its region, the same for every seed."""
    problem = problems.Failing(make(), problems.crash_region(make()))
    return lambda seed: problem


def at_random(make):
    """Return what makes a problem of which one run in five fails, wherever it is."""

    def of(seed):
        draw = np.random.default_rng(seed + 50)
        return problems.Failing(make(), lambda X: draw.random(len(X)) < RATE)

    return of


def main():
    """Print and save the table."""
    parser = common.arguments(__doc__, "crash")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    common.pin()
    seeds = range(2 if options.quick else options.seeds)
    settings = {
        "versions": common.versions("numpy", "scipy", "optuna", "torch"),
        "threads": "1",
        "budget": BUDGET,
        "seeds": len(seeds),
        "region": "15% of the volume, from the centre of the space to the nearest optimum",
    }
    print(__doc__)
    common.describe(settings)
    results, rows = {}, []
    cases = {name: in_region(make) for name, make in CASES.items()}
    cases |= {name: at_random(make) for name, make in AT_RANDOM.items()}
    for name, make in cases.items():
        for method in METHODS:
            runs = [optimize(method, make(seed), BUDGET, seed) for seed in seeds]
            wasted = [sum(value is None for value in run) for run in runs]
            regrets = [make(0).regret(best(run)) for run in runs]
            is_required = method == "bbopt" and name in CASES
            verdict = common.verdict(np.median(wasted) <= ALLOWED) if is_required else ""
            median = f"{np.median(wasted):.0f}"
            rows.append(
                [
                    name,
                    method,
                    median,
                    max(wasted),
                    f"{np.median(regrets):.2g}",
                    f"{max(regrets):.2g}",
                    verdict,
                ]
            )
            results.setdefault(name, {})[method] = {"wasted": wasted, "regrets": regrets}
            print(f"{name} {method}: wasted {median}, regret {np.median(regrets):.2g}", flush=True)
    print()
    header = ["problem", "method", "wasted", "most", "regret", "worst", "reached"]
    common.table(header, rows)
    common.save(options, settings, results)


if __name__ == "__main__":
    main()
