"""What the reliability scripts share: worker processes, a table, the command line."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bbopt.study.storage import open_journal

WORKER = Path(__file__).with_name("worker.py")
STORES = {"sqlite": "study.db", "jsonl": "study.jsonl"}
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}


class Table:
    """A table printed row by row; remembers what failed."""

    def __init__(self, *columns: str) -> None:
        self.widths = [max(len(column), 10) for column in columns]
        self.failures: list[str] = []
        self._say(columns)
        self._say(["-" * width for width in self.widths])

    def row(self, *cells: object, problems: Sequence[str] = ()) -> None:
        """Print one row, and below it what is wrong with it."""
        self._say([_text(cell) for cell in cells])
        for problem in problems:
            print(f"    FAILED: {problem}", flush=True)
            self.failures.append(problem)

    def _say(self, cells: Sequence[str]) -> None:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(cells, self.widths, strict=True)), flush=True
        )


def _text(cell: object) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def command_line(description: str, run: Callable[[bool], Table]) -> None:
    """Run a script: ``--quick`` for the reduced form, exit status 1 if anything failed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="the reduced form, in about a minute")
    quick = parser.parse_args().quick
    start = time.monotonic()
    table = run(quick)
    failed = len(table.failures)
    verdict = "passed" if not failed else f"{failed} FAILED"
    print(f"\n{verdict} in {time.monotonic() - start:.0f} s ({'quick' if quick else 'full'} form)")
    sys.exit(1 if failed else 0)


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory for one test, on the disk that temporary files live on."""
    with tempfile.TemporaryDirectory(prefix="bbopt-reliability-") as directory:
        yield Path(directory)


def worker(command: str, *arguments: object) -> "subprocess.Popen[bytes]":
    """Start ``worker.py`` in a process of its own, one BLAS thread, any warning an error."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(WORKER), command, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def wait_until_ready(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a worker has made its imports and stands at the start."""
    if process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"a worker died before it began: {process.communicate()[1].decode()}")


def begin(process: "subprocess.Popen[bytes]") -> None:
    """Let a waiting worker go."""
    process.stdin.write(b"go\n")
    process.stdin.flush()


def numbering(path: Path) -> list[str]:
    """Return what is wrong with the trial numbers in a journal, read event by event, not by the study."""
    following = 0
    problems = []
    with open_journal(path, create=False) as journal:
        for event in journal.read(0):
            if event["kind"] in ("ask", "add"):
                if event["number"] != following:
                    problems.append(
                        f"event {event['seq']} has number {event['number']}, {following} was next"
                    )
                following = event["number"] + (len(event["params"]) if event["kind"] == "ask" else 1)
    return problems


def exactly(value: object) -> str:
    """Return plain data as text that is equal only if every bit is."""
    return json.dumps(value, sort_keys=True)
