"""Symbols as JSON, in the format of MXNet: 1.x is written; everything from 0.7 to 1.9 is read.

Files may come from anywhere, so reading checks types, numbers and sizes before it uses them. It goes in three steps:
text to raw nodes, raw nodes to those of version 1.9 (see json_upgrade.py), and these to a Graph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...common.errors import FileFormatError, GraphError, PushgradError
from ...common.foreign import reading
from ..atomic_files import write_atomically
from ..ops.operator import Operator
from .graph import Graph
from .json_upgrade import RawNode, read_version, upgrade
from .node import Entry, Node

WRITTEN_VERSION = 10901  # as MXNet 1.9.1 writes it, so that it loads the file without converting anything
LONGEST = 1 << 28  # bytes of JSON; far above any network, far below what would exhaust the memory
MOST_OUTPUTS = 1 << 20  # of all nodes together: a few bytes of a file can claim thousands


def dumps(symbol: Graph) -> str:
    """The graph as JSON text, one node per line, in the order of `nodes()`."""
    nodes = symbol.nodes()
    number = {node: position for position, node in enumerate(nodes)}
    rows = [0]
    for node in nodes:
        rows.append(rows[-1] + len(node.output_names()))
    parts = {
        "arg_nodes": [number[node] for node in nodes if node.op is None],
        "node_row_ptr": rows,
        "heads": [[number[node], index, 0] for node, index in symbol.heads],
        "attrs": {"mxnet_version": ["int", WRITTEN_VERSION]},
    }
    lines = ",\n".join(f"    {json.dumps(_written(node, number))}" for node in nodes)
    rest = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in parts.items())
    return f'{{\n  "nodes": [\n{lines}\n  ],\n{rest}\n}}\n'


def _written(node: Node, number: Mapping[Node, int]) -> dict[str, Any]:
    attrs = dict(sorted({**node.parameters(), **node.attrs}.items()))
    arguments = len(node.arguments())
    return {
        "op": "null" if node.op is None else node.op.op_name(),
        "name": node.name,
        **({"attrs": attrs} if attrs else {}),
        # The third number is a version, which counts the updates of a state by its operator.
        "inputs": [[number[n], index, int(i >= arguments)] for i, (n, index) in enumerate(node.inputs)],
    }


def save(symbol: Graph, path: Path) -> None:
    """Write the graph's JSON to `path`, whole or not at all; a symbolic link is followed.

    Raises FileFormatError if the folder does not exist, OSError if the file cannot be written.
    """
    write_atomically(path, lambda stream: stream.write(dumps(symbol).encode()))


def load(fname: str | Path) -> Graph:
    """The graph of a JSON file. FileFormatError, GraphError or ParameterError, which name the file, say that it is not
    there or what is wrong with it.
    """
    path = Path(fname)
    with reading(path, remedy="Name a file such as lenet-symbol.json, which symbol.save or MXNet wrote"):
        size = path.stat().st_size
        if size > LONGEST:
            raise FileFormatError(f"{path}: symbol file", expected=f"at most {LONGEST} bytes", got=size)
        content = path.read_bytes()
    try:
        return loads(content.decode())
    except UnicodeDecodeError:
        raise FileFormatError(f"{path}: symbol file", expected="text in UTF-8") from None
    except PushgradError as error:
        error.locate(str(path))
        raise


def loads(json_str: str) -> Graph:
    """The graph that a JSON text describes; every field is checked before it is used.

    Raises FileFormatError if the text does not have the format, GraphError if its nodes make no graph (an unknown
    operator, an input that is not there), and ParameterError for an operator's parameters.
    """
    # What a file says can make an operator's checks of its parameters raise what they do not expect.
    with reading("symbol"):
        return _graph(_parse(json_str))


def _graph(document: Mapping[str, Any]) -> Graph:
    raw = upgrade(
        [_raw_node(item, i) for i, item in enumerate(_field(document, "nodes", list))], read_version(document)
    )
    built = _Built()
    for item in raw.nodes:
        built.nodes.append(_node(item, [built.entry(pair, item.where) for pair in item.inputs]))
    heads = [raw.moved(pair) for pair in _entries(_field(document, "heads", list), "heads")]
    if not heads:
        raise FileFormatError("symbol: heads", expected="at least one output", got="none")
    return Graph(tuple(built.entry(pair, "heads") for pair in heads))


def _parse(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise FileFormatError("symbol", expected=f"at most {LONGEST} bytes of JSON", got=len(text))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"symbol: no valid JSON ({str(error)[:200]})") from None
    if not isinstance(document, dict):
        raise FileFormatError("symbol", expected="a JSON object", got=type(document).__name__)
    return document


def _field(owner: Mapping[str, Any], key: str, kind: type, where: str = "symbol") -> Any:
    value = owner.get(key)
    if not isinstance(value, kind):
        raise FileFormatError(f"{where}: field {key}", expected=f"a {kind.__name__}", got=repr(value)[:80])
    return value


def _raw_node(item: Any, position: int) -> RawNode:
    """One node of the file with its types checked; parameters and attributes come from three fields, by version."""
    where = f"node {position}"
    if not isinstance(item, dict):
        raise FileFormatError(where, expected="a JSON object", got=repr(item)[:80])
    name = _field(item, "name", str, where)
    where = f"{where} ({name})"
    for refused in ("subgraphs", "control_deps"):
        if item.get(refused):
            raise GraphError(f"{where}: {refused} are not supported")
    if item.get("backward_source_id", -1) != -1:
        raise GraphError(f"{where}: a backward node; only forward graphs can be read")
    parameters = _strings(item.get("param", {}), f"{where}: param")
    attributes = {
        **_strings(item.get("attr", {}), f"{where}: attr"),
        **_strings(item.get("attrs", {}), f"{where}: attrs"),
    }
    inputs = _entries(_field(item, "inputs", list, where), where)
    return RawNode(_field(item, "op", str, where), name, parameters, attributes, inputs, where)


def _strings(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise FileFormatError(where, expected="an object of strings", got=repr(value)[:80])
    return value


def _entries(value: list[Any], where: str) -> list[tuple[int, int]]:
    """The pairs of node and output in `value`; a third number, the version, is allowed and ignored."""
    for item in value:
        numbers = isinstance(item, list) and all(type(number) is int and number >= 0 for number in item)
        if not numbers or len(item) not in (2, 3):
            raise FileFormatError(
                f"{where}: input", expected="[node, output] or [node, output, version]", got=repr(item)[:80]
            )
    return [(item[0], item[1]) for item in value]


@dataclass
class _Built:
    """The nodes made so far, and the number of outputs of those that others use.

    Outputs are counted once per node, and their total is limited, since a short text may claim very many.
    """

    nodes: list[Node] = field(default_factory=list)
    outputs: dict[int, int] = field(default_factory=dict)
    total: int = 0

    def entry(self, pair: tuple[int, int], where: str) -> Entry:
        """The entry that `pair` (node, output) of the file means. Only earlier nodes count, so there are no cycles.

        Raises GraphError, naming `where`, if there is no such node or output, or if nodes have too many outputs in all.
        """
        number, output = pair
        if number >= len(self.nodes):
            before = f"0 to {len(self.nodes) - 1}" if self.nodes else "there is none"
            raise GraphError(f"{where}: input", expected=f"a node before it ({before})", got=number)
        if number not in self.outputs:
            self._count(number)
        node = self.nodes[number]
        if output >= self.outputs[number]:
            raise GraphError(f"{where}: output of {node.name}", expected=f"0 to {self.outputs[number] - 1}", got=output)
        return node, output

    def _count(self, number: int) -> None:
        node = self.nodes[number]
        self.outputs[number] = 1 if node.op is None else len(node.op.outputs())
        self.total += self.outputs[number]
        if self.total > MOST_OUTPUTS:
            raise GraphError(f"{node.name}: outputs of all nodes", expected=f"at most {MOST_OUTPUTS}", got=self.total)


def _node(item: RawNode, inputs: list[Entry]) -> Node:
    where = item.where
    if item.op == "null":
        if inputs:
            raise GraphError(f"{where}: a variable with inputs")
        return Node(None, item.name, {**item.parameters, **item.attributes})
    operator = item.operator()
    _check_inputs(operator, inputs, where)
    return Node(operator, item.name, item.attributes, tuple(inputs))


def _check_inputs(operator: Operator, inputs: list[Entry], where: str) -> None:
    slots = (*operator.arguments(), *operator.auxiliaries())
    if len(inputs) != len(slots):
        listed = ", ".join(slots[:8]) + (", ..." if len(slots) > 8 else "")
        raise GraphError(
            f"{where}: inputs of {operator.op_name()}", expected=f"{len(slots)} ({listed})", got=len(inputs)
        )
    for name, (node, _) in zip(slots, inputs, strict=True):
        if name in operator.auxiliaries() and node.op is not None:
            raise GraphError(f"{where}: auxiliary state {name}", expected="a variable", got=node)
