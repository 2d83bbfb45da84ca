"""The batched log posterior against the one on LAPACK, and fits that reach the same maxima."""

from dataclasses import replace

import numpy as np
import pytest
from loops import a_loop, box, posterior_of, some_theta

from bbopt.batched import Loop
from bbopt.errors import FitError, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.surrogates import cold, fit
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.factor import JITTERS
from bbopt.surrogates.kernels import RBF, Linear, Matern
from bbopt.surrogates.likelihood import LogPosterior

torch = pytest.importorskip("torch")
from bbopt.batched import likelihood  # noqa: E402
from bbopt.batched.likelihood import BatchedLogPosterior  # noqa: E402

SIZES = (1, 7, 20, 40, 63)


def at(data, theta, problem=None):
    problem = np.arange(len(theta)) if problem is None else problem
    value, gradient = data(torch.as_tensor(theta), torch.as_tensor(problem))
    return value.numpy(), gradient.numpy()


def assert_same(data, posteriors, theta, rtol=1e-10):
    value, gradient = at(data, theta)
    for i, posterior in enumerate(posteriors):
        expected, slopes = posterior(theta[i])
        np.testing.assert_allclose(value[i], expected, rtol=rtol)
        np.testing.assert_allclose(gradient[i], slopes, rtol=0, atol=rtol * np.abs(slopes).max())


@pytest.mark.parametrize("kernel", [Matern(), Matern(1.5), Matern(0.5), RBF(), Matern(columns=("x0", "x2"))])
def test_values_and_gradients_are_those_of_lapack(kernel):
    posteriors = [posterior_of(a_loop(n, n), kernel) for n in SIZES]
    assert_same(BatchedLogPosterior.of(posteriors, "cpu"), posteriors, some_theta(posteriors))


def test_replicates_and_declared_noise_count_as_on_the_cpu():
    loops = [a_loop(30, seed) for seed in range(4)]
    twice = replace(loops[0], X=np.tile(loops[0].X[:15], (2, 1)))
    variance = np.where(np.arange(30) < 12, 0.02, np.nan)
    posteriors = [
        posterior_of(twice),
        posterior_of(replace(loops[1], variance=variance)),
        posterior_of(replace(loops[2], noise=0.2)),
        posterior_of(replace(twice, variance=variance)),
    ]
    assert posteriors[0].n == 15
    assert not posteriors[2].learns_noise
    assert_same(BatchedLogPosterior.of(posteriors, "cpu"), posteriors, some_theta(posteriors))


def test_categorical_and_conditional_columns_are_features_here_too():
    space = Space(
        [Real("a", 0, 1), Categorical("kind", ["u", "v", "w"]), Real("b", 0, 1, when={"kind": "v"})]
    )
    posteriors = []
    for seed, n in enumerate((25, 50)):
        X = space.sample(n, Key(seed))
        posteriors.append(posterior_of(Loop(space, X, np.random.default_rng(seed).standard_normal(n))))
    assert_same(BatchedLogPosterior.of(posteriors, "cpu"), posteriors, some_theta(posteriors))


def test_padding_changes_nothing():
    posterior = posterior_of(a_loop(50, 0))
    theta = some_theta([posterior])
    exact = at(BatchedLogPosterior.of([posterior], "cpu", 50), theta)
    padded = at(BatchedLogPosterior.of([posterior], "cpu", 128), theta)
    np.testing.assert_allclose(padded[0], exact[0], rtol=1e-12)
    np.testing.assert_allclose(padded[1], exact[1], rtol=1e-11)


def test_problems_in_parts_and_alone_are_the_same(monkeypatch):
    posteriors = [posterior_of(a_loop(n, n)) for n in SIZES]
    theta, order = some_theta(posteriors), np.array([3, 0, 4, 4, 1])
    together = at(BatchedLogPosterior.of(posteriors, "cpu"), theta, order)
    monkeypatch.setattr(likelihood, "MOST_ELEMENTS", 2 * 64**2)
    in_parts = at(BatchedLogPosterior.of(posteriors, "cpu"), theta, order)
    np.testing.assert_allclose(in_parts[0], together[0], rtol=1e-12)
    for k, i in enumerate(order):
        alone = at(BatchedLogPosterior.of([posteriors[i]], "cpu", 64), theta[[k]])
        np.testing.assert_allclose(alone[0][0], together[0][k], rtol=1e-12)
        np.testing.assert_allclose(alone[1][0], together[1][k], rtol=1e-10)


def singular():
    """Exact outcomes at points so close that the covariance needs jitter, and an ordinary data set."""
    x = 0.5 + np.arange(40) * 1e-4
    close = posterior_of(Loop(box(3), np.column_stack([x, x, x]), np.sin(30 * x), noise=0.0), RBF())
    theta = np.array([[1.0, 1.0, 1.0, 30.0, -18.0], [0.0, 0.0, 0.0, 0.0, -5.0]])
    return [close, posterior_of(a_loop(40, 1), RBF())], theta


def test_jitter_is_that_of_lapack_and_only_where_it_is_needed():
    posteriors, theta = singular()
    assert np.isfinite(posteriors[0](theta[0])[0])
    data = BatchedLogPosterior.of(posteriors, "cpu")
    assert data._evaluate(torch.as_tensor(theta), torch.arange(2), 0.0)[2].tolist() == [True, False]
    value, _ = at(data, theta)
    np.testing.assert_allclose(value[0], posteriors[0](theta[0])[0], rtol=1e-5)
    np.testing.assert_allclose(value[1], posteriors[1](theta[1])[0], rtol=1e-10)


def test_without_enough_jitter_the_density_is_zero(monkeypatch):
    posteriors, theta = singular()
    monkeypatch.setattr(likelihood, "JITTERS", JITTERS[:1])
    value, gradient = at(BatchedLogPosterior.of(posteriors, "cpu"), theta)
    assert value[0] == -np.inf
    assert np.all(gradient[0] == 0.0)
    assert np.isfinite(value[1])


def test_a_data_set_that_no_start_fits_is_named():
    good = posterior_of(a_loop(20, 1))
    bad = LogPosterior(good.covariance, replace(good.observed, y=np.full(20, np.nan)), good.prior, True)
    starts = fit.starts(good, None)
    with pytest.raises(FitError, match=r"data sets \[1\]"):
        BatchedLogPosterior.of([good, bad], "cpu").maximize([starts, starts], [1, 1])


def test_everything_is_in_double_precision_whatever_torch_is_set_to():
    assert torch.get_default_dtype() == torch.float32
    posteriors = [posterior_of(a_loop(20, 0))]
    data = BatchedLogPosterior.of(posteriors, "cpu")
    value, gradient = data(torch.as_tensor(some_theta(posteriors)), torch.zeros(1, dtype=torch.int64))
    assert value.dtype == gradient.dtype == torch.float64
    assert not value.requires_grad


@pytest.mark.parametrize("d", [2, 6])
def test_cold_fits_reach_the_optima_of_the_cpu(d):
    posteriors = [posterior_of(a_loop(n, n, d)) for n in (6, 12, 20, 30, 31, 50, 60)]
    starts = [fit.starts(posterior, None) for posterior in posteriors]
    data = BatchedLogPosterior.of(posteriors, "cpu")
    tried = [
        cold.every_start(one.covariance.hyperprior, first)
        for one, first in zip(posteriors, starts, strict=True)
    ]
    theta, value = data.maximize(tried, [1] * len(starts))
    for i, posterior in enumerate(posteriors):
        assert value[i] >= fit.maximize(posterior, starts[i]).value - 0.05
        np.testing.assert_allclose(posterior(theta[i].numpy())[0], value[i], rtol=1e-9)


def test_warm_fits_take_few_evaluations_and_stay_close():
    posteriors = [posterior_of(a_loop(n, n)) for n in (30, 50)]
    starts = []
    for n in (29, 49):
        loop = a_loop(n + 1, n + 1)
        before = posterior_of(replace(loop, X=loop.X[:-1], y=loop.y[:-1]))
        last = fit.maximize(before, fit.starts(before, None)).hyperparameters.to_list()
        starts.append(np.array([last]) + 0.3)  # something is to be gained
    data, evaluations = BatchedLogPosterior.of(posteriors, "cpu"), []

    class Counted(BatchedLogPosterior):
        def __call__(self, theta, problem):
            evaluations.append(theta)
            return super().__call__(theta, problem)

    _, value = Counted(*(getattr(data, name) for name in data.__slots__)).maximize(starts, [1, 1])
    assert len(evaluations) <= fit.MOST_WARM
    first_step = torch.linalg.vector_norm(evaluations[1] - evaluations[0], dim=1)
    assert first_step.max() <= fit.limits(30, 1).unit * (1 + 1e-9)
    for i, posterior in enumerate(posteriors):
        assert value[i] > posterior(starts[i][0])[0] + 0.3
        assert value[i] >= fit.maximize(posterior, starts[i]).value - 0.05


def test_what_batches_do_not_take_is_refused():
    loop = a_loop(10, 0)
    with pytest.raises(UnsupportedError, match="stationary kernel"):
        BatchedLogPosterior.of([posterior_of(loop, Linear())], "cpu")
    with pytest.raises(UnsupportedError, match="2 forms"):
        BatchedLogPosterior.of([posterior_of(loop), posterior_of(loop, RBF())], "cpu")
    plain = posterior_of(loop)
    warped = LogPosterior(Covariance(loop.space, Matern(), True), plain.observed, plain.prior, True)
    with pytest.raises(UnsupportedError, match="is_warped=True"):
        BatchedLogPosterior.of([warped], "cpu")
