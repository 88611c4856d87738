"""Importers of normalisations and activations."""

from __future__ import annotations

from ....symbols.symbol import Symbol
from .reader import Step, imports


@imports("BatchNormalization")
def _batch_norm(step: Step) -> Symbol:
    if step.get("training_mode", 0) or len([name for name in step.node.output if name]) > 1:
        raise step.refuse("its training mode")
    # Mean and variance are averages that training would update, so auxiliary states and not arguments.
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
        fix_gamma=False,  # MXNet's default, True, would take gamma for 1
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
    if step.is_constant(0):  # exporters name a shared weight again by an Identity: let it stay one parameter
        return step.symbol(0)
    return step.apply("Dropout" if step.kind == "Dropout" else "identity", step.symbol(0))


@imports("LeakyRelu", "Elu", "Gelu")
def _leaky(step: Step) -> Symbol:
    if step.kind == "Gelu":
        if step.get("approximate", "none") != "none":
            raise step.refuse("an approximation of gelu")
        return step.apply("LeakyReLU", step.symbol(0), act_type="gelu")
    kind, slope = ("leaky", 0.01) if step.kind == "LeakyRelu" else ("elu", 1.0)
    return step.apply("LeakyReLU", step.symbol(0), act_type=kind, slope=step.get("alpha", slope))


@imports("Selu")
def _selu(step: Step) -> Symbol:
    if "alpha" not in step.attributes and "gamma" not in step.attributes:
        return step.apply("LeakyReLU", step.symbol(0), act_type="selu")
    slope = step.get("alpha", 1.67326319217681884765625)
    made = step.apply("LeakyReLU", step.symbol(0), last=False, act_type="elu", slope=slope)
    return step.apply("_mul_scalar", made, scalar=step.get("gamma", 1.05070102214813232421875))


@imports("PRelu")
def _prelu(step: Step) -> Symbol:
    data, shape, axes = step.symbol(0), step.shape(1), step.rank(0)
    if shape is not None and step.is_constant(1):
        wide = (1,) * (axes - len(shape)) + shape
        if step.graph.opset < 7 and len(shape) == 1:  # then one slope a channel
            wide = (1, *shape)
        if all(extent == 1 for axis, extent in enumerate(wide) if axis != 1):  # one slope a channel, or one for all
            return step.apply("LeakyReLU", data, step.parameter(1, step.constant(1).reshape(-1)), act_type="prelu")
    # Any other slope, which LeakyReLU does not take: relu(x) + slope * min(x, 0).
    below = step.apply("_minimum_scalar", data, last=False, scalar=0.0)
    below = step.apply("broadcast_mul", below, step.symbol(1), last=False)
    return step.apply("elemwise_add", step.apply("relu", data, last=False), below)


@imports("Softmax", "LogSoftmax")
def _softmax(step: Step) -> Symbol:
    operator = "softmax" if step.kind == "Softmax" else "log_softmax"
    if step.graph.opset >= 13:
        return step.apply(operator, step.symbol(0), axis=step.get("axis", -1))
    axis = step.get("axis", 1) % step.rank(0)  # older: everything from the axis on is one row
    shape = step.shape(0) or ()
    if all(extent == 1 for extent in shape[axis + 1 :]):
        return step.apply(operator, step.symbol(0), axis=axis)
    if axis == 1 and operator == "softmax":
        return step.apply("SoftmaxActivation", step.symbol(0), mode="instance")
    raise step.refuse("over several axes")


@imports("LayerNormalization")
def _layer_norm(step: Step) -> Symbol:
    if step.get("axis", -1) not in (-1, step.rank(0) - 1) or not step.has(2) or len(step.node.output) > 1:
        raise step.refuse("several axes, no bias, or its mean as an output")
    return step.apply("LayerNorm", *(step.symbol(i) for i in range(3)), axis=-1, eps=step.get("epsilon", 1e-5))
