"""Every registered strategy keeps the nine laws: classes are made from the registry, none can be left out."""

from bbopt import Grid, Random, Sobol, Then
from bbopt.strategies.consensus import ConsensusBasedOptimization
from bbopt.strategies.registry import STRATEGIES, make_strategy
from bbopt.testing.contracts import StrategyContract

# Settings that make the default budget of a contract reach every branch of a strategy.
_SETTINGS = {
    "cbo": lambda: ConsensusBasedOptimization(n_particles=8),
    "grid": lambda: Grid(levels=7),
    "then": lambda: Then(Sobol(), 6, Then(ConsensusBasedOptimization(n_particles=6), 14, Random())),
}


def _contract(name):
    make = _SETTINGS.get(name, lambda: make_strategy(name))
    return type(f"TestContract_{name}", (StrategyContract,), {"make": lambda self: make()})


for _name in STRATEGIES:
    globals()[f"TestContract_{_name}"] = _contract(_name)
