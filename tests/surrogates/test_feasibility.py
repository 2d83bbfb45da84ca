"""The failure model: from one failure on, with gradients, and few evaluations wasted in a crash region."""

import numpy as np
import pytest

from bbopt.acquisitions.acquisition import Sum
from bbopt.acquisitions.improvement import LogExpectedImprovement
from bbopt.maximizers.multistart import maximize
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates.feasibility import LogFeasibility
from bbopt.surrogates.fit import fit
from bbopt.surrogates.threads import single_threaded


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def test_one_failure_is_avoided():
    rng = np.random.default_rng(0)
    X = rng.random((10, 2))
    failed = np.array([[0.5, 0.5]])
    model = LogFeasibility.fit(box(2), X, failed)
    assert model.probability(failed)[0] < 0.5
    assert np.all(model.probability(X) > model.probability(failed))


@pytest.mark.parametrize("fails", [lambda X, rng: X[:, 0] > 0.7, lambda X, rng: rng.random(30) < 0.25])
def test_gradient(fails):
    rng = np.random.default_rng(1)
    X = rng.random((30, 2))
    bad = fails(X, rng)
    model = LogFeasibility.fit(box(2), X[~bad], X[bad])
    at = rng.random((6, 2))
    value, gradient = model.value_and_grad(at)
    np.testing.assert_allclose(value, model.value(at))
    assert np.all(value <= 0)
    h = 1e-5
    for j, e in enumerate(np.eye(2) * h):
        numeric = (model.value(at + e) - model.value(at - e)) / (2 * h)
        np.testing.assert_allclose(gradient[:, j], numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("finished", [0, 1, 20])
def test_only_failures_or_nearly_so(finished):
    rng = np.random.default_rng(2)
    model = LogFeasibility.fit(box(3), rng.random((finished, 3)), rng.random((15, 3)))
    value, gradient = model.value_and_grad(rng.random((5, 3)))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("seed", range(3))
def test_few_evaluations_are_wasted_beside_the_optimum(seed):
    """A slab of 15% of the domain, right beside the optimum: at most 10 of 80 evaluations in it."""
    space, key = box(3), Key(seed)
    X = space.sample(8, key)
    failed = np.abs(X[:, 0] - 0.5) < 0.075
    theta = labels_theta = None
    with single_threaded():
        while len(X) < 80:
            good, y = X[~failed], ((X[~failed] - 0.4) ** 2).sum(axis=1)
            gp = fit(space, good, y, previous=theta)
            theta = gp.theta
            acquisition = LogExpectedImprovement(gp, gp.incumbent)
            if failed.any():
                chance = LogFeasibility.fit(space, good, X[failed], labels_theta)
                labels_theta = chance.theta
                acquisition = Sum((acquisition, chance))
            best = good[np.argmin(y)][None]
            x = maximize(acquisition, space, 1, best, None, key.child(len(X)))
            X = np.concatenate([X, x])
            failed = np.append(failed, np.abs(x[0, 0] - 0.5) < 0.075)
    assert failed.sum() <= 10
    assert ((X[~failed] - 0.4) ** 2).sum(axis=1).min() < 1e-4


def test_a_model_is_believed_more_with_every_failure():
    """One mishap costs at most log 2 anywhere, two log 16; a cluster of five shuts its place off."""
    rng = np.random.default_rng(7)
    X, at = rng.random((24, 2)), rng.random((200, 2))
    for f, most in ((1, np.log(2)), (2, np.log(16)), (5, 25 * np.log(2))):
        failed = 0.9 + 0.02 * rng.random((f, 2))
        model = LogFeasibility.fit(box(2), X, failed)
        assert model.value(at).min() >= -most - 1e-9
        assert model.value(failed).max() < -0.4 * min(most, 20)
    assert model.value(np.array([[0.2, 0.2]]))[0] > -0.5


@pytest.mark.parametrize("seed", range(5))
def test_data_tell_a_region_from_mishaps(seed):
    """A region is shut off and the rest left open; of failures at random an acquisition notices little."""
    rng = np.random.default_rng(seed)
    X, at = rng.random((60, 2)), rng.random((200, 2))
    inside, outside = at[:, 0] > 0.9, at[:, 0] < 0.6
    region, mishap = X[:, 0] > 0.8, rng.random(60) < 0.2

    model = LogFeasibility.fit(box(2), X[~region], X[region])
    assert np.median(model.value(at[inside])) < -10
    assert np.median(model.value(at[outside])) > -0.1

    anywhere = LogFeasibility.fit(box(2), X[~mishap], X[mishap])
    assert anywhere.caution < 0.1 * model.caution
    assert anywhere.value(at).min() > -1

    failed = region | mishap
    both = LogFeasibility.fit(box(2), X[~failed], X[failed])
    assert both.caution < model.caution
    assert np.median(both.value(at[inside])) < 2 * np.median(both.value(at[outside]))
