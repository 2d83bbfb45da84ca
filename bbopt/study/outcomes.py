"""What a user may tell, and what it means: finite numbers, failures, or a clear error."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import isfinite, isnan
from numbers import Real
from typing import Any

import numpy as np

from bbopt.errors import BboptError, DataError
from bbopt.spec import Spec
from bbopt.study.journal import Event
from bbopt.types import FloatArray, Params


def read_outcome(spec: Spec, value: Any, sd: Any) -> Event:
    """Return ``values`` (and ``sd``) by name; with ``error`` where a value is NaN or infinite.

    Raises
    ------
    DataError
        For anything that is no number, a name that is no objective, a missing value, a negative sd.
    """
    values = {name: _number(name, v) for name, v in _by_name(spec, value, "value").items()}
    if not values:
        raise DataError(
            f"value must hold an outcome of {_names(spec)}, got {value!r}; if the run broke, use fail"
        )
    wrong = {name: v for name, v in values.items() if not isfinite(v)}
    event: Event = {"values": {name: v for name, v in values.items() if name not in wrong}}
    if wrong:
        event["error"] = (
            "told " + ", ".join(f"{name} = {v}" for name, v in wrong.items()) + ": counted as failed"
        )
    if sd is not None:
        errors = {name: _number(f"sd of {name}", v) for name, v in _by_name(spec, sd, "sd").items()}
        event["sd"] = {name: v for name, v in errors.items() if name not in wrong}
        for name, v in event["sd"].items():
            if not (isfinite(v) and v >= 0):
                raise DataError(f"sd of {name} must be a finite number of at least 0, got {v!r}")
            if name not in values:
                raise DataError(f"sd names {name!r}, of which no value is told")
    return event


def read_place(spec: Spec, params: Params) -> tuple[Params, bool]:
    """Return params at which something was observed, and whether they lie in the space.

    Outside is also where a known constraint is not met, or where a function that is one raises.

    Raises
    ------
    DataError
        For params that cannot be encoded: wrong names, wrong kinds, far beyond all floats.
    """
    params = spec.space.validate(params, strict=False)
    spec.space.encode(params)
    try:
        spec.space.validate(params, strict=True)
    except BboptError:
        return params, False
    return params, True


def read_text(text: str) -> str:
    """Return a text that every journal can hold: lone surrogates, as in odd file names, are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def read_block(spec: Spec, n: int, values: Any, sd: Any, cost: Any) -> Event:
    """Return the arrays of a block: values (n, m), sd (n, m), cost (n,), in the user's direction.

    Raises
    ------
    DataError
        For a shape that does not fit or entries that are no numbers.
    """
    m = len(spec.objectives)
    event: Event = {"values": _array("values", values, (n, m))}
    ok = np.isfinite(event["values"])
    if sd is not None:
        event["sd"] = np.where(ok, _array("sd", sd, (n, m)), np.nan)
        if not np.all((event["sd"][ok] >= 0) & np.isfinite(event["sd"][ok])):
            raise DataError("sd must hold finite numbers of at least 0 wherever there is a finite value")
    if cost is not None:
        event["cost"] = _array("cost", cost, (n,))
        spent = event["cost"][ok.all(axis=1)]
        if not np.all((spent >= 0) & np.isfinite(spent)):
            raise DataError("cost must hold finite numbers of at least 0 wherever there is a finite value")
        event["cost"] = np.where(event["cost"] >= 0, event["cost"], np.nan)
    return event


def read_cost(cost: Any, failed: bool) -> Event:
    """Return ``cost`` as a float, nothing where that of a failure is nan: unknown.

    Raises
    ------
    DataError
        For anything else that is not finite and at least 0.
    """
    number = _number("cost", cost)
    if failed and isnan(number):
        return {}
    if not isfinite(number) or number < 0:
        raise DataError(f"cost must be a finite number of at least 0, got {cost!r}")
    return {"cost": number}


def _array(name: str, values: Any, shape: tuple[int, ...]) -> FloatArray:
    try:
        if np.ma.is_masked(values):
            raise TypeError("some are masked")
        if np.asarray(values).dtype.kind not in "fiub":
            raise TypeError("no numbers")
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{name} must be an array of numbers of shape {shape}, got {type(values).__name__}: {error}"
        ) from error
    if array.shape == shape[:1] and shape[1:] == (1,):
        array = array[:, None]
    if array.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {array.shape}")
    return array


def _by_name(spec: Spec, value: Any, argument: str) -> Mapping[str, Any]:
    names = [objective.name for objective in spec.objectives]
    if isinstance(value, Mapping):
        for name in value:
            if name not in names:
                close = get_close_matches(str(name), names, 1)
                hint = f"; did you mean {close[0]!r}?" if close and len(names) > 1 else ""
                raise DataError(
                    f"{argument} names {name!r}, which is no objective; there is {_names(spec)}{hint}"
                )
        return value
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        if len(names) == 1 or len(value) != len(names):
            raise DataError(f"{argument} must be {_shape(names)}, got {value!r}")
        return dict(zip(names, value, strict=True))
    if len(names) > 1:
        raise DataError(f"{argument} must be {_shape(names)}, got {value!r}")
    return {names[0]: value}


def _shape(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"one number, or {{{names[0]!r}: number}}"
    return f"{len(names)} numbers in the order {', '.join(names)}, or a mapping by name"


def _names(spec: Spec) -> str:
    return ", ".join(repr(objective.name) for objective in spec.objectives)


def _number(name: str, value: Any) -> float:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if (
        value is None
        or np.ma.is_masked(value)
        or not (isinstance(value, Real) or hasattr(value, "__float__"))
    ):
        hint = "; if the run broke, use fail" if value is None else ""
        raise DataError(f"{name} must be a number, got {value!r} ({type(value).__name__}){hint}")
    if isinstance(value, (complex, np.complexfloating, np.ndarray, str, bytes)):
        raise DataError(f"{name} must be a real number, got {value!r} ({type(value).__name__})")
    try:
        return float(value)
    except Exception as error:  # whatever the value's own code raises
        raise DataError(
            f"{name} must be a number that fits a float, got {type(value).__name__}: {error}"
        ) from error
