"""Symbol: an immutable graph of operators, named, described and bound to arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.errors import GraphError
from ...common.suggestion import suggestion
from ..array import Array, Shape
from ..graphs import json_text, shape_inference
from ..graphs.graph import Inferred, attributes
from ..graphs.node import renamed, substitute
from ..ops.parameters import element_type
from ..ops.shapes import known
from .arithmetic import Arithmetic

if TYPE_CHECKING:
    from ..execution.executor_base import BaseExecutor

Types = list[type[np.generic]] | None
InferredTypes = tuple[Types, Types, Types]


class Symbol(Arithmetic):
    """One or more outputs of a graph, made by `mx.sym`'s functions and by arithmetic. Immutable.

    `symbol["fc1_output"]` or `symbol[0]` is one output as a symbol; iteration gives them all. `symbol(data=other)` is
    the same graph with variables replaced. Raises GraphError if no output, or more than one, has that name.
    """

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
            raise IndexError(f"no output {key}: the symbol has {len(self.heads)}")
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

    def __call__(self, *args: Symbol, name: str | None = None, **inputs: Symbol) -> Symbol:
        """The same graph with variables replaced, by name or in the arguments' order: `net(data=other)`, `net(other)`.

        `name` is a new one for the node whose outputs these are. Raises GraphError unless each value is a symbol with
        one output and each name is a variable's, and if a group of several nodes is to get a name.
        """
        given = self._in_order("composition", args, inputs)
        for argument, value in given.items():
            if not isinstance(value, Symbol) or len(value) != 1:
                raise GraphError(f"argument {argument}", expected="a symbol with one output", got=repr(value)[:80])
        heads = substitute(self.heads, {argument: value.heads[0] for argument, value in given.items()})
        return Symbol(heads if name is None else renamed(heads, name))

    def _in_order(self, where: str, args: tuple[Any, ...], by_name: Mapping[str, Any]) -> dict[str, Any]:
        """`by_name`, and `args` under the names of the arguments in their order. GraphError for too many or twice."""
        arguments = self.list_arguments()
        if len(args) > len(arguments):
            raise GraphError(f"{where}: arguments by position", expected=f"at most {len(arguments)}", got=len(args))
        placed = dict(zip(arguments, args, strict=False))
        if twice := placed.keys() & by_name.keys():
            raise GraphError(f"{where}: given twice, by position and by name", got=", ".join(sorted(twice)))
        return {**placed, **by_name}

    def __repr__(self) -> str:
        return f"<Symbol {self.name or 'group [' + ', '.join(node.name for node, _ in self.heads) + ']'}>"

    # Immutable, so a copy would be of no use.

    def __copy__(self) -> Symbol:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Symbol:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return loads, (self.tojson(),)  # JSON, so that a pickle does not depend on how nodes are stored here

    # -- attributes ------------------------------------------------------------------------------------------------

    def attr(self, key: str) -> str | None:
        """An attribute or parameter of this symbol's node, or None if it has none. Raises GraphError for a group."""
        return self.list_attr().get(key)

    def list_attr(self) -> dict[str, str]:
        """Parameters and attributes of this symbol's node, as strings. Raises GraphError for a group."""
        if len(self.heads) != 1:
            raise GraphError("attributes belong to one output", got=self)
        return attributes(self.heads[0][0])

    # -- shapes ----------------------------------------------------------------------------------------------------

    def infer_shape(self, *args: Shape, **shapes: Shape) -> Inferred:
        """Shapes of arguments, outputs and auxiliary states from those of some arguments, by name or in their order.

        Returns (None, None, None), with a warning that lists the unknown ones, if some do not follow. Raises
        ShapeError, naming the node, if shapes contradict each other, and GraphError for an unknown name or too many.
        """
        found = self.infer_shape_partial(*args, **shapes)
        names = [*self.list_arguments(), *self.list_outputs(), *self.list_auxiliary_states()]
        flat = [shape for part in found if part is not None for shape in part]
        unknown = [name for name, shape in zip(names, flat, strict=True) if not known(shape)]
        if not unknown:
            return found
        warnings.warn(f"infer_shape: cannot tell the shape of {', '.join(unknown)}", stacklevel=2)
        return None, None, None

    # -- types -----------------------------------------------------------------------------------------------------

    def infer_type(self, *args: Any, **types: Any) -> InferredTypes:
        """Types, such as np.float32, of arguments, outputs and auxiliary states from that of any argument, by name or
        in their order; (None, None, None) if none is given.

        They are all the same: a graph has one floating-point type, and whole numbers are stored in it, so that what is
        said of these is of no account (in MXNet, Cast and the like may mix types). Raises GraphError for an unknown
        name, too many, or two floating-point types; ParameterError for what is no type.
        """
        given = self._in_order("infer_type", args, types)
        for name in given.keys() - set(self.list_arguments()):
            raise GraphError(f"infer_type: no argument {name}{suggestion(name, self.list_arguments())}")
        kinds = {name: element_type(f"infer_type: {name}", kind) for name, kind in given.items() if kind is not None}
        floating = {name: kind for name, kind in kinds.items() if kind.startswith("float")}
        if len(set(floating.values())) > 1:
            listed = ", ".join(f"{name} {kind}" for name, kind in floating.items())
            raise GraphError("all arguments of a graph must have the same floating-point type", got=listed)
        if not kinds:
            return None, None, None
        only = np.dtype(next(iter(floating.values()), "float32")).type
        sizes = len(self.list_arguments()), len(self.heads), len(self.list_auxiliary_states())
        arguments, outputs, states = ([only] * size for size in sizes)
        return arguments, outputs, states

    # -- files -----------------------------------------------------------------------------------------------------

    def tojson(self) -> str:
        """The graph as JSON text in the format of MXNet 1.x."""
        return json_text.dumps(self)

    def save(self, fname: str | Path) -> None:
        """Write the JSON to a file, whole or not at all; a symbolic link is followed.

        Raises FileFormatError if the folder does not exist, OSError if the file cannot be written.
        """
        json_text.save(self, Path(fname))

    # -- arrays ----------------------------------------------------------------------------------------------------

    def simple_bind(
        self,
        ctx: Any = None,
        grad_req: str | list[str] | dict[str, str] = "write",
        type_dict: Mapping[str, Any] | None = None,
        slices: int | None = None,
        **shapes: Shape,
    ) -> BaseExecutor:
        """An executor with arrays of its own, all zeros, for the given input shapes; the others are inferred.

        `ctx` is a context (None: the current one). `grad_req` is "write", "add" or "null", for all arguments, in order
        or by name. `type_dict` gives dtypes by name, all the same. `slices` is the number of parts of a batch on the
        CPU. Raises GraphError or ShapeError if the shapes do not determine all others or contradict each other,
        ParameterError for a bad option, and DeviceError if a GPU cannot be used.
        """
        # Imported late, here and below: to compose, draw or convert a network takes no executor and no kernels.
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
        """An executor that computes on the caller's arrays, each of its argument's or state's shape, by name or in
        order. Gradients go into `args_grad`; arguments without an array there get none.

        Arrays must lie where `ctx` says: on a GPU they are cupy's, or others with DLPack. Raises GraphError for missing
        or unknown names, ShapeError for shapes that contradict the graph or arrays that cannot be written,
        ParameterError for a bad `grad_req`, and DeviceError if a GPU cannot be used or an array lies elsewhere.
        """
        from ..execution.choose_executor import bind

        shape_inference.check_names(self.nodes())
        return bind(self, ctx, args, args_grad, grad_req, aux_states)


def load(fname: str | Path) -> Symbol:
    """The symbol of a JSON file from MXNet 0.7 to 1.9. FileFormatError, GraphError or ParameterError, which name the
    file, say that it is not there or what is wrong with it.
    """
    return Symbol(json_text.load(fname).heads)


def loads(json_str: str) -> Symbol:
    """The symbol that a JSON text describes. Raises FileFormatError, GraphError or ParameterError as `load` does."""
    return Symbol(json_text.loads(json_str).heads)
