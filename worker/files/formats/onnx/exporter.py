"""Writing networks as ONNX files, for inference: losses become what they predict, dropout disappears.

`_Export` walks the graph and calls, for each operator, its exporter in `EXPORTERS`; the modules exporter_*.py hold
these, and they write with the Writer of writer.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .....common.errors import GraphError, ParameterError, ShapeError
from ....array import Array, Shape
from ....atomic_files import PathLike, write_atomically
from ....graphs.node import Entry, Node
from ....graphs.shape_inference import UnknownShapes
from ....symbols.symbol import Symbol
from ..extras import needed
from . import exporter_arrays, exporter_layers, exporter_math, exporter_norms  # noqa: F401  (EXPORTERS)
from .writer import EXPORTERS, OPSET, Call, Writer

_BATCH = "N"  # the name of the open number of rows in the file


def export_onnx(
    symbol: Symbol,
    params: Mapping[str, Array],
    shapes: Mapping[str, Shape],
    path: PathLike,
    dynamic_batch: bool = False,
) -> None:
    """Write the network as an ONNX file (opset 17, float32), whole or not at all.

    `params` are arguments and auxiliary states together, by name (a leading arg: or aux: is ignored). `shapes` are
    those of the inputs, such as {"data": (1, 3, 224, 224)}; labels may be left out. With `dynamic_batch` the file takes
    any number of rows: the first extent of the first input, and of all inputs that have the same. Raises GraphError,
    which names node and operator, for what ONNX cannot express; ShapeError if a parameter does not fit, or fixes the
    number of rows that is to stay open; ParameterError if `shapes` names an input that the network lacks;
    FileFormatError if the package onnx is missing or the folder does not exist.
    """
    arrays = {name.removeprefix("arg:").removeprefix("aux:"): value for name, value in params.items()}
    export = _Export(symbol, arrays, shapes, dynamic_batch)
    model = export.model()
    write_atomically(path, lambda stream: stream.write(model.SerializeToString()))


class _Export:
    """The translation of one graph. `names` has the ONNX name of every entry exported so far."""

    def __init__(
        self, symbol: Symbol, arrays: Mapping[str, Array], shapes: Mapping[str, Shape], dynamic_batch: bool
    ) -> None:
        self.helper = needed("onnx.helper", "exporting to ONNX")
        self.symbol = symbol
        everything, read = arrays, {node.name for node in _used(symbol) if node.op is None}
        self.arrays = arrays = {name: value for name, value in arrays.items() if name in read}
        try:
            self.shapes = _all_shapes(symbol, arrays, shapes)
        except UnknownShapes:  # a label that comes with the parameters holds a number of rows, and is the last resort
            self.shapes = _all_shapes(symbol, everything, shapes)
        # What the number of rows decides is what changes with it: an extent may equal it by chance.
        self.grown = _with_one_row_more(symbol, arrays, shapes) if dynamic_batch else self.shapes
        self.writer, self.names, self.inputs = Writer(), dict[Entry, str](), list[Any]()

    def model(self) -> Any:
        """The ONNX model."""
        needed_nodes = _used(self.symbol)
        for node in self.symbol.nodes():
            if node in needed_nodes:
                self._variable(node) if node.op is None else self._operator(node)
        outputs = [self._described(entry, name) for entry, name in self._heads()]
        to_proto = needed("onnx.numpy_helper", "exporting to ONNX").from_array
        constants = [to_proto(array, name) for name, array in self.writer.constants.items()]
        name = self.symbol.name or "network"
        graph = self.helper.make_graph(self.writer.nodes, name, self.inputs, outputs, constants)
        opset = self.helper.make_opsetid("", OPSET)
        # IR version 8 is the one that came with opset 17. The library would write its own newest, which older runtimes
        # refuse whatever the opset is.
        return self.helper.make_model(graph, producer_name="pushgrad", opset_imports=[opset], ir_version=8)

    def _variable(self, node: Node) -> None:
        """A variable becomes an initializer if there is an array for it, else an input of the graph."""
        name = self.names[node, 0] = self.writer.unique(node.name)
        if node.name in self.arrays:
            with np.errstate(over="ignore"):  # float64 values beyond float32 become infinite, without a warning
                self.writer.constants[name] = np.ascontiguousarray(self.arrays[node.name], np.float32)
        else:
            self.inputs.append(self._described((node, 0), name))

    def _operator(self, node: Node) -> None:
        """Let the operator's exporter write its nodes, and note the names of its outputs."""
        assert node.op is not None
        kind = node.op.op_name()
        # Labels have no name, as `_used` left them out.
        used = [entry for entry in node.inputs if entry in self.names]
        made = [(node, index) for index in range(len(node.op.outputs()))]
        shapes = [[known[entry] for entry in part] for known in (self.shapes, self.grown) for part in (used, made)]
        call = Call(node, node.op, [self.names[entry] for entry in used], *shapes)
        if kind not in EXPORTERS:
            raise call.unsupported()
        self.writer.prefix = node.name
        named = EXPORTERS[kind](self.writer, call)
        self.names.update(zip(made, [named] if isinstance(named, str) else named, strict=False))

    def _heads(self) -> list[tuple[Entry, str]]:
        """Every output of the graph, with the name that it gets in the file.

        Each one passes through an Identity of its own. So it has its own name even if it is an input of the graph, or
        the same value as another output.
        """
        named = []
        for entry in self.symbol.heads:
            if entry not in self.names:
                raise GraphError(f"{entry[0].name}: ONNX has nothing for output {entry[0].output_names()[entry[1]]}")
            output = self.writer.unique(entry[0].output_names()[entry[1]])
            self.writer.nodes.append(self.helper.make_node("Identity", [self.names[entry]], [output], f"{output}_head"))
            named.append((entry, output))
        return named

    def _described(self, entry: Entry, name: str) -> Any:
        """ONNX's description of a float32 value; an extent that follows from the number of rows is open."""
        extents: list[int | str | None] = []
        for n, m in zip(self.shapes[entry], self.grown[entry], strict=True):
            extents.append(n if n == m else _BATCH if m == n + 1 else None)
        return self.helper.make_tensor_value_info(name, self.helper.np_dtype_to_tensor_dtype(np.dtype("f4")), extents)


def _all_shapes(symbol: Symbol, arrays: Mapping[str, Array], shapes: Mapping[str, Shape]) -> dict[Entry, Shape]:
    """The shape of every entry. Raises ParameterError for a name that the network lacks, ShapeError if shapes clash."""
    known = symbol.list_inputs()
    if strange := [name for name in shapes if name not in known]:
        raise ParameterError(f"export_onnx: no input {strange[0]}", expected=f"one of {', '.join(known[:10])}")
    given = {name: np.shape(value) for name, value in arrays.items() if name in known}
    try:
        return symbol.infer_all(**{**given, **{name: tuple(shape) for name, shape in shapes.items()}})
    except ShapeError as error:
        error.locate("export_onnx")
        raise


def _with_one_row_more(symbol: Symbol, arrays: Mapping[str, Array], shapes: Mapping[str, Shape]) -> dict[Entry, Shape]:
    """The shape of every entry if the inputs had one row more. Raises ShapeError if the network cannot have that."""
    rows = next((shape[0] for name in symbol.list_inputs() if (shape := tuple(shapes.get(name, ())))), 0)
    grown = {
        name: (rows + 1, *shape[1:]) if name not in arrays and shape[:1] == (rows,) else shape
        for name, shape in ((name, tuple(shape)) for name, shape in shapes.items())
    }
    try:
        return _all_shapes(symbol, arrays, grown)
    except ShapeError as error:
        raise ShapeError(
            f"export_onnx: dynamic_batch, but the network only takes {rows} rows ({error})",
            remedy="Leave dynamic_batch out, or let shapes in the network follow from its input's",
        ) from None


def _used(symbol: Symbol) -> set[Node]:
    """The nodes that inference needs: not the labels, which only losses look at."""
    found: set[Node] = set()
    waiting = [node for node, _ in symbol.heads]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [item for slot, (item, _) in zip(_slots(node), node.inputs, strict=True) if slot != "label"]
    return found


def _slots(node: Node) -> tuple[str, ...]:
    """What the operator calls its inputs, auxiliary states last."""
    return () if node.op is None else (*node.op.arguments(), *node.op.auxiliaries())
