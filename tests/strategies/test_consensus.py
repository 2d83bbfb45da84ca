"""CBO against its equations written down a second time, and against a problem that it must solve."""

import numpy as np
import pytest

from bbopt import ConsensusBasedOptimization, Integer, Objective, Real, Space, SpaceError, Study
from bbopt.strategies.consensus import _reflect, _weights

CUBE = Space([Real("a", -1, 1), Real("b", -1, 1)])


def test_weights_have_the_effective_sample_size():
    values = np.random.default_rng(0).normal(size=200)
    for share in (0.1, 0.5, 0.9):
        weights = _weights(values, share)
        assert weights.sum() == pytest.approx(1)
        assert 1 / np.sum(weights**2) == pytest.approx(share * 200, rel=1e-3)
        alpha = -np.polyfit(values, np.log(weights), 1)[0]  # log w is linear in f with slope -alpha
        np.testing.assert_allclose(
            np.log(weights), np.log(weights).max() - alpha * (values - values.min()), atol=1e-8
        )


@pytest.mark.parametrize("spread", [1.0, 40.0, 300.0])
def test_outliers_do_not_blur_the_rest(spread):
    values = np.exp(spread * np.random.default_rng(2).normal(size=100).clip(-2, 2))
    weights = _weights(values, 0.3)
    assert 1 / np.sum(weights**2) == pytest.approx(30, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12, 1e300])
def test_weights_do_not_depend_on_the_scale_of_f(scale):
    values = np.random.default_rng(1).random(50)
    np.testing.assert_allclose(_weights(scale * values, 0.5), _weights(values, 0.5), rtol=1e-6)


def test_weights_of_odd_values():
    np.testing.assert_array_equal(_weights(np.full(4, 3.0), 0.5), [0.25] * 4)
    np.testing.assert_array_equal(_weights(np.full(4, np.inf), 0.5), [0.25] * 4)
    weights = _weights(np.array([1.0, np.inf, 2.0, 3.0]), 0.5)
    assert weights[1] == 0
    assert weights[0] > weights[2] > weights[3] > 0
    np.testing.assert_allclose(
        _weights(np.array([-1.7e308, 1.7e308, 0.0]), 0.5), _weights(np.array([-1, 1, 0.0]), 0.5)
    )


def test_reflection():
    np.testing.assert_allclose(
        _reflect(np.array([0.3, -0.2, 1.1, 2.4, -1.3])), [0.3, 0.2, 0.9, 0.4, 0.7], atol=1e-15
    )


def test_one_generation_is_one_euler_maruyama_step():
    strategy = ConsensusBasedOptimization(n_particles=6, drift=0.7, noise=0.0, dt=0.3, share=0.5)
    study = Study(CUBE, strategy=strategy, seed=1)
    block = study.ask_block(6)
    f = (block.X**2).sum(axis=1)
    study.tell_block(block, f)
    # Without noise the step is x - drift dt (x - c), c the weighted mean; weights by bisection on alpha.
    low, high = 0.0, 1e6
    for _ in range(200):
        alpha = (low + high) / 2
        w = np.exp(-alpha * (f - f.min()))
        low, high = (alpha, high) if w.sum() ** 2 / (w**2).sum() > 3 else (low, alpha)
    consensus = (w / w.sum()) @ block.X
    expected = block.X - 0.7 * 0.3 * (block.X - consensus)
    np.testing.assert_allclose(study.ask_block(6).X, expected, atol=1e-5)


def test_noise_has_the_stated_size():
    strategy = ConsensusBasedOptimization(n_particles=4000, drift=1e-9, noise=0.3, dt=0.25, share=0.5)
    study = Study(CUBE, strategy=strategy, seed=2)
    block = study.ask_block(4000)
    study.tell_block(block, np.abs(block.X - 0.5).sum(axis=1))
    after = study.ask_block(4000).X
    inner = np.all(np.abs(block.X - 0.5) < 0.2, axis=1)  # far from the faces: no reflection
    # moved by 0.3 sqrt(0.25) (x - c) xi, c close to 0.5
    ratio = (after - block.X)[inner] / (0.3 * 0.5 * (block.X - 0.5)[inner])
    assert np.median(np.abs(ratio)) == pytest.approx(0.6745, abs=0.05)


def test_generations_members_and_fills():
    study = Study(CUBE, strategy=ConsensusBasedOptimization(n_particles=4), seed=0)
    trials = study.ask(6)
    assert [t.tag.get("member") for t in trials] == [0, 1, 2, 3, None, None]
    assert [t.tag.get("fill") for t in trials[4:]] == [0, 0]
    for trial in trials[1:]:
        study.tell(trial, 1.0)
    assert study.ask().tag == {"fill": 0}, "member 0 is still out"
    study.fail(trials[0])
    assert [t.tag["generation"] for t in study.ask(4)] == [1, 1, 1, 1]


def test_it_solves_rastrigin():
    """Rastrigin with A = 2.5 in 4 dimensions (the CBO authors' form): within 0.25 of the optimum."""
    space = Space([Real(f"x{k}", -3, 3) for k in range(4)])

    def f(X):
        return (X**2).sum(axis=1) + 2.5 * (1 - np.cos(2 * np.pi * X)).sum(axis=1)

    solved = 0
    for seed in range(10):
        study = Study(space, strategy=ConsensusBasedOptimization(n_particles=100), seed=seed)
        study.run(f, 10_000, vectorized=True)
        solved += max(abs(v) for v in study.best().params.values()) < 0.25
    assert solved >= 9


def test_integers_and_noise_free_grids():
    study = Study(Space([Integer("i", 0, 9), Integer("j", 0, 9)]), Objective(noise=0), strategy="cbo", seed=0)
    seen = set()
    for _ in range(100):
        trial = study.ask()
        seen.add(tuple(trial.params.values()))
        study.tell(trial, sum(trial.params.values()))
    assert len(seen) == 100


@pytest.mark.parametrize(
    "options",
    [{"n_particles": 1}, {"drift": 0}, {"noise": -1}, {"dt": 0}, {"dt": 2}, {"share": 0}, {"drift": "a"}],
)
def test_malformed_settings(options):
    with pytest.raises(SpaceError, match=next(iter(options))):
        ConsensusBasedOptimization(**options)
