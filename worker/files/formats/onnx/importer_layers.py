"""Importers of layers with weights and of pooling.

ONNX, like MXNet, has data as (N, C, ...) and weights as (filters, C / groups, ...), so weights are taken as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....array import Shape
from ....symbols.symbol import Symbol
from .reader import OnnxNode, imports

# The border for a maximum: no finite float32 is smaller, so it never wins.
_LOWEST = float(np.finfo(np.float32).min)


def _padding(node: OnnxNode, kernel: Shape, strides: Shape, dilations: Shape) -> tuple[Shape, Shape]:
    """The padding before and after each spatial axis, in pixels, from `pads` or `auto_pad`."""
    axes, automatic = len(kernel), node.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID", ""):
        pads = node.get("pads") or (0,) * (2 * axes)
        return tuple(pads[:axes]), tuple(pads[axes:])
    data = node.shape(0)
    if data is None or not all(data[2:]):
        raise node.refuse(f"auto_pad {automatic} needs a fixed image size")
    # SAME: the output has ceil(n / stride) pixels, so the windows reach from the first pixel to the last one's end.
    total = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(data[2:], kernel, strides, dilations, strict=True)
    ]
    small, large = tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)
    return (small, large) if automatic == "SAME_UPPER" else (large, small)


def _padded(node: OnnxNode, data: Symbol, before: Shape, after: Shape, value: float) -> Symbol:
    """`data` with an explicit border, for padding that differs between the sides: MXNet's layers pad both the same."""
    widths = [n for pair in zip(before, after, strict=True) for n in pair]
    if len(before) == 1:  # Pad wants two axes or more: one of a single pixel stands beside it meanwhile
        data, widths = node.apply("expand_dims", data, last=False, axis=2), [0, 0, *widths]
    made = node.apply("Pad", data, last=False, mode="constant", pad_width=(0, 0, 0, 0, *widths), constant_value=value)
    return node.apply("squeeze", made, last=False, axis=(2,)) if len(before) == 1 else made


@imports("Conv")
def _convolution(node: OnnxNode) -> Symbol:
    shape = node.shape(1)
    if shape is None or not all(shape):
        raise node.refuse("the shape of its weights is not known")
    kernel, axes = shape[2:], len(shape) - 2
    strides, dilations = node.get("strides") or (1,) * axes, node.get("dilations") or (1,) * axes
    before, after = _padding(node, kernel, strides, dilations)
    data = node.symbol(0)
    if before != after:
        data, before = _padded(node, data, before, after, 0.0), (0,) * axes
    return node.apply(
        "Convolution",
        data,
        *(node.symbol(i) for i in range(1, 3) if node.has(i)),
        kernel=kernel,
        stride=strides,
        dilate=dilations,
        pad=before,
        num_filter=shape[0],
        num_group=node.get("group", 1),
        no_bias=not node.has(2),
    )


@imports("ConvTranspose")
def _deconvolution(node: OnnxNode) -> Symbol:
    shape = node.shape(1)
    if shape is None or not all(shape) or node.get("output_shape") or node.get("auto_pad", "NOTSET") != "NOTSET":
        raise node.refuse("output_shape, auto_pad, or weights of unknown shape")
    axes, groups = len(shape) - 2, node.get("group", 1)
    pads = node.get("pads") or (0,) * (2 * axes)
    if pads[:axes] != pads[axes:]:
        raise node.refuse("unequal padding")
    return node.apply(
        "Deconvolution",
        *(node.symbol(i) for i in range(3) if node.has(i)),
        kernel=shape[2:],
        stride=node.get("strides") or (1,) * axes,
        dilate=node.get("dilations") or (1,) * axes,
        pad=pads[:axes],
        adj=node.get("output_padding") or (0,) * axes,
        num_filter=shape[1] * groups,
        num_group=groups,
        no_bias=not node.has(2),
    )


@imports("MaxPool", "AveragePool", "LpPool")
def _pooling(node: OnnxNode) -> Symbol:
    kernel: Shape = node.get("kernel_shape")
    axes = len(kernel)
    strides = node.get("strides") or (1,) * axes
    if any(n != 1 for n in node.get("dilations") or ()) or len(node.proto.output) > 1 or node.get("storage_order", 0):
        raise node.refuse("dilations, or the places of the maxima")
    before, after = _padding(node, kernel, strides, (1,) * axes)
    kind = {"MaxPool": "max", "AveragePool": "avg", "LpPool": "lp"}[node.kind]
    inside = kind == "avg" and not node.get("count_include_pad", 0)  # a mean of what is inside the image only
    data, rounding = node.symbol(0), _rounding(node, kernel, strides, before, after)
    if kind == "lp" and node.get("p", 2) % 2:  # ONNX takes absolute values first, which only matters for odd powers
        data = node.apply("abs", data, last=False)
    # Some exporters write rounding up as more padding at the end. Neither a maximum nor a mean of what is inside counts
    # that, so the convention "full" means the same.
    if before != after and (inside or kind == "max") and _rounds_up(node, kernel, strides, before, after):
        after, rounding = before, "full"
    window: dict[str, Any] = {"kernel": kernel, "stride": strides, "pooling_convention": rounding}
    if before != after:
        if inside:
            return _mean_inside(node, data, before, after, window)
        data, before = _padded(node, data, before, after, _LOWEST if kind == "max" else 0.0), (0,) * axes
    more = {"p_value": node.get("p", 2)} if kind == "lp" else {"count_include_pad": not inside} if kind == "avg" else {}
    return node.apply("Pooling", data, pad=before, pool_type=kind, **window, **more)


def _rounding(node: OnnxNode, kernel: Shape, strides: Shape, before: Shape, after: Shape) -> str:
    """The convention by which MXNet makes as many windows as ONNX.

    With `ceil_mode` ONNX rounds up, except where the last window would begin in the padding behind the image.
    """
    data = node.shape(0)
    if not node.get("ceil_mode", 0):
        return "valid"
    if data is None or not all(data[2:]):
        return "full"
    rules = zip(data[2:], kernel, strides, before, after, strict=True)
    # The windows move by p + n + q - k in all. Where that is a multiple of s, there is nothing to be rounded.
    fits = {-(-(p + n + q - k) // s) * s < p + n for n, k, s, p, q in rules if (p + n + q - k) % s}
    if len(fits) > 1:
        raise node.refuse("ceil_mode, which rounds up on one axis and down on another")
    return "full" if True in fits else "valid"


def _mean_inside(node: OnnxNode, data: Symbol, before: Shape, after: Shape, window: dict[str, Any]) -> Symbol:
    """The mean of what is inside the image, for unequal padding: the sums, divided by those of an image of ones."""
    ones = node.apply("ones_like", data, last=False)
    sums = [
        node.apply("Pooling", _padded(node, image, before, after, 0.0), last=False, pool_type="sum", **window)
        for image in (data, ones)
    ]
    return node.apply("elemwise_div", *sums)


def _rounds_up(node: OnnxNode, kernel: Shape, strides: Shape, before: Shape, after: Shape) -> bool:
    """Whether the padding at the end exceeds `before` by exactly what rounding up would read."""
    data = node.shape(0)
    if data is None or not all(data[2:]):
        return False
    rules = zip(data[2:], kernel, strides, before, after, strict=True)
    # The windows move by n + 2p - k in all; what that lacks to a multiple of s is -((n + 2p - k) % -s).
    return all(q - p == (p - k + n + p) % -s * -1 for n, k, s, p, q in rules)


@imports("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pooling(node: OnnxNode) -> Symbol:
    kind = {"GlobalAveragePool": "avg", "GlobalMaxPool": "max", "GlobalLpPool": "lp"}[node.kind]
    more = {"p_value": node.get("p", 2)} if kind == "lp" else {}
    kernel, data = (1,) * (node.rank(0) - 2), node.symbol(0)
    if kind == "lp" and node.get("p", 2) % 2:
        data = node.apply("abs", data, last=False)
    return node.apply("Pooling", data, global_pool=True, kernel=kernel, pool_type=kind, **more)


@imports("Gemm")
def _gemm(node: OnnxNode) -> Symbol:
    scale, shift = node.get("alpha", 1.0), node.get("beta", 1.0)
    data = node.symbol(0)
    if node.get("transA", 0):
        data = node.apply("transpose", data, last=False, axes=(1, 0))
    if not _is_layer(node):
        return _gemm_of_values(node, data)
    # FullyConnected has its weight as (outputs, inputs). alpha and beta are multiplied into weight and bias now.
    weight = node.constant(1).T if not node.get("transB", 0) else node.constant(1)
    inputs = [data, node.parameter(1, weight * np.float32(scale))]
    if node.has(2):
        bias = np.broadcast_to(node.constant(2) * np.float32(shift), (1, len(weight))).reshape(-1)
        inputs.append(node.parameter(2, bias))
    return node.apply("FullyConnected", *inputs, num_hidden=len(weight), no_bias=not node.has(2), flatten=False)


def _is_layer(node: OnnxNode) -> bool:
    """Whether B is a constant and C, if given, a constant that is the same for every row."""
    rows = (node.shape(2) or ())[:-1]
    return node.is_constant(1) and (not node.has(2) or (node.is_constant(2) and rows in ((), (1,))))


def _gemm_of_values(node: OnnxNode, data: Symbol) -> Symbol:
    """alpha A B + beta C for any B and C."""
    scale, shift = node.get("alpha", 1.0), node.get("beta", 1.0)
    made = node.apply("dot", data, node.symbol(1), last=False, transpose_b=bool(node.get("transB", 0)))
    made = node.apply("_mul_scalar", made, last=not node.has(2), scalar=scale)
    if not node.has(2):
        return made
    return node.apply("broadcast_add", made, node.apply("_mul_scalar", node.symbol(2), last=False, scalar=shift))
