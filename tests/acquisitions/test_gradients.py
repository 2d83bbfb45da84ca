"""What holds for every acquisition on every kind of model: gradients, averages, scale and smoothness."""

import numpy as np
import pytest

from bbopt.acquisitions.acquisition import Sum
from bbopt.acquisitions.batch import LogExpectedImprovementOfBatch, normal_samples
from bbopt.acquisitions.confidence import LowerConfidenceBound
from bbopt.acquisitions.improvement import (
    ExpectedImprovement,
    LogExpectedImprovement,
    LogProbabilityOfImprovement,
)
from bbopt.acquisitions.mean import PosteriorMean
from bbopt.acquisitions.noisy import LogExpectedImprovementUnderNoise
from bbopt.acquisitions.thompson import Thompson
from bbopt.errors import SpaceError
from bbopt.rng import Key
from bbopt.surrogates.ensemble import Ensemble
from bbopt.surrogates.paths import Paths

POINTWISE = {
    "EI": lambda model: ExpectedImprovement(model, model.incumbent),
    "LogEI": lambda model: LogExpectedImprovement(model, model.incumbent),
    "LogPI": lambda model: LogProbabilityOfImprovement(model, model.incumbent, xi=0.1),
    "LCB": lambda model: LowerConfidenceBound(model, beta=2.0),
    "mean": PosteriorMean,
}
ACQUISITIONS = {
    **POINTWISE,
    "EI under noise": LogExpectedImprovementUnderNoise,
    "EI under known noise": lambda model: LogExpectedImprovementUnderNoise(model, noise=0.3),
    "sum": lambda model: Sum((LogExpectedImprovement(model, model.incumbent), PosteriorMean(model))),
}
LOGS = ("LogEI", "LogPI", "EI under noise")


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_gradients_are_those_of_the_values(name, model, points, differences):
    acquisition = ACQUISITIONS[name](model)
    value, gradient = acquisition.value_and_grad(points)
    np.testing.assert_allclose(value, acquisition.value(points), rtol=1e-12)
    expected = differences(acquisition.value, points)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("q", [1, 3])
def test_gradients_of_a_batch(q, model, differences):
    acquisition = LogExpectedImprovementOfBatch(model, model.incumbent + 0.5, normal_samples(64, q, Key(0)))
    X = np.random.default_rng(3).random((3, q, 3))
    value, gradient = acquisition.value_and_grad(X)
    np.testing.assert_allclose(value, acquisition.value(X), rtol=1e-12)
    expected = differences(acquisition.value, X, h=1e-6)  # in larger steps, samples begin to improve
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", [*POINTWISE, "EI under noise"])
def test_values_are_averages_over_the_columns(name, process, points):
    """Of what is expected, not of its logarithm."""
    members = process(), process(noise=0.2, scale=0.6)
    values = np.array([ACQUISITIONS[name](member).value(points) for member in members])
    average = np.log(np.exp(values).mean(axis=0)) if name in LOGS else values.mean(axis=0)
    np.testing.assert_allclose(ACQUISITIONS[name](Ensemble(members)).value(points), average, rtol=1e-10)


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_scale_and_smoothness_are_the_models(name, process):
    gp = process()
    acquisition = ACQUISITIONS[name](gp)
    np.testing.assert_array_equal(acquisition.scale, gp.scale)
    assert acquisition.is_smooth


def test_no_acquisition_is_smooth_on_a_model_that_is_not(process):
    class Rough:
        is_smooth = False

    paths = Paths.draw(process(), 1, Key(0), count=8)
    for make in POINTWISE.values():
        assert not make(type("Model", (Rough,), {"incumbent": np.zeros(1)})()).is_smooth
    assert not LogExpectedImprovementOfBatch(Rough(), np.zeros(1), np.zeros((1, 1))).is_smooth
    assert not Sum((Thompson(paths), PosteriorMean(Rough()))).is_smooth


def test_arguments_that_make_no_sense_are_refused(process):
    gp = process()
    for beta in (-1.0, np.nan, np.inf):
        with pytest.raises(SpaceError, match="beta must be"):
            LowerConfidenceBound(gp, beta)
        with pytest.raises(SpaceError, match="noise must be"):
            LogExpectedImprovementUnderNoise(gp, beta)


def test_sum_adds_values_and_gradients(process, points):
    part = LogExpectedImprovement(process(), np.zeros(1))
    value, gradient = part.value_and_grad(points)
    twice = Sum((part, part))
    np.testing.assert_allclose(twice.value(points), 2 * value)
    np.testing.assert_allclose(twice.value_and_grad(points)[1], 2 * gradient)
