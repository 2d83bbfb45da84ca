"""SAAS: a process in which few columns matter until the data say otherwise, for some tens to hundreds.

Eriksson & Jankowiak, "High-dimensional Bayesian optimization with sparse axis-aligned subspaces", UAI 2021:

    1 / length_i² = tau * lambda_i,   lambda_i ~ HalfCauchy(1),   tau ~ HalfCauchy(0.1)

The paper samples all of these by NUTS. Here tau alone is sampled, and the rest is what is most probable
given it: one process a sample, at the price of ordinary fits. ``BotorchModel(SaasFullyBayesianSingleTaskGP)``
is the paper's; BoTorch wants ``botorch[fully_bayesian]`` for that.
"""

from functools import partial

from botorch.models.map_saas import EnsembleMapSaasSingleTaskGP

from bbopt.errors import SpaceError
from bbopt.surrogates.botorch.fit import BotorchModel
from bbopt.types import is_whole


def saas(n_models: int = 4) -> BotorchModel:
    """Return what fits SAAS processes: ``BayesianOptimization(surrogate=saas())``.

    Parameters
    ----------
    n_models : int
        Samples of tau, over which acquisitions are averaged.

    Raises
    ------
    SpaceError
        When n_models is not an integer of at least 1.
    """
    if not (is_whole(n_models) and n_models >= 1):
        raise SpaceError(f"saas: n_models must be an integer of at least 1, got {n_models!r}")
    return BotorchModel(partial(EnsembleMapSaasSingleTaskGP, num_taus=int(n_models)))
