# %% [markdown]
# # Surrogates and acquisitions
#
# A suggestion of Bayesian optimization takes three steps: fit a model to the results (the surrogate),
# say what a new point would be worth (the acquisition), look for the point that is worth most. Here
# they are taken one by one, by hand, then put together again. Needs the extra `plot`:
# `pip install '.[plot]'`. Figures go to the folder `tutorial-figures`, made where this runs.

# %%
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draw into a file; leave this line out in a notebook

import matplotlib.pyplot as plt
import numpy as np

from bbopt import BayesianOptimization, Categorical, GaussianProcess, Objective, Real, Space, Study
from bbopt.acquisitions import (
    ExpectedImprovement,
    LogExpectedImprovement,
    LogExpectedImprovementOfBatch,
    LogExpectedImprovementUnderNoise,
    LogProbabilityOfImprovement,
    LowerConfidenceBound,
    Thompson,
    normal_samples,
)
from bbopt.maximizers.joint import maximize_joint
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.surrogates import Linear, Matern, Paths, Periodic

pictures = Path("tutorial-figures")
pictures.mkdir(exist_ok=True)
BLUE, ORANGE, GREY = "#1b6ca8", "#d9822b", "#7a7a7a"


def save(figure, name):
    """Save a figure and say where."""
    figure.savefig(pictures / name, dpi=110)
    print("figure:", (pictures / name).resolve())


# %% [markdown]
# ## A Gaussian process
#
# Six results of a function of one variable. Surrogates see encoded points, in which every range is
# [0, 1], and outcomes that are minimised. `GaussianProcess` says what to fit; its `fit` returns the
# model, and notes from which the next fit may start. `noise=0` says that results are exact. Left alone
# it also looks whether outcomes or axes are better bent; more of that below, for now they stay straight.

# %%
line = Space([Real("x", 0, 10)])


def at(x):
    """Return points of the line, encoded, (n, 1)."""
    return line.encode([{"x": float(value)} for value in x])


def wave(x):
    return np.sin(x) + 0.5 * np.cos(2.3 * x + 1) + 0.03 * x


told = np.array([0.5, 2.0, 3.5, 4.5, 6.0, 9.5])
X, y = at(told), wave(told)
x = np.linspace(0, 10, 501)
grid = at(x)

straight = GaussianProcess(outcome="standardize", warping=False)
model, notes = straight.fit(line, X, y, noise=0)
mean, sd = model.predict(grid)

assert np.allclose(model.predict(X)[0], y)
print(f"sd at the results {model.predict(X)[1].max():.4f}, in the widest gap {sd.max():.2f}")
print(f"the truth is within 2 sd on {np.mean(np.abs(mean - wave(x)) < 2 * sd):.0%} of the line")

# %% [markdown]
# There is no magic in it. Outcomes are brought to mean 0 and deviation 1, the *model units*; the kernel
# says how alike the outcomes at two points are, by their distance; the posterior is three lines of linear
# algebra.

# %%
z = model.outcome(y)
scale = model.hyperparameters.scale


def kernel(A, B, length):
    """Return Matérn-5/2 covariances of points (a, 1) with points (b, 1)."""
    r = np.sqrt(5) * np.abs(A - B.T) / length
    return scale * (1 + r + r**2 / 3) * np.exp(-r)


def by_hand(length):
    """Return mean and deviation on the grid, and the log density of the results."""
    K, k = kernel(X, X, length) + 1e-8 * np.eye(len(X)), kernel(grid, X, length)
    residual = z - model.mean
    mean = model.mean + k @ np.linalg.solve(K, residual)
    variance = scale - np.sum(k.T * np.linalg.solve(K, k.T), axis=0)
    density = -0.5 * residual @ np.linalg.solve(K, residual) - 0.5 * np.linalg.slogdet(2 * np.pi * K)[1]
    sd = model.outcome.inverse_sd(mean, np.sqrt(np.maximum(variance, 0)))
    return model.outcome.inverse(mean), sd, density


length = np.exp(model.hyperparameters.theta[0])
means, sds, _ = by_hand(length)
assert np.allclose(means, mean)
assert np.allclose(sds, sd, atol=1e-3)

# %% [markdown]
# ## What the hyper-parameters mean
#
# The length-scale is how far one result reaches, as a share of the range. The output scale is how far
# outcomes stray, the noise what a repeat would differ by. A fit takes the most probable ones, by the
# density of the data times a prior. Try others by hand. Too short, and between results nothing is known;
# too long, and the model is sure of what is wrong.

# %%
figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
print("length  log density  mean sd  truth within 2 sd")
for panel, chosen in zip(panels, (0.02, length, 0.5), strict=True):
    m, s, density = by_hand(chosen)
    inside = np.mean(np.abs(m - wave(x)) < 2 * s)
    print(f"{chosen:6.2f}  {density:11.1f}  {s.mean():7.2f}  {inside:17.0%}")
    panel.fill_between(x, m - 2 * s, m + 2 * s, color=BLUE, alpha=0.15, linewidth=0, label="± 2 sd")
    panel.plot(x, m, color=BLUE, label="mean")
    panel.plot(x, wave(x), "--", color=GREY, linewidth=1, label="the truth")
    panel.plot(told, y, "o", color="black", markersize=4, label="results")
    panel.set(title=f"length-scale {chosen:.2f}", xlabel="x")
panels[0].set_ylabel("y")
figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncol=4, frameon=False)
save(figure, "lengths.png")

# %% [markdown]
# ## Kernels
#
# The kernel is what you know of the shape. Here the price of power was noted at forty moments of four
# days; which hour of the rest of the week is the cheapest? To the default kernel results a day away
# say nothing. One that knows of days, and of a trend, has seen them four times. Kernels add (either
# makes points alike) and multiply (both must), and each may look at some `columns` alone. Hours and
# prices stay straight here, too: a bent clock has no days, and a bent sum is no sum.

# %%
week = Space([Real("hour", 0, 168)])
DAY = 24 / 168  # periods are shares of the range


def price(hour):
    return 60 + 0.12 * hour - 12 * np.cos(2 * np.pi * hour / 24) - 8 * np.cos(4 * np.pi * hour / 24 + 1)


rng = np.random.default_rng(0)
hours = rng.uniform(0, 96, 40)
prices = price(hours) + rng.normal(0, 2, 40)
rest = np.linspace(100, 168, 273)

kernels = {
    "Matérn": Matern(),
    "a day, a trend": Periodic(period=DAY) + Linear(),
    "a day that drifts": Periodic(period=DAY) * Matern(),
    "a period to be learnt, a trend": Periodic() + Linear(),
}


def forecast(one, hours, prices):
    """Return the model that a kernel makes of prices, and its mean, sd and error on the rest of the week."""
    fitted, _ = replace(straight, kernel=one).fit(week, hours[:, None] / 168, prices)
    m, s = fitted.predict(rest[:, None] / 168)
    return fitted, m, s, np.sqrt(np.mean((m - price(rest)) ** 2))


errors = {}
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for name, one in kernels.items():
    fitted, m, s, errors[name] = forecast(one, hours, prices)
    print(f"{name:31} error {errors[name]:5.2f}, sd {s.mean():5.2f}, cheapest at {rest[m.argmin()]:.0f} h")
    axes.plot(rest, m, label=name)
axes.plot(np.arange(169), price(np.arange(169)), "--", color=GREY, linewidth=1, label="the truth")
axes.plot(hours, prices, ".", color="black", label="noted")
axes.set(xlabel="hour", ylabel="price", xlim=(0, 168))
figure.legend(loc="outside lower center", frameon=False, fontsize=9, ncol=3)
save(figure, "kernels.png")

print(f"{'the truth':31} cheapest at {rest[price(rest).argmin()]:.0f} h")
assert errors["a day, a trend"] < 0.2 * errors["Matérn"]

# %% [markdown]
# What was learnt has names; here is that of the last one, in model units and shares of the range. `length`
# says how fast prices turn within a period, `slope` is the prior variance of the trend over the range, and
# `weight(2)` what the second summand, the trend, counts, where the first counts 1. Deviations go back to
# units of the outcome by `outcome.inverse_sd`; the noise here has a true one of 2.

# %%
for name, value in zip(fitted.covariance.hyperprior.names, fitted.hyperparameters.theta, strict=True):
    print(f"{name:14} {np.exp(value):.3f}")
noise = fitted.outcome.inverse_sd(np.zeros(1), np.array([fitted.noise_variance**0.5]))[0]
print(f"noise, as sd: {fitted.noise_variance**0.5:.3f} in model units, {noise:.2f} in those of the price")
days = 7 * np.exp(fitted.hyperparameters.theta[1])
print(f"the period learnt is {days:.2f} days")

# %% [markdown]
# Three days: what repeats daily repeats every three days, too, and on these forty moments that did even a
# little better than the day we know of. That was luck. On eight other weeks:

# %%
by_name = {"a day, a trend": [], "a period to be learnt, a trend": []}
for seed in range(1, 9):
    draw = np.random.default_rng(seed)
    moments = draw.uniform(0, 96, 40)
    noted = price(moments) + draw.normal(0, 2, 40)
    for name, found in by_name.items():
        found.append(forecast(kernels[name], moments, noted)[-1])
for name, found in by_name.items():
    print(f"{name:31} error {np.median(found):5.2f} (median), {max(found):5.2f} (worst)")
assert max(by_name["a day, a trend"]) < 0.5 * max(by_name["a period to be learnt, a trend"])

# %% [markdown]
# A learnt period may also be wrong, where the data leave it open. So do say what you know.

# %% [markdown]
# ## Outcomes
#
# Some runs diverge, and a loss of 1000 among losses of 0.1 leaves a model nothing to see but itself.
# "tail" compresses the bad end by logarithms and leaves the good end alone; "power-tail" first bends all,
# so that outcomes look most like a Gaussian sample; "standardize" bends nothing. "auto", the default,
# chooses among these three from the data. More are there by name: "log", for outcomes that are positive
# and span orders of magnitude, "box-cox", "yeo-johnson", "rank", "winsorize". `predict` always answers in
# the units that were told.


# %%
def loss(rate):
    return 0.1 + (rate - 0.3) ** 2 + 0.05 * np.sin(12 * rate) + np.exp(30 * (rate - 0.75))


unit = Space([Real("rate", 0, 1)])
rates, fine = np.linspace(0.02, 0.98, 15)[:, None], np.linspace(0, 1, 501)[:, None]
low = fine[:, 0] < 0.7  # where losses are low
errors = {}
for kind in ("standardize", "tail", "log", "auto"):
    fitted, _ = GaussianProcess(outcome=kind).fit(unit, rates, loss(rates[:, 0]))
    m, _ = fitted.predict(fine)
    errors[kind] = np.sqrt(np.mean((m - loss(fine[:, 0]))[low] ** 2))
    print(f"{kind:12} error among low losses {errors[kind]:.4f}, best rate {fine[m.argmin(), 0]:.3f}")
print(
    f"low losses differ by {loss(fine[low]).std():.4f}; the best rate is {fine[loss(fine).argmin(), 0]:.3f}"
)
assert errors["standardize"] > 10 * max(errors["tail"], errors["log"], errors["auto"])

# %% [markdown]
# ## Warping
#
# A kernel takes it that the outcome varies alike everywhere. Where it varies faster at one end, a model
# is too sure of itself there. `warping=True` learns to bend the axes of numeric columns that are always
# active; "auto", the default, does so where it pays. If you know better, say so: with
# `Real(..., log=True)` there is nothing to learn, and the initial design is spread as it should be.


# %%
def fast_at_first(x):
    return np.sin(9 * x**0.25)


slow = Space([Real("x", 0.01, 1)])
thin = 0.01 + 0.99 * (np.arange(24) + 0.5) / 24
dense = np.geomspace(0.01, 1, 401)
U, V = ((values[:, None] - 0.01) / 0.99 for values in (thin, dense))
covered = {}
for warping in (False, True):
    fitted, _ = GaussianProcess(warping=warping).fit(slow, U, fast_at_first(thin), noise=0)
    m, s = fitted.predict(V)
    gap = np.abs(m - fast_at_first(dense))
    covered[warping] = np.mean(gap < 2 * s)
    print(
        f"warping={warping}: error {np.sqrt(np.mean(gap**2)):.2f}, truth within 2 sd {covered[warping]:.0%}"
    )
assert covered[True] > 0.9 > 0.6 > covered[False]

# %% [markdown]
# ## What is a point worth?
#
# Back to the six results. An acquisition is a function of points, larger where they promise more:
#
# - the *expected improvement* on the best so far weighs gains by their probability;
# - the *probability of improvement* ignores their size, and clings to what it has;
# - a *confidence bound* takes the model's word plus so many deviations: `beta` turns from one
#   to the other extreme. What everybody calls UCB is a lower bound where outcomes are minimised.
#
# `maximize` finds where an acquisition is largest, in spaces of any kind. The key stands for what it
# draws at random: same key, same answer. In the figure, triangles are the places that were told. At most
# of them next to nothing is left to gain, and logarithms fall without end; so the figure ends 8 below the
# maximum, where a point is worth 3000 times less.

# %%
best = model.incumbent  # the lowest mean at a point that was told, in model units
acquisitions = {
    "LogPI": LogProbabilityOfImprovement(model, best),
    "LogEI": LogExpectedImprovement(model, best),
    "UCB, beta 1": LowerConfidenceBound(model, beta=1.0),
    "UCB, beta 16": LowerConfidenceBound(model, beta=16.0),
}
LABELS = {"Log": "log, natural", "UCB": "sqrt(beta) sd - mean\n(model units)"}
nowhere = np.empty((0, 1))  # no points to start from: it draws its own

figure, panels = plt.subplots(2, 2, figsize=(9, 5.2), sharex=True, layout="constrained")
asked = {}
for panel, (name, acquisition) in zip(panels.flat, acquisitions.items(), strict=True):
    [[u]] = maximize(acquisition, line, 1, nowhere, None, Key(0))
    asked[name] = 10 * u
    print(f"{name:13} asks {asked[name]:.2f}, where the truth is {wave(asked[name]):.2f}")
    values = acquisition.value(grid)
    low, high = max(values.min(), values.max() - 8), values.max()
    panel.plot(x, values, color=BLUE, label="acquisition")
    panel.axvline(asked[name], color=ORANGE, label="largest: asked next")
    panel.plot(told, np.zeros(6), "^", color="black", transform=panel.get_xaxis_transform(), label="told")
    panel.set(ylim=(low - 0.08 * (high - low), high + 0.08 * (high - low)), ylabel=LABELS[name[:3]])
    panel.set_title(name, loc="left")
for panel in panels[1]:
    panel.set_xlabel("x")
figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncol=3, frameon=False)
save(figure, "acquisitions.png")

assert abs(asked["LogPI"] - 3.5) < 0.1  # next to the best so far
assert abs(asked["LogEI"] - x[wave(x).argmin()]) < 0.1  # the optimum, as it happens
assert 6.5 < asked["UCB, beta 16"] < 9.0  # the widest gap

# %% [markdown]
# ## Why the logarithm
#
# The expected improvement (here in model units) has a formula, which a sample confirms. But far from what
# is promising it is so small that neither it nor its slope exists in floating-point numbers, and a search
# that starts there has nothing to climb. Its logarithm has the same maxima and a slope everywhere.

# %%
ei = ExpectedImprovement(model, best)
means, variances = model.posterior(at([4.0]))
sample = means + np.sqrt(variances) * np.random.default_rng(0).standard_normal(10**6)
print(f"EI {ei.value(at([4.0]))[0]:.4f}, a sample {np.maximum(best - sample, 0).mean():.4f}")
print(f"a model unit is {model.outcome.inverse_sd(np.zeros(1), np.ones(1))[0]:.2f} units of y")

many = np.linspace(0.1, 9.9, 25)
sure, _ = GaussianProcess().fit(line, at(many), wave(many), noise=0)
_, slope = ExpectedImprovement(sure, sure.incumbent).value_and_grad(grid)
_, log_slope = LogExpectedImprovement(sure, sure.incumbent).value_and_grad(grid)
print(f"after 25 results EI is flat on {np.mean(slope == 0):.0%} of the line, LogEI nowhere")
assert np.mean(slope == 0) > 0.5
assert np.all(log_slope != 0)

# %% [markdown]
# ## Noise
#
# Thirty noisy results. The lowest of them was luck, and whoever takes it for the best so far waits for
# a miracle. Three ways out, from simple to careful:
#
# - compare with the lowest *mean* (`model.incumbent`): simple, but the mean too is uncertain;
# - LogNEI: draw what the noise-free outcomes may have been, and average over the draws;
# - noisy EI: by how much will one more, noisy result lower the best mean? Exact, and it knows what it
#   is worth to ask a point again.
#
# What they promise is in model units again.

# %%
rng = np.random.default_rng(3)
tries = rng.uniform(0, 10, 30)
results = wave(tries) + 0.4 * rng.standard_normal(30)
noisy, _ = GaussianProcess().fit(line, at(tries), results)  # noise not given: it is learnt

lucky = results.argmin()
print(f"lowest result {results[lucky]:.2f}, the truth there {wave(tries[lucky]):.2f}")
print(f"lowest mean {noisy.outcome.inverse(noisy.incumbent)[0]:.2f}, the lowest truth {wave(x).min():.2f}")

draws = noisy.draws(64, Key(0).generator())
for name, acquisition in {
    "EI on the lowest result": LogExpectedImprovement(noisy, noisy.outcome(results[[lucky]])),
    "EI on the lowest mean": LogExpectedImprovement(noisy, noisy.incumbent),
    "NEI": LogExpectedImprovement(draws, draws.incumbent),
    "noisy EI": LogExpectedImprovementUnderNoise(noisy),
}.items():
    found = maximize(acquisition, line, 1, nowhere, None, Key(0))
    worth, there = np.exp(acquisition.value(found)[0]), 10 * found[0, 0]
    print(
        f"{name:24} asks {there:5.2f}, promising {worth:.2g} model units; the truth there {wave(there):.2f}"
    )

again = noisy.X[[noisy.fitted.argmin()]]
print(f"noisy EI of asking the best point again: {np.exp(acquisition.value(again)[0]):.2g} model units")

# %% [markdown]
# ## A Thompson sample
#
# Or draw one function that the results allow, and take its minimum. Asked again it draws another: so
# often as the model believes that the optimum is somewhere, the sample asks there. A path is a
# function like any other, and is evaluated wherever you like.

# %%
paths = Paths.draw(model, 200, Key(0))
minima = x[paths.values(grid).argmin(axis=0)]
shares, _ = np.histogram(minima, bins=np.arange(0, 11, 1))
print("where 200 paths have their minimum:", shares)

first = maximize(Thompson(paths, 0), line, 1, nowhere, None, Key(0))
assert abs(10 * first[0, 0] - minima[0]) < 0.05

# %% [markdown]
# ## Batches
#
# The three best points are no batch: they lie on one spot. The greedy way takes the best point,
# pretends that it gave what the model expects (`fantasize`: the mean stays, the doubt goes), and goes
# on. The joint way values the three together, and moves them together.

# %%
top = maximize(acquisitions["LogEI"], line, 3, nowhere, None, Key(0))

greedy, believing = np.empty((0, 1)), model
for k in range(3):
    promise = LogExpectedImprovement(believing, believing.incumbent)
    point = maximize(promise, line, 1, nowhere, None, Key(k))
    greedy, believing = np.vstack([greedy, point]), believing.fantasize(point)

together = LogExpectedImprovementOfBatch(model, best, normal_samples(256, 3, Key(0)))
joint = maximize_joint(together, line, 3, greedy[None], None, Key(0))

worth = np.exp(together.value(np.stack([top, greedy, joint])))
for name, batch, value in zip(("top three", "greedy", "joint"), (top, greedy, joint), worth, strict=True):
    print(f"{name:10} {np.sort(10 * batch[:, 0]).round(2)}, expected improvement {value:.3f} model units")
assert worth[0] < worth[1] <= worth[2]

# %% [markdown]
# ## The whole loop
#
# Put together, this is Bayesian optimization. A space with a logarithm and a category makes no
# difference: encoded points are what model and search work with.

# %%
reaction = Space(
    [
        Real("temperature", 20, 120, unit="°C"),
        Real("minutes", 5, 240, log=True),
        Categorical("solvent", ["water", "ethanol", "toluene"]),
    ]
)


def impurity(params):
    """Return impurities in percent; the best there is has 1.0: ethanol, 65 °C, 60 minutes."""
    ideal, least = {"water": (75, 3.0), "ethanol": (65, 1.0), "toluene": (80, 1.8)}[params["solvent"]]
    heat, time = (params["temperature"] - ideal) / 30, np.log(params["minutes"] / 60)
    return least + 2 * heat**2 + (time + heat) ** 2 + 0.3 * np.sin(3 * time) ** 2


def run(points):
    """Return the outcomes (n,) of encoded points."""
    return np.array([impurity(params) for params in reaction.decode(points)])


X = reaction.sample(6, Key(0))
y = run(X)
notes = None
while len(y) < 30:
    model, notes = GaussianProcess().fit(reaction, X, y, noise=0, previous=notes)
    promise = LogExpectedImprovement(model, model.incumbent)
    point = maximize(promise, reaction, 1, X[[y.argmin()]], None, Key(len(y)), exclude=X)
    X, y = np.vstack([X, point]), np.append(y, run(point))

print(f"{y.min():.4f}", reaction.decode(X[[y.argmin()]])[0])
assert y.min() < 1.01 < run(reaction.sample(30, Key(1))).min()

# %% [markdown]
# ## The same as a study
#
# `BayesianOptimization` is this loop with everything that life adds: initial designs, trials that are
# pending or fail, values that are fixed, results from elsewhere. Its parts are arguments. `ensemble=4`
# averages what a point is worth over four samples of the hyper-parameters, instead of trusting the most
# probable ones. An acquisition goes by its name ("logei", "lognei", "noisy-ei", "ei", "logpi", "ucb",
# "thompson", or "auto"), or is a function of yours.

# %%
strategy = BayesianOptimization(
    surrogate=GaussianProcess(kernel=Matern(1.5), warping=False, ensemble=4),
    acquisition="logei",
    batch="joint",
)
study = Study(reaction, Objective("impurity", noise=0), strategy=strategy, seed=0)
study.run(impurity, budget=27)
for trial in study.ask(3):
    study.tell(trial, impurity(trial.params))

print(study.best())
print(study.explain(study.trials[19]))

# %%
study.close()

# %% [markdown]
# Next: `03b_your_own_parts.py` writes kernels, acquisitions, surrogates and strategies of your own;
# `03c_other_libraries.py` takes models and acquisitions from BoTorch, and forests.
