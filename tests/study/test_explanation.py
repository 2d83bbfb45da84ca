"""Reasons in words, from tags as journals hold them."""

import pytest

from bbopt import BayesianOptimization, Real, Space, Spec, Trial
from bbopt.strategies.auto import Auto
from bbopt.study.explanation import explain

SPEC = Spec.of(Space([Real("x", 0, 1)]), "f")
STRATEGY = BayesianOptimization()


def words(**model):
    """Explain a trial whose ask left notes of its model."""
    tag = {"by": "LogEI", "mean": 1.0, "sd": 0.5, "model": {"theta": [0.0], "n": 30, **model}}
    return explain(Trial(0, {"x": 0.5}, tag=tag), STRATEGY, SPEC)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"outcome": "standardize"}, "fitted to 30 results, centred and scaled."),
        ({"outcome": "yeo-johnson", "power": 0.25}, "more normal by the Yeo-Johnson power 0.25."),
        ({"outcome": "power-tail", "power": -1e-9}, "power -1e-09, bad ones compressed by a logarithm."),
        ({"outcome": "power-tail"}, "fitted to 30 results, centred and scaled."),
        ({"outcome": "log", "power": 0.0}, "fitted to 30 results, as their logarithms."),
        ({"outcome": "of {my} own", "n": 3}, "fitted to 3 results, of {my} own."),
        (
            {"outcome": "yeo-johnson", "power": 1.0, "instead_of": "log"},
            'power 1 ("log" was asked for, but takes none of 0 or less).',
        ),
        (
            {"outcome": "tail", "members": [[0.0]] * 4, "drawn_at": 28},
            "averaged over 4 samples of its hyper-parameters, drawn when there were 28.",
        ),
        ({"outcome": "tail", "members": [[0.0]] * 4, "drawn_at": 30}, "samples of its hyper-parameters."),
    ],
)
def test_the_form_of_a_model_is_said_in_words(model, expected):
    assert words(**model).endswith(expected)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ({"index": 3, "region": 0, "epoch": 0}, "it belongs to the design of trust region 0."),
        ({"index": 9, "region": 2, "epoch": 1}, "the design of trust region 2, begun anew once."),
        (
            {"region": 1, "epoch": 2, "step": 4, "out": 1, "length": 0.4},
            "in trust region 1, begun anew 2 times: a box about its best point with sides of about 0.4, "
            "1 being all.",
        ),
        (
            {"region": 0, "epoch": 0, "step": 4, "out": 1, "length": 0.0125, "bins": 8},
            "sides of about 0.0125, 1 being all, in 8 bins of parameters that move together.",
        ),
    ],
)
def test_trust_regions_say_where_they_look(region, expected):
    assert explain(Trial(0, {"x": 0.5}, tag=region), STRATEGY, SPEC).endswith(expected)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (None, "Trial 0: auto chose Bayesian optimization, for one objective and few evaluations; point 3"),
        (9000, "auto chose consensus-based optimization with 47 particles, for 9000 evaluations; "),
    ],
)
def test_auto_says_what_it_chose_and_for_what(budget, expected):
    assert expected in explain(Trial(0, {"x": 0.5}, tag={"index": 3}), Auto(budget), SPEC)
