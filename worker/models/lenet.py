"""LeNet for handwritten digits, as the 2016 article has it."""

from __future__ import annotations

from ..symbols import sym
from ..symbols.symbol import Symbol


def lenet(num_classes: int = 10, activation: str = "tanh") -> Symbol:
    """data (N, 1, 28, 28) -> softmax (N, num_classes): two convolutions and two fully connected layers.

    After LeCun et al. (1998), with the sizes 20, 50 and 500 of Caffe's example: 431 080 parameters for ten digits.
    `activation` is an act_type of Activation; layers are conv1, conv2, fc1, fc2.
    """
    net = sym.Variable("data")
    for index, filters in enumerate((20, 50), 1):
        net = sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=f"conv{index}")
        net = sym.Activation(net, act_type=activation, name=f"{activation}{index}")
        net = sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{index}")
    net = sym.FullyConnected(sym.Flatten(net, name="flatten"), num_hidden=500, name="fc1")
    net = sym.Activation(net, act_type=activation, name=f"{activation}3")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=num_classes, name="fc2"), name="softmax")
