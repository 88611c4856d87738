"""Importers of layers with weights, pooling and resizing.

ONNX, like MXNet, has data as (N, C, ...) and weights as (filters, C / groups, ...), so weights are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    if len(before) not in (2, 3):
        raise node.refuse("unequal padding of one axis")
    widths = [n for pair in zip(before, after, strict=True) for n in pair]
    width = (0, 0, 0, 0, *widths)
    return node.apply("Pad", data, last=False, mode="constant", pad_width=width, constant_value=value)


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
    data, convention = node.symbol(0), "full" if node.get("ceil_mode", 0) else "valid"
    if kind == "lp" and node.get("p", 2) % 2:  # ONNX takes absolute values first, which only matters for odd powers
        data = node.apply("abs", data, last=False)
    # Some exporters write rounding up as more padding at the end. Neither a maximum nor a mean of what is inside counts
    # that, so the convention "full" means the same.
    if before != after and (inside or kind == "max") and _rounds_up(node, kernel, strides, before, after):
        after, convention = before, "full"
    if before != after:
        if inside:
            raise node.refuse("unequal padding that is left out of the mean")
        data, before = _padded(node, data, before, after, _LOWEST if kind == "max" else 0.0), (0,) * axes
    more = {"p_value": node.get("p", 2)} if kind == "lp" else {"count_include_pad": not inside} if kind == "avg" else {}
    return node.apply(
        "Pooling",
        data,
        kernel=kernel,
        stride=strides,
        pad=before,
        pool_type=kind,
        pooling_convention=convention,
        **more,
    )


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
    if not node.is_constant(1) or (node.has(2) and not node.is_constant(2)):
        return _gemm_of_values(node, data)
    # FullyConnected has its weight as (outputs, inputs). alpha and beta are multiplied into weight and bias now.
    weight = node.constant(1).T if not node.get("transB", 0) else node.constant(1)
    inputs = [data, node.parameter(1, weight * np.float32(scale))]
    if node.has(2):
        bias = np.broadcast_to(node.constant(2) * np.float32(shift), (1, len(weight))).reshape(-1)
        inputs.append(node.parameter(2, bias))
    return node.apply("FullyConnected", *inputs, num_hidden=len(weight), no_bias=not node.has(2), flatten=False)


def _gemm_of_values(node: OnnxNode, data: Symbol) -> Symbol:
    """alpha A B + beta C for a weight or bias that is not a constant."""
    scale, shift = node.get("alpha", 1.0), node.get("beta", 1.0)
    made = node.apply("dot", data, node.symbol(1), last=False, transpose_b=bool(node.get("transB", 0)))
    made = node.apply("_mul_scalar", made, last=not node.has(2), scalar=scale)
    if not node.has(2):
        return made
    return node.apply("broadcast_add", made, node.apply("_mul_scalar", node.symbol(2), last=False, scalar=shift))


@imports("Upsample", "Resize")
def _resize(node: OnnxNode) -> Symbol:
    scales = _scales(node)
    mode, height, width = node.get("mode", "nearest"), *scales[2:]
    # For a whole factor, nearest pixels in both of these modes are the repeated pixels of UpSampling.
    exact = node.get("coordinate_transformation_mode", "half_pixel") in ("asymmetric", "half_pixel")
    if mode != "nearest" or not exact or scales[:2] != (1, 1) or height != width or height != int(height):
        raise node.refuse("anything but nearest pixels and one whole factor")
    return node.apply("UpSampling", node.symbol(0), scale=int(height), sample_type="nearest", num_args=1)


def _scales(node: OnnxNode) -> Sequence[float]:
    """The factor by which each of the four axes (N, C, H, W) grows."""
    last = 1 if node.kind == "Upsample" else 2
    if node.rank(0) != 4 or node.has(3) or not (node.is_constant(last) or node.get("scales")):
        raise node.refuse("other than by constant factors on four axes")
    values = node.constant(last) if node.has(last) else np.array(node.get("scales"))
    if values.shape != (4,):
        raise node.refuse("other than by constant factors on four axes")
    return tuple(float(value) for value in values)
