# %% [markdown]
# # Ask and tell in five minutes
#
# You have something that takes settings and gives a number: a training run, a simulation, an oven.
# Each try costs time or money, so you want good settings after few tries. bbopt proposes what to try
# (`ask`), you try it, however you like, and say what came out (`tell`). It never calls your code
# unless you want it to.
#
# Here an "oven" stands in for the thing itself: a function of four settings, told in minutes.

# %%
import math
import tempfile
from pathlib import Path

from bbopt import Categorical, Integer, JournalError, Objective, Real, Space, Study


def bake(params):
    """Return how good the bread is, from 0 to 10; the oven trips when it is run too hot."""
    if params["temperature"] > 270:
        raise RuntimeError("the breaker tripped")
    steam = params.get("steam", 0)
    wanted = 235 if params["program"] == "fan" else 250
    loss = ((params["temperature"] - wanted) / 30) ** 2 + math.log(params["minutes"] / 32) ** 2 * 8
    return 9.0 - loss - (steam - 4) ** 2 / 8 - (0.5 if params["program"] == "fan" else 0.0)


# %% [markdown]
# ## Say what may be tried
#
# Each parameter has a name and a range, in your units. `step` gives the settings that the dial has,
# `log=True` says that ratios matter, and `when` that a parameter exists only under a condition: this
# oven has no steam in its fan program. Constraints that you know beforehand are formulas.

# %%
space = Space(
    [
        Real("temperature", 180, 300, step=5, unit="°C"),
        Real("minutes", 10, 90, log=True),
        Categorical("program", ["fan", "top and bottom"]),
        Integer("steam", 0, 8, when={"program": "top and bottom"}),
    ],
    constraints=["temperature + minutes <= 340"],
)

# %% [markdown]
# ## A study
#
# A study remembers everything: what was asked, what was told, which seed was drawn. Given a path as
# `storage` it writes each event to disk before it does anything else. There is nothing to save.

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "bread.db"

study = Study(space, Objective("taste", maximize=True), storage=path, seed=1)
study

# %% [markdown]
# ## Ask, try, tell

# %%
trial = study.ask()
print("try", dict(trial.params))
trial = study.tell(trial, bake(trial.params))
trial

# %% [markdown]
# A trial is a snapshot, so `tell` returns the new one. That is the whole protocol; the rest is a loop.
# A try that breaks is worth telling too: `fail` says so, and from the first failure on the model
# learns where the oven trips and keeps away from there.


# %%
def try_out(trial):
    """Bake it, and tell what came out."""
    try:
        taste = bake(trial.params)
    except RuntimeError as error:
        study.fail(trial, str(error))
    else:
        study.tell(trial, taste)


while len(study) < 20:
    try_out(study.ask())

for trial in study.trials[-5:]:
    print(trial.number, trial.status.name, trial.value, dict(trial.params))

# %% [markdown]
# ## What came out
#
# The best bread there is has 9.0: 250 °C, 32 minutes, 4 steam. `best` is the best trial that was run,
# with the rule by which it was chosen: the best value told, or, where results are noisy, the best mean
# of the model. `recommend` is what the model would pick, run or not.

# %%
best = study.best()
print(f"{best.value:.2f}", dict(best.params), f"({best.rule})")

pick = study.recommend()
print(f"{pick.mean:.2f} ± {pick.sd:.2f}", dict(pick.params), f"({pick.rule})")

# %% [markdown]
# `predict` asks the model about any point, and `explain` says why a trial was proposed.

# %%
guess = study.predict({"temperature": 220, "minutes": 45, "program": "fan"})
print(f"{guess.mean:.2f} ± {guess.sd:.2f}")

print(study.explain(0))
print(study.explain(19))

# %% [markdown]
# ## What you know already
#
# Results from before go in with `add`; they may even lie off the steps or out of range. A guess of
# your own goes first with `enqueue`. Leave parameters out and the strategy fills them in.

# %%
study.add({"temperature": 228, "minutes": 40, "program": "fan"}, 7.1)

study.enqueue({"temperature": 250, "minutes": 30, "program": "top and bottom"})
trial = study.ask()
print(dict(trial.params), "-", study.explain(trial))
study.tell(trial, bake(trial.params))

# %% [markdown]
# Some settings are not yours to choose today? Fix them for one ask: it proposes the most promising way
# to bake with the fan.

# %%
trial = study.ask(fixed={"program": "fan"})
print(dict(trial.params))
try_out(trial)

# %% [markdown]
# ## Several at once
#
# `ask(3)` gives three trials that make sense together. What is asked and not yet told is `pending`;
# further asks take it into account. Tell in any order, whenever results come in.

# %%
batch = study.ask(3)
print(len(study.pending), "pending")
for trial in reversed(batch):
    try_out(trial)

# %% [markdown]
# A trial that will never be run, or whose result is worth nothing, is abandoned: nothing is learnt from
# it. A result that was mistyped is amended; telling again would only be kept beside the first, as late.

# %%
trial = study.ask()
study.abandon(trial, "out of flour")
study.amend(batch[0], bake(batch[0].params))

# %% [markdown]
# ## Tomorrow
#
# The study lives in its file. Another process, or this one after a crash, opens it and goes on; it
# asks exactly what it would have asked. Running the line that created it does the same, so a script
# can simply be run again. A trial that was under way in a crash stays pending: tell it if you have
# its result. A loop that says who asks, `study.ask(worker="me")`, gets its own open trial back first.
# A space that differs is refused, and the message shows the difference.

# %%
study.close()

study = Study.open(path)
print(study)

try:
    Study(Space([Real("temperature", 180, 320, step=5)]), "taste", storage=path)
except JournalError as error:
    print(str(error).partition("The difference")[0])

# %% [markdown]
# `study.trials` has them all; where pandas is installed, `study.to_dataframe()` makes a table of them.

# %%
for trial in study.trials[-4:]:
    print(trial)

study.close()
folder.cleanup()

# %% [markdown]
# Next: `02_tune_a_model.py` lets bbopt call the function itself, several at a time, with limits.
