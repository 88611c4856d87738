"""A model on disk, in MXNet's three files: the graph, its parameters, and the optimizer's states beside them.

    prefix-symbol.json    prefix-0001.params (arg:fc1_weight, aux:bn_moving_mean)    prefix-0001.states

The states file is an array file, too: `mom:fc1_weight` is the state named mom of the parameter fc1_weight, and there
are whole numbers such as `step`. The params file is renamed into place last, so where it is, the other two are as well.
prefix-0001.sha256 has the checksums of params and states (checksums.py).
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.errors import FileFormatError, ParameterError
from ..array import Array
from ..atomic_files import PathLike, write_atomically
from ..log import log_line
from . import checksums, ndfile
from .ownership import check

if TYPE_CHECKING:
    from ..symbols.symbol import Symbol

_KINDS = {"rate_factor": "f"}  # of the numbers in a states file that are no whole ones


@dataclass
class TrainingState:
    """What a training needs besides its parameters to go on: optimizer states, and whole numbers such as `step`.

    One number is no whole one: `rate_factor`, by which the learning rate has been multiplied.

    `slots` holds, by parameter and by state name, arrays of the parameter's shape: {"fc1_weight": {"mom": array}}.
    """

    slots: dict[str, dict[str, Array]] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(slots: dict[str, dict[str, Array]], step: int, training: int, rate_factor: float) -> TrainingState:
        """The state of a model. A rate factor of 1 is not written: older versions read such files."""
        lowered = {"rate_factor": rate_factor} if rate_factor != 1 else {}
        return TrainingState(slots, {"step": step, "training": training, **lowered})


@dataclass
class Checkpoint:
    """What `load` found: parameters and auxiliary states by name; `state` is None if there is no states file."""

    symbol: Symbol
    arg_params: dict[str, Array]
    aux_params: dict[str, Array]
    state: TrainingState | None = None


def paths(prefix: PathLike, epoch: int) -> tuple[Path, Path, Path]:
    """The paths of the files of graph, parameters and states; the epoch has four digits, or more from 10000 on.

    Raises ParameterError if `epoch` is not a whole number of 0 or more.
    """
    try:
        number = -1 if isinstance(epoch, bool) else operator.index(epoch)
    except TypeError:
        number = -1
    if number < 0:
        raise ParameterError("checkpoint: epoch", expected="a whole number of 0 or more", got=repr(epoch))
    return Path(f"{prefix}-symbol.json"), Path(f"{prefix}-{number:04d}.params"), Path(f"{prefix}-{number:04d}.states")


def save(
    prefix: PathLike,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, Array],
    aux_params: Mapping[str, Array],
    state: TrainingState | None = None,
) -> Path:
    """Write the files, each whole or not at all, and return the path of the params file. Arrays may have any shapes.

    If `symbol` is None, the graph's file is left alone. If `state` is None, an older states file of that epoch is
    removed, because it would belong to other parameters. Where older files of that epoch are replaced, `load` notices
    if that was interrupted between them. Raises ParameterError if `epoch` is not a whole number of 0 or more or the
    format lacks an element type, FileFormatError if the folder does not exist.
    """
    graph_path, params_path, states_path = paths(prefix, epoch)
    args = {f"arg:{name}": value for name, value in arg_params.items()}
    contents = {params_path: ndfile.writer(args | {f"aux:{name}": value for name, value in aux_params.items()})}
    if state is not None:
        contents[states_path] = ndfile.writer(_flat(state))
    if symbol is not None:
        text = symbol.tojson()
        write_atomically(graph_path, lambda stream: stream.write(text.encode()))
    sums = {path: checksums.checksum(write) for path, write in contents.items()}
    with checksums.saving(sums_path(params_path), [params_path, states_path], sums):
        if state is not None:
            write_atomically(states_path, contents[states_path])
        # After the states: a reader looks for this file, and finds the others complete once it is there.
        write_atomically(params_path, contents[params_path])
        if state is None:
            states_path.unlink(missing_ok=True)
    return params_path


def load(
    prefix: PathLike,
    epoch: int,
    symbol: Symbol | None = None,
    inputs: Collection[str] | None = None,
    allow_extra_params: bool = False,
    pooling_convention: str | None = None,
) -> Checkpoint:
    """Read the files of that epoch and check that they belong together. The graph's file is read if `symbol` is None.

    `inputs` are the arguments that are not parameters; by default those whose names end in data or label. With
    `allow_extra_params`, arrays that the network does not use are left out with a line in the log; otherwise they are
    an error. `pooling_convention`, valid or full, is for poolings of files of 2016 that do not state theirs. Raises
    FileFormatError, which names the file, if it is damaged or params and states were not saved
    together, and the first parameter that is missing, unknown or of another shape; ParameterError if `epoch` is not a
    whole number of 0 or more.
    """
    _, params_path, states_path = paths(prefix, epoch)
    checksums.check(sums_path(params_path), [params_path, states_path])
    symbol, arg_params, aux_params = _parts(prefix, epoch, symbol, pooling_convention)
    if allow_extra_params:
        _leave_out(arg_params, symbol.list_arguments(), params_path)
        _leave_out(aux_params, symbol.list_auxiliary_states(), params_path)
    check(params_path, symbol, arg_params, aux_params, inputs)
    state = load_state(states_path, arg_params) if states_path.exists() else None
    return Checkpoint(symbol, arg_params, aux_params, state)


def load_parts(
    prefix: PathLike, epoch: int, symbol: Symbol | None = None, pooling_convention: str | None = None
) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """The graph, arguments and auxiliary states of that epoch by name, of any shapes: they are not compared.

    Raises FileFormatError if a file is missing, damaged, or not a model's, ParameterError for a wrong `epoch`.
    """
    params_path = paths(prefix, epoch)[1]
    checksums.check(sums_path(params_path), [params_path])
    return _parts(prefix, epoch, symbol, pooling_convention)


def sums_path(params_path: Path) -> Path:
    """The path of the checksums of an epoch."""
    return params_path.with_suffix(".sha256")


def _parts(
    prefix: PathLike, epoch: int, symbol: Symbol | None, pooling_convention: str | None
) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """What `load_parts` returns, without a look at the checksums."""
    graph_path, params_path, _ = paths(prefix, epoch)
    loaded = _load_symbol(graph_path) if symbol is None else symbol
    if not params_path.exists():
        raise FileFormatError(f"{params_path} is not there", remedy=_what_there_is(prefix))
    arg_params, aux_params = load_params(params_path)
    if symbol is None:  # what an old graph's file leaves open is settled by the parameters' shapes
        from ..graphs.old_models import pooling_note, settle_pooling, settle_states

        shapes = {name: value.shape for name, value in arg_params.items()}
        loaded = settle_pooling(loaded, shapes, pooling_convention)
        if note := pooling_note(loaded):
            log_line(f"{graph_path}: {note}")
        loaded, aux_params = settle_states(loaded, aux_params)
    return loaded, arg_params, aux_params


def _leave_out(params: dict[str, Array], known: Collection[str], path: PathLike) -> None:
    """Remove arrays that the network does not use, and log which."""
    extra = sorted(params.keys() - set(known))
    for name in extra:
        del params[name]
    if extra:
        log_line(f"{path}: left out {', '.join(extra)}, which the network does not use")


def load_params(path: PathLike) -> tuple[dict[str, Array], dict[str, Array]]:
    """The arguments and auxiliary states in a params file by name, of any shapes. Raises FileFormatError for others."""
    arrays = ndfile.load(path)
    if isinstance(arrays, list):
        if not arrays:  # a network without parameters
            return {}, {}
        raise FileFormatError(f"{path} has {len(arrays)} arrays without names", expected="names such as arg:fc1_weight")
    parts: dict[str, dict[str, Array]] = {"arg": {}, "aux": {}}
    for name, value in arrays.items():
        kind, _, rest = name.partition(":")
        if kind not in parts or not rest:
            raise FileFormatError(
                f"{path}: array name", expected="arg:NAME or aux:NAME", got=repr(name), remedy="Is it a model's file?"
            )
        parts[kind][rest] = value
    return parts["arg"], parts["aux"]


def load_state(path: PathLike, arg_params: Mapping[str, Array]) -> TrainingState:
    """The training state in a states file. Raises FileFormatError if it cannot be read or does not fit.

    An array must be a whole number, the rate factor, or a state of one of `arg_params` with that parameter's shape.
    """
    arrays = ndfile.load(path)
    state = TrainingState()
    for name, value in (arrays if isinstance(arrays, dict) else dict.fromkeys([""], np.empty(0))).items():
        slot, colon, parameter = name.partition(":")
        if colon and parameter in arg_params and value.shape == arg_params[parameter].shape:
            state.slots.setdefault(parameter, {})[slot] = value
        elif name and not colon and value.shape == (1,) and value.dtype.kind in _KINDS.get(name, "iu"):
            state.numbers[name] = value[0].item()
        else:
            raise FileFormatError(
                f"{path}: {name!r} of shape {value.shape} is no optimizer state of this network",
                remedy="It belongs to another training: remove it to start with fresh optimizer states",
            )
    return state


def _load_symbol(path: Path) -> Symbol:
    if not path.exists():
        found = sorted(graph.name for graph in path.parent.glob("*-symbol.json"))
        there = f"there are: {', '.join(found[:5])}" if found else f"there is no -symbol.json file in {path.parent}"
        raise FileFormatError(f"{path} is not there", remedy=f"Check the prefix; {there}")
    from ..symbols import sym

    loaded: Any = sym.load(path)
    return loaded  # type: ignore[no-any-return]


def _flat(state: TrainingState) -> dict[str, Array]:
    """A training state as the arrays of a states file; numbers become int64 or float64 arrays of shape (1,)."""
    arrays = {f"{slot}:{name}": value for name, slots in state.slots.items() for slot, value in slots.items()}
    return arrays | {name: np.array([number]) for name, number in state.numbers.items()}


def _what_there_is(prefix: PathLike) -> str:
    """A remedy for a missing params file: the last five that there are."""
    folder, stem = Path(prefix).parent, Path(prefix).name
    found = [path.name for path in folder.glob("*.params") if path.name.startswith(f"{stem}-")]
    found.sort(key=lambda name: (len(name), name))  # epoch 10000 comes after 9999
    return f"There are: {', '.join(found[-5:])}" if found else f"There are no {prefix}-*.params files"
