"""One BLAS thread around an ask: on a busy machine, oversubscription costs more than all arithmetic."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Scanning the loaded libraries takes 2 ms, setting a limit 0.03 ms: scan once, at the first use,
    # when NumPy's and SciPy's BLAS are both loaded.
    import scipy.linalg  # noqa: F401  (loads SciPy's BLAS before the scan)

    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Limit BLAS to one thread inside the ``with`` block."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
