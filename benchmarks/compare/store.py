"""Where runs are kept: one JSON line a run, one file an optimizer, ``results/race/SUITE/OPTIMIZER.jsonl``."""

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from suites import Cell

RESULTS = Path(__file__).parent.parent / "results" / "race"
TIME_IS_UP = "ended after"
"""How the error of a run begins that had used up its seconds: a result like any other."""


@dataclass
class Run:
    """One optimizer on one cell.

    Attributes
    ----------
    cell : Cell
    optimizer : str
    optimum_known : bool
        Whether regrets are above the optimum; else they are values.
    n_parameters : int
        Of the problem.
    regrets : list of float or None
        How far above the optimum each evaluation was, without noise; None where it failed.
    told : list of float or None
        What the optimizer was told, kept where it was noisy.
    seconds : list of float
        CPU seconds of asking and telling, one an evaluation, shared evenly by the members of a batch.
    versions : dict
    error : str or None
        Why it ended before its budget; see :attr:`is_accident`.
    """

    cell: Cell
    optimizer: str
    optimum_known: bool = True
    n_parameters: int = 0
    regrets: list = field(default_factory=list)
    told: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    versions: dict = field(default_factory=dict)
    error: str | None = None

    @property
    def key(self):
        """What makes it this run."""
        return self.cell, self.optimizer

    @property
    def is_accident(self):
        """Whether it may end otherwise next time: its optimizer raised, died, was killed or hung."""
        return self.error is not None and not self.error.startswith(TIME_IS_UP)


def load(suite, optimizer=None):
    """Return the runs stored of a suite, (cell, optimizer) -> Run; the last one counts."""
    pattern = "*.jsonl" if optimizer is None else f"{_file(optimizer)}.jsonl"
    runs = {}
    for path in sorted((RESULTS / suite).glob(pattern)):
        for line in path.read_text().splitlines():
            run = _read(json.loads(line))
            runs[run.key] = run
    return runs


def save(run):
    """Append a run."""
    path = RESULTS / run.cell.suite / f"{_file(run.optimizer)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(_plain(run), ensure_ascii=False) + "\n")


def tidy(suite, optimizers):
    """Keep the last run of each cell alone, in order; of these optimizers: others may be running."""
    for path in (RESULTS / suite / f"{_file(name)}.jsonl" for name in optimizers):
        if not path.exists():
            continue
        kept = {run.key: run for run in map(_read, map(json.loads, path.read_text().splitlines()))}
        lines = [json.dumps(_plain(kept[key]), ensure_ascii=False) for key in sorted(kept)]
        _replace(path, "\n".join(lines) + "\n")


def load_scales(suite):
    """Return what ``scale`` measured in a suite, :attr:`Cell.place` -> regret."""
    path = RESULTS / suite / "scale.json"
    if not path.exists():
        return {}
    rows = json.loads(path.read_text())
    return {tuple(place): float("inf") if regret is None else regret for *place, regret in rows}


def save_scales(suite, scales):
    """Write scales, a line each: [problem, budget, batch, regret], null where it is infinite."""
    rows = [[*place, _rounded(regret, 5)] for place, regret in sorted(scales.items())]
    (RESULTS / suite).mkdir(parents=True, exist_ok=True)
    _replace(RESULTS / suite / "scale.json", "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


def _replace(path, text):
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def _plain(run):
    data = {**run.cell._asdict(), **asdict(run)}
    del data["cell"]
    data["regrets"] = [_rounded(value, 7) for value in run.regrets]
    data["told"] = [_rounded(value, 7) for value in run.told]
    data["seconds"] = [_rounded(value, 3) for value in run.seconds]
    return data


def _read(data):
    cell = Cell(*(data.pop(name) for name in Cell._fields))
    return Run(cell, **data)


def _rounded(value, digits):
    return None if value is None or math.isinf(value) else float(f"{value:.{digits}g}")


def _file(optimizer):
    return optimizer.replace(" ", "-").replace(":", "--")
