"""BatchNorm folded into the layer before it, for networks that only predict: with fixed statistics it is a scale and a
shift per channel, which that layer's weight and bias can take over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..ops.operator import Operator
from .graph import Graph
from .node import Entry, Node


@dataclass(frozen=True)
class FoldedLayer:
    """A layer that does a BatchNorm's work as well, by the names of parameters and states.

    With the layer's weight w (F, ...) and bias b (F,), 0 if it had none, and moving averages m, v (F,) it is to have
    w' = s w and b' = s (b - m) + beta, where s = gamma / sqrt(v + eps), or 1 / sqrt(v + eps) without a gamma.
    """

    weight: str
    bias: str  # of the new layer
    had_bias: bool
    gamma: str | None
    beta: str
    mean: str
    var: str
    eps: float


def fold_batch_norms(symbol: Graph, known: Collection[str]) -> tuple[Graph, list[FoldedLayer]]:
    """The same function of the inputs with fewer nodes, and those of its layers that must have other parameters.

    A BatchNorm over channels is folded if nothing else reads the Convolution or FullyConnected before it, if nothing
    else reads the parameters of both, and if these are all `known`.
    """
    nodes = symbol.nodes()
    readers: Counter[Entry] = Counter(entry for node in nodes for entry in node.inputs)
    readers.update(symbol.heads)
    before = {node: layer for node in nodes if (layer := _layer_before(node, readers, known)) is not None}
    if not before:
        return symbol, []  # the very graph, of which shapes are known
    made: dict[Entry, Entry] = {}
    folded: list[FoldedLayer] = []
    for node in nodes:
        layer = before.get(node)
        if layer is not None:
            # Its layer has been copied as it was, but nobody reads that copy: the graph does not reach it any more.
            folded.append(_folded(node, layer))
            copy = _with_bias(node, layer, made, folded[-1].bias)
        else:
            inputs = tuple(made[entry] for entry in node.inputs)
            copy = node if inputs == node.inputs else Node(node.op, node.name, node.attrs, inputs)
        made.update({(node, index): (copy, index) for index in range(len(node.output_names()))})
    return symbol.with_heads(tuple(made[head] for head in symbol.heads)), folded


def _layer_before(node: Node, readers: Mapping[Entry, int], known: Collection[str]) -> Node | None:
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
    has_values = all(n.op is None and n.name in known for n, _ in parameters)
    return layer if has_values and all(readers[entry] == 1 for entry in parameters) else None


def _is_layer(op: Operator | None) -> bool:
    """Whether `op` is a layer whose output has, along axis 1, what its weight has along axis 0."""
    return op is not None and (op.op_name() == "Convolution" or (op.op_name() == "FullyConnected" and _is_flat(op)))


def _is_flat(op: Any) -> bool:
    return bool(op.flatten)


def _folded(node: Node, layer: Node) -> FoldedLayer:
    op: Any = node.op
    weight, *biases = (entry[0].name for entry in layer.inputs[1:])
    gamma, beta, mean, var = (entry[0].name for entry in node.inputs[1:])
    bias = biases[0] if biases else f"{layer.name}_bias"
    return FoldedLayer(weight, bias, bool(biases), None if op.fix_gamma else gamma, beta, mean, var, op.eps)


def _with_bias(node: Node, layer: Node, made: Mapping[Entry, Entry], bias: str) -> Node:
    """The layer that does the work of both, with a bias of that name."""
    op: Any = layer.op
    with_bias = type(op)(**{key: getattr(op, key) for key in op.given if key != "no_bias"})
    inputs = (made[layer.inputs[0]], made[layer.inputs[1]], (Node(None, bias), 0))
    return Node(with_bias, node.name, layer.attrs, inputs)  # the BatchNorm's name, so that outputs keep theirs
