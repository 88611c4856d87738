"""The content of a network's picture: a box for each operator and input, an arrow for each array between them.

Where boxes and arrows go is decided in layers.py, how they look in plot.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..array import Shape
from ..graphs.graph import Graph
from ..graphs.node import Entry, Node
from ..graphs.shape_inference import infer_partial
from ..ops.operator import PartialShape
from ..ops.shapes import known
from .table import count, held_variables, parameters_of

# fill colours by kind of operator, pale enough for dark text
_COLOURS = {
    "input": "#e6e6e6",
    "convolution": "#f4b8ae",
    "dense": "#f7cf9e",
    "norm": "#f3eaa2",
    "activation": "#bfe3b4",
    "pooling": "#b3dbe8",
    "join": "#c3c9ec",
    "loss": "#dcbfe6",
    "other": "#f4f4f4",
}
_KINDS = {
    "convolution": ("Convolution", "Deconvolution"),
    "dense": ("FullyConnected", "Embedding", "RNN", "dot", "batch_dot"),
    "norm": ("BatchNorm", "LRN", "InstanceNorm", "L2Normalization", "LayerNorm", "Dropout"),
    "activation": ("Activation", "LeakyReLU", "clip", "softmax", "log_softmax", "SoftmaxActivation"),
    "pooling": ("Pooling", "UpSampling", "ROIPooling"),
    "join": ("Concat", "Flatten", "Reshape", "ElementWiseSum", "SliceChannel", "Pad", "Crop", "elemwise_add"),
    "loss": ("SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}


@dataclass(frozen=True)
class Box:
    """A node's name above a line about what it computes; `colour` is the fill, as #rrggbb."""

    name: str
    detail: str
    colour: str


@dataclass(frozen=True)
class Arrow:
    """An array that goes from box `source` to box `target` (their indices), labelled with its shape."""

    source: int
    target: int
    label: str


@dataclass(frozen=True)
class Drawing:
    """Boxes, each after those that it takes inputs from, and arrows between them."""

    boxes: list[Box]
    arrows: list[Arrow]


def draw(symbol: Graph, shape: Mapping[str, Shape] | None, hide_weights: bool) -> Drawing:
    """The drawing of a network. `shape` gives shapes of inputs by name, such as {"data": (1, 3, 224, 224)}.

    Arrows are labelled with the shapes that follow from those, the number of rows left out, and boxes have the numbers
    of their parameters, as `print_summary` counts them. `hide_weights` leaves out parameters and auxiliary states.
    Raises ShapeError if the shapes contradict the network.
    """
    nodes, given = symbol.nodes(), dict(shape or {})
    shapes = infer_partial(nodes, given) if given else {}
    hidden = held_variables(nodes, given) if hide_weights else set()
    shown = [node for node in nodes if node not in hidden]
    number = {node: index for index, node in enumerate(shown)}
    arrows = [
        Arrow(number[entry[0]], number[node], _label(entry, shapes))
        for node in shown
        for entry in dict.fromkeys(node.inputs)  # an array that is used twice by one node is one arrow
        if entry[0] in number
    ]
    own = parameters_of(nodes, held_variables(nodes, given))
    return Drawing([_box(node, count(own[node], shapes) if given and node in own else "") for node in shown], arrows)


def _box(node: Node, parameters: str) -> Box:
    """A node's box; `parameters` says how many it has, "" if that is not known."""
    if node.op is None:
        return Box(node.name, "", _COLOURS["input"])
    name = node.op.op_name()
    detail = " ".join(part for part in (name, _brief(node.op.attrs())) if part)
    if parameters not in ("", "0"):
        detail += f" · {parameters} parameters"
    return Box(node.name, detail, _COLOURS[_KIND_OF.get(name, "other")])


def _brief(attrs: Mapping[str, str]) -> str:
    """The parameters worth seeing at a glance: "3x3/2, 64" is a kernel, its stride and the number of filters."""
    if attrs.get("global_pool") == "True":
        return f"global {attrs.get('pool_type', 'max')}"
    parts = []
    if "kernel" in attrs:
        strides = _times(attrs.get("stride", "1")).split("x")
        stride = strides[0] if len(set(strides)) == 1 else "x".join(strides)
        parts.append(_times(attrs["kernel"]) + (f"/{stride}" if stride != "1" else ""))
    for key in ("act_type", "pool_type", "num_filter", "num_hidden", "output_dim", "p", "scalar", "num_outputs", "dim"):
        if key in attrs:
            parts.append(attrs[key])
    if int(attrs.get("num_group", 1)) > 1:
        parts.append(f"{attrs['num_group']} groups")
    return ", ".join(parts)


def _times(text: str) -> str:
    """The text "(3, 3)" as "3x3"."""
    return "x".join(text.strip("()[], ").replace(" ", "").split(","))


def _label(entry: Entry, shapes: Mapping[Entry, PartialShape]) -> str:
    """An array's shape without the number of rows, or nothing if it is not known."""
    found = shapes.get(entry)
    if not known(found) or not found:
        return ""
    return "x".join(map(str, found[1:]))
