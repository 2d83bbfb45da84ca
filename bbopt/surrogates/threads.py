"""One BLAS thread around an ask: on a busy machine, oversubscription costs more than all arithmetic."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Scanning the loaded libraries takes 2 ms, setting a limit 0.03 ms: scan once, at the first use,
    # when NumPy's and SciPy's BLAS are both loaded.
    import scipy.linalg  # noqa: F401  (loads SciPy's BLAS before the scan)

    return ThreadpoolController()


class _Limit:
    """One limit for the whole process: the first ask that begins sets it, the last that ends lifts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limited: AbstractContextManager[object] | None = None

    def enter(self) -> None:
        with self._lock:
            if self._limited is None:
                self._limited = _controller().limit(limits=1, user_api="blas")
                self._limited.__enter__()
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limited is not None:
                limited, self._limited = self._limited, None
                limited.__exit__(None, None, None)


_LIMIT = _Limit()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Limit BLAS to one thread inside the ``with`` block, which several threads may be in at once.

    Where the caller's own code holds a limit in another thread, OpenBLAS may keep that one.
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
