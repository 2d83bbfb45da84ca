"""What the page of the report says around its tables."""

INTRODUCTION = """# Results

bbopt with default settings beside its peers with theirs: the best value found in so many evaluations, and
the time that it took to suggest them. This page and its figures are written by
`python benchmarks/compare report` from the runs stored under `benchmarks/results/race/`;
[benchmarks/README.md](../benchmarks/README.md) says how to run any of them again.

Everything but "What earns its place" is the reporting half: odd seeds, and with them other instances than
those that bbopt was tuned on. Some problems have one instance only, so that the halves differ in the seeds of
their optimizers and of their noise alone:
{single}.

A cell is one instance of a problem with a budget and a batch. Square brackets hold 95% bootstrap intervals
over problems. Where a problem is noisy, what counts is the best point evaluated, judged without noise. A run
that ended before its budget counts with what it had found.
"""
RANKS = """1 is the best; ranks in a suite are among those who have a number there. *all* averages over cells,
so a suite weighs by its size, and holds those alone who are in every suite, ranked among themselves.
"""
LEADS = """Differences in mean rank between bbopt and the best of the others, cell by cell, with 95% bootstrap
intervals. An interval above 0 is clear.
"""
NORMALISED = """0: solved. 1: what random search reaches on the same cell, with the same budget, in the median
of 51 runs made for this purpose; in the suite `tuning`, where evaluations cost, of the random searches of all
seeds that were raced. Clipped at 2. Left out are cells on which random search fails in the median.
"""
CLOCK = """Mean ranks over all suites when time is up: as soon as somebody who suggests at once would have
spent the budget. Who takes long to suggest gets fewer evaluations. Among those who are in every suite.
"""
TIMES = """CPU seconds of one ask and one tell, one thread: the mean of the ten evaluations up to there, in
the median of runs without batches on those cells that everybody has who is in every suite. Others may have
run few of these, as the table says.
"""
ABLATIONS = """bbopt with one thing changed (`bbopt:NAME` as optimizer; `optimizers/with_bbopt.py` says
what), against itself on the same cells of the tuning half: on how many it is better and worse, and by how
many powers of ten the change makes regret larger, with 95% bootstrap intervals, over those cells whose
optimum is known: ratios of other regrets would mean nothing. Below 1e-8 a problem counts as solved. The last
column is how many times as much CPU the changed one took to ask and tell. A * means that another state of
bbopt's code ran the default.
"""
OTHERS = """Optimizers that were run on some suites only: their mean rank among the mandatory ones and
themselves.
"""
ERRORS = """After 600 CPU seconds of asking and telling no further point is asked for: a result like any
other. Whatever else ended a run is an accident, which is tried again as often as the runs are resumed.
"""
TOLD = """That a problem is deterministic is told to bbopt, Optuna's GP sampler, SMAC3, BoTorch, TuRBO and
Nevergrad, each in its own way. Ax is not told: its client infers noise from plain numbers, as in its
tutorials. TPE and CMA-ES have no place for it. BoTorch's loop searches numbers with up to 20 levels level by
level where there are no categoricals; otherwise they are relaxed and rounded and categoricals are one-hot,
because its model for mixed spaces takes up to a minute to fit. `benchmarks/compare/optimizers/` has all
settings. Where an optimizer was run by several versions, the runs of each are counted; `source` is a digest
of bbopt's code.
"""
