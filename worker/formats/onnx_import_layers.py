"""Importers of layers with weights, pooling, normalisations and activations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..array import Shape
from ..symbol import Symbol
from .onnx_reader import Step, imports

_LOWEST = float(np.finfo(np.float32).min)


def _padding(step: Step, kernel: Shape, strides: Shape, dilations: Shape) -> tuple[Shape, Shape]:
    """Padding before and after each spatial axis, from `pads` or `auto_pad`."""
    axes, automatic = len(kernel), step.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID", ""):
        pads = step.get("pads") or (0,) * (2 * axes)
        return tuple(pads[:axes]), tuple(pads[axes:])
    data = step.shape(0)
    if data is None or not all(data[2:]):
        raise step.refuse(f"auto_pad {automatic} needs a fixed image size")
    total = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(data[2:], kernel, strides, dilations, strict=True)
    ]
    small, large = tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)
    return (small, large) if automatic == "SAME_UPPER" else (large, small)


def _padded(step: Step, data: Symbol, before: Shape, after: Shape, value: float) -> Symbol:
    """Data with a border of its own, where it is not the same on both sides."""
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
    inside = kind == "avg" and not step.get("count_include_pad", 0)
    data, convention = step.symbol(0), "full" if step.get("ceil_mode", 0) else "valid"
    if before != after and kind == "max" and convention == "valid" and _rounds_up(step, kernel, strides, before, after):
        after, convention = before, "full"
    if before != after:
        if inside:
            raise step.refuse("unequal padding that does not count")
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
    """Whether what is padded at the end beyond `before` is just what rounding up would read."""
    data = step.shape(0)
    if data is None or not all(data[2:]):
        return False
    rules = zip(data[2:], kernel, strides, before, after, strict=True)
    return all(q - p == (p - k + n + p) % -s * -1 for n, k, s, p, q in rules)


@imports("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pooling(step: Step) -> Symbol:
    kind = {"GlobalAveragePool": "avg", "GlobalMaxPool": "max", "GlobalLpPool": "lp"}[step.kind]
    more = {"p_value": step.get("p", 2)} if kind == "lp" else {}
    kernel = (1,) * (step.rank(0) - 2)
    return step.apply("Pooling", step.symbol(0), global_pool=True, kernel=kernel, pool_type=kind, **more)


@imports("Gemm")
def _gemm(step: Step) -> Symbol:
    scale, shift = step.get("alpha", 1.0), step.get("beta", 1.0)
    data = step.symbol(0)
    if step.get("transA", 0):
        data = step.apply("transpose", data, last=False, axes=(1, 0))
    if not step.is_constant(1) or (step.has(2) and not step.is_constant(2)):
        raise step.refuse("its weights are not constants")
    weight = step.constant(1).T if not step.get("transB", 0) else step.constant(1)
    inputs = [data, step.parameter(1, weight * np.float32(scale))]
    if step.has(2):
        bias = np.broadcast_to(step.constant(2) * np.float32(shift), (1, len(weight))).reshape(-1)
        inputs.append(step.parameter(2, bias))
    return step.apply("FullyConnected", *inputs, num_hidden=len(weight), no_bias=not step.has(2), flatten=False)


@imports("BatchNormalization")
def _batch_norm(step: Step) -> Symbol:
    if step.get("training_mode", 0) or len([name for name in step.node.output if name]) > 1:
        raise step.refuse("its training mode")
    states = [step.parameter(i, state=True) for i in (3, 4)]
    return step.apply(
        "BatchNorm",
        data=step.symbol(0),
        gamma=step.parameter(1),
        beta=step.parameter(2),
        moving_mean=states[0],
        moving_var=states[1],
        eps=step.get("epsilon", 1e-5),
        momentum=step.get("momentum", 0.9),
        fix_gamma=False,
    )


@imports("InstanceNormalization")
def _instance_norm(step: Step) -> Symbol:
    return step.apply("InstanceNorm", *(step.symbol(i) for i in range(3)), eps=step.get("epsilon", 1e-5))


@imports("LRN")
def _local_response(step: Step) -> Symbol:
    given = {"alpha": step.get("alpha", 1e-4), "beta": step.get("beta", 0.75), "knorm": step.get("bias", 1.0)}
    return step.apply("LRN", step.symbol(0), nsize=step.get("size"), **given)


@imports("Dropout", "Identity")
def _unchanged(step: Step) -> Symbol:
    if step.is_constant(0):
        return step.symbol(0)
    return step.apply("Dropout" if step.kind == "Dropout" else "identity", step.symbol(0))


@imports("LeakyRelu", "Elu", "Selu", "PRelu", "Gelu")
def _leaky(step: Step) -> Symbol:
    kind = {"LeakyRelu": "leaky", "Elu": "elu", "Selu": "selu", "PRelu": "prelu", "Gelu": "gelu"}[step.kind]
    if kind == "prelu":
        slope = step.constant(1)
        if slope.size not in slope.shape and slope.size != 1:
            raise step.refuse("slopes along several axes")
        return step.apply("LeakyReLU", step.symbol(0), step.parameter(1, slope.reshape(-1)), act_type=kind)
    if kind == "gelu" and step.get("approximate", "none") != "none":
        raise step.refuse("an approximation of gelu")
    default = {"leaky": 0.01, "elu": 1.0}.get(kind)
    slope_of = {} if default is None else {"slope": step.get("alpha", default)}
    return step.apply("LeakyReLU", step.symbol(0), act_type=kind, **slope_of)


@imports("Softmax", "LogSoftmax")
def _softmax(step: Step) -> Symbol:
    operator = "softmax" if step.kind == "Softmax" else "log_softmax"
    if step.graph.opset >= 13:
        return step.apply(operator, step.symbol(0), axis=step.get("axis", -1))
    axis = step.get("axis", 1) % step.rank(0)  # older: everything from the axis on is one row
    if axis == step.rank(0) - 1:
        return step.apply(operator, step.symbol(0), axis=-1)
    raise step.refuse("over several axes")


@imports("Upsample", "Resize")
def _resize(step: Step) -> Symbol:
    scales = _scales(step)
    mode, height, width = step.get("mode", "nearest"), *scales[2:]
    exact = step.get("coordinate_transformation_mode", "half_pixel") in ("asymmetric", "half_pixel")
    if mode != "nearest" or not exact or scales[:2] != (1, 1) or height != width or height != int(height):
        raise step.refuse("anything but nearest pixels and one whole factor")
    return step.apply("UpSampling", step.symbol(0), scale=int(height), sample_type="nearest", num_args=1)


def _scales(step: Step) -> Sequence[float]:
    """How much larger each of four axes becomes."""
    last = 1 if step.kind == "Upsample" else 2
    if step.rank(0) != 4 or step.has(3) or not (step.is_constant(last) or step.get("scales")):
        raise step.refuse("other than by constant factors on four axes")
    values = step.constant(last) if step.has(last) else np.array(step.get("scales"))
    if values.shape != (4,):
        raise step.refuse("other than by constant factors on four axes")
    return tuple(float(value) for value in values)
