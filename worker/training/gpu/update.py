"""The optimizer's update of all parameters in one launch, in three if it needs norms, with the bits of ps/rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....ps.optimizers.adam import Adam, Adamax, AdamW, Nadam
from ....ps.optimizers.adaptive import AdaDelta, AdaGrad, Ftrl, RMSProp
from ....ps.optimizers.base import Descent, Optimizer, Step
from ....ps.optimizers.langevin import SGLD
from ....ps.optimizers.momentum import NAG, SGD, AddScaled, Signum
from ....ps.optimizers.whole_keys import LAMB, LARS
from ...array import Array
from ...cuda.device import Device
from ...cuda.loss_scale import NOTHING, LossScale
from ...cuda.step import Update
from .update_tables import Span, chunk_table, key_table

# The source that has the kernels of an optimizer. A subclass may update otherwise, and has none.
_SOURCES: dict[type[Optimizer], str] = {
    **dict.fromkeys((SGD, NAG, Signum, AddScaled), "update"),
    **dict.fromkeys((Adam, AdamW, Adamax, Nadam), "adam_update"),
    **dict.fromkeys((AdaDelta, AdaGrad, Ftrl, RMSProp), "adaptive_update"),
    **dict.fromkeys((LAMB, LARS), "whole_key_update"),
    SGLD: "sgld_update",
}


def handles(optimizer: Optimizer) -> bool:
    """Whether there are kernels for that optimizer."""
    return type(optimizer) in _SOURCES


def update_of(optimizer: Optimizer, step: Step) -> Update:
    """What the kernels of `optimizer` are told in a step, whatever the key."""
    if not isinstance(optimizer, Descent):
        return Update(step.lr, step.t)
    changing = list(optimizer.numbers(step, np.float32))[-optimizer.changing :] if optimizer.changing else []
    return Update(step.lr * optimizer.correction(step.t), step.t, changing)


@dataclass(frozen=True)
class _Launch:
    """A kernel of an update: `table` has an element for each of its blocks, which comes before `args`."""

    kernel: str
    table: Array
    blocks: int
    args: tuple[Any, ...]


class FlatUpdate:
    """The optimizer's step for the keys of `layout`, whose arrays lie in flat float32 arrays.

    `weight`, `gradient` and each of `states` (by the optimizer's `state_names`) have the same layout; what lies between
    spans is left alone. What changes from step to step (`update_of`) is read from `step.now`. A key's number is its
    place in `layout`.

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
        self._search, self._module = device.module("update"), device.module(_SOURCES[type(optimizer)])
        self._loss_scale = loss_scale
        self._word = loss_scale.word if loss_scale else device.xp.full((1,), NOTHING, np.uint64)
        self._found = device.xp.full((1,), NOTHING, np.uint64)  # the word before the scale was adjusted
        decay = getattr(optimizer, "wd", 0.0)
        chunks, keys = chunk_table(layout, decay), key_table(layout, decay)
        self._chunks, self._count = device.xp.asarray(chunks.view(np.uint8)), len(chunks)
        self._keys, self._key_count = device.xp.asarray(keys.view(np.uint8)), len(keys)
        self._gradient, self._weight = gradient, weight
        self._states = [states[name] for name in optimizer.state_names]
        self._launches = self._launches_of(optimizer, device)

    def run(self, step: Any) -> None:
        """Queue the search for NaN and infinity, the update, and with a loss scale its adjustment."""
        if self._count:
            # Apart: no element may be updated before all gradients have been looked at.
            if not self._allows or self._loss_scale:
                common = self._chunks, step.now, self._word, self._gradient
                self._search.launch("find_non_finite", (self._count,), common)
            for one in self._launches:
                self._module.launch(one.kernel, (one.blocks,), (one.table, step.now, self._word, *one.args))
        if self._loss_scale:
            self._found[...] = self._word
            self._loss_scale.adjust()
            if self._allows:
                self.forget()

    def _launches_of(self, optimizer: Optimizer, device: Device) -> list[_Launch]:
        """The kernels of an update, in their order, with their numbers rounded to float32 as on the host."""
        if isinstance(optimizer, AddScaled):
            return [self._per_chunk("add_scaled", self._gradient, self._weight, np.float32(optimizer.rescale_grad))]
        assert isinstance(optimizer, Descent)
        if isinstance(optimizer, (LAMB, LARS)):
            sums = device.zeros((self._count, 2), np.float64)
            rates = device.zeros((self._key_count,), np.float32)
            return (self._lamb if isinstance(optimizer, LAMB) else self._lars)(optimizer, sums, rates)
        numbers = self._fixed(optimizer)
        if isinstance(optimizer, SGLD):
            numbers = [self._keys, *numbers[:2], np.uint64(optimizer.seed)]
        return [self._per_chunk(optimizer.kernel, self._gradient, self._weight, *self._states, *numbers)]

    def _lamb(self, optimizer: Any, sums: Array, rates: Array) -> list[_Launch]:
        moments, numbers = self._states, self._fixed(optimizer)
        return [
            self._per_chunk("lamb_moments", self._gradient, self._weight, *moments, sums, *numbers),
            self._per_key("lamb_rates", sums, rates, *map(np.float64, optimizer.bounds)),
            self._per_chunk("lamb", self._weight, *moments, rates, np.float32(optimizer.epsilon)),
        ]

    def _lars(self, optimizer: Any, sums: Array, rates: Array) -> list[_Launch]:
        figures = abs(optimizer.rescale_grad), optimizer.eta, optimizer.eps
        kernel, numbers = "lars_momentum" if optimizer.momentum else "lars", self._fixed(optimizer)
        return [
            self._per_chunk("lars_squares", self._gradient, self._weight, sums),
            self._per_key("lars_rates", sums, rates, *map(np.float64, figures)),
            self._per_chunk(kernel, self._gradient, self._weight, *self._states, rates, *numbers),
        ]

    def _per_chunk(self, kernel: str, *args: Any) -> _Launch:
        return _Launch(kernel, self._chunks, self._count, args)

    def _per_key(self, kernel: str, *args: Any) -> _Launch:
        return _Launch(kernel, self._keys, self._key_count, args)

    @staticmethod
    def _fixed(optimizer: Descent) -> list[Any]:
        """The numbers that are the same in every step, from rescale_grad on: rate and decay are each chunk's own."""
        _, _, *numbers = optimizer.scalars(Step(0.0), np.float32)
        return numbers[: len(numbers) - optimizer.changing]

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
