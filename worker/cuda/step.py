"""Where a step stands, as kernels on a GPU learn it: what changes from step to step lies in device memory."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...common.errors import DataError, DeviceError
from ..array import Array
from ..ops.operator import Step
from .device import Device
from .matrix_products import CapturableArrays

COUNTS = 4  # losses that normalise by what they count, at most: as many as `struct Now` has room for
_NOW_BYTES, _SCALE, _COUNTS = 48, 24, 32  # of `struct Now`: its size, and where some of it lies
_NOTHING = (1 << 64) - 1

Explain = Callable[[int, float], DataError]  # from an element's flat index and its value


class Complaints:
    """Values that kernels found wrong: one 64-bit word per place that looks, read by the host when it waits anyway.

    A word holds the flat index (high half) and the float32 (low half) of the first wrong element, all ones if none is:
    kernels write it by atomicMin.
    """

    ROOM = 256

    def __init__(self, device: Device) -> None:
        self._words = device.xp.full((self.ROOM,), _NOTHING, np.uint64)
        self._explain: dict[Any, tuple[int, Explain]] = {}

    def word(self, place: Any, explain: Explain) -> Array:
        """The word of that place, the same for every step."""
        index, _ = self._explain.get(place, (len(self._explain), None))
        if index >= self.ROOM:
            raise DeviceError(f"on a GPU at most {self.ROOM} operators check their inputs", remedy="Use mx.cpu()")
        self._explain[place] = index, explain  # rows may have been numbered otherwise before
        word: Array = self._words[index : index + 1]
        return word

    def __bool__(self) -> bool:
        """Whether anybody looks."""
        return bool(self._explain)

    def look(self) -> None:
        """Raise the first complaint, if there is one. Waits for the device."""
        words = self._words.get()
        for index, explain in self._explain.values():
            if words[index] != _NOTHING:
                self._words.fill(_NOTHING)
                word = int(words[index])
                raise explain(word >> 32, struct.unpack("f", struct.pack("I", word & 0xFFFFFFFF))[0])


@dataclass
class CudaStep(Step):
    """A Step whose number and counts are read by kernels from `now` (see source/now.cuh), never by the host.

    seed, fit, first_row and global_rows do not change while a graph is in use.
    """

    device: Any = None
    now: Any = None
    complaints: Any = None
    count_slot: dict[int, int] = field(default_factory=dict)  # node -> its place in Now.counts

    @classmethod
    def on(cls, device: Device) -> CudaStep:
        """For an executor on that GPU. To be called while the device is active."""
        now = device.zeros((_NOW_BYTES,), np.uint8)
        step = cls(xp=CapturableArrays(device), device=device, now=now, complaints=Complaints(device))
        step.set_scale(1.0)
        return step

    def set_now(self, number: int, batch: int, rate: float, counts: list[float]) -> None:
        """Queue the figures of the next step."""
        self.number = number  # for operators that compute on the host
        padded = [*counts, *[1.0] * (COUNTS - len(counts))]
        figures = np.int64(number), np.int64(batch), np.float64(rate), *map(np.float32, padded)
        self.device.module("now").launch("set_now", (1,), (self.now, *figures), threads=1)

    def scale(self) -> Array:
        """By what the gradients of losses are multiplied, in device memory: float32, shape ()."""
        scale: Array = self.now[_SCALE : _SCALE + 4].view(np.float32).reshape(())
        return scale

    def set_scale(self, value: float) -> None:
        """Queue another value of it."""
        self.now[_SCALE : _SCALE + 4].view(np.float32).fill(value)

    def synchronize(self) -> None:
        """See Step."""
        self.device.stream.synchronize()

    def complaint(self, explain: Explain) -> Array:
        """The word (uint64, shape (1,)) in which a kernel of the current node tells of a wrong value."""
        word: Array = self.complaints.word((self.node, self.is_train), explain)
        return word

    def random_bits(self, first: int, count: int) -> Array:
        """See Step; drawn on the device, which knows the step's number."""
        from .random_bits import random_bits

        return random_bits(self.device, self, first, count)

    def refuse(self, wrong: Array, values: Array, explain: Explain) -> None:
        """See Step: here the device notes the first wrong value, and the host raises when it next waits."""
        xp = self.xp
        index = xp.arange(wrong.size, dtype=np.uint64) << np.uint64(32)
        words = index | xp.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
        word = self.complaint(explain)
        xp.minimum(word, xp.where(wrong.reshape(-1), words, np.uint64(_NOTHING)).min(), out=word)

    def device_count(self) -> Array:
        """What the current node's loss normalises by: a float32 in device memory, shape ()."""
        if self.node not in self.count_slot:  # its labels are computed, so the step is not recorded
            known: Array = self.xp.asarray(np.float32(self.count))
            return known
        slot = _COUNTS + 4 * self.count_slot[self.node]
        count: Array = self.now[slot : slot + 4].view(np.float32).reshape(())
        return count
