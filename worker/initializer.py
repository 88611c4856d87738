"""How parameters begin: by the ending of their names, as in MXNet.

Names ending in `weight` follow the initializer's rule and are the only ones that draw random numbers, in the order in
which the caller asks for them (the order of list_arguments). Biases, beta and moving means begin at 0, gamma and
moving variances at 1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..common.errors import ParameterError, ShapeError
from . import random
from .array import Array, Shape

_ZERO = ("bias", "beta", "moving_mean")
_ONE = ("gamma", "moving_var")


class Initializer:
    """Base class: `initializer(name, shape)` gives the array. Subclasses say what a weight is."""

    def __call__(self, name: str, shape: Shape, dtype: Any = np.float32) -> Array:
        """The first value of parameter `name`. Raises ParameterError if its name says nothing of its kind."""
        if name.endswith("weight"):
            return self.weight(name, shape).astype(dtype, copy=False)
        if name.endswith(_ZERO):
            return np.zeros(shape, dtype)
        if name.endswith(_ONE):
            return np.ones(shape, dtype)
        raise ParameterError(
            f"no rule for the first value of parameter {name!r}",
            expected="a name ending in weight, bias, gamma, beta, moving_mean or moving_var",
            remedy="Rename it, give it an initializer with Variable(init=...), or pass its value in arg_params",
        )

    def weight(self, name: str, shape: Shape) -> Array:
        """float32 values of a weight (or of a variable that asked for this initializer by name)."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class Uniform(Initializer):
    """Uniform in [-scale, scale). R's default and FeedForward's is a scale of 0.01."""

    def __init__(self, scale: float = 0.07) -> None:
        self.scale = _positive("Uniform: scale", scale)

    def weight(self, name: str, shape: Shape) -> Array:
        """One draw per value."""
        return random.uniform(-self.scale, self.scale, shape)


class Normal(Initializer):
    """Normal with mean 0 and standard deviation `sigma`."""

    def __init__(self, sigma: float = 0.01) -> None:
        self.sigma = _positive("Normal: sigma", sigma)

    def weight(self, name: str, shape: Shape) -> Array:
        """Drawn by the polar method."""
        return random.normal(0.0, self.sigma, shape)


class Constant(Initializer):
    """Every weight value is `value`."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = float(value)

    def weight(self, name: str, shape: Shape) -> Array:
        """No draws."""
        return np.full(shape, self.value, np.float32)


class Zero(Constant):
    """Weights of 0."""

    def __init__(self) -> None:
        super().__init__(0.0)


class One(Constant):
    """Weights of 1."""

    def __init__(self) -> None:
        super().__init__(1.0)


class Xavier(Initializer):
    """Glorot and Bengio (2010): a spread of sqrt(magnitude / factor), factor from the numbers of inputs and outputs.

    For a weight (out, in, *kernel) the fan-in is in * prod(kernel) and the fan-out is out * prod(kernel), as in
    Python's MXNet. `factor_type` is "avg", "in" or "out"; `rnd_type` "uniform" (half-width) or "gaussian" (deviation).
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3.0) -> None:
        if rnd_type not in ("uniform", "gaussian"):
            raise ParameterError("Xavier: rnd_type", expected="uniform or gaussian", got=repr(rnd_type))
        if factor_type not in ("avg", "in", "out"):
            raise ParameterError("Xavier: factor_type", expected="avg, in or out", got=repr(factor_type))
        self.rnd_type, self.factor_type = rnd_type, factor_type
        self.magnitude = _positive("Xavier: magnitude", magnitude)

    def weight(self, name: str, shape: Shape) -> Array:
        """Raises ShapeError for a vector, which has no fan-in."""
        if len(shape) < 2:
            raise ShapeError(f"Xavier: parameter {name!r}", expected="at least 2 dimensions", got=shape)
        kernel = math.prod(shape[2:])
        fan_in, fan_out = shape[1] * kernel, shape[0] * kernel
        factor = {"avg": (fan_in + fan_out) / 2, "in": fan_in, "out": fan_out}[self.factor_type]
        scale = math.sqrt(self.magnitude / max(factor, 1))
        if self.rnd_type == "uniform":
            return random.uniform(-scale, scale, shape)
        return random.normal(0.0, scale, shape)


class MSRAPrelu(Xavier):
    """He et al. (2015), for rectifiers whose negative part has that slope."""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))


class Orthogonal(Initializer):
    """Saxe et al. (2013): rows (or columns, whichever are fewer) orthogonal, each of length `scale`."""

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        if rand_type not in ("uniform", "normal"):
            raise ParameterError("Orthogonal: rand_type", expected="uniform or normal", got=repr(rand_type))
        self.scale, self.rand_type = _positive("Orthogonal: scale", scale), rand_type

    def weight(self, name: str, shape: Shape) -> Array:
        """From the singular vectors of a random matrix (shape[0], prod(shape[1:]))."""
        matrix = (shape[0], math.prod(shape[1:]))
        start = random.uniform(-1.0, 1.0, matrix) if self.rand_type == "uniform" else random.normal(0.0, 1.0, matrix)
        left, _, right = np.linalg.svd(start.astype(np.float64), full_matrices=False)
        chosen = left if left.shape == matrix else right
        return (self.scale * chosen).astype(np.float32).reshape(shape)


class Load(Initializer):
    """Values by name from a dict of arrays (`arg:` and `aux:` prefixes allowed), the rest from `default_init`."""

    def __init__(self, params: Mapping[str, Array], default_init: Initializer | None = None) -> None:
        self.params = {name.removeprefix("arg:").removeprefix("aux:"): value for name, value in params.items()}
        self.default_init = default_init

    def __call__(self, name: str, shape: Shape, dtype: Any = np.float32) -> Array:
        """A copy of the stored value; ShapeError if it has another shape, ParameterError if nothing is known of it."""
        if name in self.params:
            value = np.asarray(self.params[name])
            if value.shape != tuple(shape):
                raise ShapeError(f"Load: parameter {name!r}", expected=tuple(shape), got=value.shape)
            return value.astype(dtype)
        if self.default_init is None:
            raise ParameterError(f"Load: no value for parameter {name!r}", remedy="Pass default_init as well")
        return self.default_init(name, shape, dtype)


class Mixed(Initializer):
    """The initializer of the first regular expression that matches the name."""

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Initializer]) -> None:
        if len(patterns) != len(initializers):
            raise ParameterError("Mixed", expected=f"{len(patterns)} initializers", got=len(initializers))
        self.rules = [(re.compile(pattern), rule) for pattern, rule in zip(patterns, initializers, strict=True)]

    def __call__(self, name: str, shape: Shape, dtype: Any = np.float32) -> Array:
        """ParameterError if no pattern matches."""
        for pattern, rule in self.rules:
            if pattern.search(name):
                return rule(name, shape, dtype)
        raise ParameterError(f"Mixed: no pattern matches parameter {name!r}", remedy='Add ".*" as the last pattern')


_BY_NAME: dict[str, type[Initializer]] = {
    kind.__name__.lower(): kind for kind in (Uniform, Normal, Constant, Zero, One, Xavier, MSRAPrelu, Orthogonal)
}


def create(value: object) -> Initializer:
    """An initializer from itself, its name ("xavier") or a variable's attribute ('["xavier", {"magnitude": 2}]')."""
    if isinstance(value, Initializer):
        return value
    name, options = value, {}
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            name, options = json.loads(value)
        except ValueError:
            raise ParameterError("initializer", expected="'[\"name\", {...}]'", got=repr(value)) from None
    if not isinstance(name, str) or name.lower() not in _BY_NAME:
        raise ParameterError("initializer", expected="one of " + ", ".join(sorted(_BY_NAME)), got=repr(name))
    try:
        return _BY_NAME[name.lower()](**options)
    except TypeError as error:
        raise ParameterError(f"initializer {name}: {error}") from None


def _positive(what: str, value: float) -> float:
    if not (0 <= value < math.inf):
        raise ParameterError(what, expected="a number of 0 or more", got=value)
    return float(value)
