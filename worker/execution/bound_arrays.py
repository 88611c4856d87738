"""The arrays that a symbol is bound to, checked against the shapes that its graph demands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...common.errors import GraphError, ParameterError, ShapeError
from ..array import Array, Rows, Shape, aligned_zeros
from ..graphs.graph import Graph
from ..graphs.node import Entry, counts_labels, node_key
from ..ops.operator import Operator
from .batch_cuts import BatchCuts

REQUESTS = ("write", "add", "null")
Zeros = Callable[[Shape, Any], Array]  # an array of that shape and dtype


@dataclass
class Places:
    """Arrays that already exist, by name, such as a store's weights and gradients: a binding uses them as its own.

    Each has the shape that the graph demands for that name.
    """

    arguments: Mapping[str, Array] = field(default_factory=dict)
    gradients: Mapping[str, Array] = field(default_factory=dict)
    states: Mapping[str, Array] = field(default_factory=dict)


@dataclass
class Binding:
    """Arrays by name, each of the shape that `shapes` has for its variable, and all of one `dtype`.

    `requests` is "write", "add" or "null" per argument; only those that are not "null" have an array in `gradients`.
    `inputs` are the shapes that the caller gave, whose axis 0 is the batch; empty if the caller brought the arrays.
    """

    symbol: Graph
    arguments: dict[str, Array]
    gradients: dict[str, Array]
    auxiliaries: dict[str, Array]
    requests: dict[str, str]
    shapes: dict[Entry, Shape]
    inputs: dict[str, Shape]
    dtype: np.dtype[Any]
    # Losses that normalise by a count in a label which is an argument: the node's key, its operator, the label's name.
    counting: list[tuple[int, Operator, str]] = field(default_factory=list)

    @classmethod
    def allocate(
        cls,
        symbol: Graph,
        grad_req: Any,
        type_dict: Mapping[str, Any] | None,
        inputs: Mapping[str, Shape],
        places: Places | None = None,
        zeros: Zeros = aligned_zeros,
    ) -> Binding:
        """New arrays, all zeros, for the given input shapes, except for those that `places` provides.

        `zeros` makes an array of a shape and dtype. Raises GraphError if the shapes do not determine all others,
        ShapeError if they contradict each other or a place has another shape, and ParameterError for a bad `grad_req`.
        """
        shapes = symbol.infer_all(**inputs)
        by_name = {node.name: shape for (node, _), shape in shapes.items() if node.op is None}
        dtype = _one_dtype(type_dict or {})
        there = places or Places()
        arguments = {n: _array(there.arguments.get(n), by_name[n], dtype, zeros) for n in symbol.list_arguments()}
        requests = request_per_argument(list(arguments), grad_req)
        wanted = [name for name, request in requests.items() if request != "null"]
        gradients = {n: _array(there.gradients.get(n), by_name[n], dtype, zeros) for n in wanted}
        states = {n: _array(there.states.get(n), by_name[n], dtype, zeros) for n in symbol.list_auxiliary_states()}
        given = {name: by_name[name] for name in inputs}
        return cls(symbol, arguments, gradients, states, requests, shapes, given, dtype, _counting(symbol))

    @classmethod
    def adopt(
        cls,
        symbol: Graph,
        args: Any,
        args_grad: Any,
        grad_req: Any,
        aux_states: Any,
        take: Callable[[Any], Array] | None = None,
    ) -> Binding:
        """The caller's own arrays, by name or in order; an argument without an array in `args_grad` gets no gradient.

        `take` makes an array of what was given; by default `as_array`. Raises GraphError for unknown or missing names
        or mixed types, ParameterError for a bad `grad_req`, and ShapeError if shapes contradict the graph, or if an
        array that is written (a gradient or a state) is read-only or not in C order.
        """
        taken = take or as_array
        arguments = _by_name("args", symbol.list_arguments(), args, taken)
        states = _by_name("aux_states", symbol.list_auxiliary_states(), aux_states or {}, taken)
        given_grads = _by_name("args_grad", symbol.list_arguments(), args_grad or {}, taken, partial=True)
        requests = request_per_argument(list(arguments), grad_req)
        requests = {name: req if name in given_grads else "null" for name, req in requests.items()}
        gradients = {name: array for name, array in given_grads.items() if requests[name] != "null"}
        shapes = symbol.infer_all(**{name: array.shape for name, array in {**arguments, **states}.items()})
        for name, array in gradients.items():
            if array.shape != arguments[name].shape:
                raise ShapeError(f"args_grad {name}", expected=f"shape {arguments[name].shape}", got=array.shape)
        # Arguments are only read, so a kernel that needs one run of memory may use a copy of them.
        _require_plain({f"args_grad {n}": a for n, a in gradients.items()} | {f"aux {n}": a for n, a in states.items()})
        dtype = _one_dtype({name: array.dtype for name, array in {**arguments, **gradients}.items()})
        # No inputs: nobody has said which of the arrays follow the batch, so it cannot be cut.
        return cls(symbol, arguments, gradients, states, requests, shapes, {}, dtype, _counting(symbol))

    @cached_property
    def cuts(self) -> BatchCuts:
        """What tells how the batch may be cut into slices."""
        return BatchCuts(self.symbol, self.shapes, self.inputs, self.gradients.keys())

    def rows(self) -> int:
        """The number of examples: axis 0 of the inputs, or of the first output if the caller brought the arrays."""
        return self.cuts.rows

    def output_shapes(self) -> list[Shape]:
        """The shapes of the heads, for the whole batch."""
        return [self.shapes[entry] for entry in self.symbol.heads]

    def adds(self, name: str) -> bool:
        """Whether that argument's gradient is added to what its array holds ("add") instead of replacing it."""
        return self.requests[name] == "add"

    def variables(self, rows: Rows | None) -> dict[str, Array]:
        """Arguments and states as one slice sees them: views of its rows of what follows the batch, the rest whole.

        `rows` None: everything whole.
        """
        everything = {**self.arguments, **self.auxiliaries}
        if rows is None:
            return everything
        cut = {node.name: shape for (node, _), shape in self.cuts.slice_shapes(rows).items() if node.op is None}
        return {name: _cut(array, cut[name], rows) for name, array in everything.items()}


def _cut(array: Array, shape: Shape, rows: Rows) -> Array:
    """A view of these rows of `array` along the axis in which `shape` differs from its own; all of it if none does."""
    axis = next((i for i, (a, b) in enumerate(zip(array.shape, shape, strict=True)) if a != b), None)
    return array if axis is None else array[(*[slice(None)] * axis, slice(*rows))]


def _array(place: Array | None, shape: Shape, dtype: np.dtype[Any], zeros: Zeros) -> Array:
    if place is None:
        return zeros(shape, dtype)
    if place.shape != shape or place.dtype != dtype:
        raise ShapeError("array for an argument", expected=f"{shape} {dtype}", got=f"{place.shape} {place.dtype}")
    return place


def _require_plain(written: Mapping[str, Array]) -> None:
    """ShapeError unless kernels can write each array as one run of memory; else they would write to a copy of it."""
    for where, array in written.items():
        if not (array.flags.c_contiguous and getattr(array.flags, "writeable", True)):  # cupy's always are
            raise ShapeError(where, expected="a C-ordered writable array", got=f"strides {array.strides}")


def request_per_argument(names: list[str], grad_req: Any) -> dict[str, str]:
    """The request of each argument, from a word for all, a list in the order of `names`, or a dict by name.

    Arguments that a dict leaves out get "null". Raises ParameterError for an unknown name or request, or for a list of
    another length.
    """
    if isinstance(grad_req, str):
        found = dict.fromkeys(names, grad_req)
    elif isinstance(grad_req, Mapping):
        unknown = set(grad_req) - set(names)
        if unknown:
            raise ParameterError(f"grad_req: no argument named {', '.join(sorted(unknown))}", expected=", ".join(names))
        found = {name: grad_req.get(name, "null") for name in names}
    else:
        if len(grad_req) != len(names):
            raise ParameterError("grad_req", expected=f"{len(names)} entries", got=len(grad_req))
        found = dict(zip(names, grad_req, strict=True))
    for name, request in found.items():
        if request not in REQUESTS:
            raise ParameterError(f"grad_req of {name}", expected=" or ".join(REQUESTS), got=repr(request))
    return found


def as_array(value: Any) -> Array:
    """`value` as a numpy array of the same shape: itself, a view of its memory by DLPack, or else a copy."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__") and not np.isscalar(value):
        found: Array = np.from_dlpack(value)
        return found
    return np.asarray(value)


def _counting(symbol: Graph) -> list[tuple[int, Operator, str]]:
    found = []
    for node in symbol.nodes():
        if node.op is not None and counts_labels(node.op) and node.inputs[-1][0].op is None:
            found.append((node_key(node), node.op, node.inputs[-1][0].name))
    return found


def _one_dtype(dtypes: Mapping[str, Any]) -> np.dtype[Any]:
    kinds: set[np.dtype[Any]] = {np.dtype(dtype) for dtype in dtypes.values()} or {np.dtype(np.float32)}
    if len(kinds) > 1 or next(iter(kinds)).kind != "f":
        listed = ", ".join(f"{name} {np.dtype(dtype)}" for name, dtype in dtypes.items())
        raise GraphError("all arguments of a graph must have the same floating-point type", got=listed)
    (only,) = kinds
    return only


def _by_name(
    what: str, names: list[str], given: Any, take: Callable[[Any], Array], partial: bool = False
) -> dict[str, Array]:
    """The `given` arrays, a dict or a list in the order of `names`, by name. GraphError unless the names match;
    with `partial` some may be missing.
    """
    if not isinstance(given, Mapping):
        if len(given) != len(names):
            raise GraphError(what, expected=f"{len(names)} arrays ({', '.join(names)})", got=len(given))
        given = {name: array for name, array in zip(names, given, strict=True) if array is not None}
    missing = [name for name in names if name not in given]
    unknown = [name for name in given if name not in names]
    if unknown or (missing and not partial):
        problem = f"no argument named {', '.join(unknown)}" if unknown else f"missing {', '.join(missing)}"
        raise GraphError(f"{what}: {problem}", expected=", ".join(names))
    return {name: take(given[name]) for name in names if name in given}
