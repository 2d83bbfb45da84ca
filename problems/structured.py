"""Test functions over spaces with categories, integers and conditions, with exactly known optima."""

import numpy as np

from bbopt.space import Categorical, Integer, Ordinal, Real, Space
from bbopt.spec import Objective, Spec
from bbopt.types import FloatArray, Params

from .problem import Columns, Function, Optimum


def func2c() -> Function:
    """Func2C: two categories choose which two functions of (x1, x2) are added.

    f = g_h1(2x) + g_h2(2x) on x in [-1, 1]², with g one of Rosenbrock / 300, six-hump camel / 10 and
    Beale / 50; h1 has three levels, h2 five, the last three of which are all Beale.

    f* = 2 camel* / 10 = -0.2063256907 for camel twice, at x = ±(0.0449210066, -0.3563282015). No other
    choice comes near: Rosenbrock and Beale are not negative, so at best half of it is left.

    Source: Ru, Alvi, Nguyen, Osborne and Roberts, "Bayesian optimisation over multiple continuous and
    categorical inputs" (CoCaBO), ICML 2020.
    """
    levels = ("rosenbrock", "camel", "beale")
    space = Space(
        [
            Categorical("h1", levels),
            Categorical("h2", (*levels, "beale again", "beale once more")),
            Real("x1", -1, 1),
            Real("x2", -1, 1),
        ]
    )
    x1, x2 = 0.08984201310031806 / 2, -0.7126564030207396 / 2
    minimisers: tuple[Params, ...] = tuple(
        {"h1": "camel", "h2": "camel", "x1": sign * x1, "x2": sign * x2} for sign in (1, -1)
    )
    optimum = Optimum(-0.2063256906979755, minimisers)
    return Function("func2c", _deterministic(space), optimum, "Ru et al., CoCaBO, ICML 2020", _func2c)


def _func2c(columns: Columns) -> FloatArray:
    a, b = 2 * columns["x1"], 2 * columns["x2"]
    rosenbrock = (100 * (b - a**2) ** 2 + (a - 1) ** 2) / 300
    camel = ((4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (4 * b**2 - 4) * b**2) / 10
    beale = ((1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2) / 50
    terms = [
        np.where(h == "rosenbrock", rosenbrock, np.where(h == "camel", camel, beale))
        for h in (columns["h1"], columns["h2"])
    ]
    return np.asarray(terms[0] + terms[1], dtype=np.float64)


_SHIFT = {"relu": 0.0, "gelu": 0.1, "tanh": 0.4, "sigmoid": 1.0}


def mixed() -> Function:
    """One parameter of each kind, shaped like the tuning of a network; every kind matters.

    f = s² + (log10(rate) + 2.5 + 2s)² + (layers - 3)²/4 + (log2(width) - 6 + (layers - 3)/2)²/4
    + (log2(batch) - 6)²/8 + (dropout - 0.1)², with s = 0, 0.1, 0.4, 1 for the activations relu, gelu,
    tanh, sigmoid. The best rate depends on the activation and the best width on the layers.

    A sum of squares: f* = 0, only at rate = 10^-2.5, layers = 3, width = 64, batch = 64, dropout =
    0.1 and relu.

    Source: bbopt's own.
    """
    space = Space(
        [
            Real("rate", 1e-5, 1.0, log=True),
            Integer("layers", 1, 8),
            Integer("width", 8, 512, log=True),
            Ordinal("batch", (16, 32, 64, 128, 256)),
            Categorical("activation", tuple(_SHIFT)),
            Real("dropout", 0.0, 0.5, step=0.05),
        ]
    )
    minimiser: Params = {
        "rate": 10**-2.5,
        "layers": 3,
        "width": 64,
        "batch": 64,
        "activation": "relu",
        "dropout": 0.1,
    }
    return Function("mixed", _deterministic(space), Optimum(0.0, (minimiser,)), "bbopt", _mixed)


def _mixed(columns: Columns) -> FloatArray:
    shift = np.array([_SHIFT[activation] for activation in columns["activation"]])
    extra = columns["layers"].astype(np.float64) - 3
    width = np.log2(columns["width"].astype(np.float64))
    batch = np.log2(columns["batch"].astype(np.float64))
    terms = (
        shift**2,
        (np.log10(columns["rate"]) + 2.5 + 2 * shift) ** 2,
        extra**2 / 4,
        (width - 6 + extra / 2) ** 2 / 4,
        (batch - 6) ** 2 / 8,
        (columns["dropout"] - 0.1) ** 2,
    )
    return np.asarray(sum(terms), dtype=np.float64)


def jenatton() -> Function:
    """A tree of conditions: two binary choices lead to one of four parabolas.

    | x1 | then      | f              |
    |----|-----------|----------------|
    | 0  | x2 = 0    | x4² + 0.1 + r8 |
    | 0  | x2 = 1    | x5² + 0.2 + r8 |
    | 1  | x3 = 0    | x6² + 0.3 + r9 |
    | 1  | x3 = 1    | x7² + 0.4 + r9 |

    x4 .. x7 lie in [-1, 1]; r8 (active where x1 = 0) and r9 (where x1 = 1) in [0, 1]. f* = 0.1 at
    x1 = x2 = 0, x4 = 0, r8 = 0.

    Source: Jenatton, Archambeau, González and Seeger, "Bayesian optimization with tree-structured
    dependencies", ICML 2017.
    """
    space = Space(
        [
            Categorical("x1", (0, 1)),
            Categorical("x2", (0, 1), when={"x1": 0}),
            Categorical("x3", (0, 1), when={"x1": 1}),
            Real("x4", -1, 1, when={"x2": 0}),
            Real("x5", -1, 1, when={"x2": 1}),
            Real("x6", -1, 1, when={"x3": 0}),
            Real("x7", -1, 1, when={"x3": 1}),
            Real("r8", 0, 1, when={"x1": 0}),
            Real("r9", 0, 1, when={"x1": 1}),
        ]
    )
    optimum = Optimum(0.1, ({"x1": 0, "x2": 0, "x4": 0.0, "r8": 0.0},))
    return Function("jenatton", _deterministic(space), optimum, "Jenatton et al., ICML 2017", _jenatton)


def _jenatton(columns: Columns) -> FloatArray:
    left = np.where(columns["x2"] == 0, columns["x4"] ** 2 + 0.1, columns["x5"] ** 2 + 0.2) + columns["r8"]
    right = np.where(columns["x3"] == 0, columns["x6"] ** 2 + 0.3, columns["x7"] ** 2 + 0.4) + columns["r9"]
    return np.asarray(np.where(columns["x1"] == 0, left, right), dtype=np.float64)


def _deterministic(space: Space) -> Spec:
    """Return the spec of a noiseless function over ``space``."""
    return Spec(space, (Objective(noise=0),))
