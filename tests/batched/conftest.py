"""One thread, as in an ask: the tests measure nothing that more threads would help."""

import pytest

from bbopt.surrogates.threads import single_threaded


@pytest.fixture(autouse=True)
def one_thread():
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
    with single_threaded():
        yield
