"""The base class of all operators: typed parameters, names, shapes, and forward and backward side by side.

An operator's own methods are its specification: plain array code that runs in any precision on numpy and cupy. A
compiled kernel for one device may replace `forward` and `backward` (see `pushgrad.worker.cpu`); tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...common.errors import DataError, GraphError
from ...common.suggestion import suggestion
from ..array import Array, Arrays, Gradients, Shape
from .batch_position import BatchPosition
from .parameters import declared, parse_parameters
from .philox import RandomStream

PartialShape = Shape | None  # None: nothing known; a 0 in a shape: that extent is not known


@dataclass
class Step:
    """What a computation may know apart from its arrays: which step of the job it belongs to, and which rows it has.

    `number` counts training steps from 0. `first_row` is the index of the slice's first row in the global batch and
    `global_rows` the number of rows of that batch, so that results do not depend on which thread or worker computes.
    The executor sets `node` (a key that is the same in all processes), the node's `name`, and `count` (the number of
    rows, or of valid labels, by which a loss at this node divides) before each call. `learns`, whether gradients may be
    asked for at all, never changes. `is_train` is changed by `move_to` alone, which tells compiled rows as well: these
    read the array `training`.
    """

    xp: Any = np
    is_train: bool = False
    seed: int = 0
    fit: int = 0
    number: int = 0
    first_row: int = 0
    global_rows: int = 1
    node: int = 0
    name: str = ""
    count: float = 1.0
    learns: bool = True

    def __post_init__(self) -> None:
        self.training = np.array([self.is_train], np.int64)

    def move_to(self, at: BatchPosition, is_train: bool) -> None:
        """Take the figures of that batch for those of the computation that follows."""
        self.training[0] = self.is_train = is_train
        self.seed, self.fit, self.number = at.seed, at.fit, at.number
        self.first_row, self.global_rows = at.first_row, at.global_rows

    def synchronize(self) -> None:
        """Wait until all computations so far have finished, so that they can be timed; on a CPU they always have."""

    def random_bits(self, first: int, count: int) -> Array:
        """Numbers `first` to `first + count - 1` of the current node's random stream: shape (count,), uint32."""
        return self.random_stream().bits(first, count, self.xp)

    def random_stream(self) -> RandomStream:
        """The random numbers of the current node in this step."""
        return RandomStream.of(self.seed, self.fit, self.number, self.node)

    def refuse(self, wrong: Array, values: Array, explain: Callable[[int, float], DataError]) -> None:
        """Raise DataError for the first of `values` where `wrong`, a bool array of the same shape, is True.

        `explain` makes the error from the flat index and the value. On a GPU it is raised when the host next waits.
        """
        if wrong.any():
            index = int(wrong.reshape(-1).argmax())
            raise explain(index, float(values.reshape(-1)[index]))


class Operator:
    """One node's computation.

    Subclasses declare parameters as class attributes and are registered under their name and aliases; a base class
    that is not an operator itself is marked with `abstract=True`.

    All arrays of a call have one float dtype and the shapes that `infer_shape` found, with the rows of one slice of
    the batch on the batch axis. `inputs` are the arguments in the order of `arguments()` and then the auxiliary states.
    `outputs` and `out_grads` follow `outputs()`; `in_grads` follows the arguments, with None where nobody wants one.
    """

    canonical: ClassVar[str] = ""  # the name in files, if it is not the class name
    aliases: ClassVar[tuple[str, ...]] = ()
    variadic: ClassVar[bool] = False  # takes any number of inputs, counted by a parameter num_args
    open_parameters: ClassVar[bool] = False  # accepts parameters that it does not declare
    backward_only: ClassVar[tuple[str, ...]] = ()  # arguments that forward does not read, such as a loss's label
    zero_by_default: ClassVar[tuple[str, ...]] = ()  # arguments that are zero if nobody gives them or their initializer
    blocks_gradient: ClassVar[bool] = False  # no gradient passes from the output to the inputs
    # Some flags are plain attributes because an instance's parameters can decide them: Cast is a view for some dtypes,
    # SoftmaxOutput a loss unless out_grad is set.
    is_view: bool = False  # the output is the input's memory, perhaps in another shape
    is_loss: bool = False  # its backward ignores the head gradient
    # Several slices may be computed at once: the bits of a row don't depend on which other rows there are, nor does an
    # input belong to all rows. (Compiled kernels have the same flag, and are told of slices by their method `join`.)
    joins_slices: bool = False
    asks_host: ClassVar[bool] = False  # reads values on the host within a step, so a GPU cannot capture the step
    is_per_device: ClassVar[bool] = False  # couples rows, but only those that one GPU has

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not abstract:
            # Names are read from the class's own __dict__: an inherited alias would take the base class's place.
            for name in (cls.op_name(), *cls.__dict__.get("aliases", ())):
                REGISTRY[name] = cls

    def __init__(self, **parameters: Any) -> None:
        values = parse_parameters(type(self), self.op_name(), parameters)
        self.given = tuple(values)
        self.__dict__.update(values)
        self.check()

    @classmethod
    def op_name(cls) -> str:
        """The canonical name, which is the one written to files."""
        return cls.__dict__.get("canonical") or cls.__name__

    def attrs(self) -> dict[str, str]:
        """The parameters that were given (not the defaults), as strings for JSON."""
        known = declared(type(self))
        return {name: known[name].text(getattr(self, name)) for name in self.given}

    def check(self) -> None:
        """Raise ParameterError if the parameters do not fit together; called once they are all parsed."""

    def arguments(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return ("data",)

    def auxiliaries(self) -> tuple[str, ...]:
        """Names of the states that forward updates and that get no gradient."""
        return ()

    def variable_attributes(self, argument: str) -> dict[str, str]:
        """Attributes of the variable that is made if the user leaves that input out, such as its own `__init__`."""
        return {}

    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return ("output",)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """Whether a row of the output depends on other rows of the batch, so that slices cannot be computed separately.

        The shapes of the inputs may be given; an operator that cannot tell without them answers True.
        """
        return False

    def keeps_rows_apart(self, in_shapes: Sequence[Shape], axes: Sequence[int | None]) -> bool:
        """Whether no row depends on another where the batch is axis `axes[i]` of argument i; None where it is no axis.

        Asked, instead of `couples_rows`, where it is not axis 0 of all that the node reads and writes.
        """
        return False

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Complete the shapes of inputs and outputs as far as they follow from each other, in both directions.

        None is a shape of which nothing is known, 0 an unknown extent. It is called again whenever a neighbour has
        learned more. Raises ShapeError, naming the argument, if the known shapes contradict each other.
        """
        raise NotImplementedError

    def auxiliary_shapes(self, in_shapes: list[PartialShape]) -> list[PartialShape]:
        """Shapes of the auxiliary states, from the completed `in_shapes`; None where they are not known yet."""
        return []

    def counted(self, label: Array) -> float | None:
        """What a loss divides by: how many elements (or rows) of the global `label`, of the label's shape, count.

        None for every operator that does not normalise over the batch.
        """
        return None

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compute `outputs` from `inputs`, and update the auxiliary states while training."""
        raise NotImplementedError

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient of each argument whose entry in `in_grads` is an array.

        It overwrites and never adds: the executor sums the gradients of a variable that several nodes read.
        """
        raise NotImplementedError


REGISTRY: dict[str, type[Operator]] = {}


def lookup(name: str) -> type[Operator]:
    """The operator class of that name or alias. Raises GraphError, with a suggestion, if there is none."""
    if name not in REGISTRY:
        raise GraphError(f"no operator {name[:80]!r}{suggestion(name, REGISTRY, otherwise='')}")
    return REGISTRY[name]
