"""Strategies made of strategies: whose turn it is, what each sees, what a journal keeps."""

import pytest

from bbopt import (
    Alternate,
    Grid,
    Integer,
    Random,
    Real,
    Sobol,
    Space,
    SpaceError,
    SpaceExhausted,
    Study,
    Then,
)
from bbopt.strategies.registry import make_strategy, strategy_from_dict, strategy_to_dict

PLANE = Space([Real("x", 0, 1), Real("y", 0, 1)])
BOTH = Alternate(make_strategy("bo"), make_strategy("turbo"))


def square(params):
    return (params["x"] - 0.3) ** 2 + (params["y"] - 0.7) ** 2


def parts(study):
    return [next(iter(trial.tag), None) for trial in study.trials]


def test_requests_go_to_one_and_the_other_by_turns():
    study = Study(PLANE, strategy=Alternate(Sobol(), Random()), seed=0)
    for n in (1, 1, 3, 1):
        study.ask(n)
    assert parts(study) == ["one", "other", "one", "one", "one", "other"]


def test_what_was_added_or_enqueued_takes_no_turn():
    study = Study(PLANE, strategy=Alternate(Sobol(), Random()), seed=0)
    study.ask()
    study.add({"x": 0.5, "y": 0.5}, 1.0)
    study.enqueue({"x": 0.1, "y": 0.1})
    study.ask()
    study.ask()
    assert parts(study) == ["one", "added", "enqueued", "other"]


def test_each_goes_on_from_what_the_other_found():
    study = Study(PLANE, strategy=BOTH, seed=0)
    study.run(square, 22)
    assert study.best().value < 1e-4
    last = [study.explain(trial) for trial in study.trials[-2:]]
    assert sorted("trust region 0" in text for text in last) == [False, True]
    assert all("fitted to 2" in text for text in last)


@pytest.mark.parametrize("strategy", [Alternate(Grid(), Sobol()), Alternate(Sobol(), Grid())])
def test_where_one_has_nothing_left_the_other_takes_over(strategy):
    study = Study(Space([Integer("k", 0, 5)]), strategy=strategy, seed=0)
    asked = [study.ask().params["k"] for _ in range(6)]
    assert sorted(asked) == list(range(6))


def test_where_nobody_has_anything_left_the_space_is_exhausted():
    strategy = Alternate(Grid(2), Then(Grid(2), 1, Grid(2)))
    with pytest.raises(SpaceExhausted):
        study = Study(PLANE, strategy=strategy, seed=0)
        for _ in range(13):
            study.ask()


def test_a_journal_holds_it():
    assert strategy_from_dict(strategy_to_dict(BOTH)) == BOTH
    assert BOTH.supports.objectives == 1
    assert BOTH.batch_size(Study(PLANE, strategy=BOTH).spec) == 1


def test_parts_are_given_by_name_as_well(tmp_path):
    assert Alternate("bo", "turbo") == BOTH
    strategy = Then("sobol", 3, Alternate("bo", Random()))
    assert strategy == Then(Sobol(), 3, Alternate(make_strategy("bo"), Random()))
    with_names = Study(PLANE, strategy=strategy, storage=tmp_path / "study.jsonl")
    assert parts(with_names) == []
    with_names.ask(5)
    with_names.close()
    assert Study.open(tmp_path / "study.jsonl").strategy == strategy


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Alternate("bo", "trubo"), "strategy 'trubo' is unknown.*did you mean 'turbo'"),
        (lambda: Then("sobol", 3, Random), "Random'> is a class: make an object of it"),
        (lambda: Then("then", 3, "bo"), "strategy 'then' needs first, n, after"),
        (lambda: Then(None, 3, "bo"), "None lacks init"),
    ],
)
def test_parts_that_are_no_strategies_are_refused_at_once(make, says):
    with pytest.raises(SpaceError, match=says):
        make()
