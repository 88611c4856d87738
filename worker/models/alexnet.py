"""AlexNet, with all filters seeing all channels, or in the article's two halves."""

from __future__ import annotations

from ...common.errors import ParameterError
from ..symbols import sym
from ..symbols.symbol import Symbol


def alexnet(num_classes: int = 1000, towers: int = 1) -> Symbol:
    """Krizhevsky, Sutskever and Hinton (2012): data (N, 3, 224, 224) -> softmax (N, num_classes).

    towers=2 is the article's network, whose second, fourth and fifth convolution see only half of the channels:
    60 965 224 parameters, as in Caffe's. towers=1, the default and MXNet's example, lets them see all: 62 378 344.
    (torchvision's variant of 61 100 840, with fewer filters, is another network.) An image of 224 is padded by 2, which
    gives the first convolution the same 55 x 55 outputs as an unpadded image of 227. Raises ParameterError unless
    `towers` is 1 or 2.
    """
    if towers not in (1, 2):
        raise ParameterError("alexnet: towers", expected="1 or 2", got=repr(towers))
    net = _conv(sym.Variable("data"), 1, 96, 11, pad=2, stride=4)
    net = _conv(_pool(_normalised(net, 1), 1), 2, 256, 5, pad=2, groups=towers)
    net = _conv(_pool(_normalised(net, 2), 2), 3, 384, 3, pad=1)
    net = _conv(net, 4, 384, 3, pad=1, groups=towers)
    net = _pool(_conv(net, 5, 256, 3, pad=1, groups=towers), 5)
    net = sym.Flatten(net, name="flatten")
    for index in (6, 7):
        net = sym.FullyConnected(net, num_hidden=4096, name=f"fc{index}")
        net = sym.Activation(net, act_type="relu", name=f"relu{index}")
        net = sym.Dropout(net, p=0.5, name=f"drop{index}")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=num_classes, name="fc8"), name="softmax")


def _conv(data: Symbol, index: int, filters: int, kernel: int, pad: int, stride: int = 1, groups: int = 1) -> Symbol:
    net = sym.Convolution(
        data,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(pad, pad),
        num_filter=filters,
        num_group=groups,
        name=f"conv{index}",
    )
    return sym.Activation(net, act_type="relu", name=f"relu{index}")


def _normalised(data: Symbol, index: int) -> Symbol:
    # The article's numbers. Its formula does not divide alpha by the 5 channels, as LRN does; MXNet's example keeps the
    # 1e-4 all the same.
    return sym.LRN(data, alpha=1e-4, beta=0.75, knorm=2, nsize=5, name=f"norm{index}")


def _pool(data: Symbol, index: int) -> Symbol:
    return sym.Pooling(data, pool_type="max", kernel=(3, 3), stride=(2, 2), name=f"pool{index}")
