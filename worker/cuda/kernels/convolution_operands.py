"""A convolution's arrays in the format that the computing library wants, copied if they are in the other one.

An operand is read through `last` or `plain`. A result is written to what `last_target` or `plain_target` returns, and
brought into the array by `give_last` or `give_plain`, which do nothing if it is the array's own memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...array import Array, Shape
from ..device import Device
from ..scratch_memory import Arena, Claim
from .channel_packs import ALIGNMENT, HALVES, memory_of, pack_module

_TILE = 32  # of source/channels_last.cu
_FEW = 8  # with fewer channels, one thread copies all channels of a pixel


class Operands:
    """Arrays by role, each either plain (float32 in C order) or last (with channels last, in the type of `math`).

    Roles are those of cudnn_convolution.ROLES, arrays have the shape of their role, in either format. Copies live until
    the next call for the same role, in memory that other layers use, too.
    """

    def __init__(self, device: Device, shapes: Mapping[str, Shape], last: Mapping[str, bool], math: str) -> None:
        """`last`: the roles whose arrays are given with channels last."""
        self._module = pack_module(device, "channels_last", math, 1)
        self._shapes, self._last, self._dtype = shapes, last, np.uint16 if math in HALVES else np.float32
        self._kept: tuple[str, Array | None] | None = None
        self._rounding = device.module("round_half", BFLOAT16=int(math == "bfloat16"))
        itemsize = np.dtype(self._dtype).itemsize
        copied = {role: shape for role, shape in shapes.items() if not last.get(role)}
        self._last_copies = _Copies(device, "last_copies", copied, itemsize)
        self._plain_copies = _Copies(
            device, "plain_copies", {role: shapes[role] for role in shapes if last.get(role)}, 4
        )
        # Now, if they will be needed for sure, so that the arena is large enough for all layers when it is allocated.
        if math in HALVES or any(last.values()):
            self._last_copies.claim()

    @contextmanager
    def keeping(self, role: str) -> Iterator[None]:
        """While inside, an array of that role is copied once only, being taken not to change."""
        self._kept = role, None
        try:
            yield
        finally:
            self._kept = None

    def last(self, role: str, array: Array) -> Array:
        """The array's elements with channels last: flat, its own memory or a copy."""
        copy = self.last_target(role, array)
        if self._lies_last(role, array):
            return copy
        if self._kept is None or self._kept[0] != role or self._kept[1] is not array:
            self._convert("to_last", role, array, copy)
        if self._kept is not None and self._kept[0] == role:
            self._kept = role, array
        return copy

    def last_target(self, role: str, array: Array) -> Array:
        """Where to write elements with channels last that are meant for `array`: flat."""
        if self._last.get(role):
            return memory_of(array)
        return array.reshape(-1) if self._lies_last(role, array) else self._last_copies.of(role, self._dtype)

    def give_last(self, role: str, made: Array, array: Array) -> None:
        """Bring `made`, which was written to `last_target`, into the array."""
        if not self._lies_last(role, array):
            self._convert("from_last", role, made, array)

    def plain(self, role: str, array: Array) -> Array:
        """The array in C order and float32, itself or a copy."""
        plain = self.plain_target(role, array)
        if plain is not array:
            self._convert("from_last", role, memory_of(array), plain)
        return plain

    def plain_target(self, role: str, array: Array) -> Array:
        """Where to write in C order what is meant for `array`: an array of the role's shape."""
        shape = self._shapes[role]
        return self._plain_copies.of(role, np.float32).reshape(shape) if self._last.get(role) else array

    def give_plain(self, role: str, made: Array, array: Array) -> None:
        """Bring `made`, which was written to `plain_target`, into the array."""
        if made is not array:
            self._convert("to_last", role, made, memory_of(array))

    def _lies_last(self, role: str, array: Any) -> bool:
        """Whether its memory is what cuDNN wants: it has channels last, or both formats are the same order.

        In the latter case the address must be aligned, too; an array that a user has bound may begin anywhere.
        """
        same = self._dtype is np.float32 and self._is_flat(role) and array.data.ptr % ALIGNMENT == 0
        return bool(self._last.get(role) or same)

    def _is_flat(self, role: str) -> bool:
        """Whether both formats are the same order: with one channel, or with one pixel."""
        return self._shapes[role][1] == 1 or int(np.prod(self._shapes[role][2:])) == 1

    def _convert(self, kernel: str, role: str, source: Array, target: Array) -> None:
        # Tiles of 32 x 32 turn large planes; with few channels or pixels most of a tile would be empty.
        images, channels, *extents = self._shapes[role]
        pixels = int(np.prod(extents))
        if self._is_flat(role):
            self._convert_flat(kernel, source.reshape(-1), target.reshape(-1))
        elif channels < _FEW or pixels < min(_TILE, channels):
            count = images * max(channels, pixels)
            args = source, target, np.int64(count), np.int32(channels), np.int32(pixels)
            self._module.over(f"thin_{kernel}", count, args)
        else:
            grid = (-(-pixels // _TILE), -(-channels // _TILE), min(images, 65535))  # the most that CUDA allows in z
            self._module.launch(kernel, grid, (source, target, np.int32(images), np.int32(channels), np.int32(pixels)))

    def _convert_flat(self, kernel: str, source: Array, target: Array) -> None:
        if self._dtype is np.float32:
            target[...] = source
        else:
            name = {"to_last": "round_half", "from_last": "widen_half"}[kernel]
            self._rounding.over(name, source.size, (source, target, np.int64(source.size)))


class _Copies:
    """Scratch memory for some roles, side by side in the arena of that name."""

    def __init__(self, device: Device, name: str, shapes: Mapping[str, Shape], itemsize: int) -> None:
        self._arena, self._roles = Arena.of(device, name), list(shapes)
        self._sizes = [itemsize * int(np.prod(shape)) for shape in shapes.values()]
        self._claim: Claim | None = None

    def claim(self) -> Claim:
        """Reserve the memory in the arena, if that has not been done; the first use does so at the latest."""
        self._claim = self._claim or Claim(self._arena, self._sizes)
        return self._claim

    def of(self, role: str, dtype: type) -> Array:
        """The memory of that role: flat, in elements of `dtype`."""
        part: Array = self.claim().parts()[self._roles.index(role)].view(dtype)
        return part
