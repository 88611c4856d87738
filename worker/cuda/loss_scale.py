"""Loss scaling for float16: gradients are computed so many times too large that small ones do not vanish in halves.

Micikevicius et al.: "Mixed Precision Training" (ICLR 2018). The factor is a power of two, so that it changes no digit.
It lies in device memory and looks after itself: a step whose gradients overflow changes no weight and halves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array, Arrays, Gradients
from ..ops.kernel import Kernel
from ..ops.operator import Step
from .device import Device

FIRST = LARGEST = 65536.0
PATIENCE = 2000  # steps without an overflow, after which the scale is doubled
NOTHING = (1 << 64) - 1


class LossScale:
    """The scale of one GPU's step, a CudaStep. To be used while the device is active; methods only queue."""

    def __init__(self, device: Device, step: Any) -> None:
        self._module, self._step = device.module("loss_scale"), step
        self.word: Array = device.xp.full((1,), NOTHING, np.uint64)
        self._good = device.zeros((1,), np.int32)
        step.set_scale(FIRST)

    def unscale(self, gradient: Array) -> None:
        """Bring a gradient back to its size, for those who know of no scale; what overflowed becomes zero."""
        args = gradient, self._step.now, self.word, np.int64(gradient.size)
        self._module.over("scale_down", gradient.size, args)

    def failed_step(self) -> int | None:
        """The step whose gradients were no numbers at the smallest scale; None if there was none. Waits."""
        word = int(self.word.get()[0])  # type: ignore[attr-defined]
        return None if word == NOTHING else word >> 32

    def adjust(self) -> None:
        """After a step."""
        args = self._step.now, self.word, self._good, np.int32(PATIENCE), np.float32(LARGEST)
        self._module.launch("adjust", (1,), args, threads=1)


class ScaledLoss:
    """A loss whose gradient is multiplied by the step's scale."""

    def __init__(self, device: Device, kernel: Kernel) -> None:
        self._module, self._kernel = device.module("loss_scale"), kernel

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """The loss's own."""
        self._kernel.forward(step, inputs, outputs)

    def backward(self, step: Any, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The loss's own, larger."""
        self._kernel.backward(step, out_grads, inputs, outputs, in_grads)
        for grad in in_grads:
            if grad is not None:
                self._module.over("scale_up", grad.size, (grad, step.now, np.int64(grad.size)))
