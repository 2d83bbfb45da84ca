"""Time of ask + tell where it is hardest: many results, averaged hyper-parameters, trials pending.

- 1000 results in 20 dimensions, against Optuna's GPSampler. Required: at least 8 times faster.
- 2,000, 10,000 and 50,000 results there, and 2,000 and 10,000 in 100 dimensions: seconds of CPU of an ask, of
  reopening the study and of questions to it. Required of the first ask, and of the median of later ones:
  under 1 second with 2,000 and under 3 with 10,000. In 20 dimensions, of the median alone: under 0.8 with
  2,000, under 1.5 with 10,000, and with 50,000 no more than three times that.
- Averaging over 4 samples of the hyper-parameters, against Optuna's single fit. Required: 2 times faster.
- 8 trials pending against none, and 8 suggestions at once against one. Required: at most 3 times, pending.

Results, turns and threads as in ``speed.py``. Medians; beside Optuna a first, cold ask is not counted, but
shown.
"""

import time

import common
import numpy as np
from methods import METHODS, Bbopt
from speed import known_results, learned, one_turn, with_results

from bbopt import BayesianOptimization, GaussianProcess, Study, problems

TWENTY, HUNDRED = ("levy20", "bbopt BO"), ("embedded100-hartmann6", "bbopt")
"""Problems of so many columns, and who asks: Bayesian optimization; and what ``auto`` takes there."""
FIRST = {2_000: 1.0, 10_000: 3.0}
"""Seconds within which a first ask is to end, by how many results are known."""
ENSEMBLE = 4
METHODS["bbopt, averaged"] = lambda spec, seed: Bbopt(
    spec, seed, BayesianOptimization(surrogate=GaussianProcess(ensemble=ENSEMBLE))
)


def seconds(n, name, turns):
    """Return seconds of every method's asks, the cold one first."""
    problem = problems.get(name)
    made = {method: with_results(method, problem, n) for method in turns}
    common.pin()
    times = {method: [] for method in turns}
    for turn in range(1 + max(turns.values())):
        for method in turns:
            if turn <= turns[method]:
                times[method].append(one_turn(made[method], problem))
    return times


def pending(n, name, asks):
    """Return milliseconds of asks with none and with 8 trials pending, and of 8 suggestions at once."""
    problem = problems.get(name)
    studies = []
    for _ in range(3):
        made = METHODS["bbopt BO"](learned(problem), 0)
        for params, value in zip(*known_results(problem, n), strict=True):
            made.add(params, value)
        studies.append(made.study)
    alone, crowded, batch = studies
    waiting = crowded.ask(8)
    alone.tell(alone.ask(), 0.0)
    times = [[], [], []]
    for _ in range(asks):
        for k, (study, q) in enumerate(((alone, 1), (crowded, 1), (batch, 8))):
            began = time.perf_counter()
            trials = study.ask(q) if q > 1 else [study.ask()]
            times[k].append(time.perf_counter() - began)
            for trial in trials:
                study.tell(trial, problem(trial.params))
    assert len(crowded.pending) == len(waiting)
    return [1e3 * float(np.median(found)) for found in times]


def many(n, name, method, asks):
    """Return seconds of CPU of asks with n results, the two that learn most first, and of the rest."""
    problem = problems.get(name)
    spent = {}

    def timed(what, call):
        began = time.process_time()
        found = call()
        spent.setdefault(what, []).append(time.process_time() - began)
        return found

    study = timed("adding", lambda: with_results(method, problem, n)).study
    common.pin()
    for _ in range(1 + asks):
        trial = timed("ask", study.ask)
        timed("tell", lambda trial=trial: study.tell(trial, problem(trial.params)))
    again = timed("reopening", lambda: Study.open(study.journal))
    timed("predict, 100 points", lambda: again.predict([trial.params] * 100))
    timed("best", again.best)
    timed("recommend", again.recommend)
    return spent


def main():
    """Measure, print, save."""
    options = common.arguments(__doc__, "scaling").parse_args()
    settings = {
        "versions": common.versions("bbopt", "numpy", "scipy", "optuna", "greenlet"),
        "threads": "1",
        "averaged": f"GaussianProcess(ensemble={ENSEMBLE})",
    }
    print(__doc__)
    common.describe(settings)
    rows, results = [], []
    cases = [
        (1000, "levy20", {"bbopt BO": 12, "Optuna GP": 3}, "bbopt BO", 8),
        *(
            (n, "hartmann6", {"bbopt, averaged": 10, "Optuna GP": 10}, "bbopt, averaged", 2)
            for n in (20, 50, 100, 200)
        ),
        (500, "levy20", {"bbopt, averaged": 6, "Optuna GP": 4}, "bbopt, averaged", 2),
    ]
    for n, name, turns, ours, least in cases[1:2] if options.quick else cases:
        found = seconds(n, name, dict.fromkeys(turns, 2) if options.quick else turns)
        median = {method: float(np.median(times[1:])) for method, times in found.items()}
        for method, times in found.items():
            ratio = median[method] / median[ours]
            reached = "" if method == ours else common.verdict(ratio >= least)
            cells = [f"{1e3 * t:.0f}" for t in (times[0], median[method], max(times[1:]))]
            rows.append([f"n={n} {name}", method, *cells, f"{ratio:.1f}", reached])
            results.append({"n": n, "problem": name, "method": method, "ms": [1e3 * t for t in times]})
        print("; ".join(" ".join(row[:4]) for row in rows[-len(found) :]), flush=True)
    print()
    common.table(["data", "method", "cold ms", "median ms", "slowest ms", "times ours", "reached"], rows)
    rows, medians = [], {}
    many_cases = [(2_000, TWENTY), (10_000, TWENTY), (50_000, TWENTY), (2_000, HUNDRED), (10_000, HUNDRED)]
    for n, case in many_cases[:1] if options.quick else many_cases:
        name, method = case
        spent = many(n, name, method, 2 if options.quick else 10)
        cold, *asks = spent.pop("ask")
        medians[n, case] = float(np.median(asks))
        within = FIRST.get(n, np.inf)
        if case == TWENTY:
            within = {2_000: 0.8, 10_000: 1.5, 50_000: 3 * medians.get((10_000, case), 0.0)}[n]
        reached = common.verdict(medians[n, case] <= within and cold <= FIRST.get(n, np.inf))
        others = [f"{np.median(seconds):.2g}" for seconds in spent.values()]
        times = [f"{seconds:.2f}" for seconds in (cold, medians[n, case], max(asks))]
        rows.append([f"n={n} {name}", *times, *others, reached])
        results.append({"n": n, "problem": name, "method": method, "cpu": {"ask": [cold, *asks], **spent}})
    header = ["data", "cold ask s", "median s", "slowest s", *spent, "reached"]
    common.table(header, rows)
    alone, crowded, batch = pending(100, "hartmann6", 2 if options.quick else 12)
    rows = [
        ["none pending", f"{alone:.1f}", "1.0", ""],
        ["8 pending", f"{crowded:.1f}", f"{crowded / alone:.1f}", common.verdict(crowded <= 3 * alone)],
        ["8 at once", f"{batch:.1f}", f"{batch / alone:.1f}", ""],
    ]
    common.table(["n=100 hartmann6", "median ms", "times", "reached"], rows)
    results.append({"pending": {"none": alone, "8": crowded, "8 at once": batch}})
    common.save(options, settings, results)


if __name__ == "__main__":
    main()
