"""The parameters of a network at the start of a training: given, loaded, or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..common.errors import FileFormatError
from .array import Array, Shape
from .feeding import InputNames

if TYPE_CHECKING:
    from .feedforward import FeedForward


@dataclass
class Parameters:
    """Arrays by name; `multipliers` are (lr_mult, wd_mult)."""

    arguments: dict[str, Array]
    states: dict[str, Array]
    multipliers: dict[str, tuple[float, float]]
    empty_outputs: list[Array]

    @staticmethod
    def prepare(model: FeedForward, names: InputNames, inputs: Mapping[str, Shape]) -> Parameters:
        """The model's parameters where it has them, the rest drawn in the order of list_arguments().

        Raises FileFormatError if a parameter that the model has does not fit this network, or is none of it.
        """
        symbol = model.symbol
        shapes = symbol.infer_all(**inputs)
        by_name = {node.name: shape for (node, _), shape in shapes.items() if node.op is None}
        taken = {*names.data, *names.label}
        learned = [name for name in symbol.list_arguments() if name not in taken]
        _refuse_unknown("arg_params", model.arg_params, symbol.list_arguments())
        _refuse_unknown("aux_params", model.aux_params, symbol.list_auxiliary_states())
        start = {name: _start(model, name, by_name[name], model.arg_params) for name in learned}
        states = {n: _start(model, n, by_name[n], model.aux_params) for n in symbol.list_auxiliary_states()}
        attributes = symbol.attr_dict()
        multipliers = {name: _multipliers(name, attributes.get(name, {})) for name in learned}
        empty = [np.zeros((0, *shapes[entry][1:]), np.float32) for entry in symbol.heads]
        return Parameters(start, states, multipliers, empty)


def _start(model: FeedForward, name: str, shape: Shape, given: Mapping[str, Array]) -> Array:
    if name not in given:
        return np.ascontiguousarray(model.initializer(name, shape), np.float32)
    array = np.asarray(given[name], np.float32)
    if array.shape != shape:
        raise FileFormatError(f"parameter {name} does not fit this network", expected=f"shape {shape}", got=array.shape)
    return array.copy()


def _refuse_unknown(what: str, given: Mapping[str, Array], known: Sequence[str]) -> None:
    """A parameter under another name would silently start from a random value."""
    if unknown := [name for name in given if name not in known]:
        raise FileFormatError(
            f"{what}: the network has no {', '.join(unknown)}",
            expected=", ".join(known) or "none",
            remedy="Leave out what belongs to another network",
        )


def _multipliers(name: str, attributes: Mapping[str, str]) -> tuple[float, float]:
    """MXNet's Python rule: weight decay applies to names that end in _weight or _gamma, unless the symbol says more."""
    decays = name.endswith(("_weight", "_gamma"))
    rate = float(attributes.get("__lr_mult__", 1.0))
    return rate, float(attributes.get("__wd_mult__", 1.0 if decays else 0.0))
