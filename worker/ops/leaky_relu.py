"""LeakyReLU: functions that are the identity, or nearly so, above zero and small below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from . import special
from .operator import Operator, PartialShape, Step
from .parameters import Choice, Float
from .shapes import merge, product

# Klambauer and others: "Self-normalizing neural networks" (2017), with which activations tend to mean 0 and variance 1.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
SELU_STEEP = SELU_SCALE * SELU_ALPHA


class LeakyReLU(Operator):
    """y = x above zero; below, by act_type: slope * x (leaky), slope * (e^x - 1) (elu), gamma * x (prelu, rrelu).

    data and y have one shape. prelu learns gamma: one number per channel (axis 1), or a single one. rrelu draws it
    again for each element and step, uniform in [lower_bound, upper_bound), and takes the middle when not training. selu
    is 1.0507 times elu with slope 1.6733 (Klambauer and others 2017), with the true gradient, not that of MXNet 1.9.1.
    gelu is x times the probability that a normal variable is below x, on both sides of zero.

    rrelu's uniform number for element i of row r of the global batch is 2^-32 times number r * (elements per row) + i
    of the node's `RandomStream` in this step, the same whichever worker computes it. NaN stays NaN.
    """

    act_type = Choice("leaky", "elu", "prelu", "rrelu", "selu", "gelu", default="leaky")
    slope = Float(0.25)
    lower_bound = Float(0.125)
    upper_bound = Float(0.334)

    def check(self) -> None:
        """Raise ParameterError unless lower_bound <= upper_bound."""
        if self.lower_bound > self.upper_bound:
            raise ParameterError(
                "LeakyReLU: parameter lower_bound",
                expected=f"at most upper_bound, {self.upper_bound:g}",
                got=self.lower_bound,
            )

    def arguments(self) -> tuple[str, ...]:
        """data and, for prelu, gamma."""
        return ("data", "gamma") if self.act_type == "prelu" else ("data",)

    def variable_attributes(self, argument: str) -> dict[str, str]:
        """gamma starts at 0.25, as in MXNet."""
        return {"__init__": '["Constant", {"value": 0.25}]'} if argument == "gamma" else {}

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other, gamma from data's axis 1.

        Raises ShapeError if gamma is neither (1,) nor as long as that axis, or if there is no such axis.
        """
        data = merge(in_shapes[0], out_shapes[0], "LeakyReLU: data")
        if self.act_type != "prelu":
            return [data], [data]
        return [data, self._gamma_shape(data, in_shapes[1])], [data]

    def _gamma_shape(self, data: PartialShape, gamma: PartialShape) -> PartialShape:
        if data is None or gamma == (1,):
            return gamma
        if len(data) < 2:
            raise ShapeError("LeakyReLU: data", expected="rows and channels, at least 2 axes, for gamma", got=data)
        return merge(gamma, data[1:2], "LeakyReLU: gamma")

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = f(x). Where x > 0, what was computed for the lower branch is overwritten."""
        xp, x, out = step.xp, inputs[0], outputs[0]
        if self.act_type == "gelu":
            _normal_distribution(xp, x, out)
            out *= x
        elif self.act_type in ("elu", "selu"):
            xp.minimum(x, 0, out=out)  # or else e^x would overflow, with a warning, where x is large
            xp.expm1(out, out=out)
            out *= self.steepness()
            xp.copyto(out, x * self.above(), where=x > 0)
        else:
            xp.multiply(x, self._slope_below(step, inputs), out=out)
            xp.copyto(out, x, where=x > 0)  # False for NaN, which therefore stays

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The head gradient times the slope, which at zero itself is that of the lower branch."""
        xp, x, head = step.xp, inputs[0], out_grads[0]
        if in_grads[0] is not None:
            self._slope(step, inputs, outputs[0], in_grads[0])
            in_grads[0] *= head
        if len(in_grads) > 1 and in_grads[1] is not None:
            products = xp.minimum(x, 0)
            products *= head
            # gamma's gradient sums over rows and pixels; float32 would lose digits.
            in_grads[1][...] = products.sum(axis=_all_but(products.ndim, in_grads[1].shape), dtype=np.float64)

    def above(self) -> float:
        """The slope where x > 0."""
        return SELU_SCALE if self.act_type == "selu" else 1.0

    def steepness(self) -> float:
        """The slope of elu and selu just below zero, by which e^x - 1 is multiplied."""
        return SELU_STEEP if self.act_type == "selu" else self.slope

    def _slope(self, step: Step, inputs: Arrays, y: Array, out: Array) -> None:
        """Write f'(x) to `out`. For elu, y = s (e^x - 1) below zero, so the slope s e^x is y + s."""
        xp, x = step.xp, inputs[0]
        if self.act_type == "gelu":
            _gelu_slope(xp, x, out)
            return
        if self.act_type in ("elu", "selu"):
            xp.add(y, self.steepness(), out=out)
        else:
            out[...] = self._slope_below(step, inputs)
        xp.copyto(out, self.above(), where=x > 0)

    def _slope_below(self, step: Step, inputs: Arrays) -> Any:
        """The factor of x below zero: a number, or an array that broadcasts to data."""
        x = inputs[0]
        if self.act_type == "prelu":
            gamma = inputs[1]
            return gamma.reshape(gamma_view(x.ndim, gamma.size))
        if self.act_type == "rrelu":
            return self._random_slope(step, x) if step.is_train else (self.lower_bound + self.upper_bound) / 2
        return self.slope

    def _random_slope(self, step: Step, x: Array) -> Array:
        """rrelu's factors, of x's shape; backward draws the same ones again."""
        first = step.first_row * product(x.shape[1:])  # this slice's place in the global batch
        uniform = step.random_bits(first, x.size).reshape(x.shape) * 2.0**-32
        slope: Array = self.lower_bound + (self.upper_bound - self.lower_bound) * uniform
        return slope.astype(x.dtype)


def gamma_view(axes: int, size: int) -> Shape:
    """The shape in which prelu's gamma, with `size` elements, broadcasts to data with that many axes."""
    return (1,) * axes if size == 1 else (1, size, *(1,) * (axes - 2))


def _all_but(axes: int, gamma: Shape) -> tuple[int, ...]:
    """The axes over which gamma's gradient is summed."""
    return tuple(axis for axis in range(axes) if axis != 1 or gamma == (1,))


def _normal_distribution(xp: Any, x: Array, out: Array) -> None:
    """Write the probability that a normal variable is below x, (1 + erf(x / sqrt 2)) / 2."""
    special.erf(xp, x * (0.5**0.5), out)
    out += 1
    out *= 0.5


def _gelu_slope(xp: Any, x: Array, out: Array) -> None:
    """Write the slope of x P(x): the distribution P(x) plus x times its density e^(-x^2 / 2) / sqrt(2 pi)."""
    _normal_distribution(xp, x, out)
    density = xp.multiply(x, x)
    density *= -0.5
    xp.exp(density, out=density)
    density *= x
    density *= (2 * math.pi) ** -0.5
    out += density
