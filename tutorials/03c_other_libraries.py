# %% [markdown]
# # Models from other libraries, many studies at once
#
# BoTorch's models and acquisitions fit where bbopt's own do, and so do regressors of scikit-learn. Needs
# the extras `torch` and `sklearn`: `pip install '.[torch,sklearn]'`. On Linux torch may be large.

# %%
import numpy as np
from botorch.acquisition import LogExpectedImprovement, UpperConfidenceBound
from botorch.models import SingleTaskGP
from gpytorch.kernels import RBFKernel, ScaleKernel
from sklearn.ensemble import ExtraTreesRegressor

from bbopt import BayesianOptimization, GaussianProcess, Objective, Real, Space, Study, problems
from bbopt.acquisitions import BotorchAcquisition, BotorchCriterion
from bbopt.batched import Loop, suggest_many
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.surrogates import BotorchModel, SklearnModel, from_botorch, to_botorch

problem = problems.get("branin")  # its lowest value is 0.398
space = problem.spec.space


def best_of(strategy, budget=25):
    """Return the lowest value of a study on Branin."""
    study = Study(space, Objective("f", noise=0), strategy=strategy, seed=0)
    study.run(problem, budget)
    return study.best().value


# %% [markdown]
# ## A BoTorch model as surrogate
#
# `BotorchModel` takes a function that makes a model which is not yet fitted. It is called at every ask;
# inputs are points in the unit cube, outcomes are standardised and *negated*, since BoTorch maximises.


# %%
def smooth(train_X, train_Y):
    return SingleTaskGP(train_X, train_Y, covar_module=ScaleKernel(RBFKernel(ard_num_dims=2)))


print(f"a BoTorch model, our LogEI: {best_of(BayesianOptimization(surrogate=BotorchModel(smooth))):.3f}")

# %% [markdown]
# ## A BoTorch acquisition
#
# `BotorchCriterion` takes a class of BoTorch's or a function, and gives it what it asks for by name:
# `model`, `best_f`, `X_baseline`, `candidate_set`. The surrogate may be a `BotorchModel`, or a process of
# bbopt, which is handed over as a BoTorch model. The search for the maximum is bbopt's in any case.

# %%
bound = BotorchCriterion(lambda model: UpperConfidenceBound(model, beta=4.0))
print(f"our process, BoTorch's bound: {best_of(BayesianOptimization(acquisition=bound)):.3f}")

# %% [markdown]
# ## There and back
#
# `to_botorch` makes a fitted process of bbopt a BoTorch model with the same posterior, and `from_botorch`
# the other way round. The first has the outcome negated and standardised: `model.outcome` leads back.

# %%
X = space.sample(20, Key(0))
y = problem.evaluate_many(X)
model, _ = GaussianProcess(warping=False).fit(space, X, y, noise=0)
theirs = to_botorch(model)
back = from_botorch(theirs, space)

Z = space.sample(5, Key(1))
assert np.allclose(model.posterior(Z)[0], back.posterior(Z)[0], atol=1e-6)

promise = LogExpectedImprovement(theirs, best_f=-model.incumbent[0])
point = maximize(BotorchAcquisition(promise, space), space, 1, X[:0], None, Key(0))
print("asked next:", space.decode(point)[0])

# %% [markdown]
# ## Forests
#
# Regressors with a predictive spread do, too: forests, and what answers `predict(..., return_std=True)`.
# A forest makes no use of smoothness, and on a smooth function needs more results than a process; it is
# for outcomes that jump.

# %%
forest = SklearnModel(ExtraTreesRegressor(50, min_samples_leaf=2))
value = best_of(BayesianOptimization(surrogate=forest))
print(f"a forest: {value:.3f}")

# %% [markdown]
# ## Many studies at once
#
# Hundreds of small optimizations with the same rhythm (one a wafer, one a patient) can be asked
# together. `suggest_many` fits a process to each `Loop` and returns a point for each: the same that it would
# get alone. Without a device it works through them on the CPU; `device="cuda"` does them in batches on a GPU.

# %%
targets = np.random.default_rng(0).random((6, 2))
square = Space([Real("x", 0, 1), Real("y", 0, 1)])
points = [square.sample(6, Key(k)) for k in range(6)]
for _ in range(12):
    values = [((X - target) ** 2).sum(axis=1) for X, target in zip(points, targets, strict=True)]
    loops = [Loop(square, X, y, noise=0) for X, y in zip(points, values, strict=True)]
    found = suggest_many(loops)
    points = [np.vstack([X, one.x]) for X, one in zip(points, found, strict=True)]

distances = [np.linalg.norm(X - target, axis=1).min() for X, target in zip(points, targets, strict=True)]
print("distance from each optimum:", np.round(distances, 3))
assert max(distances) < 0.02
