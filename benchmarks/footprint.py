"""What bbopt costs before it does anything: import time, first ask, memory.

Every figure comes from fresh processes, bbopt and Optuna in turns; times exclude the start of Python.
Required: ``import bbopt`` in at most 0.3 s and without torch, a study of 100 trials (d = 6, Bayesian
optimization) within 150 MB at its peak.
"""

import json
import statistics
import subprocess
import sys

import common

IMPORTS = {
    "import bbopt": "import bbopt",
    "bbopt.Study, bbopt.Space": "import bbopt; bbopt.Study, bbopt.Space",
    "import optuna": "import optuna",
    "import numpy": "import numpy",
}
OURS = ("import bbopt", "bbopt.Study, bbopt.Space")
HEAVY = ("torch", "botorch", "gpytorch", "pandas", "matplotlib", "sklearn", "pymoo", "scipy.stats")
FIRST_ASK = """
import bbopt
study = bbopt.Study([bbopt.Real(f"x{k}", 0, 1) for k in range(6)], strategy="bo", seed=0)
for k in range(7):
    study.tell(study.ask(), k % 3)
began = time.perf_counter()
study.ask()
"""
STUDY = """
from bbopt import problems, minimize
hartmann = problems.get("hartmann6")
minimize(hartmann, hartmann.spec.space, budget=100, seed=0)
"""
_REPORT = """
import json
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "peak": peak / 1024, "modules": sorted(sys.modules)}))
"""
"""VmHWM, not getrusage: the latter remembers the parent's memory from before exec. Linux only."""


def fresh(code):
    """Run code in a fresh process; return its seconds (from ``began``), peak in MiB and modules."""
    timed = f"began = time.perf_counter()\n{code}\nseconds = time.perf_counter() - began"
    script = f"import sys, time\n{timed}\n{_REPORT}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    """Print and save the table."""
    parser = common.arguments(__doc__, "footprint")
    options = parser.parse_args()
    repeats = 3 if options.quick else 10
    settings = {
        "versions": common.versions("numpy", "scipy", "optuna"),
        "threads": "1",
        "processes": f"{repeats} fresh ones each, after one that warms the disk",
    }
    print(__doc__)
    common.describe(settings)
    measured = {label: [] for label in [*IMPORTS, "first model-based ask"]}
    for _ in range(repeats + 1):
        for label, code in {**IMPORTS, "first model-based ask": FIRST_ASK}.items():
            measured[label].append(fresh(code))
    measured["study of 100 trials"] = [fresh(STUDY), fresh(STUDY)]
    results, rows = {}, []
    for label, runs in measured.items():
        runs = runs[1:]
        seconds = statistics.median(run["seconds"] for run in runs)
        peak = statistics.median(run["peak"] for run in runs)
        heavy = [name for name in HEAVY if name in runs[0]["modules"]]
        results[label] = {
            "seconds": [run["seconds"] for run in runs],
            "peak MiB": peak,
            "heavy modules": heavy,
        }
        rows.append([label, f"{seconds:.3f}", f"{peak:.0f}", ", ".join(heavy) or "-"])
    common.table(["", "seconds", "peak MiB", "heavy modules"], rows)
    verdicts = {
        "import within 0.3 s, with Study and Space too": all(
            statistics.median(results[label]["seconds"]) <= 0.3 for label in OURS
        ),
        "no heavy module, not even after 100 trials": not any(
            results[label]["heavy modules"] for label in [*OURS, "study of 100 trials"]
        ),
        "100 trials within 150 MB": results["study of 100 trials"]["peak MiB"] * 1.048576 <= 150,
    }
    for what, holds in verdicts.items():
        print(f"{what}: {common.verdict(holds)}")
    common.save(options, settings, results)


if __name__ == "__main__":
    main()
