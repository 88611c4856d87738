"""GoogLeNet, the first Inception network."""

from __future__ import annotations

from ..symbols import sym
from ..symbols.symbol import Symbol

# filters of 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, projection after pooling (the article's table 1)
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(num_classes: int = 1000, dropout: float = 0.4) -> Symbol:
    """Szegedy et al. (2014): data (N, 3, 224, 224) -> softmax (N, num_classes), without the two auxiliary classifiers.

    It has 6 998 552 parameters, as many as Caffe's bvlc_googlenet without its auxiliary classifiers.
    """
    net = _pool(_conv(sym.Variable("data"), "conv1", 64, 7, 2), "pool1")
    net = _normalised(net, "norm1")
    net = _conv(_conv(net, "conv2_reduce", 64, 1), "conv2", 192, 3)
    net = _pool(_normalised(net, "norm2"), "pool2")
    for name, filters in _MODULES.items():
        if name in ("4a", "5a"):
            net = _pool(net, f"pool{int(name[0]) - 1}")
        net = _module(net, f"in{name}", *filters)
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="global_pool")
    net = sym.Dropout(sym.Flatten(net, name="flatten"), p=dropout, name="dropout")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=num_classes, name="fc1"), name="softmax")


def _module(data: Symbol, name: str, one: int, reduce3: int, three: int, reduce5: int, five: int, proj: int) -> Symbol:
    """An inception module: 1x1, 3x3 and 5x5 convolutions and a pooling of the same pixels, joined by channels."""
    pooled = sym.Pooling(data, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="max", name=f"{name}_pool")
    branches = (
        _conv(data, f"{name}_1x1", one, 1),
        _conv(_conv(data, f"{name}_3x3_reduce", reduce3, 1), f"{name}_3x3", three, 3),
        _conv(_conv(data, f"{name}_5x5_reduce", reduce5, 1), f"{name}_5x5", five, 5),
        _conv(pooled, f"{name}_proj", proj, 1),
    )
    return sym.Concat(*branches, name=f"{name}_concat")


def _conv(data: Symbol, name: str, filters: int, kernel: int, stride: int = 1) -> Symbol:
    net = sym.Convolution(
        data,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        num_filter=filters,
        name=f"conv_{name}",
    )
    return sym.Activation(net, act_type="relu", name=f"relu_{name}")


def _pool(data: Symbol, name: str) -> Symbol:
    # "full" rounds the size up, as Caffe does; the article's table 1 has the resulting 56, 28, 14 and 7.
    return sym.Pooling(data, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full", name=name)


def _normalised(data: Symbol, name: str) -> Symbol:
    return sym.LRN(data, alpha=1e-4, beta=0.75, knorm=1, nsize=5, name=name)
