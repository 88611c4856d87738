"""Which values of a graph lie in memory with channels last, in the type that tensor cores read, and how they lie there.

A value does so if the operator that computes it and all operators that read it support it. A convolution may read one
format and write another; all other operators write the format that they read. So the format changes at convolutions
only, and behind poolings over whole planes, where both formats are the same memory.
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

_ALIKE = ("Activation", "relu", "sigmoid", "tanh", "softsign", "clip")  # element by element: any format will do
_WITH_PARAMETERS = ("Convolution", "BatchNorm", "CuDNNBatchNorm")


class ChannelsLast:
    """A Format: arrays (N, C, H, W) that lie in memory as (N, H, W, C). Elements are float32 for "tf32"; otherwise they
    are 16-bit floats, whose bits are kept as uint16.
    """

    def __init__(self, math: str) -> None:
        """`math`: "tf32", "float16" or "bfloat16"."""
        self._halves = math in HALVES

    def size(self, shape: Shape) -> int:
        """How many float32 elements of memory an array of that shape takes; two 16-bit floats fit into one."""
        count = int(np.prod(shape, dtype=np.int64))
        return -(-count // 2) if self._halves else count

    def view(self, memory: Array, shape: Shape) -> Array:
        """An array of `shape` (N, C, H, W), with strides of channels last, in the first elements of `memory`.

        `memory` is flat, float32.
        """
        elements = memory.view(np.uint16) if self._halves else memory
        images, channels, height, width = shape
        dense = elements[: int(np.prod(shape, dtype=np.int64))].reshape(images, height, width, channels)
        return dense.transpose(0, 3, 1, 2)


def formats(
    groups: Sequence[Sequence[Node]], heads: Sequence[Entry], shapes: Mapping[Entry, Shape], math: str
) -> Formats:
    """The entries that lie with channels last. Variables and heads never do. `math`: see ChannelsLast."""
    # A family is a set of entries that must all have the same format, since one kernel reads and writes them.
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
            refused.update(first.inputs[1:])  # even if a computed value serves as both data and parameter
        if first.op.op_name() == "Convolution":
            families += [{entry} for entry in able]  # it converts, so its input and output may differ
        else:
            families.append(able)
            refused |= able if able != wanted else set()  # all or none
    chosen = ChannelsLast(math)
    return dict.fromkeys(_untouched(families, refused), chosen)


def _untouched(families: Sequence[set[Entry]], refused: set[Entry]) -> set[Entry]:
    """The entries of families that are left when refusing one entry refuses all others of every family that has it."""
    while True:  # each round refuses at least one more entry, so this ends
        more = set[Entry]().union(*(family for family in families if family & refused)) - refused
        if not more:
            return set[Entry]().union(*families) - refused
        refused = refused | more


def adds_two(op: Any) -> bool:
    """Whether the operator `op` is the sum of two arrays of the same shape."""
    name = op.op_name()
    return name == "elemwise_add" or (name == "add_n" and int(op.num_args) == 2)


def _able(op: Any, inputs: Sequence[Entry], outputs: Sequence[Entry], shapes: Mapping[Entry, Shape]) -> Iterable[Entry]:
    """The inputs and outputs that the kernels for `op`, and for an activation behind it, also take with channels last.

    Parameters of layers are never among them.
    """
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
