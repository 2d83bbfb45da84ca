"""Which problems are raced, with which budgets: a suite is a list of cells, a cell awaits its optimizers.

**Halves.** Everything was tuned on even seeds; reports are of odd ones. The seed also says which instance of
the problem is met: instance ``seed + 1`` of COCO's functions, ``shifted{seed + 1}-`` of our own smooth ones,
so that no reported instance was ever looked at. Where a problem has one instance only, the halves differ in
their seeds alone (:func:`has_instances`).
"""

import re
from difflib import get_close_matches
from typing import NamedTuple

HALVES = ("tuning", "reporting")
TIERS = ("quick", "full")


class Cell(NamedTuple):
    """One problem instance, and how it is met.

    Attributes
    ----------
    suite, problem : str
    seed : int
        Of the noise and the optimizer.
    budget : int
        Evaluations.
    batch : int
        How many points are asked for at once.
    """

    suite: str
    problem: str
    seed: int
    budget: int
    batch: int = 1

    @property
    def half(self):
        """Whether it may be tuned on, or is reported."""
        return HALVES[self.seed % 2]

    @property
    def place(self):
        """What is equally hard for random search, whatever the seed."""
        return self.problem, self.budget, self.batch


SMOOTH = {
    "goldstein_price": 30,
    "six_hump_camel": 30,
    "drop_wave": 40,
    "eggholder": 50,
    "holder_table": 40,
    "langermann": 40,
    "bukin6": 40,
    "shubert": 40,
    "hartmann3": 30,
    "hartmann6": 60,
    "colville": 50,
    "powell4": 50,
    "shekel7": 50,
    "michalewicz5": 60,
    "ackley5": 60,
    "levy5": 60,
    "rosenbrock5": 60,
    "styblinski_tang5": 60,
    "griewank5": 60,
    "schwefel5": 60,
    "trid6": 60,
    "cosine_mixture8": 80,
    "dixon_price10": 80,
}
STRUCTURED = {"func2c": 50, "mixed": 50, "jenatton": 50}
TUNING = (
    "svm-digits",
    "svm-diabetes",
    "boosting-breast_cancer",
    "boosting-diabetes",
    "mlp-wine",
    "mlp-digits",
    "cash-breast_cancer",
    "cash-digits",
    "cash-diabetes",
)
HIGH = {
    "embedded100-shifted{}-hartmann6": 150,
    "embedded1000-shifted{}-hartmann6": 150,
    "shifted{}-lopsided_ackley200": 200,
    "rover60": 150,
    "lasso100": 150,
}
FAILING = ("branin", "hartmann3", "hartmann6", "levy5", "rosenbrock2", "styblinski_tang5")
BATCHED = ("branin", "hartmann3", "hartmann6", "ackley5", "levy5", "rosenbrock5", "michalewicz5", "shekel7")
FINITE = {
    "stepped60-shifted{}-branin": 30,
    "stepped60-shifted{}-holder_table": 30,
    "stepped16-shifted{}-hartmann3": 40,
    "stepped8-shifted{}-shekel7": 40,
    "stepped8-shifted{}-colville": 40,
    "stepped5-shifted{}-ackley5": 50,
    "stepped5-shifted{}-levy5": 50,
    "stepped4-shifted{}-hartmann6": 50,
}
NOISY = range(101, 131)
_BBOB_BUDGETS = {2: 30, 3: 40, 5: 50, 10: 80, 20: 120}


def cells(suite, tier, half):
    """Return the cells of a suite, those first that everybody should finish first.

    Parameters
    ----------
    suite : str
        A name in :data:`SUITES`.
    tier : {"quick", "full"}
        Quick: one or two seeds a problem, on the two cores of a small machine a few hours for all mandatory
        optimizers. Full: five, and more dimensions.
    half : {"tuning", "reporting"}
    """
    make, seeds = SUITES[suite]
    count = seeds if tier == "quick" else 5
    first = HALVES.index(half)
    return [Cell(suite, *one) for seed in range(first, 2 * count, 2) for one in make(seed, tier)]


def find(suite, problem, seed, batch=None):
    """Return the one cell of a suite, of any tier and half, that is meant.

    Raises
    ------
    LookupError
        None is, or several are; the text names what there is.
    """
    everything = {cell for tier in TIERS for half in HALVES for cell in cells(suite, tier, half)}
    named = [cell for cell in everything if cell.problem == problem]
    if not named:
        names = sorted({cell.problem for cell in everything})
        near = get_close_matches(problem, names, 5, 0.4) or names[:5]
        raise LookupError(f"{suite} has no problem {problem!r}; it has {', '.join(near)}, and others")
    seeded = [cell for cell in named if cell.seed == seed]
    if not seeded:
        raise LookupError(f"{problem} has no seed {seed}, but {_list(cell.seed for cell in named)}")
    found = [cell for cell in seeded if batch in (None, cell.batch)]
    if len(found) != 1:
        batches = _list(cell.batch for cell in seeded)
        raise LookupError(f"{problem} with seed {seed} has batches of {batches}: say --batch")
    return found[0]


def has_instances(problem):
    """Whether its instances differ from seed to seed, so that reported ones were not tuned on."""
    return re.search(r"-i\d+$|shifted\d", problem) is not None


def _list(numbers):
    return ", ".join(map(str, sorted(set(numbers))))


def _coco(name, functions, quick, full):
    def make(seed, tier):
        for f in functions:
            for d in quick if tier == "quick" else full:
                yield f"{name}-f{f}-d{d}-i{seed + 1}", seed, _BBOB_BUDGETS[d]

    return make


def _problems(seed, tier):
    for name, budget in SMOOTH.items():
        yield f"shifted{seed + 1}-{name}", seed, budget
    for name, budget in STRUCTURED.items():
        yield name, seed, budget


def _tuning(seed, tier):
    for name in TUNING:
        yield name, seed, 40


def _named(budgets):
    def make(seed, tier):
        for name, budget in budgets.items():
            yield name.format(seed + 1), seed, budget

    return make


def _failures(seed, tier):
    for name in FAILING:
        yield f"failing-shifted{seed + 1}-{name}", seed, 60
    for name in ("branin", "hartmann6"):
        yield f"unlucky-shifted{seed + 1}-{name}", seed, 60


def _batches(seed, tier):
    for batch, rounds in ((4, 12), (8, 8)):
        for name in BATCHED:
            yield f"shifted{seed + 1}-{name}", seed, batch * rounds, batch


SUITES = {
    "bbob": (_coco("bbob", range(1, 25), (2, 5, 10), (2, 3, 5, 10, 20)), 1),
    "mixint": (_coco("bbob-mixint", range(1, 25), (5, 10), (5, 10, 20)), 1),
    "noisy": (_coco("bbob-noisy", NOISY, (5,), (2, 5, 10)), 1),
    "problems": (_problems, 1),
    "tuning": (_tuning, 3),
    "high": (_named(HIGH), 2),
    "finite": (_named(FINITE), 2),
    "failures": (_failures, 2),
    "batches": (_batches, 1),
}
"""Name -> what makes the cells of a seed, and how many seeds of a half the quick tier takes."""
