# %% [markdown]
# # Many parameters, many results
#
# What changes when a problem has a hundred or a thousand parameters, or a study thousands of results; what
# bbopt does about it by itself, and what you can tell it. Run it as a script, or cell by cell (`# %%`).
# Needs `pip install '.[plot]'`. Figures go to the folder `tutorial-figures`, made where this runs.
# `01_ask_tell.py` shows what a study is.

# %%
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from bbopt import (
    Alternate,
    BAxUS,
    BayesianOptimization,
    DuMBO,
    Objective,
    Study,
    TrustRegion,
    minimize,
    problems,
)
from bbopt.rng import Key

pictures = Path("tutorial-figures")
pictures.mkdir(exist_ok=True)

# %% [markdown]
# ## A hundred parameters, six of which matter
#
# In 100 dimensions everything is far from everything. A grid of two levels has 2¹⁰⁰ points, and most of the
# volume lies next to the walls. What saves us is that real problems are simpler than they look: few
# parameters matter, or many matter a little and smoothly. Here it is six, and nobody says which.

# %%
problem = problems.get("embedded100-hartmann6")
print(len(problem.spec.space.parameters), "parameters; the best value is", round(problem.optimum.value, 4))

study = minimize(problem, problem.spec.space, budget=80, noise=0, seed=1)
print("found:", round(study.best().value, 4))

# %% [markdown]
# No strategy had to be named. `explain` says what was chosen, and where the last point comes from:

# %%
print(study.explain(study.trials[-1]))

# %% [markdown]
# Above 50 parameters `auto` asks in two ways by turns. The one is what it does with few: a model of the
# whole space. With a hundred parameters that is vague almost everywhere, and promises the most where it
# knows the least. So every other request is answered from a **trust region**: a box about the best point in
# which a model is asked, and which grows with success and shrinks without. Each learns from what the other
# one found. On some problems the whole space does better alone, on some the box, and nobody knows beforehand
# on which. In 25 runs of the suite `high` (`docs/results.md`, "What earns its place") the two by turns ended
# ahead of the whole space in 15 and ahead of the box in 19. Where the optimum is known, in 15 of them,
# neither difference in regret is clear.
#
# Side by side: random points, the model on the whole space, the trust region, both by turns, and
# **BAxUS**, which begins with a few directions in which many parameters move together, and splits them
# when it is stuck.


# %%
def best_so_far(strategy, budget=60, seed=0):
    run = minimize(problem, problem.spec.space, budget=budget, noise=0, seed=seed, strategy=strategy)
    return np.minimum.accumulate([trial.value for trial in run.trials])


ways = {
    "random points": "random",
    "whole space": BayesianOptimization(),
    "trust region": TrustRegion(),
    "both by turns": Alternate(BayesianOptimization(), TrustRegion()),
    "BAxUS": BAxUS(budget=60),
}
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, strategy in ways.items():
    curve = best_so_far(strategy) - problem.optimum.value
    axes.plot(np.arange(1, len(curve) + 1), curve, label=name)
    print(f"{name:14} {curve[-1]:.4f} above the optimum")
axes.set(xlabel="evaluations", ylabel="best value above the optimum", yscale="log")
axes.legend(frameon=False)
axes.grid(alpha=0.3)
figure.savefig(pictures / "hundred.png", dpi=110)
print("figure:", (pictures / "hundred.png").resolve())

# %% [markdown]
# One run each says little; `docs/results.md` has many.
#
# ## Which parameters matter?
#
# The length-scale of a parameter is how far one must go along it before the outcome changes. The trial's tag
# holds the logarithms that the model learnt, one a parameter, then scale and noise. Short ones matter:

# %%
wide = minimize(
    problem, problem.spec.space, budget=70, noise=0, seed=1, strategy=BayesianOptimization(n_initial=20)
)
lengths = np.exp(wide.trials[-1].tag["model"]["theta"][:100])
shortest = np.argsort(lengths)[:6]
print("found to matter:", sorted(problem.spec.space.names[j] for j in shortest))

# %% [markdown]
# ## A sum of functions of few parameters
#
# Often the objective is a sum: stages of a plant, legs of a route, blocks of a design. Tell **DuMBO** which
# parameters belong together, and every part is modelled and searched on its own; they may overlap, and the
# searches agree on the parameters that they share. Without `decomposition` it learns one. It is made for
# studies of up to several hundred results.

# %%
toy = problems.get("overlapping12")
print(toy.decomposition[:2], "and so on")
for name, strategy in {
    "one model of all": BayesianOptimization(),
    "parts known": DuMBO(decomposition=toy.decomposition),
}.items():
    run = minimize(toy, toy.spec.space, budget=50, noise=0, seed=0, strategy=strategy)
    print(f"{name:17} {run.best().value - toy.optimum.value:.1f} above the optimum")

# %% [markdown]
# ## Thousands of results
#
# The time to fit a Gaussian process grows with the cube of the number of results. Above 1000 of them the
# model becomes local: a core of 1000 is known exactly, most of it around the best results, and of the others
# those next to the point that the model is asked about. Bayesian optimization does so by itself.
#
# What may have to be said is the strategy. `auto` goes by the evaluations planned: for more than 2000 it
# takes a swarm, unless it knows that an evaluation takes long enough for a model to be worth its time. No
# plan is given here, so `auto` would take Bayesian optimization, too; `strategy="bo"` makes sure of it.

# %%
plant = problems.get("levy20")
X = plant.spec.space.sample(5000, Key(0))
old = Study(plant.spec.space, Objective(noise=0), strategy="bo", seed=0)
for params, value in zip(plant.spec.space.decode(X), plant.evaluate_many(X), strict=True):
    old.add(params, value)
for _ in range(2):
    started = time.perf_counter()
    trial = old.ask()
    print(f"asked with {len(old.trials) - 1} results known: {time.perf_counter() - started:.1f} s")
    old.tell(trial, plant(trial.params))
print(old.explain(trial))

# %% [markdown]
# ## What to take when
#
# What `auto` takes; every parameter that varies is a column:
#
# | | |
# |---|---|
# | up to 50 columns | Bayesian optimization on the whole space |
# | more than 50, be it a thousand | both by turns: `Alternate(BayesianOptimization(), TrustRegion())` |
# | more than 2000 evaluations planned | a swarm, `ConsensusBasedOptimization()`, however many columns |
#
# Where an evaluation takes 0.1 s or longer, the swarm comes above 50,000 evaluations only; where it takes
# less than 0.01 s, above 500. `auto` does not measure that. `strategy=Auto(budget=10_000, seconds=60)` tells
# it; `minimize` and `maximize` pass on their budget alone.
#
# What to choose by hand:
#
# | where | strategy | since it |
# |---|---|---|
# | few of hundreds of columns matter | `BAxUS(budget=...)` | searches few directions first |
# | a good point is known, and to be improved | `TrustRegion()` | asks near the best alone |
# | the objective is a sum of functions of few | `DuMBO(decomposition=...)` | searches each by itself |
# | batches are large, wells many | `TrustRegion(n_regions=...)` | has several boxes compete |
# | few columns matter, an ask may take long | `BayesianOptimization(surrogate=saas())` | expects few to |
#
# `saas` is in `bbopt.surrogates`, and is BoTorch's sparse model. These are reasons, not measurements: of this
# table `docs/results.md` compares `TrustRegion()` alone with what `auto` takes.
