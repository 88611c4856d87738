"""Bytes to checked values and back: MessagePack maps under strict limits, and the checks that fields go through.

Nothing here allocates memory because a length field says so: each limit is checked first. Each check is a function
that returns the value it accepts, or raises WireError. Types are compared exactly (`type(x) is int`), because bool is a
subclass of int and MessagePack tells them apart.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from itertools import chain, islice
from typing import Any, TypeAlias

import msgpack

from .errors import RemoteError
from .job import MOST_MEMBERS

VERSION = 4  # of the protocol; all processes of a job must have the same

HEADER_BYTES = 1 << 20  # of one MessagePack header
TENSORS = 1024  # per message
RANGE_ELEMENTS = 1 << 20  # per tensor frame: 4 MiB of float32
PAYLOAD_BYTES = 64 << 20  # of one collective's contribution
TEXT_BYTES = 4096
KEY_BYTES = 255
MEMBERS = MOST_MEMBERS  # processes per job
DEPTH = 4  # of a header: the map, its tensors, one tensor, that tensor's shape
LEVEL_ITEMS = 1 << 16  # values at one depth of a header; the most that is valid are 32 axes of each of TENSORS shapes

ITEM_BYTES = {"float32": 4, "float64": 8, "int32": 4, "int64": 8}  # the dtypes that travel, little endian

Frame: TypeAlias = bytes | memoryview
Check: TypeAlias = Callable[[Any], Any]


class WireError(RemoteError):
    """A message that is refused; `code` is one of those in docs/protocol.md. ps/refusal.py sends it back."""


def malformed(text: str, *, expected: object = None, got: object = None) -> WireError:
    """The error for bytes that are no message of this protocol. `got` comes from a stranger and is cut short."""
    return WireError("malformed", text, expected=expected, got=None if got is None else shown(got))


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxtuple, _SHORT.maxlist, _SHORT.maxdict = 3, 6, 6, 4
_SHORT.maxstring, _SHORT.maxother = 80, 80


def shown(value: object) -> str:
    """What a stranger has sent, for people to read: at most 80 characters, however long or nested it is.

    `repr` would walk all of it, and recurse as deep as it is nested.
    """
    return _SHORT.repr(value)[:80]


def cut(said: str, limit: int) -> str:
    """The beginning of a text that has at most `limit` bytes as UTF-8, for a field that may have no more.

    What UTF-8 cannot say (half of a surrogate pair, which names of files may have) becomes a question mark.
    """
    return said[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def pack(header: Mapping[str, Any]) -> bytes:
    """A header as MessagePack. Raises WireError if it has more than HEADER_BYTES bytes."""
    # Texts may quote anything, names of files that are not UTF-8 among it.
    data: bytes = msgpack.packb(header, use_bin_type=True, unicode_errors="replace")
    if len(data) > HEADER_BYTES:
        raise WireError("too_large", "message header", expected=f"at most {HEADER_BYTES} bytes", got=len(data))
    return data


def unpack(data: Frame) -> dict[str, Any]:
    """The header in `data`. Raises WireError if it is not one map with text keys within the limits, depth included."""
    size = len(data) if isinstance(data, bytes) else data.nbytes
    if size > HEADER_BYTES:
        raise WireError("too_large", "message header", expected=f"at most {HEADER_BYTES} bytes", got=size)
    try:
        header = msgpack.unpackb(
            data,
            raw=False,
            use_list=False,
            strict_map_key=True,  # text and bytes only, whose hashes a stranger cannot foresee to make a map slow
            max_str_len=TEXT_BYTES,
            max_bin_len=TEXT_BYTES,
            max_array_len=MEMBERS,
            max_map_len=64,
            max_ext_len=0,  # no extension types, timestamps included
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise malformed("message header is no MessagePack map within the limits", got=str(error)) from None
    if not isinstance(header, dict) or not all(isinstance(key, str) for key in header):
        raise malformed("message header", expected="a map with text keys", got=header)
    _require_shallow(header)
    return header


def _require_shallow(header: dict[str, Any]) -> None:
    """Raise WireError if `header` is nested deeper than DEPTH or wide beyond use; level by level, without recursion.

    Before anything else looks at the values: to compare, print or hash nested ones recurses.
    """
    level: list[Any] = list(header.values())
    for _ in range(DEPTH):
        arrays = [value for value in level if type(value) is tuple]
        maps = [value.values() for value in level if type(value) is dict]
        if not arrays and not maps:
            return
        level = list(islice(chain(chain.from_iterable(arrays), chain.from_iterable(maps)), LEVEL_ITEMS + 1))
        if len(level) > LEVEL_ITEMS:
            raise malformed("message header", expected=f"at most {LEVEL_ITEMS} values at one depth")
    raise malformed("message header", expected=f"maps and arrays at most {DEPTH} deep")


def integer(low: int = 0, high: int = 2**63 - 1) -> Check:
    """A check that accepts whole numbers from `low` to `high`, both included."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise malformed("", expected=f"a whole number from {low} to {high}", got=value)
        return value

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """A check that accepts finite numbers in [low, high] and returns them as floats."""

    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high or not math.isfinite(value):
            raise malformed("", expected="a finite number", got=value)
        return float(value)

    return check


def text(limit: int = TEXT_BYTES, low: int = 0) -> Check:
    """A check that accepts text of `low` to `limit` bytes of UTF-8."""

    def check(value: Any) -> str:
        if type(value) is not str or not low <= len(value.encode("utf-8", "replace")) <= limit:
            raise malformed("", expected=f"text of {low} to {limit} bytes", got=value)
        return value

    return check


def choice(*words: str) -> Check:
    """A check that accepts one of `words`."""

    def check(value: Any) -> str:
        if type(value) is not str or value not in words:
            raise malformed("", expected=" or ".join(repr(word) for word in words), got=value)
        return value

    return check


def flag(value: Any) -> bool:
    """Check a boolean. Raises WireError for anything else, numbers included."""
    if type(value) is not bool:
        raise malformed("", expected="true or false", got=value)
    return value


def optional(inner: Check) -> Check:
    """A check that accepts None and what `inner` accepts."""
    return lambda value: None if value is None else inner(value)


def sequence(inner: Check, limit: int, low: int = 0) -> Check:
    """A check that accepts arrays of `low` to `limit` values that `inner` accepts, and returns tuples."""

    def check(value: Any) -> tuple[Any, ...]:
        if type(value) not in (tuple, list) or not low <= len(value) <= limit:
            raise malformed("", expected=f"an array of {low} to {limit} items", got=value)
        return tuple([inner(item) for item in value])

    return check


def record(*checks: Check) -> Check:
    """A check that accepts arrays with one value for each of `checks`, and returns tuples."""

    def check(value: Any) -> tuple[Any, ...]:
        if type(value) not in (tuple, list) or len(value) != len(checks):
            raise malformed("", expected=f"an array of {len(checks)} items", got=value)
        return tuple([inner(item) for inner, item in zip(checks, value, strict=True)])

    return check


def plain_map(limit: int = 32) -> Check:
    """A check that accepts maps of up to `limit` entries, which optimizers are described by.

    Keys are short text; values are None, booleans, finite numbers or short text.
    """
    value_number, value_text, key_text = number(), text(256), text(64, low=1)

    def check(value: Any) -> dict[str, Any]:
        if type(value) is not dict or len(value) > limit:
            raise malformed("", expected=f"a map of at most {limit} entries", got=value)
        for key, item in value.items():
            key_text(key)
            if type(item) is str:
                value_text(item)
            elif item is not None and type(item) is not bool:
                value_number(item)
        return value

    return check
