"""From a global batch to the arrays of one worker's executor: which array feeds which argument, and the copying."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from ...common.errors import DataError, GraphError, ShapeError
from ..array import Array, Shape
from ..data.contract import described
from ..data.data_iter import DataBatch, DataIter
from ..data.taken_batch import TakenBatch
from ..execution.executor_base import StepExecutor
from ..graphs.graph import Graph
from ..ops.shapes import known

_CHANNELS = (1, 3, 4)  # of pictures: grey, colours, colours with transparency


@dataclass(frozen=True)
class InputNames:
    """Which arguments of the network take an iterator's data and labels, in the iterator's order."""

    data: tuple[str, ...]
    label: tuple[str, ...]

    @staticmethod
    def match(symbol: Graph, iterator: DataIter, labelled: bool = True) -> InputNames:
        """Match by name where the names agree; a lone array goes to the only argument that ends in `data` or `label`.

        Raises GraphError if an array of the iterator's goes nowhere, DataError if one of the network's labels is
        missing, or if the iterator does not say what it yields. Not so for labels if `labelled` is False: predictions
        need none, and leave out those that go nowhere.
        """
        arguments, (provided, labelling) = symbol.list_arguments(), described(iterator)
        data = _match(symbol, [name for name, _ in provided], "data")
        labels = [name for name, _ in labelling]
        if not labelled:
            return InputNames(data, _lone(arguments, labels, "label") or tuple(labels))
        label = _match(symbol, labels, "label")
        for name in arguments:
            if name.endswith("label") and name not in label:
                raise DataError(
                    f"the network's argument {name} gets no label",
                    got=f"labels for {', '.join(label)}" if label else "an iterator without labels",
                    remedy="Pass labels to the iterator, under that name if there are several",
                )
        return InputNames(data, label)


def only_ending(symbol: Graph, suffix: str) -> str:
    """The network's one argument whose name ends in `suffix`. Raises GraphError if there is none, or several."""
    found = [name for name in symbol.list_arguments() if name.endswith(suffix)]
    if suffix == "label" and not found:
        raise _no_loss(symbol)
    if len(found) != 1:
        raise GraphError(
            f"the network needs one argument whose name ends in {suffix!r}",
            got=", ".join(found) or f"none among {', '.join(symbol.list_arguments())}",
            remedy="Pass an iterator that names its arrays.",
        )
    return found[0]


def _no_loss(symbol: Graph) -> GraphError:
    """The error for a network that takes no label, but is to be trained with labels, or compared with them."""
    return GraphError(
        f"the network takes no label: it ends in {', '.join(symbol.list_outputs())}",
        remedy="End it in SoftmaxOutput, LinearRegressionOutput or another loss",
    )


def input_shapes(symbol: Graph, iterator: DataIter, names: InputNames, rows: int) -> dict[str, Shape]:
    """Shapes of the data arguments, (rows, ...), for `rows` examples, and of labels that do not follow from them.

    Those of all other labels do: the iterator may have them as (rows, 1) where the network takes (rows,). Raises
    ShapeError if the network does not take such data.
    """
    data = _of_rows(names.data, iterator.provide_data, rows)
    try:
        inferred, _, _ = symbol.infer_shape_partial(**data)
    except ShapeError as error:
        error.remedy = channels_hint(data) or error.remedy
        raise
    found = dict(zip(symbol.list_arguments(), inferred or (), strict=True))
    labels = _of_rows(names.label, iterator.provide_label, rows)
    return data | {name: shape for name, shape in labels.items() if name in found and not known(found[name])}


def shapes_for(iterator: DataIter, names: InputNames, rows: int) -> dict[str, Shape]:
    """The shapes of an iterator's data and labels for `rows` examples, by argument."""
    found = _of_rows(names.data, iterator.provide_data, rows)
    return found | _of_rows(names.label, iterator.provide_label, rows)


def _of_rows(names: Sequence[str], described: Sequence[tuple[str, Shape]], rows: int) -> dict[str, Shape]:
    return {name: (rows, *shape[1:]) for name, (_, shape) in zip(names, described, strict=True)}


def feed(executor: StepExecutor, names: InputNames, batch: DataBatch, rows: tuple[int, int]) -> None:
    """Let the executor's arguments hold the worker's rows [first, last) of a global batch in the next pass.

    Those of a TakenBatch need not be there before. Each array becomes of its argument's shape: labels as (n, 1) fit
    arguments of (n,) and the other way round. Raises ShapeError if the sizes differ.
    """
    # Not in it are ids of an Embedding whose rows are looked up (sparse_embeddings.py), or labels that predictions do
    # without.
    (first, last), targets = rows, executor.arg_dict
    if isinstance(batch, TakenBatch):
        numbers = batch.index[first:last]
        for name, source in _named(names, batch.data_sources, batch.label_sources):
            if name in targets:
                _gather(executor, name, source, numbers)
        return
    for name, array in _named(names, batch.data, batch.label):
        if name in targets:
            _copy(name, array[first:last], targets[name])


def _copy(name: str, part: Array, target: Array) -> None:
    if part.shape != target.shape:
        if part.size != target.size:
            raise misfit(name, target.shape, part.shape)
        part = part.reshape(target.shape)
    # Whole numbers, such as labels or pixels, may become floats; float64 may become float32.
    np.copyto(target, part, casting="same_kind" if part.dtype.kind == "f" else "unsafe")


def _gather(executor: StepExecutor, name: str, source: Array, rows: Array) -> None:
    """Copy those rows of `source` into an argument, without a copy in between where they have its shape."""
    target = executor.arg_dict[name]
    if target.shape[1:] == source.shape[1:] and target.dtype == source.dtype and len(target) == len(rows):
        executor.gather(name, source, rows)
    else:
        _copy(name, source.take(rows, axis=0), target)


def misfit(name: str, expected: Shape, got: Shape) -> ShapeError:
    """The error for rows of a batch, of shape `got`, for the argument `name` of another shape and size."""
    # One column per class where one number is expected.
    is_one_hot = name.endswith("label") and len(expected) == 1 and len(got) == 2
    remedy = "Labels are class numbers: of one-hot rows, pass y.argmax(axis=1)" if is_one_hot else None
    return ShapeError(f"batch array for {name}", expected=f"shape {expected}", got=got, remedy=remedy)


def channels_hint(shapes: Mapping[str, Shape]) -> str | None:
    """What to do if data look like pictures (examples, height, width, channels); None if they do not."""
    if any(len(shape) == 4 and shape[3] in _CHANNELS and shape[1] not in _CHANNELS for shape in shapes.values()):
        return "Pictures are (examples, channels, height, width), channels first: X.transpose(0, 3, 1, 2)"
    return None


def _named(names: InputNames, data: Sequence[Array], label: Sequence[Array]) -> Iterable[tuple[str, Array]]:
    """Data and labels with the names of their arguments."""
    # Predictions come without labels, and there may be fewer names than arrays: hence strict=False.
    return zip((*names.data, *names.label), (*data, *label), strict=False)


def chosen(names: InputNames, batch: DataBatch, wanted: Set[str]) -> dict[str, Array]:
    """The batch's data and labels (batch, ...) by argument name, at least those that are wanted.

    Data are gathered for that only if they are.
    """
    return whole_labels(names, batch) if wanted <= {*names.label} else dict(_named(names, batch.data, batch.label))


def whole_labels(names: InputNames, batch: DataBatch) -> dict[str, Array]:
    """The global batch's labels (batch, ...) by argument name, for losses that normalise over the whole batch."""
    return dict(zip(names.label, batch.label, strict=False))


def _match(symbol: Graph, provided: Sequence[str], suffix: str) -> tuple[str, ...]:
    """The arguments for the iterator's arrays of one kind, in its order; GraphError if one has none."""
    arguments = symbol.list_arguments()
    if all(name in arguments for name in provided):
        return tuple(provided)
    if lone := _lone(arguments, provided, suffix):
        return lone
    candidates = [name for name in arguments if name.endswith(suffix)]
    if suffix == "label" and not candidates:
        raise _no_loss(symbol)
    unknown = [name for name in provided if name not in arguments]
    raise GraphError(
        f"the iterator's {suffix} {', '.join(unknown)} is not an argument of the network",
        expected=f"one of {', '.join(candidates or arguments)}",
    )


def _lone(arguments: Sequence[str], provided: Sequence[str], suffix: str) -> tuple[str, ...]:
    """The only argument that ends in `suffix`, for a lone array of another name; () if there is no such pair."""
    candidates = [name for name in arguments if name.endswith(suffix)]
    return tuple(candidates) if len(provided) == len(candidates) == 1 and provided[0] not in arguments else ()
