"""The first values of parameters follow from the ending of their names, as in MXNet.

Names ending in `weight` follow the initializer's rule and are the only ones that draw random numbers, in the order in
which the caller asks for them (the order of list_arguments). Biases, beta and moving means begin at 0, gamma and
moving variances at 1.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ....common.errors import ParameterError
from ...array import Array, Shape

_ZERO = ("bias", "beta", "moving_mean")
_ONE = ("gamma", "moving_var", "moving_inv_var")


class NoRule(ParameterError):
    """A parameter's name says nothing about its first value."""


class Initializer:
    """Base class: `initializer(name, shape)` gives a new array of that shape. Subclasses define `weight`.

    Random values are drawn from `mx.random`'s stream in C order, so that equal seeds give equal bits. Constructors
    raise ParameterError if an option is out of range. Attributes are the options, as `options` and repr show them.
    """

    def __call__(self, name: str, shape: Shape, dtype: Any = np.float32) -> Array:
        """The first value of parameter `name`. Raises NoRule, a ParameterError, if no rule fits its name."""
        if name.endswith("weight"):
            return self.weight(name, shape).astype(dtype, copy=False)
        if name.endswith(_ZERO):
            return np.zeros(shape, dtype)
        if name.endswith(_ONE):
            return np.ones(shape, dtype)
        raise NoRule(
            f"no rule for the first value of parameter {name!r}",
            expected="a name ending in weight, bias, gamma, beta, moving_mean or moving_var",
            remedy="Rename it, give it an initializer with Variable(init=...), or pass its value in arg_params",
        )

    def weight(self, name: str, shape: Shape) -> Array:
        """float32 values of that shape for a weight, or for a variable that has this initializer of its own."""
        raise NotImplementedError

    def dumps(self) -> str:
        """What a variable keeps as its attribute `__init__`: a JSON list of name and options, as MXNet writes it.

        Raises ParameterError if JSON has no text for the options, as for those of Mixed and Load.
        """
        try:
            return json.dumps([type(self).__name__.lower(), self.options()])
        except TypeError:
            raise ParameterError(
                f"{type(self).__name__} as the initializer of one variable",
                expected="one with plain options, such as mx.init.Uniform(0.1)",
                remedy="Give it to FeedForward(initializer=...), which asks it for every parameter",
            ) from None

    def options(self) -> dict[str, Any]:
        """The keywords that make this initializer again."""
        return dict(vars(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


def positive(what: str, value: float) -> float:
    """Return `value` if it is finite and not negative. Raises ParameterError that names `what` otherwise."""
    if not (0 <= value < math.inf):  # written so that NaN is refused, too
        raise ParameterError(what, expected="a number of 0 or more", got=value)
    return float(value)
