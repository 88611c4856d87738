"""Networks by name: `mx.models.resnet(depth=18)`, or `mx.models.get("resnet18", num_classes=10)`.

Each network is a function that builds a Symbol with the input `data`, the label `softmax_label` and the output
`softmax`; there is a file per family. Names of layers are part of the interface, because checkpoints and converters
rely on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ...common.errors import ParameterError
from ...common.suggestion import suggestion
from ..array import Shape
from ..symbols.symbol import Symbol
from .alexnet import alexnet
from .efficientnet_lite import VARIANTS, efficientnet_lite
from .googlenet import googlenet
from .inception_bn import inception_bn, inception_bn_28_small
from .lenet import lenet
from .lstm_unroll import lstm_unroll
from .mlp import mlp
from .mobilenet import mobilenet, mobilenet_v2
from .resnet import resnet
from .vgg import vgg

_MODELS: dict[str, Callable[..., Symbol]] = {
    model.__name__: model
    for model in (
        mlp,
        lenet,
        alexnet,
        vgg,
        googlenet,
        inception_bn,
        inception_bn_28_small,
        resnet,
        mobilenet,
        mobilenet_v2,
        efficientnet_lite,
        lstm_unroll,
    )
}
# The pictures (channels, height, width) that a network is made for; all others are for 3 x 224 x 224.
_PICTURES = {"mlp": (1, 28, 28), "lenet": (1, 28, 28), "inception_bn_28_small": (3, 28, 28)}
_NUMBER = {"vgg": "depth", "resnet": "depth", "efficientnet_lite": "variant"}  # what a number after the name means

__all__ = [
    "alexnet",
    "efficientnet_lite",
    "get",
    "googlenet",
    "inception_bn",
    "inception_bn_28_small",
    "lenet",
    "lstm_unroll",
    "mlp",
    "mobilenet",
    "mobilenet_v2",
    "names",
    "resnet",
    "vgg",
]


def __getattr__(name: str) -> Any:
    hint = suggestion(name, __all__) if not name.startswith("_") else ""
    raise AttributeError(f"mx.models has no network {name}{hint}", name=name, obj=None)


def names() -> list[str]:
    """The names that `get` knows, sorted; vgg, resnet and efficientnet_lite may be followed by a number: resnet18."""
    return sorted(_MODELS)


def picture_shape(name: str) -> Shape | None:
    """The shape (channels, height, width) of the pictures that the network is made for which `get` makes of this name.

    None if it takes none.
    """
    if name.startswith("efficientnet_lite"):
        size = VARIANTS[int(name.removeprefix("efficientnet_lite") or 0)].image_size
        return 3, size, size
    family = name if name in _MODELS else name.rstrip("0123456789")
    return None if family == "lstm_unroll" or family not in _MODELS else _PICTURES.get(family, (3, 224, 224))


def get(name: str, **options: Any) -> Symbol:
    """The network of that name; `options` are the parameters of its function.

    Raises ParameterError if there is no such network, or an option is out of range for it or stands in its name.
    """
    if name not in _MODELS and (match := re.fullmatch(r"(\w+?)(\d+)", name)) and match[1] in _NUMBER:
        key = _NUMBER[match[1]]
        if key in options:
            raise ParameterError(f"model {name!r}: {key} is in the name, and given as {options[key]!r} as well")
        name, options = match[1], {key: int(match[2]), **options}
    if name not in _MODELS:
        raise ParameterError(f"no model {name!r}{suggestion(str(name), names())}")
    return _MODELS[name](**options)
