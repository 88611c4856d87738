"""Which kernel computes a convolution, alone or with what execution/fusion.py has joined to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array import Shape
from ..ops.kernel import Kernel


def is_ungrouped(op: Any) -> bool:
    """Whether the convolution `op` is two-dimensional, in the usual layout, and without groups."""
    return is_two_dimensional(op) and op.num_group == 1


def is_two_dimensional(op: Any) -> bool:
    """Whether the convolution `op` is two-dimensional, in the usual layout, with groups or without."""
    return len(op.kernel) == 2 and op.layout in (None, "NCHW")


def choose_convolution(
    chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape], rows: int | None = None
) -> Kernel | None:
    """The kernel that would be chosen for so many `rows` of the batch, by default for all; None if there is none.

    The shapes are those of the chain's inputs and outputs.
    """
    op, data = chain[0], in_shapes[0]
    rows = data[0] if rows is None else rows
    if len(op.kernel) != 2:
        return None
    if op.num_group == op.num_filter == data[1] > 1:
        return _depthwise(chain, data, out_shapes[0])
    if len(chain) > 1 and chain[1].op_name() == "clip":
        from .clipping import ClippedKernel

        inner: Any = choose_convolution(chain[:1], in_shapes, out_shapes, rows)
        return ClippedKernel(inner, (chain[1].a_min, chain[1].a_max))
    # Fusion allows the activation on either side of the pooling, as a monotone one commutes with a maximum.
    pooling = next((member for member in chain[1:] if member.op_name() == "Pooling"), None)
    act_type = next((member.act_type for member in chain[1:] if member is not pooling), None)
    if pooling is not None:
        return _pooled_convolution(op, pooling, act_type, data, rows)
    from .winograd import WinogradKernel, pays

    if pays(op, data, (rows, *out_shapes[0][1:])):
        return WinogradKernel(op, data, out_shapes[0], act_type)
    from .convolution_direct import DirectKernel
    from .convolution_pointwise import PointwiseKernel, handles

    return PointwiseKernel(op, act_type) if handles(op, data) else DirectKernel(op, data, out_shapes[0], act_type)


def _depthwise(chain: Sequence[Any], data: Shape, out: Shape) -> Kernel:
    from .depthwise import DepthwiseKernel

    if len(chain) > 1 and chain[1].op_name() == "clip":
        return DepthwiseKernel(chain[0], data, out, bounds=(chain[1].a_min, chain[1].a_max))
    return DepthwiseKernel(chain[0], data, out, chain[1].act_type if len(chain) > 1 else None)


def _pooled_convolution(op: Any, pooling: Any, act_type: str | None, data: Shape, rows: int) -> Kernel:
    from .winograd import WinogradKernel, pays

    plane = op.infer_shape([data, *[None] * (len(op.arguments()) - 1)], [None])[1][0]
    if tuple(pooling.kernel) == (2, 2) and pays(op, data, (rows, *plane[1:])):
        return WinogradKernel(op, data, plane, act_type, pooled=True)
    # Pooling in the same pass only pays while a product is still in the cache when it is pooled.
    from .convolution_direct import DirectKernel, fits
    from .convolution_pooled import PooledConvolutionKernel

    if fits(op, data, plane):
        return DirectKernel(op, data, plane, act_type, tuple(pooling.kernel))
    return PooledConvolutionKernel(op, pooling, data, act_type)
