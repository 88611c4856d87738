"""What draws the weights of a network if no initializer was chosen: Xavier, in the form that suits its activations."""

from __future__ import annotations

from ... import random
from ...array import Array, Shape
from ...graphs.graph import Graph
from ...ops.activation import Activation
from ...ops.clip import Clip
from ...ops.leaky_relu import LeakyReLU
from ...ops.operator import Operator
from .by_shape import Xavier

# The scale of MXNet's Uniform, for weights without a fan-in.
_SCALE = 0.07


class DefaultXavier(Xavier):
    """Xavier for weights that layers multiply by; one with a single axis, or none, is uniform in [-0.07, 0.07)."""

    def weight(self, name: str, shape: Shape) -> Array:
        """One random value per element of any shape."""
        if len(shape) < 2:
            return random.uniform(-_SCALE, _SCALE, shape)
        return super().weight(name, shape)


def default_initializer(symbol: Graph) -> Xavier:
    """Xavier() of MXNet for a network without rectifiers; for one with them Xavier("gaussian", "in", 2).

    The first is Glorot and Bengio's (2010), made for tanh and the like; the second is He et al.'s (2015), with which
    MXNet's own examples train networks of rectifiers: half of what these are given is cut off, so that weights must be
    larger by sqrt(2). Rectifiers are relu, Activation(act_type="relu"), LeakyReLU of any type, and clip from 0 on.
    """
    rectified = any(_is_rectifier(node.op) for node in symbol.nodes() if node.op is not None)
    return DefaultXavier("gaussian", "in", 2.0) if rectified else DefaultXavier()


def _is_rectifier(op: Operator) -> bool:
    match op:
        case LeakyReLU():
            return True
        case Activation():
            return bool(op.act_type == "relu")
        case Clip():
            return bool(op.a_min == 0)
    return op.op_name() == "relu"
