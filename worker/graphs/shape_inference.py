"""Shape inference: what is known of some shapes, carried through the graph in both directions until nothing changes.

In a shape that is known in part, 0 stands for an unknown extent; None is a shape of which nothing is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from ...common.errors import GraphError, PushgradError, ShapeError
from ...common.suggestion import suggestion
from ..array import Shape
from ..ops.operator import PartialShape
from ..ops.parameters import Ints
from ..ops.shapes import known, merge
from .node import Entry, Node

Shapes = dict[Entry, PartialShape]

_EXTENTS = Ints(minimum=0)


class UnknownShapes(GraphError):
    """The shapes that were given do not determine all others."""


def parse_shape(shape: object, where: str, error: type[PushgradError] = ShapeError) -> PartialShape:
    """A shape, or its text, as a tuple of extents (0: an open one); None stays None. Raises `error` for all else."""
    if shape is None:
        return None
    try:
        return _EXTENTS.parse(shape)
    except (ValueError, TypeError, SyntaxError):  # `__shape__` is text, which may come from any file
        raise error(where, expected="a tuple of whole numbers", got=repr(shape)[:100]) from None


def infer_partial(nodes: Sequence[Node], given: Mapping[str, Shape]) -> Shapes:
    """What follows from the shapes of variables, `given` by name or attached as `__shape__`, for every entry.

    Sweeps go forward and backward in turn, since a label tells the batch size as well as the data do; each sweep only
    adds knowledge, so they end. Raises ShapeError that names the node where two shapes contradict each other, and
    GraphError if a given name is no variable's, or two variables'.
    """
    shapes = _start(nodes, given)
    left, changed = [node for node in nodes if node.op is not None], True
    while left and changed:
        # Every visit tells inputs as well as outputs, so a sweep in which nothing changes means that nothing ever will.
        found = [_visit(node, shapes) for node in left]
        changed = Found.NEWS in found or Found.ALL in found
        left = [node for node, one in zip(left, found, strict=True) if one is not Found.ALL]
        left.reverse()
    return shapes


def complete(shapes: Shapes) -> dict[Entry, Shape]:
    """`shapes` as they are, if all are known. Raises UnknownShapes, which names the variables whose shape is not."""
    found = {entry: shape for entry, shape in shapes.items() if shape is not None and known(shape)}
    if len(found) < len(shapes):
        raise UnknownShapes(f"cannot infer the shape of {', '.join(_unknown(shapes))}", remedy="Give it by name.")
    return found


def _unknown(shapes: Shapes) -> list[str]:
    """Names of what has no complete shape: variables, since these can be given, or nodes if all variables have one."""
    missing = [node for (node, _), shape in shapes.items() if not known(shape)]
    variables = [node.name for node in missing if node.op is None]
    return variables or sorted({node.name for node in missing})


def check_names(nodes: Sequence[Node]) -> None:
    """Raise GraphError if two variables share a name, since arrays are given and kept by name."""
    counted = Counter(node.name for node in nodes if node.op is None)
    twice = [name for name, number in counted.items() if number > 1]
    if twice:
        raise GraphError(
            f"duplicate argument name {', '.join(twice)}",
            remedy="Use one Variable object in both places, or name them apart.",
        )


def _start(nodes: Sequence[Node], given: Mapping[str, Shape]) -> Shapes:
    check_names(nodes)
    names = [node.name for node in nodes if node.op is None]
    for name in given:
        if name not in names:
            raise GraphError(f"no argument {name}{suggestion(name, names)}")
    shapes: Shapes = {}
    for node in nodes:
        if node.op is None:
            shapes[node, 0] = _variable_shape(node, given.get(node.name))
        else:
            shapes.update(((node, index), None) for index in range(len(node.op.outputs())))
    return shapes


def _variable_shape(node: Node, given: object) -> PartialShape:
    attached, where = node.attrs.get("__shape__"), f"variable {node.name}: shape"
    return merge(parse_shape(given, where), parse_shape(attached, where), where)


class Found(Enum):
    """What a visit to an operator has found."""

    NOTHING, NEWS = auto(), auto()
    # All shapes, none of which another visit would doubt: before, each input's was known or not, and no output's.
    ALL = auto()


def _visit(node: Node, shapes: Shapes) -> Found:
    """Let one operator add what it can tell about the shapes around it."""
    assert node.op is not None
    arguments, outputs = node.arguments(), [(node, index) for index in range(len(node.op.outputs()))]
    states = node.inputs[len(arguments) :]
    inputs = [shapes[entry] for entry in arguments]
    is_first = not any(shapes[entry] for entry in outputs) and all(shape is None or known(shape) for shape in inputs)
    try:
        new_inputs, new_outputs = node.op.infer_shape(inputs, [shapes[entry] for entry in outputs])
        new_states = node.op.auxiliary_shapes(new_inputs)
        found = zip((*arguments, *outputs, *states), (*new_inputs, *new_outputs, *new_states), strict=True)
        news = [(entry, shape) for entry, shape in found if shape is not None and shape != shapes[entry]]
        changes = [_update(entry, shape, node.op.op_name(), shapes) for entry, shape in news]  # all, then any()
    except ShapeError as error:
        raise _located(error, node) from None
    if is_first and all(known(shapes[entry]) for entry in (*node.inputs, *outputs)):
        return Found.ALL
    return Found.NEWS if any(changes) else Found.NOTHING


def _update(entry: Entry, shape: PartialShape, operator: str, shapes: Shapes) -> bool:
    before = shapes[entry]
    shapes[entry] = shape if before is None else merge(before, shape, f"{operator}: {entry[0].name}")
    return shapes[entry] != before


def _located(error: ShapeError, node: Node) -> ShapeError:
    """The error of an operator, with the node's name in it."""
    assert node.op is not None
    operator = node.op.op_name()  # the error's text begins with it already, in most cases
    text = f"{operator} {node.name}: {error.text.removeprefix(operator).removeprefix(': ')}"
    return ShapeError(text, expected=error.expected, got=error.got, remedy=error.remedy)
