"""Space: choices, conditions, feasibility, sampling, counting, checking, plain data."""

import itertools
import json
import pickle
from enum import IntEnum, StrEnum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbopt.errors import DataError, SpaceError
from bbopt.rng import Key
from bbopt.space import Categorical, Constant, Formula, Integer, Ordinal, Real, Space


def tuning_space():
    return Space(
        [
            Real("lr", 1e-5, 1e-1, log=True),
            Integer("layers", 1, 5),
            Integer("degree", 2, 5, when={"kernel": "poly"}),  # declared before its parent
            Categorical("kernel", ["rbf", "poly", "linear"]),
            Real("temperature", 20, 90, step=0.5, unit="°C"),
            Integer("n", 1, 10**6, log=True),
            Constant("solver", "adam"),
            Real("coef", 0, 1, when={"kernel": "poly", "degree": [3, 4, 5]}),
            Constant("gamma", "auto", when={"kernel": ["rbf", "poly"]}),
        ],
        constraints=["lr * n <= 1000", "layers + degree <= 8"],
    )


def discrete_space():
    return Space(
        [
            Integer("depth", 1, 3, when={"model": ["tree", "forest"]}),
            Categorical("model", ["tree", "forest", "svm"]),
            Ordinal("trees", [10, 20, 40, 80], when={"model": "forest"}),
            Categorical("bootstrap", [True, False], when={"trees": [40, 80], "depth": [2, 3]}),
            Categorical("kernel", ["rbf", "poly"], when={"model": "svm"}),
            Integer("degree", 2, 5, when={"kernel": "poly"}),
            Integer("seed", 1, 9, log=True),
        ]
    )


def brute_force(space):
    """Every distinct point, found by decoding the full product of levels."""
    product = itertools.product(*(space.levels(j) for j in range(space.d)))
    rows = list(product)
    X = np.array(rows).reshape(len(rows), space.d)
    return np.unique(space.project(X), axis=0)


# --- choices -------------------------------------------------------------------------------------


def test_one_and_true_and_one_point_zero():
    space = Space([Categorical("c", [1, True, "1", None, 0, False, 2.0])])
    for choice in space.parameters[0].choices:
        (back,) = space.decode(space.encode({"c": choice}))
        assert back["c"] is choice or (back["c"] == choice and type(back["c"]) is type(choice))
        assert type(space.validate({"c": choice})["c"]) is type(choice)
    assert space.validate({"c": 1.0}) == {"c": 1}
    assert type(space.validate({"c": 2})["c"]) is float
    assert space.validate({"c": np.True_})["c"] is True
    np.testing.assert_array_equal(space.encode({"c": np.True_}), space.encode({"c": True}))
    np.testing.assert_array_equal(space.encode({"c": np.int64(1)}), space.encode({"c": 1}))


def test_conditions_tell_one_from_true():
    space = Space([Categorical("c", [1, True]), Real("x", 0, 1, when={"c": True})])
    assert space.validate({"c": 1}) == {"c": 1}
    assert space.validate({"c": True, "x": 0.5}) == {"c": True, "x": 0.5}
    with pytest.raises(DataError, match="params lack 'x'"):
        space.validate({"c": True})
    np.testing.assert_array_equal(space.active(space.encode({"c": 1})), [[True, False]])


@given(
    st.lists(
        st.one_of(
            st.text(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
            st.none(),
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda v: (isinstance(v, bool), v),
    )
)
def test_any_choices_come_back_verbatim(choices):
    space = Space([Categorical("c", choices), Ordinal("o", choices)])
    params = [{"c": choice, "o": choice} for choice in choices]
    X = space.encode(params)
    for back in (space.decode(X), [space.decode(row[None])[0] for row in X]):
        assert json.dumps(back) == json.dumps(params)
    again = Space.from_json(space.to_json())
    assert again == space
    assert json.dumps(again.decode(X)) == json.dumps(params)


def test_numpy_and_enum_choices_become_plain():
    class Colour(StrEnum):
        RED = "red"

    class Size(IntEnum):
        BIG = 7

    space = Space(
        [Categorical("a", np.array([1, 2])), Categorical("b", [Colour.RED, Size.BIG, np.float64(0.5)])]
    )
    assert space.parameters[0].choices == (1, 2)
    assert [type(choice) for choice in space.parameters[1].choices] == [str, int, float]
    assert space.to_dict()["parameters"][1]["choices"] == ["red", 7, 0.5]


def test_dtypes_of_columns():
    space = Space(
        [
            Real("r", 0, 1),
            Integer("i", 0, 3),
            Ordinal("f", [0.5, 1.5]),
            Ordinal("k", [16, 32]),
            Categorical("b", [True, False]),
            Categorical("s", ["u", "v"]),
            Categorical("m", [1, "v"]),
            Constant("c", 3),
        ]
    )
    kinds = {name: column.dtype.kind for name, column in space.columns(space.sample(3, Key(0))).items()}
    assert kinds == {"r": "f", "i": "i", "f": "f", "k": "i", "b": "b", "s": "O", "m": "O", "c": "i"}


# --- constants -----------------------------------------------------------------------------------


def test_constants_have_no_column():
    space = Space(
        [
            Real("a", 2, 2),
            Integer("b", 3, 3),
            Categorical("c", ["only"]),
            Constant("d", None),
            Real("e", 0, 1, step=2),
            Integer("f", 0, 3, step=5),
            Real("g", 5, 5, log=True),
            Integer("h", 5, 5, log=True),
        ]
    )
    params = {"a": 2.0, "b": 3, "c": "only", "d": None, "e": 0.0, "f": 0, "g": 5.0, "h": 5}
    assert space.d == 0
    assert space.size == 1
    assert space.enumerate().shape == (1, 0)
    assert space.decode(np.empty((2, 0))) == [params, params]
    assert space.decode(np.empty((20, 0)))[7] == params
    assert space.encode(params).shape == (1, 0)
    assert space.validate({}) == params
    assert space.sample(3, Key(0)).shape == (3, 0)
    assert space.column("a") is None
    with pytest.raises(DataError, match="'c' must be 'only', got 'other'"):
        space.validate({"c": "other"})
    with pytest.raises(DataError, match=r"'d' must be None \(it is constant\), got 1"):
        space.validate({"d": 1}, strict=False)


def test_constant_parents_are_settled_at_once():
    space = Space(
        [
            Constant("c", 1),
            Real("x", 0, 1, when={"c": [1]}),
            Integer("n", 4, 4),
            Real("y", 0, 1, when={"n": 4}),
        ]
    )
    assert not space.is_conditional
    assert space.decode([[0.5, 0.5]]) == [{"c": 1, "x": 0.5, "n": 4, "y": 0.5}]


# --- conditions ----------------------------------------------------------------------------------


def test_conditions_at_all_depths():
    space = discrete_space()
    for params in space.decode(brute_force(space)):
        assert ("depth" in params) == (params["model"] in ("tree", "forest"))
        assert ("trees" in params) == (params["model"] == "forest")
        assert ("bootstrap" in params) == (params.get("trees") in (40, 80) and params.get("depth") in (2, 3))
        assert ("kernel" in params) == (params["model"] == "svm")
        assert ("degree" in params) == (params.get("kernel") == "poly")
        assert space.validate(params) == params
        assert list(params) == [name for name in space.names if name in params]


def test_inactive_columns():
    space = tuning_space()
    X = space.sample(500, Key(1))
    active = space.active(X)
    assert active.dtype == bool
    assert (X[~active] == 0.5).all()
    for row, params in zip(active, space.decode(X), strict=True):
        assert {
            p.name
            for p, on in zip([q for q in space.parameters if not q.is_constant], row, strict=True)
            if on
        } == {name for name in params if space.column(name) is not None}
        assert ("gamma" in params) == (params["kernel"] != "linear")
    Y = X.copy()
    Y[~active] = 0.123  # whatever stands there does not matter
    np.testing.assert_array_equal(space.project(Y), X)
    np.testing.assert_array_equal(space.active(Y), active)


def test_many_parent_values():
    space = Space([Integer("n", 1, 100, log=True), Real("x", 0, 1, when={"n": range(1, 61)})])
    X = space.sample(1000, Key(0))
    np.testing.assert_array_equal(space.active(X)[:, 1], space.columns(X)["n"] <= 60)


# --- feasibility ---------------------------------------------------------------------------------


def test_formula_is_vacuous_where_a_parameter_is_inactive():
    space = Space(
        [Categorical("k", ["a", "b"]), Real("x", 0, 1, when={"k": "a"}), Real("y", 0, 1)], ["x + y <= 1"]
    )
    X = space.encode([{"k": "a", "x": 0.9, "y": 0.9}, {"k": "b", "y": 0.9}, {"k": "a", "x": 0.1, "y": 0.9}])
    assert space.feasible(X).tolist() == [False, True, True]
    assert space.validate({"k": "b", "y": 0.9}) == {"k": "b", "y": 0.9}
    with pytest.raises(
        DataError, match=r"must satisfy the known constraint 'x \+ y <= 1', got \{'k': 'a', 'x': 0.9"
    ):
        space.validate({"k": "a", "x": 0.9, "y": 0.9})
    assert space.validate({"k": "a", "x": 0.9, "y": 0.9}, strict=False)


def test_feasible_looks_at_snapped_values():
    space = Space([Integer("n", 0, 10), Real("x", 0, 1)], ["n <= 5"])
    assert space.feasible([[0.52, 0.5], [0.58, 0.5], [-3.0, 9.0]]).tolist() == [True, False, True]


def test_functions_get_active_params():
    seen = []

    def rule(params):
        seen.append(params)
        return params.get("degree", 0) < 4

    space = Space([Categorical("k", ["a", "poly"]), Integer("degree", 2, 5, when={"k": "poly"})], [rule])
    X = space.enumerate()
    assert [p.get("degree") for p in space.decode(X)] == [None, 2, 3]
    assert {"k": "a"} in seen
    assert {"k": "poly", "degree": 5} in seen
    with pytest.raises(DataError, match="known constraint 'rule'"):
        space.validate({"k": "poly", "degree": 5})


def test_constants_in_constraints():
    space = Space([Real("x", 0, 10), Constant("budget", 4)], ["x <= budget"])
    assert space.columns(space.sample(200, Key(0)))["x"].max() <= 4


def test_quoted_names_and_numeric_choices():
    space = Space([Real("my x", 0, 1), Ordinal("size", [1, 2, 4])], ["`my x` * size <= 1"])
    values = space.columns(space.sample(300, Key(0)))
    assert (values["my x"] * values["size"] <= 1 + 1e-9).all()
    assert set(values["size"]) == {1, 2, 4}


# --- sampling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tuning_space, discrete_space], ids=["tuning", "discrete"])
def test_samples_are_feasible_and_snapped(make):
    space = make()
    X = space.sample(2000, Key(3))
    assert space.feasible(X).all()
    np.testing.assert_array_equal(space.project(X), X)
    for params in space.decode(X[:300]):
        assert space.validate(params) == params


def test_rows_depend_on_their_number_alone():
    rare = Space(
        [Real("x", 0, 1), Real("y", 0, 1), Categorical("k", ["a", "b", "c"])], ["0.002 <= x*y <= 0.004"]
    )
    for space in (tuning_space(), rare):
        X = space.sample(40, Key(5), start=100)
        for i in (0, 7, 39):
            np.testing.assert_array_equal(space.sample(1, Key(5), start=100 + i)[0], X[i])
        np.testing.assert_array_equal(space.sample(20, Key(5), start=110), X[10:30])
        assert not np.array_equal(space.sample(40, Key(6), start=100), X)
        assert len(np.unique(X, axis=0)) == 40
    assert rare.sample(0, Key(0)).shape == (0, 3)


def test_very_rare_feasible_points_are_found():
    space = Space([Real("x", 0, 1), Real("y", 0, 1)], ["0.5 <= x <= 0.51", "0.5 <= y <= 0.51"])
    assert space.feasible(space.sample(20, Key(0))).all()


@pytest.mark.parametrize("n", [1, 50, 5000])
def test_infeasible_spaces_say_so(n):
    space = Space([Real("x", 0, 1)], ["x >= 2"])
    message = r"no feasible point found in \d+ draws and a local search: .* may contradict .*'x >= 2'"
    for _ in range(2):
        with pytest.raises(SpaceError, match=message):
            space.sample(n, Key(0))


def test_fixed_columns_are_held_and_active():
    space = tuning_space()
    fixed = space.fix({"degree": 4, "layers": 2})
    assert fixed.tolist()[1:3] == [0.25, pytest.approx(2 / 3)]
    assert fixed[space.column("kernel")] == 0.5  # poly: implied
    X = space.sample(50, Key(0), fixed=fixed)
    assert {(p["degree"], p["layers"], p["kernel"]) for p in space.decode(X)} == {(4, 2, "poly")}
    np.testing.assert_array_equal(X[7], space.sample(1, Key(0), start=7, fixed=fixed)[0])
    with pytest.raises(DataError, match="here kernel='poly'"):
        space.fix({"coef": 0.25})
    coef = space.decode(space.sample(50, Key(0), fixed=space.fix({"coef": 0.25, "degree": 4})))
    assert {(p["coef"], p["degree"]) for p in coef} == {(0.25, 4)}
    with pytest.raises(
        DataError, match="'degree', which is active only when kernel='poly'; here kernel='rbf'"
    ):
        space.fix({"degree": 4, "kernel": "rbf"})
    with pytest.raises(DataError, match="'layers' must be an integer in"):
        space.fix({"layers": 9})
    rivals = [
        Real("x", 0, 1, when={"k": ["a", "b"]}),
        Real("y", 0, 1, when={"k": "c"}),
        Categorical("k", list("abc")),
    ]
    with pytest.raises(DataError, match=r"'x', which is active only when k in \('a', 'b'\); here k='c'"):
        Space(rivals).fix({"x": 0.5, "y": 0.5})
    with pytest.raises(SpaceError, match="draws and a local search with these fixed values: "):
        Space([Real("x", 0, 1)], ["x <= 0.5"]).sample(1, Key(0), fixed=[0.7])
    with pytest.raises(DataError, match=r"fixed must have shape \(6,\)|fixed must have shape"):
        space.sample(1, Key(0), fixed=[0.5])


def test_partial_params_are_plain_and_bring_their_parents():
    space = tuning_space()
    given = {"degree": 4.0, "solver": np.str_("adam"), "layers": np.int64(2), "coef": 1}
    partial = space.partial(given)
    assert json.dumps(partial) == (
        '{"layers": 2, "degree": 4, "kernel": "poly", "solver": "adam", "coef": 1.0}'
    )
    np.testing.assert_array_equal(space.fix(given), space.fix(partial))
    np.testing.assert_array_equal(
        space.fix(partial)[[1, 2, 3, 6]], space.sample(1, Key(0), fixed=space.fix(given))[0, [1, 2, 3, 6]]
    )
    assert space.partial({}) == {}
    assert space.partial({"layers": 5, "degree": 5, "kernel": "poly"})  # known constraints are not looked at
    for wrong in ({"degree": 4.5}, {"degree": 9}, {"degree": 4, "kernel": "rbf"}, {"coef": 0.5}, {"z": 1}, 3):
        with pytest.raises(DataError):
            space.partial(wrong)


def test_is_complete():
    space = tuning_space()
    params = space.decode(space.sample(1, Key(0)))[0]
    assert space.is_complete(params)
    del params["solver"]
    assert space.is_complete(params)
    del params["lr"]
    assert not space.is_complete(params)
    assert not space.is_complete({"kernel": ["rbf"]})
    assert not space.is_complete(3)


def test_from_unit_covers_conditions():
    space = discrete_space()
    X = space.from_unit(np.random.default_rng(0).random((4000, space.d)))
    np.testing.assert_array_equal(space.project(X), X)
    assert {tuple(row) for row in X} <= {tuple(row) for row in brute_force(space)}
    model = np.unique(space.columns(X)["model"], return_counts=True)[1]
    assert model.min() > 1200


# --- counting ------------------------------------------------------------------------------------


def test_size_and_enumerate_by_brute_force():
    space = discrete_space()
    expected = brute_force(space)
    X = space.enumerate()
    assert space.size == len(expected)
    np.testing.assert_array_equal(X, expected)  # np.unique sorts by the first column, then the second
    constrained = Space(space.parameters, ["seed <= 3", "degree + seed <= 6"])
    assert constrained.size == space.size
    np.testing.assert_array_equal(constrained.enumerate(), expected[constrained.feasible(expected)])


@st.composite
def conditional_spaces(draw):
    parameters = []
    for i in range(draw(st.integers(1, 6))):
        when = {}
        if parameters:
            for parent in draw(st.lists(st.sampled_from(parameters), max_size=2, unique_by=lambda p: p.name)):
                levels = [parent.decode(u) for u in np.linspace(0, 1, parent.n_levels)]
                when[parent.name] = draw(st.lists(st.sampled_from(levels), min_size=1, max_size=3))
        kind = draw(st.sampled_from(["categorical", "integer", "log", "constant"]))
        if kind == "categorical":
            parameters.append(
                Categorical(f"p{i}", ["a", True, 1, None][: draw(st.integers(1, 4))], when=when)
            )
        elif kind == "constant":
            parameters.append(Constant(f"p{i}", "v", when=when))
        else:
            parameters.append(Integer(f"p{i}", 1, draw(st.integers(1, 4)), log=kind == "log", when=when))
    return draw(st.permutations(parameters))


@given(conditional_spaces())
@settings(max_examples=300)
def test_random_conditional_spaces(parameters):
    try:
        space = Space(parameters)
    except SpaceError as error:
        assert "can never be active" in str(error)  # noqa: PT017
        return
    expected = brute_force(space)
    assert space.size == len(expected)
    X = space.enumerate()
    np.testing.assert_array_equal(X, expected)
    decoded = space.decode(X)
    assert len({json.dumps(params) for params in decoded}) == len(X)
    assert json.dumps(decoded) == json.dumps([space.decode(row[None])[0] for row in X])
    np.testing.assert_array_equal(space.encode(decoded), X)
    for params, active in zip(decoded, space.active(X), strict=True):
        assert json.dumps(space.validate(params)) == json.dumps(params)
        assert sum(active) == sum(space.column(name) is not None for name in params)
    assert Space.from_json(space.to_json()) == space


def test_sizes_without_listing():
    assert Space([Integer(f"x{i}", 0, 9) for i in range(50)]).size == 10**50
    assert Space([Real("x", 0, 1)]).size is None
    assert Space([Categorical("k", ["a", "b"]), Real("x", 0, 1, when={"k": "a"})]).size is None
    many = [Categorical(f"p{i}", [0, 1]) for i in range(40)]
    children = [Integer(f"c{i}", 1, 3, when={f"p{i}": 1}) for i in range(40)]
    assert Space(many + children).size == 4**40
    deep = [Categorical("p0", [0, 1])] + [
        Categorical(f"p{i}", [0, 1], when={f"p{i - 1}": 1}) for i in range(1, 60)
    ]
    assert Space(deep).size == 61
    assert len(Space(deep).enumerate()) == 61
    all_of = Integer("c", 1, 3, when={f"p{i}": 1 for i in range(40)})
    assert Space([*many, all_of]).size == 2**40 + 2
    assert Space([Integer("n", 1, 2**53), Categorical("k", [0, 1], when={"n": 7})]).size == 2**53 + 1


# --- checking ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (3, "params must be a mapping of names to values, got 3"),
        ([("x", 1)], "params must be a mapping of names to values"),
        ({}, "params lack 'x': a number in [0.0, 1.0] mm"),
        ({"X": 1}, "params name 'X', which is no parameter; the parameters are 'x', 'n', 'kernel', 'degree'"),
        ({"kernl": "rbf"}, "params name 'kernl', which is no parameter; did you mean 'kernel'?"),
        ({3: "rbf"}, "params name 3, which is no parameter"),
        ({"x": 1.5, "n": 1, "kernel": "rbf"}, "parameter 'x' must be a number in [0.0, 1.0] mm, got 1.5"),
        ({"x": "0.5", "n": 1, "kernel": "rbf"}, "parameter 'x' must be a number in [0.0, 1.0] mm, got '0.5'"),
        ({"x": True, "n": 1, "kernel": "rbf"}, "parameter 'x' must be a number in [0.0, 1.0] mm, got True"),
        ({"x": float("nan"), "n": 1, "kernel": "rbf"}, "got nan"),
        ({"x": 10**400, "n": 1, "kernel": "rbf"}, "got 1000"),
        ({"x": None, "n": 1, "kernel": "rbf"}, "got None"),
        (
            {"x": 0.5, "n": 2.5, "kernel": "rbf"},
            "parameter 'n' must be an integer in [1, 9] in steps of 2, got 2.5",
        ),
        (
            {"x": 0.5, "n": 2, "kernel": "rbf"},
            "parameter 'n' must be an integer in [1, 9] in steps of 2, got 2",
        ),
        ({"x": 0.5, "n": 11, "kernel": "rbf"}, "in steps of 2, got 11"),
        ({"x": 0.5, "n": "3", "kernel": "rbf"}, "got '3'"),
        ({"x": 0.5, "n": float("inf"), "kernel": "rbf"}, "got inf"),
        ({"x": 0.5, "n": 1, "kernel": "RBF"}, "parameter 'kernel' must be one of 'rbf', 'poly', got 'RBF'"),
        ({"x": 0.5, "n": 1, "kernel": "pol"}, "got 'pol'; did you mean 'poly'?"),
        ({"x": 0.5, "n": 1, "kernel": ["rbf"]}, "got ['rbf']"),
        (
            {"x": 0.5, "n": 1, "kernel": "poly"},
            "params lack 'degree': an integer in [2, 5], active when kernel='poly'",
        ),
        (
            {"x": 0.5, "n": 1, "kernel": "rbf", "degree": 3},
            "params give 'degree', which is active only when kernel='poly'; here kernel='rbf'",
        ),
    ],
)
def test_messages_of_validate(params, message):
    space = Space(
        [
            Real("x", 0, 1, unit="mm"),
            Integer("n", 1, 9, step=2),
            Categorical("kernel", ["rbf", "poly"]),
            Integer("degree", 2, 5, when={"kernel": "poly"}),
        ]
    )
    with pytest.raises(DataError) as caught:
        space.validate(params)
    assert message in str(caught.value), str(caught.value)
    if "got 1.5" not in message and "got 2" not in message and "got 11" not in message:
        with pytest.raises(DataError):
            space.validate(params, strict=False)
        if params != {"x": True, "n": 1, "kernel": "rbf"} and "which is active only" not in message:
            with pytest.raises(DataError):
                space.encode(params)


def test_validate_returns_plain_values_in_order():
    space = Space([Real("x", 0, 1), Integer("n", 1, 9), Categorical("k", ["a", "b"]), Constant("c", "v")])
    given = {"k": np.str_("a"), "n": np.float64(3.0), "x": np.float32(0.5)}
    params = space.validate(given)
    assert json.dumps(params) == '{"x": 0.5, "n": 3, "k": "a", "c": "v"}'
    np.testing.assert_array_equal(space.encode(given), space.encode(params))
    assert space.validate({"x": 1, "n": np.array(3), "k": "b"}) == {"x": 1.0, "n": 3, "k": "b", "c": "v"}


def test_values_that_decide_activity_must_be_levels():
    space = Space([Integer("layers", 1, 3), Integer("width", 1, 9, when={"layers": 3}), Real("x", 0, 1)])
    assert space.validate({"layers": 1, "x": 7.0}, strict=False) == {"layers": 1, "x": 7.0}
    with pytest.raises(DataError, match="'layers' must be an integer in"):
        space.validate({"layers": 4, "x": 7.0}, strict=False)


@pytest.mark.parametrize(
    "wrong", [{"n": 2.5}, {"n": np.float64(2.5)}, {"n": True}, {"m": 2.5}, {"x": True}, {"x": np.False_}]
)
def test_encode_refuses_what_validate_refuses(wrong):
    space = Space([Integer("n", 0, 9), Integer("m", 1, 9, log=True), Real("x", 0, 1)])
    params = {"n": 2, "m": 2, "x": 0.5, **wrong}
    (name,) = wrong
    for method in (space.encode, lambda params: space.validate(params, strict=False)):
        with pytest.raises(DataError, match=f"parameter '{name}' must be"):
            method(params)
    whole = {"n": 3.0, "m": np.float64(2), "x": np.int64(1)}
    np.testing.assert_array_equal(space.encode(whole), space.encode({"n": 3, "m": 2, "x": 1.0}))


def test_log_of_nothing_is_refused():
    space = Space([Real("x", 1, 2, log=True), Integer("n", 1, 9, log=True)])
    for params in ({"x": 0.0, "n": 1}, {"x": -1.0, "n": 1}, {"x": 1.0, "n": 0}):
        with pytest.raises(DataError, match="is on a log scale and must be positive"):
            space.validate(params, strict=False)
        with pytest.raises(DataError, match="is on a log scale and must be positive"):
            space.encode(params)


def test_shapes_are_checked():
    space = Space([Real("x", 0, 1), Real("y", 0, 1)])
    for method in (space.decode, space.project, space.active, space.feasible, space.columns, space.from_unit):
        with pytest.raises(DataError, match=r"points must have shape \(n, 2\), got shape \(3,\)"):
            method([0.1, 0.2, 0.3])
    assert space.decode(np.empty((0, 2))) == []
    assert space.encode([]).shape == (0, 2)


# --- plain data ----------------------------------------------------------------------------------


def test_readable_dict_form():
    data = {
        "parameters": [
            {"type": "real", "name": "lr", "low": 1e-05, "high": 0.1, "log": True},
            {"type": "real", "name": "t", "low": 20.0, "high": 90.0, "step": 0.5, "unit": "°C"},
            {"type": "integer", "name": "n", "low": 8, "high": 256, "step": 8},
            {"type": "categorical", "name": "kernel", "choices": ["rbf", "poly"]},
            {
                "type": "ordinal",
                "name": "size",
                "choices": ["S", "M"],
                "when": {"kernel": ["rbf", "poly"], "n": 8},
            },
            {"type": "constant", "name": "solver", "value": None},
        ],
        "constraints": ["lr * n <= 1", {"callable": "rule"}],
    }

    def rule(params):
        return params["lr"] < 1

    space = Space.from_dict(data, {"rule": rule})
    assert space.to_dict() == data
    assert Space.of(space) is space
    assert Space.from_json(space.to_json(), {"rule": rule}) == space
    assert "°C" in space.to_json()
    without = {"parameters": data["parameters"], "constraints": data["constraints"][:1]}
    assert Space.of(without) == Space.from_dict(without)
    assert Space.of(list(space.parameters)) == Space(space.parameters)
    with pytest.raises(SpaceError, match=r"supply callables=\{'rule': \.\.\.\}"):
        Space.from_json(space.to_json())


def test_repr_is_what_one_would_type():
    space = tuning_space()
    again = eval(repr(space), {k.__name__: k for k in (Space, Real, Integer, Categorical, Ordinal, Constant)})
    assert again == space
    assert repr(Real("lr", 1e-5, 1e-1, log=True)) == "Real('lr', 1e-05, 0.1, log=True)"
    assert repr(Integer("d", 2, 5, when={"k": ["poly"]})) == "Integer('d', 2, 5, when={'k': 'poly'})"


def test_equality_and_hash():
    assert tuning_space() == tuning_space()
    assert hash(tuning_space()) == hash(tuning_space())
    assert tuning_space() != discrete_space()
    assert Categorical("c", [1, 2]) != Categorical("c", [True, 2])
    assert Categorical("c", [1, 2]) != Ordinal("c", [1, 2])
    assert Real("x", 0, 1) == Real("x", -0.0, 1.0)
    assert Real("x", 0, 1, when={"k": "a"}) != Real("x", 0, 1)
    assert Space([Real("x", 0, 1)], ["x <= 1"]) == Space([Real("x", 0, 1)], [Formula("x <= 1")])


def test_immutable_and_picklable():
    space = tuning_space()
    with pytest.raises(AttributeError):
        space.d = 3
    with pytest.raises(AttributeError):
        space.parameters[0].low = 3
    with pytest.raises(ValueError, match="read-only"):
        space.n_levels[0] = 3
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    np.testing.assert_array_equal(again.sample(5, Key(0)), space.sample(5, Key(0)))


@given(st.integers(0, 10**6))
@settings(max_examples=50)
def test_projection_is_idempotent_and_decodes_to_itself(seed):
    space = tuning_space()
    X = np.random.default_rng(seed).normal(0.5, 0.7, (20, space.d))
    P = space.project(X)
    np.testing.assert_array_equal(space.project(P), P)
    decoded = space.decode(X)
    assert decoded == space.decode(P)
    again = space.encode(decoded)
    np.testing.assert_allclose(again, P, atol=1e-12)
    discrete = space.n_levels > 0
    np.testing.assert_array_equal(again[:, discrete], P[:, discrete])


def test_fixing_a_child_of_several_parents_values_says_what_is_missing():
    space = Space([Categorical("k", ["a", "b", "c"]), Real("g", 0, 1, when={"k": ["a", "b"]})])
    with pytest.raises(DataError, match=r"active only when k in \('a', 'b'\); give 'k', too$"):
        space.fix({"g": 0.5})
    assert space.fix({"g": 0.5, "k": "b"})[1] == 0.5
