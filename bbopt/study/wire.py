"""Events as text: one line of JSON each, with a number in front and a checksum at the end.

``{"seq":7,"kind":"tell",...,"crc":"1c291ca3"}`` where crc is the CRC-32 of the line without it, that
is of ``{"seq":7,"kind":"tell",...}``. An array is written as
``{"__array__":"<base64 of little-endian bytes>","dtype":"f8","shape":[2,3]}``; floats are written by
repr. So everything comes back bit for bit, and reading runs no code.
"""

import json
from binascii import a2b_base64, b2a_base64
from math import isfinite, prod
from typing import Any, NoReturn
from zlib import crc32

import numpy as np

from bbopt.errors import JournalError
from bbopt.study.journal import Event

MAX_BYTES = 2**28
"""Longest record: 256 MiB, some 25 million float64 in base64."""

_SEAL = len(',"crc":"00000000"}')
_DTYPES = ("f8", "i8", "i1", "b1")
_ARRAY = ("__array__", "dtype", "shape")
_RESERVED = ("more", "crc")


def encode(event: Event) -> bytes:
    """Return the event as JSON without its number: the body of a record.

    Raises
    ------
    JournalError
        The event has no kind, or holds something that is not JSON data or a numpy array of float64,
        int64, int8 or bool: NaN outside an array, a key that is not a string, a set, an object.
    """
    if not isinstance(event.get("kind"), str):
        raise JournalError(f"an event needs a 'kind' that is a string, got {event.get('kind')!r}")
    for key in _RESERVED:
        if key in event:
            raise JournalError(f"an event cannot have the key {key!r}: the journal uses it itself")
    try:
        body = json.dumps(
            {key: _plain(value) for key, value in event.items() if key != "seq"},
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        ).encode()
    except (ValueError, RecursionError) as error:  # lone surrogates, enormous integers, endless nesting
        raise JournalError(f"a {event['kind']!r} event cannot be stored: {error}") from error
    if len(body) > MAX_BYTES:
        raise JournalError(
            f"a {event['kind']!r} event of {len(body)} bytes exceeds {MAX_BYTES}: store smaller blocks"
        )
    return body


def _plain(value: Any) -> Any:
    """Return the value as plain JSON data; refuse what would not come back equal."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        if not isfinite(value):
            raise JournalError(f"{value!r} cannot be stored outside of an array")
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == "__array__":
                raise JournalError(f"{key!r} cannot be a key: keys are strings, '__array__' is reserved")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        dtype = value.dtype.kind + str(value.dtype.itemsize)
        if type(value) is not np.ndarray or dtype not in _DTYPES:
            raise JournalError(
                f"a {type(value).__name__} of {value.dtype} cannot be stored: only float64, int64, int8, bool"
            )
        data = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        return {
            "__array__": b2a_base64(data, newline=False).decode(),
            "dtype": dtype,
            "shape": list(value.shape),
        }
    raise JournalError(
        f"{value!r} ({type(value).__name__}) cannot be stored: events hold JSON data and arrays"
    )


def seal(seq: int, body: bytes, more: int = 0) -> bytes:
    """Return the record of an event: its body with number and checksum, no newline.

    ``more`` says how many records of the same append follow; they count only all together.
    """
    head = b'{"seq":%d,"more":%d,' % (seq, more) if more else b'{"seq":%d,' % seq
    inner = memoryview(body)[1:-1]
    checksum = crc32(b"}", crc32(inner, crc32(head)))
    return b"".join([head, inner, b',"crc":"%08x"}' % checksum])


def is_whole(record: bytes) -> bool:
    """Return whether the record carries its right checksum."""
    checksum = crc32(b"}", crc32(memoryview(record)[:-_SEAL]))
    return record[-_SEAL:] == b',"crc":"%08x"}' % checksum


def decode(record: bytes) -> Event:
    """Return the event of a record, with its number under ``"seq"``.

    Raises
    ------
    ValueError
        Wrong checksum, or not something that :func:`encode` and :func:`seal` wrote.
    """
    if not is_whole(record):
        raise ValueError("its checksum does not match")
    try:
        text = str(record[:-_SEAL], "utf-8") + "}"
        event: Event = (_WITH_ARRAYS if '"__array__"' in text else _WITHOUT).decode(text)
    except (RecursionError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is not an event ({error})") from error
    event.pop("more", None)
    if not (isinstance(event.get("kind"), str) and isinstance(event.get("seq"), int)):
        raise ValueError("it is not an event")
    return event


def _object(data: dict[str, Any]) -> Any:
    """Turn what :func:`_plain` made of an array back into one (read-only)."""
    if "__array__" not in data:
        return data
    if tuple(data) != _ARRAY or data["dtype"] not in _DTYPES:
        raise ValueError("it holds an unknown kind of array")
    raw, shape = a2b_base64(data["__array__"], strict_mode=True), data["shape"]
    dtype = np.dtype("<" + data["dtype"])
    fits = (
        all(type(length) is int and length >= 0 for length in shape)
        and len(raw) == prod(shape) * dtype.itemsize
    )
    if not fits:
        raise ValueError("it holds an array whose size does not fit its shape")
    if dtype.kind == "b" and raw.translate(None, b"\x00\x01"):
        raise ValueError("it holds a truth value that is neither true nor false")
    array = np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array


def _constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not JSON")


_WITH_ARRAYS = json.JSONDecoder(object_hook=_object, parse_constant=_constant)
_WITHOUT = json.JSONDecoder(parse_constant=_constant)
