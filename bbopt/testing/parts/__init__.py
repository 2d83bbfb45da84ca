"""What kernels, surrogates and acquisitions keep, as tests: inherit a class, name your part, run pytest.

class TestMyKernel(KernelContract):
    def make(self):
        return MyKernel()
"""

from bbopt.testing.parts.acquisitions import AcquisitionContract
from bbopt.testing.parts.kernels import KernelContract
from bbopt.testing.parts.surrogates import SurrogateContract

__all__ = ["AcquisitionContract", "KernelContract", "SurrogateContract"]
