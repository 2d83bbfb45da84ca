"""Draw the figures of the README: `python docs/figures/make.py` (a minute or two).

Left: what one ask looks at, in one dimension. Right: Hartmann-6, bbopt's default against random search
and a Sobol design, 20 seeds each.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from bbopt import Objective, Real, Space, Study
from bbopt.problems import get

HERE = Path(__file__).parent
BLUE, ORANGE, GREY = "#1b6ca8", "#d9822b", "#7a7a7a"
METHODS = {"random": ("random search", ORANGE), "sobol": ("Sobol design", GREY), "auto": ("bbopt", BLUE)}
BELOW = {"frameon": False, "fontsize": 9, "loc": "upper center", "bbox_to_anchor": (0.5, -0.16)}
SEEDS, BUDGET = 20, 60


def main() -> None:
    """Draw both panels into one file."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
    draw_model(left)
    draw_regret(right)
    figure.savefig(HERE / "overview.png", dpi=110)


def wave(x: float) -> float:
    """Return the function of the left panel."""
    return float(np.sin(1.9 * x) + 0.5 * np.sin(4.1 * x + 1.0) - 0.12 * x)


def draw_model(axes: plt.Axes, n: int = 7, seed: int = 0) -> None:
    """Draw the process after n results, and where it asks next."""
    study = Study(Space([Real("x", 0, 6)]), Objective("y", noise=0), seed=seed)
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, wave(trial.params["x"]))
    x = np.linspace(0, 6, 500)
    predictions = study.predict([{"x": float(value)} for value in x])
    mean = np.array([prediction.mean for prediction in predictions])
    sd = np.array([prediction.sd for prediction in predictions])
    told = [(trial.params["x"], trial.value) for trial in study.trials]
    following = study.ask().params["x"]
    axes.fill_between(x, mean - 2 * sd, mean + 2 * sd, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(
        x, [wave(value) for value in x], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), label="the truth"
    )
    axes.plot(x, mean, color=BLUE, linewidth=2, label="the model ± 2 sd")
    axes.plot(*zip(*told, strict=True), "o", color="black", markersize=5, label="told", zorder=3)
    axes.axvline(following, color=ORANGE, linewidth=1.6, label="asked next")
    axes.set(xlim=(0, 6), xlabel="x", ylabel="y")
    axes.set_title(f"{n} results, and the next question", loc="left", pad=10)
    axes.legend(**BELOW, ncol=4)


def regrets(method: str, seed: int) -> np.ndarray:
    """Return the regret of the best trial so far on Hartmann-6, shape (BUDGET,)."""
    problem = get("hartmann6")
    study = Study(problem.spec.space, "y", strategy=method, seed=seed)
    study.run(problem, BUDGET)
    return np.minimum.accumulate([problem.regret(trial.value) for trial in study.trials])


def draw_regret(axes: plt.Axes) -> None:
    """Draw medians and quartiles of the regret."""
    jobs = [(method, seed) for method in METHODS for seed in range(SEEDS)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        curves = dict(zip(jobs, pool.map(regrets, *zip(*jobs, strict=True)), strict=True))
    trials = np.arange(1, BUDGET + 1)
    for method, (name, color) in METHODS.items():
        low, middle, high = np.quantile(
            [curves[method, seed] for seed in range(SEEDS)], [0.25, 0.5, 0.75], axis=0
        )
        axes.fill_between(trials, low, high, step="post", color=color, alpha=0.15, linewidth=0)
        axes.step(trials, middle, where="post", color=color, linewidth=2, label=name)
        print(f"{name}: median regret {middle[-1]:.3f} after {BUDGET} trials, {SEEDS} seeds")  # noqa: T201
    axes.set(yscale="log", xlim=(1, BUDGET), xlabel="trials", ylabel="regret")
    axes.set_title(f"Hartmann-6: median and quartiles, {SEEDS} seeds", loc="left", pad=10)
    axes.legend(**BELOW, ncol=3)


if __name__ == "__main__":
    main()
