"""Suggestions for many loops: as good as those of the CPU path, independent of each other, in their boxes."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from loops import a_loop, box, posterior_of

from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.batched import Loop, suggest_many
from bbopt.errors import DataError, FitError, MissingExtra, UnsupportedError
from bbopt.maximizers.multistart import RAW, maximize
from bbopt.rng import Key
from bbopt.space import Integer, Real, Space
from bbopt.surrogates.cold import MOST_STARTS
from bbopt.surrogates.fit import fit, starts
from bbopt.surrogates.fit import maximize as maximum
from bbopt.surrogates.gp import Hyperparameters

torch = pytest.importorskip("torch")
from bbopt.batched import multistart  # noqa: E402
from bbopt.batched.gp import BatchedGP, BatchedLogEI  # noqa: E402
from bbopt.batched.likelihood import BatchedLogPosterior  # noqa: E402


def processes(d, sizes):
    """Return fitted processes, and the same in a batch."""
    posteriors = [posterior_of(a_loop(n, n, d)) for n in sizes]
    found = [maximum(p, starts(p, None)).hyperparameters for p in posteriors]
    theta = torch.tensor([h.to_list() for h in found], dtype=torch.float64)
    batch = BatchedGP.build(BatchedLogPosterior.of(posteriors, "cpu"), theta)
    return [p.process(h) for p, h in zip(posteriors, found, strict=True)], batch


def near(process):
    return process.X[np.argsort(process.fitted[:, 0], kind="stable")[:5]]


def search(singles, batch, exclude):
    """Return points and values found in a batch; process i draws from Key(i)."""
    return multistart.maximize(
        BatchedLogEI(batch, batch.incumbent),
        [process.covariance.space for process in singles],
        np.array([process.scale for process in singles]),
        [near(process) for process in singles],
        exclude,
        [Key(i) for i in range(len(singles))],
    )


@pytest.mark.parametrize(("d", "sizes"), [(2, (5, 12, 20, 50)), (6, (20, 31, 40, 60)), (12, (40, 60))])
def test_the_search_finds_no_less_than_that_of_the_cpu(d, sizes):
    singles, batch = processes(d, sizes)
    assert min(process.scale.min() for process in singles) < 0.7  # else units make no difference
    X, values = search(singles, batch, [process.X for process in singles])
    for i, process in enumerate(singles):
        acquisition = LogExpectedImprovement(process, process.incumbent)
        x = maximize(acquisition, box(d), 1, near(process), None, Key(i), exclude=process.X)
        np.testing.assert_allclose(acquisition.value(X[[i]]), values[i], rtol=1e-8)
        assert values[i] >= acquisition.value(x)[0] - 1e-6


def test_what_is_excluded_is_not_returned():
    singles, batch = processes(2, (20,))
    first, best = search(singles, batch, [singles[0].X])
    second, value = search(singles, batch, [np.vstack([singles[0].X, first])])
    assert not np.array_equal(first, second)
    assert best[0] - 0.1 < value[0] <= best[0]


@pytest.mark.parametrize("draws", [0, 8])
def test_both_paths_suggest_equally_promising_points(draws):
    loops = [a_loop(n, n) for n in (3, 20, 40)]
    for one, other in zip(
        suggest_many(loops, draws=draws), suggest_many(loops, "cpu", draws=draws), strict=True
    ):
        assert other.log_posterior == pytest.approx(one.log_posterior, abs=0.05)
        assert other.acquisition == pytest.approx(one.acquisition, abs=0.1)
        assert np.all((other.x >= 0) & (other.x <= 1))


def test_the_cpu_path_is_a_fit_and_a_search():
    loop = a_loop(30, 2)
    gp = fit(loop.space, loop.X, loop.y)
    near = gp.X[np.argsort(gp.fitted[:, 0], kind="stable")[:5]]
    acquisition = LogExpectedImprovement(gp, gp.incumbent)
    x = maximize(acquisition, loop.space, 1, near, None, Key(5).child(0), exclude=loop.X)
    found = suggest_many([loop], rng=Key(5))[0]
    np.testing.assert_array_equal(found.x, x[0])
    assert found.theta == gp.theta


def test_loops_are_independent_and_come_back_in_order():
    loops = [a_loop(n, n, d) for n, d in ((10, 2), (70, 2), (20, 2), (6, 3))]
    together, stranger = suggest_many(loops, "cpu", Key(3)), a_loop(3, 1, d=1)
    assert [s.x.shape for s in together] == [(2,), (2,), (2,), (3,)]
    for i in (1, 2):
        alone = suggest_many([stranger] * i + [loops[i]], "cpu", Key(3))[i]  # so that its number is the same
        assert alone.log_posterior == pytest.approx(together[i].log_posterior, abs=1e-3)
        assert alone.acquisition == pytest.approx(together[i].acquisition, abs=1e-2)


def test_the_same_question_has_the_same_answer():
    loops = [a_loop(6, 0, 1), a_loop(9, 1, 1)]
    one, same, other = (suggest_many(loops, "cpu", key) for key in (Key(0), Key(0), Key(1)))
    for i in range(2):
        np.testing.assert_array_equal(one[i].x, same[i].x)
    assert any(not np.array_equal(a.x, b.x) for a, b in zip(one, other, strict=True))


def test_every_loop_starts_from_its_own_best_points_and_key(monkeypatch):
    loops, asked, original = [a_loop(n, n) for n in (3, 20, 30)], [], multistart.candidates

    def spy(space, scale, incumbents, fixed, rng, raw):
        asked.append((incumbents, rng))
        return original(space, scale, incumbents, fixed, rng, raw)

    monkeypatch.setattr(multistart, "candidates", spy)
    for i, found in enumerate(suggest_many(loops, "cpu", Key(4))):
        process = posterior_of(loops[i]).process(Hyperparameters.from_list(found.theta))
        np.testing.assert_array_equal(asked[i][0], near(process))
        assert asked[i][1] == Key(4).child(i)


def test_other_spaces_take_the_cpu_path():
    space = Space([Real("a", 0, 1), Integer("k", 1, 40)])
    X = space.sample(12, Key(0))
    loops = [Loop(space, X, ((X - 0.3) ** 2).sum(axis=1)), a_loop(20, 0, 2)]
    here, there = suggest_many(loops)[0], suggest_many(loops, "cpu")[0]
    np.testing.assert_array_equal(here.x, there.x)
    np.testing.assert_array_equal(space.project(there.x[None])[0], there.x)


def test_a_fit_goes_on_from_an_earlier_one():
    loop = a_loop(44, 0)
    cold = suggest_many([loop], "cpu")[0]
    assert len(cold.theta) == loop.space.d + 2
    warm = suggest_many([replace(loop, theta=cold.theta, n_fitted=43)], "cpu")[0]
    assert warm.log_posterior >= cold.log_posterior - 1e-6
    assert warm.log_posterior == pytest.approx(cold.log_posterior, abs=0.05)


def test_large_data_sets_try_all_cold_starts_on_all_points(monkeypatch):
    monkeypatch.setattr("bbopt.surrogates.fit.LARGE", 20)
    loop, rows = a_loop(40, 1), []
    original = BatchedLogPosterior.maximize
    monkeypatch.setattr(
        BatchedLogPosterior,
        "maximize",
        lambda self, starts, n_new: rows.extend(map(len, starts)) or original(self, starts, n_new),
    )
    cold = suggest_many([loop], "cpu")[0]
    suggest_many([replace(loop, theta=cold.theta)], "cpu")
    assert rows == [MOST_STARTS, 1]


def test_no_loops_no_suggestions():
    assert suggest_many([]) == suggest_many([], "cpu") == []


def test_what_cannot_be_is_refused_by_name():
    loop = a_loop(5, 0)
    with pytest.raises(DataError, match="device must be None, 'auto'"):
        suggest_many([loop], "gpu")
    with pytest.raises(DataError, match="draws must be an integer of at least 0, got -1"):
        suggest_many([loop], draws=-1)
    with pytest.raises(DataError, match="raw must be an integer of at least 1, got 0"):
        suggest_many([loop], raw=0)
    with pytest.raises(DataError, match=r"X must have shape \(5, 3\), got \(4, 3\)"):
        Loop(loop.space, loop.X[:4], loop.y)
    with pytest.raises(DataError, match=r"theta must have shape \(5,\)"):
        replace(loop, theta=[0.0])
    with pytest.raises(DataError, match="y must be finite, got nan"):
        replace(loop, y=np.full(5, np.nan))
    with pytest.raises(DataError, match=r"y must have shape \(0,\), got \(\)"):
        replace(loop, y=1.0)
    with pytest.raises(DataError, match="X must be numbers: could not convert"):
        replace(loop, X=[["a", "b", "c"]] * 5)
    with pytest.raises(DataError, match=r"outcome must be one of tail, .* got 'auto'"):
        suggest_many([loop], outcome="auto")
    with pytest.raises(DataError, match='suggest_many: loop 1: outcome transform "log" needs outcomes above'):
        suggest_many([replace(loop, y=[1, 2, 3, 4, 5]), replace(loop, y=[1, 2, 0, 4, 5])], outcome="log")


@pytest.mark.parametrize("device", [None, "cpu"])
def test_lists_are_arrays(device):
    loop = a_loop(12, 1)
    as_lists = Loop(loop.space, loop.X.tolist(), loop.y.tolist(), [0.01] * 12, theta=np.zeros(5))
    assert as_lists.theta == [0.0] * 5
    expected = suggest_many([replace(as_lists, X=loop.X, y=loop.y)], device)
    np.testing.assert_array_equal(suggest_many([as_lists], device)[0].x, expected[0].x)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_loop_that_cannot_be_fitted_gets_a_random_point_and_disturbs_no_other(device, monkeypatch):
    loops = [a_loop(8, 0), a_loop(9, 1), Loop(box(3), np.empty((0, 3)), [])]
    expected = suggest_many(loops[:1])[0]

    def failing(posterior, *arguments, **options):
        if getattr(posterior, "n", 9) == 9:
            raise FitError("no factorisation")
        return maximum(posterior, *arguments, **options)

    monkeypatch.setattr("bbopt.surrogates.fit.maximize", failing)
    monkeypatch.setattr(BatchedGP, "build", failing)  # of a batch nobody knows which it was
    found = suggest_many(loops, device)
    np.testing.assert_array_equal(found[0].x, expected.x)
    for loop, one in zip(loops[1:], found[1:], strict=True):
        assert one.theta is None
        assert np.isnan([one.acquisition, one.log_posterior]).all()
        assert loop.space.feasible(one.x[None]).all()
    assert not np.array_equal(found[1].x, found[2].x)


def test_the_transform_of_outcomes_is_that_asked_for():
    loop = a_loop(30, 2)
    for kind in ("tail", "power-tail", "standardize"):
        gp = fit(loop.space, loop.X, loop.y, outcome=kind)
        assert suggest_many([loop], outcome=kind)[0].theta == gp.theta
        on_device = suggest_many([loop], "cpu", outcome=kind)[0]
        assert on_device.log_posterior == pytest.approx(
            suggest_many([loop], outcome=kind)[0].log_posterior, abs=0.05
        )


def test_a_gpu_that_is_not_there_is_said_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnsupportedError, match="no GPU here"):
        suggest_many([a_loop(5, 0)], "cuda")
    assert len(suggest_many([a_loop(5, 0)], "auto")) == 1


def test_auto_asks_the_cost_model_and_none_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = []
    monkeypatch.setattr("bbopt.batched.suggest.choose_device", lambda *sizes: asked.append(sizes))
    suggest_many([a_loop(10, 0), a_loop(30, 1), a_loop(80, 2)], "auto")
    assert asked == [(30, 3, 2, RAW), (80, 3, 1, RAW)]


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"torch, which bbopt's extra \[torch\] brings"):
        suggest_many([a_loop(5, 0)], "cpu")
    assert len(suggest_many([a_loop(5, 0)])) == 1


def test_the_cpu_path_does_not_load_torch():
    code = (
        "import sys, numpy as np\nfrom bbopt import Real, Space\n"
        "from bbopt.batched import Loop, suggest_many\n"
        "loop = Loop(Space([Real('x', 0, 1)]), np.array([[0.1], [0.7]]), np.array([1.0, 0.0]))\n"
        "suggest_many([loop])\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
