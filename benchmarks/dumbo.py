"""Additive structure, known, learnt or not used: simple and average regret of DuMBO and others.

Hartmann-6 has no such structure; Powell-24 is a sum over six blocks of four columns, Rastrigin-100 over
single columns, the overlapping problem over five blocks of four that share two with the next; Ackley-20 and
Rosenbrock-20 are what a sum of few-column functions is wrong about, or nearly. Every method starts from as
many points of its design as it pleases: all trials count.
Required of DuMBO, medians: with learnt factors a simple regret below 0.15 on Hartmann-6 and below 5% of the
range on the overlapping problem; with the known ones an average regret below that of "bo" on Powell-24 and
Rastrigin-100.
"""

import time

import common
import numpy as np

from bbopt import Study, problems
from bbopt.strategies.dumbo import DuMBO
from bbopt.strategies.registry import STRATEGIES

BUDGETS = {
    "hartmann6": 150,
    "overlapping12": 100,
    "powell24": 110,
    "rastrigin100": 110,
    "ackley20": 100,
    "rosenbrock20": 100,
}
LEARNT, KNOWN = "dumbo", "dumbo, factors known"
METHODS = (LEARNT, KNOWN, "bo", "turbo", "sobol")
RANGE = 687.5 + 195.83
"""Of the overlapping problem. In a column that m blocks share, others held, it is m (x⁴ - 14.5 x²) / 8 plus
something linear: largest at -5 or 5. So the largest value is at a corner, and all 4096 were tried: 687.5, at
-5, 5, -5, 5, ... and others."""


def main():
    """Print and save the table."""
    parser = common.arguments(__doc__, "dumbo")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problems", nargs="+", choices=list(BUDGETS), default=list(BUDGETS))
    options = parser.parse_args()
    common.pin()
    seeds = range(1 if options.quick else options.seeds)
    settings = {
        "versions": common.versions("numpy", "scipy"),
        "threads": "1",
        "budgets": "; ".join(f"{name}: {BUDGETS[name]}" for name in options.problems),
        "seeds": len(seeds),
        "regret": "simple: of the best trial; average: of all trials",
    }
    print(__doc__)
    common.describe(settings)
    results, rows = [], []
    for name in options.problems:
        problem = problems.get(name)
        budget = 20 if options.quick else BUDGETS[name]
        found = {}
        for method in METHODS:
            strategy = _strategy(method, problem)
            if strategy is None:
                continue
            found[method] = one = _runs(problem, strategy, budget, seeds)
            rows.append(
                [
                    name,
                    method,
                    *(f"{one[key]:.3g}" for key in ("median simple regret", "median average regret")),
                    f"{max(one['simple regrets']):.3g}",
                    f"{one['ms an ask']:.0f}",
                    _verdict(name, method, found),
                ]
            )
            print(" ".join(rows[-1]), flush=True)
        results.append({"problem": name, "methods": found})
    print()
    header = ["problem", "method", "simple regret", "average regret", "worst simple", "ms an ask", "reached"]
    common.table(header, rows)
    common.save(options, settings, results, "problem")


def _strategy(method, problem):
    """Return a method's strategy; None where there is no such thing."""
    if method != KNOWN:
        return method if method in STRATEGIES else None
    factors = getattr(problem, "decomposition", None)
    return None if factors is None else DuMBO(decomposition=factors)


def _runs(problem, strategy, budget, seeds):
    simple, average, seconds = [], [], 0.0
    for seed in seeds:
        study = Study(problem.spec.space, problem.spec.objectives, strategy=strategy, seed=seed)
        regrets = []
        for _ in range(budget):
            start = time.perf_counter()
            trial = study.ask()
            seconds += time.perf_counter() - start
            value = problem(trial.params)
            study.tell(trial, value)
            regrets.append(problem.regret(value))
        simple.append(float(np.min(regrets)))
        average.append(float(np.mean(regrets)))
    return {
        "median simple regret": float(np.median(simple)),
        "median average regret": float(np.median(average)),
        "simple regrets": simple,
        "average regrets": average,
        "ms an ask": 1e3 * seconds / (budget * len(seeds)),
    }


def _verdict(name, method, found):
    """Return whether a target was reached; nothing where there is none."""
    if (name, method) == ("hartmann6", LEARNT):
        return common.verdict(found[LEARNT]["median simple regret"] < 0.15)
    if (name, method) == ("overlapping12", LEARNT):
        return common.verdict(found[LEARNT]["median simple regret"] < 0.05 * RANGE)
    if name in ("powell24", "rastrigin100") and method == "bo" and KNOWN in found:
        known, plain = (found[one]["median average regret"] for one in (KNOWN, "bo"))
        return f"known < bo: {common.verdict(known < plain)}"
    return ""


if __name__ == "__main__":
    main()
