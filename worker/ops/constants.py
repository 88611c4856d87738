"""Operators without inputs: _zeros, _ones, _full and _arange. In old LSTM files the initial states are such nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...common.errors import ParameterError
from ..array import Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, DType, Float, Int, Ints, Optional, Parameter
from .shapes import merge


class _Text(Parameter[str]):
    """Any text, also an empty one."""

    def parse(self, value: object) -> str:
        """The text itself."""
        return str(value)


class _Constant(Operator, abstract=True):
    """No inputs and one output. `ctx` and `dtype` are accepted and ignored: device and type are the graph's."""

    ctx = _Text("")
    dtype = DType(default="float32")

    def arguments(self) -> tuple[str, ...]:
        """No names: there are no inputs."""
        return ()

    def extents(self) -> Shape:
        """The output's shape as far as it follows from the parameters; unknown extents are 0."""
        raise NotImplementedError

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The parameters' shape; its extents of 0 follow from the nodes that read the output.

        Raises ShapeError if those nodes need another shape.
        """
        # An empty shape means that nothing is given, hence None.
        return [], [merge(out_shapes[0], self.extents() or None, f"{self.op_name()}: output")]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Do nothing: there are no inputs."""


class Zeros(_Constant):
    """Zeros of shape `shape`, where 0 stands for an extent that is inferred from how the output is used."""

    canonical = "_zeros"
    shape = Ints((), minimum=0)
    fill = 0.0

    def extents(self) -> Shape:
        """The parameter `shape`."""
        return self.shape

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Fill the output with the class's constant."""
        outputs[0].fill(self.fill)


class Ones(Zeros):
    """Ones of shape `shape`, where 0 stands for an extent that is inferred from how the output is used."""

    canonical = "_ones"
    fill = 1.0


class Full(Zeros):
    """`value` everywhere; `shape` as in _zeros."""

    canonical = "_full"
    value = Float()

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Fill the output with `value`."""
        outputs[0].fill(self.value)


class Arange(_Constant):
    """start, start + step, ... up to but not including stop (or 0 to start without a stop), each `repeat` times."""

    canonical = "_arange"
    start = Float()
    stop = Optional(Float())
    step = Float(1.0)
    repeat = Int(1, minimum=1)
    infer_range = Bool(False)

    def check(self) -> None:
        """Raise ParameterError unless start, stop and step give at least one number, and fewer than 2^31.

        infer_range, by which MXNet takes the count from the shape that a later node needs, is refused.
        """
        if self.infer_range:
            raise ParameterError("_arange: parameter infer_range", expected="False", got=True)
        if not self.step or not 0 < self._count() < 1 << 31:
            raise ParameterError("_arange", expected="at least one number from start to stop", got=self.attrs())

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: the numbers count along axis 0, so a slice would need to know where it begins."""
        return True

    def _count(self) -> int:
        first, last = (0.0, self.start) if self.stop is None else (self.start, self.stop)
        steps = (last - first) / self.step
        return math.ceil(steps) if math.isfinite(steps) else 0  # inf or NaN, which `check` refuses as no number

    def extents(self) -> Shape:
        """(count * repeat,)."""
        return (self._count() * self.repeat,)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """first + step * i, rather than a running sum, so that rounding errors do not add up."""
        first = 0.0 if self.stop is None else self.start
        numbers = first + self.step * step.xp.arange(self._count())
        outputs[0].reshape(-1, self.repeat)[...] = numbers[:, None]
