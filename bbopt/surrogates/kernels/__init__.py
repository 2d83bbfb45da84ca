"""Kernels: how alike the outcomes at two points are. A few forms, their sums and products, with gradients."""

from bbopt.surrogates.kernels.algebra import Kernel, Product, Sum
from bbopt.surrogates.kernels.linear import Linear
from bbopt.surrogates.kernels.periodic import Periodic
from bbopt.surrogates.kernels.profiles import Profile
from bbopt.surrogates.kernels.rational import RationalQuadratic
from bbopt.surrogates.kernels.stationary import RBF, Matern, Stationary

__all__ = [
    "RBF",
    "Kernel",
    "Linear",
    "Matern",
    "Periodic",
    "Product",
    "Profile",
    "RationalQuadratic",
    "Stationary",
    "Sum",
]
