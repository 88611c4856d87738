"""BatchNorm folded into the layer before it, for networks that only predict: with fixed statistics it is a scale and a
shift per channel, which that layer's weight and bias can take over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..array import Array
from ..ops.operator import Operator
from .graph import Graph
from .node import Entry, Node

Arrays = dict[str, Array]


def fold_batch_norms(
    symbol: Graph, arguments: Mapping[str, Array], states: Mapping[str, Array]
) -> tuple[Graph, Arrays, Arrays]:
    """The same function of the inputs with fewer nodes: its graph, arguments and states by name, in their own shapes.

    A BatchNorm over channels is folded if nothing else reads the Convolution or FullyConnected before it, and if
    nothing else reads the parameters of both. With weight w (F, ...), bias b (F,) and moving averages m, v (F,):
    w' = s w and b' = s (b - m) + beta, where s = gamma / sqrt(v + eps). The given arrays are not changed.
    """
    nodes = symbol.nodes()
    readers: Counter[Entry] = Counter(entry for node in nodes for entry in node.inputs)
    readers.update(symbol.heads)
    folded = {node: layer for node in nodes if (layer := _layer_before(node, readers, arguments, states)) is not None}
    kept_arguments, kept_states = dict(arguments), dict(states)  # new dicts: what is folded is removed from them
    made: dict[Entry, Entry] = {}
    for node in nodes:
        layer = folded.get(node)
        if layer is not None:
            # Its layer has been copied as it was, but nobody reads that copy: the graph does not reach it any more.
            copy = _folded(node, layer, made, kept_arguments, kept_states)
        else:
            inputs = tuple(made[entry] for entry in node.inputs)
            copy = node if inputs == node.inputs else Node(node.op, node.name, node.attrs, inputs)
        made.update({(node, index): (copy, index) for index in range(len(node.output_names()))})
    return symbol.with_heads(tuple(made[head] for head in symbol.heads)), kept_arguments, kept_states


def _layer_before(
    node: Node, readers: Mapping[Entry, int], arguments: Mapping[str, Array], states: Mapping[str, Array]
) -> Node | None:
    """The layer that takes over the BatchNorm `node`, or None."""
    op: Any = node.op
    # A second output with mean and variance would need the normalisation itself.
    if op is None or op.op_name() not in ("BatchNorm", "CuDNNBatchNorm") or op.axis != 1 or op.output_mean_var:
        return None
    layer, index = node.inputs[0]
    if not _is_layer(layer.op) or readers[layer, index] > 1:
        return None
    # A parameter that another node reads as well must keep its value.
    parameters = [*layer.inputs[1:], *node.inputs[1:]]
    has_values = all(n.op is None and (n.name in arguments or n.name in states) for n, _ in parameters)
    return layer if has_values and all(readers[entry] == 1 for entry in parameters) else None


def _is_layer(op: Operator | None) -> bool:
    """Whether `op` is a layer whose output has, along axis 1, what its weight has along axis 0."""
    return op is not None and (op.op_name() == "Convolution" or (op.op_name() == "FullyConnected" and _is_flat(op)))


def _is_flat(op: Any) -> bool:
    return bool(op.flatten)


@np.errstate(all="ignore")  # as in the executor, which would compute the BatchNorm otherwise
def _folded(node: Node, layer: Node, made: Mapping[Entry, Entry], arguments: Arrays, states: Arrays) -> Node:
    """A layer that does the work of both; changes its parameters in `arguments`, removes the BatchNorm's from both."""
    op: Any = layer.op
    weight, bias = layer.inputs[1][0], layer.inputs[2][0] if len(layer.inputs) > 2 else None
    scale, shift = _scale_and_shift(node, arguments, states)
    values = arguments[weight.name]
    old_bias = 0.0 if bias is None else arguments[bias.name]
    name = f"{layer.name}_bias" if bias is None else bias.name
    arguments[weight.name] = (values * scale.reshape(-1, *[1] * (values.ndim - 1))).astype(values.dtype)
    arguments[name] = (old_bias * scale + shift).astype(values.dtype)
    with_bias = type(op)(**{key: getattr(op, key) for key in op.given if key != "no_bias"})
    inputs = (made[layer.inputs[0]], made[layer.inputs[1]], (Node(None, name), 0))
    return Node(with_bias, node.name, layer.attrs, inputs)  # the BatchNorm's name, so that outputs keep theirs


def _scale_and_shift(node: Node, arguments: Arrays, states: Arrays) -> tuple[Array, Array]:
    """The factor and the summand (F,) that a BatchNorm comes to; float64, so that the result is rounded only once."""
    op: Any = node.op
    gamma, beta = (arguments.pop(entry[0].name).astype(np.float64) for entry in node.inputs[1:3])
    mean, var = (states.pop(entry[0].name).astype(np.float64) for entry in node.inputs[3:5])
    scale = (1.0 if op.fix_gamma else gamma) / np.sqrt(var + op.eps)
    return scale, beta - mean * scale
