"""DuMBO: decentralised Bayesian optimization of additive functions whose factors may be large and overlap.

Bardou, Thiran & Begin, "Relaxing the additivity constraints in decentralized no-regret high-dimensional
Bayesian optimization" (ICLR 2024, arXiv 2305.19838). An ask is

1. a chain over decompositions, one state per proposal, where the factors are not known
   (:mod:`bbopt.strategies.decomposition`); every state is an additive process fitted to all results
   (:mod:`bbopt.surrogates.additive`);
2. the confidence bounds of the factors of all states in one pool (:mod:`bbopt.acquisitions.factored`), with
   ``beta_t = beta |V_i| ln(2 t)`` for factor i after t results. Inside bbopt everything is minimised: it is
   the lower bound that counts, where the paper has the upper one;
3. a consensus of the factors on one point by ADMM (:mod:`bbopt.maximizers.admm`), and what makes it a point
   that can be asked (:mod:`bbopt.maximizers.factored`): in columns with levels, under conditions and known
   constraints, where runs fail.

Other than in the official code: beta_t grows with the columns of a factor, not with all; the noise is part of
the Gram matrix; hyper-parameters have priors; the chain's scores are not divided by the number of results
(``temperature="n"`` does that), and its splits are drawn as their probabilities say; a point asked before is
moved away from; the point found climbs the sum before it is asked, for the tolerance of a consensus is wide;
the first points are ten instead of two; the bad tail of the outcomes is compressed. Searches are shorter: a
factor has 2 to 10 starts, of 60 to some 500 points, where there it has 20 of 512; later rounds go on from the
consensus; of the factors' own choices, completed by the consensus, the 32 furthest from it compete with it.

All results are in the model, whose time grows with their cube: with 800 results in 20 columns and known
factors the first ask took 19 s, later ones 1.5 s each. With more, take trust regions.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from math import log
from typing import Any, Literal

import numpy as np

from bbopt.acquisitions.acquisition import Sum
from bbopt.acquisitions.factored import FactoredConfidenceBound
from bbopt.data.history import Dataset, History, Rows
from bbopt.errors import FitError, SpaceError
from bbopt.maximizers.factored import maximize_by_factors
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.decomposition import canonical, sample
from bbopt.strategies.designs import Sobol
from bbopt.strategies.factoring import Results, State
from bbopt.strategies.modelling import fit_failures, without_penalties
from bbopt.strategies.remarks import held, risk, set_aside
from bbopt.strategies.strategy import Proposals, Request, Supports
from bbopt.surrogates.additive import AdditiveGP, Decomposition
from bbopt.surrogates.outcomes import Outcome
from bbopt.surrogates.threads import single_threaded
from bbopt.types import FloatArray, Tag, is_finite, is_whole

_GOOD = 5
"""So many of the best points told are looked at by every factor first."""


@dataclass(frozen=True, slots=True)
class DuMBO:
    """Let the factors of additive models agree on the next point.

    For up to several hundred results: the time of an ask grows with their cube.

    Parameters
    ----------
    decomposition : sequence of sequences of str, optional
        The names of the parameters of every factor, which may overlap; together all that vary. None learns
        which belong together.
    n_decompositions : int
        Over how many states of the chain to average, at least 1; a known decomposition is one.
    largest : int, optional
        The most parameters of a learnt factor; None sets no limit.
    n_initial : int
        Trials of a Sobol sequence before the models take over, at least 2; trials added count. The paper
        has 2: measured, these lead to the nearest of many wells more often.
    beta : float
        How much not knowing counts, at least 0: a factor of k columns has ``beta k ln(2 t)`` after t results.
    eta : float
        The first penalty of a factor that is not where the consensus is, above 0.
    n_rounds : int
        The most rounds of a consensus, at least 1.
    tolerance : float
        How far the factors may be from the consensus, in widths of the space, above 0.
    temperature : float or "n"
        What the log posteriors of decompositions are divided by, above 0. "n": the number of results, as
        the official code has it; nearly every proposal is accepted then.

    Raises
    ------
    SpaceError
        For an argument that is none of these; by ``init``, for a decomposition that is none of the space's.
    """

    decomposition: Sequence[Sequence[str]] | None = None
    n_decompositions: int = 5
    largest: int | None = None
    n_initial: int = 10
    beta: float = 0.2
    eta: float = 1.0
    n_rounds: int = 10
    tolerance: float = 0.05
    temperature: float | Literal["n"] = 1.0

    def __post_init__(self) -> None:
        if self.decomposition is not None:
            object.__setattr__(self, "decomposition", _checked(self.decomposition))
        for name, least in (("n_decompositions", 1), ("largest", 1), ("n_initial", 2), ("n_rounds", 1)):
            value, may_be_none = getattr(self, name), name == "largest"
            if not ((is_whole(value) and value >= least) or (may_be_none and value is None)):
                optional = " or None" if may_be_none else ""
                raise SpaceError(
                    f"DuMBO: {name} must be an integer of at least {least}{optional}, got {value!r}"
                )
        for name in ("beta", "eta", "tolerance", "temperature"):
            value, may_be_0 = getattr(self, name), name == "beta"
            if name == "temperature" and isinstance(value, str) and value == "n":
                continue
            if not is_finite(value) or not (value > 0 or (may_be_0 and value == 0)):
                right = "a number of at least 0" if may_be_0 else "a number above 0"
                or_n = " or 'n'" if name == "temperature" else ""
                raise SpaceError(f"DuMBO: {name} must be {right}{or_n}, got {value!r}")

    @property
    def supports(self) -> Supports:
        """One objective."""
        return Supports(objectives=1)

    def batch_size(self, spec: Spec) -> int:
        """Return 1: every result changes the next suggestion."""
        return 1

    def init(self, spec: Spec, rng: Key) -> None:
        """Keep no state: results reach the models through the history, the chain through the tags.

        Raises
        ------
        SpaceError
            For a decomposition with names that do not vary, or without some that do.
        """
        self._known(spec.space)

    def tell(self, state: None, trials: Rows, rng: Key) -> None:
        """Keep no state."""
        return None

    def ask(self, state: None, history: History, request: Request, rng: Key) -> Proposals:
        """Propose n points: the initial design first, then what the factors agree on."""
        data, space = without_penalties(history.dataset()), history.spec.space
        early = min(max(self.n_initial - len(history), 0), request.n)
        if early == request.n or not len(data.X):
            return Sobol().ask(None, history, request, rng)
        first = Proposals(data.X[:0], [])
        if early:
            first = Sobol().ask(None, history, Request(early, request.fixed), rng)
        number, n = len(history) + early, request.n - early
        rng = rng.child("ask", number)
        with single_threaded():
            try:
                rest = self._agreed(data, history, Request(n, request.fixed), rng, first.X)
            except FitError as error:
                X = space.sample(n, rng.child("fallback"), fixed=request.fixed)
                rest = Proposals(X, [{"fallback": str(error)} for _ in range(n)])
        return Proposals(np.vstack([first.X, rest.X]), [*first.tags, *rest.tags])

    def _agreed(
        self, data: Dataset, history: History, request: Request, rng: Key, chosen: FloatArray
    ) -> Proposals:
        results = Results(history, data)
        notes = history.latest("chain").get("chain")
        states = self._states(results, notes, rng.child("chain").generator())
        failures, shared = fit_failures(data, history)
        distinct = list({id(state): state for state in states}.values())
        copies = [sum(state is one for one in states) for state in distinct]
        pending = np.vstack([data.X_pending, chosen])
        models = [state.process().fantasize(pending) for state in distinct]
        beta = self.beta * log(2 * len(data.X))
        shared |= {"chain": states[-1].notes(), **set_aside(history, data)}
        shared |= held(results.space, request.fixed)
        inside = history.inside[data.numbers]
        good = data.X[inside][np.argsort(data.Y[inside, 0], kind="stable")[:_GOOD]]
        seen = np.vstack([history.X, chosen])
        X, tags = data.X[:0], []
        for k in range(request.n):
            bound = FactoredConfidenceBound(models, copies, beta)
            goal = bound if failures is None else Sum((bound, failures))
            x, found = maximize_by_factors(
                bound,
                goal,
                results.space,
                good,
                request.fixed,
                rng.child(k),
                exclude=np.vstack([seen, X]),
                eta=self.eta,
                n_rounds=self.n_rounds,
                tolerance=self.tolerance,
            )
            tag: Tag = {"rounds": found.rounds, "gap": found.gap, "acquisition": float(goal.value(x)[0])}
            tag |= _expected(models, copies, results.outcome, x) | risk(failures, x)
            tags.append({"by": "summed bound of all factors", **tag, **shared})
            X = np.vstack([X, x])
            models = [model.fantasize(x) for model in models] if k + 1 < request.n else models
        return Proposals(X, tags)

    def _states(self, results: Results, notes: object, generator: np.random.Generator) -> list[State]:
        """Return the states to average over, the newest one last: one, if the factors are known."""
        d = results.space.d
        known, largest = self._known(results.space), self.largest or d
        start = results.start(known, largest, notes, generator)
        if known is not None or min(d, largest) == 1:
            return [start]
        temperature = float(len(results.z)) if self.temperature == "n" else self.temperature
        steps = max(self.n_decompositions - 1, 1)
        chain = sample(start, results.follow, steps, largest, temperature, generator)
        return [start, *chain][-self.n_decompositions :]

    def _known(self, space: Space) -> Decomposition | None:
        """Return the columns of the given factors; raises SpaceError where they do not suit the space."""
        if self.decomposition is None:
            return None
        named = {name for factor in self.decomposition for name in factor}
        if unknown := sorted(named - set(space.names)):
            raise SpaceError(
                f"DuMBO: decomposition names {unknown[0]!r}, which is no parameter of this space"
            )
        varying = [p.name for p in space.parameters if not p.is_constant]
        if missing := [name for name in varying if name not in named]:
            raise SpaceError(
                f"DuMBO: decomposition must name every parameter that varies, it lacks {', '.join(missing)}"
            )
        factors = [[space.column(name) for name in factor] for factor in self.decomposition]
        columns = [tuple(j for j in factor if j is not None) for factor in factors]
        return canonical([factor for factor in columns if factor])


def _expected(models: Sequence[AdditiveGP], copies: Sequence[int], outcome: Outcome, x: FloatArray) -> Tag:
    """Return mean and standard deviation of the outcome at x (1, d), over all models."""
    means, variances = np.concatenate([model.posterior(x) for model in models], axis=-1)[:, 0]
    mean = np.average(means, weights=copies)
    variance = np.average(variances + (means - mean) ** 2, weights=copies)
    z, sd = np.array([mean]), np.sqrt([variance])
    return {"mean": float(outcome.inverse(z)[0]), "sd": float(outcome.inverse_sd(z, sd)[0])}


def _checked(decomposition: Any) -> tuple[tuple[str, ...], ...]:
    """Return factors as tuples of names; raises SpaceError for anything else."""
    factors = list(decomposition) if _is_several(decomposition) else []
    are_names = [_is_several(one) and all(isinstance(name, str) for name in one) for one in factors]
    if not (factors and all(are_names)):
        hint = ": sets have no order, give lists or tuples" if _has_sets(decomposition) else ""
        raise SpaceError(
            "DuMBO: decomposition must hold the names of every factor's parameters, such as "
            f'[["x", "y"], ["y", "z"]], or be None, got {decomposition!r}{hint}'
        )
    for factor in factors:
        if twice := [name for k, name in enumerate(factor) if name in factor[:k]]:
            raise SpaceError(
                f"DuMBO: decomposition must name a parameter once in a factor, got {twice[0]!r} twice in "
                f"{list(factor)!r}"
            )
    return tuple(tuple(factor) for factor in factors)


def _has_sets(decomposition: Any) -> bool:
    return isinstance(decomposition, Set) or (
        _is_several(decomposition) and any(isinstance(factor, Set) for factor in decomposition)
    )


def _is_several(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0
