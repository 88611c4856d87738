"""`mx.formats`: reading and writing networks and weights in the formats of other programs; see docs/files.md."""

from .efficientnet import efficientnet_lite0
from .onnx.exporter import export_onnx
from .onnx.importer import import_onnx
from .safetensors_file import load_safetensors, save_safetensors
from .torch.torch_file import load_torch

__all__ = [
    "efficientnet_lite0",
    "export_onnx",
    "import_onnx",
    "load_safetensors",
    "load_torch",
    "save_safetensors",
]
