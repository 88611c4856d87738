"""How many floating-point operations forward takes: multiplications and additions of matrix products above all.

For profiles, and to decide whether a network is worth several threads; an estimate is enough for both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..array import Shape
from ..ops.operator import Operator
from .node import Entry, Node

# Operations of a product that take about as long as reading, changing and writing one number.
PER_ELEMENT = 10.0


def graph_work(nodes: Iterable[Node], shapes: Mapping[Entry, Shape]) -> float:
    """Operations of a whole graph's forward, given the shapes of all entries. Every number that a node puts out counts
    as PER_ELEMENT more.
    """
    total = 0.0
    for node in nodes:
        if node.op is not None:
            outputs = [shapes[node, index] for index in range(len(node.op.outputs()))]
            total += operations(node.op, [shapes[entry] for entry in node.inputs], outputs)
            total += PER_ELEMENT * sum(math.prod(shape) for shape in outputs)
    return total


def operations(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> float:
    """2 for each multiply-add of a convolution or matrix product with these shapes; 0 for operators without any.

    Backward takes as many for each of the gradients of data and weight.
    """
    count: Any = {
        "FullyConnected": _fully_connected,
        "Convolution": _convolution,
        "Deconvolution": _deconvolution,
        "dot": _product,
        "batch_dot": _product,
        "RNN": _rnn,
    }.get(op.op_name())
    return 2.0 * count(op, in_shapes, out_shapes) if count else 0.0


def _fully_connected(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    return math.prod(out_shapes[0]) * in_shapes[1][1]  # weight (outputs, inputs)


def _convolution(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    return math.prod(out_shapes[0]) * math.prod(in_shapes[1][1:])  # weight (F, C / groups, kernel ...)


def _deconvolution(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    return math.prod(in_shapes[0]) * math.prod(in_shapes[1][1:])  # each input number goes to a whole kernel of outputs


def _product(op: Any, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    left = in_shapes[0]
    if op.op_name() == "dot":
        inner = left[0] if op.transpose_a else left[-1]
    else:
        inner = left[-2] if op.transpose_a else left[-1]
    return math.prod(out_shapes[0]) * inner


def _rnn(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    # data (T, N, I), all parameters in one vector: each of them is used once per step and row, but for the biases,
    # which are few.
    return math.prod(in_shapes[0][:2]) * in_shapes[1][0]
