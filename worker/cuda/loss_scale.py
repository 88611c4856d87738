"""Loss scaling for float16: gradients are computed larger by a factor, so that small ones do not vanish in 16 bits.

Micikevicius et al.: "Mixed Precision Training" (ICLR 2018). The factor is a power of two, so that it changes no digit.
It lies in device memory and is adjusted there, without the host: a step whose gradients overflow changes no weight and
halves the factor; after PATIENCE steps without overflow it is doubled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..array import Array, Arrays, Gradients
from ..ops.kernel import Kernel
from ..ops.operator import Step
from .device import Device

FIRST = LARGEST = 65536.0  # 2^16, just above float16's largest number
PATIENCE = 2000  # steps without an overflow, after which the scale is doubled
NOTHING = (1 << 64) - 1  # what a word holds until something is wrong: kernels write smaller values by atomicMin


class LossScale:
    """The scale of one GPU's step, a CudaStep. To be used while the device is active.

    Methods only queue, unless they say that they wait.
    """

    def __init__(self, device: Device, step: Any) -> None:
        self._module, self._step = device.module("loss_scale"), step
        # Shared with the update (see training/gpu/update.py), which leaves the weights alone while it is not NOTHING.
        self.word: Array = device.xp.full((1,), NOTHING, np.uint64)
        self._good = device.zeros((1,), np.int32)
        step.set_scale(FIRST)

    def unscale(self, gradient: Array, shows_overflow: bool) -> None:
        """Divide a gradient, of any shape, by the scale in place; what has overflowed becomes zero, or stays so.

        For a parameter server, which knows of no scale: if workers do not agree to leave a step out, it cannot be left
        out on one of them.
        """
        args = gradient, self._step.now, self.word, np.int64(gradient.size), np.int32(shows_overflow)
        self._module.over("scale_down", gradient.size, args)

    def state(self) -> dict[str, float]:
        """The scale, and how many steps it has been without an overflow. Waits."""
        return {"scale": float(self._step.scale().get()), "good": int(self._good.get()[0])}  # type: ignore[attr-defined]

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on with that scale."""
        self._step.set_scale(state["scale"])
        self._good.fill(state["good"])

    def failed_step(self) -> int | None:
        """The number of the step whose gradients overflowed even at the smallest scale, or None. Waits."""
        word = int(self.word.get()[0])  # type: ignore[attr-defined]
        return None if word == NOTHING else word >> 32

    def forget(self) -> None:
        """Queue that nothing was wrong, for whoever has seen it."""
        self.word.fill(NOTHING)

    def adjust(self) -> None:
        """Halve or double the scale after a step, by what `word` says."""
        args = self._step.now, self.word, self._good, np.int32(PATIENCE), np.float32(LARGEST)
        self._module.launch("adjust", (1,), args, threads=1)


class ScaledLoss:
    """A loss whose gradient is multiplied by the step's scale; it takes the arrays of the loss's own kernel."""

    def __init__(self, device: Device, kernel: Kernel) -> None:
        self._module, self._kernel = device.module("loss_scale"), kernel

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the loss's own output."""
        self._kernel.forward(step, inputs, outputs)

    def backward(self, step: Any, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the loss's own gradients, multiplied by the scale."""
        self._kernel.backward(step, out_grads, inputs, outputs, in_grads)
        for grad in in_grads:
            if grad is not None:
                self._module.over("scale_up", grad.size, (grad, step.now, np.int64(grad.size)))
