"""Residual networks of He et al.: version 1 (2015) adds before the activation, version 2 (2016) normalises first."""

from __future__ import annotations

from ...common.errors import ParameterError
from ..symbols import sym
from ..symbols.symbol import Symbol

# depth -> blocks of each stage, whether they are bottlenecks
_IMAGENET = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
_EPS = 1e-5  # of BatchNorm, as in torchvision, whose counts these networks are compared with


def resnet(depth: int = 50, num_classes: int = 1000, version: int = 1, small: bool | None = None) -> Symbol:
    """ResNet-18, 34, 50, 101, 152 for images of 224, or of depth 6n + 2 (20, 32, 44, 56, 110) for images of 28 or 32.

    data (N, 3, H, W) -> softmax (N, num_classes). `small` chooses the family where the depth alone does not. Parameters
    of version 1: 11 689 512 (18), 21 797 672 (34), 25 557 032 (50), 44 549 160 (101), 60 192 808 (152), as torchvision
    lists them; all gammas are learned and counted. The small networks for ten classes have 269 722 (20), 464 154 (32),
    853 018 (56) and 1 727 962 (110); the article says 0.27, 0.46, 0.85 and 1.7 million. Their shortcuts have no
    parameters: they take every second pixel, and zeros for the new channels. Bottlenecks have their stride in the 3x3
    convolution. Raises ParameterError for another depth or version.
    """
    if version not in (1, 2):
        raise ParameterError("resnet: version", expected="1 or 2", got=repr(version))
    small = depth not in _IMAGENET if small is None else small
    if small:
        return _classify(_small_stages(depth, version), num_classes, version)
    if depth not in _IMAGENET:
        raise ParameterError("resnet: depth", expected=", ".join(map(str, _IMAGENET)), got=repr(depth))
    blocks, bottleneck = _IMAGENET[depth]
    net = _conv(sym.Variable("data"), "conv0", 64, 7, 2)
    net = _bn_relu(net, "bn0")
    net = sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool0")
    channels = 64
    for stage, count in enumerate(blocks, 1):
        filters = (64 << stage - 1) * (4 if bottleneck else 1)
        for unit in range(1, count + 1):
            stride = 2 if unit == 1 and stage > 1 else 1
            name = f"stage{stage}_unit{unit}"
            net = _unit(net, name, channels, filters, stride, bottleneck, version)
            channels = filters
    return _classify(net, num_classes, version)


def _small_stages(depth: int, version: int) -> Symbol:
    """Three stages of n blocks with 16, 32 and 64 filters (He et al. 2015, section 4.2)."""
    if depth < 8 or (depth - 2) % 6:
        raise ParameterError("resnet: depth of a small network", expected="6 n + 2", got=repr(depth))
    net = _conv(sym.Variable("data"), "conv0", 16, 3, 1)
    net = _bn_relu(net, "bn0") if version == 1 else net
    channels = 16
    for stage, filters in enumerate((16, 32, 64), 1):
        for unit in range(1, (depth - 2) // 6 + 1):
            stride = 2 if unit == 1 and stage > 1 else 1
            name = f"stage{stage}_unit{unit}"
            net = _unit(net, name, channels, filters, stride, False, version, projected=False)
            channels = filters
    return net


def _unit(
    data: Symbol,
    name: str,
    channels: int,
    filters: int,
    stride: int,
    bottleneck: bool,
    version: int,
    projected: bool = True,
) -> Symbol:
    """shortcut(data) + F(data). F is two 3x3 convolutions, or 1x1, 3x3 and 1x1 in a bottleneck."""
    same = stride == 1 and channels == filters
    narrow = filters // 4
    layers = [(narrow, 1, 1), (narrow, 3, stride), (filters, 1, 1)] if bottleneck else [(filters, 3, stride)]
    layers += [] if bottleneck else [(filters, 3, 1)]
    if version == 1:
        net = data
        for index, (width, kernel, step) in enumerate(layers, 1):
            net = _bn(_conv(net, f"{name}_conv{index}", width, kernel, step), f"{name}_bn{index}")
            net = net if index == len(layers) else _relu(net, f"{name}_relu{index}")
        shortcut = data if same else _shortcut(data, name, filters, stride, projected, normalise=True)
        return _relu(sym.elemwise_add(net, shortcut, name=f"{name}_add"), f"{name}_relu")
    # Version 2: the shortcut stays free of activations. A projection starts from the normalised input, as the article's
    # own code does.
    first = net = _bn_relu(data, f"{name}_bn1")
    for index, (width, kernel, step) in enumerate(layers, 1):
        net = net if index == 1 else _bn_relu(net, f"{name}_bn{index}")
        net = _conv(net, f"{name}_conv{index}", width, kernel, step)
    shortcut = data if same else _shortcut(first, name, filters, stride, projected, normalise=False)
    return sym.elemwise_add(net, shortcut, name=f"{name}_add")


def _shortcut(data: Symbol, name: str, filters: int, stride: int, projected: bool, normalise: bool) -> Symbol:
    """The input in the shape of the unit's output: by a 1x1 convolution, or without parameters."""
    if projected:
        net = _conv(data, f"{name}_sc", filters, 1, stride)
        return _bn(net, f"{name}_sc_bn") if normalise else net
    # A maximum over windows of one pixel takes every second pixel; the same times 0 are the new channels, twice as many
    # as before (the article's option A).
    net = sym.Pooling(data, kernel=(1, 1), stride=(stride, stride), pool_type="max", name=f"{name}_sc_pool")
    return sym.Concat(net, sym._mul_scalar(net, scalar=0.0, name=f"{name}_sc_zeros"), name=f"{name}_sc_concat")


def _classify(net: Symbol, num_classes: int, version: int) -> Symbol:
    net = _bn_relu(net, "bn1") if version == 2 else net
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool1")
    net = sym.FullyConnected(sym.Flatten(net, name="flatten"), num_hidden=num_classes, name="fc1")
    return sym.SoftmaxOutput(net, name="softmax")


def _conv(data: Symbol, name: str, filters: int, kernel: int, stride: int) -> Symbol:
    return sym.Convolution(
        data,
        num_filter=filters,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        no_bias=True,
        name=name,
    )


def _bn(data: Symbol, name: str) -> Symbol:
    return sym.BatchNorm(data, fix_gamma=False, eps=_EPS, momentum=0.9, name=name)


def _relu(data: Symbol, name: str) -> Symbol:
    return sym.Activation(data, act_type="relu", name=name)


def _bn_relu(data: Symbol, name: str) -> Symbol:
    return _relu(_bn(data, name), f"{name}_relu")
