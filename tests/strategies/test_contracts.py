"""Every registered strategy keeps the nine laws: classes are made from the registry, none can be left out."""

from bbopt import Alternate, BAxUS, DuMBO, Grid, Random, Sobol, Then, TrustRegion
from bbopt.strategies.consensus import ConsensusBasedOptimization
from bbopt.strategies.registry import STRATEGIES, make_strategy
from bbopt.testing.contracts import StrategyContract

# Settings that make the default budget of a contract reach every branch of a strategy.
_SETTINGS = {
    "baxus": lambda: BAxUS(
        acquisition="thompson", budget=30, n_initial=4, new_bins=1, length_initial=0.05, length_min=0.03
    ),
    "cbo": lambda: ConsensusBasedOptimization(n_particles=8),
    "dumbo": lambda: DuMBO(n_decompositions=2),
    "grid": lambda: Grid(levels=7),
    "alternate": lambda: Alternate(ConsensusBasedOptimization(n_particles=6), TrustRegion(n_initial=4)),
    "then": lambda: Then(Sobol(), 6, Then(ConsensusBasedOptimization(n_particles=6), 14, Random())),
    "turbo": lambda: TrustRegion(
        n_regions=2,
        acquisition="thompson",
        n_initial=4,
        failures=2,
        length_initial=0.05,
        length_min=0.03,
    ),
}


def _contract(name):
    make = _SETTINGS.get(name, lambda: make_strategy(name))
    return type(f"TestContract_{name}", (StrategyContract,), {"make": lambda self: make()})


for _name in STRATEGIES:
    globals()[f"TestContract_{_name}"] = _contract(_name)
