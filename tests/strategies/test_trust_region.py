"""TuRBO: its counters against the paper's written down a second time, its box, and what it finds."""

import tracemalloc
from math import ceil

import numpy as np
import pytest

from bbopt import Categorical, GaussianProcess, Integer, Objective, Real, Sobol, Space, SpaceError, Study
from bbopt.data.history import keys
from bbopt.maximizers.box import Box, climb_within, proportions
from bbopt.rng import Key
from bbopt.strategies.local import Place, _lowest
from bbopt.strategies.region import Region, Sides
from bbopt.strategies.trust_region import TrustRegion

SIDES = Sides(0.8, 2.0**-7, 1.6)
PLANE = Space([Real("a", 0, 1), Real("b", 0, 1)])


def cube(d):
    return Space([Real(f"x{k}", 0, 1) for k in range(d)])


# -- the counters -------------------------------------------------------------------------------------


def lengths_of_the_paper(batches, design, d):
    """Return the length after each batch: TuRBO-1 with batches of q, whose counters count batches."""
    q = len(batches[0])
    length, successes, failures, best = 0.8, 0, 0, min(design)
    tolerance = ceil(max(4 / q, d / q))
    found = []
    for batch in batches:
        if min(batch) < best - 1e-3 * abs(best):
            successes, failures = successes + 1, 0
        else:
            successes, failures = 0, failures + 1
        if successes == 3:
            length, successes = min(2 * length, 1.6), 0
        elif failures == tolerance:
            length, failures = length / 2, 0
        best = min(best, *batch)
        found.append(length)
    return found


@pytest.mark.parametrize("d", [2, 5, 9])
@pytest.mark.parametrize("q", [1, 3, 4, 12])
@pytest.mark.parametrize("seed", range(5))
def test_the_counters_are_those_of_the_paper(q, d, seed):
    rng = np.random.default_rng(seed)
    # At most one success a batch, by much, and far below the first value: there our margin is the paper's.
    level, batches = 100.0, []
    for k in range(200):
        batch = level + 1 + rng.random(q)
        if rng.random() < (0.02, 0.8)[k // 40 % 2]:
            level *= 0.9
            batch[rng.integers(q)] = level
        batches.append(batch)
    region = Region(SIDES.initial)
    region.tell(np.zeros(d), 1000.0, {}, SIDES, 3, max(4, d))
    found = []
    for batch in batches:
        tag = {**region.tag(0), "out": q}
        for value in batch:
            region.tell(np.zeros(d), float(value), tag, SIDES, 3, max(4, d))
        found.append(region.length)
    expected = lengths_of_the_paper(batches, [1000.0], d)
    assert found == expected
    assert len(set(expected)) > 2, "the sequence tests little"


def test_trials_asked_before_the_last_change_do_not_count_but_may_be_the_centre():
    region = Region(SIDES.initial)
    region.tell(np.zeros(2), 10.0, {}, SIDES, 3, 4)
    old = {**region.tag(0), "out": 1}
    region.tell(np.full(2, 0.1), 9.0, old, SIDES, 3, 4)
    for value in (11.0, 8.0, 11.0, 11.0, 11.0):
        region.tell(np.full(2, value), value, old, SIDES, 3, 4)
    assert (region.successes, region.failures, region.best) == (1, 0, 8.0)
    np.testing.assert_array_equal(region.centre, [8.0, 8.0])


def test_where_zero_is_does_not_decide_what_a_success_is():
    for offset in (0.0, -1e6, 1e6):
        region = Region(SIDES.initial)
        region.tell(np.zeros(2), offset + 10.0, {}, SIDES, 9, 4)
        for value in (9.0, 8.0, 7.0):
            region.tell(np.zeros(2), offset + value, {**region.tag(0), "out": 1}, SIDES, 9, 4)
        assert region.successes == 3


# -- the box ------------------------------------------------------------------------------------------


def test_sides_have_the_geometric_mean_that_was_asked_for():
    space, lengths = cube(6), np.array([0.1, 0.2, 0.4, 0.8, 1.6, 0.3])
    box = Box.around(space, np.full(6, 0.5), 0.05, lengths)
    sides = box.upper - box.lower
    assert np.prod(sides) ** (1 / 6) == pytest.approx(0.05)
    np.testing.assert_allclose(sides / sides[0], lengths / lengths[0])
    np.testing.assert_allclose(0.5 * (box.lower + box.upper), 0.5)


def test_lengths_beyond_the_cube_are_all_the_same():
    every = np.ones(3, bool)
    np.testing.assert_allclose(proportions(np.array([2.0, 50.0, np.inf]), every), 1.0)


def test_boxes_end_at_the_faces_and_reach_the_next_level():
    space = Space([Real("x", 0, 1), Integer("i", 0, 10)])
    box = Box.around(space, np.array([0.9, 0.3]), 2.0**-7, np.ones(2))
    assert box.upper[1] - 0.3 == pytest.approx(0.1)
    box = Box.around(space, np.array([0.9, 0.3]), 0.8, np.ones(2))
    np.testing.assert_allclose([box.lower, box.upper], [[0.5, 0.0], [1.0, 0.7]])


@pytest.mark.parametrize("d", [3, 20, 100])
def test_candidates_lie_in_the_box_and_move_about_twenty_columns(d):
    box = Box.around(cube(d), np.linspace(0.1, 0.9, d), 0.3, np.ones(d))
    X = box.candidates(cube(d), 2000, Key(0))
    assert box.contains(X).all()
    moved = np.count_nonzero(box.centre != X, axis=1)
    assert moved.min() >= 1
    assert moved.mean() == pytest.approx(min(d, 20), rel=0.05)
    free = X[:, 0][X[:, 0] != box.centre[0]]
    low, high = box.lower[0], box.upper[0]
    np.testing.assert_allclose(
        np.quantile(free, [0.25, 0.75]), low + (high - low) * np.array([0.25, 0.75]), atol=0.02
    )


def test_categoricals_take_each_other_choice_alike_and_may_stay():
    space = Space([Real("x", 0, 1), Categorical("c", ["p", "q", "r", "s"])])
    box = Box.around(space, np.array([0.5, 1 / 3]), 0.1, np.ones(2))
    levels = np.rint(3 * box.candidates(space, 4000, Key(1))[:, 1])
    shares = [np.mean(levels == k) for k in range(4)]
    np.testing.assert_allclose(shares, [1 / 6, 1 / 2, 1 / 6, 1 / 6], atol=0.03)


def test_columns_asleep_at_the_centre_wake_up_anywhere():
    space = Space([Categorical("c", ["p", "q"]), Real("x", 0, 1, when={"c": "q"})])
    box = Box.around(space, np.array([0.0, 0.5]), 0.05, np.ones(2))
    X = space.project(box.candidates(space, 500, Key(2)))
    awake = X[X[:, 0] == 1.0, 1]
    assert awake.min() < 0.05
    assert awake.max() > 0.95


def test_categoricals_asleep_at_the_centre_wake_up_with_any_choice():
    space = Space(
        [
            Categorical("c", ["p", "q"]),
            Categorical("two", ["u", "v"], when={"c": "q"}),
            Categorical("three", ["r", "s", "t"], when={"c": "q"}),
        ]
    )
    box = Box.around(space, space.encode({"c": "p"})[0], 0.05, np.ones(3))
    X = space.project(box.candidates(space, 4000, Key(2)))
    awake = space.decode(X[X[:, 0] == 1.0])
    for name, choices in (("two", "uv"), ("three", "rst")):
        shares = [np.mean([params[name] == choice for params in awake]) for choice in choices]
        np.testing.assert_allclose(shares, 1 / len(choices), atol=0.05)


@pytest.mark.parametrize("centre", ["a", "f", "k"])
def test_no_choice_is_nearer_to_the_centre_than_another(centre):
    space = Space([Real("x", 0, 1), Categorical("c", list("abcdefghijk"))])
    box = Box.around(space, space.encode({"x": 0.5, "c": centre})[0], 0.4, np.ones(2))
    X = space.encode([{"x": 0.5, "c": choice} for choice in "abcdefghijk"])
    assert box.contains(X).all()
    assert box.shrunk(0.06).contains(X).all()
    X[:, 0] = 0.8
    assert not box.contains(X).any()


class Bowl:
    """-|x - target|²: its maximum in a box is the target clipped to it."""

    scale, is_smooth = np.ones(3), True

    def __init__(self, target):
        self.target = np.array(target)

    def value(self, X):
        return -((X - self.target) ** 2).sum(axis=1)

    def value_and_grad(self, X):
        return self.value(X), -2 * (X - self.target)


def test_climbs_end_at_the_maximum_within_the_box():
    space, bowl = cube(3), Bowl([0.9, 0.1, 0.42])
    box = Box.around(space, np.array([0.5, 0.4, 0.4]), 0.2, np.ones(3))
    X = box.candidates(space, 50, Key(0))
    found = climb_within(bowl, space, box, X, bowl.value(X), None)
    best = found[np.argmax(bowl.value(found))]
    np.testing.assert_allclose(best, [0.6, 0.3, 0.42], atol=1e-4)
    held = np.array([np.nan, 0.35, np.nan])
    X[:, 1] = 0.35
    found = climb_within(bowl, space, box, X, bowl.value(X), held)
    np.testing.assert_allclose(found[np.argmax(bowl.value(found))], [0.6, 0.35, 0.42], atol=1e-4)


def test_climbs_follow_linear_constraints():
    space = Space([Real(f"x{k}", 0, 1) for k in range(3)], ["x0 + x1 + x2 <= 1.2"])
    bowl = Bowl([0.6, 0.6, 0.6])
    box = Box.around(space, np.full(3, 0.35), 0.4, np.ones(3))
    X = box.candidates(space, 100, Key(0))
    X = X[space.feasible(X)]
    found = climb_within(bowl, space, box, X, bowl.value(X), None)
    np.testing.assert_allclose(found[np.argmax(bowl.value(found))], 0.4, atol=1e-3)


# -- the strategy -------------------------------------------------------------------------------------


def told(study, f, n):
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, f(np.array(list(trial.params.values()))))
    return study


@pytest.mark.parametrize("acquisition", ["logei", "thompson"])
def test_added_points_are_used_and_the_best_of_them_is_the_centre(acquisition):
    space = cube(4)
    study = Study(
        space, strategy=TrustRegion(acquisition=acquisition, length_initial=0.1, n_local=60), seed=0
    )
    rng = np.random.default_rng(0)
    target = np.array([0.3, 0.8, 0.5, 0.6])
    X = rng.random((500, 4))
    for x in X:
        study.add(dict(zip(space.names, x.tolist(), strict=True)), float(np.sum((x - target) ** 2)))
    best = X[np.argmin(np.sum((X - target) ** 2, axis=1))]
    np.testing.assert_array_equal(study._session.state().regions[0].centre, best)
    for trial in study.ask(3):
        x = space.encode(trial.params)[0]
        assert np.sum((x - target) ** 2) < np.sum((best - target) ** 2) or acquisition == "thompson"
        lengths = np.exp(trial.tag["model of region 0"]["theta"][:4])
        box = Box.around(space, best, 0.1, lengths)
        assert np.all((x >= box.lower - 1e-9) & (x <= box.upper + 1e-9))
        assert trial.tag["model of region 0"]["n"] == 60, "results far from the centre are left out"


@pytest.mark.parametrize("acquisition", ["logei", "thompson"])
def test_several_regions_turn_to_the_better_one(acquisition):
    """Trials with even numbers lie in a shallow basin, those with odd ones in a deep one."""
    strategy = TrustRegion(n_regions=2, acquisition=acquisition, n_initial=8, length_initial=0.2)
    study = Study(PLANE, strategy=strategy, seed=1)
    rng = np.random.default_rng(3)

    def f(x):
        return float(min(10 * np.sum((x - 0.2) ** 2) + 3.0, 10 * np.sum((x - 0.8) ** 2)))

    for k in range(16):
        x = np.array([0.2, 0.8])[k % 2] + 0.1 * (rng.random(2) - 0.5)
        study.add({"a": x[0], "b": x[1]}, f(x))
    told(study, f, 10)
    regions = [trial.tag["region"] for trial in study.trials[16:]]
    assert regions.count(1) >= 9


def test_a_region_that_finds_nothing_begins_anew_with_a_design():
    study = Study(PLANE, strategy=TrustRegion(n_initial=3, length_initial=0.1, length_min=0.04), seed=0)
    told(study, lambda x: 1.0, 3 + 8 + 5)
    tags = [trial.tag for trial in study.trials]
    assert [tag["epoch"] for tag in tags] == [0] * 11 + [1] * 5
    assert ["length" in tag for tag in tags] == [False] * 3 + [True] * 8 + [False] * 3 + [True] * 2
    assert [tag.get("length") for tag in tags[3:11]] == [0.1] * 4 + [0.05] * 4
    assert len({tag["index"] for tag in tags if "index" in tag}) == 6, "the new design has new points"


def test_failed_runs_count_as_failures_and_abandoned_ones_do_not():
    study = Study(PLANE, strategy=TrustRegion(n_initial=2), seed=0)
    told(study, lambda x: 1.0, 2)
    for k in range(3):
        study.fail(study.ask(), "broke")
        assert study._session.state().regions[0].failures == k + 1
    study.abandon(study.ask())
    assert study._session.state().regions[0].failures == 3


def with_a_region_that_failed():
    """A study of two regions, of which the second one's whole design failed."""
    study = Study(PLANE, strategy=TrustRegion(n_regions=2, n_initial=4), seed=0)
    told(study, lambda x: float(np.sum((x - 0.3) ** 2)), 4)
    for _ in range(4):
        study.fail(study.ask(), "broke")
    return study


def test_a_region_whose_whole_design_failed_goes_on_with_it_until_there_is_a_result():
    study = with_a_region_that_failed()
    told(study, lambda x: float(np.sum((x - 0.3) ** 2)), 1)
    study.fail(study.ask(), "broke")
    told(study, lambda x: float(np.sum((x - 0.8) ** 2)) - 1.0, 6)
    tags = [trial.tag for trial in study.trials[8:]]
    assert [tag["region"] for tag in tags[:4]] == [0, 1, 0, 1], "the other region has its turns"
    assert ["length" in tag for tag in tags] == [True, False, True, False] + [True] * 4
    assert all("model of region 1" in tag for tag in tags[4:])


def test_what_is_out_for_a_region_without_a_result_is_waited_for():
    study = with_a_region_that_failed()
    tags = [trial.tag for trial in (*study.ask(2), *study.ask(2))]
    assert [tag["region"] for tag in tags] == [1, 0, 0, 0]
    assert ["length" in tag for tag in tags] == [False, True, True, True]


def test_runs_outside_the_space_are_no_centre():
    study = Study(PLANE, strategy=TrustRegion(n_initial=2), seed=0)
    told(study, lambda x: 1.0, 3)
    trial = study.ask()
    study.tell(trial, -5.0, at={"a": 3.0, "b": 0.5})
    assert study._session.state().regions[0].best == 1.0


def test_a_batch_says_how_many_were_out():
    study = Study(PLANE, strategy=TrustRegion(n_initial=2), seed=0)
    told(study, lambda x: float(x.sum()), 3)
    study.ask()
    assert [trial.tag["out"] for trial in study.ask(3)] == [4, 4, 4]


@pytest.mark.parametrize("acquisition", ["logei", "thompson"])
def test_it_finds_what_a_design_does_not(acquisition):
    space, target = cube(6), np.linspace(0.2, 0.9, 6)

    def f(x):
        return float(np.sum((x - target) ** 2))

    found = told(Study(space, strategy=TrustRegion(acquisition=acquisition), seed=0), f, 30).best().value
    spread = told(Study(space, strategy=Sobol(), seed=0), f, 30).best().value
    assert found < spread / (100 if acquisition == "logei" else 4)


@pytest.mark.parametrize("seed", [0, 3])
def test_where_runs_fail_is_learnt(seed):
    """The model's optimum lies deep in a half that fails; blind to that, 40 trials end 0.02 and 0.2 above."""
    study = Study(PLANE, Objective("f", noise=0), strategy=TrustRegion(n_initial=4), seed=seed)
    for _ in range(40):
        trial = study.ask()
        a, b = trial.params["a"], trial.params["b"]
        if a < 0.5:
            study.fail(trial, "broke")
        else:
            study.tell(trial, (a - 0.2) ** 2 + (b - 0.5) ** 2)
    assert study.best().value - 0.3**2 < 1e-3
    assert any("chance" in trial.tag for trial in study.trials)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_regions", 0),
        ("acquisition", "ucb"),
        ("n_initial", 0),
        ("length_initial", 2.0),
        ("length_initial", 0.001),
        ("length_min", 0.9),
        ("length_min", 0.0),
        ("length_max", float("nan")),
        ("successes", 0),
        ("failures", 1.5),
        ("n_local", None),
        ("surrogate", GaussianProcess(ensemble=4)),
    ],
)
def test_settings_outside_their_range_are_named(name, value):
    with pytest.raises(SpaceError, match=rf"TrustRegion: (0 < length_min .* got .*)?{name}"):
        TrustRegion(**{name: value})


def test_under_noise_the_search_goes_on_from_the_best_mean_rather_than_from_a_lucky_result():
    rng = np.random.default_rng(0)
    study = Study(PLANE, Objective("f", noise=0.3), strategy=TrustRegion(length_initial=0.4), seed=0)
    X = rng.random((60, 2))
    values = 4 * np.sum((X - 0.4) ** 2, axis=1)
    lucky = int(np.argmin(np.abs(np.sqrt(values) / 2 - 0.25)))
    values[lucky] = values.min() - 0.2
    for (a, b), value in zip(X.tolist(), values, strict=True):
        study.add({"a": a, "b": b}, float(value))
    trial = study.ask()
    assert trial.tag["by"] == "LogNEI"
    here = np.array(list(trial.params.values()))
    assert np.linalg.norm(here - 0.4) < np.linalg.norm(X[lucky] - 0.4) / 2


# -- known constraints --------------------------------------------------------------------------------

SIMPLEX = Space([Real(f"x{k}", 0, 1) for k in range(12)], [" + ".join(f"x{k}" for k in range(12)) + " <= 1"])
CORNER = Space([Real(f"x{k}", 0, 1) for k in range(4)], ["x0 + x1 >= 1.999"])


@pytest.mark.parametrize("acquisition", ["logei", "thompson"])
@pytest.mark.parametrize(
    ("space", "target"), [(SIMPLEX, np.r_[0.5, 0.3, np.zeros(10)]), (CORNER, np.array([1.0, 1.0, 0.1, 0.8]))]
)
def test_the_model_finds_points_where_constraints_leave_little(space, target, acquisition):
    strategy = TrustRegion(acquisition=acquisition, n_initial=6)
    study = Study(space, Objective("f", noise=0), strategy=strategy, seed=0)
    told(study, lambda x: float(np.sum((x - target) ** 2)), 16)
    values = [trial.value for trial in study.trials]
    assert not any("fallback" in trial.tag for trial in study.trials)
    assert min(values[6:]) < min(values[:6])


def test_fixed_values_that_take_the_centre_out_of_the_constraints_leave_a_search():
    study = Study(SIMPLEX, Objective("f", noise=0), strategy=TrustRegion(n_initial=6), seed=0)
    target = np.r_[0.3, 0.2, np.zeros(10)]
    told(study, lambda x: float(np.sum((x - target) ** 2)), 6)
    for _ in range(4):
        trial = study.ask(fixed={"x7": 0.6})
        assert trial.params["x7"] == 0.6
        assert "fallback" not in trial.tag
        study.tell(trial, float(np.sum((np.array(list(trial.params.values())) - target) ** 2)))


def test_a_climb_that_leaves_a_curved_constraint_is_drawn_back_to_it():
    """On the disc of radius r the sum is sqrt(2) r at most."""
    space = Space([Real("a", 0, 1), Real("b", 0, 1)], ["a ** 2 + b ** 2 <= 0.0004"])
    study = Study(space, Objective("f", noise=0), strategy=TrustRegion(n_initial=4), seed=0)
    told(study, lambda x: -float(x.sum()), 14)
    assert not any("fallback" in trial.tag for trial in study.trials)
    assert -study.best().value > 0.02 * np.sqrt(2) * 0.999


# -- what is told of them -----------------------------------------------------------------------------


def test_a_region_without_a_new_point_says_why():
    study = Study(Space([Integer("i", 0, 1), Integer("j", 0, 1)]), strategy=TrustRegion(n_initial=2), seed=0)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        study.add({"i": i, "j": j}, float(i + j))
    assert study.ask().tag["fallback"] == "every point found in the region was asked before"


def test_the_batch_goes_on_in_another_region_where_one_has_nothing_left(monkeypatch):
    study = Study(PLANE, strategy=TrustRegion(n_regions=2, n_initial=5), seed=0)
    told(study, lambda x: float(np.sum((x - 0.3) ** 2)), 10)
    first, calls = Place.most_promising, []

    def most_promising(place, *arguments):
        calls.append(place)
        return (None, {}) if place is calls[0] else first(place, *arguments)

    monkeypatch.setattr(Place, "most_promising", most_promising)
    trials = study.ask(3)
    assert not any("fallback" in trial.tag for trial in trials)
    assert len({trial.tag["region"] for trial in trials}) == 1


def test_a_batch_holds_the_notes_of_other_regions_once():
    study = Study(PLANE, strategy=TrustRegion(n_regions=3, n_initial=3), seed=0)
    told(study, lambda x: float(np.sum((x - 0.3) ** 2)), 9)
    first, *others = study.ask(3)
    notes = [f"model of region {r}" for r in range(3)]
    assert all(word in first.tag for word in notes)
    for trial in others:
        assert [word for word in notes if word in trial.tag] == [f"model of region {trial.tag['region']}"]


def test_fixed_parameters_are_named():
    study = Study(PLANE, strategy=TrustRegion(n_initial=2), seed=0)
    for _ in range(3):
        study.tell(study.ask(fixed={"b": 0.3}), 1.0)
    assert [trial.tag["held"] for trial in study.trials] == [["b"]] * 3
    assert study.explain(2).endswith("b was fixed by you.")
    assert "held" not in study.ask().tag


# -- what a batch costs -------------------------------------------------------------------------------


def test_points_of_a_batch_are_told_apart_without_comparing_all_with_all():
    X = np.random.default_rng(0).random((500, 40))
    place = Place(None, None, None, False, None, X, "", {})
    taken, values = set(keys(X[::2])), np.zeros(500)
    tracemalloc.start()
    assert _lowest(values, place, taken) == (0.0, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * X.nbytes, "all comparisons are 500 x 250 x 40 booleans, 31 times as many bytes"
    assert _lowest(values, place, set(place.keys)) == (np.inf, 0)


def test_samples_need_no_model_of_what_is_pending(monkeypatch):
    study = Study(PLANE, strategy=TrustRegion(n_initial=4, acquisition="thompson"), seed=0)
    told(study, lambda x: float(x.sum()), 4)
    monkeypatch.setattr(Place, "with_pending", None)
    trials = study.ask(3)
    assert len({tuple(trial.params.values()) for trial in trials}) == 3
    assert all(trial.tag["by"] == "Thompson sample" for trial in trials)
