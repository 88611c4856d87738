"""The public `mx.init`: initializers that do not depend on a parameter's shape, and `create` to make one by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....common.errors import ParameterError, ShapeError
from ....common.suggestion import misspelt
from ... import random
from ...array import Array, Shape
from .base import Initializer, positive
from .by_shape import Bilinear, LSTMBias, MSRAPrelu, Orthogonal, Xavier
from .recurrent import FusedRNN

__all__ = [
    "Bilinear",
    "Constant",
    "FusedRNN",
    "Initializer",
    "LSTMBias",
    "Load",
    "MSRAPrelu",
    "Mixed",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zero",
    "create",
]


class Uniform(Initializer):
    """Uniform in [-scale, scale). The default is MXNet's in Python; R has a scale of 0.01."""

    def __init__(self, scale: float = 0.07) -> None:
        self.scale = positive("Uniform: scale", scale)

    def weight(self, name: str, shape: Shape) -> Array:
        """One random draw per value of that shape, in C order."""
        return random.uniform(-self.scale, self.scale, shape)


class Normal(Initializer):
    """Normal with mean 0 and standard deviation `sigma`."""

    def __init__(self, sigma: float = 0.01) -> None:
        self.sigma = positive("Normal: sigma", sigma)

    def weight(self, name: str, shape: Shape) -> Array:
        """Random values of that shape by Marsaglia's polar method, as in MXNet; a sigma of 0 draws nothing."""
        return random.normal(0.0, self.sigma, shape)


class Constant(Initializer):
    """Weights whose elements are all `value`."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = float(value)

    def weight(self, name: str, shape: Shape) -> Array:
        """An array of that shape filled with `value`; no random draws."""
        return np.full(shape, self.value, np.float32)


class Zero(Constant):
    """Weights of 0."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def options(self) -> dict[str, Any]:
        """No keywords: the value is in the name."""
        return {}


class One(Constant):
    """Weights of 1."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def options(self) -> dict[str, Any]:
        """No keywords: the value is in the name."""
        return {}


class Load(Initializer):
    """Values by name from a dict of arrays (`arg:` and `aux:` prefixes allowed), the rest from `default_init`."""

    def __init__(self, params: Mapping[str, Array], default_init: Initializer | None = None) -> None:
        # The prefixes are those of names in .params files, so that what mx.nd.load returns can be passed as it is.
        self.params = {name.removeprefix("arg:").removeprefix("aux:"): value for name, value in params.items()}
        self.default_init = default_init

    def __call__(self, name: str, shape: Shape, dtype: Any = np.float32) -> Array:
        """A copy of the stored value.

        Raises ShapeError if it has another shape than `shape`, ParameterError if there is neither value nor default.
        """
        if name in self.params:
            value = np.asarray(self.params[name])
            if value.shape != tuple(shape):
                raise ShapeError(f"Load: parameter {name!r}", expected=tuple(shape), got=value.shape)
            return value.astype(dtype)
        if self.default_init is None:
            raise ParameterError(f"Load: no value for parameter {name!r}", remedy="Pass default_init as well")
        return self.default_init(name, shape, dtype)


class Mixed(Initializer):
    """Uses the initializer of the first regular expression that matches the beginning of the name, as in MXNet.

    Raises ParameterError unless there are as many initializers as patterns, and for a pattern that is none.
    """

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Initializer]) -> None:
        if len(patterns) != len(initializers):
            raise ParameterError("Mixed", expected=f"{len(patterns)} initializers", got=len(initializers))
        self.rules = [(_compiled(pattern), rule) for pattern, rule in zip(patterns, initializers, strict=True)]

    def __call__(self, name: str, shape: Shape, dtype: Any = np.float32) -> Array:
        """The value that the chosen initializer gives, of `shape`. Raises ParameterError if no pattern matches."""
        for pattern, rule in self.rules:
            if pattern.match(name):
                return rule(name, shape, dtype)
        raise ParameterError(f"Mixed: no pattern matches parameter {name!r}", remedy='Add ".*" as the last pattern')


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ParameterError(f"Mixed: pattern {pattern!r}: {error}") from None


# The names that MXNet registers; zeros and ones are its aliases.
_BY_NAME: Mapping[str, type[Initializer]] = {
    kind.__name__.lower(): kind
    for kind in (Uniform, Normal, Constant, Zero, One, Xavier, MSRAPrelu, Orthogonal, LSTMBias, Bilinear, FusedRNN)
} | {"zeros": Zero, "ones": One}


def create(value: object) -> Initializer:
    """An initializer from itself, its name ("xavier") or a variable's attribute ('["xavier", {"magnitude": 2}]').

    Raises ParameterError if the name is unknown, the attribute is not such a list, or the options are wrong.
    """
    if isinstance(value, Initializer):
        return value
    name, options = value, {}
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            name, options = json.loads(value)
        except ValueError:
            raise ParameterError("initializer", expected="'[\"name\", {...}]'", got=repr(value)) from None
    if not isinstance(name, str) or name.lower() not in _BY_NAME:
        known = sorted(_BY_NAME)
        raise ParameterError("initializer", expected="one of " + ", ".join(known), got=misspelt(name, known))
    if isinstance(options, dict) and isinstance(inner := options.get("init"), str):  # FusedRNN has one for its parts
        options = {**options, "init": create(inner)}
    try:
        return _BY_NAME[name.lower()](**options)
    except TypeError as error:
        raise ParameterError(f"initializer {name}: {error}") from None
