"""What old files leave open about a graph, settled with the help of the model's parameters.

Pooling rounded up until 8 July 2016, then down until 20 October, when files began to say how. CuDNNBatchNorm kept the
inverse of the standard deviation, under a name of its own. A loader that has a graph and its parameters calls both
`settle` functions; each returns the graph that it was given if there is nothing to settle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import numpy as np

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Shape
from ..ops.batch_norm import BatchNorm, CuDNNBatchNorm
from ..ops.operator import PartialShape
from ..ops.pooling import Pooling
from .graph import Graph
from .json_upgrade import ASSUMED
from .node import Entry, Node, rebuilt
from .shape_inference import infer_partial

AnyGraph = TypeVar("AnyGraph", bound=Graph)

CONVENTIONS = ("valid", "full")
# Inputs to try, the likeliest first, when a file and its parameters do not tell: any one that fits is good enough.
USUAL_CHANNELS = (3, 1)
USUAL_EXTENTS = (  # of square pictures, in pixels
    224, 28, 32, 299, 227, 256, 64, 96, 112, 128, 192, 320, 331, 384, 512, 8, 16, 48, 80, 100, 160, 200, 240, 400,
)  # fmt: skip


def settle_pooling(symbol: AnyGraph, shapes: Mapping[str, Shape], convention: str | None = None) -> AnyGraph:
    """`symbol` with the rounding ("valid" down, "full" up) of poolings that do not state theirs which fits `shapes`.

    `shapes` are those of the parameters by name, and of inputs if they are known; inputs of unknown extents are tried
    with usual ones, and the first one decides that only one rounding fits. What `load` has assumed stays if neither
    rounding fits, or both do: then `pooling_note` has something to say. `convention` settles it without a trial; raises
    ParameterError if it is neither valid nor full.
    """
    if convention not in (None, *CONVENTIONS):
        raise ParameterError("pooling_convention", expected=" or ".join(CONVENTIONS), got=repr(convention))
    unstated = {node for node in symbol.nodes() if _is_unstated(node)}
    if not unstated:
        return symbol
    forms = {
        name: symbol.with_heads(rebuilt(symbol.heads, partial(_with_convention, name, unstated)))
        for name in CONVENTIONS
    }
    if not any(ASSUMED in node.attrs for node in unstated):
        forms[_assumed(unstated)] = symbol  # not a guess: a graph of today that leaves out the default stays as it is
    if convention is not None:
        return forms[convention]
    names = set(symbol.list_inputs())
    known = {name: shape for name, shape in shapes.items() if name in names}
    for extent in USUAL_EXTENTS:
        fitting = {name: found for name, form in forms.items() if (found := _fitted(form, known, extent))}
        if len(fitting) == 1:
            return forms[next(iter(fitting))]
        if fitting:  # where both make the same shapes, nothing is left open
            same = fitting["valid"] == fitting["full"] and all(shape and all(shape[1:]) for shape in fitting["full"])
            return forms[_assumed(unstated)] if same else symbol
    return symbol


def pooling_note(symbol: Graph) -> str | None:
    """What a user should know of a network whose file and parameters leave the rounding of its poolings open."""
    count = sum(_is_unstated(node) and node.attrs.get(ASSUMED) == "pooling_convention" for node in symbol.nodes())
    if not count:
        return None
    return (
        f"The file does not say how its {count} poolings round, and the parameters' shapes do not tell. They are taken "
        "to round up, as before July 2016; for a file written from then to October 2016, load it with "
        'pooling_convention="valid"'
    )


def settle_states(symbol: AnyGraph, aux_params: Mapping[str, Array]) -> tuple[AnyGraph, dict[str, Array]]:
    """The graph with BatchNorm in place of CuDNNBatchNorm, and the states by name, with `moving_var` for its
    `moving_inv_var`; all have the shape (C,).

    cuDNN 4 kept averages of 1 / sqrt(variance + eps) there, later versions the variance itself. A value above the
    greatest possible inverse, 1 / sqrt(eps), shows that a layer has variances; otherwise it is what its name says.
    """
    renamed: dict[str, str] = {}
    values = dict(aux_params)
    for node in symbol.nodes():
        if isinstance(node.op, CuDNNBatchNorm):
            name = node.auxiliaries()[1][0].name
            renamed[name] = f"{name.removesuffix('moving_inv_var')}moving_var" if "moving_inv_var" in name else name
            if name in values:
                values[renamed[name]] = variance(values.pop(name), node.op.eps)
    if not renamed:
        return symbol, values
    return symbol.with_heads(rebuilt(symbol.heads, partial(_modern, renamed))), values


def variance(inverse: Array, eps: float) -> Array:
    """The variances (C,) of which `inverse` (C,) is 1 / sqrt(variance + eps); `inverse` itself if it cannot be that."""
    limit = 1.001 * eps**-0.5 if eps > 0 else np.inf  # a little more than the limit, as float32 rounds
    if inverse.size == 0 or inverse.max() > limit or inverse.min() <= 0:
        return inverse
    # float64, since inverse^-2 and eps may nearly cancel; what rounding leaves below zero is no variance.
    with np.errstate(over="ignore"):  # of a value near 0 it is infinite
        found: Array = np.maximum(inverse.astype(np.float64) ** -2 - eps, 0).astype(inverse.dtype)
    return found


def _is_unstated(node: Node) -> bool:
    if not isinstance(node.op, Pooling) or node.op.global_pool:
        return False
    return "pooling_convention" not in node.op.given or node.attrs.get(ASSUMED) == "pooling_convention"


def _with_convention(convention: str, among: set[Node], node: Node) -> Node:
    if node not in among or node.op is None:
        return node
    attrs = {key: text for key, text in node.attrs.items() if key != ASSUMED}
    op = type(node.op)(**{**node.op.attrs(), "pooling_convention": convention})
    return Node(op, node.name, attrs, node.inputs)


def _modern(renamed: Mapping[str, str], node: Node) -> Node:
    if node.op is None and node.name in renamed:
        return Node(None, renamed[node.name], node.attrs)
    if not isinstance(node.op, CuDNNBatchNorm):
        return node
    parameters = {"fix_gamma": str(node.op.fix_gamma), **node.op.attrs()}
    return Node(BatchNorm(**parameters), node.name, node.attrs, node.inputs)


def _assumed(unstated: set[Node]) -> str:
    """How poolings that do not state it are taken to round: all of a file in the same way."""
    return str(next(node.op.pooling_convention for node in unstated if isinstance(node.op, Pooling)))


def _fitted(symbol: Graph, known: Mapping[str, Shape], extent: int) -> list[PartialShape] | None:
    """The shapes of everything, with `extent` for inputs that are open; None if they contradict each other."""
    found = _inferred(symbol, known)
    if found is None:
        return None
    shapes = {node.name: shape for (node, _), shape in found.items() if node.op is None}
    unknown = [name for name, shape in shapes.items() if shape is None and name.endswith("data")]
    if unknown:  # nothing is known of the input: try it as pictures, which leaves it open with known channels
        pictures = [dict.fromkeys(unknown, (0, channels, 0, 0)) for channels in USUAL_CHANNELS]
        return next(filter(None, (_fitted(symbol, {**known, **picture}, extent) for picture in pictures)), None)
    if open_inputs := {name: shape for name, shape in shapes.items() if _is_open(shape)}:
        found = _inferred(symbol, {**known, **_filled(open_inputs, extent)})
    return None if found is None else list(found.values())


def _inferred(symbol: Graph, known: Mapping[str, Shape]) -> dict[Entry, PartialShape] | None:
    """The shapes that follow from `known`, in the order of the nodes; None if they contradict each other."""
    try:
        found = infer_partial(symbol.nodes(), known)
    except ShapeError:
        return None
    return {(node, i): found[node, i] for node in symbol.nodes() for i in range(len(node.output_names()))}


def _is_open(shape: PartialShape) -> bool:
    """Whether the channels are known and some extent behind them is not, as for pictures of any size."""
    return shape is not None and len(shape) > 2 and shape[1] > 0 and 0 in shape[2:]


def _filled(shapes: Mapping[str, PartialShape], extent: int) -> dict[str, Shape]:
    """The open shapes with `extent` where theirs are not known."""
    return {name: (*shape[:2], *(n or extent for n in shape[2:])) for name, shape in shapes.items() if shape}
