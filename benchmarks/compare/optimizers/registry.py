"""The optimizers compared: name -> (where its adapter is, the environment it runs in)."""

OPTIMIZERS = {
    "random": ("random_search:RandomSearch", "peers"),
    "bbopt": ("with_bbopt:Bbopt", "bbopt"),
    "Optuna TPE": ("with_optuna:OptunaTPE", "peers"),
    "Optuna GP": ("with_optuna:OptunaGP", "peers"),
    "BoTorch": ("with_botorch:Botorch", "peers"),
    "TuRBO": ("turbo:Turbo", "peers"),
    "Ax": ("with_ax:Ax", "ax"),
    "SMAC3": ("with_smac:Smac", "smac"),
    "pycma": ("with_cma:Cma", "peers"),
    "HEBO": ("with_hebo:Hebo", "hebo"),
    "scikit-optimize": ("with_skopt:Skopt", "skopt"),
    "Nevergrad": ("with_nevergrad:Nevergrad", "nevergrad"),
}


def entry(name):
    """Return (adapter, environment) of an optimizer; "bbopt:NAME" is bbopt with the strategy NAME."""
    return OPTIMIZERS["bbopt" if name.startswith("bbopt:") else name]
