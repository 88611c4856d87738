"""An operator applied to graphs: its inputs and parameters sorted out, missing inputs made, the node named.

It knows the class Graph alone, so that methods and arithmetic of Symbol can be built on it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...common.errors import GraphError, ParameterError
from ...common.suggestion import suggestion
from ..graphs.graph import Graph
from ..graphs.naming import attributes_of, node_attributes, node_name
from ..graphs.node import Entry, Node
from ..ops.operator import Operator, lookup
from ..ops.parameters import declared

AnyGraph = TypeVar("AnyGraph", bound=Graph)


def entries(
    called: str,
    /,
    *args: Any,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> tuple[Entry, ...]:
    """The outputs of a new node: the operator of the name or alias `called`, applied to graphs.

    Inputs that are left out become variables `<node>_<input>`. Keywords are inputs (symbols), parameters, or attributes
    `__key__="text"`. By position come the inputs (for an operator of any number of them, all outputs of each symbol)
    and, once these are complete, parameters in order. Raises GraphError for an unknown operator, inputs that do not
    fit it or a wrong name or attribute, and ParameterError for an unknown, missing or wrong parameter.
    """
    kind = lookup(called)
    hidden = {key: keywords.pop(key) for key in list(keywords) if is_hidden(key)}
    inputs, parameters = _split_positions(called, kind, args, keywords)
    operator, by_name = _instantiate(called, kind, inputs, {**keywords, **parameters})
    # Only the operator knows how many inputs it has, which may depend on its parameters. If a value that is no symbol
    # came where an input was due, it was no parameter: _single raises the error that says so.
    if parameters and len(inputs) < len(operator.arguments()):
        _single(called, f"{len(inputs) + 1} by position", args[len(inputs)])
    given = _bind_inputs(called, operator, inputs, by_name)
    node = node_name(name, called)
    attrs = _operator_attributes(attr, hidden, f"{called} {node}")
    slots = (*operator.arguments(), *operator.auxiliaries())
    filled = tuple(given.get(slot) or _made_input(operator, node, slot, attrs) for slot in slots)
    made = Node(operator, node, attrs, filled)
    return tuple((made, index) for index in range(len(operator.outputs())))


def function(called: str, kind: type[AnyGraph]) -> Callable[..., AnyGraph]:
    """A function that applies an operator and returns a `kind` (a class of graphs); its docstring is the operator's,
    with a list of the parameters. Raises GraphError if there is no such operator.
    """
    operator = lookup(called)

    def make(*args: Any, name: str | None = None, attr: Mapping[str, str] | None = None, **keywords: Any) -> AnyGraph:
        return kind(entries(called, *args, name=name, attr=attr, **keywords))

    make.__name__ = make.__qualname__ = called
    parameters = [
        f"{key}: {item.kind}{', required' if item.required else f', default {item.default!r}'}"
        for key, item in declared(operator).items()
    ]
    make.__doc__ = "\n".join([inspect.getdoc(operator) or called, "", "Parameters:", *(f"    {p}" for p in parameters)])
    return make


def _split_positions(
    called: str, kind: type[Operator], args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> tuple[tuple[Graph | None, ...], dict[str, Any]]:
    """The inputs among `args`, and by name the parameters that follow them.

    An argument in the wrong place is passed to `_single`, which raises the error that names it.
    """
    # None stands for an input that is left out; the first value that is neither a symbol nor None is a parameter.
    count = next((i for i, value in enumerate(args) if not (value is None or isinstance(value, Graph))), len(args))
    names = list(declared(kind))
    if kind.variadic:
        if count < len(args):
            _single(called, f"{count + 1} by position", args[count])
        return tuple(Graph((head,)) for value in args for head in _heads(value)), {}
    for position, value in enumerate(args[:count], 1):
        if value is not None:
            _single(called, f"{position} by position", value)
    parameters = dict(zip(names, args[count:], strict=False))
    if len(args) - count > len(names) or parameters.keys() & keywords.keys():
        _single(called, f"{count + 1} by position", args[count])
    return args[:count], parameters


def _heads(value: Graph | None) -> tuple[Entry, ...]:
    return () if value is None else value.heads


def _instantiate(
    called: str, kind: type[Operator], args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Operator, dict[str, Any]]:
    """The operator with its parameters, and the keywords that are inputs."""
    known = declared(kind)
    open_ended = kind.open_parameters  # then every keyword that is no symbol is a parameter
    inputs = {k: v for k, v in keywords.items() if k not in known and (not open_ended or isinstance(v, Graph))}
    parameters = {key: value for key, value in keywords.items() if key not in inputs}
    for key, value in parameters.items():
        if isinstance(value, Graph):
            raise ParameterError(f"{called}: parameter {key}", expected=known[key].kind, got="a symbol")
    if kind.variadic and "num_args" not in parameters:
        parameters["num_args"] = len(args) + len(inputs)
    # Before `kind(...)` complains of missing parameters: one of these may be what was meant.
    strangers = [key for key, value in inputs.items() if value is not None and not isinstance(value, Graph)]
    for key in strangers:
        _refuse_stranger(called, kind, parameters, key, inputs[key])
    return kind(**parameters), inputs


def _refuse_stranger(called: str, kind: type[Operator], parameters: dict[str, Any], key: str, value: object) -> None:
    """Say why a keyword that is neither a parameter nor a symbol cannot be used."""
    required = {name for name, item in declared(kind).items() if item.required}
    # The names of inputs may depend on parameters, so they are only known if the operator can be made.
    inputs = kind(**parameters).arguments() if required <= parameters.keys() else ()
    if key in inputs:
        raise GraphError(f"{called}: input {key}", expected="a symbol", got=repr(value)[:80])
    raise ParameterError(f"{called}: no parameter {key}{suggestion(key, [*declared(kind), *inputs])}")


def _bind_inputs(
    called: str, operator: Operator, args: tuple[Any, ...], keywords: Mapping[str, Graph | None]
) -> dict[str, Entry]:
    """The entry of every input that was given, by the input's name."""
    slots = (*operator.arguments(), *operator.auxiliaries())
    if len(args) > len(slots):
        raise GraphError(f"{called}: inputs by position", expected=f"at most {len(slots)}", got=len(args))
    given: dict[str, Any] = dict(zip(slots, args, strict=False))
    for key, value in keywords.items():
        if key not in slots:
            raise GraphError(f"{called}: no input {key}{suggestion(key, slots)}")
        if given.get(key) is not None:
            raise GraphError(f"{called}: input {key} is given twice, by position and by name")
        given[key] = value
    return {key: _single(called, key, value) for key, value in given.items() if value is not None}


def _made_input(operator: Operator, node: str, slot: str, attrs: Mapping[str, str]) -> Entry:
    """A variable for an input that was left out."""
    return Node(None, f"{node}_{slot}", {**operator.variable_attributes(slot), **attrs}), 0


def _single(called: str, key: str, value: object) -> Entry:
    """The only output of `value`, given for the input `key`. GraphError if it is no symbol or has several outputs."""
    if not isinstance(value, Graph):
        raise GraphError(
            f"{called}: input {key}",
            expected="a symbol",
            got=repr(value)[:80],
            remedy="Parameters are given by name, such as num_hidden=10.",
        )
    if len(value.heads) != 1:
        raise GraphError(f"{called}: input {key}", expected="a symbol with one output", got=value.list_outputs())
    return value.heads[0]


def _operator_attributes(attr: Mapping[str, str] | None, hidden: Mapping[str, str], where: str) -> dict[str, str]:
    """Attributes of an operator: all `__key__`, since files keep them among its parameters."""
    attrs = {**node_attributes(attr, where), **attributes_of(hidden, where)}
    for key in attrs:
        if not is_hidden(key):
            raise GraphError(f"{where}: attribute {key}", expected=f"__{key}__")
    return attrs


def is_hidden(key: str) -> bool:
    """Whether `key` is an attribute that users attach, `__like_this__`, and no parameter."""
    return len(key) > 4 and key.startswith("__") and key.endswith("__")  # longer than its underscores alone
