"""DuMBO: what it learns, what it leaves in tags, and where it ends up; the laws are in test_contracts.py."""

import json

import numpy as np
import pytest

from bbopt import Objective, Study
from bbopt.errors import FitError, SpaceError
from bbopt.space import Categorical, Constant, Integer, Real, Space
from bbopt.strategies import dumbo
from bbopt.strategies.dumbo import DuMBO
from bbopt.strategies.registry import strategy_from_dict, strategy_to_dict

NAMES = ["a", "b", "c", "d", "e"]
PAIRS = [["a", "b"], ["b", "c"], ["d", "e"]]


def f(params):
    """Overlapping factors of two columns; the minimum is 0 at 0.7 everywhere."""
    x = np.array([params[name] for name in NAMES]) - 0.7
    return float(x[0] ** 2 + (x[0] - x[1]) ** 2 + (x[1] - 2 * x[2]) ** 2 + x[3] ** 2 + (x[3] + x[4]) ** 2)


def box():
    return Space([Real(name, 0, 1) for name in NAMES])


def run(strategy, n, space=None, function=f, seed=0, **objective):
    study = Study(space or box(), Objective("y", **objective), strategy=strategy, seed=seed)
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, function(trial.params))
    return study


def chains(study):
    return [trial.tag["chain"] for trial in study.trials if "chain" in trial.tag]


@pytest.mark.parametrize("decomposition", [None, PAIRS])
def test_it_finds_the_minimum(decomposition):
    study = run(DuMBO(decomposition=decomposition), 30)
    sobol = run("sobol", 30)
    assert study.best().value < 0.03
    assert study.best().value < sobol.best().value / 4


def test_it_maximises_where_the_user_does():
    study = run(DuMBO(decomposition=PAIRS), 25, function=lambda p: -f(p), maximize=True)
    assert study.best().value > -0.03


def test_known_factors_are_the_model():
    for chain in chains(run(DuMBO(decomposition=PAIRS), 12)):
        assert chain["factors"] == [[0, 1], [1, 2], [3, 4]]
        assert len(chain["theta"]) == 7


def test_the_chain_goes_on_from_the_last_ask(monkeypatch):
    study = run(DuMBO(), 13)
    starts = []
    original = dumbo.sample

    def noted(start, *arguments):
        starts.append(start.decomposition)
        return original(start, *arguments)

    monkeypatch.setattr(dumbo, "sample", noted)
    before = chains(study)[-1]["factors"]
    study.ask()
    assert [list(factor) for factor in starts[0]] == before
    factors = {json.dumps(chain["factors"]) for chain in chains(study)}
    assert len(factors) > 1
    for chain in chains(study):
        assert sorted(column for factor in chain["factors"] for column in factor) == [0, 1, 2, 3, 4]


def test_the_bound_pools_the_states_of_the_chain_and_grows_with_the_logarithm_of_results(monkeypatch):
    seen = []

    class Noted(dumbo.FactoredConfidenceBound):
        def __init__(self, models, copies, beta):
            seen.append((len(models), sum(copies), beta))
            super().__init__(models, copies, beta)

    monkeypatch.setattr(dumbo, "FactoredConfidenceBound", Noted)
    for strategy, states in (
        (DuMBO(beta=0.3), 5),
        (DuMBO(n_decompositions=3), 3),
        (DuMBO(decomposition=PAIRS), 1),
    ):
        seen.clear()
        run(strategy, 14)
        assert [total for _, total, _ in seen] == [states] * 4
        assert all(distinct <= total for distinct, total, _ in seen)
        bounds = [strategy.beta * np.log(2 * n) for n in range(10, 14)]
        assert [beta for *_, beta in seen] == pytest.approx(bounds)


def test_learnt_factors_are_no_larger_than_allowed():
    for chain in chains(run(DuMBO(largest=2), 16)):
        assert max(map(len, chain["factors"])) <= 2
    assert all(len(chain["factors"]) == 5 for chain in chains(run(DuMBO(largest=1), 12)))


def test_one_decomposition_at_a_time_still_moves():
    assert len({json.dumps(chain["factors"]) for chain in chains(run(DuMBO(n_decompositions=1), 25))}) > 1


def test_a_tempered_chain_accepts_more():
    strict, loose = (
        {json.dumps(chain["factors"]) for chain in chains(run(DuMBO(temperature=t), 24))} for t in (0.02, "n")
    )
    assert len(loose) > len(strict)


def test_pending_points_are_not_asked_again_and_spread():
    study = run(DuMBO(decomposition=PAIRS), 14)
    X = study.space.encode([trial.params for trial in study.ask(4)])
    apart = np.linalg.norm(X[:, None] - X, axis=-1)[np.triu_indices(4, 1)]
    assert apart.min() > 1e-4


def test_a_batch_is_what_single_asks_give_while_all_is_pending():
    one, several = run(DuMBO(decomposition=PAIRS), 12), run(DuMBO(decomposition=PAIRS), 12)
    first, batch = one.ask(), several.ask(3)
    assert batch[0].params == first.params
    assert batch[1].params != first.params


def test_a_point_asked_before_is_moved_away_from():
    """Here the factors would all like the corner best, whatever is known of it."""
    study = run(
        DuMBO(decomposition=[["a"], ["b"]], beta=0.0),
        22,
        Space([Real("a", 0, 1), Real("b", 0, 1)]),
        lambda p: 3 * p["a"] + 3 * p["b"],
        noise=0,
    )
    X = np.round(study.space.encode([trial.params for trial in study.trials]), 12)
    assert len(np.unique(X, axis=0)) == 22
    later = X[2:]
    assert (later == 0).all(axis=1).any()
    assert np.median(later.max(axis=1)) < 0.2


def test_fixed_values_are_kept_and_the_rest_moves():
    study = run(DuMBO(), 12)
    trials = [study.ask(fixed={"b": 0.25}) for _ in range(2)]
    assert [trial.params["b"] for trial in trials] == [0.25, 0.25]
    assert trials[0].params["a"] != trials[1].params["a"]


def test_spaces_that_it_is_not_made_for_work():
    space = Space(
        [
            Real("x", 0, 1),
            Integer("k", 1, 30),
            Categorical("c", ["p", "q"]),
            Constant("z", 1),
            Real("w", 0, 1, when={"c": "q"}),
        ],
        constraints=["x + k <= 20"],
    )

    def g(p):
        return (p["x"] - 0.4) ** 2 + (p["k"] - 7) ** 2 / 100 + (0.3 if p["c"] == "p" else (p["w"] - 0.6) ** 2)

    study = Study(space, strategy=DuMBO(decomposition=[["x", "k"], ["c", "w", "z"]]), seed=1)
    for i in range(22):
        trial = study.ask()
        if i % 7 == 3:
            study.fail(trial, "broke")
        else:
            study.tell(trial, g(trial.params))
    assert study.best().value < 0.05


def test_wild_results_and_few_of_them_do_not_raise():
    for values in ([1.0] * 14, [1e300, -1e300] * 7, [0.0, 1e-300] * 7):
        study = Study(box(), strategy=DuMBO(n_initial=2), seed=3)
        for value in values:
            study.tell(study.ask(), value)
        assert study.best().value == min(values)


def test_a_random_point_is_asked_where_nothing_can_be_fitted(monkeypatch):
    study = run(DuMBO(), 11)

    def fails(*arguments, **options):
        raise FitError("no way")

    monkeypatch.setattr("bbopt.strategies.factoring.fit", fails)
    assert study.ask().tag["fallback"] == "no way"


@pytest.mark.parametrize(
    "chain",
    [
        {},
        {"factors": [[0, 1]], "theta": [0.0] * 3, "n": 4},
        {"factors": "ab", "theta": None},
        {"factors": [[0, 1, 2, 3, 4]], "theta": [0.0], "n": 4},
        7,
    ],
)
def test_tags_of_another_space_are_ignored(chain, monkeypatch):
    study = run(DuMBO(), 11)
    monkeypatch.setattr(type(study.history), "latest", lambda self, *words: {"chain": chain})
    assert "chain" in study.ask().tag


def test_it_is_written_and_read_as_plain_data():
    for strategy in (DuMBO(), DuMBO(decomposition=PAIRS, beta=0.1), DuMBO(largest=3, temperature="n")):
        assert strategy_from_dict(json.loads(json.dumps(strategy_to_dict(strategy)))) == strategy


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_decompositions": 0}, "n_decompositions must be an integer of at least 1, got 0"),
        ({"largest": 0}, "largest must be an integer of at least 1 or None"),
        ({"n_initial": 1}, "n_initial must be an integer of at least 2, got 1"),
        ({"beta": -1}, "beta must be a number of at least 0"),
        ({"eta": 0}, "eta must be a number above 0"),
        ({"tolerance": np.nan}, "tolerance must be"),
        ({"temperature": "d"}, "temperature must be a number above 0 or 'n'"),
        ({"temperature": np.ones(2)}, "temperature must be a number above 0 or 'n'"),
        ({"decomposition": [["a", "b"], ["c", "d", "c"]]}, r"'c' twice in \['c', 'd', 'c'\]"),
        ({"decomposition": "ab"}, "decomposition must hold"),
        ({"decomposition": [["a"], []]}, "decomposition must hold"),
        ({"decomposition": []}, "decomposition must hold"),
        ({"decomposition": [["a", 3]]}, r"decomposition must hold.*got \[\['a', 3\]\]$"),
        ({"decomposition": [{"a"}, {"b"}]}, "sets have no order, give lists or tuples"),
        ({"decomposition": {("a", "b")}}, "sets have no order, give lists or tuples"),
    ],
)
def test_wrong_arguments_are_named(options, words):
    with pytest.raises(SpaceError, match=words):
        DuMBO(**options)


def test_a_decomposition_of_another_space_is_refused_before_the_first_trial():
    with pytest.raises(SpaceError, match="'q', which is no parameter"):
        Study(box(), strategy=DuMBO(decomposition=[["a", "q"]]))
    with pytest.raises(SpaceError, match="it lacks c, d"):
        Study(box(), strategy=DuMBO(decomposition=[["a", "b"], ["e"]]))


def test_one_result_among_failures_is_enough_to_go_on():
    study = Study(box(), strategy=DuMBO(n_initial=2), seed=0)
    for k in range(4):
        trial = study.ask()
        if k == 1:
            study.tell(trial, 1.0)
        else:
            study.fail(trial, "broke")
    assert "chain" in study.ask().tag


def test_what_counts_as_a_failure_what_is_risked_and_what_was_fixed_is_said():
    study = run(DuMBO(decomposition=PAIRS), 10)
    study.tell(study.ask(), 1e20)
    trial = study.ask(fixed={"a": 0.2, "c": 0.4})
    assert trial.tag["set_aside"] == 1
    assert trial.tag["held"] == ["a", "c"]
    assert 0 < trial.tag["chance"] <= 1
    text = study.explain(trial)
    assert "(the largest summed bound of all factors less the risk of failing found, " in text
    assert "1 result is so far off that it counts as a failure, or lies far outside the space" in text
    assert "its chance not to fail is put at" in text
    assert text.endswith("a and c were fixed by you.")
