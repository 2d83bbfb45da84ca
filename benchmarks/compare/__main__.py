"""bbopt and its peers side by side: every optimizer on every problem, its best so far and its time to ask.

    python benchmarks/compare run --suites bbob tuning --optimizers bbopt "Optuna TPE"
    python benchmarks/compare cell bbob bbob-f1-d5-i2 1 bbopt
    python benchmarks/compare scale --suites bbob
    python benchmarks/compare report

``run`` goes on where it was broken off: what is stored under ``results/race/`` is left out, unless it ended
by accident. ``cell`` shows one run again beside what is stored. ``scale`` measures random search many times
over where that is missing: the unit of normalised regret. ``report`` writes ``docs/results.md`` and its
figures from what is stored. Every optimizer has a process, and most a virtual environment of their own, which
``environments/make.sh`` makes.
"""

import argparse
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent))
import common
import run
import scale
import store
from client import python_of
from scores import MANDATORY
from suites import HALVES, SUITES, TIERS, cells, find


def main():
    """Do what the command line says; returns an exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    several = commands.add_parser("run", help="run what is missing")
    several.add_argument("--optimizers", nargs="+", default=list(MANDATORY), metavar="NAME")
    several.add_argument("--workers", type=int, default=2)
    several.add_argument("--again", action="store_true", help="bbopt's runs too that another source made")
    one = commands.add_parser("cell", help="run one cell again and show it beside what is stored")
    one.add_argument("suite", choices=SUITES)
    one.add_argument("problem")
    one.add_argument("seed", type=int)
    one.add_argument("optimizer")
    one.add_argument("--batch", type=int, help="where the suite has several")
    random = commands.add_parser("scale", help="measure random search where that is missing")
    for command, suites in ((several, list(SUITES)), (random, scale.SUITES)):
        command.add_argument("--suites", nargs="+", choices=suites, default=suites, metavar="SUITE")
        command.add_argument("--tier", choices=TIERS, default="quick")
        command.add_argument("--half", choices=HALVES, default="reporting")
    for command in (several, one):
        command.add_argument("--environments", type=Path, default=Path(__file__).parent / ".environments")
    commands.add_parser("report", help="write docs/results.md and its figures")
    options = parser.parse_args()
    try:
        match options.command:
            case "run":
                for name in options.optimizers:
                    python_of(name, options.environments)
            case "cell":
                python_of(options.optimizer, options.environments)
                cell = find(options.suite, options.problem, options.seed, options.batch)
    except LookupError as error:
        commands.choices[options.command].error(str(error))
    match options.command:
        case "run":
            return race(options)
        case "cell":
            show(cell, options)
        case "scale":
            for suite in options.suites:
                scale.measure_missing(suite, cells(suite, options.tier, options.half))
        case "report":
            import report

            report.write()
    return 0


def race(options):
    """Run what is missing; returns an exit status."""
    wanted = [cell for suite in options.suites for cell in cells(suite, options.tier, options.half)]
    jobs = run.missing(wanted, options.optimizers, options.again)
    print(f"{len(jobs)} runs of {len(wanted) * len(options.optimizers)} are missing")
    try:
        lost = run.run_all(jobs, options.environments, options.workers)
    except KeyboardInterrupt:
        print("broken off; what was finished is stored, and `run` goes on from there")
        return 130
    except BrokenProcessPool:
        print("a worker was killed, perhaps for its memory; what was finished is stored, and `run` goes on")
        return 1
    finally:
        for suite in options.suites:
            store.tidy(suite, options.optimizers)
    return 1 if lost else 0


def show(cell, options):
    """Run one cell again and print it beside what is stored."""
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
    sys.exit(main())
