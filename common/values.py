"""What a function on a worker returns, as bytes and back: plain values and arrays, and nothing that could be run."""

from __future__ import annotations

from typing import Any

import msgpack

from .errors import FileFormatError, ParameterError

EXPECTED = "None, numbers, texts, bytes, numpy arrays, and lists, tuples and dicts of them"
KINDS = "biufcSUMm"  # of dtypes whose bytes are all there is
LIMITS = {"unicode_errors": "surrogatepass"}


def encode(value: object) -> bytes:
    """A value of EXPECTED as MessagePack. Raises ParameterError naming the part of it that is something else."""
    try:
        return bytes(msgpack.packb(_plain(value, "the value"), **LIMITS))
    except (RecursionError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"the value cannot be returned: {error}", expected=EXPECTED) from None


def decode(data: bytes) -> Any:
    """The value. Raises FileFormatError if `encode` has not made the bytes, or not all of them are there."""
    try:
        return _value(msgpack.unpackb(data, **LIMITS))
    except (msgpack.UnpackException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileFormatError(f"this is no value: {error}") from None


def _plain(value: Any, place: str) -> Any:
    """The value with lists, and maps of a single key that says what it was, in place of what MessagePack has not."""
    kind = type(value)
    if value is None or kind in (bool, float, str, bytes):
        return value
    if kind is int:
        return value if -(1 << 63) <= value < 1 << 64 else {"int": hex(value)}
    if kind in (list, tuple):
        items = [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
        return items if kind is list else {"tuple": items}
    if kind is dict:
        pairs = [[_plain(key, f"a key of {place}"), _plain(item, f"{place}[{key!r}]")] for key, item in value.items()]
        return {"dict": pairs}
    dtype: Any = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "O") in KINDS and hasattr(value, "tobytes"):
        return {"array": [dtype.str, list(value.shape), value.tobytes()]}
    raise ParameterError(
        f"{place} is a {kind.__name__}, which workers cannot return",
        expected=EXPECTED,
        remedy="Return model.arg_params of a network, say, or write it into a file",
    )


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(item) for item in plain]
    if not isinstance(plain, dict):
        if plain is not None and type(plain) not in (bool, int, float, str, bytes):
            raise ValueError(f"a {type(plain).__name__}")
        return plain
    ((kind, content),) = plain.items()
    if kind == "int":
        return int(content, 16)
    if kind == "tuple":
        return tuple(_value(item) for item in content)
    if kind == "dict":
        return {_value(key): _value(item) for key, item in content}
    if kind == "array":
        return _array(*content)
    raise ValueError(f"nothing is called {kind!r}")


def _array(dtype: str, shape: list[int], data: bytes) -> Any:
    """A numpy array of its own, or a numpy number if it has no axes."""
    import numpy as np  # only where arrays come from workers: `launch` itself has no use for it

    if np.dtype(dtype).kind not in KINDS or any(length < 0 for length in shape):
        raise ValueError(f"no array of {dtype} and {shape}")
    return np.frombuffer(data, dtype).reshape(shape).copy()[()]
