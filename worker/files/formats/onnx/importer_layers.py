"""Importers of layers with weights, pooling and resizing.

ONNX, like MXNet, has data as (N, C, ...) and weights as (filters, C / groups, ...), so weights are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....array import Shape
from ....symbols.symbol import Symbol
from .reader import Step, imports

# The border for a maximum: no finite float32 is smaller, so it never wins.
_LOWEST = float(np.finfo(np.float32).min)


def _padding(step: Step, kernel: Shape, strides: Shape, dilations: Shape) -> tuple[Shape, Shape]:
    """The padding before and after each spatial axis, in pixels, from `pads` or `auto_pad`."""
    axes, automatic = len(kernel), step.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID", ""):
        pads = step.get("pads") or (0,) * (2 * axes)
        return tuple(pads[:axes]), tuple(pads[axes:])
    data = step.shape(0)
    if data is None or not all(data[2:]):
        raise step.refuse(f"auto_pad {automatic} needs a fixed image size")
    # SAME: the output has ceil(n / stride) pixels, so the windows reach from the first pixel to the last one's end.
    total = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(data[2:], kernel, strides, dilations, strict=True)
    ]
    small, large = tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)
    return (small, large) if automatic == "SAME_UPPER" else (large, small)


def _padded(step: Step, data: Symbol, before: Shape, after: Shape, value: float) -> Symbol:
    """`data` with an explicit border, for padding that differs between the sides: MXNet's layers pad both the same."""
    if len(before) not in (2, 3):
        raise step.refuse("unequal padding of one axis")
    widths = [n for pair in zip(before, after, strict=True) for n in pair]
    width = (0, 0, 0, 0, *widths)
    return step.apply("Pad", data, last=False, mode="constant", pad_width=width, constant_value=value)


@imports("Conv")
def _convolution(step: Step) -> Symbol:
    shape = step.shape(1)
    if shape is None or not all(shape):
        raise step.refuse("the shape of its weights is not known")
    kernel, axes = shape[2:], len(shape) - 2
    strides, dilations = step.get("strides") or (1,) * axes, step.get("dilations") or (1,) * axes
    before, after = _padding(step, kernel, strides, dilations)
    data = step.symbol(0)
    if before != after:
        data, before = _padded(step, data, before, after, 0.0), (0,) * axes
    return step.apply(
        "Convolution",
        data,
        *(step.symbol(i) for i in range(1, 3) if step.has(i)),
        kernel=kernel,
        stride=strides,
        dilate=dilations,
        pad=before,
        num_filter=shape[0],
        num_group=step.get("group", 1),
        no_bias=not step.has(2),
    )


@imports("ConvTranspose")
def _deconvolution(step: Step) -> Symbol:
    shape = step.shape(1)
    if shape is None or not all(shape) or step.get("output_shape") or step.get("auto_pad", "NOTSET") != "NOTSET":
        raise step.refuse("output_shape, auto_pad, or weights of unknown shape")
    axes, groups = len(shape) - 2, step.get("group", 1)
    pads = step.get("pads") or (0,) * (2 * axes)
    if pads[:axes] != pads[axes:]:
        raise step.refuse("unequal padding")
    return step.apply(
        "Deconvolution",
        *(step.symbol(i) for i in range(3) if step.has(i)),
        kernel=shape[2:],
        stride=step.get("strides") or (1,) * axes,
        dilate=step.get("dilations") or (1,) * axes,
        pad=pads[:axes],
        adj=step.get("output_padding") or (0,) * axes,
        num_filter=shape[1] * groups,
        num_group=groups,
        no_bias=not step.has(2),
    )


@imports("MaxPool", "AveragePool", "LpPool")
def _pooling(step: Step) -> Symbol:
    kernel: Shape = step.get("kernel_shape")
    axes = len(kernel)
    strides = step.get("strides") or (1,) * axes
    if any(n != 1 for n in step.get("dilations") or ()) or len(step.node.output) > 1 or step.get("storage_order", 0):
        raise step.refuse("dilations, or the places of the maxima")
    before, after = _padding(step, kernel, strides, (1,) * axes)
    kind = {"MaxPool": "max", "AveragePool": "avg", "LpPool": "lp"}[step.kind]
    inside = kind == "avg" and not step.get("count_include_pad", 0)  # a mean of what is inside the image only
    data, convention = step.symbol(0), "full" if step.get("ceil_mode", 0) else "valid"
    if kind == "lp" and step.get("p", 2) % 2:  # ONNX takes absolute values first, which only matters for odd powers
        data = step.apply("abs", data, last=False)
    # Some exporters write rounding up as more padding at the end. Neither a maximum nor a mean of what is inside counts
    # that, so the convention "full" means the same.
    if before != after and (inside or kind == "max") and _rounds_up(step, kernel, strides, before, after):
        after, convention = before, "full"
    if before != after:
        if inside:
            raise step.refuse("unequal padding that is left out of the mean")
        data, before = _padded(step, data, before, after, _LOWEST if kind == "max" else 0.0), (0,) * axes
    more = {"p_value": step.get("p", 2)} if kind == "lp" else {"count_include_pad": not inside} if kind == "avg" else {}
    return step.apply(
        "Pooling",
        data,
        kernel=kernel,
        stride=strides,
        pad=before,
        pool_type=kind,
        pooling_convention=convention,
        **more,
    )


def _rounds_up(step: Step, kernel: Shape, strides: Shape, before: Shape, after: Shape) -> bool:
    """Whether the padding at the end exceeds `before` by exactly what rounding up would read."""
    data = step.shape(0)
    if data is None or not all(data[2:]):
        return False
    rules = zip(data[2:], kernel, strides, before, after, strict=True)
    # The windows move by n + 2p - k in all; what that lacks to a multiple of s is -((n + 2p - k) % -s).
    return all(q - p == (p - k + n + p) % -s * -1 for n, k, s, p, q in rules)


@imports("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pooling(step: Step) -> Symbol:
    kind = {"GlobalAveragePool": "avg", "GlobalMaxPool": "max", "GlobalLpPool": "lp"}[step.kind]
    more = {"p_value": step.get("p", 2)} if kind == "lp" else {}
    kernel, data = (1,) * (step.rank(0) - 2), step.symbol(0)
    if kind == "lp" and step.get("p", 2) % 2:
        data = step.apply("abs", data, last=False)
    return step.apply("Pooling", data, global_pool=True, kernel=kernel, pool_type=kind, **more)


@imports("Gemm")
def _gemm(step: Step) -> Symbol:
    scale, shift = step.get("alpha", 1.0), step.get("beta", 1.0)
    data = step.symbol(0)
    if step.get("transA", 0):
        data = step.apply("transpose", data, last=False, axes=(1, 0))
    if not step.is_constant(1) or (step.has(2) and not step.is_constant(2)):
        return _gemm_of_values(step, data)
    # FullyConnected has its weight as (outputs, inputs). alpha and beta are multiplied into weight and bias now.
    weight = step.constant(1).T if not step.get("transB", 0) else step.constant(1)
    inputs = [data, step.parameter(1, weight * np.float32(scale))]
    if step.has(2):
        bias = np.broadcast_to(step.constant(2) * np.float32(shift), (1, len(weight))).reshape(-1)
        inputs.append(step.parameter(2, bias))
    return step.apply("FullyConnected", *inputs, num_hidden=len(weight), no_bias=not step.has(2), flatten=False)


def _gemm_of_values(step: Step, data: Symbol) -> Symbol:
    """alpha A B + beta C for a weight or bias that is not a constant."""
    scale, shift = step.get("alpha", 1.0), step.get("beta", 1.0)
    made = step.apply("dot", data, step.symbol(1), last=False, transpose_b=bool(step.get("transB", 0)))
    made = step.apply("_mul_scalar", made, last=not step.has(2), scalar=scale)
    if not step.has(2):
        return made
    return step.apply("broadcast_add", made, step.apply("_mul_scalar", step.symbol(2), last=False, scalar=shift))


@imports("Upsample", "Resize")
def _resize(step: Step) -> Symbol:
    scales = _scales(step)
    mode, height, width = step.get("mode", "nearest"), *scales[2:]
    # For a whole factor, nearest pixels in both of these modes are the repeated pixels of UpSampling.
    exact = step.get("coordinate_transformation_mode", "half_pixel") in ("asymmetric", "half_pixel")
    if mode != "nearest" or not exact or scales[:2] != (1, 1) or height != width or height != int(height):
        raise step.refuse("anything but nearest pixels and one whole factor")
    return step.apply("UpSampling", step.symbol(0), scale=int(height), sample_type="nearest", num_args=1)


def _scales(step: Step) -> Sequence[float]:
    """The factor by which each of the four axes (N, C, H, W) grows."""
    last = 1 if step.kind == "Upsample" else 2
    if step.rank(0) != 4 or step.has(3) or not (step.is_constant(last) or step.get("scales")):
        raise step.refuse("other than by constant factors on four axes")
    values = step.constant(last) if step.has(last) else np.array(step.get("scales"))
    if values.shape != (4,):
        raise step.refuse("other than by constant factors on four axes")
    return tuple(float(value) for value in values)
