"""What every bound graph offers, wherever it computes: arrays by name, and how values get into them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ...common.call_table import Row
from ...common.errors import GraphError, ParameterError, ShapeError
from ..array import Array, Rows, Shape
from ..graphs.example_axis import ExampleAxis, example_axes
from ..graphs.graph import Graph
from ..ops.batch_position import BatchPosition
from .bound_arrays import Binding, as_array
from .gathered_inputs import take

Announce = Callable[[str, Array], None]  # called with an argument's name and its final gradient, of its shape
# With these and a part of the gradient, taken as flat: what is to be done with that. The last row does it; those before
# may find that it must not be done.
FinalRows = Callable[[str, Array, slice], list[Row]]


class StepExecutor(ABC):
    """Arrays for every argument, gradient, auxiliary state and output of a graph; computes it forward, or whole steps.

    `arg_dict`, `grad_dict` and `aux_dict` hold the arrays by name, each of its argument's or state's shape, and
    `outputs` those of the heads; `rows` is the number of examples, `slices` the parts in which it computes them.
    `counts_labels` is whether `count_over` tells it anything.
    """

    def __init__(self, symbol: Graph, binding: Binding, outputs: list[Array]) -> None:
        self.symbol, self.outputs = symbol, outputs
        self.arg_dict, self.aux_dict = binding.arguments, binding.auxiliaries
        # Like MXNet's, it has an entry for every argument.
        self.grad_dict: dict[str, Array | None] = {name: binding.gradients.get(name) for name in self.arg_dict}
        self.rows = binding.rows()
        self.slices: list[Rows] = [(0, self.rows)]
        self.counts_labels = bool(binding.counting)
        self._example_axes: list[ExampleAxis | None] | None = None

    def __repr__(self) -> str:
        outputs = zip(self.symbol.list_outputs(), self.outputs, strict=True)
        return f"<{type(self).__name__} {', '.join(f'{name} {array.shape}' for name, array in outputs)}>"

    def forward(self, is_train: bool = False, **inputs: Any) -> list[Array]:
        """Copy `inputs` into the arguments of those names and compute the outputs, which are also returned.

        The batch is taken for the first of a training of its own. Raises ParameterError for an unknown name and
        ShapeError for an array of another shape.
        """
        for name, value in inputs.items():
            self._feed(name, value)
        self.compute(is_train, self._position(None))
        return self.outputs

    @abstractmethod
    def compute(self, is_train: bool, at: BatchPosition) -> None:
        """Compute the outputs from what the arguments hold, for the batch that `at` describes.

        Raises DataError if an operator finds values that it cannot use, such as labels out of range.
        """

    @abstractmethod
    def forward_backward(self, announce: Announce | None = None, at: BatchPosition | None = None) -> None:
        """One training step on what the arguments hold: the outputs, and the gradients of whatever wants one.

        As soon as a gradient is final, `announce(name, gradient)` is called, perhaps on another thread. `at`: where the
        batch stands; None if it is the first of a training of its own. Raises DataError if an operator finds values
        that it cannot use.
        """

    def gather(self, name: str, source: Array, numbers: Array) -> None:
        """Have the argument `name` (n, ...) hold the rows of `source` with these numbers (n,), int64, in the next pass.

        `source` (m, ...) has the argument's dtype. Neither must change until then: the pass itself may copy the rows.
        """
        take(source, numbers, self.arg_dict[name])

    @abstractmethod
    def count_over(self, whole: Mapping[str, Array]) -> None:
        """For losses that normalise over the global batch: count in `whole`, its labels by argument name.

        A label's shape is the argument's, but with all rows of the global batch. To be called before a step on a part
        of that batch; a step on the whole batch counts by itself.
        """

    def finish_by(self, rows: FinalRows) -> None:  # noqa: B027
        """Let steps that are walked as tables of calls run `rows(name, gradient, part)` instead of announcing it.

        They must do what `announce` does, for a `part` of the gradient, which is taken as flat: all of it at once, or
        part by part on several threads. Executors that walk no tables announce.
        """

    def parameters_stay(self) -> AbstractContextManager[None]:
        """A block in which nobody changes arguments other than those whose shapes were given, the inputs."""
        return nullcontext()

    def show_overflow(self) -> None:  # noqa: B027
        """Announce gradients as they are that overflow in float16, instead of with zeros where they do."""

    def close(self) -> None:  # noqa: B027
        """Let go of memory that others own; the executor must not be used afterwards."""

    def example_axes(self, inputs: Iterable[str]) -> list[ExampleAxis | None]:
        """For each output where its examples lie, those of `inputs` lying on axis 0; None if it has none.

        Found out once, for the inputs of the first call.
        """
        if self._example_axes is None:
            shapes = {name: self.arg_dict[name].shape for name in inputs if name in self.arg_dict}
            self._example_axes = example_axes(self.symbol, shapes)
        return self._example_axes

    @property
    def arg_arrays(self) -> list[Array]:
        """The arguments in the order of list_arguments()."""
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self) -> list[Array | None]:
        """The gradients in the order of list_arguments(); None where none is computed."""
        return list(self.grad_dict.values())

    @property
    def aux_arrays(self) -> list[Array]:
        """The auxiliary states in the order of list_auxiliary_states()."""
        return list(self.aux_dict.values())

    @property
    def output_dict(self) -> dict[str, Array]:
        """The outputs by name."""
        return dict(zip(self.symbol.list_outputs(), self.outputs, strict=True))

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy values into arguments and auxiliary states by name; each has the shape of its argument or state.

        Raises ShapeError for another shape, and ParameterError for an unknown name unless `allow_extra_params`.
        """
        for target, given in ((self.arg_dict, arg_params), (self.aux_dict, aux_params or {})):
            for name, value in given.items():
                if name in target:
                    self._copy(name, target[name], value)
                elif not allow_extra_params:
                    raise ParameterError(f"no argument or state named {name!r} in this network")

    def _feed(self, name: str, value: Any) -> None:
        if name not in self.arg_dict:
            raise ParameterError(f"forward: no argument named {name!r}", expected=", ".join(self.arg_dict))
        self._copy(name, self.arg_dict[name], value)

    def _copy(self, name: str, target: Array, value: Any) -> None:
        """Copy what a caller gave into an array of ours; ShapeError if it does not fit."""
        array = as_array(value)
        check_shape(name, target, array)  # numpy would broadcast silently
        np.copyto(target, array, casting="same_kind" if array.dtype.kind == "f" else "unsafe")

    def _position(self, at: BatchPosition | None) -> BatchPosition:
        """`at`; without one these rows are the whole of the first batch."""
        return at or BatchPosition(global_rows=self.rows)


class BaseExecutor(StepExecutor):
    """What `Symbol.bind` and `simple_bind` give, wherever it computes; to users it is `mx.Executor`.

    A StepExecutor whose two halves of a step can also be asked for one by one.
    """

    @abstractmethod
    def backward(self, out_grads: Any = None, announce: Announce | None = None) -> None:
        """Compute the gradients of the last forward(is_train=True).

        `out_grads`: one array per output, of its shape, or one array; ones if left out, which losses ignore. As soon as
        a gradient is final, `announce(name, gradient)` is called. Raises GraphError for another number of arrays and
        ShapeError for another shape.
        """

    @abstractmethod
    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **shapes: Shape) -> BaseExecutor:
        """An executor of the same graph for other `shapes` of inputs, such as another batch size.

        It shares all arrays whose shape stays, such as weights; the others are new. Raises ShapeError if the shape of
        another argument would change as well, unless `partial_shaping`, and what `Symbol.simple_bind` raises.
        `allow_up_sizing` is there for scripts of MXNet, which asks for it: every size is allowed.
        """

    def _head_grads(self, out_grads: Any, take: Callable[[Any], Array] = as_array) -> list[Array | None]:
        """What `backward` was given as one array per output, or None for ones; `take` makes an array of each."""
        if out_grads is None:
            return [None] * len(self.outputs)
        given = [out_grads] if hasattr(out_grads, "shape") else list(out_grads)  # a lone array, of whichever library
        if len(given) != len(self.outputs):
            raise GraphError("backward: out_grads", expected=f"{len(self.outputs)} arrays", got=len(given))
        arrays = [None if grad is None else take(grad) for grad in given]
        for name, array, output in zip(self.symbol.list_outputs(), arrays, self.outputs, strict=True):
            if array is not None and array.shape != output.shape:
                raise ShapeError(f"backward: gradient of {name}", expected=f"shape {output.shape}", got=array.shape)
        return arrays


def check_shape(name: str, target: Array, array: Array) -> None:
    """Raise ShapeError unless `array` has the shape of `target`, the array of the argument or state `name`."""
    if array.shape != target.shape:
        raise ShapeError(f"argument {name}", expected=f"shape {target.shape}", got=array.shape)
