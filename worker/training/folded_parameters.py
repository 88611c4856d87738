"""The parameters of layers that do a BatchNorm's work as well (see graphs/batch_norm_folding.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ..array import Array
from ..execution.executor_base import check_shape
from ..graphs.batch_norm_folding import FoldedLayer


@np.errstate(all="ignore")  # as in the executor, which would compute the BatchNorm otherwise
def write_folded(
    layers: Sequence[FoldedLayer],
    arguments: Mapping[str, Array],
    states: Mapping[str, Array],
    targets: Mapping[str, Array],
) -> None:
    """Write the weight and bias of each layer to `targets`. Raises ShapeError for a parameter of another shape."""
    from ..cpu.row_scaling import scale_rows  # imports numba

    for layer in layers:
        weight, bias = targets[layer.weight], targets[layer.bias]
        check_shape(layer.weight, weight, arguments[layer.weight])
        numbers = partial(_numbers, like=bias)
        gamma = 1.0 if layer.gamma is None else numbers(arguments, layer.gamma)
        scale = gamma / np.sqrt(numbers(states, layer.var) + layer.eps)
        shift = numbers(arguments, layer.beta) - numbers(states, layer.mean) * scale
        scale_rows(arguments[layer.weight], scale, weight)
        bias[...] = (numbers(arguments, layer.bias) if layer.had_bias else 0.0) * scale + shift


def _numbers(given: Mapping[str, Array], name: str, like: Array) -> Array:
    """Those of a name, of the shape of `like`, in float64, so that results are rounded only once."""
    check_shape(name, like, given[name])
    return given[name].astype(np.float64)
