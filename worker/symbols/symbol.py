"""Symbol: an immutable graph of operators, named, described and bound to arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...common.errors import GraphError
from ...common.suggestion import suggestion
from ..array import Array, Shape
from ..graphs import shape_inference
from ..graphs.naming import both_spellings
from ..graphs.node import Entry, Node, postorder, substitute
from ..ops.operator import PartialShape
from ..ops.shapes import known
from .arithmetic import Arithmetic

if TYPE_CHECKING:
    from ..execution.executor_base import BaseExecutor

__all__ = ["Entry", "Node", "Symbol"]

Inferred = tuple[list[PartialShape] | None, list[PartialShape] | None, list[PartialShape] | None]


class Symbol(Arithmetic):
    """One or more outputs of a graph. Made by `mx.sym`'s functions and by arithmetic; never changed afterwards."""

    __slots__ = ("_nodes", "heads")

    def __init__(self, heads: tuple[Entry, ...]) -> None:
        self.heads = heads
        self._nodes: tuple[Node, ...] | None = None

    # -- what is in it ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name of its node; None for a group."""
        names = {node.name for node, _ in self.heads}
        return names.pop() if len(names) == 1 else None

    def nodes(self) -> list[Node]:
        """All nodes, inputs before users (depth first, as MXNet orders them)."""
        if self._nodes is None:
            self._nodes = tuple(postorder(self.heads))
        return list(self._nodes)

    def list_arguments(self) -> list[str]:
        """Names of the variables that are inputs or learned, in order."""
        states = self._states()
        return [node.name for node in self.nodes() if node.op is None and node not in states]

    def list_auxiliary_states(self) -> list[str]:
        """Names of the variables that operators update themselves, such as moving averages."""
        states = self._states()
        return [node.name for node in self.nodes() if node in states]

    def list_inputs(self) -> list[str]:
        """Names of all variables."""
        return [node.name for node in self.nodes() if node.op is None]

    def list_outputs(self) -> list[str]:
        """Names of the outputs: `fc1_output`, or a variable's own name."""
        return [node.output_names()[index] for node, index in self.heads]

    def _states(self) -> set[Node]:
        return {entry[0] for node in self.nodes() for entry in node.auxiliaries()}

    # -- parts of it -----------------------------------------------------------------------------------------------

    def get_internals(self) -> Symbol:
        """A group of every output of every node, so that `symbol.get_internals()["fc1_output"]` cuts the graph."""
        return Symbol(tuple((node, i) for node in self.nodes() for i in range(len(node.output_names()))))

    def get_children(self) -> Symbol | None:
        """A group of the inputs of this symbol's nodes; None for variables."""
        entries = tuple(dict.fromkeys(entry for node, _ in self.heads for entry in node.inputs))
        return Symbol(entries) if entries else None

    def __getitem__(self, key: str | int) -> Symbol:
        if isinstance(key, str):
            key = self._position(key)
        if not -len(self.heads) <= key < len(self.heads):
            raise IndexError(f"output {key} of a symbol with {len(self.heads)}")
        return Symbol((self.heads[key],))

    def _position(self, name: str) -> int:
        outputs = self.list_outputs()
        if outputs.count(name) != 1:
            problem = f"no output {name}{suggestion(name, outputs)}" if name not in outputs else f"two outputs {name}"
            raise GraphError(problem)
        return outputs.index(name)

    def __len__(self) -> int:
        return len(self.heads)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol((head,)) for head in self.heads)

    def __call__(self, **inputs: Symbol) -> Symbol:
        """The same graph with variables replaced: `net(data=other)`."""
        for name, value in inputs.items():
            if not isinstance(value, Symbol) or len(value) != 1:
                raise GraphError(f"argument {name}", expected="a symbol with one output", got=repr(value)[:80])
        return Symbol(substitute(self.heads, {name: value.heads[0] for name, value in inputs.items()}))

    def __repr__(self) -> str:
        return f"<Symbol {self.name or 'group [' + ', '.join(node.name for node, _ in self.heads) + ']'}>"

    def __copy__(self) -> Symbol:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Symbol:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from ..graphs.json_text import loads

        return loads, (self.tojson(),)

    # -- attributes ------------------------------------------------------------------------------------------------

    def attr(self, key: str) -> str | None:
        """An attribute of this symbol's node, or None; GraphError for a group."""
        return self.list_attr().get(key)

    def list_attr(self) -> dict[str, str]:
        """Parameters and attributes of this symbol's node, as strings."""
        if len(self.heads) != 1:
            raise GraphError("attributes belong to one output", got=self)
        return _attributes(self.heads[0][0])

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Parameters and attributes of every node that has any, by node name."""
        return {node.name: found for node in self.nodes() if (found := _attributes(node))}

    # -- shapes ----------------------------------------------------------------------------------------------------

    def infer_shape(self, *args: Shape, **shapes: Shape) -> Inferred:
        """Shapes of arguments, outputs and auxiliary states from some of them, by name or in order of arguments.

        (None, None, None) and a warning that lists the unknown ones if some cannot be told; ShapeError names the
        node where shapes contradict each other.
        """
        found = self.infer_shape_partial(*args, **shapes)
        names = [*self.list_arguments(), *self.list_outputs(), *self.list_auxiliary_states()]
        flat = [shape for part in found if part is not None for shape in part]
        unknown = [name for name, shape in zip(names, flat, strict=True) if not known(shape)]
        if not unknown:
            return found
        warnings.warn(f"infer_shape: cannot tell the shape of {', '.join(unknown)}", stacklevel=2)
        return None, None, None

    def infer_shape_partial(self, *args: Shape, **shapes: Shape) -> Inferred:
        """As `infer_shape`, with None for an unknown shape and 0 for an unknown extent."""
        arguments = self.list_arguments()
        if len(args) > len(arguments):
            raise GraphError("infer_shape: shapes by position", expected=f"at most {len(arguments)}", got=len(args))
        given = {**dict(zip(arguments, args, strict=False)), **shapes}
        found = shape_inference.infer_partial(self.nodes(), given)
        by_name = {node.name: shape for (node, _), shape in found.items() if node.op is None}
        return (
            [by_name[name] for name in arguments],
            [found[head] for head in self.heads],
            [by_name[name] for name in self.list_auxiliary_states()],
        )

    def infer_all(self, **shapes: Shape) -> dict[Entry, Shape]:
        """The shape of every entry of the graph; GraphError names the arguments whose shape cannot be told."""
        return shape_inference.infer_all(self.nodes(), shapes)

    # -- files -----------------------------------------------------------------------------------------------------

    def tojson(self) -> str:
        """The graph in the JSON of MXNet 1.x."""
        from ..graphs.json_text import dumps

        return dumps(self)

    def save(self, fname: str | Path) -> None:
        """Write the JSON to a file: aside first, then renamed."""
        from ..graphs.json_text import save

        save(self, Path(fname))

    # -- arrays ----------------------------------------------------------------------------------------------------

    def simple_bind(
        self,
        ctx: Any = None,
        grad_req: str | list[str] | dict[str, str] = "write",
        type_dict: Mapping[str, Any] | None = None,
        slices: int | None = None,
        **shapes: Shape,
    ) -> BaseExecutor:
        """An executor with arrays of its own, for the given input shapes."""
        from ..execution.choose_executor import simple_bind

        shape_inference.check_names(self.nodes())
        return simple_bind(self, ctx, grad_req, type_dict, slices, shapes)

    def bind(
        self,
        ctx: Any,
        args: list[Array] | Mapping[str, Array],
        args_grad: list[Array] | Mapping[str, Array] | None = None,
        grad_req: str | list[str] | dict[str, str] = "write",
        aux_states: list[Array] | Mapping[str, Array] | None = None,
    ) -> BaseExecutor:
        """An executor that computes on the caller's arrays, by name or in order of arguments.

        They must lie where `ctx` says: on a GPU they are cupy's, or others with DLPack.
        """
        from ..execution.choose_executor import bind

        shape_inference.check_names(self.nodes())
        return bind(self, ctx, args, args_grad, grad_req, aux_states)


def _attributes(node: Node) -> dict[str, str]:
    return both_spellings({**node.parameters(), **node.attrs})
