"""Many data sets at once, by torch: the likelihood, the posterior, the acquisition and their maximisation.

What runs where:

- On the CPU, by NumPy and LAPACK, runs everything unless a device is asked for: one data set after the
  other is what a CPU does best, and neither import nor first use of torch is paid for.
- On a device, by torch in float64, runs what is arithmetic on all data sets at once: ``likelihood.py``
  (log posterior, gradient, fit), ``gp.py`` (posterior, LogEI and LogNEI with gradients, 10^5 candidates in
  parts), ``lbfgs.py`` (all searches at once) and ``multistart.py`` (the maximisation).
- On the host stay outcome transforms, merged replicates, priors, starts of fits and searches, random
  numbers, and what was asked before: the code of the CPU path itself.

The formulas of kernels and of LogEI are the CPU path's own, written for both kinds of arrays. Likelihood,
posterior and L-BFGS exist twice; they are tested against each other, the log posterior and its gradient to
1e-10, posteriors to 1e-8. A device takes stationary kernels and, for the search, boxes of continuous
columns; other spaces take the CPU path. ``dispatch.py`` says which is expected to be faster. Nothing here
has been timed on a GPU yet: ``benchmarks/gpu.py`` does that. torch is imported at the first use of a device.
"""

from bbopt.batched.dispatch import Costs, choose_device
from bbopt.batched.suggest import Loop, Suggestion, suggest_many

__all__ = ["Costs", "Loop", "Suggestion", "choose_device", "suggest_many"]
