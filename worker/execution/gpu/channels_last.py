"""Which values of a graph lie with channels last, in the type that tensor cores read, and how.

A value does if the operator that makes it and all that read it can do so. A convolution may read in one format and
write in another. For all others what goes in and what comes out are alike, so formats change at convolutions, and at
poolings over whole planes, behind which both formats are the same memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...array import Array, Shape
from ...cuda.kernels.channel_packs import HALVES
from ...cuda.kernels.pooling import is_whole_plane
from ...graphs.node import Entry, Node
from ..memory_format import Formats

_ALIKE = ("Activation", "relu", "sigmoid", "tanh", "softsign", "clip")
_WITH_PARAMETERS = ("Convolution", "BatchNorm", "CuDNNBatchNorm")


class ChannelsLast:
    """Arrays (N, C, H, W) that lie in memory as (N, H, W, C): float32, or float16 or bfloat16 as uint16."""

    def __init__(self, math: str) -> None:
        """`math`: "tf32", "float16" or "bfloat16"."""
        self._halves = math in HALVES

    def size(self, shape: Shape) -> int:
        """How many float32 have room for it."""
        count = int(np.prod(shape, dtype=np.int64))
        return -(-count // 2) if self._halves else count

    def view(self, memory: Array, shape: Shape) -> Array:
        """The array in the first numbers of the float32 `memory`."""
        elements = memory.view(np.uint16) if self._halves else memory
        images, channels, height, width = shape
        dense = elements[: int(np.prod(shape, dtype=np.int64))].reshape(images, height, width, channels)
        return dense.transpose(0, 3, 1, 2)


def formats(
    groups: Sequence[Sequence[Node]], heads: Sequence[Entry], shapes: Mapping[Entry, Shape], math: str
) -> Formats:
    """The entries that lie with channels last. Variables and heads never do. `math`: see ChannelsLast."""
    families: list[set[Entry]] = []
    refused = set(heads)
    for group in groups:
        first, last = group[0], group[-1]
        assert first.op is not None and last.op is not None
        outputs: list[Entry] = [(last, index) for index in range(len(last.op.outputs()))]
        wanted = set(_able(first.op, first.inputs, outputs, shapes))
        able = {entry for entry in wanted if entry[0].op is not None and len(shapes[entry]) == 4}
        refused |= {*first.inputs, *outputs} - able
        if first.op.op_name() in _WITH_PARAMETERS:
            refused.update(first.inputs[1:])  # also where data is a parameter, too
        if first.op.op_name() == "Convolution":
            families += [{entry} for entry in able]
        else:
            families.append(able)
            refused |= able if able != wanted else set()
    chosen = ChannelsLast(math)
    return dict.fromkeys(_untouched(families, refused), chosen)


def _untouched(families: Sequence[set[Entry]], refused: set[Entry]) -> set[Entry]:
    """The members of families none of which is refused, where refusing one refuses the others of all its families."""
    while True:
        more = set[Entry]().union(*(family for family in families if family & refused)) - refused
        if not more:
            return set[Entry]().union(*families) - refused
        refused = refused | more


def adds_two(op: Any) -> bool:
    """Whether it is the sum of two arrays."""
    name = op.op_name()
    return name == "elemwise_add" or (name == "add_n" and int(op.num_args) == 2)


def _able(op: Any, inputs: Sequence[Entry], outputs: Sequence[Entry], shapes: Mapping[Entry, Shape]) -> Iterable[Entry]:
    """Inputs and outputs that the kernels for `op`, and an activation behind it, also take with channels last."""
    name = op.op_name()
    if name == "Convolution" and not op.cudnn_off:
        return inputs[0], outputs[0]
    if name in _ALIKE or adds_two(op) or (name == "Concat" and op.dim in (1, -3)):
        return *inputs, outputs[0]
    if name in ("BatchNorm", "CuDNNBatchNorm") and op.channel_axis(shapes[inputs[0]]) == 1:
        return inputs[0], outputs[0]
    if name == "Pooling" and op.pool_type != "lp" and not op.to_first():
        return inputs[:1] if is_whole_plane(op, shapes[inputs[0]]) else (inputs[0], outputs[0])
    return ()
