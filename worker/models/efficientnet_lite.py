"""EfficientNet-Lite, for small devices: EfficientNet without squeeze-and-excitation, with relu6 in place of swish."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...common.errors import ParameterError
from ..symbols import sym
from ..symbols.symbol import Symbol


@dataclass(frozen=True)
class Variant:
    """How a variant scales the smallest one: factors of `width` (filters) and `depth` (blocks).

    `image_size` is in pixels, `dropout` the rate before the classifier.
    """

    width: float
    depth: float
    image_size: int
    dropout: float


VARIANTS = (
    Variant(1.0, 1.0, 224, 0.2),
    Variant(1.0, 1.1, 240, 0.2),
    Variant(1.1, 1.2, 260, 0.3),
    Variant(1.2, 1.4, 280, 0.3),
    Variant(1.4, 1.8, 300, 0.3),
)
# repeats, kernel, stride of the first block, expansion, filters
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280  # the same in all variants


def efficientnet_lite(
    variant: int = 0, num_classes: int = 1000, image_size: int | None = None, dropout: float | None = None
) -> Symbol:
    """EfficientNet-Lite0 to -Lite4 (2020), on EfficientNet by Tan and Le (2019).

    data (N, 3, S, S) with S = image_size (by default the variant's own: 224, 240, 260, 280, 300), RGB as
    (pixel - 127) / 128 -> softmax (N, num_classes). Lite0 has 4 652 008 parameters, as its authors count (4.7 million).
    Convolutions with strides pad as TensorFlow's SAME does, with one more row below and one more column to the right
    where the padding is odd, so that weights trained there give the same results; so the image size must be known.
    Blocks are numbered through: block0_depthwise_conv_weight, block1_expand_bn_gamma, ... Stochastic depth, which the
    authors train with, is left out. Raises ParameterError unless `variant` is 0 to 4.
    """
    if variant not in range(len(VARIANTS)):
        raise ParameterError("efficientnet_lite: variant", expected="0 to 4", got=repr(variant))
    chosen = VARIANTS[variant]
    size = image_size or chosen.image_size
    net = _conv_bn(sym.Variable("data"), "stem", _STEM, 3, 2, size)
    size = -(-size // 2)
    channels, number = _STEM, 0
    for index, (repeats, kernel, stride, expansion, filters) in enumerate(_STAGES):
        filters = _scaled(filters, chosen.width)
        fixed = index in (0, len(_STAGES) - 1)  # Lite variants repeat the first and the last stage no more often
        for repeat in range(repeats if fixed else math.ceil(repeats * chosen.depth)):
            step = stride if repeat == 0 else 1
            net = _block(net, f"block{number}", channels, filters, kernel, step, expansion, size)
            channels, number, size = filters, number + 1, -(-size // step)
    net = _conv_bn(net, "head", _HEAD, 1, 1, size)
    net = sym.Pooling(net, global_pool=True, pool_type="avg", kernel=(1, 1), name="pool")
    net = sym.Dropout(
        sym.Flatten(net, name="flatten"), p=chosen.dropout if dropout is None else dropout, name="dropout"
    )
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=num_classes, name="fc"), name="softmax")


def _block(
    data: Symbol, name: str, channels: int, filters: int, kernel: int, stride: int, expansion: int, size: int
) -> Symbol:
    """An inverted bottleneck: widen, filter each channel, narrow; the input is added where its shape is the same."""
    net, wide = data, channels * expansion
    if expansion != 1:
        net = _conv_bn(net, f"{name}_expand", wide, 1, 1, size)
    net = _conv_bn(net, f"{name}_depthwise", wide, kernel, stride, size, groups=wide)
    net = _conv_bn(net, f"{name}_project", filters, 1, 1, size, active=False)
    if stride == 1 and channels == filters:
        net = sym.elemwise_add(net, data, name=f"{name}_add")
    return net


def _conv_bn(
    data: Symbol, name: str, filters: int, kernel: int, stride: int, size: int, groups: int = 1, active: bool = True
) -> Symbol:
    """Convolution with SAME padding for an image of that size, normalisation, and relu6 if `active`."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    if total % 2:  # Convolution pads both sides the same
        low, high = total // 2, total - total // 2
        data = sym.Pad(data, mode="constant", pad_width=(0, 0, 0, 0, low, high, low, high), name=f"{name}_pad")
        total = 0
    net = sym.Convolution(
        data,
        num_filter=filters,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(total // 2, total // 2),
        num_group=groups,
        no_bias=True,
        name=f"{name}_conv",
    )
    net = sym.BatchNorm(net, fix_gamma=False, eps=1e-3, momentum=0.99, name=f"{name}_bn")
    return sym.clip(net, a_min=0.0, a_max=6.0, name=f"{name}_relu6") if active else net


def _scaled(filters: int, width: float) -> int:
    """filters * width, rounded to the nearest multiple of 8, but up if that would lose more than a tenth."""
    wanted = filters * width
    found = max(8, int(wanted + 4) // 8 * 8)
    return found + 8 if found < 0.9 * wanted else found
