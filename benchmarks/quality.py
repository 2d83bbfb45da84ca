"""Whether searches find what there is to find, and fits: against far wider ones, on fixed data sets.

    python benchmarks/quality.py [SECTION ...]

Half of the data sets fill the space, half are clustered around their best points as an optimisation leaves
them (``instances.py``). Missed are nats: of log expected improvement in searches, of log posterior density
in fits. A wider search has 300 starts out of 8192 points.

acquisition: what ``maximize`` finds with its defaults is within 1e-6 of what the wider search does, on at
least 99 of 100 data sets of known functions, n = 10 to 200 in d = 2 to 20. The model is that of a cold
``fit``, outcomes transformed by "tail", nothing warped.

runs: the same within 1e-4 on 100 states of actual runs of up to 20 d evaluations, on at least 95. They are
harder, since the highest peaks have been asked already and narrow ones are left; and beside points that
were asked rounding moves the value by 1e-6 to 1e-5. The model is a study's own: ``GaussianProcess()``, which
chooses transform and warping, and goes on from the notes of the fit before. What a study does beside is not
covered: failed and pending runs, batches, noise.

mixed, linear: the same within 1e-4 on 95% of 25 data sets each, in spaces with categories, integers and
conditions, and within linear known constraints. To the wider search are added random steps from the best
point that it finds.

nonlinear: the same within formulas and functions that are not linear, beyond which points are pulled back by
bisection. Shown, nothing is required.

fit: the log posterior density that a cold fit finds is within 0.05 nats of the best of 8 searches from
random lengths, scales and noises to tight tolerances, on at least 97 of the 100 of "acquisition".

warm: by how much the hyper-parameters that the asks in "runs" use lag behind those to which a search from
there converges. Shown, nothing is required.
"""

import time
from itertools import islice

import common
import instances
import numpy as np

from bbopt import GaussianProcess
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.lbfgs import minimize_batch
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.surrogates import fit as fits
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.fit import fit, log_posterior, starts
from bbopt.surrogates.outcomes import learn

WIDER = {"restarts": 300, "raw": 8192}
ROUNDS, STEPS = 60, 256
"""Of the random steps from the best point of a wider search: so often so many, ever shorter."""


def acquisition(instance, index):
    """Return how much a search on the model of a cold fit misses, and its seconds."""
    return search(fit(instance.space, instance.X, instance.y), instance, index)


def runs(instance, index):
    """Return how much a search on a study's model misses, and its seconds."""
    model, _ = GaussianProcess().fit(instance.space, instance.X, instance.y, previous=instance.notes)
    return search(model, instance, index)


def spaces(instance, index):
    """Return how much a search in a space of another kind misses, and its seconds."""
    model, _ = GaussianProcess().fit(instance.space, instance.X, instance.y)
    return search(model, instance, index, is_polished=True)


def search(model, instance, index, is_polished=False):
    """Return how much the defaults miss of the reference in nats, and the seconds that they took."""
    goal, space = LogExpectedImprovement(model, model.incumbent), instance.space
    best = instance.X[np.argsort(instance.y, kind="stable")[:5]]
    start = time.process_time()
    found = maximize(goal, space, 1, best, None, Key(1).child(index))
    seconds = time.process_time() - start
    wide = maximize(goal, space, 1, best, None, Key(2).child(index), **WIDER)
    if is_polished:
        wide = polished(goal, space, wide[0], Key(6).child(index))
    found, wide = goal.value(found)[0], goal.value(wide)[0]
    return wide - found, seconds


def polished(goal, space, x, key):
    """Return a point (1, d) at least as good as x, by random steps of its continuous columns."""
    draw, width, highest = key.generator(), 0.1, goal.value(x[None])[0]
    free = space.active(x[None])[0] & (space.n_levels == 0)
    for _ in range(ROUNDS):
        near = space.project(x + width * free * draw.standard_normal((STEPS, space.d)))
        near = near[space.feasible(near)]
        values = goal.value(near) if len(near) else np.array([-np.inf])
        if values.max() > highest:
            x, highest = near[values.argmax()], values.max()
        else:
            width /= 2
    return x[None]


def cold(instance, index):
    """Return how much a cold fit misses of the best of 8 random starts in nats, and its seconds."""
    z, outcome = learn(instance.y, "tail")
    posterior = log_posterior(Covariance(instance.space), instance.X, z, outcome)
    start = time.process_time()
    found = fits.maximize(posterior, starts(posterior, None)).value
    seconds = time.process_time() - start
    d, draw = instance.space.d, Key(3).child(index).generator()
    lengths = draw.uniform(-1, 1, (8, d)) + draw.uniform(-2, 2, (8, 1)) + 0.5 * np.log(d)
    others = np.column_stack([lengths, draw.uniform(-2, 2, 8), draw.uniform(-12, -1, 8)])
    return highest(posterior, others) - found, seconds


def warm(instance, index):
    """Return how many nats the hyper-parameters of an ask lag behind, and the seconds of its fit."""
    start = time.process_time()
    model, _ = GaussianProcess().fit(instance.space, instance.X, instance.y, previous=instance.notes)
    seconds = time.process_time() - start
    z = model.outcome(instance.y)
    posterior = log_posterior(model.covariance, instance.X, z, model.outcome)
    theta = np.array(model.hyperparameters.to_list())
    return highest(posterior, theta[None]) - posterior(theta)[0], seconds


def highest(posterior, starts):
    """Return the highest log density that searches from starts (k, p) find, to tight tolerances."""

    def loss(thetas):
        pairs = [posterior(theta) for theta in thetas]
        return -np.array([p[0] for p in pairs]), -np.array([p[1] for p in pairs])

    _, lowest = minimize_batch(
        loss, starts, *posterior.bounds, gradient_tolerance=1e-3, value_tolerance=1e-10
    )
    return -lowest.min()


SECTIONS = {
    "acquisition": (acquisition, instances.boxes, 1e-6, 0.99),
    "runs": (runs, instances.runs, 1e-4, 0.95),
    "mixed": (spaces, instances.mixed, 1e-4, 0.95),
    "linear": (spaces, instances.linear, 1e-4, 0.95),
    "nonlinear": (spaces, instances.nonlinear, 1e-4, None),
    "fit": (cold, instances.boxes, 0.05, 0.97),
    "warm": (warm, instances.runs, 0.5, None),
}
"""Section -> what is measured, on which data sets, nats that may be missed, and on which share of the data
sets no more are; None: nothing is required."""


def main():
    """Measure the sections asked for."""
    parser = common.arguments(__doc__, "quality")
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), metavar="SECTION")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"sections are {', '.join(SECTIONS)}; got {', '.join(sorted(unknown))}")
    print(__doc__)
    settings = {"versions": common.versions("bbopt", "numpy", "scipy"), "threads": "1"}
    common.describe(settings)
    common.pin()
    results, rows = [], []
    for name in options.sections:
        measure, sets, tolerance, share = SECTIONS[name]
        data = list(islice(sets(), 0, 25, 10)) if options.quick else list(sets())
        missed, seconds = map(list, zip(*(measure(one, i) for i, one in enumerate(data)), strict=True))
        for one, nats in zip(data, missed, strict=True):
            if nats > tolerance:
                print(f"{name}: {nats:.2g} nats missed on {one.name}", flush=True)
        good = sum(nats <= tolerance for nats in missed)
        reached = "-" if share is None else common.verdict(good >= share * len(data))
        spread = [f"{nats:.1e}" for nats in np.quantile(missed, [0.5, 0.9, 1.0])]
        within = f"{good} of {len(data)} within {tolerance:g}"
        rows.append([name, within, *spread, f"{1e3 * np.median(seconds):.1f}", reached])
        results.append({"section": name, "missed": [float(m) for m in missed], "seconds": seconds})
    print()
    common.table(["section", "nats missed", "median", "90%", "most", "median ms", "reached"], rows)
    common.save(options, settings, results, section="section")


if __name__ == "__main__":
    main()
