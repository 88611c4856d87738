"""MobileNet, versions 1 and 2: each convolution is split into one per channel (depthwise) and one across channels."""

from __future__ import annotations

from ...common.errors import ParameterError
from ..symbols import sym
from ..symbols.symbol import Symbol

# filters and stride of each separable convolution (the article's table 1)
_LAYERS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
# expansion, filters, repeats, stride of the first block (the second article's table 2)
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet(num_classes: int = 1000, multiplier: float = 1.0) -> Symbol:
    """Howard et al. (2017): data (N, 3, 224, 224) -> softmax (N, num_classes).

    `multiplier` scales the number of filters (the article has 1, 0.75, 0.5, 0.25). With 1 there are 4 231 976
    parameters, as Keras counts trainable ones: gammas are learned and counted. Raises ParameterError unless
    0 < multiplier <= 4.
    """
    _check("mobilenet", multiplier)
    channels = int(32 * multiplier)
    net = _conv(sym.Variable("data"), "conv_1", channels, 3, 2)
    for index, (filters, stride) in enumerate(_LAYERS, 2):
        net = _conv(net, f"conv_{index}_dw", channels, 3, stride, groups=channels)
        channels = int(filters * multiplier)
        net = _conv(net, f"conv_{index}", channels, 1)
    return _classify(net, num_classes)


def mobilenet_v2(num_classes: int = 1000, multiplier: float = 1.0) -> Symbol:
    """Sandler et al. (2018): data (N, 3, 224, 224) -> softmax (N, num_classes).

    Activations are cut off at 6 (relu6), and the narrow layers have none. With a `multiplier` of 1 there are 3 504 872
    parameters, as torchvision lists; gammas are learned and counted. Raises ParameterError unless 0 < multiplier <= 4.
    """
    _check("mobilenet_v2", multiplier)
    channels, number = _scaled(32, multiplier), 0
    net = _conv(sym.Variable("data"), "conv_first", channels, 3, 2, limit=6)
    for expansion, filters, repeats, first in _STAGES:
        filters = _scaled(filters, multiplier)
        for stride in (first, *(1,) * (repeats - 1)):
            net = _inverted(net, f"block{number}", channels, filters, stride, expansion)
            channels, number = filters, number + 1
    # Narrower networks keep the 1280 filters of the last layer, as the article says.
    net = _conv(net, "conv_last", _scaled(1280, max(multiplier, 1.0)), 1, limit=6)
    return _classify(net, num_classes)


def _inverted(data: Symbol, name: str, channels: int, filters: int, stride: int, expansion: int) -> Symbol:
    """An inverted bottleneck: widen, filter each channel, narrow; the input is added where its shape is the same."""
    wide = channels * expansion
    net = data if expansion == 1 else _conv(data, f"{name}_expand", wide, 1, limit=6)
    net = _conv(net, f"{name}_dw", wide, 3, stride, groups=wide, limit=6)
    net = _conv(net, f"{name}_project", filters, 1, active=False)
    return sym.elemwise_add(net, data, name=f"{name}_add") if stride == 1 and channels == filters else net


def _conv(
    data: Symbol,
    name: str,
    filters: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    limit: float | None = None,
    active: bool = True,
) -> Symbol:
    """Convolution, normalisation and, if `active`, relu, cut off at `limit` if one is given."""
    net = sym.Convolution(
        data,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        num_filter=filters,
        num_group=groups,
        no_bias=True,
        name=name,
    )
    net = sym.BatchNorm(net, fix_gamma=False, eps=1e-3, name=f"{name}_bn")
    if not active:
        return net
    if limit is None:
        return sym.Activation(net, act_type="relu", name=f"{name}_relu")
    return sym.clip(net, a_min=0.0, a_max=limit, name=f"{name}_relu6")


def _classify(net: Symbol, num_classes: int) -> Symbol:
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="global_pool")
    net = sym.FullyConnected(sym.Flatten(net, name="flatten"), num_hidden=num_classes, name="fc")
    return sym.SoftmaxOutput(net, name="softmax")


def _scaled(filters: int, multiplier: float) -> int:
    """filters * multiplier, rounded to the nearest multiple of 8, but up if that would lose more than a tenth."""
    wanted = filters * multiplier
    found = max(8, int(wanted + 4) // 8 * 8)
    return found + 8 if found < 0.9 * wanted else found


def _check(model: str, multiplier: float) -> None:
    if not 0 < multiplier <= 4:
        raise ParameterError(f"{model}: multiplier", expected="a number above 0, at most 4", got=repr(multiplier))
