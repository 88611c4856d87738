"""What older files say differently, rewritten as MXNet 1.9 would have written it.

Versions are MXNet's, as numbers: 800 is 0.8 and before, 10901 is 1.9.1. Each private function undoes one difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...common.errors import FileFormatError, PushgradError
from ..ops.operator import REGISTRY, Operator, lookup
from ..ops.parameters import declared
from .naming import HIDDEN_KEYS, attributes_of

UNVERSIONED = 800  # files up to 0.8 carry no version
FIRST_WITH_STATES = 900  # 0.9: all inputs are nodes, and parameters and attributes share one dictionary
FIRST_WITH_INITIAL_STATES = 904
FIRST_WITH_LAST_AXIS = 905
POOLINGS = ("Pooling", "Pooling_v1")
BATCH_NORMS = ("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm")
ASSUMED = "__assumed__"  # the attribute of a node that names a parameter which its file did not state


@dataclass
class RawNode:
    """A node as a file describes it, in strings; `inputs` are pairs of node and output, `where` names it in errors."""

    op: str
    name: str
    parameters: dict[str, str]
    attributes: dict[str, str]
    inputs: list[tuple[int, int]]
    where: str = ""

    def operator(self) -> Operator:
        """The operator with its parameters. Raises GraphError for an unknown operator and ParameterError for a wrong
        parameter; both name the node.
        """
        try:
            return lookup(self.op)(**self.parameters)
        except PushgradError as error:
            error.locate(self.where)
            raise


@dataclass
class RawGraph:
    """Nodes, inputs before their users; `place[i]` is the new number of the file's node i, as nodes may be added."""

    nodes: list[RawNode] = field(default_factory=list)
    place: list[int] = field(default_factory=list)

    def moved(self, pair: tuple[int, int]) -> tuple[int, int]:
        """The same output under the node's new number; a number of no node becomes one that is refused later."""
        number, output = pair
        return (self.place[number] if number < len(self.place) else len(self.nodes)), output


def read_version(document: Mapping[str, Any]) -> int:
    """The version of MXNet that wrote the file; UNVERSIONED if it does not say. Raises FileFormatError if it says
    something else than a number.
    """
    attributes = document.get("attrs", {})
    version = attributes.get("mxnet_version", ["int", UNVERSIONED]) if isinstance(attributes, dict) else None
    if not isinstance(version, list) or len(version) != 2 or type(version[1]) is not int:
        raise FileFormatError("symbol: attrs: mxnet_version", expected='["int", number]', got=repr(version)[:80])
    return version[1]


def upgrade(nodes: Sequence[RawNode], version: int) -> RawGraph:
    """The nodes of a file of that version, as version 1.9 would have written them; the given nodes are changed.

    Raises GraphError or ParameterError if an operator has to be made to know its inputs, and cannot be.
    """
    graph = RawGraph()
    passed_on = _hidden_for_inputs(nodes)
    for node in nodes:
        inputs = [graph.moved(pair) for pair in node.inputs]
        if node.op != "null":
            _separate(node, version)
            _set_old_defaults(node, version)
            if version < FIRST_WITH_STATES:
                inputs += _missing_inputs(node, graph)
            if version < FIRST_WITH_INITIAL_STATES:
                _describe_states(node, inputs, graph)
        node.attributes = {**passed_on.get(node.name, {}), **attributes_of(node.attributes, node.name)}
        graph.place.append(len(graph.nodes))
        graph.nodes.append(replace(node, inputs=inputs))
    return graph


def _separate(node: RawNode, version: int) -> None:
    """Parameters and the user's attributes apart, where one dictionary holds both."""
    known = declared(REGISTRY[node.op]) if node.op in REGISTRY else {}
    mixed = node.attributes
    is_parameter = {
        key: key in known or (version >= FIRST_WITH_STATES and not key.startswith("__") and key not in HIDDEN_KEYS)
        for key in mixed
    }
    node.parameters = {**node.parameters, **{key: value for key, value in mixed.items() if is_parameter[key]}}
    rest = {key: value for key, value in mixed.items() if not is_parameter[key]}
    node.attributes = {_hidden(key): value for key, value in rest.items()}


def _hidden(key: str) -> str:
    """`__key__`, as newer files spell the attributes of operators."""
    return key if key.startswith("__") else f"__{key}__"


def _hidden_for_inputs(nodes: Sequence[RawNode]) -> dict[str, dict[str, str]]:
    """Attributes such as `weight_lr_mult` of old operators belong to the variable `<node>_weight`, as `__lr_mult__`."""
    found: dict[str, dict[str, str]] = {}
    for node in nodes:
        for key in [
            key for key in node.attributes if node.op != "null" and key.endswith(tuple(f"_{k}" for k in HIDDEN_KEYS))
        ]:
            hidden = next(k for k in HIDDEN_KEYS if key.endswith(f"_{k}"))
            variable = f"{node.name}_{key.removesuffix(f'_{hidden}')}"
            found.setdefault(variable, {})[f"__{hidden}__"] = node.attributes.pop(key)
    return found


def _set_old_defaults(node: RawNode, version: int) -> None:
    """Parameters whose meaning changed.

    Before pooling had a convention (July 2016) it rounded up, and files of that time do not have this parameter. Such a
    node is marked, since a model's shapes may show that it rounds down (see old_models.settle_pooling). axis -1 of
    argmax meant all axes.
    """
    if version < FIRST_WITH_STATES and node.op in POOLINGS and "pooling_convention" not in node.parameters:
        node.parameters["pooling_convention"] = "full"
        node.attributes[ASSUMED] = "pooling_convention"
    if version < FIRST_WITH_LAST_AXIS and node.op in ("argmax", "argmin") and node.parameters.get("axis") == "-1":
        del node.parameters["axis"]


def _describe_states(node: RawNode, inputs: Sequence[tuple[int, int]], graph: RawGraph) -> None:
    """Say how the states of BatchNorm begin, as files of 0.9.4 and later do: means with 0, variances with 1."""
    if node.op not in BATCH_NORMS:
        return
    for kind, (number, _) in zip(("zero", "one"), inputs[3:5], strict=False):
        if number < len(graph.nodes):
            graph.nodes[number].attributes.setdefault("__init__", f'["{kind}", {{}}]')


def _missing_inputs(node: RawNode, graph: RawGraph) -> list[tuple[int, int]]:
    """Variables for the trailing inputs that old files leave out, put into the graph before the node.

    Operators with any number of inputs list them all; a file that claims more than it lists is refused later.
    """
    if node.op not in REGISTRY or REGISTRY[node.op].variadic:
        return []
    operator = node.operator()
    slots = (*operator.arguments(), *operator.auxiliaries())
    added = []
    for slot in slots[len(node.inputs) :]:
        added.append((len(graph.nodes), 0))
        graph.nodes.append(RawNode("null", f"{node.name}_{slot}", {}, {}, []))
    return added
