"""Quick evaluations: Bayesian optimization against a swarm in the same time.

Where an evaluation takes milliseconds, consensus-based optimization (CBO) tries hundreds of points while
Bayesian optimization (BO) makes up its mind about one. BO spends its budget of evaluations; CBO, with as
many particles as ``auto`` gives it, goes on until the same clock has run out: the processor time of asking
and telling, and for each evaluation the seconds it is said to take. CBO with no more evaluations than BO
shows what the model is worth where an evaluation is all that counts.

Regrets are those of the best trial. Below 1e-6 a problem counts as solved; two methods that solve it, or
whose regrets are within 5% of each other, are even. Nothing is required: this is what the rule in ``auto``
is judged by.
"""

import time
from math import sqrt

import common
import numpy as np

from bbopt import BayesianOptimization, ConsensusBasedOptimization, Study, problems

PROBLEMS = (
    "ackley5",
    "levy5",
    "rosenbrock5",
    "styblinski_tang5",
    "schwefel5",
    "hartmann6",
    "michalewicz5",
    "shekel7",
    "dixon_price10",
    "cosine_mixture8",
)
BUDGETS = (100, 200, 400, 600)
SECONDS = (0.001, 0.01, 0.1, 1.0)
MOST = 30_000
SOLVED, EVEN = 1e-6, 0.05


def main():
    """Print and save the tables."""
    parser = common.arguments(__doc__, "quick")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    options = parser.parse_args()
    common.pin()
    names = options.problems[:2] if options.quick else options.problems
    budgets = (20, 40) if options.quick else BUDGETS
    seeds = range(1 if options.quick else options.seeds)
    settings = {
        "versions": common.versions("numpy", "scipy"),
        "threads": "1",
        "evaluations of BO": ", ".join(map(str, budgets)),
        "evaluations of CBO": f"at most {MOST}",
        "seconds an evaluation": ", ".join(f"{one:g}" for one in SECONDS),
        "seeds": len(seeds),
    }
    print(__doc__)
    common.describe(settings)
    results = []
    for name in names:
        for seed in seeds:
            results += _compared(problems.get(f"shifted{seed + 1}-{name}"), seed, budgets)
        print(f"{name}: BO took {results[-1]['BO seconds']:.0f} s for {budgets[-1]}", flush=True)
    print()
    _show(results, budgets)
    common.save(options, settings, results)


def _compared(problem, seed, budgets):
    """Return what both methods reach on one problem, an entry a budget."""
    regrets, clock = _walk(problem, BayesianOptimization(), seed, budgets[-1])
    found = []
    for budget in budgets:
        own, cbo = float(clock[budget - 1]), {}
        for seconds in SECONDS:
            limit = budget * seconds + own
            planned = min(int(limit / seconds), MOST)
            best, spent = _walk(problem, _swarm(problem, planned), seed, planned, seconds, limit)
            fits = int(np.searchsorted(spent, limit, side="right"))
            cbo[f"{seconds:g} s"] = {"evaluations": fits, "regret": float(best[fits - 1])}
        best, _ = _walk(problem, _swarm(problem, budget), seed, budget)
        cbo["equal"] = {"evaluations": budget, "regret": float(best[-1])}
        bo = float(regrets[budget - 1])
        found.append(
            {"problem": problem.name, "seed": seed, "budget": budget, "BO": bo, "BO seconds": own, "CBO": cbo}
        )
    return found


def _walk(problem, strategy, seed, count, seconds=0.0, limit=np.inf):
    """Return regrets of the best so far and the clock after each evaluation, until one of both limits."""
    study = Study(problem.spec.space, problem.spec.objectives, strategy=strategy, seed=seed)
    size = strategy.batch_size(problem.spec)
    regrets, clock, busy = [], [0.0], 0.0
    while len(regrets) < count and clock[-1] <= limit:
        start = time.process_time()
        trials = study.ask(size)
        busy += time.process_time() - start
        for trial in trials[: count - len(regrets)]:
            value = problem(trial.params)
            start = time.process_time()
            study.tell(trial, value)
            busy += time.process_time() - start
            regrets.append(problem.regret(value))
            clock.append(len(regrets) * seconds + busy)
    return np.minimum.accumulate(regrets), np.array(clock[1:])


def _swarm(problem, count):
    """Return CBO with the particles that ``bbopt/strategies/auto.py`` takes for so many evaluations."""
    usual = ConsensusBasedOptimization().batch_size(problem.spec)
    return ConsensusBasedOptimization(n_particles=max(usual, min(int(sqrt(count) / 2), 1000)))


def _show(results, budgets):
    """Print the regrets with the largest budget, and for each budget who was better how often."""
    cases = [f"{seconds:g} s" for seconds in reversed(SECONDS)]
    rows = [
        [
            one["problem"],
            f"{one['BO seconds']:.0f}",
            f"{one['BO']:.2g}",
            *(f"{one['CBO'][case]['regret']:.2g}" for case in ("equal", *cases)),
        ]
        for one in results
        if one["budget"] == budgets[-1]
    ]
    common.table(["problem", "s of BO", "BO", "CBO, equal", *(f"CBO, {case}" for case in cases)], rows)
    rows = []
    for budget in budgets:
        chosen = [one for one in results if one["budget"] == budget]
        bo = np.maximum([one["BO"] for one in chosen], SOLVED)
        for case in ("equal", *cases):
            cbo = np.maximum([one["CBO"][case]["regret"] for one in chosen], SOLVED)
            count = np.median([one["CBO"][case]["evaluations"] for one in chosen])
            wins = [int(np.sum(first < (1 - EVEN) * second)) for first, second in ((bo, cbo), (cbo, bo))]
            ratio = np.exp(np.mean(np.log(cbo / bo)))
            rows.append([budget, case, f"{count:.0f}", *wins, len(chosen) - sum(wins), f"{ratio:.2g}"])
    common.table(
        ["evaluations of BO", "each takes", "of CBO", "BO lower", "CBO lower", "even", "CBO / BO"], rows
    )


if __name__ == "__main__":
    main()
