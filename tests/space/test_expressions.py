"""The constraint language, against Python's own evaluation of the same text."""

import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbopt.errors import SpaceError
from bbopt.space import Formula, LinearForm, Real, Space
from bbopt.space.expressions import evaluate, parse

NAMES = ["x", "y", "z2"]


def real_abs(value):
    return abs(float(value))  # TypeError for complex numbers, where we have left the reals


PYTHON = {"abs": real_abs, "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "min": min, "max": max}


def texts():
    number = st.sampled_from(["1", "2.5", ".5", "3.", "1e-2", "7", "0"])
    leaves = st.one_of(number, st.sampled_from(NAMES))

    def grow(inner):
        spaces = st.sampled_from(["", " "])
        return st.one_of(
            st.builds("{0}{1}{3}{1}{2}".format, inner, spaces, inner, st.sampled_from(["+", "-", "*", "/"])),
            st.builds("({}) ** {}".format, inner, st.sampled_from(["2", "-1", "0.5", "x"])),
            st.builds("{} ** -{}".format, leaves, leaves),
            st.builds("({})".format, inner),
            st.builds("-{}".format, inner),
            st.builds("+{}".format, inner),
            st.builds("{}({})".format, st.sampled_from(["abs", "sqrt", "exp", "log"]), inner),
            st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
        )

    return st.recursive(leaves, grow, max_leaves=12)


def by_python(text, point):
    """The value by Python itself; nan where Python raises or leaves the real numbers."""
    try:
        value = eval(text, {"__builtins__": {}}, {**PYTHON, **point})
    except (ZeroDivisionError, ValueError, TypeError):
        return math.nan
    except OverflowError:
        return None
    return value if isinstance(value, (int, float)) else math.nan  # complex: negative ** 0.5


@given(texts(), st.tuples(*[st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])] * 3))
@settings(max_examples=1500)
def test_values_agree_with_python(text, values):
    point = dict(zip(NAMES, values, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        expected = by_python(text, point)
    (comparison,) = parse(f"{text} <= 1")
    with np.errstate(all="ignore"):
        value = float(evaluate(comparison.left, {k: np.array(v) for k, v in point.items()}))
    if expected is None or not math.isfinite(expected):
        assert expected is None or not math.isfinite(value)
    elif math.isfinite(value):
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    else:
        assert "min" in text or "max" in text  # Python's min and max pass over a nan


@given(texts(), st.sampled_from(["<=", ">=", "<", ">"]), st.tuples(*[st.floats(-3, 3)] * 3))
@settings(max_examples=800)
def test_comparisons_agree_with_python(text, sign, values):
    point = dict(zip(NAMES, values, strict=True))
    value = by_python(text, point)
    if value is None or not abs(value - 1) > 1e-6 or abs(value) > 1e9:
        return
    if re.search(r"\b(x|y|z2)\b", text) and "min" not in text and "max" not in text:
        expected = eval(f"v {sign} 1", {"v": value})
        holds = Formula(f"{text} {sign} 1").holds({k: np.array([v]) for k, v in point.items()})
        assert holds.tolist() == [expected]


COEFFICIENT = st.integers(-20, 20).map(lambda k: k / 4)


@given(COEFFICIENT, COEFFICIENT, COEFFICIENT)
def test_linear_coefficients(a, b, c):
    formula = Formula(f"{a}*x - y*({b}) + 2*(x - 1)/4 >= {c} - x")
    (form,) = formula.linear
    assert form.coefficients == pytest.approx({"x": -a - 1.5, "y": b})
    assert form.bound == pytest.approx(-c - 0.5)
    assert not form.strict


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("x1 + 2*x2 <= 3", [LinearForm({"x1": 1, "x2": 2}, 3)]),
        ("0 <= x + y < 3", [LinearForm({"x": -1, "y": -1}, 0), LinearForm({"x": 1, "y": 1}, 3, True)]),
        ("x / 2**2 <= sqrt(16)", [LinearForm({"x": 0.25}, 4)]),
        ("-(x - `my y`) < 0", [LinearForm({"x": -1, "my y": 1}, 0, True)]),
        ("x > 1 > y", [LinearForm({"x": -1}, -1, True), LinearForm({"y": 1}, 1, True)]),
        ("x * (2 + 1) <= 1", [LinearForm({"x": 3}, 1)]),
    ],
)
def test_linear_forms(text, forms):
    assert list(Formula(text).linear) == forms


@pytest.mark.parametrize(
    "text",
    [
        "x*y <= 1",
        "1/x <= 1",
        "x**2 <= 1",
        "abs(x) <= 1",
        "x/(1 - 1) <= 1",
        "0 <= x*x <= 3",
        "1e308*10*x <= 1",
        "2**x<=3",
    ],
)
def test_not_linear(text):
    assert Formula(text).linear is None


@pytest.mark.parametrize(
    "text", ["log(x) <= 3", "log(x) >= -3", "1/x <= 5", "1/x >= 5", "x**-1 <= 9", "x**-1 >= 9"]
)
def test_what_cannot_be_computed_is_infeasible_without_warning(text):
    holds = Formula(text).holds({"x": np.array([0.0, 1.0, 0.1])})
    assert not holds[0]
    assert holds[1:].any()


@pytest.mark.parametrize(
    "text",
    ["sqrt(x) <= 9", "log(x) <= 9", "x**0.5 <= 9", "exp(-1000*x) >= 0", "exp(-1000*x) - exp(-1000*x) <= 1"],
)
def test_negative_arguments_and_overflow_are_infeasible(text):
    assert not Formula(text).holds({"x": np.array([-1.0])})[0]


def test_rounding_is_forgiven():
    x, y = np.array([0.1]), np.array([0.2])
    for text in ["x + y <= 0.3", "x + y - 0.3 <= 0", "2*(x + y - 0.3) <= 0", "0.3 >= x + y >= 0.3"]:
        assert Formula(text).holds({"x": x, "y": y})[0], text
    for text in ["x + y > 0.3", "x + y < 0.3", "x + y <= 0.2999999", "x*y*1e-300 > 1"]:
        assert not Formula(text).holds({"x": x, "y": y})[0], text


def test_tiny_numbers_are_still_compared():
    tiny = {"x": np.array([1e-300]), "y": np.array([2e-300])}
    assert Formula("x < y").holds(tiny)[0]
    assert not Formula("y <= x").holds(tiny)[0]
    assert Formula("x > 0").holds(tiny)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at character 1: expected a number, a parameter, a function or '(', got the end"),
        ("x +* 2 <= 1", "at character 4: expected a number, a parameter, a function or '(', got '*'"),
        ("x + 2", "at character 6: expected a comparison (<=, >=, < or >), got the end"),
        ("x == 1", "got '==' (equality constraints are not supported yet)"),
        ("x = 1", "got '=' (equality constraints are not supported yet; for inequalities write <= or >=)"),
        ("x <= 1 == y", "got '==' (equality constraints are not supported yet)"),
        ("x != 1", "got '!=' (only <=, >=, < and > are known)"),
        ("x^2 <= 1", "at character 2: expected a comparison (<=, >=, < or >), got '^' (write powers as **)"),
        ("x // 2 <= 1", "got '//' (only / divides)"),
        ("x % 2 <= 1", "got '%' (only + - * / ** are known)"),
        ("x <= 1 and y <= 2", "got 'and' (give two constraints, or a chain such as 0 <= x <= 1)"),
        ("x <= 1 or y <= 2", "got 'or' (only conditions that all hold can be given; use a callable)"),
        ("(x + 1 <= 2", "at character 8: expected ')', got '<='"),
        ("x + 1) <= 2", "got ')'"),
        ("2x <= 1", "at character 2: expected a comparison (<=, >=, < or >), got 'x'"),
        (
            "sine(x) <= 1",
            "at character 1: 'sine' is no function; the functions are abs, sqrt, exp, log, min, max",
        ),
        ("sqr(x) <= 1", "'sqr' is no function; did you mean 'sqrt'?"),
        ("abs(x, y) <= 1", "abs takes one argument, got 2"),
        ("abs() <= 1", "got ')'"),
        ("max(x, y <= 1", "expected ',' or ')', got '<='"),
        ("x $ 2 <= 1", "at character 3: $ has no meaning here"),
        (
            "k == 'rbf'",
            "at character 6: ' has no meaning here (texts cannot be compared: use when= or a function)",
        ),
        ("`x <= 1", "` has no meaning here"),
        ("1e999*x <= 1", "the number 1e999 is too large"),
        ("1 <= 2", "must mention at least one parameter"),
        ("(" * 200 + "x" + ")" * 200 + "<= 1", "nested more than 50 deep"),
        ("-" * 200 + "x <= 1", "nested more than 50 deep"),
        ("x" + "**x" * 200 + "<= 1", "nested more than 50 deep"),
    ],
)
def test_malformed_texts(text, message):
    with pytest.raises(SpaceError) as caught:
        Formula(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


def test_long_sums_are_no_problem():
    names = [f"x{i}" for i in range(3000)]
    space = Space([Real(name, 0, 1) for name in names], [" + ".join(names) + " <= 1e4"])
    assert space.feasible(np.ones((2, 3000))).all()


def test_functions_are_names_too():
    space = Space([Real("log", 1, 9), Real("max", 0, 1)], ["log(log) <= max(max, 1)"])
    assert space.feasible(space.encode([{"log": 2.0, "max": 0.0}, {"log": 9.0, "max": 0.0}])).tolist() == [
        True,
        False,
    ]
