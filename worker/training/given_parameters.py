"""The parameters that users bring: names with the prefixes of files, names that do not exist, and missing ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ...common.errors import FileFormatError, ParameterError
from ...common.suggestion import closest
from ..array import Array

SHOWN = 5  # names that an error lists


def named_arrays(what: str, given: Mapping[str, Any] | None) -> dict[str, Array]:
    """Arrays by name, {} for None; lists of numbers become arrays. Raises ParameterError, naming `what`, for others."""
    if not isinstance(given, Mapping | None):
        raise ParameterError(what, expected="arrays by name, in a dict", got=type(given).__name__)
    return {name: _array(f"{what}: {name}", value) for name, value in (given or {}).items()}


def by_kind(
    arg_params: Mapping[str, Array] | None, aux_params: Mapping[str, Array] | None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Parameters and auxiliary states by their plain names, from what may have the prefixes of a .params file.

    So what `mx.nd.load` returns can be passed as it is: `arg:fc_weight` is a parameter and `aux:bn_moving_var` a state,
    whichever of the two mappings it is in. Raises ParameterError for a name that comes twice, and for what is no array.
    """
    found: dict[str, dict[str, Array]] = {"arg": {}, "aux": {}}
    for default, given in (("arg", arg_params), ("aux", aux_params)):
        for name, value in named_arrays(f"{default}_params", given).items():
            kind, colon, rest = name.partition(":")
            kind, plain = (kind, rest) if colon and kind in found else (default, name)
            if plain in found[kind]:
                raise ParameterError(f"{kind}_params: {plain} is given twice, with and without a prefix")
            found[kind][plain] = value
    return found["arg"], found["aux"]


def check_complete(what: str, needed: Sequence[str], given: Collection[str], known: Sequence[str]) -> None:
    """Raise ParameterError, naming `what`, if one of `needed` is not `given`; `known` are all names of the network."""
    missing = [name for name in needed if name not in given]
    if not missing:
        return
    strangers = [name for name in given if name not in known]
    likely = [f"{name} instead of {meant}" if (meant := closest(name, missing)) else name for name in strangers]
    raise ParameterError(
        f"{what}: no value for {_listed(missing)}",
        got=_listed(likely) if likely else None,
        remedy="Parameters come from fit or from a file, other inputs from an iterator",
    )


def extra_names(what: str, given: Collection[str], known: Sequence[str], allowed: bool) -> list[str]:
    """Names of given parameters that this network does not have; FileFormatError unless they are allowed.

    A parameter that was renamed would otherwise start from a random value, without a word.
    """
    unknown = [name for name in given if name not in known]
    if unknown and not allowed:
        absent = [name for name in known if name not in given]
        raise FileFormatError(
            f"{what}: the network has no {_listed(unknown)}",
            expected=closest(unknown[0], absent) or _listed(absent) or "no more",
            remedy="Leave out what belongs to another network, or pass allow_extra_params=True",
        )
    return unknown


def _array(where: str, value: Any) -> Array:
    try:
        array: Array = value if hasattr(value, "dtype") else np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    # Of other libraries' types, and of bfloat16, no more is known than that they are numbers.
    if getattr(array.dtype, "kind", "f") in "OSUMmc":
        raise ParameterError(where, expected="an array of numbers", got=repr(value)[:80])
    return array


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
