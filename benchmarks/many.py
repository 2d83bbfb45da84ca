"""What 25 suggestions gain from 2,000 random results known, and what each of them costs.

With more than 1,000 results a Gaussian process is a local one, its core around the best of them; whether it
has a warping of columns is learnt from the results. A share is the regret of the best of all trials over that
of the best result known, the median over seeds: 1 where nothing was gained, the less, the better. Every
method is given the same results. Seconds are those of the processor, of asking alone.

Nothing is required: this is the evidence for or against a warping with many results.
"""

import time

import common
import numpy as np

from bbopt import BayesianOptimization, GaussianProcess, Study, TrustRegion, problems

PROBLEMS = (
    "levy20",
    "rosenbrock20",
    "ackley20",
    "dixon_price10",
    "styblinski_tang10",
    "powell24",
    "griewank10",
)
METHODS = {
    "bo": BayesianOptimization(),
    "bo, no warping": BayesianOptimization(surrogate=GaussianProcess(warping=False)),
    "turbo": TrustRegion(),
}
KNOWN, SUGGESTIONS = 2000, 25


def main():
    """Print and save the table."""
    parser = common.arguments(__doc__, "many")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    options = parser.parse_args()
    common.pin()
    names = options.problems[:1] if options.quick else options.problems
    seeds = range(1 if options.quick else options.seeds)
    suggestions = 3 if options.quick else SUGGESTIONS
    settings = {
        "versions": common.versions("numpy", "scipy"),
        "threads": "1",
        "results known": KNOWN,
        "suggestions": suggestions,
        "seeds": len(seeds),
        "shares": "of the regret of the best result known",
    }
    print(__doc__)
    common.describe(settings)
    for strategy in METHODS.values():
        _run(problems.get("levy2"), strategy, 0, 10, 2)  # what is imported at a first ask is no part of it
    results, rows = [], []
    for name in names:
        for method, strategy in METHODS.items():
            runs = [
                _run(problems.get(f"shifted{seed + 1}-{name}"), strategy, seed, KNOWN, suggestions)
                for seed in seeds
            ]
            share = float(np.median([run["share"] for run in runs]))
            results.append({"problem": name, "method": method, "share": share, "runs": runs})
            rows.append([name, *_row(results[-1:])])
            print(" ".join(rows[-1]), flush=True)
    for method in METHODS:
        rows.append(["all", *_row([one for one in results if one["method"] == method])])
    print()
    common.table(["problem", "method", "share", "worst", "warped", "first ask", "later"], rows)
    common.save(options, settings, results)


def _run(problem, strategy, seed, known, suggestions):
    """Return what one method makes of random results on one problem."""
    space = problem.spec.space
    study = Study(space, problem.spec.objectives, strategy=strategy, seed=seed)
    values = []
    for params in Study(space, strategy="random", seed=seed).ask_block(known).params():
        values.append(problem(params))
        study.add(params, values[-1])
    seconds, warped = [], []
    for _ in range(suggestions):
        start = time.process_time()
        trial = study.ask()
        seconds.append(time.process_time() - start)
        values.append(problem(trial.params))
        study.tell(trial, values[-1])
        warped.append(bool(trial.tag.get("model", {}).get("warped")))
    best = [problem.regret(value) for value in np.minimum.accumulate(values)[known - 1 :]]
    share = best[-1] / best[0]
    return {"share": share, "regrets": best, "seconds": seconds, "warped": float(np.mean(warped))}


def _row(results):
    """Return the method, the share and its worst run, how often there was a warping, seconds of asks.

    Over several problems: geometric means of shares, medians of seconds.
    """
    runs = [run for one in results for run in one["runs"]]
    first = np.median([run["seconds"][0] for run in runs])
    later = np.median([second for run in runs for second in run["seconds"][1:]])
    return [
        results[0]["method"],
        f"{np.exp(np.mean(np.log([one['share'] for one in results]))):.3f}",
        f"{max(run['share'] for run in runs):.3f}",
        f"{np.mean([run['warped'] for run in runs]):.0%}",
        f"{first:.2f} s",
        f"{later:.2f} s",
    ]


if __name__ == "__main__":
    main()
