"""Every kernel against its textbook formula, GPyTorch, and differences of its own values."""

import math

import numpy as np
import pytest

from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Ordinal, Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.kernels import (
    RBF,
    Linear,
    Matern,
    Periodic,
    Product,
    Profile,
    RationalQuadratic,
    Stationary,
    Sum,
    profiles,
)
from bbopt.surrogates.kernels.features import Features
from bbopt.surrogates.kernels.kernel import Pool

BOX = Space([Real(name, 0, 1) for name in ("a", "b", "c")])
MIXED = Space(
    [
        Real("a", 0, 1),
        Categorical("kind", ["u", "v", "w"]),
        Ordinal("size", ["s", "m", "l"]),
        Integer("depth", 1, 40, when={"kind": ["u", "v"]}),
        Categorical("sub", ["p", "q"], when={"kind": "u"}),
    ]
)
KERNELS = {
    "matern52": Matern(),
    "matern32": Matern(1.5),
    "matern12": Matern(0.5),
    "rbf": RBF(),
    "rational quadratic": RationalQuadratic(),
    "periodic": Periodic(("a",)),
    "periodic of known period": Periodic(("a",), period=0.3),
    "linear": Linear(),
    "sum": Matern() + Linear(("a",)) + Periodic(("a",)),
    "product": RBF(("a",)) * Matern(1.5),
    "product of sums": (RBF() + Linear()) * (Matern(0.5, ("a",)) + RationalQuadratic(("a",))),
}


def everything(space, kernel, is_warped=False, n=9, seed=0):
    """A covariance, log hyper-parameters and points."""
    covariance = Covariance(space, kernel, is_warped)
    rng = np.random.default_rng(seed)
    theta = covariance.hyperprior.mu + 0.5 * rng.standard_normal(len(covariance.hyperprior))
    theta = np.clip(theta, covariance.hyperprior.lower, covariance.hyperprior.upper)
    for i, name in enumerate(covariance.hyperprior.names):
        if name.startswith("length"):
            theta[i] = rng.uniform(-1.2, 0.3)
    X = space.project(rng.random((n, space.d)))
    return covariance, theta, X


def gram(covariance, theta, X):
    k, _ = covariance.place(theta, covariance.features(X))[0].gram(Pool(len(X)))
    return np.tril(k) + np.tril(k, -1).T


def dense(kernel, theta, X):
    """Textbook formulas on BOX, point by point; returns the matrix and how much of theta was used."""
    difference = X[:, None] - X[None]
    d = X.shape[1]
    match kernel:
        case Matern() | RBF():
            columns = [BOX.names.index(n) for n in kernel.columns or BOX.names]
            r2 = ((difference[:, :, columns] / np.exp(theta[: len(columns)])) ** 2).sum(-1)
            r = np.sqrt(r2)
            formula = {
                "Matérn-5/2": lambda: (1 + 5**0.5 * r + 5 / 3 * r2) * np.exp(-(5**0.5) * r),
                "Matérn-3/2": lambda: (1 + 3**0.5 * r) * np.exp(-(3**0.5) * r),
                "Matérn-1/2": lambda: np.exp(-r),
                "RBF": lambda: np.exp(-r2 / 2),
            }
            return formula[kernel.profile.name]()
        case RationalQuadratic():
            r2 = ((difference / np.exp(theta[:d])) ** 2).sum(-1)
            alpha = np.exp(theta[d])
            return (1 + r2 / (2 * alpha)) ** -alpha
        case Periodic():
            period = kernel.period or np.exp(theta[1])
            return np.exp(-2 * np.sin(np.pi * difference[:, :, 0] / period) ** 2 / np.exp(theta[0]) ** 2)
        case Linear():
            return (X - 0.5) * np.exp(theta) @ (X - 0.5).T
    raise TypeError(kernel)


@pytest.mark.parametrize(
    "name", ["matern52", "matern32", "matern12", "rbf", "rational quadratic", "periodic", "linear"]
)
def test_gram_is_the_textbook_formula(name):
    covariance, theta, X = everything(BOX, KERNELS[name])
    np.testing.assert_allclose(gram(covariance, theta, X), dense(KERNELS[name], theta, X), atol=2e-8)


def test_a_known_period_repeats():
    covariance, theta, X = everything(BOX, KERNELS["periodic of known period"])
    np.testing.assert_allclose(
        gram(covariance, theta, X), dense(KERNELS["periodic of known period"], theta, X), atol=1e-12
    )
    shifted = X.copy()
    shifted[:, 0] += 0.3
    at, _ = covariance.place_points(theta, shifted)
    np.testing.assert_allclose(at.cross(covariance.place_points(theta, X)[0])[0], gram(covariance, theta, X))


def test_sums_and_products_are_sums_and_products():
    parts = Matern(1.5), Linear()
    X = np.random.default_rng(1).random((7, 3))
    one, two = np.array([-0.5, 0.1, 0.2]), np.array([0.3, -0.2, 0.5])
    K = [gram(Covariance(BOX, k), t, X) for k, t in zip(parts, (one, two), strict=True)]
    whole = gram(Covariance(BOX, parts[0] + parts[1]), np.concatenate([one, two, [0.7]]), X)
    np.testing.assert_allclose(whole, K[0] + np.exp(0.7) * K[1], atol=1e-12)
    whole = gram(Covariance(BOX, parts[0] * parts[1]), np.concatenate([one, two]), X)
    np.testing.assert_allclose(whole, K[0] * K[1], atol=1e-12)
    assert (Matern() + Linear() + RBF()).parts == (Matern(), Linear(), RBF())


@pytest.mark.parametrize("is_warped", [False, True], ids=["plain", "warped"])
@pytest.mark.parametrize("space", [BOX, MIXED], ids=["box", "mixed"])
@pytest.mark.parametrize("name", KERNELS)
def test_pullbacks_are_derivatives(name, space, is_warped):
    covariance, theta, X = everything(space, KERNELS[name], is_warped)
    rng = np.random.default_rng(2)
    G = rng.standard_normal((len(X), len(X)))
    G = G + G.T
    h = 1e-6

    placed, unwarp = covariance.place(theta, covariance.features(X))
    _, pull = placed.gram(Pool(len(X)))
    d_kernel, dF = pull(G.copy())
    gradient = np.concatenate([d_kernel, unwarp(dF)[0]])
    numeric = [
        (np.sum(G * gram(covariance, theta + e, X)) - np.sum(G * gram(covariance, theta - e, X))) / (2 * h)
        for e in np.eye(len(theta)) * h
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * max(1, np.abs(numeric).max()))

    W, w = rng.standard_normal((4, len(X))), rng.standard_normal(4)
    at = space.project(rng.uniform(0.1, 0.9, (4, space.d)))
    data, _ = covariance.place_points(theta, X)

    def values(points):
        placed, _ = covariance.place_points(theta, points)
        return (W * placed.cross(data)[0]).sum(axis=1) + w * placed.diagonal()[0]

    placed, to_X = covariance.place_points(theta, at)
    gradient = to_X(placed.cross(data)[1](W) + placed.diagonal()[1](w))
    active = space.active(at)
    for j in np.flatnonzero(~np.asarray(space.is_categorical)):
        e = np.zeros(space.d)
        e[j] = h
        numeric = np.where(active[:, j], (values(at + e) - values(at - e)) / (2 * h), 0.0)
        np.testing.assert_allclose(gradient[:, j], numeric, rtol=1e-6, atol=1e-6)
    assert not gradient[:, np.asarray(space.is_categorical)].any()


@pytest.mark.parametrize("name", KERNELS)
def test_positive_definite_and_joined_like_one(name):
    covariance, theta, X = everything(MIXED, KERNELS[name], n=40)
    K = gram(covariance, theta, X)
    assert np.linalg.eigvalsh(K).min() > -1e-9 * np.abs(K).max()
    first, second = (covariance.place_points(theta, part)[0] for part in (X[:25], X[25:]))
    k, _ = first.join(second).gram(Pool(40))
    np.testing.assert_allclose(np.tril(k), np.tril(K), atol=1e-12)
    np.testing.assert_allclose(first.join(second).diagonal()[0], np.diag(K), atol=1e-12)


def test_gram_equals_gpytorch():
    torch = pytest.importorskip("torch")
    gpytorch = pytest.importorskip("gpytorch")
    lengths = np.array([0.3, 0.7, 1.1])
    X = np.random.default_rng(3).random((12, 3))
    peers = {
        "matern52": gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=3),
        "matern32": gpytorch.kernels.MaternKernel(nu=1.5, ard_num_dims=3),
        "rbf": gpytorch.kernels.RBFKernel(ard_num_dims=3),
        "rational quadratic": gpytorch.kernels.RQKernel(ard_num_dims=3),
    }
    for name, peer in peers.items():
        peer.double().lengthscale = torch.tensor(lengths)[None]
        theta = np.log(lengths)
        if name == "rational quadratic":
            peer.alpha = torch.tensor(1.7, dtype=torch.double)
            theta = np.append(theta, np.log(1.7))
        with torch.no_grad():
            theirs = peer(torch.tensor(X)).to_dense().numpy()
        np.testing.assert_allclose(gram(Covariance(BOX, KERNELS[name]), theta, X), theirs, atol=1e-9)


def test_a_new_stationary_kernel_is_a_formula():
    def cauchy(u):
        k = 1.0 / (1.0 + u)
        return k, 2.0 * k * k

    covariance, theta, X = everything(BOX, Stationary(Profile("Cauchy", 1.0, cauchy)))
    r2 = (((X[:, None] - X[None]) / np.exp(theta)) ** 2).sum(-1)
    np.testing.assert_allclose(gram(covariance, theta, X), 1 / (1 + r2), atol=1e-12)


def test_descriptors_make_choices_alike():
    numbers = {"polarity": [10.2, 9.8, 0.1], "mass": [18.0, 20.0, 86.0]}
    space = Space([Categorical("solvent", ["water", "brine", "hexane"], descriptors=numbers)])
    K = gram(Covariance(space), np.array([0.0]), space.enumerate())
    assert K[0, 1] > 0.95 > 0.6 > K[0, 2]
    F = Features(space)(space.enumerate())
    squared = ((F[:, None] - F[None]) ** 2).sum(-1)
    np.testing.assert_allclose(squared.sum() / 6, 1.0)  # on average as far apart as without


def test_inactive_parameters_are_equally_far_from_all_active_values():
    space = Space([Categorical("kind", ["u", "v"]), Real("x", 0, 1, when={"kind": "v"})])
    features = Features(space)
    absent = features(space.encode([{"kind": "u"}]))
    present = features(space.encode([{"kind": "v", "x": x} for x in (0.0, 0.25, 0.5, 1.0)]))
    squared = ((present - absent) ** 2).sum(axis=1)
    np.testing.assert_allclose(squared, squared[0])
    near = np.linalg.norm(present[1] - present[0])
    assert near == pytest.approx(0.25, rel=0.01)  # along the arc, distances stay what they were


@pytest.mark.parametrize(
    "kernel",
    [
        Matern(),
        Matern(1.5),
        Matern(0.5),
        RBF(),
        RationalQuadratic(),
        Linear(),
        Matern(columns="x") + Linear("x"),
        RBF("x") * (Matern(0.5) + Linear("n")),
        Linear("sub"),
        Matern(columns="sub") * RBF("kind"),
    ],
    ids=repr,
)
def test_to_every_kernel_what_is_inactive_is_alike_to_all_active_values(kernel):
    space = Space(
        [
            Categorical("kind", ["u", "v"]),
            Real("x", 0, 1, when={"kind": "v"}),
            Integer("n", 1, 9, when={"kind": "v"}),
            Categorical("sub", ["p", "q", "r"], when={"kind": "v"}),
        ]
    )
    covariance = Covariance(space, kernel)
    theta = np.random.default_rng(0).normal(-0.5, 0.3, len(covariance.hyperprior))
    here = {"kind": "v", "x": 0.5, "n": 5, "sub": "p"}
    varied = [{**here, "x": x} for x in (0.0, 0.3, 1.0)] + [{**here, "n": n} for n in (1, 9)]
    varied += [{**here, "sub": level} for level in ("q", "r")]
    absent, _ = covariance.place_points(theta, space.encode([{"kind": "u"}]))
    present, _ = covariance.place_points(theta, space.encode([here, *varied]))
    np.testing.assert_allclose(np.ptp(absent.cross(present)[0]), 0.0, atol=1e-12)


def test_a_linear_kernel_is_regression_on_what_is_active():
    space = Space(
        [
            Real("a", 0, 1),
            Categorical("kind", ["u", "v", "w"]),
            Real("t", 0, 1, when={"kind": ["u", "v"]}),
            Categorical("solvent", ["x", "y", "z"], descriptors={"mass": [1.0, 2.0, 6.0]}),
        ]
    )
    X = space.sample(40, Key(0))
    covariance = Covariance(space, Linear())
    theta = np.array([0.3, -0.4, 0.8, -0.1])
    a, kind, t, solvent = X.T
    mass = np.array([1.0, 2.0, 6.0])[np.rint(2 * solvent).astype(int)] - 3.0
    mass /= np.sqrt((1**2 + 4**2 + 5**2) / 3)  # the mean squared distance of two levels is 1
    active = np.rint(2 * kind) < 2
    level = np.rint(2 * kind)[:, None] == np.rint(2 * kind)
    v = np.exp(theta)
    expected = v[0] * np.outer(a - 0.5, a - 0.5) + v[1] * 0.5 * (level - 1 / 3)
    expected += v[2] * np.outer(active * (t - 0.5), active * (t - 0.5)) + v[3] * np.outer(mass, mass)
    np.testing.assert_allclose(gram(covariance, theta, X), expected, atol=1e-12)
    beyond = X.copy()
    beyond[:, 2] = np.linspace(-0.5, 1.5, 40)  # results may be told there
    placed, _ = Covariance(space, Linear("t")).place_points(theta[2:3], beyond)
    np.testing.assert_allclose(placed.Z[:, 0], v[2] ** 0.5 * active * (beyond[:, 2] - 0.5), atol=1e-12)


def test_a_name_alone_is_a_column_and_lists_are_tuples():
    assert RBF("a") == RBF(["a"]) == RBF(("a",))
    assert Covariance(BOX, RBF("a")).hyperprior.names == ("length(a)",)
    for kernel in (
        Matern(columns=["a"]),
        Periodic(["a"]),
        Linear(["a"]),
        RationalQuadratic(["a"]),
        Stationary(Profile("mine", 1.0, lambda u: (1 - u, 2 + 0 * u)), ["a"]),
    ):
        assert kernel.columns == ("a",)
        hash(kernel)
    assert Sum([Matern(), Linear()]) == Matern() + Linear()
    hash(Sum([Matern(), Linear()]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RBF(()), r"RBF: columns must be the names of parameters, .* got \(\)"),
        (lambda: Linear((1, 2)), r"Linear: columns must be the names .* got \(1, 2\)"),
        (lambda: Matern() + 1, r"Sum: parts must be kernels such as Matern\(\), got 1; weights"),
        (lambda: Matern() * 2.0, r"Product: parts must be kernels such as Matern\(\), got 2\.0"),
        (lambda: Sum(()), r"Sum: parts must be kernels, at least one, got \(\)"),
        (lambda: Product(Matern()), r"Product: parts must be kernels, at least one, got Matern"),
        (lambda: Periodic(period="1"), r"in \[1e-6, 10\], got '1'"),
        (lambda: Periodic(period=True), r"in \[1e-6, 10\], got True"),
        (lambda: Periodic(period=1e-9), r"in \[1e-6, 10\], got 1e-09"),
        (lambda: Periodic(24), r"Periodic: columns .* got 24; give period="),
        (lambda: RBF(0.5), r"RBF: columns .* got 0\.5; length-scales are learnt"),
        (lambda: Linear(2), r"Linear: columns .* got 2; slopes are learnt"),
        (
            lambda: Matern(columns=("a", "a")),
            r"Matern: columns must name each parameter once, got \('a', 'a'\)",
        ),
        (lambda: 2 * Matern(), r"Product: parts must be kernels .* got 2; weights and the output scale"),
        (lambda: 1 + Matern(), r"Sum: parts must be kernels .* got 1; weights"),
        (lambda: Matern() ** 2, "Matern: kernels have no powers, got 2"),
        (lambda: Matern() + Linear, r"make an object, Linear\(\)"),
        (lambda: Matern([2.5]), r"nu must be 0\.5, 1\.5 or 2\.5, got \[2\.5\]"),
        (lambda: Stationary("rbf"), "profile must be a Profile, got 'rbf'"),
    ],
)
def test_what_makes_no_kernel_is_refused_by_name(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_columns_and_arguments_are_checked():
    with pytest.raises(SpaceError, match=r"nu must be 0\.5, 1\.5 or 2\.5, got 2"):
        Matern(2)
    with pytest.raises(SpaceError, match="got 'z'; there are a, b, c"):
        Covariance(BOX, RBF(("z",))).hyperprior  # noqa: B018
    with pytest.raises(SpaceError, match=r"without conditions, got kind, depth$"):
        Covariance(MIXED, Periodic(("a", "kind", "depth"))).hyperprior  # noqa: B018
    with pytest.raises(SpaceError, match="Periodic: the space has no numeric parameter without conditions"):
        Covariance(Space([Categorical("kind", ["u", "v"])]), Periodic()).hyperprior  # noqa: B018
    with pytest.raises(SpaceError, match=r"in \[1e-6, 10\], got -1"):
        Periodic(period=-1)


def test_a_periodic_kernel_looks_at_what_is_numeric_and_always_active():
    named, theta, X = everything(MIXED, Periodic(("a", "size")))
    default = Covariance(MIXED, Periodic())
    assert default.hyperprior.names == ("length(a)", "length(size)", "period(a)", "period(size)")
    np.testing.assert_array_equal(gram(default, theta, X), gram(named, theta, X))
    elsewhere = X.copy()
    elsewhere[:, ~np.isin(MIXED.names, ("a", "size"))] = 0.0
    np.testing.assert_array_equal(gram(default, theta, MIXED.project(elsewhere)), gram(named, theta, X))


def test_kernels_can_be_summed_as_a_list():
    assert sum([Matern(), Linear(), RBF()]) == Matern() + Linear() + RBF()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (lambda u: np.exp(-u), "it returned ndarray, no pair"),
        (lambda u: (np.exp(-u / 2), np.exp(-u / 2), u), "it returned tuple, no pair"),
        (lambda u: (np.exp(-u / 2), 1.0), r"for shape \(2, 3\) its shapes are \(2, 3\) and \(\)"),
        (lambda u: (math.exp(u), 1.0), r"on an array of shape \(2, 3\) it raised TypeError"),
        (lambda u: (2 * np.exp(-u / 2), 2 * np.exp(-u / 2)), r"k\(0\) must be 1, got 2"),
        (lambda u: (np.exp(-np.sqrt(u)), np.exp(-np.sqrt(u)) / np.sqrt(u)), "not finite"),
        (lambda u: (1 / (1 + u), 1 / (1 + u) ** 2), "its t is 0.97.*, and differences of k say 1.94"),
    ],
)
def test_a_formula_that_is_none_is_refused_when_it_is_written_down(formula, message):
    with pytest.raises(SpaceError, match=rf"Profile mine: formula must return \(k, t\).*{message}"):
        Stationary(Profile("mine", 1.0, formula))


@pytest.mark.parametrize("profile", [profiles.MATERN52, profiles.MATERN32, profiles.MATERN12, profiles.RBF])
def test_the_formulas_of_the_library_are_none_of_those(profile):
    Stationary(profile)


def test_what_lies_above_the_diagonal_is_no_matter():
    """Gradients come from matrices whose upper triangle was never written: it may hold anything."""
    covariance, theta, X = everything(BOX, (Matern() + Linear()) * RBF())
    G = np.tril(np.random.default_rng(0).standard_normal((len(X), len(X))))
    G = G + np.tril(G, -1).T
    junk = np.tril(G) + np.triu(np.full_like(G, 1e308), 1)
    theta[-4] = 2.0  # a weight above 1
    results = [covariance.place_points(theta, X)[0].gram(Pool(len(X)))[1](g.copy()) for g in (G, junk)]
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected)
