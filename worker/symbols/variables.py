"""`mx.sym.Variable` and `mx.sym.Group`."""

from __future__ import annotations

from collections.abc import Mapping

from ...common.errors import GraphError, ParameterError
from ..array import Shape
from ..graphs.naming import attributes_of, node_attributes
from ..graphs.node import Node
from ..graphs.shape_inference import parse_shape
from .compose import is_hidden
from .symbol import Symbol


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
    parameter; `init` is an initializer or its JSON description. Further keywords must look like `__key__="text"`.
    Raises GraphError for a bad name or attribute and ParameterError for a bad shape or an unknown keyword.
    """
    if not isinstance(name, str) or not name:
        raise GraphError("Variable: name", expected="a string that is not empty", got=repr(name))
    for key in hidden:
        if not is_hidden(key):
            raise ParameterError(f"Variable {name}: no parameter {key}. Attributes are written __{key}__")
    attrs = {**node_attributes(attr, f"Variable {name}"), **attributes_of(hidden, f"Variable {name}")}
    extents = parse_shape(shape, "Variable: shape", ParameterError)
    described = {"shape": extents, "lr_mult": lr_mult, "wd_mult": wd_mult, "dtype": dtype, "init": init}
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


def _text(value: object) -> str:
    """The text of an attribute: initializers describe themselves, dtypes give their name."""
    # Not asked for by class: initializers belong to a room above this one.
    describe = getattr(value, "dumps", None)
    if describe is not None:
        return str(describe())
    return value.__name__ if isinstance(value, type) else str(value)
