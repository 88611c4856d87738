"""Custom: an operator whose shapes and computation the user wrote in Python.

`Custom` is the operator in the graph and asks the user's CustomOpProp for names and shapes; `CustomCall` is the kernel
of one bound node and keeps the user's CustomOp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.errors import GraphError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from ..context import cpu
from .custom_prop import CustomOp, make_prop, user_error
from .operator import Operator, PartialShape, Step
from .parameters import Text
from .shapes import known, merge


class Custom(Operator):
    """The operator that was registered under the name `op_type`; see docs/add-an-operator.md.

    All parameters other than op_type go to the registered class as strings. Such an operator gets a worker's whole
    batch. Shapes are what the user's infer_shape returns. An exception in the user's code becomes a GraphError, one in
    infer_shape a ShapeError.
    """

    open_parameters = True
    asks_host = True
    op_type = Text()

    def __init__(self, **parameters: Any) -> None:
        # Strings from the start, so that a network behaves the same whether it was made here or loaded from a file.
        own = {name: str(value) for name, value in parameters.items() if name != "op_type"}
        super().__init__(**{name: value for name, value in parameters.items() if name == "op_type"})
        self.own_parameters = own
        self.prop = make_prop(self.op_type, own)
        self.is_loss = not self.prop.need_top_grad_
        # Asked once, so that a class whose answers change cannot make the graph inconsistent.
        self._names = [self._strings(method) for method in ("list_arguments", "list_outputs", "list_auxiliary_states")]

    def _strings(self, method: str) -> tuple[str, ...]:
        names = self.asked("Custom", self.prop, method)
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise GraphError(f"Custom: {method} of op_type {self.op_type!r}", expected="a list of names", got=names)
        return tuple(names)

    def asked(self, where: str, owner: Any, method: str, *args: Any, **arguments: Any) -> Any:
        """Call a method of the user's object and return its result.

        Raises GraphError, with `where` and the original error, if it raises anything.
        """
        try:
            return getattr(owner, method)(*args, **arguments)
        except Exception as error:
            raise user_error(where, self.op_type, method, error) from error

    def attrs(self) -> dict[str, str]:
        """op_type and the user's parameters, as strings for JSON."""
        return {**super().attrs(), **self.own_parameters}

    def arguments(self) -> tuple[str, ...]:
        """The names that the user's list_arguments returned."""
        return self._names[0]

    def outputs(self) -> tuple[str, ...]:
        """The names that the user's list_outputs returned."""
        return self._names[1]

    def auxiliaries(self) -> tuple[str, ...]:
        """The names that the user's list_auxiliary_states returned."""
        return self._names[2]

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: the user's code may combine rows in any way."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The shapes that the user's infer_shape returns, once the first input's shape is known.

        Raises ShapeError if it raises, returns something else than shapes, or contradicts the shapes already known.
        """
        if in_shapes and not known(in_shapes[0]):
            return in_shapes, out_shapes
        inputs, outputs, _ = self._inferred(in_shapes)
        return self._merged(in_shapes, inputs, self.arguments()), self._merged(out_shapes, outputs, self.outputs())

    @staticmethod
    def _merged(known_shapes: list[PartialShape], said: list[PartialShape], names: Sequence[str]) -> list[PartialShape]:
        together = zip(known_shapes, said, names, strict=True)
        return [merge(mine, theirs, f"Custom: {name}") for mine, theirs, name in together]

    def auxiliary_shapes(self, in_shapes: list[PartialShape]) -> list[PartialShape]:
        """The third list that the user's infer_shape returns. Raises ShapeError as `infer_shape` does."""
        if in_shapes and not known(in_shapes[0]):
            return [None] * len(self.auxiliaries())
        return self._inferred(in_shapes)[2]

    def _inferred(self, in_shapes: list[PartialShape]) -> list[list[PartialShape]]:
        """Shapes of arguments, outputs and states from the user's class, checked for number and kind."""
        # [] for unknown shapes and lists for others, as MXNet passes them; user code may compare or change them.
        given = [list(shape) if shape is not None and known(shape) else [] for shape in in_shapes]
        try:
            said = [list(shapes) for shapes in self.prop.infer_shape(given)]
        except Exception as error:
            raise ShapeError(str(user_error("Custom", self.op_type, "infer_shape", error))) from error
        said += [[]] * (3 - len(said))  # MXNet lets users leave out the states
        where = f"Custom: infer_shape of op_type {self.op_type!r}"
        if [len(shapes) for shapes in said] != [len(names) for names in self._names]:
            raise ShapeError(where, expected=f"shapes of {self._names}", got=said)
        return [[_shape(shape, where) for shape in shapes] for shapes in said]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Make the user's operator and call its forward. Raises GraphError if the user's code raises."""
        CustomCall(self).forward(step, inputs, outputs)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Run the user's forward and then its backward. Raises GraphError if the user's code raises.

        An Operator keeps nothing between calls, but the user's backward may read what forward left in `self`. The
        states are copied, so that the second forward does not change them.
        """
        call, count = CustomCall(self), len(self.arguments())
        copies = [array.copy() for array in inputs[count:]]
        call.forward(step, [*inputs[:count], *copies], [np.empty_like(array) for array in outputs])
        call.backward(step, out_grads, inputs, outputs, in_grads)


class CustomCall:
    """The kernel of one bound node: the user's operator is made at the first forward and kept.

    Arrays are those of Custom: shapes as the user's infer_shape gave them, states after the arguments in `inputs`.
    """

    def __init__(self, op: Custom) -> None:
        self.op = op
        self.worker: CustomOp | None = None

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Call the user's forward, the first time after create_operator. Raises GraphError if the user's code fails."""
        op, count, where = self.op, len(self.op.arguments()), f"Custom {step.name}".strip()
        if self.worker is None:
            shapes, types = [array.shape for array in inputs[:count]], [array.dtype for array in inputs[:count]]
            # By position, as in MXNet: users name these parameters as they like.
            self.worker = op.asked(where, op.prop, "create_operator", cpu(), shapes, types)
        op.asked(
            where,
            self.worker,
            "forward",
            is_train=step.is_train,
            req=["write"] * len(outputs),
            in_data=_read_only(inputs[:count]),
            out_data=list(outputs),
            aux=list(inputs[count:]),  # writable: forward updates the states in place
        )

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Call the user's backward. Raises GraphError if there was no forward before it or the user's code raises.

        A gradient that nobody asks for has the request "null"; its array is a scratch one, as user code may still
        write to it.
        """
        if self.worker is None:
            raise GraphError(f"Custom {step.name}: backward before forward")
        op, count = self.op, len(self.op.arguments())
        pairs = list(zip(inputs[:count], in_grads, strict=False))  # in_grads may go on with the states' entries
        targets = [np.zeros_like(array) if grad is None else grad for array, grad in pairs]
        for target in targets:  # so that a gradient that the user does not write is zero
            target.fill(0)
        op.asked(
            f"Custom {step.name}".strip(),
            self.worker,
            "backward",
            req=["null" if grad is None else "write" for _, grad in pairs],
            out_grad=_read_only(out_grads),
            in_data=_read_only(inputs[:count]),
            out_data=_read_only(outputs),
            in_grad=targets,
            aux=list(inputs[count:]),
        )


def _read_only(arrays: Arrays) -> list[Array]:
    """Read-only views: other nodes read the same memory."""
    views = [array.view() for array in arrays]
    for view in views:
        view.flags.writeable = False
    return views


def _shape(shape: Any, where: str) -> Shape:
    try:
        return tuple(int(extent.__index__()) for extent in shape)
    except (TypeError, AttributeError):
        raise ShapeError(where, expected="shapes of whole numbers", got=repr(shape)[:80]) from None
