"""Bookkeeping of 10^5 evaluations in blocks: everything but the objective, in microseconds each.

Required: plain consensus-based optimization with an in-memory journal below 20 microseconds an evaluation,
in processor time, which what else the machine does stretches least. The designs and the journals on disk,
where waiting counts too, are shown for comparison.
"""

import tempfile
import time
from pathlib import Path

import common
import numpy as np

import bbopt
from bbopt import ConsensusBasedOptimization, Random, Real, Sobol
from bbopt.strategies.auto import Auto

COUNT = 100_000
D = 6
CASES = (
    ("CBO, as minimize(budget=10**5) takes it", Auto(COUNT), None),
    ("CBO, default particles", ConsensusBasedOptimization(), None),
    ("CBO, 100 particles", ConsensusBasedOptimization(n_particles=100), None),
    ("CBO, 1000 particles", ConsensusBasedOptimization(n_particles=1000), None),
    ("CBO, 1000 particles", ConsensusBasedOptimization(n_particles=1000), "study.jsonl"),
    ("CBO, 1000 particles", ConsensusBasedOptimization(n_particles=1000), "study.db"),
    ("random", Random(), None),
    ("Sobol", Sobol(), None),
    ("Sobol", Sobol(), "study.jsonl"),
    ("Sobol", Sobol(), "study.db"),
)


def clocks():
    """Return processor and wall seconds."""
    return np.array([time.process_time(), time.perf_counter()])


def bookkeeping(strategy, storage, count):
    """Return the seconds outside of the objective: (processor, wall)."""
    inside = np.zeros(2)

    def sphere(X):
        nonlocal inside
        began = clocks()
        values = ((X - 0.3) ** 2).sum(axis=1)
        inside += clocks() - began
        return values

    with tempfile.TemporaryDirectory() as folder:
        space = [Real(f"x{k}", -1, 1) for k in range(D)]
        began = clocks()
        path = None if storage is None else Path(folder) / storage
        study = bbopt.minimize(
            sphere,
            space,
            count,
            vectorized=True,
            strategy=strategy,
            seed=0,
            storage=path,
            progress=False,
            noise=0,
        )
        total = clocks() - began
        study.close()
    return total - inside


def main():
    """Print and save the table."""
    parser = common.arguments(__doc__, "blocks")
    options = parser.parse_args()
    common.pin()
    count = COUNT // 20 if options.quick else COUNT
    repeats = 1 if options.quick else 3
    settings = {
        "versions": common.versions("numpy", "scipy"),
        "threads": "1",
        "evaluations": count,
        "objective": f"sphere, d = {D}, vectorised; its time is taken out",
        "repeats": f"median of {repeats}",
    }
    print(__doc__)
    common.describe(settings)
    results, rows = [], []
    for label, strategy, storage in CASES:
        runs = [bookkeeping(strategy, storage, count) for _ in range(repeats)]
        micro, wall = (1e6 / count * np.median(runs, axis=0)).tolist()
        size = strategy.batch_size(bbopt.Spec(bbopt.Space([Real(f"x{k}", -1, 1) for k in range(D)])))
        journal = "memory" if storage is None else storage.partition(".")[2]
        is_required = storage is None and label.startswith("CBO")
        verdict = common.verdict(micro < 20) if is_required else ""
        rows.append([label, journal, size, f"{micro:.2f}", f"{wall:.2f}", verdict])
        results.append(
            {"strategy": label, "journal": journal, "block": size, "processor us": micro, "wall us": wall}
        )
        print(f"{label}, {journal}: {micro:.2f} us", flush=True)
    print()
    common.table(["strategy", "journal", "block", "processor us", "wall us", "reached"], rows)
    common.save(options, settings, results)


if __name__ == "__main__":
    main()
