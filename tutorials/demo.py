"""The main job of bbopt, as `make demo` shows it: tune a real model, be killed, lose nothing.

Choose one of five scikit-learn models and its settings for reading handwritten digits. The tuning is
killed halfway, reopened and finished; then default settings and random search get the same chance.
Everything is kept in demo-out/, so a second run only shows the results.
"""

import argparse
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median

import numpy as np

from bbopt import JournalError, Status, Study, Trial
from bbopt.problems import EvaluationFailed, tune

PROBLEM = tune("cash-digits")  # what is tuned: problem(params) -> share of digits read wrongly
SPAWN = multiprocessing.get_context("spawn")  # children start afresh, as on every system
Show = Callable[[Study, Trial], None]
METHODS = {"auto": "bbopt", "random": "random search"}
PAUSE = 60.0  # a longer gap between two trials, in seconds, was a break between two processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=60, help="trials a study (default 60)")
    parser.add_argument("--seeds", type=int, default=3, help="studies a method (default 3)")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder (default demo-out)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    introduce(options)
    try:
        tune_and_survive(options.out / "tuning.db", options.budget)
        studies = compare(options)
        losses_of_defaults = defaults(options.out / "defaults.json")
    except KeyboardInterrupt:
        sys.exit(
            f"\n\nStopped. What was told is in {options.out}/; run the demo again and it goes on from there."
        )
    traces = {m: np.array([best_so_far(s)[: options.budget] for s in studies[m]]) for m in METHODS}
    show_best(studies["auto"][0])
    show_comparison(traces, losses_of_defaults)
    show_seconds(studies)
    plot(traces, losses_of_defaults, options.out / "convergence.png")
    say(f"\nPlot: {options.out / 'convergence.png'}.   To start anew: rm -r {options.out}")


# --- the job: this is all that a user writes ----------------------------------------------------------


def search(path: Path, strategy: str, seed: int, budget: int, show: Show | None = None) -> None:
    """Ask, evaluate, tell, until `budget` trials have ended. Run again, it goes on where it was."""
    study = Study(PROBLEM.spec.space, "loss", strategy=strategy, storage=path, seed=seed)
    while n_ended(study) < budget:
        trial = study.ask(worker="demo")  # a worker that comes back gets its unfinished trial first
        start = time.perf_counter()
        try:
            loss = PROBLEM(trial.params)
        except EvaluationFailed as error:
            trial = study.fail(trial, str(error), cost=time.perf_counter() - start)
        else:
            trial = study.tell(trial, loss, cost=time.perf_counter() - start)
        if show is not None:
            show(study, trial)
    study.close()


# --- killed and reopened ------------------------------------------------------------------------------


def tune_and_survive(path: Path, budget: int) -> None:
    """Tune in a child process, kill it midway, reopen its journal and finish here."""
    seen = None
    if not path.exists():
        say("Tuning, in a process of its own that will be killed without warning\n")
        show_progress_header()
        child = SPAWN.Process(target=search, args=(path, "auto", 0, budget, show_progress))
        with children_ignore_ctrl_c():
            child.start()
        seen = kill_midway(child, path, after=int(0.45 * budget))
        say(f"\n    Process {child.pid} was killed (SIGKILL): it had no chance to save anything.\n")
    with Study.open(path) as study:
        n, pending = n_ended(study), study.pending
    if n >= budget:
        say(f"The finished tuning was found in {path}: nothing is run again.\n")
        return
    say(f"Reopening {path}\n")
    say(f"    {n} trials told, {len(pending)} pending.")
    if seen is not None:
        say(f"    Another process had seen {seen} told before the kill: {max(seen - n, 0)} are lost.")
    for trial in pending:
        say(f"    Trial {trial.number} was under way and is taken up again:")
        say(f"    {describe(trial)}")
    say()
    show_progress_header()
    resumed = [trial.number for trial in pending]
    search(path, "auto", 0, budget, show=partial(show_progress, resumed=resumed))
    with Study.open(path) as study:
        numbers = [trial.number for trial in study.trials if trial.status in (Status.COMPLETE, Status.FAILED)]
    if numbers == list(range(budget)):
        say(f"\n    Trials 0 to {budget - 1}: each is there once, with a result. None was lost.\n")


def kill_midway(child: BaseProcess, path: Path, after: int) -> int:
    """Watch the journal from outside; kill the child while it evaluates, once `after` results are told.

    Returns how many results had been seen by then.
    """
    watched, seen = None, 0
    try:
        while child.is_alive():
            try:
                watched = watched or Study.open(path)
            except JournalError:  # the child has not created it yet
                pass
            else:
                seen = n_ended(watched)
                if seen >= after and watched.pending:
                    break
            time.sleep(0.02)
    finally:
        child.kill()
        child.join()
    if watched is None or child.exitcode >= 0:
        sys.exit(f"The tuning process ended by itself (exit code {child.exitcode}); its message is above.")
    watched.close()
    return seen


@contextmanager
def children_ignore_ctrl_c() -> Iterator[None]:
    """Processes started in here leave Ctrl-C to their parent, which ends them."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


# --- what else scores ---------------------------------------------------------------------------------


def compare(options: argparse.Namespace) -> dict[str, list[Study]]:
    """Run both methods with the same budget and seeds; return the studies, bbopt's first the one above."""
    folder = options.out / "comparison"
    folder.mkdir(exist_ok=True)
    paths = {(m, k): folder / f"{m}-{k}.db" for m in METHODS for k in range(options.seeds)}
    paths["auto", 0] = options.out / "tuning.db"
    missing = [key for key, path in paths.items() if not is_finished(path, options.budget)]
    if missing:
        say("Random search with the same budget, and both with other seeds; two at a time\n")
        with children_ignore_ctrl_c():
            pool = SPAWN.Pool(2)
        jobs = [(paths[key], *key, options.budget) for key in missing]
        with pool:
            for method, seed in pool.imap_unordered(search_one, jobs):
                with Study.open(paths[method, seed]) as study:
                    loss = study.best(by="observed").value
                say(f"    {METHODS[method]:<14} seed {seed}   best error {loss:.3f}")
        say()
    return {m: [Study.open(paths[m, k]) for k in range(options.seeds)] for m in METHODS}


def search_one(job: tuple[Path, str, int, int]) -> tuple[str, int]:
    """Run one study to its end; return its method and seed."""
    search(*job)
    return job[1], job[2]


def is_finished(path: Path, budget: int) -> bool:
    if not path.exists():
        return False
    with Study.open(path) as study:
        return n_ended(study) >= budget


def defaults(path: Path) -> dict[str, float]:
    """Return the error of each model with scikit-learn's default settings, best first."""
    if not path.exists():
        path.write_text(json.dumps(PROBLEM.defaults()))
    losses = json.loads(path.read_text())
    return dict(sorted(losses.items(), key=lambda item: item[1]))


# --- what is printed ----------------------------------------------------------------------------------


def say(line: str = "") -> None:
    print(line, flush=True)  # at once, also into a pipe: the child may be killed at any moment


def introduce(options: argparse.Namespace) -> None:
    space = PROBLEM.spec.space
    n_conditional = sum(bool(parameter.when) for parameter in space.parameters)
    say("Tuning a reader of handwritten digits\n")
    say("    data      500 images of scikit-learn's digits, 3-fold cross-validation")
    say(f"    space     {len(PROBLEM.models)} models: {', '.join(PROBLEM.models)}")
    say(f"              {len(space.parameters)} parameters, {n_conditional} of them conditional")
    say("    loss      share of images read wrongly")
    say(f"    budget    {options.budget} trials, journal in {options.out / 'tuning.db'}\n")


def show_progress_header() -> None:
    say("    trial   model         error    best so far")


def show_progress(study: Study, trial: Trial, resumed: Sequence[int] = ()) -> None:
    """Show a trial that is better than all before, every tenth, and what was taken up again."""
    best = best_so_far(study)[: trial.number + 1]
    is_better = best[-1] < min(best[:-1], default=np.inf)
    if is_better or trial.number % 10 == 9 or trial.number in resumed:
        error = "failed" if trial.value is None else f"{trial.value:.3f}"
        note = "taken up again" if trial.number in resumed else "better" if is_better else ""
        line = f"    {trial.number:>5}   {trial.params['model']:<10} {error:>8} {best[-1]:>13.3f}   {note}"
        say(line.rstrip())


def show_best(study: Study) -> None:
    complete = sorted((t for t in study.trials if t.value is not None), key=lambda t: (t.value, t.number))
    say("The best trials\n")
    say("    trial   error   model and settings")
    for trial in complete[:5]:
        say(f"    {trial.number:>5}   {trial.value:.3f}   {describe(trial)}")


def show_comparison(traces: dict[str, np.ndarray], losses_of_defaults: dict[str, float]) -> None:
    n_seeds, n = traces["auto"].shape
    say(f"\nThe error after {n} trials       median of {n_seeds} seeds   lowest   highest\n")
    for method, name in METHODS.items():
        final = traces[method][:, -1]
        say(f"    {name:<27} {np.median(final):>16.3f} {final.min():>8.3f} {final.max():>9.3f}")
    say()
    for model, loss in losses_of_defaults.items():
        say(f"    {f'{model}, default settings':<27} {loss:>16.3f}")
    say("\n    Settings were picked on these very folds, which flatters what was searched a little.")


def show_seconds(studies: dict[str, list[Study]]) -> None:
    say("\nSeconds a study, median               asking   evaluating\n")
    for method, name in METHODS.items():
        asking = median(seconds_asking(study) for study in studies[method])
        evaluating = median(float(np.nansum(study.history.cost)) for study in studies[method])
        say(f"    {name:<29} {asking:>10.1f} {evaluating:>12.1f}")


def describe(trial: Trial) -> str:
    """Return "svm: C=12.3, kernel=rbf" from params such as {"model": "svm", "svm__C": 12.3, ...}."""
    model = trial.params["model"]
    settings = []
    for name, value in trial.params.items():
        if name != "model":
            shown = f"{value:.3g}" if isinstance(value, float) else value
            settings.append(f"{name.removeprefix(f'{model}__')}={shown}")
    return f"{model}: {', '.join(settings)}"


# --- what is read from the studies --------------------------------------------------------------------


def n_ended(study: Study) -> int:
    """Return how many trials have a result or failed."""
    return study.n_finished


def best_so_far(study: Study) -> list[float]:
    """Return the lowest error after each trial; failed ones change nothing."""
    values = [np.inf if trial.value is None else trial.value for trial in study.trials]
    return np.minimum.accumulate(values).tolist()


def seconds_asking(study: Study) -> float:
    """Return the time from each result to the next trial: proposing it, and writing both to disk."""
    trials = list(study.trials)
    gaps = [after.asked - before.told for before, after in pairwise(trials)]
    return sum(gap for gap in gaps if gap < PAUSE)


# --- the plot -----------------------------------------------------------------------------------------


def plot(traces: dict[str, np.ndarray], losses_of_defaults: dict[str, float], path: Path) -> None:
    """Save the best error so far of every study, medians in bold, defaults as lines."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    colors = {"auto": "#1b6ca8", "random": "#d9822b"}
    for method, name in METHODS.items():
        steps = 100 * np.hstack([traces[method], traces[method][:, -1:]])  # the last step, too, has a width
        x = np.arange(1, steps.shape[1] + 1)
        label = f"{name}: {len(steps)} seeds, their median in bold"
        axes.step(x, steps.T, where="post", color=colors[method], alpha=0.35, linewidth=1)
        axes.step(x, np.median(steps, axis=0), where="post", color=colors[method], linewidth=2.6, label=label)
    for loss in losses_of_defaults.values():
        axes.axhline(100 * loss, color="0.7", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    note = {"xycoords": ("axes fraction", "data"), "va": "center", "color": "0.4", "size": 9}
    for model, height in spread(losses_of_defaults).items():
        axes.annotate(f"{model}, defaults", (1.01, 100 * height), **note)
    axes.set(xlim=(1, x[-1]), ylim=(3.8, 25), yscale="log", xlabel="trials")
    axes.set_yticks([4, 5, 6, 8, 10, 15, 20], [f"{tick} %" for tick in (4, 5, 6, 8, 10, 15, 20)])
    axes.minorticks_off()
    axes.set_title("Digits read wrongly by the best model so far", loc="left", pad=12)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def spread(heights: dict[str, float], gap: float = 1.06) -> dict[str, float]:
    """Move labels apart, upwards, until each is `gap` times as high as the one below."""
    moved: dict[str, float] = {}
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        moved[name] = max([height, *(gap * below for below in moved.values())])
    return moved


if __name__ == "__main__":
    main()
