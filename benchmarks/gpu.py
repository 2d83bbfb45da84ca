"""Many loops on one GPU: bbopt's batches, BoTorch one loop after the other, bbopt's CPU path on one core.

1. 64 loops with n results each of Hartmann-6: fit a process from scratch, maximise LogEI. BoTorch fits the
   same model (Matérn-5/2, its own dimension-scaled prior, which is ours) on the same device, one loop after
   the other, and is timed on some of them; its priors of noise and output scale are its own. Required:
   batches 10 times as fast as BoTorch.
2. One log posterior with its gradient, against one core. Required: 20 times as fast at n = 2000.
3. LogEI at 10^5 candidates, n = 1000. Required: 50 ms.

What each fit and each search reached is judged by the same code, bbopt's on the CPU: nats of log posterior
below the best of the three fits, and LogEI below the best known on the method's own process, from a search
with five times the starts. From further timings the constants of bbopt/batched/dispatch.py are computed,
for both sides ("costs" in the results): copy them there.

Without a GPU nothing is measured; ``--device cpu --quick`` tries the script out.
"""

import time
from dataclasses import asdict

import common
import numpy as np
from scipy.optimize import nnls

from bbopt import problems
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.batched import Costs, Loop, suggest_many
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.surrogates.gp import Hyperparameters

PROBLEM = "hartmann6"
SPREAD = 0.1
"""Standard deviation of the points scattered about the best, in the unit cube."""
ASKS, EVALUATIONS, CANDIDATES = 10.0, 20.0, 0.05
"""What is required of the three tables: ratios, and seconds."""


def a_loop(n, seed):
    """Return a loop with n results: half a sample of the space, half scattered about the best of these."""
    problem = problems.get(PROBLEM)
    space, draw = problem.spec.space, np.random.default_rng(seed)
    X = space.sample(n - n // 2, Key(seed))
    best = X[problem.evaluate_many(X).argmin()]
    X = np.concatenate([X, space.project(best + SPREAD * draw.standard_normal((n // 2, space.d)))])
    return Loop(space, X, problem.evaluate_many(X))


def seconds(work, device, repeats=5):
    """Return the shortest time of some calls after a first one, and what the last returned."""
    import torch

    times = []
    for _ in range(repeats + 1):
        if device != "cpu":
            torch.cuda.synchronize()
        start = time.perf_counter()
        found = work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:]), found


def botorch_ask(loop, device):
    """Return BoTorch's suggestion (d,) and hyper-parameters, on outcomes in bbopt's model units."""
    import torch
    from botorch.acquisition.analytic import LogExpectedImprovement as Peer
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
    from botorch.optim import optimize_acqf
    from gpytorch.kernels import ScaleKernel
    from gpytorch.mlls import ExactMarginalLogLikelihood

    observed = loop.log_posterior().observed
    X = torch.as_tensor(observed.X, device=device)
    d = X.shape[1]
    kernel = ScaleKernel(get_covar_module_with_dim_scaled_prior(ard_num_dims=d, use_rbf_kernel=False))
    y = -torch.as_tensor(observed.y, device=device)[:, None]
    model = SingleTaskGP(X, y, covar_module=kernel, outcome_transform=None).to(X)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    acquisition = Peer(model, best_f=model.posterior(X).mean.max().detach())
    box = torch.stack([torch.zeros_like(X[0]), torch.ones_like(X[0])])
    x, _ = optimize_acqf(acquisition, box, q=1, num_restarts=10, raw_samples=512)
    lengths, scale = kernel.base_kernel.lengthscale, kernel.outputscale
    values = torch.cat([lengths.reshape(-1), scale.reshape(1), model.likelihood.noise.reshape(1)])
    return x[0].cpu().numpy(), np.log(values.detach().cpu().numpy())


def judged(loop, x, theta):
    """Return the log posterior of theta, and how much LogEI at x is below the best known on its process."""
    posterior = loop.log_posterior()
    gp = posterior.process(Hyperparameters.from_list(theta))
    acquisition = LogExpectedImprovement(gp, gp.incumbent)
    near = gp.X[np.argsort(gp.fitted[:, 0])[:5]]
    reference = maximize(acquisition, loop.space, 1, near, None, Key(0), restarts=40, raw=1280)
    values = acquisition.value(np.vstack([reference, x]))
    return posterior(np.asarray(theta))[0], values.max() - values[1]


def asks(options):
    """Return rows and results of the first table."""
    rows, results = [], []
    for n in (50, 100) if options.quick else (50, 100, 200, 500):
        loops = [a_loop(n, seed) for seed in range(options.loops)]
        few = loops[: options.peer_loops]
        time_batch, batch = seconds(
            lambda loops=loops: suggest_many(loops, options.device), options.device, 1
        )
        time_cpu, cpu = seconds(lambda few=few: suggest_many(few), "cpu", 1)
        time_peer, peer = seconds(
            lambda few=few: [botorch_ask(loop, options.device) for loop in few], options.device, 1
        )
        per_loop = {
            "bbopt, together": (time_batch / len(loops), [(s.x, s.theta) for s in batch[: len(few)]]),
            "bbopt, CPU path": (time_cpu / len(few), [(s.x, s.theta) for s in cpu]),
            "BoTorch": (time_peer / len(few), peer),
        }
        verdicts = {
            name: np.array([judged(loop, *s) for loop, s in zip(few, found, strict=True)])
            for name, (_, found) in per_loop.items()
        }
        best = np.max([v[:, 0] for v in verdicts.values()], axis=0)
        for name, (each, _) in per_loop.items():
            behind, gap = best - verdicts[name][:, 0], verdicts[name][:, 1]
            ratio = each / per_loop["bbopt, together"][0]
            reached = options.judge(ratio >= ASKS) if name == "BoTorch" else ""
            fits, searches = (f"{np.median(v):.1e}, {v.max():.1e}" for v in (behind, gap))
            rows.append([f"n={n}", name, f"{each * len(loops):.2f}", f"{ratio:.1f}", reached, fits, searches])
            results.append({"n": n, "method": name, "seconds": each * len(loops), "ratio": ratio})
            results[-1] |= {"behind": behind.tolist(), "gap": gap.tolist()}
        print(f"n={n}: " + ", ".join(f"{row[1]} {row[2]} s" for row in rows[-3:]), flush=True)
    return rows, results


def evaluations(options):
    """Return rows and results of the second table."""
    import torch

    from bbopt.batched.likelihood import BatchedLogPosterior

    rows, results, theta = [], [], np.array([[0.0] * 7 + [-6.0]])
    for n in (200, 500) if options.quick else (500, 1000, 2000, 4000):
        posterior = a_loop(n, 0).log_posterior()
        data = BatchedLogPosterior.of([posterior], options.device, n)
        at = torch.as_tensor(theta, device=options.device), torch.zeros_like(data.count, dtype=torch.int64)
        ours, (value, _) = seconds(lambda data=data, at=at: data(*at), options.device)
        core, (expected, _) = seconds(lambda p=posterior: p(theta[0]), "cpu", 2)
        reached = options.judge(core / ours >= EVALUATIONS) if n == 2000 else ""
        error = abs(float(value[0]) / expected - 1)
        rows.append(
            [n, f"{1e3 * ours:.2f}", f"{1e3 * core:.2f}", f"{core / ours:.1f}", reached, f"{error:.0e}"]
        )
        results.append({"n": n, "seconds": ours, "one core": core, "relative error": error})
    return rows, results


def process(n, device, loops=1):
    """Return processes on n points each, at fixed hyper-parameters."""
    import torch

    from bbopt.batched.gp import BatchedGP, BatchedLogEI
    from bbopt.batched.likelihood import BatchedLogPosterior

    posteriors = [a_loop(n, seed).log_posterior() for seed in range(loops)]
    theta = torch.tensor([[0.0] * 7 + [-6.0]] * loops, dtype=torch.float64, device=device)
    data = BatchedLogPosterior.of(posteriors, device)
    gp = BatchedGP.build(data, theta)
    return data, theta, BatchedLogEI(gp, gp.incumbent), posteriors


def candidates(options):
    """Return rows and results of the third table."""
    import torch

    n, count = (200, 10**4) if options.quick else (1000, 10**5)
    _, theta, acquisition, posteriors = process(n, options.device)
    F = torch.rand(1, count, 6, dtype=torch.float64, device=options.device)
    ours, values = seconds(lambda: acquisition.value(F), options.device)
    gp = posteriors[0].process(Hyperparameters.from_list(theta[0].tolist()))
    few = F[0, : count // 50].cpu().numpy()
    core, expected = seconds(lambda: LogExpectedImprovement(gp, gp.incumbent).value(few), "cpu", 2)
    error = float(np.abs(values[0, : len(few)].cpu().numpy() - expected).max())
    reached = options.judge(ours <= CANDIDATES)
    result = {"n": n, "candidates": count, "seconds": ours, "one core": 50 * core, "error": error}
    row = [f"n={n}, {count}", f"{1e3 * ours:.1f}", f"{5e4 * core:.0f}", f"{50 * core / ours:.0f}", reached]
    return [[*row, f"{error:.0e}"]], result


def calibrated(options):
    """Return the constants of the cost model, for one core and for the device."""
    import torch

    sizes = (64, 128, 256) if options.quick else (64, 128, 256, 512, 1024)
    core, device = [], []  # n, loops, seconds of log posteriors, seconds of 256 candidates each
    for n in sizes:
        for loops in (1,) if options.quick else (1, 8, 64):
            data, theta, acquisition, posteriors = process(n, options.device, loops)
            F = torch.rand(loops, 256, 6, dtype=torch.float64, device=options.device)
            which = torch.arange(loops, device=options.device)
            evaluated, _ = seconds(lambda d=data, t=theta, w=which: d(t, w), options.device)
            scored, _ = seconds(lambda a=acquisition, F=F: a.value(F), options.device)
            device.append((n, loops, evaluated, scored))
            if loops == 1:
                logs, X = theta[0].cpu().numpy(), F[0].cpu().numpy()
                gp = posteriors[0].process(Hyperparameters.from_list(logs))
                single = LogExpectedImprovement(gp, gp.incumbent)
                evaluated, _ = seconds(lambda p=posteriors[0], t=logs: p(t), "cpu")
                scored, _ = seconds(lambda a=single, X=X: a.value(X), "cpu")
                core.append((n, 1, evaluated, scored))
    return {"CPU": asdict(fitted(core, False)), "CUDA": asdict(fitted(device, True))}


def fitted(timings, is_batched):
    """Return the non-negative costs that come closest to timings, relative to these."""
    n, loops, evaluated, scored = np.array(timings, float).T
    one = np.ones_like(n)
    terms = np.stack([one, n * is_batched, loops * n**2, loops * n**3], axis=1)
    call, column, square, cube = nnls(terms / evaluated[:, None], one)[0].tolist()
    terms = np.stack([one, 256 * loops * n, 256 * loops * n**2], axis=1)
    _, cross, product = nnls(terms / scored[:, None], one)[0].tolist()
    return Costs(call, column, square, cube, cross, product, is_batched)


def main():
    """Print the tables and save them."""
    parser = common.arguments(__doc__, "gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--loops", type=int, default=64)
    parser.add_argument("--peer-loops", type=int, default=8, help="loops that BoTorch and the CPU path run")
    options = parser.parse_args()
    import torch

    if options.device != "cpu" and not torch.cuda.is_available():
        print("no GPU here: unmeasured")
        return
    on_gpu = options.device != "cpu"
    options.quick |= not on_gpu  # the targets are a GPU's
    options.judge = common.verdict if on_gpu and not options.quick else lambda holds: ""
    if options.quick:
        options.loops, options.peer_loops = min(options.loops, 4), min(options.peer_loops, 2)
    common.pin()
    settings = {
        "versions": common.versions("bbopt", "numpy", "scipy", "torch", "gpytorch", "botorch"),
        "device": torch.cuda.get_device_name() if on_gpu else "one core, by torch: to try the script out",
        "loops": f"{options.loops} together; BoTorch and the CPU path: {options.peer_loops}, times as many",
        "BoTorch": "SingleTaskGP with our kernel, LogExpectedImprovement; 10 restarts, 512 raw samples",
        "threads": "1",
    }
    print(__doc__)
    common.describe(settings)
    first, ask_results = asks(options)
    print()
    nats = ["nats behind: median, most", "LogEI behind: median, most"]
    common.table(["data", "method", "seconds", "times ours", "reached", *nats], first)
    second, evaluation_results = evaluations(options)
    common.table(["n", "ms", "one core, ms", "ratio", "reached", "relative error"], second)
    third, candidate_results = candidates(options)
    common.table(["candidates", "ms", "one core, ms", "ratio", "reached", "error"], third)
    costs = calibrated(options)
    for name, constants in costs.items():
        values = ", ".join(str(v) if isinstance(v, bool) else f"{v:.1e}" for v in constants.values())
        print(f"{name} = Costs({values})")
    results = {"asks": ask_results, "evaluations": evaluation_results, "candidates": candidate_results}
    common.save(options, settings, results | {"costs": costs})


if __name__ == "__main__":
    main()
