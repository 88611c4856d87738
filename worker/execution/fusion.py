"""Which neighbouring nodes run as one kernel: a convolution with the activation and the max-pooling behind it, a fully
connected layer with the activation, a normalisation or a sum with relu, and in networks that only predict, a
convolution with the clip behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ..cpu.activation import MONOTONE
from ..cpu.choose_convolution import is_two_dimensional, is_ungrouped
from ..cpu.registry import pooling_tiles
from ..graphs.node import Entry, Node

Extends = Callable[[Sequence[Node], Node], bool]


def fuse(nodes: Sequence[Node], heads: Sequence[Entry], extends: Extends | None) -> list[list[Node]]:
    """Operator nodes in order, grouped: each group is a chain that one kernel computes.

    `extends(group, node)` tells whether the kernel of a group can also do the node behind it; None: never. Only the
    last node's outputs leave a group, so a chain ends at a node that is a head, or that is read more than once.
    """
    operators = [node for node in nodes if node.op is not None]
    readers: Counter[Node] = Counter(entry[0] for node in operators for entry in node.inputs)
    readers.update(node for node, _ in heads)
    # Only the first input is looked at: a kernel takes its chain's value as data, never as a weight or a label. With
    # exactly one reader in all, this one is it. A node joins a group before the loop reaches it, hence `taken`.
    reader = {entry[0]: node for node in operators for entry in node.inputs[:1]}
    groups: list[list[Node]] = []
    taken: set[Node] = set()
    for node in operators:
        if node in taken:
            continue
        group = [node]
        while extends and readers[group[-1]] == 1 and group[-1] in reader and extends(group, reader[group[-1]]):
            group.append(reader[group[-1]])
        taken.update(group)
        groups.append(group)
    return groups


def extends_anywhere(group: Sequence[Node], node: Node) -> bool:
    """Whether kernels of any kind can compute `node` together with the `group` before it.

    Convolutions take one activation, and one pooling before or behind it; fully connected layers an activation;
    normalisations relu alone, whose slope is cheap to compute once more in backward.
    """
    # Pooling may come before or behind the activation, since a monotone function commutes with the maximum:
    # the kernel pools first in both cases and applies the activation to fewer numbers.
    kinds = [_kind(member) for member in group]
    if kinds == ["fully connected"]:
        return _kind(node) == "activation"
    if kinds == ["normalisation"]:
        return _is_relu(node)
    return kinds[0] == "convolution" and _kind(node) in ("activation", "pooling") and _kind(node) not in kinds


def extends_on_host(group: Sequence[Node], node: Node) -> bool:
    """As `extends_anywhere`, by the compiled kernels of the CPU: convolutions in groups take an activation as well, and
    sums take relu.
    """
    kinds = [_kind(member) for member in group]
    if kinds == ["in groups"]:
        return _kind(node) == "activation"
    return _is_relu(node) if kinds == ["sum"] else extends_anywhere(group, node)


def extends_in_prediction(group: Sequence[Node], node: Node) -> bool:
    """As `extends_on_host`, where there is no backward, which would have to know what a clip has cut off."""
    if _kind(node) == "clip":
        return len(group) == 1 and _kind(group[0]) in ("convolution", "in groups")
    return _kind(group[-1]) != "clip" and extends_on_host(group, node)


def is_pooling(node: Node) -> bool:
    """Whether the node is a pooling that a convolution's kernel may take in."""
    return _kind(node) == "pooling"


def _is_relu(node: Node) -> bool:
    return _kind(node) == "activation" and getattr(node.op, "act_type", None) == "relu"


def _kind(node: Node) -> str:
    """What part of a chain the node can be, for the parameters that the kernels cover; "" if it can be none."""
    op = node.op
    name = "" if op is None else op.op_name()
    if name == "Convolution" and is_ungrouped(op):
        return "convolution"
    if name == "Convolution" and is_two_dimensional(op):
        return "in groups"
    if name == "elemwise_add":
        return "sum"
    if name == "clip":
        return name
    if name == "FullyConnected":
        return "fully connected"
    if name in ("BatchNorm", "CuDNNBatchNorm") and not getattr(op, "output_mean_var", False):
        return "normalisation"
    if name == "Activation" and getattr(op, "act_type", None) in MONOTONE:
        return "activation"
    if name == "Pooling" and pooling_tiles(op):
        return "pooling"
    return ""
