"""Run cells: optimizers in processes of their own, several cells at once, what is stored already left out."""

import hashlib
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import store
from client import Client, OptimizerFailed
from tasks import Task
from tqdm import tqdm

import bbopt

CAP = 600.0
"""CPU seconds of asking and telling after which a run ends with what it has."""

_client = None


def run(cell, optimizer, environments):
    """Run one optimizer on one cell."""
    global _client
    if _client is None:
        _client = Client(environments)
    task = Task(cell.problem, cell.seed)
    made = store.Run(cell, optimizer, task.optimum_known, len(task.parameters))
    try:
        made.versions = _client.start(
            optimizer,
            parameters=task.parameters,
            seed=cell.seed,
            budget=cell.budget,
            batch=cell.batch,
            noisy=task.is_noisy,
            repeatable=task.is_repeatable,
        )
        if _is_ours(optimizer):
            made.versions = {**made.versions, "source": source()}
        while len(made.regrets) < cell.budget and sum(made.seconds) < CAP:
            n = min(cell.batch, cell.budget - len(made.regrets))
            points, asking = _client.ask(n)
            outcomes = [task.evaluate(x, len(made.regrets) + k) for k, x in enumerate(points)]
            telling = _client.tell([(x, one.told) for x, one in zip(points, outcomes, strict=True)])
            made.regrets += [one.regret for one in outcomes]
            made.told += [one.told for one in outcomes if not task.is_repeatable]
            made.seconds += [(asking + telling) / n] * n
        if len(made.regrets) < cell.budget:
            made.error = f"{store.TIME_IS_UP} {sum(made.seconds):.0f} CPU seconds"
    except OptimizerFailed as error:
        made.error = str(error)
    return made


def missing(cells, optimizers, again=False):
    """Return the (cell, optimizer) that are not stored, or ended by accident.

    With ``again`` those too that another source of bbopt ran.
    """
    stored = {}
    for suite in {cell.suite for cell in cells}:
        stored.update(store.load(suite))

    def is_there(cell, optimizer):
        known = stored.get((cell, optimizer))
        return (
            known is not None
            and not known.is_accident
            and not (again and _is_ours(optimizer) and known.versions.get("source") != source())
        )

    return [(cell, name) for name in optimizers for cell in cells if not is_there(cell, name)]


def run_all(jobs, environments, workers):
    """Run and store (cell, optimizer) pairs; returns how many could not be run.

    Whatever ends this early, an interrupt too, what was finished by then is stored.
    """
    waiting, running, lost = iter(jobs), {}, 0
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        with tqdm(total=len(jobs), mininterval=5) as progress:
            while True:
                # No more than the workers can begin: what waits inside a pool cannot be called back.
                for job in islice(waiting, workers - len(running)):
                    running[pool.submit(run, *job, environments)] = job
                if not running:
                    return lost
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    lost += not _keep(future, running.pop(future))
                    progress.update()
    finally:
        pool.shutdown(cancel_futures=True)
        for future in running:
            # Interrupts reach the optimizers' processes as well: that they died says nothing about them.
            if future.done() and future.exception() is None and not future.result().is_accident:
                store.save(future.result())


def _keep(future, job):
    """Store what was finished, and say what went wrong; returns whether there is a run."""
    cell, optimizer = job
    try:
        done = future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:
        tqdm.write(f"{optimizer} on {cell.problem} could not be run: {type(error).__name__}: {error}")
        return False
    store.save(done)
    if done.error:
        tqdm.write(f"{optimizer} on {cell.problem}: {done.error.strip().splitlines()[-1]}")
    return True


@cache
def source():
    """Return a digest of what bbopt's suggestions are made of."""
    home, digest = Path(bbopt.__file__).parent, hashlib.blake2b(digest_size=6)
    for path in sorted(home.rglob("*.py")):
        if "problems" not in path.parts and "testing" not in path.parts:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_ours(optimizer):
    return optimizer.split(":")[0] == "bbopt"
