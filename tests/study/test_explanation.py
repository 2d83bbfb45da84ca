"""Reasons in words, from tags as journals hold them."""

from math import nan

import pytest

from bbopt import BayesianOptimization, Categorical, Objective, Real, Space, SpaceError, Spec, Study, Trial
from bbopt.space import Constant
from bbopt.strategies.auto import Auto
from bbopt.strategies.baxus import BAxUS
from bbopt.strategies.trust_region import TrustRegion
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
        ({"outcome": "standardize", "n": 1}, "fitted to 1 result, centred and scaled."),
        (
            {"outcome": "standardize", "set_aside": 1},
            "(1 other is so far off that it counts as a failure, or lies far outside the space).",
        ),
        (
            {"outcome": "standardize", "set_aside": 2},
            "(2 others are so far off that they count as failures, or lie far outside the space).",
        ),
        (
            {"set_aside": 1},
            "; 1 result is so far off that it counts as a failure, or lies far outside the space.",
        ),
        ({"held": ["x"]}, "; x was fixed by you."),
        ({"held": []}, " ± 0.5 here; the best trade of promise and doubt (the largest LogEI found)."),
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
        (
            {"region": 0, "epoch": 0, "step": 4, "out": 1, "length": 0.4, "bins": 1},
            "1 being all, in 1 bin of parameters that move together.",
        ),
    ],
)
def test_trust_regions_say_where_they_look(region, expected):
    assert explain(Trial(0, {"x": 0.5}, tag=region), STRATEGY, SPEC).endswith(expected)


CONSTRAINED = Space(
    [Real("x", 0, 1), Categorical("z", ["on", "off"]), Real("y", 0, 1, when={"z": "on"})],
    constraints=["x <= 0.5", "x >= 0.1"],
)


def test_a_region_that_found_no_point_had_a_model():
    tag = {"region": 0, "epoch": 0, "length": 0.1, "out": 1, "fallback": "all points were asked before"}
    text = explain(Trial(0, {"x": 0.5}, tag=tag), STRATEGY, SPEC)
    assert text == "Trial 0: a random point, because all points were asked before."


@pytest.mark.parametrize(
    ("auto", "spec", "expected"),
    [
        (Auto(), SPEC, "Bayesian optimization, for one objective and few evaluations (noise unknown)"),
        (
            Auto(2000),
            Spec(CONSTRAINED, (Objective(noise=0.1),)),
            "few evaluations (noise of 0.1, 2 known constraints, parameters that depend on others)",
        ),
        (Auto(9000), SPEC, "consensus-based optimization with 47 particles, for 9000 evaluations ("),
        (Auto(600, seconds=0.001), SPEC, "for 600 evaluations of 0.001 s each ("),
        (Auto(600, seconds=0.01), SPEC, "few evaluations ("),
        (Auto(2001, seconds=0.01), SPEC, "for 2001 evaluations of 0.01 s each ("),
        (Auto(50_000, seconds=0.1), SPEC, "one objective and 50000 slow evaluations ("),
        (Auto(600, seconds=1), SPEC, "few evaluations ("),
        (
            Auto(),
            Spec(Space([Real(f"x{i}", 0, 1) for i in range(51)]), (Objective(noise=0),)),
            "by turns everywhere and in a trust region, for 51 columns (no noise)",
        ),
        (
            Auto(9000),
            Spec(SPEC.space, (Objective("a"), Objective("b"))),
            "points spread evenly (Sobol), for several objectives (noise unknown)",
        ),
    ],
)
def test_auto_says_what_it_chose_and_for_what(auto, spec, expected):
    text = explain(Trial(0, {"x": 0.5}, tag={"index": 3}), auto, spec)
    assert text.startswith("Trial 0: auto chose ")
    assert expected in text
    assert text.endswith("; point 3 of a space-filling sequence; results were not looked at.")


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"budget": 1.5}, {"seconds": -1}, {"seconds": nan}])
def test_auto_refuses_what_is_no_budget_and_no_time(wrong):
    [(name, value)] = wrong.items()
    with pytest.raises(SpaceError, match=rf"Auto: {name} must be .* or None, got {value}"):
        Auto(**wrong)


@pytest.mark.parametrize("strategy", [BayesianOptimization(), TrustRegion(), BAxUS(n_initial=5)])
def test_a_chance_of_failing_where_nothing_failed_is_accounted_for(strategy):
    study = Study(SPEC.space, strategy=strategy, seed=0)
    for value in (0.3, 1e20, 0.2, 0.5, 0.4, 0.6):
        study.tell(study.ask(), value)
    text = study.explain(study.ask())
    assert "its chance not to fail" in text
    assert "(1 other is so far off that it counts as a failure, or lies far outside the space)" in text


@pytest.mark.parametrize("strategy", ["bo", "turbo", "baxus", "dumbo"])
def test_constants_may_be_fixed(strategy):
    study = Study(Space([Real("x", 0, 1), Constant("k", 3)]), strategy=strategy, seed=0)
    for k in range(12):
        study.tell(study.ask(fixed={"k": 3}), float(k % 5))
    assert "the model expected" in study.explain(11)
    assert "fixed" not in study.explain(11)
