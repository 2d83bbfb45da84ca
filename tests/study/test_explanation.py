"""Reasons in words, from tags as journals hold them."""

import pytest

from bbopt import BayesianOptimization, Real, Space, Spec, Trial
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
