"""Where an ask spends its time: fit, acquisition, and the same work by Optuna's and BoTorch's processes.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 python benchmarks/parts.py [--peers]

Every row continues one optimisation for some asks on the same objective, BLAS pinned to one thread on
both sides, and reports medians of CPU time in milliseconds; trust the ratios of one run.
"""

import argparse
import time
import warnings

import numpy as np

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates.fit import fit
from bbopt.surrogates.threads import single_threaded

CLOCK = time.process_time  # on one thread, in quiet, the same as wall time; on a busy machine, fairer
CASES = ((20, 6), (50, 6), (100, 6), (200, 6), (500, 20))


def objective(x):
    """A curved valley with ripples."""
    return float(((x - 0.37) ** 2 * (1 + np.arange(len(x)))).sum() + 0.3 * np.sin(7 * x).sum())


def ours(n, d, asks):
    """Return seconds of (fit, acquisition) of each ask."""
    space, key = Space([Real(f"x{j}", 0, 1) for j in range(d)]), Key(0)
    X = space.sample(n, key)
    y = np.array([objective(x) for x in X])
    theta, times = fit(space, X, y).theta, []
    for _ in range(asks + 1):
        with single_threaded():
            start = CLOCK()
            gp = fit(space, X, y, previous=theta)
            fitted = CLOCK()
            theta = gp.theta
            best = gp.X[gp.fitted[:, 0].argmin()][None]
            acquisition = LogExpectedImprovement(gp, gp.incumbent)
            x = maximize(acquisition, space, 1, best, None, key.child(len(X)), exclude=X)
            times.append((fitted - start, CLOCK() - fitted))
        X, y = np.concatenate([X, x]), np.append(y, objective(x[0]))
    return np.array(times[1:])


def optuna_gp(n, d, asks):
    """Return seconds of each ask + tell of Optuna's GPSampler."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {f"x{j}": optuna.distributions.FloatDistribution(0, 1) for j in range(d)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=0))
    rng = np.random.default_rng(0)
    for x in rng.random((n, d)):
        params = dict(zip(space, x.tolist(), strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=objective(x)))
    times = []
    for _ in range(asks + 1):
        start = CLOCK()
        trial = study.ask(space)
        asked = CLOCK()
        value = objective(np.array(list(trial.params.values())))
        told = CLOCK()
        study.tell(trial, value)
        times.append(asked - start + CLOCK() - told)
    return np.array(times[1:])


def botorch_logei(n, d, asks):
    """Return seconds of each ask of SingleTaskGP + LogExpectedImprovement with recommended settings."""
    import torch
    from botorch.acquisition.analytic import LogExpectedImprovement as Peer
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    X = torch.tensor(rng.random((n, d)))
    y = torch.tensor([[-objective(x)] for x in X.numpy()], dtype=torch.double)
    bounds = torch.tensor([[0.0] * d, [1.0] * d], dtype=torch.double)
    times = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(asks):
            start = CLOCK()
            model = SingleTaskGP(X, y)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            best = Peer(model, best_f=y.max())
            x, _ = optimize_acqf(best, bounds, q=1, num_restarts=20, raw_samples=512)
            times.append(CLOCK() - start)
            X, y = (
                torch.cat([X, x]),
                torch.cat([y, torch.tensor([[-objective(x[0].numpy())]], dtype=torch.double)]),
            )
    return np.array(times)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="also time Optuna and BoTorch")
    parser.add_argument("--asks", type=int, default=20)
    parser.add_argument("--botorch-asks", type=int, default=5)
    options = parser.parse_args()
    print(f"{'n':>4} {'d':>3} {'fit':>8} {'acquire':>8} {'ask':>8}   Optuna (x)       BoTorch (x)")
    for n, d in CASES:
        times = ours(n, d, options.asks)
        parts, whole = 1e3 * np.median(times, axis=0), 1e3 * np.median(times.sum(axis=1))
        line = f"{n:>4} {d:>3} {parts[0]:>8.2f} {parts[1]:>8.2f} {whole:>8.2f}"
        if options.peers:
            peer = 1e3 * np.median(optuna_gp(n, d, options.asks))
            line += f"   {peer:>7.1f} ({peer / whole:>4.1f})"
            if options.botorch_asks and n <= 200:
                peer = 1e3 * np.median(botorch_logei(n, d, options.botorch_asks))
                line += f"   {peer:>7.0f} ({peer / whole:>4.0f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
