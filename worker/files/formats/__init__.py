"""`mx.formats`: networks and weights in the files of other programs; see docs/files.md."""

from ...formats.onnx_export import export_onnx
from ...formats.onnx_import import import_onnx
from ...formats.torch_file import load_torch
from .efficientnet import efficientnet_lite0
from .safetensors_file import load_safetensors, save_safetensors

__all__ = [
    "efficientnet_lite0",
    "export_onnx",
    "import_onnx",
    "load_safetensors",
    "load_torch",
    "save_safetensors",
]
