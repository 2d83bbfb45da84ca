"""bbopt and its peers side by side: every optimizer on every problem, its best so far and its time to ask.

    python benchmarks/compare run --suites bbob tuning --optimizers bbopt "Optuna TPE"
    python benchmarks/compare cell bbob bbob-f1-d5-i2 1 bbopt
    python benchmarks/compare report

``run`` goes on where it was broken off: what is stored under ``results/race/`` is left out. ``report`` writes
``docs/results.md`` and its figures from what is stored. Every optimizer has a process, and most a virtual
environment of their own, which ``environments/make.sh`` makes.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent))
import common
import run
import store
from scores import MANDATORY
from suites import HALVES, SUITES, TIERS, cells


def main():
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("run", "run what is missing"), ("cell", "run one cell again and show it")):
        command = commands.add_parser(name, help=what)
        command.add_argument("--environments", type=Path, default=Path(__file__).parent / ".environments")
        command.add_argument("--tier", choices=TIERS, default="quick")
        command.add_argument("--half", choices=HALVES, default="reporting")
    several, one = commands.choices["run"], commands.choices["cell"]
    several.add_argument("--suites", nargs="*", choices=list(SUITES), default=list(SUITES), metavar="SUITE")
    several.add_argument("--optimizers", nargs="*", default=list(MANDATORY), metavar="NAME")
    several.add_argument("--workers", type=int, default=2)
    several.add_argument("--again", action="store_true", help="bbopt's runs too that an older source made")
    for name in ("suite", "problem", "seed", "optimizer"):
        one.add_argument(name)
    commands.add_parser("report", help="write docs/results.md and its figures")
    options = parser.parse_args()
    if options.command == "run":
        wanted = [cell for suite in options.suites for cell in cells(suite, options.tier, options.half)]
        jobs = run.missing(wanted, options.optimizers, options.again)
        print(f"{len(jobs)} runs of {len(wanted) * len(options.optimizers)} are missing")
        run.run_all(jobs, options.environments, options.workers)
        for suite in options.suites:
            store.tidy(suite)
    elif options.command == "cell":
        show(options)
    else:
        import report

        report.write()


def show(options):
    """Run one cell again and print it beside what is stored."""
    half = HALVES[int(options.seed) % 2]
    known = {(cell.problem, cell.seed): cell for tier in TIERS for cell in cells(options.suite, tier, half)}
    cell = known[options.problem, int(options.seed)]
    made = run.run(cell, options.optimizer, options.environments)
    stored = store.load(cell.suite, options.optimizer).get((cell, options.optimizer))
    rows = [
        [k + 1, *(_number(one.regrets[k]) if one and k < len(one.regrets) else "" for one in (made, stored))]
        for k in range(cell.budget)
    ]
    common.table(["evaluation", "now", "stored"], rows)
    if made.error:
        print(made.error)


def _number(value):
    return "failed" if value is None else f"{value:.7g}"


if __name__ == "__main__":
    main()
