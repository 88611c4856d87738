"""Whether the parameters in a file are those of a network: the same names, and shapes that fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ...common.errors import FileFormatError, PushgradError
from ..array import Array, Shape
from ..atomic_files import PathLike

if TYPE_CHECKING:
    from ..symbols.symbol import Symbol

_INPUT_ENDINGS = ("data", "label")  # of the names of inputs, where nobody says which arguments are inputs


def check(
    path: PathLike,
    symbol: Symbol,
    arg_params: Mapping[str, Array],
    aux_params: Mapping[str, Array],
    inputs: Collection[str] | None = None,
) -> None:
    """Raise FileFormatError unless the parameters are those of `symbol`: the same names, and shapes which inference
    does not contradict.

    `inputs` are the arguments that are not parameters; by default those whose names end in data or label.
    """
    from ..graphs.optional_inputs import zero_states

    arguments, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    optional = zero_states(symbol)
    needed = [name for name in arguments if not _is_input(name, inputs) and name not in optional]
    for kind, there, wanted, allowed in (("arg", arg_params, needed, arguments), ("aux", aux_params, states, states)):
        for name in wanted:
            if name not in there:
                raise _foreign(path, f"{kind}:{name} is missing")
        for name in there:
            if name not in allowed:
                raise _foreign(path, f"{kind}:{name} is not one of its parameters")
    _check_inferred(path, symbol, arg_params)


def _check_inferred(path: PathLike, symbol: Symbol, arg_params: Mapping[str, Array]) -> None:
    """Name the parameter that contradicts the graph: the first one with whose shape inference fails."""
    shapes = {name: value.shape for name, value in arg_params.items()}
    try:
        symbol.infer_shape_partial(**shapes)
        return
    except PushgradError as error:
        reason = str(error)
    # Only now, as this infers once per parameter.
    known: dict[str, Shape] = {}
    for name, shape in shapes.items():
        try:
            symbol.infer_shape_partial(**known, **{name: shape})
        except PushgradError as error:
            raise _foreign(path, f"{name} has shape {shape}, and {error}") from None
        known[name] = shape
    raise _foreign(path, reason)


def _is_input(name: str, inputs: Collection[str] | None) -> bool:
    return name.endswith(_INPUT_ENDINGS) if inputs is None else name in inputs


def _foreign(path: PathLike, what: str) -> FileFormatError:
    return FileFormatError(
        f"{path} belongs to another network: {what}", remedy="Load it with the symbol that it was saved with"
    )
