"""Reading networks from ONNX files.

The nodes of the file are taken in order. What depends on constants alone is computed at once (folding.py); for any
other node its importer in `IMPORTERS` makes symbols. The modules importer_*.py hold these, and read with the
OnnxNode of reader.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .....common.errors import FileFormatError, GraphError, PushgradError
from .....common.foreign import unreadable
from ....array import Array
from ....atomic_files import PathLike
from ....symbols.symbol import Symbol
from ....symbols.variables import group, variable
from ..extras import needed
from . import importer_arrays, importer_layers, importer_math, importer_norms, importer_resize  # noqa: F401  (IMPORTERS)
from .folding import fold
from .reader import IMPORTERS, Graph, OnnxNode, RefusedNode

OLDEST, NEWEST = 6, 28  # opsets whose operators the importers know
_LONGEST = 1 << 31  # bytes of a file: protobuf's own limit
_EXTERNAL = 1  # TensorProto.EXTERNAL


def import_onnx(path: PathLike) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """The network in an ONNX file: the graph, and its arguments and auxiliary states by name (float32, of its shapes).

    Inputs keep their names, and their shapes where the file fixes them. What only depends on constants is computed now.
    Raises FileFormatError if the file is missing, damaged, of an opset that is not known, or keeps weights in other
    files, or if the package onnx is missing; GraphError, which names node and ONNX operator, for what has no
    counterpart here.
    """
    model = _load(path)
    graph = Graph(max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx")))
    try:
        # Constants may be anything, and what is computed of them here becomes what it becomes in the network.
        with np.errstate(all="ignore"):
            _collect(model, graph, str(path))
            for node in model.graph.node:
                _node(node, graph)
            outputs = [_output(graph, item.name) for item in model.graph.output]
    except PushgradError as error:
        error.locate(str(path))
        raise
    # The checker does not look at every attribute. One of a wrong type or length fails somewhere within an importer.
    except Exception as error:
        raise FileFormatError(f"{path}: not a valid ONNX file ({type(error).__name__}: {str(error)[:100]})") from None
    symbol = outputs[0] if len(outputs) == 1 else group(outputs)
    # Constants may have become parameters on the way to something that was then folded or left out.
    arguments, states = set(symbol.list_arguments()), set(symbol.list_auxiliary_states())
    return (
        symbol,
        {name: value for name, value in graph.arguments.items() if name in arguments},
        {name: value for name, value in graph.states.items() if name in states},
    )


def _load(path: PathLike) -> Any:
    """The model, checked by the library, with shapes inferred; FileFormatError if it cannot be read here."""
    onnx = needed("onnx", "reading ONNX")
    inference = needed("onnx.shape_inference", "reading ONNX")
    try:
        if Path(path).stat().st_size > _LONGEST:
            raise FileFormatError(f"{path}: too large for an ONNX file")
        model = onnx.ModelProto.FromString(Path(path).read_bytes())
        _check_kind(model, path)
        _check(onnx.checker, model)
        return inference.infer_shapes(model)
    except OSError as error:
        raise unreadable(path, error) from None
    except PushgradError:
        raise
    except Exception as error:  # the library's errors have no common base
        raise FileFormatError(f"{path}: not a valid ONNX file ({str(error)[:200]})") from None


def _check(checker: Any, model: Any) -> None:
    """Let the library check the model. It insists on shapes of inputs and outputs, which the format leaves optional."""
    types = [item.type.tensor_type for item in (*model.graph.input, *model.graph.output)]
    shapeless = [kind for kind in types if kind.elem_type and not kind.HasField("shape")]
    for kind in shapeless:
        kind.shape.SetInParent()
    try:
        checker.check_model(model)
    finally:
        for kind in shapeless:
            kind.ClearField("shape")


def _check_kind(model: Any, path: PathLike) -> None:
    """Refuse opsets and features that are not read, before the library's checker looks for external files."""
    versions = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    if not OLDEST <= versions.get("ai.onnx", 0) <= NEWEST:
        raise FileFormatError(
            f"{path}: ONNX opset",
            expected=f"{OLDEST} to {NEWEST}",
            got=versions.get("ai.onnx", "none, or no ONNX file"),
        )
    if model.graph.sparse_initializer or model.functions:
        raise FileFormatError(f"{path}: sparse initializers and functions are not read")
    for tensor in model.graph.initializer:
        if tensor.data_location == _EXTERNAL:
            raise FileFormatError(f"{path}: {tensor.name} is kept in another file, which is not read")


def _collect(model: Any, graph: Graph, path: str) -> None:
    """Enter the constants, shapes and inputs of the model in `graph`, before any node is read."""
    to_array = needed("onnx.numpy_helper", "reading ONNX").to_array
    for tensor in model.graph.initializer:
        try:
            graph.constants[tensor.name] = np.asarray(to_array(tensor))
            graph.budget += 4 * graph.constants[tensor.name].size
        except Exception as error:
            raise FileFormatError(f"initializer {tensor.name}: {str(error)[:100]}") from None
    for item in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        graph.shapes[item.name] = _known_shape(item.type)
        if _is_whole(item.type):
            graph.whole.add(item.name)
    for item in model.graph.input:
        if item.name not in graph.constants:  # before IR version 4, initializers are listed as inputs, too
            shape = graph.shapes[item.name]
            graph.symbols[item.name] = variable(graph.unique(item.name), shape=shape or None)


def _known_shape(kind: Any) -> tuple[int, ...] | None:
    """The extents of a value, 0 for those that are open (a name, or nothing at all); None if the rank is open, too."""
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(max(item.dim_value, 0) for item in kind.tensor_type.shape.dim)


def _is_whole(kind: Any) -> bool:
    """Whether the elements are integers: here all values are float32, but a quotient of integers must be truncated."""
    to_numpy = needed("onnx.helper", "reading ONNX").tensor_dtype_to_np_dtype
    element = kind.tensor_type.elem_type
    return bool(element) and np.issubdtype(to_numpy(element), np.integer)


def _node(proto: Any, graph: Graph) -> None:
    """Enter the outputs of a node in `graph`, as constants or as symbols."""
    if proto.domain not in ("", "ai.onnx"):
        raise GraphError(f"{proto.name or proto.output[0]}: operator {proto.op_type} of the domain {proto.domain}")
    if fold(proto, graph):
        return
    node = OnnxNode(proto, graph)
    if node.kind not in IMPORTERS:
        raise GraphError(f"{node.name}: ONNX operator {node.kind} has no counterpart here")
    try:
        made = IMPORTERS[node.kind](node)
    except RefusedNode:  # says which one
        raise
    except PushgradError as error:
        error.locate(f"{node.name} ({node.kind})")
        raise
    outputs = [made] if isinstance(made, Symbol) else made
    graph.symbols.update(dict(zip(proto.output, outputs, strict=False)))
    for name in proto.output[len(outputs) :]:  # outputs that the importer does not make, such as Dropout's mask
        graph.symbols.pop(name, None)


def _output(graph: Graph, name: str) -> Symbol:
    """An output of the graph as a symbol."""
    if name in graph.constants:
        return graph.parameter(name, graph.constants[name])
    if name not in graph.symbols:
        raise GraphError(f"output {name}: no node computes it")
    return graph.symbols[name]
