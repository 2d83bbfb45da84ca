# %% [markdown]
# # Your own parts
#
# A kernel, an acquisition, a surrogate, a strategy: each is a small class or function that takes the place
# of bbopt's own, and a contract, a class of tests to inherit, says what it must keep.
# `03_surrogates_and_acquisitions.py` shows what these things are.

# %%
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_ndtr

from bbopt import (
    BayesianOptimization,
    GaussianProcess,
    Objective,
    Real,
    Sobol,
    Space,
    SpaceError,
    Study,
    UnsupportedError,
)
from bbopt.acquisitions import LowerConfidenceBound, Pointwise, Thompson
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.strategies import criteria
from bbopt.strategies.criteria import Situation
from bbopt.strategies.modelling import fit_data
from bbopt.strategies.strategy import Proposals, Supports
from bbopt.surrogates import Linear, Outcome, Paths
from bbopt.surrogates.kernels import Profile, Stationary
from bbopt.surrogates.outcomes import learn
from bbopt.testing.contracts import StrategyContract
from bbopt.testing.parts import AcquisitionContract, KernelContract, SurrogateContract

line = Space([Real("x", 0, 10)])
x = np.linspace(0, 10, 501)


def wave(x):
    return np.sin(x) + 0.5 * np.cos(2.3 * x + 1) + 0.03 * x


# %% [markdown]
# ## A kernel of your own
#
# A stationary kernel is one formula: from the squared distance u, in length-scales, to k(u) and to
# -2 dk/du. Everything else (length-scales, their priors, categories, conditions, gradients, sums) is
# there already. Cauchy's kernel falls off so slowly that even distant results have a say.


# %%
def cauchy(u):
    return 1 / (1 + u), 2 / (1 + u) ** 2


Cauchy = Stationary(Profile("Cauchy", 1.0, cauchy))

# %% [markdown]
# Is it right? What every kernel must keep is written down as a class of tests. Inherit it, say how
# your kernel is made, and pytest finds the tests: `pytest 03b_your_own_parts.py` runs those of this
# tutorial. Without pytest a loop does.


# %%
def check(contract):
    """Run all tests of a contract."""
    tests = [name for name in dir(contract) if name.startswith("test_")]
    for name in tests:
        getattr(contract(), name)()
    print(f"{contract.__name__}: {len(tests)} tests passed")


class TestCauchy(KernelContract):
    def make(self):
        return Cauchy


check(TestCauchy)

# %% [markdown]
# A contract is worth something if it fails. A parabola falls off, too, and its derivative is right, but it is
# no covariance: some sum of outcomes would have a variance below 0.


# %%
class Parabola(KernelContract):
    def make(self):
        return Stationary(Profile("parabola", 1.0, lambda u: (1 - u, 2 + 0 * u)))


try:
    check(Parabola)
except AssertionError as error:
    print(error)
else:
    raise RuntimeError("nobody noticed")

# %% [markdown]
# What can be seen from the formula alone is said at once. Somebody forgets the 2:

# %%
try:
    Stationary(Profile("Cauchy", 1.0, lambda u: (1 / (1 + u), 1 / (1 + u) ** 2)))
except SpaceError as error:
    print(error)
else:
    raise RuntimeError("nobody noticed")

# %% [markdown]
# Sample paths need more than the formula, the spectral density (`Profile(..., freedom=)`, where it is
# Student's t). Without it Thompson samples are refused, and all else works.

# %%
told = line.sample(6, Key(0))
model, _ = GaussianProcess(kernel=Cauchy + Linear()).fit(line, told, wave(10 * told[:, 0]), noise=0)
try:
    Paths.draw(model, 1, Key(0))
except UnsupportedError as error:
    print(error)

# %% [markdown]
# ## An acquisition of your own
#
# The short way is a function from a fitted model and a situation (`best`, the incumbent; `key`, for what
# you draw) to an acquisition. Theory wants confidence bounds to widen with the number of results:


# %%
def widening(model, situation):
    return LowerConfidenceBound(model, beta=2 * np.log(1 + len(model.X)))


# %% [markdown]
# The long way is a formula in mean and standard deviation, with its derivatives in both. Max-value
# entropy search (Wang and Jegelka 2017) asks where one learns most about the lowest outcome that
# there is. With z = (mean - lowest) / sd and the hazard h = phi(z) / Phi(z) that is h z / 2 - log Phi(z),
# averaged over what the lowest may be; sample paths know.


# %%
@dataclass(frozen=True, slots=True)
class MaxValueEntropy(Pointwise):
    """How much a result is expected to tell about the lowest outcome.

    Parameters
    ----------
    surrogate : Surrogate
    lowest : array (k,)
        Samples of it, in model units.
    """

    lowest: np.ndarray

    is_log: ClassVar[bool] = False

    def formula(self, mean, sd):
        mean, sd = mean[..., None], sd[..., None]  # (b, s, 1), beside (k,)
        z = (mean - self.lowest) / sd
        log_cdf = log_ndtr(z)
        hazard = np.exp(-0.5 * z**2 - log_cdf) / np.sqrt(2 * np.pi)
        slope = -0.5 * hazard * (1 + z**2 + z * hazard)
        value = 0.5 * z * hazard - log_cdf
        return value.mean(axis=2), (slope / sd).mean(axis=2), (-slope * z / sd).mean(axis=2)


def entropy_search(model, situation):
    space, key = model.covariance.space, situation.key
    paths = [Thompson(Paths.draw(model, 1, key.child("path", k))) for k in range(8)]
    peaks = [maximize(path, space, 1, model.X[:0], None, key.child("peak"), restarts=2) for path in paths]
    lowest = [-path.value(peak)[0] for path, peak in zip(paths, peaks, strict=True)]
    return MaxValueEntropy(model, np.minimum(lowest, situation.best - 5 * model.noise_variance**0.5))


class TestEntropySearch(AcquisitionContract):
    def make(self, model, situation):
        return entropy_search(model, situation)


check(TestEntropySearch)

for acquisition in (widening, entropy_search):
    study = Study(line, Objective("y", noise=0), strategy=BayesianOptimization(acquisition), seed=0)
    study.run(lambda params: wave(params["x"]), budget=12)
    print(f"{acquisition.__name__:14} {study.best().value:.4f}, the lowest truth {wave(x).min():.4f}")
    assert study.best().value < wave(x).min() + 0.01

# %% [markdown]
# ## A surrogate of your own
#
# Two things make one: a fitted model (`bbopt/surrogates/surrogate.py` lists what it is asked) and
# frozen configuration with a method `fit`. Here is the response surface that experimenters have
# fitted for seventy years, a polynomial of second degree, with what they left out: its uncertainty. Its
# coefficients w have a normal prior, so that the posterior is known:
#
#     f = phi(x)ᵀ w,   w ~ N(A⁻¹ b, A⁻¹),   A = I / tau + Phiᵀ Phi / noise,   b = Phiᵀ z / noise
#
# Everything follows from the joint distribution of q points; one point alone is the case q = 1.


# %%
def quadratic(X):
    """Return 1, x_j and x_i x_j of points (..., d)."""
    i, j = np.triu_indices(X.shape[-1])
    return np.concatenate([np.ones_like(X[..., :1]), X, X[..., i] * X[..., j]], axis=-1)


def pull_quadratic(d_phi, X):
    """Return derivatives in X (..., d) from those in what `quadratic` returned."""
    d = X.shape[-1]
    W = np.zeros((*X.shape, d))
    W[..., *np.triu_indices(d)] = d_phi[..., 1 + d :]
    return d_phi[..., 1 : 1 + d] + np.einsum("...ij,...j->...i", W + np.swapaxes(W, -1, -2), X)


@dataclass(frozen=True)
class FittedSurface:
    X: np.ndarray
    A: np.ndarray
    b: np.ndarray
    noise_variance: float
    outcome: Outcome

    is_smooth: ClassVar[bool] = True  # it has gradients

    @property
    def scale(self):
        return np.ones(self.X.shape[1])  # it has no length-scales

    @property
    def fitted(self):
        return self.posterior(self.X)[0]

    @property
    def incumbent(self):
        return self.fitted.min(axis=0)

    def joint_vjp(self, X):
        phi = quadratic(X)  # (t, q, p)
        w, S = np.linalg.solve(self.A, self.b), np.linalg.inv(self.A)

        def pull(d_mean, d_covariance):
            G = d_covariance[:, 0]
            d_phi = d_mean * w[:, 0] + (G + np.swapaxes(G, 1, 2)) @ phi @ S
            return pull_quadratic(d_phi, X)

        return phi @ w, (phi @ S @ np.swapaxes(phi, 1, 2))[:, None], pull

    def joint(self, X):
        return self.joint_vjp(X)[:2]

    def posterior_vjp(self, X):
        mean, covariance, pull = self.joint_vjp(X[:, None])
        return mean[:, 0], covariance[:, 0, 0], lambda m, v: pull(m[:, None], v[:, None, None])[:, 0]

    def posterior(self, X):
        return self.posterior_vjp(X)[:2]

    def predict(self, X):
        mean, variance = (array[:, 0] for array in self.posterior(X))
        return self.outcome.inverse(mean), self.outcome.inverse_sd(mean, np.sqrt(variance))

    def condition(self, X, Y, noise=1e-6):
        phi = quadratic(X)
        A, b = self.A + phi.T @ phi / noise, self.b + phi.T @ Y / noise
        return replace(self, X=np.unique(np.vstack([self.X, X]), axis=0), A=A, b=b)

    def fantasize(self, X):
        return self.condition(X, self.posterior(X)[0])


@dataclass(frozen=True)
class ResponseSurface:
    tau: float = 100.0  # prior variance of the coefficients, outcomes having variance 1

    def fit(self, space, X, y, variance=None, *, noise=None, previous=None, rng=None):
        z, outcome = learn(y, "standardize")  # a bent parabola is none
        phi = quadratic(X)

        def evidence(noise):
            C = self.tau * phi @ phi.T + noise * np.eye(len(z))
            return -np.linalg.slogdet(C)[1] - z @ np.linalg.solve(C, z)

        likely = max(np.logspace(-6, 0, 13), key=evidence)  # what it cannot follow is noise to it
        prior = np.eye(phi.shape[1]) / self.tau
        empty = FittedSurface(X, prior, np.zeros((len(prior), 1)), float(likely), outcome)
        return empty.condition(X, z[:, None], likely), {}


class TestResponseSurface(SurrogateContract):
    tolerance = 0.3  # it smooths

    def make(self):
        return ResponseSurface()


check(TestResponseSurface)

# %% [markdown]
# It goes with every acquisition that asks for means and deviations. Where a model is right, as on a bowl
# with a small ripple, few results are needed.

# %%
plane = Space([Real("temperature", 20, 120, unit="°C"), Real("minutes", 5, 240, log=True)])


def impurity(params):
    """Return impurities in percent; the best there is has 1.0, at 65 °C after 60 minutes."""
    heat, time = (params["temperature"] - 65) / 30, np.log(params["minutes"] / 60)
    return 1 + 2 * heat**2 + (time + heat) ** 2 + 0.3 * np.sin(3 * time) ** 2


strategy = BayesianOptimization(surrogate=ResponseSurface(), acquisition="logei")
study = Study(plane, Objective("impurity", noise=0), strategy=strategy, seed=0)
study.run(impurity, budget=10)
print(f"{study.best().value:.3f}", dict(study.best().params))
assert study.best().value < 1.01

# %% [markdown]
# ## A strategy of your own
#
# A strategy answers `ask` from the history of the study. Three acquisitions see a problem in three
# ways: let them take turns. The gate between strategies and studies replaces points that were asked
# before; what one ask may leave for the next goes into the tags, which the journal keeps. (What you see
# here does not look at runs that failed: `fit_failures` stands beside `fit_data`.)


# %%
@dataclass(frozen=True)
class Portfolio:
    """Several acquisitions that take turns."""

    acquisitions: tuple = ("logei", "ucb", "logpi")
    surrogate: Any = field(default_factory=GaussianProcess)
    n_initial: int = 8

    @property
    def supports(self):
        return Supports(objectives=1)

    def batch_size(self, spec):
        return len(self.acquisitions)

    def init(self, spec, rng):
        return None

    def tell(self, state, trials, rng):
        return None

    def ask(self, state, history, request, rng):
        data, space = history.dataset(), history.spec.space
        if len(data.X) < self.n_initial:
            return Sobol().ask(None, history, request, rng)
        model, notes = fit_data(self.surrogate, data, history, rng)
        model = model.fantasize(data.X_pending)
        X, tags = data.X[:0], []
        for number in range(len(history), len(history) + request.n):
            name, key = self.acquisitions[number % len(self.acquisitions)], rng.child("ask", number)
            promise = criteria.make(name, model, Situation(model.incumbent, key))
            point = maximize(promise, space, 1, data.X[:0], request.fixed, key)
            X, model = np.vstack([X, point]), model.fantasize(point)
            tags.append({"by": criteria.title(name), "model": notes})
        return Proposals(X, tags)


class TestPortfolio(StrategyContract):
    n_trials = 8  # enough for this one, and quick

    def make(self):
        return Portfolio(surrogate=ResponseSurface(), n_initial=4)


check(TestPortfolio)

study = Study(plane, Objective("impurity", noise=0), strategy=Portfolio(), seed=0)
while study.n_finished < 20:
    for trial in study.ask(3):
        study.tell(trial, impurity(trial.params))
print(f"{study.best().value:.3f}", dict(study.best().params))

# %% [markdown]
# A journal keeps strategies made of bbopt's own parts. With parts of yours it keeps the name, and you
# pass the object again: `Study.open(path, strategy=Portfolio())`. `docs/strategies.md` has the nine laws that
# `StrategyContract` tests. Next: `03c_other_libraries.py`.
