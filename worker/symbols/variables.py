"""`mx.sym.Variable` and `mx.sym.Group`."""

from __future__ import annotations

from collections.abc import Mapping

from ...common.errors import GraphError, ParameterError
from ..array import Shape
from ..graphs.naming import attributes_of, node_attributes
from ..graphs.node import Node
from ..graphs.shape_inference import parse_shape
from ..ops.parameters import Float, element_type
from .compose import is_hidden
from .symbol import Symbol

# What MXNet calls element types in its files of graphs and arrays.
TYPE_FLAGS = {
    "float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7, "bfloat16": 12,
}  # fmt: skip


def variable(
    name: str,
    attr: Mapping[str, str] | None = None,
    shape: Shape | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: object = None,
    init: object = None,
    **hidden: str,
) -> Symbol:
    """A named input: data, a label, or a parameter that is learned.

    `shape` may leave extents open with 0. `lr_mult` and `wd_mult` scale learning rate and weight decay of this
    parameter; `init` is an initializer or its JSON description. `dtype` is kept for MXNet, in its files' numbers, and
    has no effect here. Further keywords must look like `__key__="text"`. Raises GraphError for a bad name or
    attribute, ParameterError for a bad shape, type or multiplier, an unknown keyword, or an initializer that no text
    describes.
    """
    if not isinstance(name, str) or not name:
        raise GraphError("Variable: name", expected="a string that is not empty", got=repr(name))
    for key in hidden:
        if not is_hidden(key):
            raise ParameterError(f"Variable {name}: no parameter {key}. Attributes are written __{key}__")
    attrs = {**node_attributes(attr, f"Variable {name}"), **attributes_of(hidden, f"Variable {name}")}
    extents = parse_shape(shape, "Variable: shape", ParameterError)
    if dtype is not None:
        attrs["__dtype__"] = str(TYPE_FLAGS[element_type(f"Variable {name}: dtype", dtype)])
    for key, factor in (("lr_mult", lr_mult), ("wd_mult", wd_mult)):
        if factor is not None:
            attrs[f"__{key}__"] = _number(f"Variable {name}: {key}", factor)
    described = {"shape": extents, "init": init}
    attrs.update({f"__{key}__": _text(value) for key, value in described.items() if value is not None})
    return Symbol(((Node(None, name, attrs), 0),))


def group(symbols: list[Symbol] | tuple[Symbol, ...]) -> Symbol:
    """One symbol with the outputs of all, in order. Raises GraphError unless it is given at least one, and nothing but
    symbols.
    """
    for item in symbols:
        if not isinstance(item, Symbol):
            raise GraphError("Group", expected="a list of symbols", got=type(item).__name__)
    if len(symbols) == 0:
        raise GraphError("Group", expected="at least one symbol", got="none")
    return Symbol(tuple(head for item in symbols for head in item.heads))


def _number(where: str, value: object) -> str:
    """The text of a number. ParameterError, with `where`, if it is none."""
    try:
        Float().parse(value)
    except (ValueError, TypeError):
        raise ParameterError(where, expected="a number", got=repr(value)[:80]) from None
    return str(value)


def _text(value: object) -> str:
    """The text of an attribute: initializers describe themselves."""
    # Not asked for by class: initializers belong to a room above this one.
    describe = getattr(value, "dumps", None)
    return str(value if describe is None else describe())
