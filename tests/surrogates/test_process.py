"""What a process learns when, what it leaves for the next fit, and averaging over hyper-parameters."""

import json

import numpy as np
import pytest
import scipy.optimize

from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.space import Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.ensemble import Ensemble, sample_hyperparameters
from bbopt.surrogates.fit import log_posterior, maximize, starts
from bbopt.surrogates.kernels import RBF, Linear
from bbopt.surrogates.outcomes import learn
from bbopt.surrogates.process import GaussianProcess


def box(d):
    return Space([Real(f"x{j}", 0, 1) for j in range(d)])


def bumpy(X):
    return np.sin(5 * X[:, 0]) + ((X - 0.4) ** 2).sum(axis=1)


def test_notes_are_plain_and_the_next_fit_starts_from_them():
    X = np.random.default_rng(0).random((33, 2))
    model, notes = GaussianProcess().fit(box(2), X[:32], bumpy(X[:32]))
    notes = json.loads(json.dumps(notes, allow_nan=False))
    again, _ = GaussianProcess().fit(box(2), X, bumpy(X), previous=notes)
    cold, _ = GaussianProcess().fit(box(2), X, bumpy(X))
    assert again.theta != cold.theta  # found from elsewhere
    np.testing.assert_allclose(again.theta[:2], model.theta[:2], atol=0.5)


@pytest.mark.parametrize(
    "bad",
    [
        {"theta": "x"},
        {"theta": [1.0], "n": 3},
        {"n": 3},
        {"theta": [0.0] * 4},
        {"theta": ["q", 1.0, 2.0], "n": 7},
    ],
)
def test_foreign_notes_are_no_notes(bad):
    X = np.random.default_rng(0).random((12, 2))
    cold, _ = GaussianProcess().fit(box(2), X, bumpy(X))
    assert GaussianProcess().fit(box(2), X, bumpy(X), previous=bad)[0].theta == cold.theta


def test_hyperparameters_stay_where_little_is_to_be_gained():
    X = np.random.default_rng(1).random((241, 2))
    y = bumpy(X)
    _, notes = GaussianProcess(warping=False).fit(box(2), X[:240], y[:240])
    _, kept = GaussianProcess(warping=False).fit(box(2), X[:241], y[:241], previous={**notes, "n": 240})
    assert kept["theta"] == notes["theta"]
    assert kept["n"] == 241


def lag(model, X, y, notes):
    """By how many nats a process's hyper-parameters lag behind the nearest maximum of their density."""
    z, outcome = learn(y, notes["outcome"], notes.get("power"))
    posterior = log_posterior(Covariance(box(X.shape[1]), is_warped=notes["warped"]), X, z, outcome)

    def loss(theta):
        value, gradient = posterior(theta)
        return -value, -gradient

    bounds = list(zip(*posterior.bounds, strict=True))
    found = scipy.optimize.minimize(loss, model.theta, jac=True, method="L-BFGS-B", bounds=bounds)
    return -found.fun - posterior(np.array(model.theta))[0]


def test_hyperparameters_follow_what_the_data_say_now():
    X = np.random.default_rng(2).random((85, 3))
    X[60:] = 0.4 + 0.1 * (X[60:] - 0.5)  # an optimum is approached
    y = np.exp(3 * bumpy(X)) + 5 * np.sin(30 * X[:, 2])
    notes, lags = None, []
    for n in range(60, 85):
        model, notes = GaussianProcess().fit(box(3), X[:n], y[:n], previous=notes)
        lags.append(lag(model, X[:n], y[:n], notes))
    assert np.median(lags) < 0.5
    assert np.mean(lags) < 1.0


def test_a_warping_is_learnt_where_it_pays_and_left_out_where_not():
    X = np.random.default_rng(3).random((60, 2))
    bent = np.sin(9 * X[:, 0] ** 0.25) + X[:, 1]
    model, notes = GaussianProcess(warping="auto").fit(box(2), X, bent)
    assert notes["warped"]
    plain, _ = GaussianProcess(warping=False).fit(box(2), X, bent)
    at = np.random.default_rng(4).random((500, 2))
    truth = np.sin(9 * at[:, 0] ** 0.25) + at[:, 1]
    errors = [np.sqrt(np.mean((m.predict(at)[0] - truth) ** 2)) for m in (model, plain)]
    assert errors[0] < 0.5 * errors[1]
    assert not GaussianProcess(warping="auto").fit(box(2), X, bumpy(X))[1]["warped"]
    assert GaussianProcess(warping=True).fit(box(2), X, bumpy(X))[1]["warped"]


def test_an_outcome_transform_is_chosen_and_kept():
    X = np.random.default_rng(5).random((40, 2))
    y = np.exp(3 * bumpy(X))
    model, notes = GaussianProcess(outcome="auto").fit(box(2), X, y)
    assert notes["outcome"] == model.outcome.name
    assert notes["outcome"] != "standardize"  # of a very skewed sample
    _, later = GaussianProcess(outcome="auto").fit(box(2), X[:35], y[:35], previous={**notes, "n": 34})
    assert later["outcome"] == notes["outcome"]


def laplace_problem():
    X = np.random.default_rng(6).random((40, 2))
    z, outcome = learn(bumpy(X) + 0.1 * np.random.default_rng(7).standard_normal(40), "standardize")
    posterior = log_posterior(Covariance(box(2), RBF()), X, z, outcome)
    return posterior, maximize(posterior, starts(posterior, None)).hyperparameters


def test_samples_of_hyperparameters_have_the_moments_of_their_posterior():
    """Against importance sampling from a wide normal, with the exact density."""
    posterior, best = laplace_problem()
    draws = np.array([one.to_list() for one in sample_hyperparameters(posterior, best, 2000, Key(0))])
    rng = np.random.default_rng(8)
    centre, spread = draws.mean(axis=0), 2.0 * draws.std(axis=0)
    lower, upper = posterior.bounds
    proposals = np.clip(centre + spread * rng.standard_normal((8000, len(centre))), lower, upper)
    log_weight = np.array([posterior(t)[0] for t in proposals])
    log_weight += 0.5 * (((proposals - centre) / spread) ** 2).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = weight @ proposals
    sd = np.sqrt(weight @ (proposals - mean) ** 2)
    np.testing.assert_allclose(centre, mean, atol=0.4 * sd.max())
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.35)


def test_samples_are_keyed_and_never_absurd():
    posterior, best = laplace_problem()
    first, second, other = (sample_hyperparameters(posterior, best, 8, Key(k)) for k in (1, 1, 2))
    assert [a.to_list() for a in first] == [a.to_list() for a in second] != [a.to_list() for a in other]
    highest = posterior(np.array(best.to_list()))[0]
    assert min(posterior(np.array(one.to_list()))[0] for one in first) > highest - 30


@pytest.mark.parametrize(
    "form", [{}, {"warping": True}, {"kernel": RBF(("x0",)), "warping": True}, {"kernel": RBF() + Linear()}]
)
def test_an_ensemble_is_its_members_side_by_side(form):
    X = np.random.default_rng(9).random((25, 2))
    model, _ = GaussianProcess(ensemble=4, **form).fit(box(2), X, bumpy(X), rng=Key(3))
    assert isinstance(model, Ensemble)
    assert len(model.members) == 4
    at = np.random.default_rng(10).random((6, 2))
    mean, variance = model.posterior(at)
    for k, member in enumerate(model.members):
        m, v = member.posterior(at)
        np.testing.assert_allclose(mean[:, [k]], m, atol=1e-9)
        np.testing.assert_allclose(variance[:, [k]], v, atol=1e-9)
    joint_mean, covariance = model.joint(at[None])
    assert joint_mean.shape == (1, 6, 4)
    assert covariance.shape == (1, 4, 6, 6)
    np.testing.assert_allclose(np.diagonal(covariance[0], axis1=1, axis2=2).T, variance, atol=1e-9)
    predicted, sd = model.predict(at)
    each = np.array([member.predict(at)[0] for member in model.members])
    assert np.all(predicted >= each.min(axis=0) - 1e-9)
    assert np.all(sd >= np.min([member.predict(at)[1] for member in model.members], axis=0) - 1e-9)
    seen = model.fantasize(at[:2])
    assert np.all(seen.posterior(at[:2])[1] < 1e-6)
    np.testing.assert_allclose(seen.posterior(at)[0], mean, atol=1e-6)
    draws = model.draws(8, Key(0).generator())
    assert draws.posterior(at)[0].shape == (6, 8)


@pytest.mark.parametrize("draws", [0, 8])
@pytest.mark.parametrize("form", [{"kernel": RBF() + Linear()}, {"warping": True}, {"warping": False}])
def test_the_pullback_of_an_ensemble_is_a_derivative(draws, form):
    X = np.random.default_rng(11).random((20, 2))
    model, _ = GaussianProcess(ensemble=3, **form).fit(box(2), X, bumpy(X), rng=Key(4))
    model = model.draws(draws, Key(5).generator()) if draws else model
    at = np.random.default_rng(12).random((5, 2))
    mean, variance, pull = model.posterior_vjp(at)
    rng = np.random.default_rng(13)
    a, b = rng.standard_normal(mean.shape), rng.standard_normal(variance.shape)

    def value(points):
        m, v = model.posterior(points)
        return (a * m).sum(axis=1) + (b * v).sum(axis=1)

    h = 1e-6
    numeric = np.column_stack([(value(at + e) - value(at - e)) / (2 * h) for e in np.eye(2) * h])
    np.testing.assert_allclose(pull(a, b), numeric, rtol=1e-5, atol=1e-6 * np.abs(numeric).max())
    sets = at[:4].reshape(2, 2, 2)
    mean, covariance, pull = model.joint_vjp(sets)
    a, b = rng.standard_normal(mean.shape), rng.standard_normal(covariance.shape)

    def joint_value(sets):
        m, c = model.joint(sets)
        return (a * m).sum() + (b * c).sum()

    for index in np.ndindex(sets.shape):
        e = np.zeros(sets.shape)
        e[index] = h
        slope = (joint_value(sets + e) - joint_value(sets - e)) / (2 * h)
        assert pull(a, b)[index] == pytest.approx(slope, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "rbf"}, "kernel must be a kernel such as Matern"),
        ({"outcome": "sqrt"}, "outcome must be one of tail"),
        ({"warping": "yes"}, "warping must be True, False or 'auto', got 'yes'"),
        ({"ensemble": 0}, "ensemble must be an integer of at least 1, got 0"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(SpaceError, match=message):
        GaussianProcess(**options)
