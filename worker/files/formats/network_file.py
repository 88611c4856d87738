"""Reading and writing networks and arrays in files of any format that is known here; the file's name tells which.

`pushgrad convert` and `pushgrad summary` are built on `read` and `write`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ....common.errors import FileFormatError, ParameterError
from ...array import Array, Shape
from ...symbols.symbol import Symbol
from .. import checkpoint, ndfile
from .efficientnet import from_torch
from .onnx.exporter import export_onnx
from .onnx.importer import import_onnx
from .safetensors_file import load_safetensors, load_symbol, save_safetensors
from .torch.torch_file import load_torch

TORCH = (".pth", ".pt", ".whl")
PLAIN = (".params", ".nd")
SAFETENSORS = ".safetensors"
ONNX = ".onnx"


@dataclass
class Content:
    """What is in a file: a network, or arrays without a graph (then `symbol` is None, and all are in `arguments`).

    Arrays have the shapes of their parameters; `what` says in words what the file holds.
    """

    what: str
    symbol: Symbol | None
    arguments: dict[str, Array]
    states: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)  # of inputs, where the format tells

    def arrays(self) -> dict[str, Array]:
        """All arrays, as they are, under the names for a file of arrays: arg:fc1_weight, or plain without a graph."""
        if self.symbol is None:
            return self.arguments
        arguments = {f"arg:{name}": value for name, value in self.arguments.items()}
        return arguments | {f"aux:{name}": value for name, value in self.states.items()}

    def parameters(self) -> int:
        """The number of scalars in all learned arrays, auxiliary states not included."""
        return sum(value.size for value in self.arguments.values())


def read(name: str, as_network: bool, symbol: Symbol | None = None) -> Content:
    """The content of the checkpoint PREFIX:EPOCH or PREFIX-0001.params, or of a file whose suffix tells its format.

    `as_network` says that arrays alone will not do: torch weights are then taken for those of EfficientNet-Lite0.
    `symbol` is the graph of arrays that come without one. Raises FileFormatError if the file is missing, damaged or of
    no known kind; GraphError for an ONNX operator that has no counterpart here.
    """
    suffix = Path(name).suffix.lower()
    # First: PREFIX-0001.params beside its graph is a checkpoint, although .params alone means plain arrays.
    if found := _checkpoint(name):
        return Content("checkpoint", *checkpoint.load_parts(*found, symbol))
    if suffix in TORCH:
        return _torch(name, as_network)
    if suffix == ONNX:
        return Content("ONNX", *import_onnx(name))
    if suffix == SAFETENSORS:
        return _content("safetensors", load_safetensors(name), load_symbol(name) if symbol is None else symbol)
    if suffix in PLAIN:
        return _content("arrays", _by_name(name), symbol)
    kinds = ", ".join(("PREFIX:EPOCH", *TORCH, *PLAIN, SAFETENSORS, ONNX))
    raise FileFormatError(f"{name}: no known kind of file", expected=f"one of {kinds}")


def write(content: Content, name: str, shapes: dict[str, Shape], dynamic_batch: bool) -> list[Path]:
    """Write to a file whose suffix tells its format, or to PREFIX:EPOCH (PREFIX alone: epoch 0).

    A name with another suffix is refused, as it would hardly be meant as a PREFIX; PREFIX:EPOCH may have any.
    Returns the paths of the files written. `shapes` and `dynamic_batch` count for ONNX only; see `export_onnx`. Raises
    ParameterError if the suffix tells no format, the format needs a graph and there is none, or lacks an element type;
    FileFormatError if the folder does not exist; GraphError or ShapeError if the network cannot be expressed in ONNX.
    """
    path, suffix = Path(name), Path(name).suffix.lower()
    if suffix == ONNX:
        given = {**content.shapes, **shapes}  # what the user says goes before what the file said
        params = {**content.arguments, **content.states}
        export_onnx(_graph(content, name), params, given, path, dynamic_batch)
    elif suffix == SAFETENSORS:
        save_safetensors(path, content.arrays(), content.symbol)
    elif suffix in PLAIN:
        ndfile.save(path, content.arrays())
    else:
        if _numbered(name) is None:
            _refuse_unknown(name, suffix)
        prefix, epoch = _numbered(name) or (name, 0)
        written = checkpoint.save(prefix, epoch, _graph(content, name), content.arguments, content.states)
        return [checkpoint.paths(prefix, epoch)[0], written]
    return [path]


def _refuse_unknown(name: str, suffix: str) -> None:
    """ParameterError if `name` ends like a file of a kind that is not written. A number, as in v1.5, is no suffix."""
    if suffix and not suffix[1:].isdigit():
        raise ParameterError(
            f"{name}: {'torch files are read and not written' if suffix in TORCH else 'no known kind of file'}",
            expected=f"one of {', '.join((*PLAIN, SAFETENSORS, ONNX))}, or PREFIX:EPOCH",
            remedy=f"Write {name}:0 if it is the prefix of a checkpoint",
        )


def wants_network(name: str) -> bool:
    """Whether a file of that name is to hold a graph, and not only arrays."""
    return Path(name).suffix.lower() not in (SAFETENSORS, *PLAIN)


def _numbered(name: str) -> tuple[str, int] | None:
    """Prefix and epoch of PREFIX:EPOCH, or None."""
    match = re.fullmatch(r"(.+):(\d{1,18})", name)
    return (match[1], int(match[2])) if match else None


def _checkpoint(name: str) -> tuple[str, int] | None:
    """Prefix and epoch of PREFIX:EPOCH, or of PREFIX-0001.params if its graph is beside it, or None."""
    match = re.fullmatch(r"(.+)-(\d{4}|[1-9]\d{4,17})\.params", name)
    if match and checkpoint.paths(match[1], 0)[0].exists():
        return match[1], int(match[2])
    return _numbered(name)


def _torch(name: str, as_network: bool) -> Content:
    """A torch file's arrays or, as a state_dict has no graph, the one network whose weights are known here."""
    tensors = load_torch(name)
    if not as_network:
        return Content("torch weights", None, tensors)
    image: dict[str, Shape] = {"data": (1, 3, 224, 224)}
    return Content("EfficientNet-Lite0 in torch weights", *from_torch(tensors, name), image)


def _by_name(name: str) -> dict[str, Array]:
    """The arrays in an MXNet file by name; those without names get the numbers 0, 1, ..."""
    arrays = ndfile.load(name)
    return arrays if isinstance(arrays, dict) else {str(i): array for i, array in enumerate(arrays)}


def _content(what: str, arrays: dict[str, Array], symbol: Symbol | None) -> Content:
    """Arrays from a file, split into arguments and states if there is a graph; plain names count as arguments."""
    if symbol is None:
        return Content(what, None, arrays)
    arguments = {f"arg:{name}": name for name in symbol.list_arguments()}  # in the graph's order
    states = {f"aux:{name}": name for name in symbol.list_auxiliary_states()}
    plain = {(name if name[:4] in ("arg:", "aux:") else f"arg:{name}"): value for name, value in arrays.items()}
    if extra := [name for name in plain if name not in arguments and name not in states]:
        raise FileFormatError(f"the graph has no {', '.join(extra[:5])}", remedy="Do graph and arrays belong together?")
    learned = {short: plain[name] for name, short in arguments.items() if name in plain}
    return Content(what, symbol, learned, {short: plain[name] for name, short in states.items() if name in plain})


def _graph(content: Content, name: str) -> Symbol:
    """The graph, which the format of the file `name` needs."""
    if content.symbol is None:
        raise ParameterError(
            f"{name} holds a network, but there are only {content.what} without a graph",
            remedy="Name the graph: --symbol FILE-symbol.json",
        )
    return content.symbol
