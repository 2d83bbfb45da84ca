# %% [markdown]
# # Tune a model
#
# Which model, and with which settings? Both questions are one search: the model is a parameter, and
# the settings of each model exist only where that model is chosen. bbopt calls the function here,
# several at a time, until a limit is reached. Needs the extras `sklearn` and `plot`:
# `pip install '.[sklearn,plot]'`.

# %%
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draw into a file; leave this line out in a notebook

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC

from bbopt import Categorical, Integer, Objective, Real, Space, Study, maximize

warnings.simplefilter("ignore", ConvergenceWarning)  # short fits are meant

# %% [markdown]
# ## The data
#
# Images of handwritten digits; the question is whether one shows an 8, the digit that is mistaken
# most. The search will pick the settings that look best in cross-validation, so cross-validation
# flatters them. Two thirds of the images are put aside and looked at once, at the very end.

# %%
X, digit = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, digit == 8, train_size=600, random_state=0, stratify=digit)
print(f"{len(X)} images to tune on, {y.sum()} of them an 8; {len(X_test)} put aside")

# %% [markdown]
# ## The space
#
# `when` says where a parameter exists. Conditions nest: `degree` needs the polynomial kernel, which
# needs the support vector machine. What spans orders of magnitude is searched in logs.

# %%
space = Space(
    [
        Categorical("model", ["svm", "boosting", "mlp"]),
        Real("nu", 1e-3, 1.0, log=True, when={"model": "svm"}),
        Categorical("kernel", ["rbf", "poly"], when={"model": "svm"}),
        Real("gamma", 1e-5, 1.0, log=True, when={"kernel": "rbf"}),
        Integer("degree", 2, 4, when={"kernel": "poly"}),
        Integer("trees", 10, 80, log=True, when={"model": "boosting"}),
        Real("rate", 1e-2, 1.0, log=True, when={"model": "boosting"}),
        Integer("depth", 1, 4, when={"model": "boosting"}),
        Integer("width", 4, 64, log=True, when={"model": "mlp"}),
        Real("step", 1e-4, 10.0, log=True, when={"model": "mlp"}),
    ]
)

# %% [markdown]
# ## The objective
#
# It takes params and returns a number: the average precision, at most 1. `params` holds the
# parameters that are active and no others, so each branch finds exactly its own.


# %%
def build(params):
    """Return the untrained model that params describe."""
    match params["model"]:
        case "svm" if params["kernel"] == "rbf":
            model = NuSVC(nu=params["nu"], gamma=params["gamma"])
        case "svm":
            model = NuSVC(nu=params["nu"], kernel="poly", degree=params["degree"])
        case "boosting":
            model = GradientBoostingClassifier(
                n_estimators=params["trees"],
                learning_rate=params["rate"],
                max_depth=params["depth"],
                random_state=0,
            )
        case "mlp":
            model = MLPClassifier(
                (params["width"],),
                solver="sgd",
                learning_rate_init=params["step"],
                max_iter=60,
                random_state=0,
            )
    return make_pipeline(StandardScaler(), model)


def precision(params):
    """Return the cross-validated average precision; raises where scikit-learn does."""
    scores = cross_val_score(build(params), X, y, cv=3, scoring="average_precision", error_score="raise")
    return scores.mean()


# %% [markdown]
# ## Run it
#
# `maximize` makes a study and runs it: 12 trials here, one after the other.

# %%
start = time.perf_counter()
first = maximize(precision, space, budget=12, seed=0)
print(f"{first.best().value:.4f} in {time.perf_counter() - start:.1f} s", dict(first.best().params))

# %% [markdown]
# For more control make the study yourself and call `run`. It stops at the first limit reached: a
# budget of trials, a `deadline` in seconds, a `max_cost`, or `until(study)`. It returns which one.
#
# Any executor of `concurrent.futures` evaluates several trials at once; with two workers there are
# always two under way, and each ask knows of the other. Threads do for work outside of Python, as in
# most of scikit-learn, or for jobs on other machines. For plain Python code take a
# `ProcessPoolExecutor`: then the objective must be importable, and the call to `run` stand under
# `if __name__ == "__main__":`.

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "tuning.db"

study = Study(space, Objective("precision", maximize=True), storage=path, seed=0)
with ThreadPoolExecutor(2) as pool:
    reason = study.run(precision, budget=15, deadline=60, executor=pool)
print(reason)
print(study)

# %% [markdown]
# ## Failures
#
# A support vector machine of this kind cannot be trained with every `nu`; where the limit lies
# depends on the data, and beyond it scikit-learn raises. `run` records such a trial as failed, with
# the message, and goes on; later suggestions keep away from there. (If each of the first five raises,
# the objective itself is broken, and `run` stops and says so.)

# %%
for trial in study.trials:
    if trial.error:
        print(trial.number, dict(trial.params), "-", trial.error.splitlines()[0][:60])

# %% [markdown]
# ## Interrupted
#
# Ctrl-C, a crash or a power cut cost at most the trials under way, and those are handed out again. To
# go on, run the same script again. Counted are the trials in the study, so the budget is a goal, not
# an increment: 15 are done, 25 is 10 more.

# %%
study.close()  # as if the process had ended here

study = Study(space, Objective("precision", maximize=True), storage=path, seed=0)
with ThreadPoolExecutor(2) as pool:
    print(study.run(precision, budget=25, executor=pool))

# %% [markdown]
# ## Look
#
# The table has a column for each parameter, empty where it is not active.

# %%
table = study.to_dataframe().sort_values("precision", ascending=False)
print(
    table[["number", "status", "model", "kernel", "nu", "gamma", "width", "precision"]]
    .head(6)
    .to_string(index=False)
)
print(table.groupby("model")["precision"].agg(["count", "max"]).round(4))

# %%
values = np.array([np.nan if trial.value is None else trial.value for trial in study.trials])
best_so_far = np.fmax.accumulate(values)

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(1 - values, "o", color="0.6", label="a trial")
axes.step(
    np.arange(len(values)), 1 - best_so_far, where="post", color="#1b6ca8", linewidth=2, label="best so far"
)
axes.set(yscale="log", xlabel="trial", ylabel="1 - average precision")
axes.legend(frameon=False)
pictures = Path("tutorial-figures")  # in the folder where this runs
pictures.mkdir(exist_ok=True)
figure.savefig(pictures / "convergence.png", dpi=120)
print("figure:", (pictures / "convergence.png").resolve())

# %% [markdown]
# ## Does it hold?
#
# Train the best settings on all images to tune on, and open those that were put aside. The models'
# default settings are the yardstick.

# %%
candidates = {
    "tuned": build(study.best().params),
    "SVC, defaults": make_pipeline(StandardScaler(), SVC()),
    "boosting, defaults": make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0)),
    "MLP, defaults": make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
}
for name, model in candidates.items():
    model.fit(X, y)
    score = (
        model.decision_function
        if hasattr(model, "decision_function")
        else lambda A, m=model: m.predict_proba(A)[:, 1]
    )
    print(f"{name:<20} {average_precision_score(y_test, score(X_test)):.4f}")

# %%
study.close()
folder.cleanup()

# %% [markdown]
# Next: `docs/strategies.md` says what a strategy is and how to bring your own.
