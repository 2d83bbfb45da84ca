"""What the reliability scripts run in processes of their own: python worker.py COMMAND [ARGUMENT ...].

A worker says "ready" when its imports are done and waits for a line before it begins.
"""

import json
import math
import os
import random
import signal
import sys
import time

from bbopt import Categorical, Integer, Objective, Real, Space, SpaceExhausted, Study
from bbopt.strategies.bayesian import BayesianOptimization
from bbopt.strategies.consensus import ConsensusBasedOptimization

# Something of everything: logs, steps, integers, categories, a condition, a constraint.
SPACE = Space(
    [
        Real("lr", 1e-5, 1e-1, log=True),
        Integer("layers", 1, 5),
        Categorical("kernel", ["rbf", "poly", "sigmoid"]),
        Integer("degree", 2, 5, when={"kernel": "poly"}),
        Real("temperature", 20, 90, step=0.5),
        Real("shift", -1, 1),
    ],
    ["shift + layers <= 5.5"],
)
GRID = Space([Integer("i", 1, 25), Categorical("c", list("abcdefgh"))])
STRATEGIES = {
    "bo": BayesianOptimization(),
    "cbo": ConsensusBasedOptimization(n_particles=8),
    "random": "random",
    "sobol": "sobol",
}


def evaluate(params):
    """Return a value that follows from the params alone; nan, a failed run, in a corner of the space."""
    if params["lr"] > 0.03:
        return math.nan
    y = (math.log10(params["lr"]) + 3) ** 2 + 0.3 * (params["layers"] - 3) ** 2 + params["shift"] ** 2
    return y + {"rbf": 0.0, "poly": 0.1 * params.get("degree", 0), "sigmoid": 1.0}[params["kernel"]]


def open_study(path, strategy):
    """Create or reopen the study, as a user's script does."""
    return Study(SPACE, "loss", storage=path, strategy=STRATEGIES[strategy], seed=11)


def start():
    os.write(1, b"ready\n")
    sys.stdin.readline()


def advance(path, strategy, told, moment):
    """Go on until ``told`` trials are told, and another one asked if moment is "asked"; then die.

    With the moment "end", print all trials instead of dying.
    """
    study = open_study(path, strategy)
    for _ in range(int(told) - sum(trial.status != 0 for trial in study.trials)):
        trial = study.ask(worker="w")
        study.tell(trial, evaluate(trial.params))
    if moment == "asked":
        study.ask(worker="w")
    if moment != "end":
        os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps([[t.number, t.params, t.tag, t.status.name, t.values] for t in study.trials]))


def storm(path, strategy, name, diary):
    """Ask and tell for ever; keep a synced diary of what was acknowledged."""
    log = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(word, number=None, **facts):
        os.write(log, (json.dumps([word, number, facts]) + "\n").encode())
        os.fsync(log)

    start()
    note("began")
    study = open_study(path, strategy)
    note("opened")
    while True:
        trial = study.ask(worker=name)
        note("asked", trial.number, params=trial.params)
        time.sleep(random.uniform(0, 0.01))
        told = study.tell(trial, evaluate(trial.params))
        note("told", trial.number, status=told.status.name, values=told.values)


def crowd(path, strategy, space, name, count):
    """Create or open the study with all others at once; ask and tell; report every trial and latency."""
    start()
    begun = time.perf_counter()
    spec = (GRID, Objective("loss", noise=0)) if space == "grid" else (SPACE, Objective("loss"))
    with Study(*spec, storage=path, strategy=STRATEGIES[strategy], seed=5) as study:
        opened = time.perf_counter() - begun
        trials, asks, tells, end = [], [], [], "count"
        for _ in range(int(count)):
            a = time.perf_counter()
            try:
                trial = study.ask(worker=name)
            except SpaceExhausted:
                end = "exhausted"
                break
            b = time.perf_counter()
            value = trial.number + 0.5
            study.tell(trial, value)
            c = time.perf_counter()
            trials.append([trial.number, trial.params, value])
            asks.append(b - a)
            tells.append(c - b)
    print(json.dumps({"trials": trials, "open": opened, "ask": asks, "tell": tells, "end": end}))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
