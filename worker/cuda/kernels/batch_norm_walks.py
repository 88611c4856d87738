"""How BatchNorm's kernels go over their arrays, in either format: which thread has which elements.

How sums are cut into parts depends on the shape alone, not on the GPU, so that they have the same bits on each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array
from ..compiled_source import THREADS
from ..device import Device
from .channel_packs import memory_of, pack_module, pack_size

_BLOCKS = 1056  # wanted for a summation: eight for each of the 132 multiprocessors of an H100
_LAST_BLOCKS = 528  # the same with channels last, where threads need more registers: four for each
_SIDE_BY_SIDE = 32  # channels of one block where a channel's elements do not lie together: a warp reads neighbours
_LEAST_WORK = 4  # elements of a thread: with fewer, more blocks cost more than they gain


class PlaneWalk:
    """How float32 arrays in C order, seen as (before, channels, behind), are dealt out to threads.

    The kernels are those of source/batch_norm.cu. `parts`: how many partial sums each channel has.
    """

    def __init__(self, device: Device, before: int, channels: int, behind: int, act_type: str | None) -> None:
        self._module = device.module("batch_norm", ACT=(act_type or "none").upper())
        self._before, self._channels, self._behind = before, channels, behind
        self._width, self._lanes, splits, self._columns = _shares(before, channels, behind)
        self.parts = splits * self._columns

    def flat(self, array: Array) -> Array:
        """The array with its elements as they lie in memory, which these kernels take in its own shape."""
        return array

    def sum(self, kernel: str, array: Array, partial: Array, *more: Any) -> None:
        """Launch a kernel that writes two sums of each channel and part to partial (channels, 2, parts), float64."""
        shape = (np.int64(self._before), np.int32(self._channels), np.int64(self._behind))
        shares = (np.int32(self._width), np.int32(self._lanes), np.int32(self._columns))
        grid = (-(-self._channels // self._width), self.parts)
        self._module.launch(kernel, grid, (self.flat(array), partial, *shape, *shares, *more))

    def over(self, kernel: str, args: tuple[Any, ...]) -> None:
        """Launch a kernel over every element."""
        planes, lanes = self._before * self._channels, min(THREADS, _power_of_two(self._behind))
        across = -(-planes // (THREADS // lanes))
        # Of few planes, each is shared by several blocks, one for each stretch; of many, a block goes along its own.
        down = max(1, min(-(-self._behind // lanes), -(-8 * _BLOCKS // across)))
        shape = (np.int64(planes), np.int32(self._channels), np.int64(self._behind), np.int32(lanes))
        self._module.launch(kernel, (across, down), (*args, *shape))


class ChannelsLastWalk:
    """The same for arrays with channels last, (rows, channels) in memory: source/channels_last_batch_norm.cu."""

    def __init__(self, device: Device, rows: int, channels: int, act_type: str | None, math: str) -> None:
        pack = pack_size(math, channels)
        self._module = pack_module(device, "channels_last_batch_norm", math, pack, ACT=(act_type or "none").upper())
        self._rows, self._packs, self._width = rows, channels // pack, _side_by_side(channels // pack)
        # Blocks side by side cover the packs of a row, each with `at_once` rows at a time. Rows are cut into parts, as
        # many as fill the GPU, as long as every thread has some rows.
        across, at_once = -(-self._packs // self._width), THREADS // self._width
        self.parts = max(1, min(-(-_LAST_BLOCKS // across), rows // (at_once * _LEAST_WORK)))

    def flat(self, array: Array) -> Array:
        """The elements of an array (N, C, H, W) with channels last as they lie in memory, with one axis."""
        return memory_of(array)

    def sum(self, kernel: str, array: Array, partial: Array, *more: Any) -> None:
        """Launch a kernel that writes two sums of each channel and part to partial (channels, 2, parts), float64."""
        self._launch(kernel, (self.flat(array), partial, *self._shape(), *more))

    def over(self, kernel: str, args: tuple[Any, ...]) -> None:
        """Launch a kernel over every element, in the opposite order of `sum`; the source says why."""
        self._launch(kernel, (*args, *self._shape()))

    def _launch(self, kernel: str, args: tuple[Any, ...]) -> None:
        self._module.launch(kernel, (-(-self._packs // self._width), self.parts), args)

    def _shape(self) -> tuple[Any, ...]:
        return np.int64(self._rows), np.int32(self._packs), np.int32(self._width)


def _side_by_side(packs: int) -> int:
    """How many packs of a row a block takes: a power of two that leaves few threads without a pack."""
    if packs <= _SIDE_BY_SIDE:
        return _power_of_two(packs)
    return min((_SIDE_BY_SIDE, 16, 8), key=lambda width: -packs % width)


def _shares(before: int, channels: int, behind: int) -> tuple[int, int, int, int]:
    """How sums are dealt out: width and lanes of a block, and into how many parts `before` and `behind` are cut.

    See `Share` in source/batch_norm.cu.
    """
    # A long plane is the work of a block, whose threads read it side by side. Where planes are short, the channels of a
    # row are what lies side by side in memory.
    width = 1 if behind >= _SIDE_BY_SIDE else _SIDE_BY_SIDE
    lanes = min(THREADS, _power_of_two(behind)) if width == 1 else 1
    rows = THREADS // (width * lanes)
    wanted = max(1, _BLOCKS // -(-channels // width))
    # Rows are cut first; planes only if there are too few rows to fill the GPU.
    splits = max(1, min(wanted, before // (rows * _LEAST_WORK) if rows > 1 else before))
    columns = max(1, min(wanted // splits, behind // (lanes * _LEAST_WORK))) if width == 1 else 1
    return width, lanes, splits, columns


def _power_of_two(number: int) -> int:
    """The smallest power of two that is not less than `number`."""
    return 1 << max(0, number - 1).bit_length()
