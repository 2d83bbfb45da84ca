"""What a Gaussian process of many results loses: a local one and sparse ones, against the exact process.

- local: what bbopt takes above 1000 results: a core of 1000 of them, and of each point its closest others.
- subset: the core alone.
- FITC, VFE: all results through 1000 inducing points, which are those of the core (Snelson and Ghahramani
  2006; Titsias 2009). They take n 1000² operations, and a likelihood of all results as many again.

All have the hyper-parameters that the local process learnt. The results are those of a run: half spread out,
half in clouds that move on with the best. Errors are root mean squares in units of the exact process's, at
400 points a twentieth of the ranges away from the best ten results and at 400 a quarter away; nats are what
an outcome there is less likely by, in the mean.

Nothing is required: this is the evidence for the local process; see docs/decisions/007-many-results.md.
"""

import time

import common
import numpy as np
from scipy.linalg import cholesky, solve_triangular

from bbopt import GaussianProcess, problems
from bbopt.rng import Key

PROBLEMS = ("levy10", "rosenbrock10", "hartmann6", "levy20", "ackley20")
KNOWN = (2000, 4000)
NEAR, FAR = 0.05, 0.25
BEST, TESTED = 10, 400
NUGGET = 1e-8
"""The noise variance of results without noise, relative to the output scale."""


def main():
    """Print and save the table."""
    parser = common.arguments(__doc__, "approximations")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    options = parser.parse_args()
    common.pin()
    known = (1200,) if options.quick else KNOWN
    settings = {"versions": common.versions("numpy", "scipy"), "threads": "1", "instances": "shifted1"}
    print(__doc__)
    common.describe(settings)
    results = []
    for name in options.problems[:1] if options.quick else options.problems:
        for n in known:
            results += compared(name, n)
    rows = [
        [f"{one['problem']}, {one['n']}, {one['where']}", f"{one['exact error']:.2g}"]
        + [f"{lost['error']:.2f} ({lost['nats']:+.2f})" for lost in one["lost"].values()]
        for one in results
    ]
    common.table(["results, points", "exact error", *results[0]["lost"]], rows)
    common.save(options, settings, results)


def compared(name, n):
    """Return the errors of all processes on one problem: one entry near the best, one far away."""
    problem = problems.get(f"shifted1-{name}")
    generator = Key(0, ("approximations", name, n)).generator()
    X, y = gathered(problem, n, generator)
    local, _ = GaussianProcess().fit(problem.spec.space, X, y, noise=0.0)
    start = time.process_time()
    exact = _Exact(local, X, y)
    seconds = {"exact": time.process_time() - start}
    start = time.process_time()
    fitc = _Inducing(local, X, y, is_fitc=True)
    seconds["FITC"] = time.process_time() - start
    processes = {"local": local, "subset": local.core, "FITC": fitc, "VFE": _Inducing(local, X, y, False)}
    found = []
    for where, spread in (("near", NEAR), ("far", FAR)):
        T = _around(X[np.argsort(y)[:BEST]], TESTED, spread, generator)
        z = local.outcome(problem.evaluate_many(T))
        least, likely = _score(exact, T, z)
        lost = {}
        for kind, process in processes.items():
            error, nats = _score(process, T, z)
            lost[kind] = {"error": error / least, "nats": nats - likely}
        found.append(
            {
                "problem": name,
                "n": n,
                "where": where,
                "exact error": least,
                "lost": lost,
                "seconds": seconds,
            }
        )
    return found


def gathered(problem, n, generator):
    """Return n points (n, d) and outcomes as a run gathers them."""
    X = generator.random((n // 2, problem.spec.space.d))
    y = problem.evaluate_many(X)
    while len(X) < n:
        centres = X[np.argsort(y)[: BEST // 2]]
        new = _around(centres, 50, 0.15 * generator.choice([0.3, 1.0], (50, 1)), generator)
        X, y = np.concatenate([X, new]), np.concatenate([y, problem.evaluate_many(new)])
    return X[:n], y[:n]


def _around(centres, count, spread, generator):
    chosen = centres[generator.integers(0, len(centres), count)]
    return np.clip(chosen + spread * generator.standard_normal(chosen.shape), 0, 1)


def _score(process, T, z):
    """Return the root mean squared error at points T (b, d), and the mean negative log density of z (b,)."""
    means, variances = process.posterior(T)
    variances = np.maximum(variances[:, 0], 1e-12) + NUGGET
    squares = (means[:, 0] - z) ** 2
    return float(np.sqrt(squares.mean())), float(
        0.5 * np.mean(np.log(2 * np.pi * variances) + squares / variances)
    )


class _Given:
    """Results as a covariance with hyper-parameters sees them: those of a local process."""

    def __init__(self, local, X, y):
        self.covariance, self.theta = local.covariance, local.hyperparameters.theta
        self.scale, self.mean = local.hyperparameters.scale, local.core.mean
        self.X, self.residual = X, local.outcome(y) - self.mean

    def k(self, A, B):
        """Return covariances of points (a, d) and (b, d)."""
        placed = [self.covariance.place_points(self.theta, points)[0] for points in (A, B)]
        return self.scale * np.asarray(placed[0].cross(placed[1])[0])


class _Exact(_Given):
    """Everything known, (n, n)."""

    def __init__(self, local, X, y):
        super().__init__(local, X, y)
        self.L = cholesky(self.k(X, X) + NUGGET * self.scale * np.eye(len(X)), lower=True)
        self.white = solve_triangular(self.L, self.residual, lower=True)

    def posterior(self, T):
        """Return means and variances (b, 1)."""
        V = solve_triangular(self.L, self.k(self.X, T), lower=True)
        return (self.mean + V.T @ self.white)[:, None], (self.scale - (V**2).sum(axis=0))[:, None]


class _Inducing(_Given):
    """Everything known through what the points of the core say of it; FITC keeps each result's variance."""

    def __init__(self, local, X, y, is_fitc):
        super().__init__(local, X, y)
        self.points = local.X
        nugget = NUGGET * self.scale
        self.L = cholesky(self.k(self.points, self.points) + nugget * np.eye(len(local.X)), lower=True)
        A = solve_triangular(self.L, self.k(self.points, X), lower=True)
        noise = nugget + is_fitc * np.maximum(self.scale - (A**2).sum(axis=0), 0.0)
        self.L_data = cholesky(np.eye(len(A)) + (A / noise) @ A.T, lower=True)
        self.white = solve_triangular(self.L_data, A @ (self.residual / noise), lower=True)

    def posterior(self, T):
        """Return means and variances (b, 1)."""
        V = solve_triangular(self.L, self.k(self.points, T), lower=True)
        W = solve_triangular(self.L_data, V, lower=True)
        variances = self.scale - (V**2).sum(axis=0) + (W**2).sum(axis=0)
        return (self.mean + W.T @ self.white)[:, None], variances[:, None]


if __name__ == "__main__":
    main()
