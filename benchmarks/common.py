"""What all benchmarks share: one thread, a table on the screen, a JSON file beside the scripts.

Import this module first: BLAS reads its environment when it is loaded.
"""

import argparse
import json
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
if os.environ.get("BENCH_UNPINNED") != "1":
    os.environ.update(dict.fromkeys(_THREADS, "1"))

_verdicts = []
RESULTS = Path(__file__).parent / "results"


def arguments(doc, name):
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seeds: does the script work?")
    parser.set_defaults(name=name)
    return parser


def pin():
    """Hold every BLAS and OpenMP pool loaded so far at one thread; call after all imports."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    warnings.simplefilter("ignore")  # peers announce experimental features at every step


def versions(*packages):
    """Return the versions of Python and of the packages, where they are installed."""
    import bbopt

    found = {"python": platform.python_version(), "bbopt": bbopt.__version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe(settings):
    """Print what was compared, one line an entry."""
    for key, value in settings.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {number}" for name, number in value.items())
        print(f"  {key}: {value}")
    print()


def table(header, rows):
    """Print rows under a header, the first column to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    for i, row in enumerate(cells):
        print(
            "  ".join(
                cell.rjust(w) if k else cell.ljust(w)
                for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
        if i == 0:
            print("  ".join("-" * w for w in widths))
    print(flush=True)


def verdict(holds):
    """Return how to print whether a target was reached; a missed one makes ``save`` end with status 1."""
    _verdicts.append(bool(holds))
    return "yes" if holds else "NO"


def save(options, settings, results, section=None):
    """Write results/NAME.json; a quick run is not worth keeping, and reaches no target.

    With the name of an entry of each result, ``section``, results of other sections that are there already
    stay, and each result has the settings under which it was measured.
    """
    if options.quick:
        print("quick run: nothing saved")
        return
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{options.name}.json"
    data = {"benchmark": options.name, "settings": settings, "results": results}
    if section is not None:
        data = {"benchmark": options.name, "results": _merged(path, settings, results, section)}
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    print(f"saved results/{path.name}")
    if not all(_verdicts):
        sys.exit(1)


def _merged(path, settings, results, section):
    """Return the results stored at a path, those of the sections measured now replaced or put at the end."""
    stored = json.loads(path.read_text()) if path.exists() else {"results": []}
    old = [{section: one[section], "settings": stored.get("settings"), **one} for one in stored["results"]]
    new = [{section: one[section], "settings": settings, **one} for one in results]
    return list({one[section]: one for one in [*old, *new]}.values())


def quartiles(values: Sequence[float]):
    """Return the 25%, 50% and 75% quantiles."""
    import numpy as np

    return [float(q) for q in np.quantile(np.asarray(values, float), [0.25, 0.5, 0.75])]
