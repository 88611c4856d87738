"""Sums of two arrays and the activation behind them, of arrays of either format; and the sum of two gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array, Arrays, Gradients, Shape
from ...ops.operator import Step
from ..device import Device
from .channel_packs import ALIGNMENT, memory_of, pack_size
from .channels_last import elementwise


class AddKernel:
    """f(a + b) of float32 arrays in C order, or of arrays with channels last in the type of `last`."""

    def __init__(self, device: Device, act_type: str | None, shape: Shape, last: str | None = None) -> None:
        pack = pack_size(last, shape[1]) if last else pack_size("float32", int(np.prod(shape)))
        self._is_last, self._pack = last is not None, pack
        self._modules = {size: elementwise(device, last or "float32", size, act_type) for size in {pack, 1}}

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """See above."""
        self._over("add", outputs[0], inputs[0], inputs[1], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The same for both."""
        self._over("add_gradient", outputs[0], outputs[0], out_grads[0], in_grads[0], in_grads[1])

    def _over(self, kernel: str, out: Array, *arrays: Array | None) -> None:
        """cupy passes None as a null pointer. A caller's arrays, seen through a view, may begin anywhere."""
        memory: list[Any] = [memory_of(array) if self._is_last and array is not None else array for array in arrays]
        is_aligned = not any(array.data.ptr % ALIGNMENT for array in memory if array is not None)
        pack = self._pack if is_aligned else 1
        count = out.size // pack
        self._modules[pack].over(kernel, count, (*memory, np.int64(count)))


def add_to(device: Device, total: Array, addend: Array, math: str) -> None:
    """total += addend, both with channels last."""
    pack = pack_size(math, total.shape[1])
    count, memory = total.size // pack, memory_of(total)
    elementwise(device, math, pack).over("add", count, (memory, memory_of(addend), memory, np.int64(count)))
