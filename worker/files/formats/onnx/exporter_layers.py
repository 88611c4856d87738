"""Exporters of layers with weights, pooling, losses, and what only training needs.

ONNX, like MXNet, has data as (N, C, ...) and weights as (filters, C / groups, ...), so weights are stored as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ....array import Array, Shape
from ....ops.operator import Step
from ....ops.pooling import Pooling
from .writer import Call, Writer, exports


@exports("Convolution")
def _convolution(to: Writer, call: Call) -> str:
    op, windows = call.op, call.op.windows()
    return str(
        to.emit(
            "Conv",
            call.inputs,
            kernel_shape=windows.kernel,
            strides=windows.stride,
            pads=windows.pad * 2,  # ONNX pads the beginning and the end of each axis separately
            dilations=windows.dilate,
            group=op.num_group,
        )
    )


@exports("Deconvolution")
def _deconvolution(to: Writer, call: Call) -> str:
    op, axes = call.op, len(call.op.kernel)
    pad, adj = op.border(call.shapes[0][2:])
    return str(
        to.emit(
            "ConvTranspose",
            call.inputs,
            kernel_shape=op.kernel,
            strides=op.stride or (1,) * axes,
            pads=tuple(pad) * 2,
            dilations=op.dilate or (1,) * axes,
            output_padding=tuple(adj),
            group=op.num_group,
        )
    )


@exports("FullyConnected")
def _fully_connected(to: Writer, call: Call) -> str:
    data, weight, *bias = call.inputs
    # Gemm is X W^T + b in one node, but for matrices only; without `flatten` all axes but the last are kept.
    if call.op.flatten or len(call.shapes[0]) == 2:
        flat = data if len(call.shapes[0]) == 2 else str(to.emit("Flatten", [data], axis=1))
        return str(to.emit("Gemm", [flat, weight, *bias], transB=1))
    product = str(to.emit("MatMul", [data, str(to.emit("Transpose", [weight], perm=[1, 0]))]))
    return str(to.emit("Add", [product, *bias])) if bias else product


@exports("Embedding")
def _embedding(to: Writer, call: Call) -> str:
    data, weight = call.inputs
    return str(to.emit("Gather", [weight, to.cast(data, np.int64)], axis=0))


@exports("Pooling")
def _pooling(to: Writer, call: Call) -> str:
    op = call.op
    if op.pool_type == "lp" and op.p_value != 2:  # ONNX takes absolute values first, MXNet does not
        raise call.unsupported(f"p_value {op.p_value}")
    if op.layout and op.layout.endswith("C"):
        return _channels_last(to, call)
    if op.global_pool:
        return _global_pooling(to, call)
    windows, data, count = op.windows(call.shapes[0]), call.shapes[0][2:], call.outputs[0][2:]
    # Conventions that round the output's size up let the last windows reach beyond the padding. ONNX, rounding down,
    # gives the same output if that many more rows and columns are padded at the end.
    reach = zip(windows.reach(count), data, windows.pad, strict=True)
    extra = tuple(max(r - n - 2 * p, 0) for r, n, p in reach)
    pads = (*windows.pad, *(p + more for p, more in zip(windows.pad, extra, strict=True)))
    shape = {"kernel_shape": windows.kernel, "strides": windows.stride, "pads": pads}
    if op.pool_type == "max":
        return str(to.emit("MaxPool", call.inputs, **shape))
    if op.pool_type == "lp":
        return str(to.emit("LpPool", call.inputs, p=2, **shape))
    if op.pool_type == "avg" and not any(extra):
        return str(
            to.emit("AveragePool", call.inputs, count_include_pad=int(op.count_include_pad is not False), **shape)
        )
    # A mean over the whole window times the window's size is the sum, which `_shares` then divides as MXNet does: what
    # reaches beyond the padding does not count there.
    mean = str(to.emit("AveragePool", call.inputs, count_include_pad=1, **shape))
    size = float(np.prod(windows.kernel))
    if op.pool_type == "sum":
        return to.scalar("Mul", mean, size)
    return str(to.emit("Mul", [mean, to.constant(size * _shares(op, data, count))]))


def _channels_last(to: Writer, call: Call) -> str:
    """Pooling of data (N, ..., C), which ONNX lacks: transposed to (N, C, ...), pooled, and transposed back."""
    axes = len(call.shapes[0])
    first, last = [0, axes - 1, *range(1, axes - 1)], [0, *range(2, axes), 1]
    plain = type(call.op)(**{key: value for key, value in call.op.attrs().items() if key != "layout"})
    shapes, outputs = ([tuple(shape[i] for i in first) for shape in part] for part in (call.shapes, call.outputs))
    data = str(to.emit("Transpose", call.inputs, perm=first))
    made = str(_pooling(to, replace(call, op=plain, inputs=[data], shapes=shapes, outputs=outputs)))
    return str(to.emit("Transpose", [made], perm=last))


def _global_pooling(to: Writer, call: Call) -> str:
    """Pooling over all of an image; a sum is the mean times the number of pixels."""
    kind, size = call.op.pool_type, float(np.prod(call.shapes[0][2:]))
    if kind == "max":
        return str(to.emit("GlobalMaxPool", call.inputs))
    if kind == "lp":
        return str(to.emit("GlobalLpPool", call.inputs, p=2))
    mean = str(to.emit("GlobalAveragePool", call.inputs))
    return mean if kind == "avg" else to.scalar("Mul", mean, size)


def _shares(op: Pooling, data: Shape, count: Shape) -> Array:
    """One over the number by which each window's mean divides: (1, 1, *count).

    It is the mean of ones over their sum, both as the operator itself computes them for data (1, 1, *data).
    """
    ones, found = np.ones((1, 1, *data)), []
    for kind in ("avg", "sum"):
        found.append(np.empty((1, 1, *count)))
        type(op)(**{**op.attrs(), "pool_type": kind}).forward(Step(), [ones], found[-1:])
    return found[0] / found[1]


@exports("Flatten")
def _flatten(to: Writer, call: Call) -> str:
    return str(to.emit("Flatten", call.inputs, axis=1))


@exports(
    "Dropout", "BlockGrad", "_copy", "MakeLoss", "make_loss", "amp_cast", "_CrossDeviceCopy",
    "LinearRegressionOutput", "MAERegressionOutput", "SVMOutput",
)  # fmt: skip
def _identity(to: Writer, call: Call) -> str:
    return str(to.emit("Identity", call.inputs[:1]))


@exports("LogisticRegressionOutput")
def _logistic(to: Writer, call: Call) -> str:
    return str(to.emit("Sigmoid", call.inputs[:1]))


@exports("SoftmaxOutput")
def _softmax_output(to: Writer, call: Call) -> str:
    # The first input only: the label does not change what the layer predicts. The same holds for the losses above.
    op = call.op
    if op.multi_output or op.preserve_shape or len(call.shapes[0]) == 2:
        return str(to.emit("Softmax", call.inputs[:1], axis=1 if op.multi_output else -1))
    return _softmax_of_rows(to, call)


@exports("SoftmaxActivation")
def _softmax_activation(to: Writer, call: Call) -> str:
    return str(to.emit("Softmax", call.inputs, axis=1 if call.op.mode == "channel" else -1))


def _softmax_of_rows(to: Writer, call: Call) -> str:
    """Softmax over everything in a row, whatever its axes are."""
    flat = str(to.emit("Flatten", call.inputs[:1], axis=1))
    return str(to.emit("Reshape", [to.emit("Softmax", [flat], axis=1), to.ints(call.target())]))


@exports("softmax", "log_softmax", "softmin")
def _softmax(to: Writer, call: Call) -> str:
    op, data = call.op, call.inputs[0]
    if getattr(op, "use_length", False):
        raise call.unsupported("use_length")
    if op.temperature:
        data = to.scalar("Div", data, op.temperature)
    if op.op_name() == "softmin":
        data = str(to.emit("Neg", [data]))
    return str(to.emit("LogSoftmax" if op.op_name() == "log_softmax" else "Softmax", [data], axis=op.axis))


@exports("UpSampling")
def _up_sampling(to: Writer, call: Call) -> str:
    op = call.op
    if op.sample_type == "bilinear":
        return str(_deconvolution(to, replace(call, op=op.deconvolution(call.shapes[0][1]))))
    parts = []
    for name, shape in zip(call.inputs, call.shapes, strict=True):
        # Out of pixel i comes floor(i / factor): every pixel is repeated, as MXNet does. Resize's defaults would shift
        # by half a pixel.
        factors = to.constant([1, 1, *(n / m for n, m in zip(call.outputs[0][2:], shape[2:], strict=True))])
        way: dict[str, Any] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        parts.append(str(to.emit("Resize", [name, "", factors], **way)))
    if len(parts) == 1:
        return parts[0]
    return str(to.emit("Sum", parts) if op.multi_input_mode == "sum" else to.emit("Concat", parts, axis=1))
