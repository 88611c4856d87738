"""What an operator is: typed parameters, names, shapes, and forward and backward side by side.

The methods here are the specification: plain array code that runs in any precision on numpy and cupy. A compiled
kernel for one device may stand in for `forward` and `backward` (see `pushgrad.worker.cpu`); tests hold it to this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...common.errors import DataError, GraphError
from ...common.suggestion import suggestion
from ..array import Array, Arrays, Gradients, Shape
from .parameters import declared, parse_parameters
from .philox import RandomStream

PartialShape = Shape | None  # None: nothing known; a 0 in a shape: that extent is not known


@dataclass
class Step:
    """What a computation may know beside its arrays: where in the job it stands.

    `number` counts training steps from 0. `first_row` is the global batch's index of the slice's first row and
    `global_rows` the size of the global batch, so that nothing depends on which thread or worker computes it.
    The executor sets `node` (a key that is stable over processes), the node's `name`, and `count` (rows, or valid
    labels, over which a loss of this node normalises) before each call.
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

    def synchronize(self) -> None:
        """Wait until what was computed is there, so that it can be timed."""

    def random_bits(self, first: int, count: int) -> Array:
        """Numbers `first` to `first + count` of the current node's random stream: shape (count,), uint32."""
        return self.random_stream().bits(first, count, self.xp)

    def random_stream(self) -> RandomStream:
        """The random numbers of the current node in this step."""
        return RandomStream.of(self.seed, self.fit, self.number, self.node)

    def refuse(self, wrong: Array, values: Array, explain: Callable[[int, float], DataError]) -> None:
        """Raise what `explain` makes of the flat index and value of the first of `values` where `wrong` holds."""
        if wrong.any():
            index = int(wrong.reshape(-1).argmax())
            raise explain(index, float(values.reshape(-1)[index]))


class Operator:
    """One node's computation.

    Subclasses declare parameters as class attributes and are registered by their name and aliases; a base that is no
    operator itself says `abstract=True`.
    """

    canonical: ClassVar[str] = ""  # the name that files carry, where it is not the class name
    aliases: ClassVar[tuple[str, ...]] = ()
    variadic: ClassVar[bool] = False  # takes any number of inputs, counted by a parameter num_args
    open_parameters: ClassVar[bool] = False  # takes parameters that it does not declare
    blocks_gradient: ClassVar[bool] = False  # no gradient passes from the output to the inputs
    is_view: bool = False  # the output is the input's memory, perhaps in another shape
    is_loss: bool = False  # its backward ignores the head gradient
    asks_host: ClassVar[bool] = False  # looks at values on the host in the middle of a step
    is_per_device: ClassVar[bool] = False  # of the rows that it couples, a GPU may see its own only

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not abstract:
            for name in (cls.op_name(), *cls.__dict__.get("aliases", ())):
                REGISTRY[name] = cls

    def __init__(self, **parameters: Any) -> None:
        values = parse_parameters(type(self), self.op_name(), parameters)
        self.given = tuple(values)
        self.__dict__.update(values)
        self.check()

    @classmethod
    def op_name(cls) -> str:
        """The canonical name that files carry."""
        return cls.__dict__.get("canonical") or cls.__name__

    def attrs(self) -> dict[str, str]:
        """The parameters that were given, as strings for JSON."""
        known = declared(type(self))
        return {name: known[name].text(getattr(self, name)) for name in self.given}

    def check(self) -> None:
        """Raise ParameterError if the parameters do not fit together."""

    def arguments(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return ("data",)

    def auxiliaries(self) -> tuple[str, ...]:
        """Names of the states that forward updates and no gradient reaches."""
        return ()

    def variable_attributes(self, argument: str) -> dict[str, str]:
        """Attributes of the variable that is made where that input is left out, such as an `__init__` of its own."""
        return {}

    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return ("output",)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """Whether a row of the output depends on other rows of the batch, so that slices cannot be computed apart.

        The shapes of the inputs may be given; an operator that needs them to be sure says True without them.
        """
        return False

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Complete what can be known of the shapes of inputs and outputs, in either direction.

        Raises ShapeError that names the argument where what is known does not fit.
        """
        raise NotImplementedError

    def auxiliary_shapes(self, in_shapes: list[PartialShape]) -> list[PartialShape]:
        """Shapes of the auxiliary states."""
        return []

    def counted(self, label: Array) -> float | None:
        """For losses that normalise over the batch: how much of the global `label` counts; None for all others."""
        return None

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the outputs."""
        raise NotImplementedError

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write (never add to) the gradient of each input whose entry of `in_grads` is an array."""
        raise NotImplementedError


REGISTRY: dict[str, type[Operator]] = {}


def lookup(name: str) -> type[Operator]:
    """The operator class of that name or alias; GraphError with a suggestion if there is none."""
    if name not in REGISTRY:
        raise GraphError(f"no operator {name[:80]!r}{suggestion(name, REGISTRY, otherwise='')}")
    return REGISTRY[name]
