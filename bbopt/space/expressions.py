"""The language of known constraints: ``"0 <= x1 + 2*x2 <= 3"``.

Grammar, with Python's precedences::

    constraint = sum (("<=" | ">=" | "<" | ">") sum)+
    sum        = product (("+" | "-") product)*
    product    = signed (("*" | "/") signed)*
    signed     = ("+" | "-") signed | power
    power      = atom ["**" signed]
    atom       = number | name | "`" any name "`" | function "(" sum ("," sum)* ")" | "(" sum ")"

Functions: abs, sqrt, exp, log (natural), min, max. Everything is computed on whole columns.
Operations without a result (division by 0, log of a negative number) give nan, without a warning.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from typing import NamedTuple, TypeAlias

import numpy as np

from bbopt.errors import SpaceError
from bbopt.space.values import did_you_mean
from bbopt.types import FloatArray

MAX_DEPTH = 50
"""How deep parentheses and signs may nest."""


# --- what an expression is made of -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter."""

    name: str


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms added, each with its sign +1 or -1."""

    terms: tuple[tuple[int, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Factors multiplied, or divided by where the flag says so."""

    factors: tuple[tuple[bool, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Power:
    """base ** exponent."""

    base: "Node"
    exponent: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one or several arguments."""

    function: str
    arguments: tuple["Node", ...]


Node: TypeAlias = Number | Name | Sum | Product | Power | Call


class Comparison(NamedTuple):
    """``left <= right``, or ``left < right`` if strict; > and >= are turned round by the parser."""

    left: Node
    right: Node
    strict: bool


# --- text to nodes -----------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[^\W\d]\w*)
      | `(?P<quoted>[^`]+)`
      | (?P<sign>\*\*|<=|>=|==|!=|//|[-+*/(),<>=^%])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)

_ADVICE = {
    "^": "write powers as **",
    "==": "equality constraints are not supported yet",
    "=": "equality constraints are not supported yet; for inequalities write <= or >=",
    "!=": "only <=, >=, < and > are known",
    "//": "only / divides",
    "%": "only + - * / ** are known",
    "and": "give two constraints, or a chain such as 0 <= x <= 1",
    "or": "only conditions that all hold can be given; use a callable",
}


class _Token(NamedTuple):
    kind: str  # number, name, quoted, sign, end
    text: str
    place: int


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while True:
        match = _TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            advice = " (texts cannot be compared: use when= or a function)" if text[place] in "'\"" else ""
            raise _error(text, place, f"{text[place]} has no meaning here{advice}")
        kind = str(match.lastgroup)
        yield _Token(kind, match[kind], match.start(kind))
        if kind == "end":
            return
        place = match.end()


def _error(text: str, place: int, what: str) -> SpaceError:
    return SpaceError(f"constraint {text!r}, at character {place + 1}: {what}")


class _Parser:
    """Recursive descent over the grammar above."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.next = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def error(self, what: str) -> SpaceError:
        return _error(self.text, self.token.place, what)

    def unexpected(self, expected: str) -> SpaceError:
        advice = _ADVICE.get(self.token.text, "")
        found = repr(self.token.text) if self.token.kind != "end" else "the end"
        return self.error(f"expected {expected}, got {found}" + (f" ({advice})" if advice else ""))

    def take(self, *signs: str) -> str | None:
        """Return the next sign and step over it, if it is one of ``signs``."""
        if self.token.kind != "sign" or self.token.text not in signs:
            return None
        self.next += 1
        return self.tokens[self.next - 1].text

    def constraint(self) -> tuple[Comparison, ...]:
        comparisons = []
        left = self.sum()
        while sign := self.take("<=", ">=", "<", ">"):
            right = self.sum()
            small, large = (left, right) if sign[0] == "<" else (right, left)
            comparisons.append(Comparison(small, large, strict=len(sign) == 1))
            left = right
        if self.token.kind != "end" or not comparisons:
            raise self.unexpected(
                "a comparison (<=, >=, < or >)" if not comparisons else "the end or an operator"
            )
        return tuple(comparisons)

    def sum(self) -> Node:
        terms = [(1, self.product())]
        while sign := self.take("+", "-"):
            terms.append((1 if sign == "+" else -1, self.product()))
        return Sum(tuple(terms)) if len(terms) > 1 else terms[0][1]

    def product(self) -> Node:
        factors = [(False, self.signed())]
        while sign := self.take("*", "/"):
            factors.append((sign == "/", self.signed()))
        return Product(tuple(factors)) if len(factors) > 1 else factors[0][1]

    def signed(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        sign = self.take("+", "-")
        node: Node
        if sign is None:
            node = self.power()
        else:
            node = self.signed()
            node = Sum(((-1, node),)) if sign == "-" else node
        self.depth -= 1
        return node

    def power(self) -> Node:
        base = self.atom()
        return Power(base, self.signed()) if self.take("**") else base

    def atom(self) -> Node:
        kind, text, _ = self.token
        if self.take("("):
            inner = self.sum()
            if not self.take(")"):
                raise self.unexpected("')'")
            return inner
        if kind == "number":
            self.next += 1
            value = float(text)
            if not isfinite(value):
                raise self.error(f"the number {text} is too large")
            return Number(value)
        if kind == "quoted" or (kind == "name" and text not in _ADVICE):
            self.next += 1
            is_call = kind == "name" and self.token.text == "(" and self.token.kind == "sign"
            return self.call(text) if is_call else Name(text)
        raise self.unexpected("a number, a parameter, a function or '('")

    def call(self, function: str) -> Node:
        if function not in _FUNCTIONS:
            self.next -= 1
            hint = did_you_mean(function, _FUNCTIONS) or f"; the functions are {', '.join(_FUNCTIONS)}"
            raise self.error(f"{function!r} is no function{hint}")
        self.take("(")
        arguments = [self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        if not self.take(")"):
            raise self.unexpected("',' or ')'")
        if function not in _FOLDED and len(arguments) != 1:
            raise self.error(f"{function} takes one argument, got {len(arguments)}")
        return Call(function, tuple(arguments))


def parse(text: str) -> tuple[Comparison, ...]:
    """Return the comparisons that ``text`` states, all of which must hold.

    Raises
    ------
    SpaceError
        With the place, for anything outside of the grammar.
    """
    return _Parser(text).constraint()


# --- what nodes say ----------------------------------------------------------------------------


def _log(x: FloatArray) -> FloatArray:
    return np.log(np.where(x > 0, x, np.nan))  # not -inf at 0: that would compare


_FOLDED: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {"min": np.minimum, "max": np.maximum}
_FUNCTIONS: Mapping[str, Callable[..., FloatArray]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": _log,
    **_FOLDED,
}


def names_in(node: Node) -> dict[str, None]:
    """Return the parameters that a node mentions, in order of appearance."""
    match node:
        case Number():
            return {}
        case Name(name):
            return {name: None}
        case Sum(terms):
            parts = [term for _, term in terms]
        case Product(factors):
            parts = [factor for _, factor in factors]
        case Power(base, exponent):
            parts = [base, exponent]
        case Call(_, arguments):
            parts = list(arguments)
    return {name: None for part in parts for name in names_in(part)}


def evaluate(node: Node, columns: Mapping[str, FloatArray]) -> FloatArray:
    """Return the value of a node in every row; nan where it has none.

    Parameters
    ----------
    node : Node
    columns : mapping of str to float64 array of shape (n,)
        The parameters it mentions. Call within ``np.errstate(all="ignore")``.
    """
    match node:
        case Number(value):
            return np.asarray(value)
        case Name(name):
            return columns[name]
        case Sum(terms):
            signed = (evaluate(term, columns) * float(sign) for sign, term in terms)
            return reduce(np.add, signed)
        case Product(((_, first), *rest)):
            result = evaluate(first, columns)
            for is_divisor, factor in rest:
                operand = evaluate(factor, columns)
                result = result / np.where(operand == 0, np.nan, operand) if is_divisor else result * operand
            return result
        case Power(base, exponent):
            b, e = evaluate(base, columns), evaluate(exponent, columns)
            # numpy says nan ** 0 = 1 ** nan = 1; what has no value must not get one.
            lost = np.isnan(b) | np.isnan(e) | ((b == 0) & (e < 0))
            return np.where(lost, np.nan, b**e)
        case Call(function, arguments):
            values = [evaluate(argument, columns) for argument in arguments]
            return (
                reduce(_FOLDED[function], values) if function in _FOLDED else _FUNCTIONS[function](values[0])
            )
    raise TypeError(f"not a node: {node!r}")


Coefficients: TypeAlias = dict[str | None, float]
"""Factor of each parameter in a linear expression, and of 1 under None."""


def linear(node: Node) -> Coefficients | None:
    """Return the coefficients of a node that is linear in the parameters, None for any other node."""
    if not names_in(node):
        with np.errstate(all="ignore"):
            constant = float(evaluate(node, {}))
        return {None: constant} if isfinite(constant) else None
    match node:
        case Name(name):
            return {name: 1.0}
        case Sum(terms):
            total: Coefficients = {}
            for sign, term in terms:
                part = linear(term)
                if part is None:
                    return None
                for key, factor in part.items():
                    total[key] = total.get(key, 0.0) + sign * factor
            return total
        case Product(factors):
            scale, varying = 1.0, None
            for is_divisor, operand in factors:
                part = linear(operand)
                if part is None:
                    return None
                if names_in(operand):
                    if is_divisor or varying is not None:
                        return None
                    varying = part
                else:
                    by = part[None]
                    if is_divisor and by == 0:
                        return None
                    scale = scale / by if is_divisor else scale * by
            return {key: factor * scale for key, factor in varying.items()} if varying else None
    return None
