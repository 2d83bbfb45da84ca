"""Every malformed space says what was given and what would be right."""

import math
import re

import numpy as np
import pytest

from bbopt.errors import SpaceError
from bbopt.space import Categorical, Constant, Integer, Ordinal, Predicate, Real, Space

K = Categorical("kernel", ["rbf", "poly"])
X = Real("x", 0, 1)

MALFORMED = [
    # names
    (lambda: Real("", 0, 1), "Real: name must be a non-empty text, got ''"),
    (lambda: Integer(3, 0, 1), "Integer: name must be a non-empty text, got 3"),
    (lambda: Categorical(None, ["a"]), "Categorical: name must be a non-empty text, got None"),
    # real
    (lambda: Real("x", 2, 1), "Real 'x': low must not exceed high, got low=2.0, high=1.0"),
    (lambda: Real("x", 0, math.inf), "Real 'x': high must be a finite number, got inf"),
    (lambda: Real("x", math.nan, 1), "Real 'x': low must be a finite number, got nan"),
    (lambda: Real("x", "1e-5", 1), "Real 'x': low must be a finite number, got '1e-5'"),
    (lambda: Real("x", False, True), "Real 'x': low must be a finite number, got False"),
    (lambda: Real("x", 0, 10**400), "Real 'x': high must be a finite number, got 1000"),
    (lambda: Real("x", None, 1), "Real 'x': low must be a finite number, got None"),
    (lambda: Real("x", 0, 1, log=True), "Real 'x': log=True needs low > 0, got low=0.0"),
    (lambda: Real("x", -1, 1, log=True), "Real 'x': log=True needs low > 0, got low=-1.0"),
    (lambda: Real("x", 1, 2, log=1), "Real 'x': log must be True or False, got 1"),
    (lambda: Real("x", 0, 1, step=0), "Real 'x': step must be positive, got 0.0"),
    (lambda: Real("x", 0, 1, step=-0.1), "Real 'x': step must be positive, got -0.1"),
    (lambda: Real("x", 0, 1, step=math.nan), "Real 'x': step must be a finite number, got nan"),
    (lambda: Real("x", 1, 2, step=0.1, log=True), "log and step exclude each other, got log=True, step=0.1"),
    (lambda: Real("x", 0, 1, step=1e-17), "step must be larger, got 1e-17: between 0.0 and 1.0"),
    (lambda: Real("x", 1e9, 1e9 + 1, step=1e-8), "step must be larger, got 1e-08"),
    (lambda: Real("x", 0, 1, unit=3), "Real 'x': unit must be a text, got 3"),
    # integer
    (lambda: Integer("n", 5, 1), "Integer 'n': low must not exceed high, got low=5, high=1"),
    (lambda: Integer("n", 0.5, 1), "Integer 'n': low must be an integer, got 0.5"),
    (lambda: Integer("n", 0, math.inf), "Integer 'n': high must be an integer, got inf"),
    (lambda: Integer("n", math.nan, 1), "Integer 'n': low must be an integer, got nan"),
    (lambda: Integer("n", True, 3), "Integer 'n': low must be an integer, got True"),
    (lambda: Integer("n", "1", 3), "Integer 'n': low must be an integer, got '1'"),
    (lambda: Integer("n", 0, 2**53 + 1), "Integer 'n': low and high must be at most 2^53"),
    (lambda: Integer("n", 2**63, 2**63 + 5), "fit 64 bits"),
    (lambda: Integer("n", 0, 10**400), "must be at most 2^53"),
    (lambda: Integer("n", 0, 5, step=0), "Integer 'n': step must be at least 1, got 0"),
    (lambda: Integer("n", 0, 5, step=1.5), "Integer 'n': step must be an integer, got 1.5"),
    (lambda: Integer("n", 0, 5, log=True), "Integer 'n': log=True needs low >= 1, got low=0"),
    (lambda: Integer("n", 1, 9, log=True, step=2), "log and step exclude each other, got log=True, step=2"),
    (lambda: Integer("n", 1, 10**15, log=True), "high=1000000000000000 is too large with log=True"),
    # choices
    (lambda: Categorical("k", []), "Categorical 'k': choices must hold at least one value, got none"),
    (lambda: Categorical("k", "rbf"), "Categorical 'k': choices must be a list of values, got 'rbf'"),
    (lambda: Ordinal("k", {"a", "b"}), "(a set has no order)"),
    (lambda: Categorical("k", ["a", "b", "a"]), "choices must all be different, got 'a' more than once"),
    (lambda: Categorical("k", [1, 1.0]), "choices must all be different, got 1 more than once"),
    (lambda: Categorical("k", [0.0, -0.0]), "choices must all be different"),
    (lambda: Categorical("k", [math.nan, 1]), "choices must be texts, numbers, True, False or None, got nan"),
    (lambda: Categorical("k", [dict, list]), "got <class 'dict'>; name the choice by a text"),
    (lambda: Categorical("k", [(1, 2)]), "got (1, 2); name the choice by a text"),
    (
        lambda: Constant("c", [1]),
        "Constant 'c': value must be a text, a number, True, False or None, got [1]",
    ),
    (lambda: Constant("c", math.inf), "got inf"),
    # spaces
    (lambda: Space([]), "parameters must hold at least one parameter, got none"),
    (lambda: Space(X), "parameters must be a list such as [Real('x', 0, 1)], got Real('x', 0.0, 1.0)"),
    (lambda: Space({"x": (0, 1)}), "parameters must be a list such as [Real('x', 0, 1)], got {'x': (0, 1)}"),
    (lambda: Space(None), "parameters must be a list"),
    (
        lambda: Space([("x", 0, 1)]),
        "must be any of Real, Integer, Categorical, Ordinal, Constant, got ('x', 0, 1)",
    ),
    (lambda: Space([X, Integer("x", 0, 1)]), "parameters must have different names, got 'x' twice"),
    # conditions
    (lambda: Real("d", 0, 1, when="kernel"), 'when must look like {"kernel": "poly"}, got \'kernel\''),
    (lambda: Real("d", 0, 1, when={"kernel": []}), "when['kernel'] must hold at least one value, got none"),
    (lambda: Real("d", 0, 1, when={3: 1}), "when must name its parents by text, got 3"),
    (
        lambda: Real("d", 0, 1, when={"k": {"a": 1}}),
        "when['k'] must hold values of that parameter, got {'a': 1}",
    ),
    (
        lambda: Space([K, Real("d", 0, 1, when={"kernle": "rbf"})]),
        "Real 'd': when names 'kernle', which is no parameter; did you mean 'kernel'?",
    ),
    (
        lambda: Space([K, Real("d", 0, 1, when={"q": "rbf"})]),
        "when names 'q', which is no parameter; the parameters are 'kernel', 'd'",
    ),
    (
        lambda: Space([K, Real("d", 0, 1, when={"kernel": "polly"})]),
        "when['kernel'] can never be 'polly': parameter 'kernel' must be one of 'rbf', 'poly', got 'polly'; "
        "did you mean 'poly'?",
    ),
    (
        lambda: Space([Integer("n", 1, 3), Real("d", 0, 1, when={"n": 4})]),
        "must be an integer in [1, 3], got 4",
    ),
    (lambda: Space([Integer("n", 0, 3), Real("d", 0, 1, when={"n": True})]), "when['n'] can never be True"),
    (lambda: Space([Categorical("b", [True, False]), Real("d", 0, 1, when={"b": 1})]), "can never be 1"),
    (lambda: Space([X, Real("d", 0, 1, when={"x": 0.5})]), "when names 'x', which is Real"),
    (lambda: Space([Constant("c", 1), Real("d", 0, 1, when={"c": 2})]), "when['c'] can never be 2"),
    (
        lambda: Space([Integer("a", 0, 1, when={"a": 1})]),
        "when conditions must not go in a circle, got a -> a",
    ),
    (
        lambda: Space(
            [
                Integer("a", 0, 1, when={"c": 1}),
                Integer("b", 0, 1, when={"a": 1}),
                Integer("c", 0, 1, when={"b": 1}),
            ]
        ),
        "when conditions must not go in a circle, got a -> c -> b -> a",
    ),
    (
        lambda: Space(
            [
                K,
                Integer("a", 0, 1, when={"kernel": "rbf"}),
                X,
                Real("b", 0, 1, when={"kernel": "poly", "a": 1}),
            ]
        ),
        "Real 'b' can never be active: its conditions need 'kernel' to be 'poly' and 'rbf'",
    ),
    # constraints
    (lambda: Space([X], "x <= 1"), "constraints must be a list such as ['x + y <= 1'], got 'x <= 1'"),
    (lambda: Space([X], [3]), "a constraint must be a text or a callable, got 3"),
    (
        lambda: Space([X], ["y <= 1"]),
        "constraint 'y <= 1' mentions 'y', which is no parameter; the parameters are 'x'",
    ),
    (lambda: Space([Real("width", 0, 1)], ["witdh <= 1"]), "did you mean 'width'?"),
    (
        lambda: Space([K, X], ["x + kernel <= 1"]),
        "'x + kernel <= 1' calculates with 'kernel', which is not a number but one of 'rbf', 'poly'",
    ),
    (
        lambda: Space([Categorical("b", [True, False])], ["b <= 0"]),
        "which is not a number but one of True, False",
    ),
    # plain data
    (lambda: Space.from_dict([]), "a space must look like"),
    (lambda: Space.from_dict({"parameters": {}}), "parameters of a space must be a list, got {}"),
    (lambda: Space.from_dict({"parameters": [X.to_dict()], "constraint": []}), "got 'constraint' as well"),
    (lambda: Space.from_dict({"parameters": [3]}), "a parameter must look like"),
    (
        lambda: Space.from_dict({"parameters": [{"name": "x"}]}),
        "parameter 'x': no type None; the types are 'real'",
    ),
    (
        lambda: Space.from_dict({"parameters": [{"type": "reel", "name": "x", "low": 0, "high": 1}]}),
        "parameter 'x': no type 'reel'; did you mean 'real'?",
    ),
    (
        lambda: Space.from_dict({"parameters": [{"type": "real", "name": "x", "low": 0}]}),
        "parameter 'x' of type 'real': missing 1 required positional argument: 'high'",
    ),
    (
        lambda: Space.from_dict(
            {"parameters": [{"type": "real", "name": "x", "low": 0, "high": 1, "lgo": 1}]}
        ),
        "parameter 'x' of type 'real': got an unexpected keyword argument 'lgo'",
    ),
    (
        lambda: Space.from_dict(
            {"parameters": [X.to_dict()], "constraints": [{"callable": "f"}, {"callable": "g"}]}
        ),
        "constraints that are functions are never stored: supply callables={'f': ..., 'g': ...}",
    ),
    (
        lambda: Space.from_dict({"parameters": [X.to_dict()], "constraints": [3]}),
        "a constraint must be a text or",
    ),
    (lambda: Space.from_json("{"), "not a space in JSON"),
    (lambda: Space([X]).column("y"), "no parameter 'y'"),
    (lambda: Space([X]).levels(0), "levels of 'x' must be at most 1000000, it has infinitely many values"),
    (
        lambda: Space([Integer("n", 0, 10**6)]).levels(0),
        "levels of 'n' must be at most 1000000, it has 1000001 levels",
    ),
    (lambda: Space([X]).enumerate(), "enumerate needs at most 1000000 points, the space has infinitely many"),
    (lambda: Space([Integer("n", 0, 10**6)]).enumerate(), "the space has 1000001"),
]


@pytest.mark.parametrize(
    ("make", "message"), MALFORMED, ids=[re.sub(r"\W+", "-", m)[:60] for _, m in MALFORMED]
)
def test_malformed(make, message):
    with pytest.raises(SpaceError) as caught:
        make()
    assert message in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p: None, "constraint '<lambda>' must return True or False, got None"),
        (
            lambda p: p["gone"],
            "inactive parameters are absent), but raised KeyError: 'gone', for params {'x':",
        ),
        (lambda p: np.array([True, False]), "must return True or False, got array"),
    ],
)
def test_failing_functions(function, message):
    with pytest.raises(SpaceError) as caught:
        Space([X], [function]).feasible([[0.5]])
    assert message in str(caught.value)


def test_names_of_functions():
    class Rule:
        def __call__(self, params):
            return True

    space = Space([X], [lambda p: True, lambda p: False, Rule(), Predicate(lambda p: True, "mine")])
    assert [c.name for c in space.constraints] == ["<lambda>", "<lambda>#2", "Rule", "mine"]
