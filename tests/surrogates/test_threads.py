"""The limit on BLAS threads with several asks under way, in a process that has two threads."""

import os
import subprocess
import sys

SCRIPT = """
import threading
import scipy.linalg
from threadpoolctl import threadpool_info
from bbopt.surrogates.threads import single_threaded


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


seen, steps = [threads()], [threading.Event() for _ in range(4)]


def first():
    with single_threaded():
        steps[0].set()
        steps[1].wait()
    steps[2].set()
    steps[3].wait()  # it lives on


def second():
    steps[0].wait()
    with single_threaded():
        steps[1].set()
        steps[2].wait()
        seen.append(threads())  # the first one has left


asks = [threading.Thread(target=ask) for ask in (first, second)]
for ask in asks:
    ask.start()
asks[1].join()
seen.append(threads())
steps[3].set()
asks[0].join()
with single_threaded():
    seen.append(threads())
print(*seen, threads())
"""


def test_overlapping_asks_stay_at_one_thread_and_give_the_others_back():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "{2} {1} {2} {1} {2}"
