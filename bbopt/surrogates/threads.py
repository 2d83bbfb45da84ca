"""One BLAS thread around an ask: on a busy machine, oversubscription costs more than all arithmetic."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import threadpoolctl


@cache
def _controller() -> threadpoolctl.ThreadpoolController:
    # Scanning the loaded libraries takes 2 ms, setting a limit 0.03 ms: scan once, at the first use,
    # when NumPy's and SciPy's BLAS are both loaded.
    import scipy.linalg  # noqa: F401  (loads SciPy's BLAS before the scan)

    return threadpoolctl.ThreadpoolController()


class _Limit:
    """One limit for the whole process: the first ask that begins sets it, the last that ends lifts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limited: Any = None

    def enter(self) -> None:
        with self._lock:
            if self._limited is None:
                self._limited = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limited is not None:
                limited, self._limited = self._limited, None
                _let_go()
                limited.restore_original_limits()
                _let_go()


def _let_go() -> None:
    """Let any thread set the limits of OpenBLAS.

    From 3.7 on threadpoolctl reserves that to the thread that did so last, as long as it lives; but the
    ask that ends last may be another thread's than the one that began first.
    """
    controller: Any = getattr(threadpoolctl, "OpenBLASController", None)
    if hasattr(controller, "clear_controlling_thread"):
        controller.clear_controlling_thread(force=True)


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
