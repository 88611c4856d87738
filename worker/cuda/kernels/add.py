"""The sum of two arrays and the activation behind it, in either format; and adding one gradient to another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array, Arrays, Gradients, Shape
from ...ops.operator import Step
from ..device import Device
from .channel_packs import ALIGNMENT, memory_of, pack_size
from .channels_last import elementwise


class AddKernel:
    """f(a + b) of two arrays of one shape: float32 in C order, or with channels last in the type that `last` names."""

    def __init__(self, device: Device, act_type: str | None, shape: Shape, last: str | None = None) -> None:
        # With channels last a pack must not run into the next pixel; in C order the whole array is one row.
        pack = pack_size(last, shape[1]) if last else pack_size("float32", int(np.prod(shape)))
        self._is_last, self._pack = last is not None, pack
        # Packs for addresses that allow them, single elements for others.
        self._modules = {size: elementwise(device, last or "float32", size, act_type) for size in {pack, 1}}

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(a + b)."""
        self._over("add", outputs[0], inputs[0], inputs[1], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dy f', which is the same for both, to those gradients that are asked for, in one pass."""
        self._over("add_gradient", outputs[0], outputs[0], out_grads[0], in_grads[0], in_grads[1])

    def _over(self, kernel: str, out: Array, *arrays: Array | None) -> None:
        """Launch a kernel over arrays of one shape, of which some may be None: cupy passes that as a null pointer.

        An array that a caller has bound may be a view that begins anywhere, so alignment is looked at each time.
        """
        memory: list[Any] = [memory_of(array) if self._is_last and array is not None else array for array in arrays]
        is_aligned = not any(array.data.ptr % ALIGNMENT for array in memory if array is not None)
        pack = self._pack if is_aligned else 1
        count = out.size // pack
        self._modules[pack].over(kernel, count, (*memory, np.int64(count)))


def add_to(device: Device, total: Array, addend: Array, math: str) -> None:
    """total += addend, both of one shape (N, C, H, W) with channels last, in the type that `math` names."""
    pack = pack_size(math, total.shape[1])
    count, memory = total.size // pack, memory_of(total)
    elementwise(device, math, pack).over("add", count, (memory, memory_of(addend), memory, np.int64(count)))
