"""Dropout between the layers of an RNN: random numbers and masking in one pass, the same bits as the plain version."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.jit import kernel
from ..array import Array
from ..ops.operator import Step
from .dropout import block

if TYPE_CHECKING:
    from ..ops.rnn import RNN


def drop(op: RNN, step: Step, source: Array, target: Array, layer: int) -> None:
    """Write what layer `layer` > 0 reads of the output (T, N, width) of the layer below; or the gradient, likewise.

    `target` may be `source`. Only called where op.p > 0.
    """
    if not step.is_train:
        np.copyto(target, source)
        return
    stream, (length, _, width) = step.random_stream(), source.shape
    words = np.array([*stream.key, stream.step, stream.node], np.uint64)
    # A row's numbers for all layers lie together, so that its place follows from the row's index alone.
    per_row, place = (op.num_layers - 1) * length * width, (layer - 1) * length * width
    threshold = np.uint64(math.ceil((1 - op.p) * 2**32))
    _mask(source, target, words, step.first_row * per_row + place, per_row, threshold, np.float32(1 - op.p))


@kernel
def _mask(source: Array, target: Array, words: Array, first: int, per_row: int, threshold: Any, kept: Any) -> None:
    """target = source / kept where a number is below the threshold, else 0; those of the first row begin at `first`."""
    lanes = np.empty(4, np.uint64)
    ready = -1  # the block whose four numbers are in `lanes`
    for row in range(source.shape[1]):
        number = first + row * per_row
        for time in range(source.shape[0]):
            for i in range(source.shape[2]):
                if number // 4 != ready:
                    ready = number // 4
                    block(np.uint64(ready), words, lanes)
                # Chosen rather than multiplied by a mask: 0 * NaN would be NaN, and a dropped number must not matter.
                below = lanes[number % 4] < threshold
                target[time, row, i] = source[time, row, i] / kept if below else np.float32(0)
                number += 1
