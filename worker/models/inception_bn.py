"""Inception with batch normalisation: a network for images of 224 pixels, and a small one for images of 28."""

from __future__ import annotations

from ..symbols import sym
from ..symbols.symbol import Symbol

# filters of 1x1, 3x3 reduced, 3x3, double 3x3 reduced, double 3x3, projection, and what its pooling takes
_MODULES: dict[str, tuple[int, int, int, int, int, int, str]] = {
    "3a": (64, 64, 64, 64, 96, 32, "avg"),
    "3b": (64, 64, 96, 64, 96, 64, "avg"),
    "3c": (0, 128, 160, 64, 96, 0, "max"),
    "4a": (224, 64, 96, 96, 128, 128, "avg"),
    "4b": (192, 96, 128, 96, 128, 128, "avg"),
    "4c": (160, 128, 160, 128, 160, 128, "avg"),
    "4d": (96, 128, 192, 160, 192, 128, "avg"),
    "4e": (0, 128, 192, 192, 256, 0, "max"),
    "5a": (352, 192, 320, 160, 224, 128, "avg"),
    "5b": (352, 192, 320, 192, 224, 128, "max"),
}
# filters of 1x1 and of 3x3; modules without 1x1 halve the image
_SMALL = {
    "in3a": (32, 32),
    "in3b": (32, 48),
    "in3c": (0, 80),
    "in4a": (112, 48),
    "in4b": (96, 64),
    "in4c": (80, 80),
    "in4d": (48, 96),
    "in4e": (0, 96),
    "in5a": (176, 160),
    "in5b": (176, 160),
}


def inception_bn(num_classes: int = 1000) -> Symbol:
    """Ioffe and Szegedy (2015): data (N, 3, 224, 224) -> softmax (N, num_classes).

    Layers and names are those of MXNet's example of 2016 and later (conv_1, bn_1, conv_2_red, conv_3a_1x1,
    conv_3a_double_3x3_0, ..., fc1), so that its trained parameters fit. It has 11 295 240 parameters: convolutions have
    a bias before the normalisation, and gammas are learned and counted. Pools that halve the image round its size up,
    as MXNet's did when its parameters were trained.
    """
    net = _conv(sym.Variable("data"), "1", 64, 7, 2)
    net = _conv(_halve(net, "pool_1"), "2_red", 64, 1)
    net = _halve(_conv(net, "2", 192, 3), "pool_2")
    for name, (one, reduce3, three, reduce_double, double, proj, pool) in _MODULES.items():
        stride = 1 if one else 2  # modules without a 1x1 branch halve the image
        deep = _conv(data=net, name=f"{name}_3x3_reduce", filters=reduce3, kernel=1)
        deeper = _conv(net, f"{name}_double_3x3_reduce", reduce_double, 1)
        deeper = _conv(deeper, f"{name}_double_3x3_0", double, 3)
        branches = [
            _conv(deep, f"{name}_3x3", three, 3, stride),
            _conv(deeper, f"{name}_double_3x3_1", double, 3, stride),
        ]
        if one:
            pooled = sym.Pooling(
                net, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type=pool, name=f"{pool}_pool_{name}_pool"
            )
            branches = [_conv(net, f"{name}_1x1", one, 1), *branches, _conv(pooled, f"{name}_proj", proj, 1)]
        else:
            branches.append(_halve(net, f"max_pool_{name}_pool"))
        net = sym.Concat(*branches, name=f"ch_concat_{name}_chconcat")
    return _classify(net, num_classes)


def inception_bn_28_small(num_classes: int = 10) -> Symbol:
    """The same idea for CIFAR: data (N, 3, 28, 28) -> softmax (N, num_classes), as in MXNet's example of 2015.

    Names are those of its later version (conv_1, conv_in3a_1x1, ...). An image of 32 works as well. With ten classes
    there are 1 652 826 parameters; gammas are learned and counted.
    """
    net = _conv(sym.Variable("data"), "1", 96, 3)
    for name, (one, three) in _SMALL.items():
        if one:
            branches = (_conv(net, f"{name}_1x1", one, 1), _conv(net, f"{name}_3x3", three, 3))
        else:
            branches = (_conv(net, f"{name}_conv", three, 3, 2), _halve(net, f"{name}_pool"))
        net = sym.Concat(*branches, name=f"{name}_ch_concat")
    return _classify(net, num_classes)


def _conv(data: Symbol, name: str, filters: int, kernel: int, stride: int = 1) -> Symbol:
    net = sym.Convolution(
        data,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        num_filter=filters,
        name=f"conv_{name}",
    )
    # The eps of MXNet's example, with which the parameters were trained.
    net = sym.BatchNorm(net, fix_gamma=False, eps=1e-5 + 1e-10, momentum=0.9, name=f"bn_{name}")
    return sym.Activation(net, act_type="relu", name=f"relu_{name}")


def _halve(data: Symbol, name: str) -> Symbol:
    return sym.Pooling(data, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full", name=name)


def _classify(net: Symbol, num_classes: int) -> Symbol:
    net = sym.Pooling(net, global_pool=True, kernel=(7, 7), pool_type="avg", name="global_pool")
    net = sym.FullyConnected(sym.Flatten(net, name="flatten"), num_hidden=num_classes, name="fc1")
    return sym.SoftmaxOutput(net, name="softmax")
