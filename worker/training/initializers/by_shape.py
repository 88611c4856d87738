"""Initializers whose values depend on a parameter's shape: on its fan-in, or on what the layer is to compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....common.errors import ParameterError, ShapeError
from ... import random
from ...array import Array, Shape
from .base import Initializer, positive


class Xavier(Initializer):
    """Glorot and Bengio (2010): a spread of sqrt(magnitude / factor), factor from the numbers of inputs and outputs.

    For a weight (out, in, *kernel) the fan-in is in * prod(kernel) and the fan-out is out * prod(kernel), as in
    Python's MXNet. `factor_type`: factor is their mean ("avg"), the fan-in ("in") or the fan-out ("out"). `rnd_type`:
    uniform in +-spread ("uniform"), or normal with that standard deviation ("gaussian").
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3.0) -> None:
        if rnd_type not in ("uniform", "gaussian"):
            raise ParameterError("Xavier: rnd_type", expected="uniform or gaussian", got=repr(rnd_type))
        if factor_type not in ("avg", "in", "out"):
            raise ParameterError("Xavier: factor_type", expected="avg, in or out", got=repr(factor_type))
        self.rnd_type, self.factor_type = rnd_type, factor_type
        self.magnitude = positive("Xavier: magnitude", magnitude)

    def weight(self, name: str, shape: Shape) -> Array:
        """One random value per element of a shape (out, in, *kernel). Raises ShapeError if it is a vector's."""
        if len(shape) < 2:
            raise ShapeError(f"Xavier: parameter {name!r}", expected="at least 2 dimensions", got=shape)
        kernel = math.prod(shape[2:])
        fan_in, fan_out = shape[1] * kernel, shape[0] * kernel
        factor = {"avg": (fan_in + fan_out) / 2, "in": fan_in, "out": fan_out}[self.factor_type]
        scale = math.sqrt(self.magnitude / max(factor, 1))  # an axis of length 0 makes an empty array, not an error
        if self.rnd_type == "uniform":
            return random.uniform(-scale, scale, shape)
        return random.normal(0.0, scale, shape)


class MSRAPrelu(Xavier):
    """He et al. (2015), for rectifiers whose negative part has that slope: Xavier with magnitude 2 / (1 + slope^2)."""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self.slope = slope

    def options(self) -> dict[str, Any]:
        """The keywords factor_type and slope, without those of Xavier that follow from them."""
        return {"factor_type": self.factor_type, "slope": self.slope}


class Orthogonal(Initializer):
    """Saxe et al. (2013): rows (or columns, whichever are fewer) orthogonal to each other, each of length `scale`."""

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        if rand_type not in ("uniform", "normal"):
            raise ParameterError("Orthogonal: rand_type", expected="uniform or normal", got=repr(rand_type))
        self.scale, self.rand_type = positive("Orthogonal: scale", scale), rand_type

    def weight(self, name: str, shape: Shape) -> Array:
        """Singular vectors of a random matrix (shape[0], prod(shape[1:])), reshaped."""
        matrix = (shape[0], math.prod(shape[1:]))
        start = random.uniform(-1.0, 1.0, matrix) if self.rand_type == "uniform" else random.normal(0.0, 1.0, matrix)
        # In float64, so that rounding, which differs between builds of LAPACK, seldom reaches the float32 values.
        left, _, right = np.linalg.svd(start.astype(np.float64), full_matrices=False)
        chosen = left if left.shape == matrix else right
        return (self.scale * chosen).astype(np.float32).reshape(shape)


class LSTMBias(Initializer):
    """A bias of 4 gates: 0 except for the forget gate's, which is the second quarter in the operator RNN's order.

    An LSTM that remembers from the start learns long spans sooner (Jozefowicz et al. 2015).
    """

    def __init__(self, forget_bias: float = 1.0) -> None:
        self.forget_bias = float(forget_bias)

    def weight(self, name: str, shape: Shape) -> Array:
        """No random draws. Raises ShapeError unless the shape is (n,) with n a multiple of 4."""
        if len(shape) != 1 or shape[0] % 4:
            raise ShapeError(f"LSTMBias: parameter {name!r}", expected="a vector of 4 equal parts", got=shape)
        value = np.zeros(shape, np.float32)
        value[shape[0] // 4 : shape[0] // 2] = self.forget_bias
        return value


class Bilinear(Initializer):
    """The weight of a Deconvolution that enlarges by bilinear interpolation."""

    def weight(self, name: str, shape: Shape) -> Array:
        """A tent over the kernel of a shape (channels, 1, height, width); no random draws.

        Raises ShapeError unless the shape has 4 dimensions.
        """
        if len(shape) != 4:
            raise ShapeError(f"Bilinear: parameter {name!r}", expected="4 dimensions", got=shape)
        tents = [_tent(extent) for extent in shape[2:]]
        return np.broadcast_to(np.outer(*tents), shape).astype(np.float32)


def _tent(extent: int) -> Array:
    """(extent,) weights of a linear interpolation: 1 at the middle, falling by 1 over ceil(extent / 2) places."""
    half = math.ceil(extent / 2)
    # MXNet's formula, in units of `half`: the middle lies between two places if `half` is even.
    middle = (2 * half - 1 - half % 2) / (2 * half)
    found: Array = 1 - np.abs(np.arange(extent) / half - middle)
    return found
