"""How many floating-point operations a node's forward takes: multiplications and additions of its matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .array import Shape
from .ops.operator import Operator


def operations(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> float:
    """2 for each multiplication and addition of a convolution or matrix product; 0 for operators without one.

    Backward takes as many for each gradient that it computes.
    """
    count: Any = {
        "FullyConnected": _fully_connected,
        "Convolution": _convolution,
        "Deconvolution": _deconvolution,
        "dot": _product,
        "batch_dot": _product,
    }.get(op.op_name())
    return 2.0 * count(op, in_shapes, out_shapes) if count else 0.0


def _fully_connected(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    return math.prod(out_shapes[0]) * in_shapes[1][1]


def _convolution(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    return math.prod(out_shapes[0]) * math.prod(in_shapes[1][1:])


def _deconvolution(op: Operator, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    return math.prod(in_shapes[0]) * math.prod(in_shapes[1][1:])


def _product(op: Any, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> int:
    left = in_shapes[0]
    if op.op_name() == "dot":
        inner = left[0] if op.transpose_a else left[-1]
    else:
        inner = left[-2] if op.transpose_a else left[-1]
    return math.prod(out_shapes[0]) * inner
