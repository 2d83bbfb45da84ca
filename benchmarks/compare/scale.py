"""What random search reaches on a cell, in the median of many runs: the unit of normalised regret."""

import math

import client  # noqa: F401  makes what follows importable
import numpy as np
import parameters
import store
import suites
from random_search import RandomSearch
from tasks import Task
from tqdm import tqdm

RUNS = 51
SEED = 10**6
"""Of the first run; those that are raced have seeds below 100."""
SUITES = [name for name in suites.SUITES if name != "tuning"]
"""Where evaluations cost next to nothing. Elsewhere the random searches that were raced have to do."""


def measure(problem, budget):
    """Return the median over RUNS random searches of the least regret; infinite where it is a failure."""
    task, best = Task(problem, SEED), []
    space = parameters.Space(task.parameters)
    for k in range(RUNS):
        search = RandomSearch(parameters.Task("random", space, SEED + k, budget))
        outcomes = [task.evaluate(x, k * budget + n) for n, x in enumerate(search.ask(budget))]
        best.append(min((one.regret for one in outcomes if one.regret is not None), default=math.inf))
    return float(np.median(best))


def measure_missing(suite, cells):
    """Measure and store what is missing of the cells of a suite."""
    scales = store.load_scales(suite)
    places = sorted({cell.place for cell in cells} - set(scales))
    try:
        for problem, budget, batch in tqdm(places, desc=suite):
            scales[problem, budget, batch] = measure(problem, budget)
    finally:
        store.save_scales(suite, scales)
