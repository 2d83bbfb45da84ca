"""One optimizer after another behind a pipe: JSON lines in, JSON lines out.

    {"do": "start", "optimizer": NAME, "parameters": [...], "seed", "budget", "batch", "noisy",
     "repeatable"} -> {"versions"}
    {"do": "ask", "n": 4}                           -> {"params": [{...}, ...]}
    {"do": "tell", "results": [[params, value]...]} -> {}

Results are those of the last ask in the same order, value null where the run failed. Every answer has
``seconds``, the CPU time it took; one to a request that went wrong has ``error``, the traceback, and the
next start is served all the same. The process is held at one thread.
"""

import json
import logging
import os
import platform
import random
import sys
import time
import traceback
import warnings
from importlib import import_module
from importlib.metadata import version

from parameters import Space, Task
from registry import entry

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Server:
    """Makes optimizers and passes requests on to the one made last."""

    def __init__(self):
        self.optimizer, self._warm = None, set()

    def start(self, optimizer, parameters, seed, budget, batch=1, noisy=False, repeatable=None):
        self.optimizer = None  # nobody goes on with the last one where this fails
        module, name = entry(optimizer)[0].split(":")
        adapter = import_module(module)
        made_of = getattr(adapter, name)
        if optimizer not in self._warm:
            _warm_up(made_of, optimizer)
            self._warm.add(optimizer)
        _pin(seed)
        repeatable = not noisy if repeatable is None else repeatable
        task = Task(optimizer, Space(parameters), seed, budget, batch, noisy, repeatable)
        self.optimizer = made_of(task)
        versions = {package: version(package) for package in adapter.PACKAGES}
        return {"versions": {"python": platform.python_version(), **versions}}

    def ask(self, n):
        return {"params": self._started().ask(n)}

    def tell(self, results):
        self._started().tell([(params, value) for params, value in results])
        return {}

    def _started(self):
        if self.optimizer is None:
            raise RuntimeError("no optimizer: start one first")
        return self.optimizer


def _warm_up(made_of, optimizer):
    """Run an optimizer until it has fitted its model; libraries put imports of seconds off until then."""
    _pin(0)
    unit = {"kind": "real", "low": 0.0, "high": 1.0, "log": False, "step": None, "when": {}}
    space = Space([{"name": "x", **unit}, {"name": "y", **unit}])
    made = made_of(Task(optimizer, space, seed=0, budget=12))
    for _ in range(12):
        started = time.process_time()
        (params,) = made.ask(1)
        made.tell([(params, params["x"] + params["y"] ** 2)])
        if time.process_time() - started > 0.2:
            break


def _pin(seed):
    """Hold what the adapter has loaded at one thread, and seed generators that libraries share."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
        import_module("threadpoolctl").threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
        torch.set_num_threads(1)


def _answer(server, line):
    started = time.process_time()
    try:
        request = json.loads(line)
        action = {"start": server.start, "ask": server.ask, "tell": server.tell}[request.pop("do")]
        answer = action(**request)
        json.dumps(answer, allow_nan=False)  # params that are no plain values are an error as well
    except Exception:
        answer = {"error": traceback.format_exc()}
    return {**answer, "seconds": time.process_time() - started}


def main():
    """Answer requests until the driver closes the pipe."""
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # BLAS reads them once, when an adapter loads it
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")  # peers announce experimental features, and log every step
    logging.disable(logging.WARNING)
    server = Server()
    for line in sys.stdin:
        print(json.dumps(_answer(server, line)), file=answers)
    server.optimizer = None  # a library's thread that waits for the next result would keep the process


if __name__ == "__main__":
    main()
