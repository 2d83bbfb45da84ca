"""BoTorch and GPyTorch models as surrogates, and processes of ours as BoTorch models; needs torch.

BoTorch maximises, bbopt minimises. A model that passes through here is one of the *negated* outcome, so
that BoTorch's acquisitions fit it as they are; signs are turned here and in ``acquisitions/botorch.py``.
"""

from bbopt.errors import MissingExtra

try:
    import botorch  # noqa: F401
except ImportError as error:
    raise MissingExtra("bbopt.surrogates.botorch", "botorch", "torch") from error

from bbopt.surrogates.botorch.exports import to_botorch
from bbopt.surrogates.botorch.fit import BotorchModel
from bbopt.surrogates.botorch.imports import from_botorch
from bbopt.surrogates.botorch.saas import saas
from bbopt.surrogates.botorch.surrogate import BotorchSurrogate

__all__ = ["BotorchModel", "BotorchSurrogate", "from_botorch", "saas", "to_botorch"]
