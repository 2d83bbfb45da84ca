"""Settings as JSON values: what a value may be, and when two of them are the same.

Python says ``True == 1``, JSON does not; both say ``1 == 1.0``. Everything in bbopt that looks a
value up (choices, conditions) therefore goes through :func:`same_key`.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from typing import TypeAlias, TypeGuard

import numpy as np

from bbopt.types import Value

ValueKey: TypeAlias = tuple[bool, Value]

BOOLS = (bool, np.bool_)


def same_key(value: Value) -> ValueKey:
    """Return a dictionary key that is equal for equal JSON values: 1 and 1.0 agree, 1 and True differ."""
    return (isinstance(value, BOOLS), value)


def plain(value: object) -> object:
    """Return numpy scalars, one-element arrays and subclasses of str, int, float as plain Python values.

    Anything else is returned unchanged, for the caller to refuse.
    """
    if value is None or type(value) in (float, int, str, bool):
        return value
    item = getattr(value, "item", None)  # numpy scalars, 0-d arrays, tensors
    if callable(item):
        try:
            value = item()
        except (TypeError, ValueError, RuntimeError):
            return value
    if isinstance(value, str):
        return str.__str__(value)
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a plain value is an int or a float; bools are not numbers here, nan and inf are."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_json(value: object) -> TypeGuard[Value]:
    """Whether a plain value is a JSON primitive: str, int, finite float, bool or None."""
    return value is None or isinstance(value, (str, int)) or (isinstance(value, float) and isfinite(value))


def listed(values: Iterable[object], limit: int = 12) -> str:
    """Return values as readable text, the end left out when there are more than ``limit``."""
    texts = [repr(value) for value in values]
    more = [f"... ({len(texts)} in all)"] if len(texts) > limit else []
    return ", ".join(texts[:limit] + more)


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """Return "; did you mean 'kernel'?" when a known text is close to ``word``, otherwise nothing."""
    texts = [text for text in known if isinstance(text, str)]
    close = get_close_matches(word, texts, n=1) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""
