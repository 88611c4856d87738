"""Exporters of normalisations and activations."""

from __future__ import annotations

import math

import numpy as np

from .writer import Call, Writer, exports

_ACTIVATIONS = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus", "softsign": "Softsign",
}  # fmt: skip


@exports("Activation")
def _activation(to: Writer, call: Call) -> str:
    if call.op.act_type not in _ACTIVATIONS:
        raise call.unsupported(f"act_type {call.op.act_type}")
    return str(to.emit(_ACTIVATIONS[call.op.act_type], call.inputs))


@exports("LeakyReLU")
def _leaky_relu(to: Writer, call: Call) -> str:
    op, data = call.op, call.inputs[0]
    if op.act_type in ("leaky", "rrelu"):  # rrelu's slope is drawn in training only
        slope = op.slope if op.act_type == "leaky" else (op.lower_bound + op.upper_bound) / 2
        return str(to.emit("LeakyRelu", [data], alpha=slope))
    if op.act_type == "prelu":  # one slope per channel: ONNX broadcasts from the last axis, so trailing 1s are needed
        axes = (1,) * (len(call.shapes[0]) - 2)
        return str(to.emit("PRelu", [data, to.emit("Reshape", [call.inputs[1], to.ints((-1, *axes))])]))
    if op.act_type == "gelu":  # x (1 + erf(x / sqrt 2)) / 2; ONNX has an operator for it from opset 20 on only
        gate = to.scalar("Add", str(to.emit("Erf", [to.scalar("Mul", data, math.sqrt(0.5))])), 1)
        return to.scalar("Mul", str(to.emit("Mul", [data, gate])), 0.5)
    return str(to.emit("Elu", [data], alpha=op.slope) if op.act_type == "elu" else to.emit("Selu", [data]))


@exports("hard_sigmoid")
def _hard_sigmoid(to: Writer, call: Call) -> str:
    return str(to.emit("HardSigmoid", call.inputs, alpha=call.op.alpha, beta=call.op.beta))


@exports("BatchNorm", "CuDNNBatchNorm")
def _batch_norm(to: Writer, call: Call) -> str:
    op, (data, gamma, beta, mean, variance) = call.op, call.inputs
    axes = len(call.shapes[0])
    axis = op.axis % axes
    if op.output_mean_var:
        raise call.unsupported("output_mean_var")
    if op.fix_gamma:  # the operator takes gamma for 1, whatever the array holds
        gamma = to.constant(np.ones(call.shapes[1]))
    # ONNX normalises axis 1 only: bring the channels there, and undo it afterwards.
    order = [0, axis, *(a for a in range(1, axes) if a != axis)]
    if axis != 1:
        data = str(to.emit("Transpose", [data], perm=order))
    made = str(to.emit("BatchNormalization", [data, gamma, beta, mean, variance], epsilon=op.eps))
    return made if axis == 1 else str(to.emit("Transpose", [made], perm=[int(i) for i in np.argsort(order)]))


@exports("InstanceNorm")
def _instance_norm(to: Writer, call: Call) -> str:
    return str(to.emit("InstanceNormalization", call.inputs, epsilon=call.op.eps))


@exports("LayerNorm")
def _layer_norm(to: Writer, call: Call) -> str:
    if call.op.axis % len(call.shapes[0]) != len(call.shapes[0]) - 1 or call.op.output_mean_var:
        raise call.unsupported("another axis than the last, or output_mean_var")
    return str(to.emit("LayerNormalization", call.inputs, axis=-1, epsilon=call.op.eps))


@exports("LRN")
def _local_response(to: Writer, call: Call) -> str:
    op = call.op
    return str(to.emit("LRN", call.inputs, size=op.nsize, alpha=op.alpha, beta=op.beta, bias=op.knorm))


@exports("L2Normalization")
def _l2_normalization(to: Writer, call: Call) -> str:
    axes = range(len(call.shapes[0]))
    # data / sqrt(sum of squares + eps) over these axes. Not ReduceL2, which has no place for eps.
    folded = {"instance": axes[1:], "channel": axes[1:2], "spatial": axes[2:]}[call.op.mode]
    squares = to.emit("ReduceSumSquare", call.inputs, axes=list(folded), keepdims=1)
    return str(to.emit("Div", [call.inputs[0], to.emit("Sqrt", [to.scalar("Add", squares, call.op.eps)])]))
