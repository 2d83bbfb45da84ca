"""Time of ask + tell with n results known: bbopt, Optuna's GPSampler, BoTorch; one run, taken in turns.

All start from the same results, half of them Sobol points, half scattered about the best of these as a
run would leave them. Then each in turn asks, evaluates, tells: A B C A B C. The evaluation is not
counted, and a first, cold ask of each is not either. Every library learns the noise, keeps its study in
memory and is held to one thread. Required: medians at least 5 times shorter than Optuna's and 25 times
shorter than BoTorch's.

``--busy``: instead, bbopt's ask + tell in a process with default settings against one held to one thread,
in turns, while two other processes keep the two cores busy. Required: at most 1.3 times.
"""

import os
import subprocess
import sys
import time

import common
import numpy as np
from methods import METHODS

from bbopt import problems
from bbopt.rng import Key
from bbopt.spec import Objective, Spec

CASES = ((20, "hartmann6"), (50, "hartmann6"), (100, "hartmann6"), (200, "hartmann6"), (500, "levy20"))
PEERS = ("Optuna GP", "BoTorch LogEI")
REQUIRED = {"Optuna GP": 5, "BoTorch LogEI": 25}
SPREAD = 0.1
"""Standard deviation of the points scattered about the best, in the unit cube."""
_BURN = "while True: sum(i * i for i in range(1000))"


def learned(problem):
    """Return the problem's specification with noise that is to be learnt."""
    return Spec(problem.spec.space, (Objective("value"),))


def known_results(problem, n):
    """Return n points and their values: half Sobol, half about the best of these."""
    space = problem.spec.space
    spread = METHODS["Sobol"](learned(problem), 0).study.ask_block(n - n // 2).X
    best = spread[problem.evaluate_many(spread).argmin()]
    near = best + SPREAD * Key(0).child("near").generator().standard_normal((n // 2, space.d))
    X = np.concatenate([spread, space.project(near)])
    return space.decode(X), problem.evaluate_many(X).tolist()


def one_turn(made, problem):
    """Ask, evaluate, tell; return the seconds of asking and telling."""
    began = time.perf_counter()
    params = made.ask()
    asked = time.perf_counter()
    value = problem(params)
    evaluated = time.perf_counter()
    made.tell(value)
    return asked - began + time.perf_counter() - evaluated


def with_results(method, problem, n):
    """Return a method that knows n results."""
    made = METHODS[method](learned(problem), 0)
    for params, value in zip(*known_results(problem, n), strict=True):
        made.add(params, value)
    return made


def side_by_side(n, name, turns):
    """Return seconds of every method's asks; ``turns`` says how many of each."""
    problem = problems.get(name)
    made = {method: with_results(method, problem, n) for method in turns}
    common.pin()  # torch and its threads are loaded by now
    times = {method: [] for method in turns}
    for turn in range(1 + max(turns.values())):
        for method in turns:
            if turn <= turns[method]:
                times[method].append(one_turn(made[method], problem))
    return {method: found[1:] for method, found in times.items()}


def compare(options):
    """Print and save the comparison."""
    settings = {
        "versions": common.versions(
            "bbopt", "numpy", "scipy", "optuna", "greenlet", "torch", "gpytorch", "botorch"
        ),
        "threads": "1",
        "bbopt": "BayesianOptimization(), journal in memory",
        "Optuna GP": "GPSampler(), study in memory",
        "BoTorch LogEI": "SingleTaskGP, LogExpectedImprovement; 10 restarts, 512 raw samples",
        "asks": "1 cold, not counted, then as many as in the table",
    }
    print(__doc__)
    common.describe(settings)
    results, rows = [], []
    for n, name in CASES[:2] if options.quick else CASES:
        turns = dict.fromkeys(("bbopt BO", *PEERS), 3 if options.quick else options.asks)
        seconds = side_by_side(n, name, turns)
        ours = np.median(seconds["bbopt BO"])
        for method, found in seconds.items():
            low, median, high = (1e3 * q for q in common.quartiles(found))
            ratio = np.median(found) / ours
            verdict = common.verdict(ratio >= REQUIRED[method]) if method in REQUIRED else ""
            spread = f"[{low:.1f}, {high:.1f}]"
            shown = f"{ratio:.1f} [{low / ours / 1e3:.1f}, {high / ours / 1e3:.1f}]"
            rows.append([f"n={n} {name}", method, len(found), f"{median:.1f}", spread, shown, verdict])
            results.append(
                {"n": n, "problem": name, "method": method, "ms": [1e3 * t for t in found], "ratio": ratio}
            )
        print(
            f"n={n} {name}: " + ", ".join(f"{row[1]} {row[3]} ms" for row in rows[-len(turns) :]), flush=True
        )
    print()
    common.table(["data", "method", "asks", "median ms", "quartiles", "times bbopt", "reached"], rows)
    common.save(options, settings, results)


def answer():
    """Be the process that ``busy`` drives: a line in, one turn, its seconds out."""
    problem = problems.get("hartmann6")
    made = with_results("bbopt BO", problem, 100)
    for _ in sys.stdin:
        print(one_turn(made, problem), flush=True)


def busy(options):
    """Print and save how much default threads cost on a busy machine."""
    asks = 5 if options.quick else max(options.asks, 40)
    free = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    command = [sys.executable, __file__, "--answer"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    burners = [subprocess.Popen([sys.executable, "-c", _BURN]) for _ in range(2)]
    sides = {
        "pinned": subprocess.Popen(command, **pipes),
        "default": subprocess.Popen(command, env={**free, "BENCH_UNPINNED": "1"}, **pipes),
    }
    times = {side: [] for side in sides}
    try:
        for _ in range(asks + 1):
            for side, process in sides.items():
                process.stdin.write("go\n")
                process.stdin.flush()
                times[side].append(float(process.stdout.readline()))
    finally:
        for process in [*burners, *sides.values()]:
            process.kill()
            process.wait()
    medians = {side: 1e3 * float(np.median(found[1:])) for side, found in times.items()}
    ratio = medians["default"] / medians["pinned"]
    settings = {
        "versions": common.versions("numpy", "scipy"),
        "load": f"two busy processes on {os.cpu_count()} cores",
        "data": "n=100 hartmann6",
        "asks": asks,
    }
    print(__doc__)
    common.describe(settings)
    common.table(["threads", "median ms"], [[side, f"{ms:.1f}"] for side, ms in medians.items()])
    print(f"default / pinned: {ratio:.2f}; at most 1.3: {common.verdict(ratio <= 1.3)}")
    options.name = "speed-busy"
    milliseconds = {side: [1e3 * t for t in found[1:]] for side, found in times.items()}
    common.save(options, settings, {"ratio": ratio, "ms": milliseconds})


def main():
    """Measure what the options say."""
    parser = common.arguments(__doc__, "speed")
    parser.add_argument("--asks", type=int, default=20)
    parser.add_argument("--busy", action="store_true", help="default threads against one, on a busy machine")
    parser.add_argument("--answer", action="store_true", help="used by --busy")
    options = parser.parse_args()
    if options.answer:
        answer()
    elif options.busy:
        busy(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
