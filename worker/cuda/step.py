"""The step as kernels on a GPU see it: what changes from step to step lies in device memory.

A captured graph has the arguments of its kernels frozen in, so its kernels read the step's number, learning rate and
counts from `struct Now`. Nor can the host look at values in the middle of it: kernels note what is wrong in words that
the host reads when it waits anyway (Complaints).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ...common.errors import DataError, DeviceError
from ..array import Array
from ..ops.operator import Step
from .device import Device
from .matrix_products import CapturableArrays

COUNTS = 4  # the most losses that may normalise by what they count: `struct Now` has room for so many
_NUMBERS = 4  # the most numbers of an optimizer that change from step to step
_NOW_BYTES, _SCALE, _COUNTS = 72, 24, 32  # size of `struct Now`, and offsets of `scale` and `counts`: source/now.cuh
_NOTHING = (1 << 64) - 1  # larger than any complaint, so that atomicMin replaces it by the first


class Update(NamedTuple):
    """What an optimizer is told in a step: the learning rate, the update's number (from 1), and what else changes."""

    rate: float = 0.0
    number: int = 0
    numbers: Sequence[float] = ()


Explain = Callable[[int, float], DataError]  # from an element's flat index and its value


class Complaints:
    """Values that kernels found wrong: one 64-bit word per node that checks, read by the host when it waits anyway.

    A word holds the flat index (high half) and the float32 (low half) of the first wrong element, or all ones if there
    is none: kernels write it by atomicMin, so that the lowest index wins, whichever thread comes first.
    """

    ROOM = 256  # words, allocated once: graphs hold their addresses

    def __init__(self, device: Device) -> None:
        self._words = device.xp.full((self.ROOM,), _NOTHING, np.uint64)
        self._explain: dict[Any, tuple[int, Explain]] = {}

    def word(self, place: Any, explain: Explain) -> Array:
        """The word of that place, the same for every step: a view of shape (1,), uint64.

        Raises DeviceError if more than ROOM places ask for one.
        """
        index, _ = self._explain.get(place, (len(self._explain), None))
        if index >= self.ROOM:
            raise DeviceError(f"on a GPU at most {self.ROOM} operators can check their inputs", remedy="Use mx.cpu()")
        self._explain[place] = index, explain  # `explain` anew: it knows the first row, which may be another one now
        word: Array = self._words[index : index + 1]
        return word

    def __bool__(self) -> bool:
        """Whether any node checks its inputs, so that it is worth a look."""
        return bool(self._explain)

    def look(self) -> None:
        """Raise the DataError of the first word that holds a complaint, if any does. Waits for the device."""
        words = self._words.get()
        for index, explain in self._explain.values():
            if words[index] != _NOTHING:
                self._words.fill(_NOTHING)  # the next step starts without complaints, should the caller go on
                word = int(words[index])
                raise explain(word >> 32, struct.unpack("f", struct.pack("I", word & 0xFFFFFFFF))[0])


@dataclass
class CudaStep(Step):
    """A Step whose number and counts kernels read from `now` (see source/now.cuh).

    seed, fit, first_row and global_rows do not change while a captured graph is in use, so kernels take them as
    arguments.
    """

    device: Any = None
    now: Any = None
    complaints: Any = None
    count_slot: dict[int, int] = field(default_factory=dict)  # node -> its place in Now.counts

    @classmethod
    def on(cls, device: Device) -> CudaStep:
        """The step of an executor on that GPU. To be called while the device is active."""
        now = device.zeros((_NOW_BYTES,), np.uint8)
        step = cls(xp=CapturableArrays(device), device=device, now=now, complaints=Complaints(device))
        step.set_scale(1.0)
        return step

    def set_now(self, number: int, batch: int, update: Update, counts: list[float]) -> None:
        """Queue the next step's figures: numbers of the step and of the batch, the update's, counts of the losses.

        At most COUNTS counts.
        """
        self.number = number  # for operators that compute on the host
        padded = [*counts, *[1.0] * (COUNTS - len(counts))]
        others = [*update.numbers, *[0.0] * (_NUMBERS - len(update.numbers))]
        figures = (
            *(np.int64(number), np.int64(batch), np.float64(update.rate), *map(np.float32, padded)),
            *(np.int64(update.number), *map(np.float32, others)),
        )
        self.device.module("now").launch("set_now", (1,), (self.now, *figures), threads=1)

    def scale(self) -> Array:
        """What the gradients of losses are multiplied by, in device memory: float32, shape ()."""
        scale: Array = self.now[_SCALE : _SCALE + 4].view(np.float32).reshape(())
        return scale

    def set_scale(self, value: float) -> None:
        """Queue a new value of `scale`."""
        self.now[_SCALE : _SCALE + 4].view(np.float32).fill(value)

    def synchronize(self) -> None:
        """Wait until the GPU has computed what was queued, so that it can be timed."""
        self.device.stream.synchronize()

    def complaint(self, explain: Explain) -> Array:
        """The word (uint64, shape (1,)) in which a kernel of the current node notes a wrong value.

        Raises DeviceError if too many nodes check their inputs.
        """
        # Training and prediction are recorded apart, and number their rows differently.
        word: Array = self.complaints.word((self.node, self.is_train), explain)
        return word

    def random_bits(self, first: int, count: int) -> Array:
        """Numbers `first` to `first + count` of the node's stream, drawn on the GPU: shape (count,), uint32."""
        from .random_bits import random_bits

        return random_bits(self.device, self, first, count)

    def refuse(self, wrong: Array, values: Array, explain: Explain) -> None:
        """Have the device note the first of `values` where `wrong` (of the same shape) holds.

        Unlike Step's, this does not raise for a wrong value: the host raises what `explain` makes of it when it next
        waits. Raises DeviceError if there are too many nodes that check.
        """
        xp = self.xp
        # The word of every element, of which the smallest is kept: the plain counterpart of atomicMin in kernels.
        index = xp.arange(wrong.size, dtype=np.uint64) << np.uint64(32)
        words = index | xp.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
        word = self.complaint(explain)
        xp.minimum(word, xp.where(wrong.reshape(-1), words, np.uint64(_NOTHING)).min(), out=word)

    def device_count(self) -> Array:
        """The count by which the current node's loss normalises: a float32 in device memory, shape ()."""
        if self.node not in self.count_slot:  # its labels are computed by the network, so the step is not recorded
            known: Array = self.xp.asarray(np.float32(self.count))
            return known
        slot = _COUNTS + 4 * self.count_slot[self.node]
        count: Array = self.now[slot : slot + 4].view(np.float32).reshape(())
        return count
