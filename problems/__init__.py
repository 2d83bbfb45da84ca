"""The problem suite: things to minimise, most with a known optimum.

``get("hartmann6")`` builds a problem by name; ``names()`` lists what there is. A name may end in a number,
which says the dimension of a family (``"ackley7"``) or which of its members it is (``"shekel10"``,
``"bohachevsky2"``), and begin with ``shifted-``, ``rotated-``, ``embedded100-`` or
``stepped8-``.
"""

import re
from collections.abc import Callable, Mapping

from bbopt.errors import DataError
from bbopt.space.values import did_you_mean

from .bowls import (
    bohachevsky,
    booth,
    double_sum,
    hyper_ellipsoid,
    matyas,
    mccormick,
    perm,
    power_sum,
    sphere,
    sum_of_powers,
    sum_of_squares,
    trid,
    zakharov,
)
from .penalties import lasso
from .problem import Columns, EvaluationFailed, Function, OneObjective, Optimum, Problem
from .regions import Ball, Box, Path, Region, crash_region
from .rugged import (
    bird,
    cross_in_tray,
    drop_wave,
    easom,
    eggholder,
    forrester,
    foxholes,
    gramacy_lee,
    holder_table,
    langermann,
    schaffer2,
    schaffer4,
    shubert,
    trefethen,
)
from .structured import func2c, jenatton, mixed
from .trajectory import rover
from .transformed import embedded, rotated, shifted, stepped
from .tuning import PROBLEMS as _TUNING
from .tuning import Tuning, defaults, tune
from .valleys import (
    beale,
    bukin6,
    colville,
    dixon_price,
    powell,
    rosenbrock,
    six_hump_camel,
    three_hump_camel,
)
from .waves import (
    ackley,
    cosine_mixture,
    griewank,
    levy,
    lopsided_ackley,
    lopsided_levy,
    overlapping,
    rastrigin,
    salomon,
    schwefel,
    styblinski_tang,
    xin_she_yang,
)
from .wells import branin, goldstein_price, hartmann, log_goldstein_price, michalewicz, shekel
from .wrappers import Delayed, Failing, Noisy, Wrapper

__all__ = [
    "Ball",
    "Box",
    "Columns",
    "Delayed",
    "EvaluationFailed",
    "Failing",
    "Function",
    "Noisy",
    "OneObjective",
    "Optimum",
    "Path",
    "Problem",
    "Region",
    "Tuning",
    "Wrapper",
    "ackley",
    "beale",
    "bird",
    "bohachevsky",
    "booth",
    "branin",
    "bukin6",
    "colville",
    "cosine_mixture",
    "crash_region",
    "cross_in_tray",
    "defaults",
    "dixon_price",
    "double_sum",
    "drop_wave",
    "easom",
    "eggholder",
    "embedded",
    "forrester",
    "foxholes",
    "func2c",
    "get",
    "goldstein_price",
    "gramacy_lee",
    "griewank",
    "hartmann",
    "holder_table",
    "hyper_ellipsoid",
    "jenatton",
    "langermann",
    "lasso",
    "levy",
    "log_goldstein_price",
    "lopsided_ackley",
    "lopsided_levy",
    "matyas",
    "mccormick",
    "michalewicz",
    "mixed",
    "names",
    "overlapping",
    "perm",
    "powell",
    "power_sum",
    "rastrigin",
    "rosenbrock",
    "rotated",
    "rover",
    "salomon",
    "schaffer2",
    "schaffer4",
    "schwefel",
    "shekel",
    "shifted",
    "shubert",
    "six_hump_camel",
    "sphere",
    "stepped",
    "styblinski_tang",
    "sum_of_powers",
    "sum_of_squares",
    "three_hump_camel",
    "trefethen",
    "trid",
    "tune",
    "xin_she_yang",
    "zakharov",
]

_SINGLE: Mapping[str, Callable[[], Function]] = {
    "branin": branin,
    "goldstein_price": goldstein_price,
    "log_goldstein_price": log_goldstein_price,
    "six_hump_camel": six_hump_camel,
    "three_hump_camel": three_hump_camel,
    "beale": beale,
    "bukin6": bukin6,
    "colville": colville,
    "booth": booth,
    "matyas": matyas,
    "mccormick": mccormick,
    "power_sum": power_sum,
    "forrester": forrester,
    "gramacy_lee": gramacy_lee,
    "easom": easom,
    "foxholes": foxholes,
    "drop_wave": drop_wave,
    "schaffer2": schaffer2,
    "schaffer4": schaffer4,
    "cross_in_tray": cross_in_tray,
    "holder_table": holder_table,
    "eggholder": eggholder,
    "shubert": shubert,
    "langermann": langermann,
    "bird": bird,
    "trefethen": trefethen,
    "lopsided_levy4": lopsided_levy,
    "rover60": rover,
    "func2c": func2c,
    "mixed": mixed,
    "jenatton": jenatton,
}
_FAMILIES: Mapping[str, tuple[Callable[[int], Function], tuple[int, ...]]] = {
    "hartmann": (hartmann, (3, 4, 6)),
    "shekel": (shekel, (5, 7, 10)),
    "michalewicz": (michalewicz, (2, 5, 10)),
    "ackley": (ackley, (2, 5, 20)),
    "levy": (levy, (2, 5, 20)),
    "rastrigin": (rastrigin, (2, 5, 20)),
    "griewank": (griewank, (2, 5, 20)),
    "schwefel": (schwefel, (2, 5, 20)),
    "styblinski_tang": (styblinski_tang, (2, 5, 20)),
    "cosine_mixture": (cosine_mixture, (2, 8)),
    "salomon": (salomon, (2, 10)),
    "xin_she_yang": (xin_she_yang, (2, 10)),
    "rosenbrock": (rosenbrock, (2, 5, 20)),
    "dixon_price": (dixon_price, (2, 10)),
    "powell": (powell, (4, 12)),
    "sphere": (sphere, (2, 10)),
    "sum_of_squares": (sum_of_squares, (2, 10)),
    "hyper_ellipsoid": (hyper_ellipsoid, (2, 10)),
    "double_sum": (double_sum, (2, 10)),
    "sum_of_powers": (sum_of_powers, (2, 10)),
    "zakharov": (zakharov, (2, 10)),
    "trid": (trid, (2, 6, 10)),
    "perm": (perm, (2, 4)),
    "bohachevsky": (bohachevsky, (1, 2, 3)),
    "overlapping": (overlapping, (12,)),
    "lopsided_ackley": (lopsided_ackley, (200,)),
    "lasso": (lasso, (100,)),
}
"""Functions with a number, of any dimension or in several forms, and the numbers that :func:`names` lists."""

_CHANGED: Mapping[str, Callable[[Problem, int], Function]] = {
    "shifted": shifted,
    "rotated": rotated,
    "embedded": embedded,
    "stepped": stepped,
}


def names() -> list[str]:
    """Return the names of the suite's problems.

    :func:`get` also knows the families in other dimensions, and what is shifted, rotated, embedded
    and stepped.
    """
    families = [f"{name}{number}" for name, (_, numbers) in _FAMILIES.items() for number in numbers]
    return [*_SINGLE, *families, *_TUNING]


def get(name: str) -> Problem:
    """Return a problem by its name.

    Parameters
    ----------
    name : str
        ``"branin"``, ``"ackley7"``, ``"cash-digits"``; ``"rotated-rastrigin5"`` is :func:`rotated` of
        ``"rastrigin5"``, ``"rotated3-rastrigin5"`` the same with ``seed=3``, and
        ``"rotated-shifted-rastrigin5"`` has its optimum elsewhere too. ``"embedded100-hartmann6"`` is
        :func:`embedded` with ``d=100``, ``"stepped8-shekel7"`` is :func:`stepped` with ``levels=8``.

    Raises
    ------
    DataError
        There is no problem of that name, or it cannot be changed like that.
    SpaceError
        The family does not exist in this dimension.
    MissingExtra
        It is a tuning problem, or lasso, and scikit-learn is not installed.
    """
    if name in _SINGLE:
        return _SINGLE[name]()
    if name in _TUNING:
        return tune(name)
    changed = re.fullmatch(r"([a-z]+)([1-9][0-9]*)?-(.+)", name)
    if changed is not None and changed[1] in _CHANGED:
        return _CHANGED[changed[1]](get(changed[3]), int(changed[2] or 0))
    family = re.fullmatch(r"([a-z_]+)([1-9][0-9]*)", name)
    if family is not None and family[1] in _FAMILIES:
        return _FAMILIES[family[1]][0](int(family[2]))
    hint = did_you_mean(name, [*names(), *_FAMILIES]) or "; problems.names() lists what there is"
    raise DataError(f"no problem is called {name!r}{hint}")
