"""Importers of normalisations and activations."""

from __future__ import annotations

from ....symbols.symbol import Symbol
from .reader import OnnxNode, imports


@imports("BatchNormalization")
def _batch_norm(node: OnnxNode) -> Symbol:
    if node.get("training_mode", 0) or len([name for name in node.proto.output if name]) > 1:
        raise node.refuse("its training mode")
    # Mean and variance are averages that training would update, so auxiliary states and not arguments.
    states = [node.parameter(i, state=True) for i in (3, 4)]
    return node.apply(
        "BatchNorm",
        data=node.symbol(0),
        gamma=node.parameter(1),
        beta=node.parameter(2),
        moving_mean=states[0],
        moving_var=states[1],
        eps=node.get("epsilon", 1e-5),
        momentum=node.get("momentum", 0.9),
        fix_gamma=False,  # MXNet's default, True, would take gamma for 1
    )


@imports("InstanceNormalization")
def _instance_norm(node: OnnxNode) -> Symbol:
    return node.apply("InstanceNorm", *(node.symbol(i) for i in range(3)), eps=node.get("epsilon", 1e-5))


@imports("LRN")
def _local_response(node: OnnxNode) -> Symbol:
    given = {"alpha": node.get("alpha", 1e-4), "beta": node.get("beta", 0.75), "knorm": node.get("bias", 1.0)}
    return node.apply("LRN", node.symbol(0), nsize=node.get("size"), **given)


@imports("Dropout", "Identity")
def _unchanged(node: OnnxNode) -> Symbol:
    if node.is_constant(0):  # exporters name a shared weight again by an Identity: let it stay one parameter
        return node.symbol(0)
    return node.apply("Dropout" if node.kind == "Dropout" else "identity", node.symbol(0))


@imports("LeakyRelu", "Elu", "Gelu")
def _leaky(node: OnnxNode) -> Symbol:
    if node.kind == "Gelu":
        if node.get("approximate", "none") != "none":
            raise node.refuse("an approximation of gelu")
        return node.apply("LeakyReLU", node.symbol(0), act_type="gelu")
    kind, slope = ("leaky", 0.01) if node.kind == "LeakyRelu" else ("elu", 1.0)
    return node.apply("LeakyReLU", node.symbol(0), act_type=kind, slope=node.get("alpha", slope))


@imports("Selu")
def _selu(node: OnnxNode) -> Symbol:
    if "alpha" not in node.attributes and "gamma" not in node.attributes:
        return node.apply("LeakyReLU", node.symbol(0), act_type="selu")
    slope = node.get("alpha", 1.67326319217681884765625)
    made = node.apply("LeakyReLU", node.symbol(0), last=False, act_type="elu", slope=slope)
    return node.apply("_mul_scalar", made, scalar=node.get("gamma", 1.05070102214813232421875))


@imports("PRelu")
def _prelu(node: OnnxNode) -> Symbol:
    data, shape, axes = node.symbol(0), node.shape(1), node.rank(0)
    if shape is not None and node.is_constant(1):
        wide = (1,) * (axes - len(shape)) + shape
        if node.graph.opset < 7 and len(shape) == 1:  # then one slope a channel
            wide = (1, *shape)
        if all(extent == 1 for axis, extent in enumerate(wide) if axis != 1):  # one slope a channel, or one for all
            return node.apply("LeakyReLU", data, node.parameter(1, node.constant(1).reshape(-1)), act_type="prelu")
    # Any other slope, which LeakyReLU does not take: relu(x) + slope * min(x, 0).
    below = node.apply("_minimum_scalar", data, last=False, scalar=0.0)
    below = node.apply("broadcast_mul", below, node.symbol(1), last=False)
    return node.apply("elemwise_add", node.apply("relu", data, last=False), below)


@imports("Softmax", "LogSoftmax")
def _softmax(node: OnnxNode) -> Symbol:
    operator = "softmax" if node.kind == "Softmax" else "log_softmax"
    if node.graph.opset >= 13:
        return node.apply(operator, node.symbol(0), axis=node.get("axis", -1))
    axis = node.get("axis", 1) % node.rank(0)  # older: everything from the axis on is one row
    shape = node.shape(0) or ()
    if all(extent == 1 for extent in shape[axis + 1 :]):
        return node.apply(operator, node.symbol(0), axis=axis)
    if shape[axis:].count(0) > 1:
        raise node.refuse("over several axes of open extents")
    rows = (0,) * axis  # keeps these extents, also open ones
    flat = node.apply("Reshape", node.symbol(0), last=False, shape=(*rows, -1))
    shares = node.apply(operator, flat, last=False, axis=axis)
    return node.apply("Reshape", shares, shape=(*rows, *(extent or -1 for extent in shape[axis:])))


@imports("LayerNormalization")
def _layer_norm(node: OnnxNode) -> Symbol:
    if node.get("axis", -1) not in (-1, node.rank(0) - 1) or not node.has(2) or len(node.proto.output) > 1:
        raise node.refuse("several axes, no bias, or its mean as an output")
    return node.apply("LayerNorm", *(node.symbol(i) for i in range(3)), axis=-1, eps=node.get("epsilon", 1e-5))
