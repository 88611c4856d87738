"""Keys and values as callers give them: one or a list, int or str, any array that speaks DLPack.

Every function that takes a `KeyInfo` and an array names the key in its errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...common.errors import DataError, ParameterError, ShapeError
from ...common.tensor import Tensor
from ...common.wire import ITEM_BYTES, KEY_BYTES, RANGE_ELEMENTS
from ...ps.assignment import Part
from ..array import Array, Shape, same_memory

Key = int | str


@dataclass
class KeyInfo:
    """What a store knows of one initialised key. `name` is the key as text, `n` this worker's last push (0: none yet);
    `before` counts those up to the snapshot from which it went on.

    Of a key in memory shared with the servers, `value` is what they update and `gradient` where they read this worker's
    gradients, both of the key's shape; `lent` tells whether a caller has been given the latter. `row_sparse` keys are
    never there. `staging`, of the key's shape, is memory in which a push of a caller's array travels; `launched` is the
    number of the last push, counted over all keys of the store, and `landed` that of the last one known to be applied.
    """

    key: Key
    name: str
    shape: Shape
    dtype: np.dtype[Any]
    n: int = 0
    before: int = 0
    parts: list[Part] = field(default_factory=list)
    value: Array | None = None
    gradient: Array | None = None
    lent: bool = False
    row_sparse: bool = False
    staging: Array | None = None
    launched: int = 0
    landed: int = 0

    @cached_property  # once per key and not once per push: the same Tensor goes into every message
    def ranges(self) -> list[tuple[int, slice, Tensor]]:
        """Of each part: the server, the elements, and what messages say of it. Kept: `parts` must be set before."""
        dtype = self.dtype.name
        return [
            (part.server, slice(part.lo, part.hi), Tensor(self.name, dtype, self.shape, part.lo, part.hi))
            for part in self.parts
        ]

    @property
    def size(self) -> int:
        """Elements of the whole key."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole key."""
        return self.size * self.dtype.itemsize

    @property
    def width(self) -> int:
        """Elements of a row, at least 1."""
        return max(1, math.prod(self.shape[1:]))


class First(NamedTuple):
    """A new key with its first value, contiguous, and what scales the optimizer's learning rate and weight decay."""

    info: KeyInfo
    array: Array
    lr_mult: float
    wd_mult: float


class KeyTable:
    """The keys of one store, by key. All of them are ints, or all of them are strs, as in MXNet.

    Looking a key up raises ParameterError if it is not initialised, of the other type, or not a key at all.
    """

    def __init__(self) -> None:
        self._infos: dict[str, KeyInfo] = {}
        self._type: type | None = None
        self._asked: dict[Key, KeyInfo] = {}  # by the keys that have been looked up

    def __len__(self) -> int:
        return len(self._infos)

    def new(self, key: Key, value: Array, row_sparse: bool = False) -> KeyInfo:
        """Note a key that is to be initialised with `value`, whose shape and dtype become the key's.

        Raises ParameterError if the key is there already, is not one (see `__getitem__`) or has a dtype that the store
        cannot keep, or if a row-sparse one has no rows or rows of more elements than a range may have.
        """
        name = self._name(key)
        if name in self._infos:
            raise ParameterError(f"key {key!r} has been initialised already", remedy="Each key is initialised once")
        if value.dtype.name not in ITEM_BYTES:
            raise ParameterError(f"key {key!r}: dtype", expected=" or ".join(ITEM_BYTES), got=value.dtype)
        info = KeyInfo(key, name, value.shape, value.dtype.newbyteorder("="), row_sparse=row_sparse)
        if row_sparse and not (value.shape and info.width <= RANGE_ELEMENTS):
            expected = f"an array of rows of at most {RANGE_ELEMENTS} elements"
            raise ParameterError(f"row-sparse key {key!r}", expected=expected, got=f"shape {value.shape}")
        self._infos[name] = info
        return info

    def __getitem__(self, key: Key) -> KeyInfo:
        exactly = type(key) is self._type  # not True, which equals 1, or a member of an Enum
        if exactly and key in self._asked:
            return self._asked[key]
        name = self._name(key)
        if name not in self._infos:
            raise ParameterError(f"key {key!r} has not been initialised", remedy="Call init with its first value")
        if exactly:
            self._asked[key] = self._infos[name]
        return self._infos[name]

    def __iter__(self) -> Iterator[KeyInfo]:
        """In the order in which they were initialised."""
        return iter(self._infos.values())

    @property
    def pushed(self) -> bool:
        """Whether any key has been pushed."""
        return any(info.n for info in self._infos.values())

    @property
    def step(self) -> int:
        """The number of the latest push of any key."""
        return max((info.n for info in list(self._infos.values())), default=0)

    def _name(self, key: Key) -> str:
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise ParameterError("key", expected="an int or a str", got=repr(key))
        kind = int if isinstance(key, int) else str
        if self._type is None:
            self._type = kind
        if kind is not self._type:
            raise ParameterError(
                f"key {key!r}: int and str keys cannot be mixed in one store", expected=self._type.__name__
            )
        name = str(key)
        if not 1 <= len(name.encode("utf-8", "replace")) <= KEY_BYTES:
            raise ParameterError("key", expected=f"1 to {KEY_BYTES} bytes", got=repr(name[:60]))
        return name


def pairs(key: Any, value: Any) -> list[tuple[Key, Any]]:
    """(key, value) pairs from one of each or from two lists; ParameterError unless these have the same length."""
    if not isinstance(key, list | tuple):
        return [(key, value)]
    if not isinstance(value, list | tuple) or len(value) != len(key):
        got = f"{len(value)}" if isinstance(value, list | tuple) else type(value).__name__
        raise ParameterError("values for a list of keys", expected=f"a list of {len(key)}", got=got)
    return list(zip(key, value, strict=True))


def for_each(key: Any, option: Any) -> list[Any]:
    """`option` once for each key, or the list that it is; ParameterError unless that has as many as there are keys."""
    if not isinstance(key, list | tuple) or isinstance(option, list | tuple):
        return [one for _, one in pairs(key, option)]
    return [option] * len(key)


def several(value: Any) -> list[Any]:
    """One array, or the arrays of several devices, as a list."""
    # A list of numbers is one array, not several.
    if isinstance(value, list | tuple) and value and not np.isscalar(value[0]):
        return list(value)
    return [value]


def to_numpy(value: Any) -> Array:
    """`value` as a numpy array of its shape: itself, a view through DLPack, or a copy of what is on a GPU or a list."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack_device__"):
        if int(value.__dlpack_device__()[0]) == 1:  # kDLCPU
            return np.from_dlpack(value)
        if hasattr(value, "get"):  # cupy, which must not be imported to find out
            with value.device:
                copied: Array = value.get()
            return copied
    return np.asarray(value)


def lone(key: Key, value: Any) -> Any:
    """The first value of one key, which MXNet's users also give as a list of one array.

    Raises ParameterError for a list of several: stacked, they would be one array of more axes.
    """
    if not (isinstance(value, list | tuple) and any(hasattr(item, "shape") for item in value)):
        return value
    if len(value) > 1:
        raise ParameterError(f"init: value of key {key!r}", expected="one array", got=f"a list of {len(value)}")
    return value[0]


def fitting(info: KeyInfo, value: Any) -> Array:
    """`value` as a contiguous array of the key's shape and dtype; ShapeError if it has another shape, or a dtype whose
    numbers the key's cannot hold: floats become floats of any size, but no whole numbers.
    """
    array = to_numpy(value)
    check_castable(info, array, array.dtype, info.dtype)
    with np.errstate(over="ignore"):  # what overflows becomes infinite, which a push refuses by its name
        return np.ascontiguousarray(array, info.dtype).reshape(info.shape)


def check(info: KeyInfo, array: Array) -> None:
    """Raise ShapeError unless shape and dtype of `array` are the key's."""
    if array.shape != info.shape or array.dtype.newbyteorder("=") != info.dtype:
        raise ShapeError(
            f"key {info.key!r}", expected=f"shape {info.shape} {info.dtype}", got=f"{array.shape} {array.dtype}"
        )


def check_castable(info: KeyInfo, array: Any, source: np.dtype[Any], target: np.dtype[Any]) -> None:
    """Raise ShapeError unless `array`, numpy's or cupy's, has the key's shape, and numbers of `source` fit `target`."""
    if array.shape != info.shape or not np.can_cast(source, target, "same_kind"):
        raise ShapeError(
            f"key {info.key!r}", expected=f"shape {info.shape} {info.dtype}", got=f"{array.shape} {array.dtype}"
        )


def deliver(info: KeyInfo, value: Array, out: Any) -> None:
    """Write `value`, of the key's shape and dtype, into `out`, which has the same shape and may be on a GPU.

    Raises ShapeError if `out` has another shape or a dtype that cannot hold it, DataError if it cannot be written.
    """
    if hasattr(out, "set") and hasattr(out, "get"):  # cupy
        check_castable(info, out, info.dtype, out.dtype)
        with out.device:
            out.set(value.astype(out.dtype, copy=False))
        return
    target = writable(info, out)
    check_castable(info, target, info.dtype, target.dtype)
    if not same_memory(target, value):
        np.copyto(target, value, casting="same_kind")


def landing_place(info: KeyInfo, out: Any) -> Array:
    """Where a value of the key's shape that is for `out` can be received: `out` itself, or else new memory.

    `out` will do if it is contiguous, on the CPU and of the key's dtype. Raises ShapeError and DataError as `deliver`.
    """
    if not (hasattr(out, "set") and hasattr(out, "get")):  # cupy
        target = writable(info, out)
        check_castable(info, target, info.dtype, target.dtype)
        if target.flags.c_contiguous and target.dtype == info.dtype:
            return target
    return np.empty(info.shape, info.dtype)


def writable(info: KeyInfo, out: Any) -> Array:
    """`out` as a numpy array of its shape that shares its memory; DataError if it cannot be written."""
    target = to_numpy(out)
    # Views through DLPack may be read-only although their owner is not; the array protocol gives a writable one then.
    if not target.flags.writeable and hasattr(out, "__array__"):
        target = np.asarray(out)
    if not target.flags.writeable or isinstance(out, Sequence):
        raise DataError(f"key {info.key!r}: out cannot be written", expected="a writable array", got=type(out).__name__)
    return target
