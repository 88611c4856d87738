"""Custom: an operator whose shapes and computation the user wrote in Python."""

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

    Every parameter beside op_type goes to the registered class as a string. Such an operator gets the whole batch of a
    worker.
    """

    open_parameters = True
    asks_host = True
    op_type = Text()

    def __init__(self, **parameters: Any) -> None:
        own = {name: str(value) for name, value in parameters.items() if name != "op_type"}
        super().__init__(**{name: value for name, value in parameters.items() if name == "op_type"})
        self.own_parameters = own
        self.prop = make_prop(self.op_type, own)
        self.is_loss = not self.prop.need_top_grad_
        self._names = [self._strings(method) for method in ("list_arguments", "list_outputs", "list_auxiliary_states")]

    def _strings(self, method: str) -> tuple[str, ...]:
        names = self.asked("Custom", self.prop, method)
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise GraphError(f"Custom: {method} of op_type {self.op_type!r}", expected="a list of names", got=names)
        return tuple(names)

    def asked(self, where: str, owner: Any, method: str, **arguments: Any) -> Any:
        """What a method of the user's returns; its errors become a GraphError that says where."""
        try:
            return getattr(owner, method)(**arguments)
        except Exception as error:
            raise user_error(where, self.op_type, method, error) from error

    def attrs(self) -> dict[str, str]:
        """op_type and the user's parameters."""
        return {**super().attrs(), **self.own_parameters}

    def arguments(self) -> tuple[str, ...]:
        """As the user's class says."""
        return self._names[0]

    def outputs(self) -> tuple[str, ...]:
        """As the user's class says."""
        return self._names[1]

    def auxiliaries(self) -> tuple[str, ...]:
        """As the user's class says."""
        return self._names[2]

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """Nobody knows what the user computes."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """What the user's class says, once the first input is known."""
        if in_shapes and not known(in_shapes[0]):
            return in_shapes, out_shapes
        inputs, outputs, _ = self._inferred(in_shapes)
        return self._merged(in_shapes, inputs, self.arguments()), self._merged(out_shapes, outputs, self.outputs())

    @staticmethod
    def _merged(known_shapes: list[PartialShape], said: list[PartialShape], names: Sequence[str]) -> list[PartialShape]:
        together = zip(known_shapes, said, names, strict=True)
        return [merge(mine, theirs, f"Custom: {name}") for mine, theirs, name in together]

    def auxiliary_shapes(self, in_shapes: list[PartialShape]) -> list[PartialShape]:
        """The third list of the user's infer_shape."""
        if in_shapes and not known(in_shapes[0]):
            return [None] * len(self.auxiliaries())
        return self._inferred(in_shapes)[2]

    def _inferred(self, in_shapes: list[PartialShape]) -> list[list[PartialShape]]:
        """Shapes of arguments, outputs and states as the user's class tells them, checked."""
        given = [list(shape) if shape is not None and known(shape) else [] for shape in in_shapes]
        try:
            said = [list(shapes) for shapes in self.prop.infer_shape(given)]
        except Exception as error:
            raise ShapeError(str(user_error("Custom", self.op_type, "infer_shape", error))) from error
        said += [[]] * (3 - len(said))
        where = f"Custom: infer_shape of op_type {self.op_type!r}"
        if [len(shapes) for shapes in said] != [len(names) for names in self._names]:
            raise ShapeError(where, expected=f"shapes of {self._names}", got=said)
        return [[_shape(shape, where) for shape in shapes] for shapes in said]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Make the user's operator and let it compute."""
        CustomCall(self).forward(step, inputs, outputs)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Forward again, on copies of the states, as backward may read what it left; then the user's backward."""
        call, count = CustomCall(self), len(self.arguments())
        copies = [array.copy() for array in inputs[count:]]
        call.forward(step, [*inputs[:count], *copies], [np.empty_like(array) for array in outputs])
        call.backward(step, out_grads, inputs, outputs, in_grads)


class CustomCall:
    """One bound node: the user's operator is made at the first forward and kept."""

    def __init__(self, op: Custom) -> None:
        self.op = op
        self.worker: CustomOp | None = None

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Call the user's forward."""
        op, count, where = self.op, len(self.op.arguments()), f"Custom {step.name}".strip()
        if self.worker is None:
            shapes, types = [array.shape for array in inputs[:count]], [array.dtype for array in inputs[:count]]
            self.worker = op.asked(where, op.prop, "create_operator", ctx=cpu(), in_shapes=shapes, in_dtypes=types)
        op.asked(
            where,
            self.worker,
            "forward",
            is_train=step.is_train,
            req=["write"] * len(outputs),
            in_data=_read_only(inputs[:count]),
            out_data=list(outputs),
            aux=list(inputs[count:]),
        )

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Call the user's backward; gradients that nobody asks for have the request null and a place all the same."""
        if self.worker is None:
            raise GraphError(f"Custom {step.name}: backward before forward")
        op, count = self.op, len(self.op.arguments())
        pairs = list(zip(inputs[:count], in_grads, strict=False))
        targets = [np.zeros_like(array) if grad is None else grad for array, grad in pairs]
        for target in targets:
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
    """Views that refuse to be written, since other nodes read the same memory."""
    views = [array.view() for array in arrays]
    for view in views:
        view.flags.writeable = False
    return views


def _shape(shape: Any, where: str) -> Shape:
    try:
        return tuple(int(extent.__index__()) for extent in shape)
    except (TypeError, AttributeError):
        raise ShapeError(where, expected="shapes of whole numbers", got=repr(shape)[:80]) from None
