"""The driver's end of the pipe to an optimizer, which lives in a process and an environment of its own."""

import json
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "optimizers"))

from registry import OPTIMIZERS, entry  # noqa: E402

PATIENCE = 900.0
"""Seconds of wall time for one answer; a hung library is ended then."""


def python_of(optimizer, environments):
    """Return the interpreter that an optimizer needs.

    Raises
    ------
    LookupError
        There is no such optimizer, or its environment was not made.
    """
    try:
        _, environment = entry(optimizer)
    except KeyError:
        names = ", ".join(OPTIMIZERS)
        raise LookupError(
            f"optimizer {optimizer!r} is unknown; there are {names}, and bbopt:STRATEGY"
        ) from None
    python = environments.absolute() / environment / "bin" / "python"
    if not python.exists():
        raise LookupError(
            f"{optimizer} needs the environment {environment}: "
            f"benchmarks/compare/environments/make.sh {environment} makes {python.parent.parent}"
        )
    return python


class OptimizerFailed(RuntimeError):
    """The optimizer raised, died or hung; the text says which."""


class Client:
    """Starts ``optimizers/serve.py`` in the environment of an optimizer, and talks to it.

    One process serves run after run, as long as it is of the same environment.
    """

    def __init__(self, environments):
        self.environments, self._python, self._process = environments, None, None

    def start(self, optimizer, **settings):
        """Begin a run; returns the versions of what runs it."""
        python = python_of(optimizer, self.environments)
        if self._process is None or self._python != python or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [python, HERE / "optimizers" / "serve.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
            self._python = python
        return self._call(do="start", optimizer=optimizer, **settings)["versions"]

    def ask(self, n):
        """Return n points and the CPU seconds that they took."""
        answer = self._call(do="ask", n=n)
        return answer["params"], answer["seconds"]

    def tell(self, results):
        """Tell (params, value or None) of the points asked last; returns CPU seconds."""
        return self._call(do="tell", results=results)["seconds"]

    def close(self):
        """End the process: by itself at the end of its input, or else by force."""
        if self._process is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()
            self._process = None

    def _call(self, **request):
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise OptimizerFailed(f"the process died before {request['do']}") from None
        deadline = time.monotonic() + PATIENCE
        while not select.select([self._process.stdout], [], [], 1.0)[0]:
            if time.monotonic() > deadline:
                self.close()
                raise OptimizerFailed(f"no answer to {request['do']} in {PATIENCE:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise OptimizerFailed(f"the process died at {request['do']}")
        answer = json.loads(line)
        if "error" in answer:
            raise OptimizerFailed(answer["error"])
        return answer
