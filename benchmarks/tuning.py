"""Mean rank on the bundled tuning problems: best loss after 40 evaluations, 10 seeds.

bbopt's "auto" against random search and Optuna's TPE, both with default settings, conditional spaces
defined by running; ``--grouped`` adds TPE with multivariate=True, group=True. Ranks are taken per
problem and seed over the methods, ties share the mean rank; the interval bootstraps seeds within
problems. Required of bbopt: the best mean rank.

Evaluations and runs are kept in --cache, outside of the tree: a run broken off goes on where it was.
What bbopt asked is asked again once bbopt's source has changed.
"""

import hashlib
import json
import os
import sqlite3
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import common
import numpy as np
from methods import best, optimize

import bbopt
from bbopt import problems
from bbopt.problems import EvaluationFailed
from bbopt.problems.tuning import PROBLEMS

METHODS = ("bbopt", "random", "Optuna TPE")
GROUPED = "Optuna TPE, grouped"
CHECKPOINTS = (10, 20, 40)


@dataclass
class Remembered:
    """A problem that looks up what was evaluated before."""

    problem: object
    store: sqlite3.Connection

    @property
    def spec(self):
        """The problem's."""
        return self.problem.spec

    def __call__(self, params):
        """Return the loss; raises EvaluationFailed where it crashes."""
        key = json.dumps([self.problem.name, dict(sorted(params.items()))])
        row = self.store.execute("SELECT loss FROM evaluations WHERE params = ?", (key,)).fetchone()
        if row is None:
            try:
                row = (self.problem(params),)
            except EvaluationFailed:
                row = (None,)
            with self.store:
                self.store.execute("INSERT OR REPLACE INTO evaluations VALUES (?, ?)", (key, row[0]))
        if row[0] is None:
            raise EvaluationFailed(key)
        return row[0]


def source_hash(*paths):
    """Return a digest of Python files."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run(cache, name, method, seed, budget):
    """Return the losses of one run, from the cache or anew."""
    common.pin()
    home = Path(bbopt.__file__).parent
    adapters = source_hash(Path(__file__).with_name("methods.py"))
    version = f"{common.versions('optuna')['optuna']}-{adapters}"
    if "Optuna" not in method:
        version = source_hash(*home.glob("*.py"), *home.glob("[!p]*/*.py")) + adapters
    tuned = (
        f"{source_hash(home / 'problems' / 'tuning.py')}-{common.versions('scikit-learn')['scikit-learn']}"
    )
    store = sqlite3.connect(cache / f"evaluations-{tuned}.db", timeout=600)
    store.execute("CREATE TABLE IF NOT EXISTS evaluations (params TEXT PRIMARY KEY, loss REAL)")
    path = cache / f"{name}-{method}-{seed}-{budget}-{version}-{tuned}.json"
    if not path.exists():
        began = time.perf_counter()
        losses = optimize(method, Remembered(problems.get(name), store), budget, seed)
        data = {"losses": losses, "seconds": time.perf_counter() - began}
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(data))
        unfinished.replace(path)
    store.close()
    return json.loads(path.read_text())["losses"]


def ranks(values):
    """Return ranks (methods, ...) along the first axis, 1 the lowest, ties sharing their mean."""
    below = (values[:, None] > values[None]).sum(axis=1)
    equal = (values[:, None] == values[None]).sum(axis=1)
    return below + (equal + 1) / 2


def intervals(R, draws=10_000):
    """Return 95% bootstrap intervals (methods, 2) of mean ranks R (methods, problems, seeds)."""
    rng = np.random.default_rng(0)
    picks = rng.integers(R.shape[2], size=(draws, *R.shape[1:]))
    means = np.array([np.take_along_axis(R, pick[None], axis=2).mean(axis=(1, 2)) for pick in picks])
    return np.quantile(means, [0.025, 0.975], axis=0).T


def main():
    """Run what is missing, print and save the tables."""
    parser = common.arguments(__doc__, "tuning")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--problems", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS), metavar="NAME"
    )
    parser.add_argument("--grouped", action="store_true", help=f"also {GROUPED}")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "bbopt-tuning")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.budget, options.problems = 2, 15, ["mlp-wine", "svm-diabetes"]
    methods = (*METHODS, GROUPED) if options.grouped else METHODS
    options.cache.mkdir(parents=True, exist_ok=True)
    settings = {
        "versions": common.versions("numpy", "scipy", "scikit-learn", "optuna"),
        "threads": "1 a process",
        "budget": options.budget,
        "seeds": options.seeds,
        "problems": ", ".join(options.problems),
    }
    print(__doc__)
    common.describe(settings)
    jobs = [(name, m, s) for s in range(options.seeds) for name in options.problems for m in methods]
    losses = {}
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(run, options.cache, *job, options.budget): job for job in jobs}
        for done, future in enumerate(as_completed(futures), start=1):
            losses[futures[future]] = future.result()
            if done % 20 == 0:
                print(f"{done} of {len(jobs)} runs", flush=True)

    results = {"methods": list(methods), "mean rank": {}, "problems": {}}
    for after in sorted({n for n in CHECKPOINTS if n < options.budget} | {options.budget}):
        final = np.array(
            [
                [[best(losses[n, m, s][:after]) for s in range(options.seeds)] for n in options.problems]
                for m in methods
            ]
        )
        R = ranks(final)
        spans = intervals(R)
        print(f"mean ranks after {after} evaluations")
        mean_rows = [
            [m, f"{R[k].mean():.2f}", f"[{spans[k, 0]:.2f}, {spans[k, 1]:.2f}]"]
            for k, m in enumerate(methods)
        ]
        common.table(["method", "mean rank", "95% interval"], mean_rows)
        results["mean rank"][str(after)] = {
            m: {"mean": float(R[k].mean()), "interval": spans[k].tolist()} for k, m in enumerate(methods)
        }
    print(f"mean rank and median loss of each problem after {options.budget} evaluations")
    rows = []
    for i, name in enumerate(options.problems):
        cells = [f"{R[k, i].mean():.2f}  {np.median(final[k, i]):.5f}" for k in range(len(methods))]
        rows.append([name, *cells])
        results["problems"][name] = {
            m: {"mean rank": float(R[k, i].mean()), "best losses": final[k, i].tolist()}
            for k, m in enumerate(methods)
        }
    common.table(["problem", *methods], rows)
    print("bbopt has the best mean rank:", common.verdict(R.mean(axis=(1, 2)).argmin() == 0))
    common.save(options, settings, results)


if __name__ == "__main__":
    main()
