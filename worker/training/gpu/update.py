"""The optimizer's update of all parameters in one launch, with the bits of ps/rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....ps.optimizers.adam import Adam, Adamax, AdamW
from ....ps.optimizers.adaptive import AdaDelta, AdaGrad, Ftrl, RMSProp
from ....ps.optimizers.base import Optimizer, Step
from ....ps.optimizers.momentum import NAG, SGD, AddScaled, Signum
from ...array import Array
from ...cuda.device import Device
from ...cuda.loss_scale import NOTHING, LossScale

# Elements for one block. Keys are cut into chunks, so that one launch fits many small keys and few large ones alike.
CHUNK = 4096
_CHUNKS = np.dtype(  # struct Chunk of cuda/source/update.cu, field by field, with the padding that C adds
    [
        ("begin", np.int64),
        ("rate_multiplier", np.float64),
        ("length", np.int32),
        ("key", np.int32),
        ("decay", np.float32),
        ("unused", np.int32),
    ]
)

# Not those whose numbers, besides the rate, change from step to step (nadam), that need norms, or that draw noise.
_WITH_KERNELS = (SGD, NAG, Signum, Adam, AdamW, Adamax, AdaGrad, AdaDelta, RMSProp, Ftrl, AddScaled)


@dataclass(frozen=True)
class Span:
    """Where a key lies in the flat arrays, in elements, and how its learning rate and weight decay are scaled."""

    begin: int
    length: int
    lr_mult: float = 1.0
    wd_mult: float = 1.0


def handles(optimizer: Optimizer) -> bool:
    """Whether there are kernels for that optimizer. A subclass may update otherwise, and has none."""
    return type(optimizer) in _WITH_KERNELS


class FlatUpdate:
    """The optimizer's step for the keys of `layout`, whose arrays lie in flat float32 arrays.

    `weight`, `gradient` and each of `states` (by the optimizer's `state_names`) have the same layout; what lies between
    spans is left alone. The learning rate, with the optimizer's correction for the update, is read from `step.now`. A
    key's number is its place in `layout`.

    As soon as a gradient holds NaN or infinity nothing is updated any more, in that step or a later one, so that the
    weights can be inspected as they were; `look` tells which, and `forget` lets it go on. With a `loss_scale` above 1
    only that step is left out. With `allows` gradients are not looked at, unless there is a scale to be adjusted. To be
    made and used while the device is active.
    """

    def __init__(
        self,
        device: Device,
        optimizer: Optimizer,
        layout: Sequence[Span],
        weight: Array,
        gradient: Array,
        states: Mapping[str, Array],
        loss_scale: LossScale | None = None,
        allows: bool = False,
    ) -> None:
        self._allows = allows
        self._module = device.module("update")
        chunks = np.array(list(_chunks(layout, getattr(optimizer, "wd", 0.0))), _CHUNKS)
        self._count = len(chunks)
        self._chunks = device.xp.asarray(chunks.view(np.uint8))
        self._loss_scale = loss_scale
        self._word = loss_scale.word if loss_scale else device.xp.full((1,), NOTHING, np.uint64)
        self._found = device.xp.full((1,), NOTHING, np.uint64)  # the word before the scale was adjusted
        self._gradient = gradient
        self._kernel, self._args = _kernel(optimizer, weight, states)

    def run(self, step: Any) -> None:
        """Queue the search for NaN and infinity, the update, and with a loss scale its adjustment."""
        if self._count:
            common = self._chunks, step.now, self._word, self._gradient
            # Two launches: no element may be updated before all gradients have been looked at.
            if not self._allows or self._loss_scale:
                self._module.launch("find_non_finite", (self._count,), common)
            self._module.launch(self._kernel, (self._count,), (*common, *self._args))
        if self._loss_scale:
            self._found[...] = self._word
            self._loss_scale.adjust()
            if self._allows:
                self.forget()

    def look(self, any_scale: bool = False) -> tuple[int, int] | None:
        """The step and the key's number whose gradient first held NaN or infinity, or None. Waits for the device.

        With `any_scale`, also those of the last step that a smaller scale of the loss may mend.
        """
        # The kernel's atomicMin over step << 32 | key leaves the earliest step, and of its keys the first.
        found: Any = self._found if any_scale and self._loss_scale else self._word
        word = int(found.get()[0])
        return None if word == NOTHING else (word >> 32, word & 0xFFFFFFFF)

    def forget(self) -> None:
        """Queue that the next step is made whatever was found."""
        self._word.fill(NOTHING)


def _chunks(layout: Sequence[Span], decay: float) -> Iterator[tuple[int, float, int, int, float, int]]:
    """The fields of _CHUNKS for each chunk, in the order of the keys.

    Decay is multiplied in double precision and then rounded, as SGD.apply does.
    """
    for key, span in enumerate(layout):
        for begin in range(span.begin, span.begin + span.length, CHUNK):
            length = min(CHUNK, span.begin + span.length - begin)
            yield begin, span.lr_mult, length, key, decay * span.wd_mult, 0


def _kernel(optimizer: Any, weight: Array, states: Mapping[str, Array]) -> tuple[str, tuple[Any, ...]]:
    """The kernel's name and its parameters after the common ones, rounded to float32 as on the host."""
    if isinstance(optimizer, AddScaled):
        return "add_scaled", (weight, np.float32(optimizer.rescale_grad))
    # Rate and decay are each chunk's own.
    _, _, *numbers = optimizer.scalars(Step(0.0), np.float32)
    return optimizer.kernel, (weight, *(states[name] for name in optimizer.state_names), *numbers)
