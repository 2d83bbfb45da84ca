"""Which data sets go together, and where they are worked on: a cost model of an ask, its constants here.

The choice depends on sizes and options alone, never on a clock or on what else the machine does, so an ask
can be repeated. The constants of ``CPU`` were measured on one core of a shared machine; those of ``CUDA``
are estimates from the data sheet of an H100 and from published timings: **uncalibrated**. To calibrate,
run ``benchmarks/gpu.py`` on a machine with a GPU and copy the ``costs`` that it writes to
``benchmarks/results/gpu.json`` into this file; nothing is read from that file at run time. Costs of another
machine can be passed to :func:`choose_device`.
"""

from dataclasses import dataclass

from bbopt.errors import UnsupportedError
from bbopt.maximizers.multistart import RESTARTS
from bbopt.space import Space
from bbopt.surrogates.kernels.features import Selection
from bbopt.surrogates.kernels.profiles import Profile
from bbopt.surrogates.kernels.stationary import RBF, Matern, Stationary
from bbopt.surrogates.likelihood import LogPosterior

SMALLEST = 64
"""Data sets are padded to this size, or to twice, four times ... as much."""
FIT_EVALUATIONS, FIT_ROUNDS = 100, 50
"""What a cold fit takes: evaluations of a data set over all its starts; rounds until the last one ends."""
CLIMB_ROUNDS = 30
"""Rounds of the search for the best acquisition."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one evaluation of the log posterior, and of the posterior at candidates.

    Attributes
    ----------
    call : float
        Of any evaluation.
    column : float
        Per row of the matrix, however many matrices there are: the latency of a factorisation.
    square, cube : float
        Per n² and n³ of each log posterior.
    cross, product : float
        Per n and n² of each candidate.
    is_batched : bool
        Whether one call does all data sets, padded, instead of one.
    """

    call: float
    column: float
    square: float
    cube: float
    cross: float
    product: float
    is_batched: bool

    def log_posterior(self, n: int, problems: float = 1) -> float:
        """Return seconds of log posteriors and gradients of some data sets of n points, one call."""
        n = bucket(n) if self.is_batched else n
        return self.call + self.column * n + problems * (self.square * n**2 + self.cube * n**3)

    def acquisition(self, n: int, candidates: int, problems: int = 1) -> float:
        """Return seconds of acquisition values at so many candidates of each data set, one call."""
        n = bucket(n) if self.is_batched else n
        return self.call + problems * candidates * (self.cross * n + self.product * n**2)

    def ask(self, n: int, d: int, loops: int, candidates: int) -> float:
        """Return seconds of fitting and asking: see :func:`choose_device`."""
        calls, together = (1, loops) if self.is_batched else (loops, 1)
        rounds = FIT_ROUNDS if self.is_batched else FIT_EVALUATIONS
        fit = rounds * self.log_posterior(n, together * FIT_EVALUATIONS / rounds)
        climb = CLIMB_ROUNDS * self.acquisition(n, 2 * restarts(d), together)
        return calls * (fit + climb + self.acquisition(n, candidates, together))


CPU = Costs(1e-4, 0.0, 1.6e-8, 7.6e-11, 4.6e-8, 6.7e-11, is_batched=False)
CUDA = Costs(8e-4, 3e-6, 1e-10, 1.5e-12, 2.4e-11, 7e-14, is_batched=True)  # uncalibrated


def choose_device(
    n: int, d: int, loops: int = 1, candidates: int = 256, *, cpu: Costs = CPU, cuda: Costs = CUDA
) -> str | None:
    """Return where an ask is expected to be faster: "cuda", or None for the CPU path.

    Parameters
    ----------
    n : int
        Distinct points of the largest data set.
    d : int
        Columns.
    loops : int
        Data sets that are worked on together.
    candidates : int
        Points at which the acquisition of each is scored before the search.
    cpu, cuda : Costs
    """
    return "cuda" if cuda.ask(n, d, loops, candidates) < cpu.ask(n, d, loops, candidates) else None


def restarts(d: int) -> int:
    """Return how many starts are refined in d continuous columns, as on the CPU path."""
    return RESTARTS[d > 10]


def bucket(n: int) -> int:
    """Return the size that n points are padded to: 64, 128, 256, ..."""
    return max(SMALLEST, 1 << (n - 1).bit_length())


def kernel_of(posterior: LogPosterior) -> tuple[Profile, Selection]:
    """Return the kernel of a data set, and the features that it looks at.

    Raises
    ------
    UnsupportedError
        For kernels other than a stationary one without warping.
    """
    covariance = posterior.covariance
    kernel = covariance.kernel
    if covariance.is_warped or not isinstance(kernel, (Matern, RBF, Stationary)):
        raise UnsupportedError(
            f"batches take one stationary kernel such as Matern(), without warping; got {kernel!r}, "
            f"is_warped={covariance.is_warped}"
        )
    return kernel.profile, covariance.features.select(kernel.columns)


def form(posterior: LogPosterior) -> tuple[Profile, tuple[int, ...]]:
    """Return what data sets of one batch must share: the kernel, and the parameter behind each feature.

    Raises
    ------
    UnsupportedError
        As :func:`kernel_of`.
    """
    profile, selection = kernel_of(posterior)
    return profile, tuple(selection.column.tolist())


def is_box(space: Space) -> bool:
    """Whether all columns are continuous, always active and unconstrained: what the device searches."""
    has_levels = bool((space.n_levels > 0).any())
    return space.d > 0 and not (has_levels or space.is_conditional or space.constraints)
